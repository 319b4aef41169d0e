//! A model of claim, lease, fence, settle and cron, searched exhaustively: workers that crash, do
//! nothing past the end of their lease (any worker may do nothing at any time), and lose the database's
//! answers. Its broken twins must fail, or the model could not find what it looks for.
//!
//! What is modelled: the statements of the stores are single steps; time is the database's clock in
//! few ticks; a worker's row has the lease; answers may be lost. Not modelled: batches, retries'
//! delays, the solo lane.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test")]

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

/// How long a lease runs, in ticks.
const LEASE: u8 = 2;

/// What is searched.
#[derive(Clone, Copy)]
struct Bounds {
    workers: u8,
    jobs: u8,
    /// How often each job may be claimed.
    claims: u8,
    ticks: u8,
    crashes: u8,
    lost_answers: u8,
    cron: bool,
}

/// One rule that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Twin {
    /// The protocol as it is.
    Sound,
    /// A settlement says the job only, not by which claim.
    NoFence,
    /// A restarted worker keeps its row, and a claim does not raise the fence.
    FenceReuse,
    /// A rescuer compares leases with its own clock, which is ahead.
    OwnClock,
    /// A slot is fired by whoever has seen it due, without a unique row.
    NoSlotKey,
    /// A beat takes a job back that was given back by a call without an answer.
    BeatAfterRelease,
}

