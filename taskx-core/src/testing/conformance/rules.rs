//! The list of all rules, from which tests are made.

/// Makes one test of each rule of the conformance suite. `$open` is the path of an
/// `async fn() -> Option<impl Fixture>`; `None` leaves the engine out.
#[macro_export]
macro_rules! conformance {
    ($open:path) => {
        $crate::conformance_tests! { $open;
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
                a_delay_of_nothing_means_at_once
                a_delayed_job_is_not_claimed
                a_past_time_means_at_once
                a_future_time_is_kept_to_the_microsecond
                inserted_at_is_the_databases_clock
                edges_of_numbers_are_kept
                any_uuid_may_be_an_id
                a_paused_queue_takes_jobs
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
                $crate::conformance_tests!(@call $takes, $verb, $rule, fixture);
                fixture.close().await;
            })*
        })*
    };
    (@call store, $verb:ident, $rule:ident, $fixture:ident) => {
        $crate::testing::conformance::$verb::$rule($fixture.store()).await
    };
    (@call sessions, $verb:ident, $rule:ident, $fixture:ident) => {
        $crate::testing::conformance::$verb::$rule(&$fixture).await
    };
}
