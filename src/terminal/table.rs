//! Tables for people: columns as wide as they need to be.

/// Widest line, in characters; the last column breaks at spaces to stay inside it.
const WIDEST: usize = 110;
/// The last column is never narrower than this.
const NARROWEST: usize = 24;

/// Lays out rows under a head; numbers are right-aligned in the columns named in `right`.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..head.len()).map(width).collect();
    let last = head.len() - 1;
    let before: usize = widths[..last].iter().map(|width| width + 2).sum::<usize>() + 2;
    widths[last] = widths[last].min(WIDEST.saturating_sub(before).max(NARROWEST));
    let line = |cells: &[&str]| {
        let cells = cells.iter().enumerate().map(|(column, cell)| {
            let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            if right.contains(&column) { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned() + "\n"
    };
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(head) + &line(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        let mut cells: Vec<&str> = row.iter().map(String::as_str).collect();
        for part in wrapped(&row[last], widths[last]) {
            cells[last] = part;
            text.push_str(&line(&cells));
            cells.fill("");
        }
    }
    text
}

/// The lines of a text broken at spaces; a longer word has a line of its own. At least one line.
fn wrapped(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while rest.chars().count() > width {
        let end = rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
        let space = rest[..=end].rfind(' ').or_else(|| rest.find(' '));
        let Some(space) = space else { break };
        lines.push(rest[..space].trim_end());
        rest = rest[space..].trim_start();
    }
    lines.push(rest);
    lines
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

/// How fast music of so many seconds was made: `0.12 times real time`.
pub(super) fn speed(music_seconds: f64, work_seconds: f64) -> String {
    let speed = music_seconds / work_seconds;
    let digits = if speed < 1.0 { 2 } else { usize::from(speed < 10.0) };
    format!("{speed:.digits$} times real time")
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
    fn the_last_column_breaks_at_spaces() {
        let names = "piano, strings, ".repeat(12);
        let text = table(&["id", "who"], &[vec!["s00".into(), names.trim().into()]], &[]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDEST), "{text}");
        assert_eq!(text.matches("piano").count(), 12);
        assert!(text.lines().nth(3).unwrap().starts_with("       "));
        assert_eq!(wrapped("ééé éé", 3), ["ééé", "éé"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrapped("", 3), [""]);
    }

    #[test]
    fn times_and_numbers_read_well() {
        let speeds = [speed(60.0, 500.0), speed(5.0, 2.0), speed(60.0, 1.8)];
        assert_eq!(speeds, ["0.12", "2.5", "33"].map(|speed| format!("{speed} times real time")));
        assert_eq!(clock(65.199), "1:05.20");
        assert_eq!(
            (number(13.5, 3), number(4.0, 3), number(0.1666, 2)),
            ("13.5".into(), "4".into(), "0.17".into())
        );
    }
}
