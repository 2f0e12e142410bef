//! Lines of CSV that a spreadsheet can open without harm.

/// One line (RFC 4180), with its end. A cell that a spreadsheet would take for a formula begins with an
/// apostrophe; control characters are blanks.
#[must_use]
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<_> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

fn cell(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut safe: String = text.chars().map(plain).collect();
    if safe.trim_start().starts_with(['=', '+', '-', '@']) {
        safe.insert(0, '\'');
    }
    if safe.contains([',', '"', ';']) || safe.starts_with(' ') || safe.ends_with(' ') {
        safe = format!("\"{}\"", safe.replace('"', "\"\""));
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(row(["a", "", "b c"]), "a,,b c\r\n");
        assert_eq!(
            row(["a,b", "say \"x\"", "a;b"]),
            "\"a,b\",\"say \"\"x\"\"\",\"a;b\"\r\n"
        );
        assert_eq!(row(["a\nb\tc\0"]), "\"a b c \"\r\n");
    }

    #[test]
    fn nothing_is_a_formula() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            " =1",
            "=cmd|' /C calc'!A0",
            "=\"x\",1",
        ] {
            let line = row([text]);
            let content = line.trim_start_matches('"');
            assert!(content.starts_with('\''), "{text:?} became {line:?}");
        }
    }

    /// What a reader of CSV makes of a line.
    fn read(line: &str) -> Vec<String> {
        let (mut cells, mut cell, mut is_quoted) = (vec![], String::new(), false);
        let mut chars = line.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if is_quoted && chars.peek() == Some(&'"') => {
                    cell.push('"');
                    chars.next();
                }
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
                c => cell.push(c),
            }
        }
        cells.push(cell);
        cells
    }

    proptest! {
        #[test]
        fn any_text_stays_one_cell_of_one_line_and_no_formula(texts in prop::collection::vec(".{0,20}", 1..6)) {
            let line = row(texts.iter().map(String::as_str));
            prop_assert_eq!(line.matches(['\r', '\n']).count(), 2);
            let cells = read(&line);
            prop_assert_eq!(cells.len(), texts.len());
            for (cell, text) in cells.iter().zip(&texts) {
                prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']));
                let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                prop_assert_eq!(cell.strip_prefix('\'').filter(|_| !plain.starts_with('\'')).unwrap_or(cell), &plain);
            }
        }
    }
}