#[derive(Clone, Copy)]
struct Protocol {
    bounds: Bounds,
    twin: Twin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum JobState {
    Available,
    Running,
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Job {
    state: JobState,
    /// Index of a worker row.
    owner: Option<u8>,
    fence: u8,
    /// Commits of its transactional effect.
    effects: u8,
    /// Fences that were settled.
    closed: Vec<u8>,
    /// Fences that were given out, in order.
    claimed: Vec<(u8, u8)>,
    /// Somebody settled it who did not hold it.
    usurped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    lease_until: u8,
    ended: bool,
}

/// What a worker believes to hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Held {
    job: u8,
    row: u8,
    fence: u8,
    /// The call that was sent without an answer so far; only it is repeated.
    sent: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    Done,
    Back,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Worker {
    row: u8,
    held: Vec<Held>,
    /// It has seen the slot due and not fired it yet.
    sees_slot: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    jobs: Vec<Job>,
    rows: Vec<Row>,
    workers: Vec<Worker>,
    crashes: u8,
    lost: u8,
    slot_taken: bool,
    slot_jobs: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Tick,
    Claim { worker: u8, lost: bool },
    Settle { worker: u8, held: u8, outcome: Outcome, lost: bool },
    Renew { worker: u8 },
    Rescue { row: u8 },
    Crash { worker: u8 },
    SeeSlot { worker: u8 },
    FireSlot { worker: u8 },
}

impl World {
    /// A row that nobody has had before.
    fn fresh_row(&mut self) -> u8 {
        self.rows.push(Row { lease_until: self.now + LEASE, ended: false });
        u8::try_from(self.rows.len() - 1).unwrap()
    }
}

impl Protocol {
    /// The first job that may be claimed.
    fn claimable(&self, world: &World) -> Option<usize> {
        let may = |job: &Job| {
            job.state == JobState::Available && job.claimed.len() < self.bounds.claims as usize
        };
        world.jobs.iter().position(may)
    }

    fn claim(&self, world: &mut World, worker: u8, lost: bool) {
        let row = world.workers[worker as usize].row;
        let Some(at) = self.claimable(world) else { return };
        let job = &mut world.jobs[at];
        if self.twin != Twin::FenceReuse || job.fence == 0 {
            job.fence += 1;
        }
        job.state = JobState::Running;
        job.owner = Some(row);
        job.claimed.push((row, job.fence));
        let held = Held { job: u8::try_from(at).unwrap(), row, fence: job.fence, sent: None };
        if lost {
            world.lost += 1;
            // Whatever that claim took is the old row's; the worker goes on under a fresh one.
            let fresh = world.fresh_row();
            world.workers[worker as usize].row = fresh;
        } else {
            world.workers[worker as usize].held.push(held);
        }
    }

    fn settle(&self, world: &mut World, worker: u8, at: u8, outcome: Outcome, lost: bool) {
        let held = world.workers[worker as usize].held[at as usize].clone();
        let job = &mut world.jobs[held.job as usize];
        let holds = job.state == JobState::Running
            && job.owner == Some(held.row)
            && job.fence == held.fence;
        let passes = match self.twin {
            Twin::NoFence => job.state == JobState::Running,
            _ => holds,
        };
        if passes {
            job.usurped |= !holds;
            job.closed.push(held.fence);
            job.owner = None;
            match outcome {
                Outcome::Done => {
                    job.state = JobState::Done;
                    job.effects += 1;
                }
                Outcome::Back => job.state = JobState::Available,
            }
        }
        if lost {
            world.lost += 1;
            world.workers[worker as usize].held[at as usize].sent = Some(outcome);
        } else {
            world.workers[worker as usize].held.remove(at as usize);
        }
    }

    fn renew(&self, world: &mut World, worker: u8) {
        let now = world.now;
        let Worker { row, held, .. } = &world.workers[worker as usize];
        let mut rows = vec![*row];
        rows.extend(held.iter().map(|held| held.row));
        if self.twin == Twin::BeatAfterRelease {
            for held in held {
                let job = &mut world.jobs[held.job as usize];
                if job.state == JobState::Available && job.fence == held.fence {
                    job.state = JobState::Running;
                    job.owner = Some(held.row);
                }
            }
        }
        for row in rows {
            let row = &mut world.rows[row as usize];
            if !row.ended {
                row.lease_until = now + LEASE;
            }
        }
        let ended: Vec<u8> = (0..world.rows.len())
            .filter(|at| world.rows[*at].ended)
            .map(|at| u8::try_from(at).unwrap())
            .collect();
        // A row that others ended: its jobs are lost, and a fresh row is made.
        world.workers[worker as usize].held.retain(|held| !ended.contains(&held.row));
        if ended.contains(&world.workers[worker as usize].row) {
            let fresh = world.fresh_row();
            world.workers[worker as usize].row = fresh;
        }
    }

    fn rescue(&self, world: &mut World, row: u8) {
        world.rows[row as usize].ended = true;
        for job in &mut world.jobs {
            if job.state == JobState::Running && job.owner == Some(row) {
                job.state = JobState::Available;
                job.owner = None;
            }
        }
    }

    fn is_over(&self, world: &World, row: &Row) -> bool {
        let clock = world.now + u8::from(self.twin == Twin::OwnClock);
        !row.ended && row.lease_until < clock
    }

    fn crash(&self, world: &mut World, worker: u8) {
        world.crashes += 1;
        let row = match self.twin {
            // The host's name, say, is its identity: it is the same after a restart, and what the
            // dead one held counts as nobody's.
            Twin::FenceReuse => {
                let row = world.workers[worker as usize].row;
                self.rescue(world, row);
                world.rows[row as usize].ended = false;
                row
            }
            _ => world.fresh_row(),
        };
        world.workers[worker as usize] = Worker { row, held: Vec::new(), sees_slot: false };
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let job = Job {
            state: JobState::Available,
            owner: None,
            fence: 0,
            effects: 0,
            closed: Vec::new(),
            claimed: Vec::new(),
            usurped: false,
        };
        let worker = |row| Worker { row, held: Vec::new(), sees_slot: false };
        let workers = self.bounds.workers;
        vec![World {
            now: 0,
            jobs: vec![job; self.bounds.jobs as usize],
            rows: vec![Row { lease_until: LEASE, ended: false }; workers as usize],
            workers: (0..workers).map(worker).collect(),
            crashes: 0,
            lost: 0,
            slot_taken: false,
            slot_jobs: 0,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let bounds = self.bounds;
        if world.now < bounds.ticks {
            steps.push(Step::Tick);
        }
        let may_lose = world.lost < bounds.lost_answers;
        for (at, worker) in world.workers.iter().enumerate() {
            let at = u8::try_from(at).unwrap();
            let may_claim =
                !world.rows[worker.row as usize].ended && self.claimable(world).is_some();
            if may_claim {
                steps.push(Step::Claim { worker: at, lost: false });
                if may_lose {
                    steps.push(Step::Claim { worker: at, lost: true });
                }
            }
            for (nth, held) in worker.held.iter().enumerate() {
                let nth = u8::try_from(nth).unwrap();
                // The closing rule: after a call without an answer only that call is repeated.
                let outcomes = match held.sent {
                    Some(sent) => vec![sent],
                    None => vec![Outcome::Done, Outcome::Back],
                };
                for outcome in outcomes {
                    steps.push(Step::Settle { worker: at, held: nth, outcome, lost: false });
                    if may_lose {
                        steps.push(Step::Settle { worker: at, held: nth, outcome, lost: true });
                    }
                }
            }
            steps.push(Step::Renew { worker: at });
            if world.crashes < bounds.crashes {
                steps.push(Step::Crash { worker: at });
            }
            if bounds.cron && !worker.sees_slot && !world.slot_taken {
                steps.push(Step::SeeSlot { worker: at });
            }
            if worker.sees_slot {
                steps.push(Step::FireSlot { worker: at });
            }
        }
        for (at, row) in world.rows.iter().enumerate() {
            if self.is_over(world, row) {
                steps.push(Step::Rescue { row: u8::try_from(at).unwrap() });
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::Tick => next.now += 1,
            Step::Claim { worker, lost } => self.claim(&mut next, worker, lost),
            Step::Settle { worker, held, outcome, lost } => {
                self.settle(&mut next, worker, held, outcome, lost);
            }
            Step::Renew { worker } => self.renew(&mut next, worker),
            Step::Rescue { row } => self.rescue(&mut next, row),
            Step::Crash { worker } => self.crash(&mut next, worker),
            Step::SeeSlot { worker } => next.workers[worker as usize].sees_slot = true,
            Step::FireSlot { worker } => {
                next.workers[worker as usize].sees_slot = false;
                if !next.slot_taken || self.twin == Twin::NoSlotKey {
                    next.slot_taken = true;
                    next.slot_jobs += 1;
                }
            }
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("an effect is there once", |_: &Self, world: &World| {
                world.jobs.iter().all(|job| job.effects == u8::from(job.state == JobState::Done))
            }),
            Property::always("only the holder settles", |_: &Self, world: &World| {
                world.jobs.iter().all(|job| !job.usurped)
            }),
            Property::always("no claim is given out twice", |_: &Self, world: &World| {
                world.jobs.iter().all(|job| {
                    let mut fences: Vec<u8> = job.claimed.iter().map(|(_, fence)| *fence).collect();
                    fences.dedup();
                    fences.len() == job.claimed.len()
                })
            }),
            Property::always("what was settled is not held again", |_: &Self, world: &World| {
                world
                    .jobs
                    .iter()
                    .all(|job| job.state != JobState::Running || !job.closed.contains(&job.fence))
            }),
            Property::always("one holder while its lease is valid", |_: &Self, world: &World| {
                world.workers.iter().flat_map(|worker| &worker.held).all(|held| {
                    let row = &world.rows[held.row as usize];
                    let job = &world.jobs[held.job as usize];
                    // By the database's clock, and unless a rescuer rightly ended it.
                    let valid = row.lease_until >= world.now;
                    !valid || held.sent.is_some() || job.fence == held.fence
                })
            }),
            Property::always("a slot is one job", |_: &Self, world: &World| world.slot_jobs <= 1),
            Property::sometimes("all is done", |_: &Self, world: &World| {
                world.jobs.iter().all(|job| job.state == JobState::Done)
            }),
            Property::sometimes("a zombie is fenced out", |_: &Self, world: &World| {
                world
                    .workers
                    .iter()
                    .flat_map(|worker| &worker.held)
                    .any(|held| world.jobs[held.job as usize].fence > held.fence)
            }),
        ]
    }
}

const SMALL: Bounds =
    Bounds { workers: 2, jobs: 1, claims: 3, ticks: 4, crashes: 1, lost_answers: 1, cron: false };

#[expect(clippy::print_stderr, reason = "the state counts are the figure")]
fn search(bounds: Bounds, twin: Twin) -> impl Checker<Protocol> {
    let began = Instant::now();
    let protocol = Protocol { bounds, twin };
    let checker = match twin {
        Twin::Sound => protocol.checker(),
        _ => protocol.checker().finish_when(HasDiscoveries::AnyFailures),
    };
    let checker = checker.threads(2).spawn_bfs().join();
    eprintln!(
        "{twin:?}: {} states, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    checker
}

#[test]
fn the_protocol_holds_for_one_job_and_three_workers() {
    let bounds = Bounds { workers: 3, claims: 2, ticks: 3, ..SMALL };
    search(bounds, Twin::Sound).assert_properties();
}

#[test]
fn the_protocol_holds_for_two_jobs_and_two_workers() {
    let bounds = Bounds { jobs: 2, claims: 2, ticks: 3, lost_answers: 0, ..SMALL };
    search(bounds, Twin::Sound).assert_properties();
}

#[test]
fn the_protocol_holds_when_answers_are_lost() {
    let bounds = Bounds { ticks: 3, lost_answers: 2, crashes: 0, ..SMALL };
    search(bounds, Twin::Sound).assert_properties();
}

#[test]
fn a_slot_is_fired_once_by_the_protocol() {
    let cron = Bounds { cron: true, workers: 3, jobs: 0, ticks: 0, ..SMALL };
    let checker = search(cron, Twin::Sound);
    assert!(checker.discovery("a slot is one job").is_none());
}

/// A twin must break this property, by a way that is shown.
#[expect(clippy::print_stderr, reason = "the counter-example is the figure")]
fn must_break(twin: Twin, bounds: Bounds, property: &'static str) {
    let checker = search(bounds, twin);
    let path = checker.discovery(property).unwrap_or_else(|| panic!("{twin:?} keeps: {property}"));
    eprintln!("{twin:?} breaks \"{property}\": {:?}", path.into_actions());
}

#[test]
fn without_a_fence_a_zombie_settles_anothers_job() {
    must_break(Twin::NoFence, SMALL, "only the holder settles");
}

#[test]
fn a_fence_that_is_used_again_is_given_out_twice() {
    must_break(Twin::FenceReuse, SMALL, "no claim is given out twice");
}

#[test]
fn a_clock_of_ones_own_ends_a_lease_that_is_valid() {
    must_break(Twin::OwnClock, SMALL, "one holder while its lease is valid");
}

#[test]
fn without_a_key_a_slot_is_fired_twice() {
    let cron = Bounds { cron: true, jobs: 0, ..SMALL };
    must_break(Twin::NoSlotKey, cron, "a slot is one job");
}

#[test]
fn a_beat_after_a_release_takes_back_what_was_given_back() {
    must_break(Twin::BeatAfterRelease, SMALL, "what was settled is not held again");
}
