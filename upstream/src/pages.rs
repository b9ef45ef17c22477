//! For tests: whether a page of the documents has the rows of a table in the code.

/// Fails unless one row of a table of the page has all of these cells, or texts in cells, as code.
#[track_caller]
pub(crate) fn assert_row(page: &str, cells: &[&str]) {
    let holds = |row: &str| cells.iter().all(|cell| row.contains(&format!("`{cell}`")));
    let mut rows = page.lines().filter(|line| line.starts_with('|'));
    assert!(rows.any(holds), "no row of the page has {cells:?}");
}
