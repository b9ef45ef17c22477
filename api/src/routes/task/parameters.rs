//! The parameters of both listings (`docs/contract.md`, "Listings").

use shared::store::listing::Filter;
use shared::task::Action;
use utoipa::IntoParams;
use utoipa::openapi::Schema;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::query::Query;
use crate::error::{ApiError, Result, Wanted};
use crate::limits::{DEFAULT_PAGE_SIZE, PAGE_SIZE};
use crate::openapi::{optional, schemas};

/// The parameters for `/openapi.json`; [`ListRequest::from_query`] reads them.
pub(crate) struct ListParameters;

impl IntoParams for ListParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let (number, text) = (schemas::optional_number, schemas::text_without_nul);
        let (seconds, status) = (schemas::optional_seconds, schemas::optional_status);
        let parameters = [
            ("p", "The page, from 1. Below 1 counts as 1.", number()),
            (
                "page_size",
                "The tasks on a page, at most 100; 20 if it is absent or below 1.",
                number(),
            ),
            ("ps", "Another name of `page_size`.", number()),
            ("size", "Another name of `page_size`.", number()),
            (
                "platform",
                "Only tasks of this platform, such as `suno`.",
                text(),
            ),
            ("task_id", "Only the task with this id.", text()),
            ("status", "Only tasks in this status.", status()),
            (
                "action",
                "Only tasks of this action: `song` (or `music`) or `lyrics`, in upper or lower case.",
                text(),
            ),
            (
                "start_timestamp",
                "Only tasks submitted at this Unix second or later. Milliseconds are refused.",
                seconds(),
            ),
            (
                "end_timestamp",
                "Only tasks submitted at this Unix second or earlier. Milliseconds are refused.",
                seconds(),
            ),
        ];
        in_query(parameters)
    }
}

/// Parameters of a listing: names, what they do, and their schemas.
pub(crate) fn in_query<const N: usize>(parameters: [(&str, &str, Schema); N]) -> Vec<Parameter> {
    let parameter = |(name, what, schema)| optional(ParameterIn::Query, name, what, schema);
    parameters.map(parameter).into()
}

/// The errors of wrong parameters, for `/openapi.json`.
pub(crate) fn refusals() -> [ApiError; 5] {
    [
        ApiError::Parameter("start_timestamp", Wanted::Seconds),
        ApiError::Parameter("p", Wanted::WholeNumber),
        ApiError::Parameter("task_id", Wanted::TextWithoutNul),
        ApiError::Parameter("status", Wanted::Status),
        ApiError::QueryEncoding,
    ]
}

/// A request for a listing: `p`, `page_size`, `platform`, `task_id`, `status`, `action`,
/// `start_timestamp` and `end_timestamp`, each optional.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// The page, from 1.
    pub page: i64,
    /// The tasks on a page, 1 to 100.
    pub page_size: i64,
    /// The tasks to list.
    pub filter: Filter,
}

impl ListRequest {
    /// Reads the parameters.
    pub fn from_query(query: &Query) -> Result<Self> {
        let mut page_size = None;
        // The first name that is given counts.
        for name in ["page_size", "ps", "size"] {
            page_size = page_size.or(query.number(name)?);
        }
        let page_size = match page_size {
            Some(size) if size >= 1 => size.min(PAGE_SIZE),
            _ => DEFAULT_PAGE_SIZE,
        };
        let action = query.text("action")?;
        let known_action = action.and_then(Action::from_client);
        let status = query.text("status")?.map(str::parse).transpose();
        let filter = Filter {
            platform: query.text("platform")?.map(str::to_owned),
            task_id: query.text("task_id")?.map(str::to_owned),
            status: status.map_err(|_| ApiError::Parameter("status", Wanted::Status))?,
            action: known_action,
            // An unknown action is no error: no task has it, so the listing is empty.
            nothing: action.is_some() && known_action.is_none(),
            start_timestamp: query.seconds("start_timestamp")?,
            end_timestamp: query.seconds("end_timestamp")?,
            user_id: None,
            channel_id: None,
        };
        Ok(Self {
            page: query.number("p")?.unwrap_or(1).max(1),
            page_size,
            filter,
        })
    }

    /// The number of tasks before the page; at most `i64::MAX`, which is past every end.
    pub fn offset(&self) -> i64 {
        (self.page - 1).saturating_mul(self.page_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::task::Status;

    fn request(query: &str) -> Result<ListRequest> {
        ListRequest::from_query(&Query::parse(query)?)
    }

    fn page_of(query: &str) -> (i64, i64, i64) {
        let request = request(query).expect("the query is good");
        (request.page, request.page_size, request.offset())
    }

    #[test]
    fn pages_and_their_sizes_stay_within_their_bounds() {
        assert_eq!(page_of(""), (1, 20, 0));
        assert_eq!(page_of("p=3&page_size=50"), (3, 50, 100));
        assert_eq!(page_of("p=0&page_size=0"), (1, 20, 0));
        assert_eq!(page_of("p=-7&page_size=-7"), (1, 20, 0));
        assert_eq!(page_of("p=2&page_size=101"), (2, 100, 100));
        assert_eq!(page_of("ps=50"), (1, 50, 0));
        assert_eq!(page_of("size=50&page_size=&ps=NaN"), (1, 50, 0));
        assert_eq!(page_of("ps=50&page_size=10"), (1, 10, 0));
        let huge = "99999999999999999999";
        let far = page_of(&format!("p={huge}&page_size={huge}"));
        assert_eq!(far, (i64::MAX, 100, i64::MAX));
    }

    #[test]
    fn an_action_in_any_case_is_found_and_an_unknown_one_matches_nothing() {
        for name in ["song", "music", "MUSIC"] {
            let filter = request(&format!("action={name}")).expect("good").filter;
            assert_eq!((filter.action, filter.nothing), (Some(Action::SONG), false));
        }
        let filter = request("action=video").expect("good").filter;
        assert_eq!((filter.action, filter.nothing), (None, true));
        assert!(!request("action=").expect("good").filter.nothing);
    }

    #[test]
    fn a_time_in_milliseconds_is_refused() {
        let time = |text: &str| request(&format!("start_timestamp={text}")).map(|_| ());
        assert_eq!(time("1640908800"), Ok(()));
        assert_eq!(time("99999999999"), Ok(()));
        let refused = Err(ApiError::Parameter("start_timestamp", Wanted::Seconds));
        assert_eq!(time("1640908800000"), refused);
        assert_eq!(time("100000000000"), refused);
    }

    #[test]
    fn a_status_is_one_of_the_seven_exactly() {
        let filter = request("status=IN_PROGRESS").expect("good").filter;
        assert_eq!(filter.status, Some(Status::InProgress));
        for status in ["success", "DONE", "SUCCESS%20"] {
            let refused = request(&format!("status={status}")).map(|_| ());
            let expected = Err(ApiError::Parameter("status", Wanted::Status));
            assert_eq!(refused, expected, "{status}");
        }
    }

    #[test]
    fn the_example_of_the_users_document_is_read() {
        let query = "p=1&page_size=20&platform=suno&task_id=task123&status=SUCCESS&action=song\
                     &start_timestamp=1640908800&end_timestamp=1640995200";
        let filter = request(query).expect("good").filter;
        assert_eq!(filter.platform.as_deref(), Some("suno"));
        assert_eq!(filter.task_id.as_deref(), Some("task123"));
        assert_eq!(filter.start_timestamp, Some(1_640_908_800));
        assert_eq!(filter.end_timestamp, Some(1_640_995_200));
    }
}
