//! Tables that are printed row by row, so that a list of any length takes no memory.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::human::printable;

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    width: usize,
    right: bool,
}

impl Column {
    /// A column whose text starts at its left edge; shorter text is padded to `width`.
    #[must_use]
    pub const fn left(title: &'static str, width: usize) -> Self {
        Self {
            title,
            width,
            right: false,
        }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn right(title: &'static str, width: usize) -> Self {
        Self {
            title,
            width,
            right: true,
        }
    }
}

/// A table of `N` columns. The header appears before the first row.
#[derive(Debug)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    started: bool,
}

impl<const N: usize> Table<N> {
    /// An empty table. The last column may be as wide as it likes.
    #[must_use]
    pub const fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            started: false,
        }
    }

    /// True when no row was printed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.started
    }

    /// The row as a line (with the header before the first one), cut to `width` columns.
    #[must_use]
    pub fn render(&mut self, cells: &[String; N], width: usize) -> String {
        let mut text = String::new();
        if !self.started {
            self.started = true;
            let titles = self.columns.map(|column| column.title.to_owned());
            self.push_line(&mut text, &titles, width);
        }
        self.push_line(&mut text, cells, width);
        text
    }

    fn push_line(&self, text: &mut String, cells: &[String; N], width: usize) {
        let mut line = String::new();
        for (index, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            if index > 0 {
                line.push_str("  ");
            }
            let cell = printable(cell);
            let is_last = index + 1 == N;
            let padding = " ".repeat(column.width.saturating_sub(cell.width()));
            if column.right {
                line.push_str(&padding);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                if !is_last {
                    line.push_str(&padding);
                }
            }
        }
        text.push_str(&cut(line.trim_end(), width));
        text.push('\n');
    }
}

/// Cuts text to so many terminal columns, with `…` where something is missing.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let mut short = String::new();
    for c in text.chars() {
        let next = used + c.width().unwrap_or(0);
        if next + 1 > width {
            break;
        }
        used = next;
        short.push(c);
    }
    short.push('…');
    short
}

/// Cuts text to so many terminal columns from its start, for paths: their end says more.
#[must_use]
pub fn cut_start(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let mut kept = text.len();
    for (index, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept = index;
    }
    format!("…{}", text.get(kept..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let mut table = Table::new([
            Column::left("NAME", 6),
            Column::right("N", 3),
            Column::left("REST", 0),
        ]);
        assert!(table.is_empty());
        let first = table.render(&["漢字".into(), "7".into(), "x".into()], usize::MAX);
        assert_eq!(first, "NAME      N  REST\n漢字      7  x\n");
        let second = table.render(&["abc".into(), "12".into(), String::new()], usize::MAX);
        assert_eq!(second, "abc      12\n");
    }

    #[test]
    fn lines_are_cut_to_the_terminal_and_carry_no_control_characters() {
        let mut table = Table::new([Column::left("A", 0)]);
        let text = table.render(&["\u{1b}[31mred\n漢字漢字".into()], 10);
        assert_eq!(text, "A\n^[[31mred…\n");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut_start("漢字漢字", 4), "…字");
        assert_eq!(cut_start("Inbox/Projects/2026", 9), "…cts/2026");
        assert_eq!(cut_start("abcd", 4), "abcd");
    }
}
