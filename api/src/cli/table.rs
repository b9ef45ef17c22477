//! Tables for people.

use super::output::printable;

/// A line of titles, then the rows. Each column is as wide as its widest cell.
pub(super) fn table<const N: usize>(
    titles: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(rows.into_iter().map(|row| row.map(|cell| printable(&cell))));
    let mut widths = [0; N];
    for row in &lines {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut text = String::new();
    for row in &lines {
        let mut line = String::new();
        for (cell, widest) in row.iter().zip(widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(widest - width(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The columns that the text takes in a terminal: two for each Chinese, Japanese and Korean
/// character, full-width form and emoji.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x1100..=0x115F
            | 0x2E80..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6
            | 0x1_F300..=0x1_FAFF
            | 0x2_0000..=0x3_FFFD => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_in_chinese_too() {
        let rows = [["1", "阿里", "10"], ["22", "bob", ""]].map(|row| row.map(str::to_owned));
        let text = table(["ID", "NAME", "QUOTA"], rows);
        assert_eq!(text, "ID  NAME  QUOTA\n1   阿里  10\n22  bob\n");
    }
}
