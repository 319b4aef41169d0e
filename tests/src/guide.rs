//! The Rust blocks of the README, of the guide and of the macros' reference, each a doc-test:
//! `cargo test --doc -p taskx-tests`.
//!
//! rustdoc compiles the blocks of an edition-2024 crate into one program, which takes seconds where
//! a program for each takes minutes. In that program the tasks of all blocks are registered, many
//! under one name, and no worker would start. So the blocks that only show code are compiled with
//! the others and not run (`no_run`), those that assert something without a worker are run in it,
//! and the few that start a worker are programs of their own (`standalone_crate`, `test_harness`).

macro_rules! pages {
    ($folder:literal: $($Page:ident $file:literal;)*) => {$(
        #[doc = include_str!(concat!("../../", $folder, $file))]
        struct $Page;
    )*};
}

pages! { "":
    Readme "README.md";
}

pages! { "docs/src/":
    Benchmarks "benchmarks.md";
    CommandLine "command-line.md";
    Configuration "configuration.md";
    Enqueueing "enqueueing.md";
    FlaskTaskX "flask-taskx.md";
    Introduction "introduction.md";
    Operating "operating.md";
    Performance "performance.md";
    Promises "promises.md";
    QuickStart "quick-start.md";
    Retries "retries.md";
    Schedules "schedules.md";
    Tasks "tasks.md";
    Testing "testing.md";
    Transactions "transactions.md";
    Workers "workers.md";
}

pages! { "taskx-macros/docs/":
    CronTaskMacro "cron_task.md";
    DateTaskMacro "date_task.md";
    IntervalTaskMacro "interval_task.md";
    MainMacro "main.md";
    TaskMacro "task.md";
}
