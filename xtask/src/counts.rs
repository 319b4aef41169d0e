//! How many tests passed and which failed, as the test runners themselves report it.

use std::{fmt, ops::AddAssign};

use anyhow::{Context, Result};
use quick_junit::{Report, TestCase, TestCaseStatus};

/// The tests of one or several runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Marked as not to be run. nextest's report does not hold them.
    pub(crate) ignored: u64,
    /// The failed tests, each with the first line of its reason where the runner gives one.
    pub(crate) failures: Vec<String>,
}

impl Counts {
    /// Adds what a line of libtest's output reports, when it is such a line: `test fence ... FAILED`,
    /// or `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; ...`.
    pub(crate) fn add_libtest_line(&mut self, line: &str) {
        let failed = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "));
        if let Some((name, verdict)) = failed
            && verdict.contains("FAILED")
        {
            self.failures.push(name.to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let number_before = |word: &str| -> u64 {
            let words: Vec<&str> =
                result.split([' ', ';', '.']).filter(|w| !w.is_empty()).collect();
            let pairs = words.iter().zip(words.iter().skip(1));
            let number = pairs.filter(|&(_, next)| *next == word).map(|(number, _)| number.parse());
            number.flatten().next().unwrap_or(0)
        };
        *self += Self {
            passed: number_before("passed"),
            failed: number_before("failed"),
            ignored: number_before("ignored"),
            failures: Vec::new(),
        };
    }

    /// Reads the JUnit report that nextest writes.
    ///
    /// # Errors
    /// When it is no such report.
    pub(crate) fn from_junit(report: &str) -> Result<Self> {
        let report = Report::deserialize_from_str(report).context("no JUnit report")?;
        let mut counts = Self::default();
        for suite in &report.test_suites {
            for case in &suite.test_cases {
                match failure(case) {
                    None => counts.passed += 1,
                    Some(reason) => {
                        counts.failed += 1;
                        counts.failures.push(format!(
                            "{} {}: {reason}",
                            suite.name.as_str(),
                            case.name.as_str()
                        ));
                    }
                }
            }
        }
        Ok(counts)
    }
}

/// Why a test did not pass, in a line. An error is a test whose program could not be run at all.
fn failure(case: &TestCase) -> Option<String> {
    let TestCaseStatus::NonSuccess { message, ty, .. } = &case.status else { return None };
    let reason = message.as_ref().or(ty.as_ref()).map_or("", |reason| reason.as_str());
    Some(reason.lines().next().unwrap_or_default().to_owned())
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.failures.extend(other.failures);
    }
}

/// The closing line, in the words that readers of CI logs know.
impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, ignored, .. } = self;
        write!(formatter, "{passed} passed, {failed} failed")?;
        if *ignored > 0 {
            write!(formatter, ", {ignored} ignored")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_lines_are_added_up_and_others_passed_over() {
        let mut counts = Counts::default();
        for line in [
            "running 4 tests",
            "test fence::holds ... FAILED",
            "test docs/tasks.md - tasks (line 3) - compile ... \u{1b}[31mFAILED\u{1b}(B\u{1b}[m",
            "test lease::ends ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "test result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "the test result: 7 passed",
        ] {
            counts.add_libtest_line(line);
        }
        let failures = ["fence::holds", "docs/tasks.md - tasks (line 3) - compile"];
        let failures = failures.map(str::to_owned).to_vec();
        assert_eq!(counts, Counts { passed: 14, failed: 2, ignored: 1, failures });
    }

    #[test]
    fn a_junit_report_names_what_failed_and_why() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="3" failures="1" errors="1" time="0.4">
    <testsuite name="taskx-core" tests="3" disabled="0" errors="1" failures="1">
        <testcase name="fence::holds" classname="taskx-core" time="0.002">
            <failure message="thread 'fence::holds' panicked&#10;left: 1" type="test failure"/>
            <system-err>thread</system-err>
        </testcase>
        <testcase name="lease::ends" classname="taskx-core" time="0.002"/>
        <testcase name="lease::begins" classname="taskx-core" time="0.002">
            <error type="execution failure"/>
        </testcase>
    </testsuite>
</testsuites>"#;
        let counts = Counts::from_junit(report).unwrap();
        assert_eq!((counts.passed, counts.failed), (1, 2));
        assert_eq!(
            counts.failures,
            [
                "taskx-core fence::holds: thread 'fence::holds' panicked",
                "taskx-core lease::begins: execution failure",
            ],
        );
    }

    #[test]
    fn what_is_no_junit_report_is_an_error_and_not_zero_tests() {
        for report in ["", "<testsuites name=\"x\"", "<testsuites tests=\"1\" errors=\"0\">"] {
            assert!(Counts::from_junit(report).is_err(), "{report}");
        }
    }

    #[test]
    fn the_closing_words_name_ignored_tests_only_when_there_are_any() {
        let counts = Counts { passed: 3, ..Counts::default() };
        assert_eq!(counts.to_string(), "3 passed, 0 failed");
        assert_eq!(Counts { ignored: 2, ..counts }.to_string(), "3 passed, 0 failed, 2 ignored");
    }
}
