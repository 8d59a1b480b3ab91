//! From the words of a prompt to what they ask for. Nothing is decided here: a brief says only what was said.

mod numbers;
mod reader;
mod tokens;

use crate::{
    music::{Key, Metre, Mode},
    plan::vocabulary::{Era, Hint, Mood, Space, Style, Technique},
    wire::{Density, Pulse},
};

/// What a prompt says, with the words that say it.
#[derive(Debug, Default)]
pub(super) struct Brief {
    /// A tempo.
    pub(super) tempo: Option<Said<Tempo>>,
    /// Faster or slower than usual, -1 to 1.
    pub(super) pace: Option<Said<f64>>,
    /// How long it shall be.
    pub(super) length: Option<Said<Length>>,
    /// A tonic with its mode.
    pub(super) key: Option<Said<Key>>,
    /// A mode alone.
    pub(super) mode: Option<Said<Mode>>,
    /// A time signature.
    pub(super) metre: Option<Said<Metre>>,
    /// Kinds of music, in the order of the prompt.
    pub(super) styles: Vec<Said<&'static Style>>,
    /// Kinds of music that a dance or a band belongs to: meant if no other is named.
    pub(super) implied_styles: Vec<Said<&'static Style>>,
    /// Kinds of music that a vague word hints at: meant if no other is named or implied.
    pub(super) hinted_styles: Vec<Said<&'static Style>>,
    /// Kinds of music that it shall not be.
    pub(super) avoided: Vec<Said<&'static Style>>,
    /// Who shall play, in the order of the prompt.
    pub(super) wanted: Vec<Said<Wanted>>,
    /// The words that say that nobody else plays.
    pub(super) alone: Option<String>,
    /// The words that call somebody's part a solo.
    solo: Option<String>,
    /// The words that say that there is no melody.
    pub(super) tuneless: Option<String>,
    /// Who shall not play.
    pub(super) left_out: Vec<Said<LeftOut>>,
    /// Moods, in the order of the prompt.
    pub(super) moods: Vec<Said<&'static Mood>>,
    /// The opposites of moods that it shall not have.
    opposites: Vec<Said<&'static Mood>>,
    /// Ways of playing.
    pub(super) techniques: Vec<Said<Manner>>,
    /// A place.
    pub(super) space: Option<Said<&'static Space>>,
    /// An age.
    pub(super) era: Option<Said<&'static Era>>,
    /// How full it is.
    pub(super) density: Option<Said<Density>>,
    /// How the drums count.
    pub(super) pulse: Option<Said<Pulse>>,
    /// How it swings.
    pub(super) swing: Option<Said<f64>>,
    /// What happens in the piece.
    pub(super) hints: Vec<Said<Wish>>,
    /// What shall not be and would not be anyway.
    pub(super) avoided_words: Vec<String>,
    /// What cannot be made, and why.
    pub(super) impossible: Vec<Said<&'static str>>,
    /// Words that said nothing.
    pub(super) not_understood: Vec<String>,
}

/// A value and the words it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) words: String,
}

/// A tempo, in beats per minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tempo {
    /// This one.
    Exact(f64),
    /// Near it.
    About(f64),
    /// In words, or from one to the other.
    Between([f64; 2]),
    /// No faster.
    AtMost(f64),
    /// No slower.
    AtLeast(f64),
}

impl Tempo {
    fn between(a: f64, b: f64) -> Self {
        Self::Between([a.min(b), a.max(b)])
    }
}

/// A length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Length {
    Seconds(f64),
    Bars(f64),
}

/// A moment in a piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// 0 (start) to 1 (end).
    Share(f64),
    Seconds(f64),
    Bars(f64),
}

/// Somebody who shall play.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Who may be meant: one, or any of a family.
    pub(super) candidates: Vec<&'static str>,
    /// Whether it shall have the tune.
    pub(super) leads: bool,
}

/// Somebody who shall not play.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LeftOut {
    pub(super) names: Vec<&'static str>,
    /// Whether a family was excluded, of which one may have been asked for by name.
    pub(super) family: bool,
}

/// A way of playing, and of whom it is said: an index into what is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) technique: &'static Technique,
    pub(super) of: Option<usize>,
}

/// Something that shall happen, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wish {
    pub(super) hint: Hint,
    pub(super) place: Option<Place>,
}

/// Reads a prompt, and what it shall not have.
pub(super) fn read(prompt: &str, negative: &str) -> Brief {
    let mut brief = Brief::default();
    reader::read(prompt, false, &mut brief);
    reader::read(negative, true, &mut brief);
    // "Dark, not sad" does not mean happy: the opposite of what is not wanted must agree with what is.
    let opposites = std::mem::take(&mut brief.opposites);
    for opposite in opposites.iter().cloned() {
        let disagrees = |said: &Said<&'static Mood>| {
            said.value.opposite == opposite.value.name || opposite.value.opposite == said.value.name
        };
        if brief.moods.iter().chain(&opposites).any(disagrees) {
            brief.avoided_words.push(opposite.words);
        } else {
            brief.moods.push(opposite);
        }
    }
    // A solo among others, in a style that has others, is a passage of the piece.
    let in_style = !(brief.styles.is_empty() && brief.hinted_styles.is_empty());
    let others = brief.wanted.len() > 1;
    brief.alone = brief.alone.filter(|words| !(others && in_style && words.starts_with("solo ")));
    if !others && !in_style {
        brief.alone = brief.alone.or(brief.solo.take());
    }
    brief
}

impl Brief {
    /// Names of everybody who must not play.
    pub(super) fn excluded(&self) -> Vec<&'static str> {
        let asked_for = |name: &&str| self.wanted.iter().any(|said| said.value.candidates == [*name]);
        let mut names: Vec<&'static str> = Vec::new();
        for left_out in self.left_out.iter().map(|said| &said.value) {
            let out = left_out.names.iter().filter(|name| !(left_out.family && asked_for(name)));
            names.extend(out);
        }
        names
    }
}

#[cfg(test)]
mod tests;
