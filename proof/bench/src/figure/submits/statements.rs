//! Checks that `ours.sql` sends the statements of a real submit, as `pg_stat_statements` shows them.

use std::collections::BTreeSet;

use harness::cluster::Cluster;

/// How often each side submits. Our programs' own statements, such as the folds of every second, run less often.
pub const SUBMITS: u32 = 20;

/// Panics unless `submit` and `script`, which both make [`SUBMITS`] submits one after the other, ran the same
/// statements.
pub async fn assert_same(
    cluster: &Cluster,
    submit: impl AsyncFnOnce(),
    script: impl AsyncFnOnce(),
) {
    let (ours, scripts) = (ran(cluster, submit).await, ran(cluster, script).await);
    assert!(
        !ours.is_empty(),
        "the server shows no statement of a submit"
    );
    assert_eq!(scripts, ours, "ours.sql (left) is not what a submit sends");
}

/// The statements that ran for every submit of `work`. Of a prepared `BEGIN` or `COMMIT` the server counts the
/// first execution only.
async fn ran(cluster: &Cluster, work: impl AsyncFnOnce()) -> BTreeSet<String> {
    cluster.execute("SELECT pg_stat_statements_reset()").await;
    work().await;
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT query FROM pg_stat_statements
         WHERE (calls >= $1 OR query IN ('BEGIN', 'COMMIT'))
           AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .bind(i64::from(SUBMITS))
    .fetch_all(&mut cluster.connect().await)
    .await
    .expect("PostgreSQL answers");
    found.iter().map(|sql| without_values(sql)).collect()
}

/// A statement with a `?` for each parameter, literal, and expression that stands for a parameter in the
/// script, and without white space. `pg_stat_statements` shows the literals of a statement that a connection
/// prepared before the reset, and numbers them otherwise.
fn without_values(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut characters = sql.chars().peekable();
    while let Some(c) = characters.next() {
        let in_name = text.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_');
        match c {
            '\'' => {
                let _literal = characters.by_ref().find(|c| *c == '\'');
                text.push('?');
            }
            '$' | '0'..='9' if !in_name => {
                while characters.next_if(char::is_ascii_digit).is_some() {}
                text.push('?');
            }
            _ => text.push(c),
        }
    }
    text.retain(|c| !c.is_whitespace());
    text.replace("?||lpad(?,?,?)", "?")
        .replace("sha256((?||?)::bytea)", "?")
        .replace("ARRAY[?]", "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_tell_statements_apart() {
        let ours = "SELECT $1::TEXT[],\n $12 FROM t WHERE d = ANY ($2)";
        let script = "SELECT ARRAY[$1 || lpad($2, $3, $4)]::TEXT[], $5 FROM t
                      WHERE d = ANY (ARRAY[sha256(($6 || $7)::bytea)])";
        assert_eq!(without_values(ours), "SELECT?::TEXT[],?FROMtWHEREd=ANY(?)");
        assert_eq!(without_values(script), without_values(ours));
        assert_eq!(
            without_values("SELECT 12, 'a b', t1 FROM t1"),
            "SELECT?,?,t1FROMt1"
        );
    }
}
