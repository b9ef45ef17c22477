//! What a test program printed, and what it means.

/// How a job ended.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The number of tests that passed.
    pub passed: usize,
    /// The names of those that failed.
    pub failed: Vec<String>,
    /// Everything that it printed.
    pub output: String,
}

impl Outcome {
    /// Reads the output of a job, which ended with success or without.
    pub fn of(success: bool, stdout: &[u8], stderr: &[u8]) -> Self {
        let stdout = String::from_utf8_lossy(stdout);
        let output = format!("{stdout}{}", String::from_utf8_lossy(stderr));
        let passed = output.lines().filter_map(passed).sum();
        let mut failed: Vec<String> = output.lines().filter_map(failed_test).collect();
        if !success && failed.is_empty() {
            failed.push("it ended with an error".to_owned());
        }
        Self {
            passed,
            failed,
            output,
        }
    }
}

/// The number in a closing line: libtest's `test result: ok. 3 passed; …`, or `3 passed, 0 failed`.
fn passed(line: &str) -> Option<usize> {
    let result = line.strip_prefix("test result: ");
    let counts = result.map_or(Some(line), |result| Some(result.split_once(". ")?.1));
    let (number, rest) = counts?.split_once(" passed")?;
    let counted = rest.starts_with([';', ',']).then_some(number)?;
    counted.parse().ok()
}

/// The name in a line `test NAME ... FAILED`.
fn failed_test(line: &str) -> Option<String> {
    let name = line.strip_prefix("test ")?.strip_suffix("FAILED")?;
    Some(name.trim_end().strip_suffix("...")?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_counted_and_failed_ones_are_named() {
        let printed = "test a::b ... ok\ntest one: c d    ... FAILED\n\
                       test result: FAILED. 12 passed; 1 failed; 0 ignored\n";
        let outcome = Outcome::of(false, printed.as_bytes(), b"");
        assert_eq!(outcome.passed, 12);
        assert_eq!(outcome.failed, ["one: c d"]);
        let script = Outcome::of(true, b"fuzz-api: x\n5 passed, 0 failed\n", b"");
        assert_eq!((script.passed, script.failed.len()), (5, 0));
    }

    #[test]
    fn a_program_that_ends_with_an_error_has_failed_though_no_test_has() {
        let outcome = Outcome::of(false, b"", b"out of memory");
        assert_eq!(outcome.failed, ["it ended with an error"]);
        assert_eq!(outcome.output, "out of memory");
    }
}
