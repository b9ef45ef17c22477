//! The faults: each has one name, in options, titles, JSON and counters.

use std::{fmt, str::FromStr};

/// What a fault happens to, and so how often its rate is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A submit request. At most one of these faults happens to a request.
    Submit,
    /// A fetch request. At most one of these faults happens to a request.
    Fetch,
    /// A task in the answer to a fetch. At most one of these faults happens to a task in one answer.
    FetchedTask,
    /// A task, for its whole life.
    Task,
}

macro_rules! faults {
    ($($kind:ident { $($variant:ident $name:literal $about:literal)* })*) => {
        /// A fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[doc = $about] $variant,)*)*
        }

        impl Fault {
            /// Every fault, in the order of drawing: of two faults that are drawn, the first one happens.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// The name in options, titles, JSON and counters.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// What happens, in one sentence.
            pub const fn about(self) -> &'static str {
                match self { $($(Self::$variant => $about,)*)* }
            }

            /// What the fault happens to.
            pub const fn kind(self) -> Kind {
                match self { $($(Self::$variant => Kind::$kind,)*)* }
            }
        }
    };
}

faults! {
    Submit {
        Submit429 "submit-429" "429 without Retry-After; nothing is accepted"
        Submit429RetryAfter "submit-429-retry-after" "429 with Retry-After; nothing is accepted"
        Submit500 "submit-500" "500; nothing is accepted"
        Submit502 "submit-502" "502 with a gateway's HTML; nothing is accepted"
        Submit503 "submit-503" "503; nothing is accepted"
        Submit401 "submit-401" "401, the key is wrong; nothing is accepted"
        Submit402 "submit-402" "402, the key is out of credit; nothing is accepted"
        Submit403 "submit-403" "403, the key is banned; nothing is accepted"
        SubmitRefuse "submit-refuse" "400, the request itself is refused; nothing is accepted"
        Submit404 "submit-404" "404; nothing is accepted"
        Submit422 "submit-422" "422; nothing is accepted"
        SubmitDropBefore "submit-drop-before" "the connection is cut without an answer; nothing is accepted"
        SubmitDropAfter "submit-drop-after" "the task is ACCEPTED, then the connection is cut without an answer"
        SubmitHangBefore "submit-hang-before" "never answers; nothing is accepted"
        SubmitHangAfter "submit-hang-after" "the task is ACCEPTED, then there never is an answer"
        SubmitCode "submit-code" "200 with a code other than success; nothing is accepted"
        SubmitHtml "submit-html" "200 with an HTML page; nothing is accepted"
        SubmitEmpty "submit-empty" "the task is ACCEPTED, the answer is 200 with an empty body"
        SubmitNoId "submit-no-id" "the task is ACCEPTED, the answer is a success without an id"
        SubmitTorn "submit-torn" "the task is ACCEPTED, the connection is cut in the middle of the answer"
        SubmitDrip "submit-drip" "the task is ACCEPTED, the answer comes byte by byte"
        SubmitHuge "submit-huge" "the task is ACCEPTED, the answer is a success of megabytes"
        SubmitWait "submit-wait" "the task is ACCEPTED, the answer comes only once it is done; as a rate, of lyrics only"
        Submit504 "submit-504" "the task is ACCEPTED, the answer is 504 with a gateway's HTML"
        Submit408 "submit-408" "the task is ACCEPTED, the answer is 408"
        SubmitLate502 "submit-late-502" "the task is ACCEPTED, the answer is 502 after 6 s"
        SubmitDetail "submit-detail" "422 whose words stand in a list, as `detail`; nothing is accepted"
    }
    Fetch {
        Fetch429 "fetch-429" "429 without Retry-After"
        Fetch429RetryAfter "fetch-429-retry-after" "429 with Retry-After"
        Fetch500 "fetch-500" "500"
        Fetch502 "fetch-502" "502 with a gateway's HTML"
        Fetch503 "fetch-503" "503"
        Fetch401 "fetch-401" "401, the key is wrong"
        Fetch402 "fetch-402" "402, the key is out of credit"
        Fetch403 "fetch-403" "403, the key is banned"
        Fetch404 "fetch-404" "404 for the whole batch"
        FetchDrop "fetch-drop" "the connection is cut without an answer"
        FetchHang "fetch-hang" "never answers"
        FetchTorn "fetch-torn" "the connection is cut in the middle of the answer"
        FetchCode "fetch-code" "200 with a code other than success"
        FetchHtml "fetch-html" "200 with an HTML page"
        FetchEmpty "fetch-empty" "200 with an empty body"
        FetchNull "fetch-null" "a success whose data is null"
        FetchGarbage "fetch-garbage" "200 with JSON that breaks off"
        FetchDrip "fetch-drip" "the answer comes byte by byte"
        FetchHuge "fetch-huge" "the right answer, megabytes of it"
        FetchStrangers "fetch-strangers" "the right answer, and tasks that were never asked for"
    }
    FetchedTask {
        Missing "missing" "the task is left out of the answer"
        Batch404 "batch-404" "404 for the whole batch because of this task"
        Unknown "unknown" "status UNKNOWN"
        WeirdStatus "weird-status" "a status never seen before"
        EmptyStatus "empty-status" "an empty status"
        Backwards "backwards" "every second time it is asked for, a running task is `NOT_START` again"
        EarlyReason "early-reason" "a `fail_reason` beside a status that is not FAILURE"
        Twice "twice" "the task stands twice in the answer"
        NoData "no-data" "data is null, whatever the status"
        Malformed "malformed" "fields of the wrong types"
        RawText "raw-text" "a title with a raw newline, a byte that is not UTF-8 and half of a surrogate pair"
        NotANumber "not-a-number" "a duration of NaN"
        TextData "text-data" "data is a text that holds the JSON"
        LowerCase "lower-case" "the status in lower case"
        DeepData "deep-data" "data nested 200,000 levels deep"
        LargeData "large-data" "an undocumented field of 1 MiB in the result"
        ClipReason "clip-reason" "a FAILURE whose reason stands in its clips only"
    }
    Task {
        Fail "fail" "the task ends in FAILURE"
        Stuck "stuck" "the task never ends by itself (POST /simulator/finish ends it)"
        Leak "leak" "messages and `fail_reason` print the channel's key, its base URL and the upstream's task id"
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    /// Reads a name; `submit-` may be left out.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|fault| {
                let name = fault.name();
                name == text || name.strip_prefix("submit-") == Some(text)
            })
            .ok_or_else(|| {
                let names = Self::ALL.iter().map(|fault| fault.name());
                let names = names.collect::<Vec<_>>().join(", ");
                format!("there is no fault {text:?}; they are: {names}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_reads_as_its_fault() {
        for &fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
        }
    }

    #[test]
    fn submit_may_be_left_out_and_no_name_is_ambiguous() {
        let short = |fault: &Fault| {
            let name = fault.name();
            name.strip_prefix("submit-").unwrap_or(name)
        };
        let names: HashSet<_> = Fault::ALL.iter().map(short).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert_eq!("503".parse(), Ok(Fault::Submit503));
    }

    #[test]
    fn the_error_for_an_unknown_name_lists_the_known_ones() {
        let error = "explode".parse::<Fault>().unwrap_err();
        assert!(error.contains("\"explode\"") && error.contains("submit-drop-after"));
    }
}
