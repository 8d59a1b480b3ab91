//! Tables for people: columns as wide as they need to be.

/// Lays out rows under a head; numbers are right-aligned in the columns named in `right`.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let cells = cells.iter().enumerate().map(|(column, cell)| {
            let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            if right.contains(&column) { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    let mut lines = vec![line(head)];
    lines.push(line(
        &widths
            .iter()
            .map(|width| "-".repeat(*width))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    ));
    lines.extend(rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>())));
    lines.join("\n") + "\n"
}

/// Seconds as minutes and seconds: `1:05.20`.
pub(super) fn clock(seconds: f64) -> String {
    let hundredths = (seconds * 100.0).round() as u64;
    format!("{}:{:02}.{:02}", hundredths / 6000, hundredths / 100 % 60, hundredths % 100)
}

/// A number with at most `digits` decimals and no trailing zeros.
pub(super) fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["intro".to_owned(), "4".to_owned()], vec!["é".to_owned(), "13.5".to_owned()]];
        let expected = "  name   bars\n  -----  ----\n  intro     4\n  é      13.5\n";
        assert_eq!(table(&["name", "bars"], &rows, &[1]), expected);
    }

    #[test]
    fn times_and_numbers_read_well() {
        assert_eq!(clock(65.199), "1:05.20");
        assert_eq!(
            (number(13.5, 3), number(4.0, 3), number(0.1666, 2)),
            ("13.5".into(), "4".into(), "0.17".into())
        );
    }
}
