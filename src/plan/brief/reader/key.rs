//! Keys and modes in words.

use super::{Item, Reader};
use crate::music::{Key, Mode};

impl Reader<'_> {
    /// "D minor", "F# dorian", "B flat major", "in Dm", "key of A"; and a mode alone: "in minor", "dorian", "a minor key".
    pub(super) fn key(&self, at: usize) -> Option<(usize, Item)> {
        let most = 4.min(self.clause_end(at) - at);
        let key = (1..=most).rev().find_map(|count| {
            let key = self.written(at, count).parse::<Key>().ok()?;
            self.means_key(at, count).then_some((count, Item::Key(key)))
        });
        key.or_else(|| self.mode(at).map(|(mode, count)| (count, Item::Mode(mode))))
    }

    /// The mode that is named here, and in how many words.
    pub(super) fn mode(&self, at: usize) -> Option<(Mode, usize)> {
        let two_words = format!("{} {}", self.lower(at), self.lower(at + 1));
        let named = |name: &str| match name {
            "aeolian" | "natural minor" => Some(Mode::Minor),
            "ionian" => Some(Mode::Major),
            name => Mode::ALL.into_iter().find(|mode| mode.name() == name),
        };
        named(&two_words).map(|mode| (mode, 2)).or_else(|| Some((named(self.lower(at))?, 1)))
    }

    /// Whether what could be read as a key is meant as one. Much of it may be plain English: "a major part", "lost in a dream",
    /// "a flat tone".
    pub(super) fn means_key(&self, at: usize, count: usize) -> bool {
        let written = self.tokens[at].written.as_str();
        let end = at + count;
        let introduced = at > 0 && matches!(self.lower(at - 1), "in" | "of" | "key");
        let capital = written.starts_with(|c: char| c.is_ascii_uppercase());
        let ends = self.ends(end);
        let article = written == "a" || (written == "A" && at == 0);
        let with_mode = (at + 1..end).any(|at| self.mode(at).is_some());
        match (with_mode, count) {
            (true, _) => !article || ends || count > 2,
            // One of several is a chord.
            (false, 1) if !introduced && self.among_chords(at) => false,
            (false, 1) if written.contains(['#', '♯', '♭']) => true,
            // "Dm", "Bb": no English words but "Am".
            (false, 1) if capital && matches!(&written[1..], "m" | "b" | "bm") => {
                introduced || written != "Am"
            }
            (false, 1) => introduced && capital && (written.len() > 1 || ends),
            (false, _) if capital && written != "A" => introduced || ends,
            (false, _) => introduced && (ends || !written.eq_ignore_ascii_case("a")),
        }
    }

    /// Whether a chord is written next to this one.
    fn among_chords(&self, at: usize) -> bool {
        let chord = |at: usize| {
            self.tokens.get(at).is_some_and(|token| {
                token.written.starts_with(|c: char| c.is_ascii_uppercase())
                    && token.written.parse::<Key>().is_ok()
            })
        };
        chord(at + 1) || at.checked_sub(1).is_some_and(chord)
    }
}
