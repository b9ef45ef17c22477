//! `audit`: whether all charges, refunds and balances add up.

use serde::Serialize;
use shared::store::audit::Audit;

use super::output::printable;
use super::{CommandContext, CommandError, Output};

#[derive(Serialize)]
struct AuditJson<'a> {
    balanced: bool,
    #[serde(flatten)]
    audit: &'a Audit,
}

pub(super) async fn run(context: CommandContext<'_>) -> Result<Output, CommandError> {
    output(&context.store.audit().await?)
}

fn output(audit: &Audit) -> Result<Output, CommandError> {
    let balanced = audit.breaks.is_empty();
    let json = AuditJson { balanced, audit };
    let counts = format!(
        "users: {}, tasks: {}, ledger entries: {}",
        audit.users, audit.tasks, audit.entries
    );
    if balanced {
        return Output::new(format!("The books balance ({counts})."), &json);
    }
    let breaks: Vec<String> = audit.breaks.iter().map(|found| printable(found)).collect();
    let breaks = breaks.join("\n  ");
    let human = format!("The books do not balance ({counts}):\n  {breaks}\n");
    let reason = match audit.breaks.len() {
        1 => "the books do not balance: 1 break".to_owned(),
        many => format!("the books do not balance: {many} breaks"),
    };
    Ok(Output::new(human, &json)?.with_error(reason))
}

#[cfg(test)]
mod tests {
    use super::super::output;
    use super::*;

    fn printed(breaks: &[&str], json: bool) -> (String, Result<(), CommandError>) {
        let audit = Audit {
            users: 2,
            tasks: 3,
            entries: 5,
            breaks: breaks.iter().map(|&text| text.to_owned()).collect(),
        };
        output::printed(&super::output(&audit).expect("it prints"), json)
    }

    #[test]
    fn an_audit_without_breaks_prints_the_counts() {
        let (human, ended) = printed(&[], false);
        assert_eq!(
            human,
            "The books balance (users: 2, tasks: 3, ledger entries: 5).\n"
        );
        assert_eq!(ended, Ok(()));
        let (json, _) = printed(&[], true);
        assert_eq!(
            json,
            "{\"balanced\":true,\"users\":2,\"tasks\":3,\"entries\":5,\"breaks\":[]}\n"
        );
    }

    #[test]
    fn an_audit_with_breaks_prints_each_and_fails() {
        let (human, ended) = printed(&["user 1 is short of 5", "task 2 was charged twice"], false);
        assert!(human.contains("  user 1 is short of 5\n  task 2 was charged twice\n"));
        let error = ended.expect_err("there are breaks").to_string();
        assert_eq!(error, "the books do not balance: 2 breaks");
        let (json, ended) = printed(&["a"], true);
        assert!(json.starts_with("{\"balanced\":false,") && json.contains("\"breaks\":[\"a\"]"));
        assert!(ended.is_err());
    }
}
