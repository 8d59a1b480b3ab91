//! What goes to stdout and stderr, and how.

use std::io::{self, Write};

use serde::Serialize;

use crate::exit::Failure;

/// How the user wants to be told: data goes to stdout, everything else to stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Data as JSON.
    pub(crate) json: bool,
    /// Nothing but data.
    pub(crate) quiet: bool,
}

impl Output {
    /// The document with `--json`, the text without.
    pub(crate) fn either(self, data: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { document(data) } else { self::text(&text()) }
    }

    /// A remark that is no data.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            remark(text);
        }
    }
}

/// Data for people, on stdout.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    line(&mut io::stdout().lock(), &printable(text))
}

/// The one document of a command, on stdout.
pub(crate) fn document(data: &impl Serialize) -> Result<(), Failure> {
    line(&mut io::stdout().lock(), &serde_json::to_string_pretty(data).map_err(io::Error::from)?)
}

/// One of many documents, on a line of its own, on stdout.
pub(crate) fn document_line(data: &impl Serialize) -> Result<(), Failure> {
    line(&mut io::stdout().lock(), &serde_json::to_string(data).map_err(io::Error::from)?)
}

/// A line on stderr. When that is closed, nobody is there to be told.
pub(crate) fn remark(text: &str) {
    writeln!(io::stderr().lock(), "{}", printable(text)).ok();
}

/// Text from elsewhere with everything in it that would steer a terminal made visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn line(to: &mut impl Write, text: &str) -> Result<(), Failure> {
    to.write_all(text.trim_end_matches('\n').as_bytes())?;
    to.write_all(b"\n")?;
    Ok(to.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\r\nü"), "a\u{fffd}[31mb\u{fffd}\nü");
    }
}
