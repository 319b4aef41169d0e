//! How many tests passed and failed, as the test runners themselves report it.

use std::{fmt, ops::AddAssign};

use anyhow::{Context, Result};

/// The tests of one or several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Marked as not to be run. nextest's report does not hold them.
    pub(crate) ignored: u64,
}

impl Counts {
    /// Adds what a line of libtest's output reports, when it is such a line:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; ...`.
    pub(crate) fn add_libtest_line(&mut self, line: &str) {
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
        };
    }

    /// Reads the totals on the root element of the JUnit report that nextest writes.
    ///
    /// # Errors
    /// When there is no such element, or a total is missing or no number.
    pub(crate) fn from_junit(report: &str) -> Result<Self> {
        let (_, rest) = report.split_once("<testsuites ").context("no <testsuites> element")?;
        let (attributes, _) = rest.split_once('>').context("<testsuites> is not closed")?;
        let total = |name: &str| -> Result<u64> {
            let start = format!("{name}=\"");
            let mut values = attributes.split(' ').filter_map(|pair| pair.strip_prefix(&start));
            let value = values.next().and_then(|value| value.split('"').next());
            let value = value.with_context(|| format!("<testsuites> has no {name}"))?;
            value.parse().with_context(|| format!("{name} is \"{value}\""))
        };
        // An error is a test whose program could not be run at all.
        let failed = total("failures")? + total("errors")?;
        let passed = total("tests")?.checked_sub(failed).context("more failures than tests")?;
        Ok(Self { passed, failed, ignored: 0 })
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The closing line, in the words that readers of CI logs know.
impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, ignored } = self;
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
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "test result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "the test result: 7 passed",
        ] {
            counts.add_libtest_line(line);
        }
        assert_eq!(counts, Counts { passed: 14, failed: 2, ignored: 1 });
    }

    #[test]
    fn the_totals_of_a_junit_report_are_those_of_its_root() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="12" failures="2" errors="1" uuid="x" time="0.4">
    <testsuite name="taskx" tests="5" disabled="0" errors="0" failures="0">"#;
        let counts = Counts::from_junit(report).unwrap();
        assert_eq!(counts, Counts { passed: 9, failed: 3, ignored: 0 });
    }

    #[test]
    fn a_junit_report_without_totals_is_an_error_and_not_zero_tests() {
        for report in ["", "<testsuites name=\"x\"", "<testsuites tests=\"1\" errors=\"0\">"] {
            assert!(Counts::from_junit(report).is_err(), "{report}");
        }
    }

    #[test]
    fn the_closing_words_name_ignored_tests_only_when_there_are_any() {
        let counts = Counts { passed: 3, failed: 0, ignored: 0 };
        assert_eq!(counts.to_string(), "3 passed, 0 failed");
        assert_eq!(Counts { ignored: 2, ..counts }.to_string(), "3 passed, 0 failed, 2 ignored");
    }
}
