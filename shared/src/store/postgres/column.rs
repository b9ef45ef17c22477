//! Batches as arrays: Postgres reads them with `unnest`.

/// One array parameter: a value of each item.
pub(super) fn column<'a, Item, Value>(
    items: &'a [Item],
    value: impl Fn(&'a Item) -> Value,
) -> Vec<Value> {
    items.iter().map(value).collect()
}
