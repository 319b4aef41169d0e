//! The list of all rules, from which tests are made.

/// Makes one test of each rule of the conformance suite. `$open` is the path of an
/// `async fn() -> Option<impl Fixture>`; `None` leaves the engine out.
#[macro_export]
macro_rules! conformance {
    ($open:path) => {
        $crate::conformance_tests! { $open;
            attempts(store) {
                a_failed_attempt_is_kept
                every_kind_of_failure_has_its_word
                the_last_failure_is_kept
                what_did_not_fail_leaves_no_attempt
                attempts_come_oldest_first
                the_last_ten_attempts_are_kept
                attempts_belong_to_their_job
                a_repeated_failure_is_one_attempt
                long_errors_are_cut
                nul_in_an_error_is_harmless
                a_redriven_job_keeps_its_attempts
                attempts_go_with_a_deleted_job
                a_forgotten_job_leaves_no_attempts
            }
            birth(store) {
                a_job_born_claimed_is_held
                a_job_born_claimed_is_settled
                a_batch_is_born_as_a_whole
                a_dead_worker_gets_no_birth
                a_paused_queue_gives_no_birth
                a_retired_worker_gives_births_back
                a_dead_workers_births_are_rescued
            }
            cancel(store) {
                a_waiting_job_is_cancelled_at_once
                a_cancelled_job_does_not_run
                a_running_job_is_asked_to_stop
                a_finished_job_is_left
                an_unknown_job_is_not_found
                neighbours_are_left
                the_actors_name_may_be_odd
                a_retried_job_is_not_asked_to_stop
            }
            claim(store) {
                jobs_come_by_priority_then_id
                a_claimed_job_is_as_stored
                a_claimed_job_is_running
                the_limit_holds
                a_claim_takes_a_thousand
                a_claimed_job_is_not_claimed_again
                only_known_tasks_are_claimed
                no_tasks_no_jobs
                a_worker_may_know_hundreds_of_tasks
                unknown_tasks_in_front_hide_nothing
                other_queues_are_left_alone
                an_unknown_queue_gives_nothing
                a_paused_queue_gives_nothing
                a_resumed_queue_gives_again
                a_worker_without_a_row_gets_nothing
                a_retired_worker_gets_nothing
                a_rescued_worker_gets_nothing
                the_watermark_leaves_out_what_lies_before_it
                a_watermark_at_the_end_finds_nothing
                following_the_watermark_finds_every_job
                what_waits_or_has_ended_is_not_claimed
                a_due_job_is_claimed_after_promote
                the_next_attempt_is_counted
            }
            clock(store) {
                the_clock_runs_forward
                travel_moves_jobs
                travel_moves_leases_attempts_and_pauses
                travel_moves_schedules_and_slots
                travel_moves_neighbouring_slots
                travel_makes_time_pass
                migrating_again_changes_nothing
            }
            comeback(store) {
                a_failed_job_waits_for_its_next_attempt
                a_failed_job_may_come_back_at_once
                delays_are_each_jobs_own
                a_snoozed_job_uses_no_attempt
                snoozes_add_up
                a_snooze_may_tell_of_a_failure
                a_released_job_is_as_before
                a_released_job_keeps_its_place
                a_failed_job_keeps_its_place
                only_failed_attempts_are_counted
            }
            fence(store) {
                the_first_fence_is_one
                it_rises_over_every_return
                it_rises_over_a_promotion
                it_rises_over_a_rescue
                it_rises_over_a_retirement
                it_rises_over_a_redrive
                it_rises_over_a_discard_by_hand
                no_fence_recurs_over_a_long_life
            }
            fire(store) {
                a_slot_becomes_a_job
                a_fired_job_may_be_due_later
                a_slot_fires_once
                a_slot_fires_once_whatever_became_of_its_job
                only_new_slots_fire
                slots_are_told_apart
                hundreds_of_slots_fire_at_once
                a_position_moves_only_forward
                a_position_may_move_without_a_job
                what_was_missed_is_counted_once
                an_exhausted_schedule_is_not_due
                the_next_slot_is_due_in_its_turn
                an_outdated_firing_does_nothing
                a_paused_schedule_does_not_fire
                a_dropped_schedule_does_not_fire
                slots_are_kept_for_thirty_days
                the_last_slot_is_never_forgotten
            }
            fleet(sessions) {
                ten_workers_execute_ten_thousand_jobs_once
                a_commit_is_seen_at_once
                producers_and_consumers_lose_nothing
                one_claim_is_settled_once
                opposite_batches_do_not_deadlock
                one_checked_id_is_inserted_once
                opposite_inserts_do_not_deadlock
                one_unchecked_id_is_inserted_once
                a_job_is_claimed_or_cancelled
                a_job_is_claimed_or_deleted
                a_redrive_from_many_sessions_is_one
                a_promotion_from_many_sessions_is_one
                a_prune_from_many_sessions_is_one
                a_rescue_from_many_sessions_is_one
                a_worker_is_renewed_or_ended
                a_retired_worker_holds_nothing
                a_rescued_worker_holds_nothing
                a_job_is_settled_or_rescued
                a_slot_fires_once_over_all_sessions
                overlapping_firings_fire_each_slot_once
                many_programs_may_declare_at_once
                many_workers_may_register_at_once
                a_task_that_becomes_known_is_not_left_parked
                many_programs_may_migrate_at_once
                every_verb_at_once_loses_nothing
            }
            insert(store) {
                answers_come_in_the_order_of_the_jobs
                a_new_job_is_as_its_caller_said
                an_empty_batch_is_nothing
                a_batch_of_five_thousand_is_one_call
                a_batch_of_two_thousand_checks_its_ids
                a_batch_may_mix_queues_and_tasks
                a_repeated_id_is_a_conflict
                a_conflict_leaves_the_whole_batch_out
                the_same_id_twice_in_a_batch_is_a_conflict
                a_conflict_spoils_nothing_for_the_next_call
                a_checked_id_finds_a_live_job
                a_checked_id_finds_a_running_job
                a_checked_id_finds_a_finished_job
                a_checked_id_twice_in_a_batch_is_stored_once
                a_checked_id_does_not_find_a_deleted_job
                a_delay_counts_by_the_databases_clock
                a_delay_may_be_shorter_than_a_second
                a_delay_may_be_very_long
                an_endless_delay_is_a_long_one
                a_delay_of_nothing_means_at_once
                a_delayed_job_is_not_claimed
                a_past_time_means_at_once
                a_future_time_is_kept_to_the_microsecond
                inserted_at_is_the_databases_clock
                edges_of_numbers_are_kept
                any_uuid_may_be_an_id
                a_paused_queue_takes_jobs
            }
            lease(store) {
                a_worker_is_seen_as_it_said
                registering_twice_is_registering_once
                workers_may_know_any_tasks
                a_task_may_be_told_anew
                workers_are_listed_oldest_first
                a_renewal_moves_the_lease
                ended_rows_are_not_renewed
                a_late_renewal_is_a_renewal
                an_empty_renewal_is_nothing
                progress_is_written
                a_strangers_progress_is_not_written
                a_renewal_tells_what_to_stop
                a_renewal_tells_nothing_of_others
                a_living_worker_is_no_suspect
                an_ended_lease_makes_a_suspect
                leases_are_each_workers_own
                own_rows_are_no_suspects
                no_presence_is_no_crime
                presence_may_be_held_twice
                a_living_workers_jobs_are_its_own
            }
            list(store) {
                an_unknown_job_is_not_found
                all_jobs_are_listed_newest_first
                what_is_listed_is_what_is_found
                pages_follow_one_another
                pages_follow_the_filter
                by_state
                by_id_queue_and_task
                by_hundreds_of_ids
                by_tag
                by_age
                by_attempts
                by_argument
                by_an_argument_that_is_a_number
                by_an_argument_that_is_null
                by_an_argument_of_an_odd_name
                by_argument_and_more
                a_broken_payload_breaks_no_listing
                jobs_are_counted_by_queue_and_state
            }
            operate(store) {
                a_dead_letter_comes_back
                a_dead_letter_comes_back_once
                waiting_jobs_are_made_available
                retry_leaves_what_runs_or_is_done
                thousands_come_back_in_one_call
                without_ids_nothing_changes
                any_number_of_ids_may_be_named
                nul_in_an_operators_words_is_harmless
                waiting_jobs_are_discarded
                discard_leaves_what_runs_or_has_ended
                a_long_reason_is_cut
                what_does_not_run_is_deleted
                a_running_job_is_not_deleted
                a_payload_is_replaced
                a_replaced_payload_reaches_the_worker
                a_payload_in_use_is_not_replaced
                neighbours_keep_their_payload
            }
            park(store) {
                an_unknown_task_is_parked
                parking_twice_parks_once
                a_task_of_another_worker_is_left
                a_dead_workers_knowledge_does_not_count
                an_ended_workers_knowledge_does_not_count
                only_the_first_jobs_are_looked_at
                other_queues_are_left
                what_waits_is_left
                a_worker_that_knows_brings_them_back
                parking_may_be_repeated
                a_thousand_come_back_together
            }
            payload(store) {
                a_payload_is_kept_byte_for_byte
                a_payload_may_have_a_mebibyte
                a_batch_may_have_many_mebibytes
                what_cannot_be_held_is_refused_for_good
                a_payload_may_be_nested_deeply
                a_payload_survives_the_history
                a_result_is_kept_byte_for_byte
                queues_are_told_apart_letter_for_letter
                tasks_are_told_apart_letter_for_letter
                queues_of_odd_names_are_paused_one_by_one
                filters_know_no_wildcards
                extras_are_found
                extras_reach_the_worker
                extras_survive_the_history
                no_extras_are_no_extras
                extras_of_a_batch_are_not_mixed
            }
            presence(sessions) {
                who_is_present_is_no_suspect
                looking_changes_nothing
                a_session_that_is_gone_is_suspected
                one_sessions_end_is_its_own
                a_session_may_be_several_workers
                presence_does_not_replace_the_lease
                a_retired_workers_lock_is_forgotten
            }
            promote(store) {
                an_empty_store_has_nothing_due
                what_is_due_becomes_available
                a_promoted_job_is_else_as_before
                it_tells_how_long_until_the_next
                the_limit_takes_the_longest_due_first
                queues_are_named_once
                a_backlog_is_promoted_in_steps
                a_paused_queue_is_promoted
                what_does_not_wait_for_a_time_is_left
            }
            prune(store) {
                an_empty_store_has_nothing_to_prune
                retention_is_each_jobs_own
                dead_letters_are_kept_for_ninety_days
                what_an_operator_ended_is_kept_as_by_default
                live_jobs_are_never_pruned
                a_redriven_job_is_not_pruned
                the_limit_holds
                attempts_go_with_their_job
            }
            queues(store) {
                queues_with_jobs_are_listed_by_name
                a_queue_tells_its_oldest_job
                a_paused_queue_tells_why
                pausing_twice_is_pausing
                resuming_tells_whether_it_was_paused
                a_queue_may_be_paused_again
                running_jobs_of_a_paused_queue_go_on
                it_tells_how_long_the_oldest_waits
                a_wait_counts_from_the_due_time
                only_available_jobs_wait
            }
            rescue(store) {
                a_dead_workers_jobs_run_again
                a_rescue_is_no_failed_attempt
                a_dead_workers_row_is_removed
                others_keep_their_jobs
                a_worker_that_was_renewed_is_not_ended
                rescue_may_be_repeated
                a_late_rescue_harms_no_next_claim
                a_worker_without_jobs_is_ended_too
                thousands_are_taken_back
                what_executed_comes_back_solo
                without_a_renewal_nothing_is_marked
                two_deaths_make_a_suspect
                a_solo_job_is_claimed_alone
                solo_jobs_come_one_by_one
                a_solo_job_keeps_its_place
                a_solo_job_given_back_is_still_solo
                poison_is_quarantined
                neighbours_of_poison_go_on
                redriven_poison_is_counted_anew
                a_dead_workers_cancelled_job_is_cancelled
                a_retired_workers_jobs_are_given_back
                retire_may_be_repeated
                retiring_one_leaves_the_others
                a_retired_worker_ends_nothing
                a_retired_workers_cancelled_job_is_cancelled
                a_retired_worker_is_no_suspect
            }
            schedules(store) {
                a_schedule_is_seen_as_declared
                schedules_are_listed_by_name
                declaring_again_changes_nothing
                a_changed_declaration_replaces
                a_changed_declaration_may_leave_the_slot_open
                an_older_version_undoes_nothing
                the_same_version_may_change
                what_is_not_declared_any_more_is_marked
                the_mark_is_set_once
                an_older_version_drops_nothing_newer
                an_older_version_without_schedules_drops_nothing_newer
                an_older_version_brings_nothing_back
                others_are_left_alone
                a_name_has_one_owner
                a_dynamic_schedule_keeps_its_name
                hundreds_may_be_declared
                an_unknown_slot_is_due
                a_slot_is_due_when_it_has_come
                only_known_tasks_are_due
                a_paused_schedule_is_not_due
                pausing_an_unknown_schedule_is_told
                a_live_job_overlaps
                a_schedule_may_be_made_at_run_time
                code_is_not_changed_by_hand
            }
            settle(store) {
                an_empty_batch_is_nothing
                a_completed_job_keeps_its_result
                a_completed_job_may_have_no_result
                a_completed_job_has_no_reason
                other_ends_keep_their_reason
                a_finished_job_is_not_live
                without_retention_a_job_is_forgotten
                dead_letters_are_always_kept
                a_batch_mixes_outcomes
                a_batch_of_three_thousand_is_one_call
                a_stranger_settles_nothing
                a_waiting_job_is_not_settled
                a_lost_settlement_harms_no_other
                a_large_batch_settles_each_by_itself
                a_repeated_end_is_already_written
                an_end_of_another_claim_is_lost
                a_repeated_return_is_already_written
                a_repeated_return_after_the_next_claim_is_lost
                a_repeated_end_without_retention_is_lost
                the_same_claim_twice_in_a_batch_counts_once
                a_rescued_job_is_lost_to_its_owner
                a_job_quarantined_by_rescue_is_lost_to_its_owner
                a_redriven_job_is_lost_to_its_old_claim
                an_expired_lease_alone_loses_nothing
                a_job_asked_to_stop_does_not_come_back
                a_request_to_stop_is_one_jobs_own
                a_job_asked_to_stop_may_still_end
                odd_text_harms_no_row
                endless_times_harm_no_row
            }
            watch(sessions) {
                an_insert_is_told
                a_batch_tells_of_each_queue
                a_cancellation_is_told
                a_resumption_is_told
                a_redrive_is_told
                several_may_watch
            }
        }
    };
}

/// Makes the tests of the list; see [`conformance!`](crate::conformance).
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($open:path; $($verb:ident($takes:ident) { $($rule:ident)* })*) => {
        $(mod $verb {
            use super::*;
            $(#[::tokio::test]
            async fn $rule() {
                use $crate::testing::conformance::{self, Fixture as _};
                let Some(fixture) = $open().await else {
                    conformance::left_out(::core::module_path!(), ::core::stringify!($rule));
                    return;
                };
                conformance::check($crate::conformance_tests!(@call $takes, $verb, $rule, fixture))
                    .await;
                fixture.close().await;
            })*
        })*
    };
    (@call store, $verb:ident, $rule:ident, $fixture:ident) => {
        $crate::testing::conformance::$verb::$rule($fixture.store())
    };
    (@call sessions, $verb:ident, $rule:ident, $fixture:ident) => {
        $crate::testing::conformance::$verb::$rule(&$fixture)
    };
}
