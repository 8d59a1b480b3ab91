//! A text as words, numbers and where its clauses end.

/// A word of a prompt.
#[derive(Debug)]
pub(super) struct Token {
    /// As written.
    pub(super) written: String,
    /// In lower case, with plain apostrophes.
    pub(super) lower: String,
    /// Whether a comma, full stop or the like follows.
    pub(super) ends_clause: bool,
    /// Whether that is a comma: a list may go on behind it.
    pub(super) comma: bool,
    /// Whether a dash without spaces joins it to the next.
    pub(super) dash: bool,
}

/// Splits at everything that is no part of a word, a number, a time, a key or a metre, and between a number and the unit glued to
/// it ("72bpm"). A dash splits but ends no clause; an ampersand that stands alone is an "and".
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let after = characters.peek().copied().unwrap_or(' ');
        let digits = before.is_ascii_digit() && after.is_ascii_digit();
        let in_number = matches!(c, '.' | '/' | ':') && digits;
        let in_word = matches!(c, '\'' | '’' | '&') && before.is_alphanumeric() && after.is_alphanumeric();
        if c.is_alphanumeric() || matches!(c, '#' | '♯' | '♭') || in_number || in_word {
            word.push(c);
        } else {
            let joins = matches!(c, '-' | '–' | '—') && before.is_alphanumeric() && after.is_alphanumeric();
            add(&mut tokens, &mut word);
            if c == '&' {
                add(&mut tokens, &mut "and".to_owned());
            }
            if let Some(last) = tokens.last_mut() {
                last.dash = joins;
                if !joins && matches!(c, ',' | '.' | ';' | '!' | '?' | ')' | '(' | '\n' | '—' | '–') {
                    last.ends_clause = true;
                    last.comma = c == ',';
                }
            }
        }
        before = c;
    }
    add(&mut tokens, &mut word);
    tokens
}

/// Ends a word.
fn add(tokens: &mut Vec<Token>, word: &mut String) {
    const UNITS: [&str; 9] = ["bpm", "min", "mins", "minute", "minutes", "sec", "secs", "seconds", "bars"];
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(0);
    let glued = UNITS.iter().any(|unit| word[digits..].eq_ignore_ascii_case(unit));
    let unit = if glued { word.split_off(digits) } else { String::new() };
    for written in [std::mem::take(word), unit] {
        if !written.is_empty() {
            let lower = written.to_lowercase().replace('’', "'");
            tokens.push(Token { lower, written, ends_clause: false, comma: false, dash: false });
        }
    }
}
