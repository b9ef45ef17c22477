//! What can be made to go wrong: one name for each, used alike in flags, in titles, in JSON and in figures.

use std::{fmt, str::FromStr};

/// When a fault happens, and so how often its chance is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once for each submit request. At most one of these happens to a request.
    Submit,
    /// Once for each fetch request. At most one of these happens to a request.
    Fetch,
    /// Once for each task that a fetch asks for. At most one of these happens to a task in one answer.
    Sighting,
    /// Once for each task, for its whole life.
    Task,
}

macro_rules! faults {
    ($($kind:ident { $($variant:ident $name:literal $about:literal)* })*) => {
        /// One thing that goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[doc = $about] $variant,)*)*
        }

        impl Fault {
            /// Every fault, in the order in which chances are taken: of two that hit, the first one happens.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// Its name in flags, titles, JSON and figures.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// What happens, in one sentence for a person.
            pub const fn about(self) -> &'static str {
                match self { $($(Self::$variant => $about,)*)* }
            }

            /// When it happens.
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
    Sighting {
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
    }
    Task {
        Fail "fail" "the task ends in FAILURE"
        Stuck "stuck" "the task never ends by itself (POST /simulator/finish ends it)"
        Leak "leak" "messages and `fail_reason` print the channel's key, its base URL and the upstream's task id"
    }
}

impl Fault {
    /// Its place in [`Fault::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no fault of this name.
#[derive(Debug, PartialEq, Eq)]
pub struct NoSuchFault(pub String);

impl fmt::Display for NoSuchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no fault {:?}; they are: ", self.0)?;
        for (n, fault) in Fault::ALL.iter().enumerate() {
            write!(f, "{}{fault}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl std::error::Error for NoSuchFault {}

impl FromStr for Fault {
    type Err = NoSuchFault;

    /// Takes the name; `submit-` may be left out.
    fn from_str(text: &str) -> Result<Self, NoSuchFault> {
        Self::ALL
            .iter()
            .copied()
            .find(|fault| {
                let name = fault.name();
                name == text || name.strip_prefix("submit-") == Some(text)
            })
            .ok_or_else(|| NoSuchFault(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_leads_back_to_its_fault() {
        for &fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
        }
    }

    #[test]
    fn submit_may_be_left_out_and_no_name_means_two_things() {
        let short = |fault: &Fault| {
            let name = fault.name();
            name.strip_prefix("submit-").unwrap_or(name)
        };
        let names: HashSet<_> = Fault::ALL.iter().map(short).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert_eq!("503".parse(), Ok(Fault::Submit503));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "explode".parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("\"explode\"") && error.contains("submit-drop-after"));
    }

    #[test]
    fn places_follow_the_order_of_the_list() {
        assert!(
            Fault::ALL
                .iter()
                .enumerate()
                .all(|(n, fault)| fault.index() == n)
        );
    }
}
