//! What stands in the files of the vocabulary.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    music::{Metre, Mode},
    wire::{Density, Ending, Orchestration, Pulse, TransitionKind},
};

/// A kind of music, and what is usual in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Style {
    /// Identifier, as in [`CompositionPlan::style`](crate::wire::CompositionPlan::style).
    pub name: String,
    /// Phrases that name it.
    pub words: Vec<String>,
    /// Phrases that name it when no other style is named.
    pub hints: Vec<String>,
    /// Usual tempo, lowest and highest, in beats per minute.
    pub tempo: [f64; 2],
    /// Usual time signature.
    pub metre: Metre,
    /// Usual modes.
    #[serde(deserialize_with = "modes")]
    pub modes: Vec<Mode>,
    /// How sections are joined.
    pub joins: TransitionKind,
    /// How it ends.
    pub ending: Ending,
    /// Whether a beat carries it.
    pub rhythmic: bool,
    /// What its melodies are like.
    pub melody: Melody,
    /// Who plays when the prompt names nobody, the core of each layer first.
    pub instruments: Orchestration,
}

/// What the melodies of a style are like.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Melody {
    /// 0 (on the beat) to 1 (against it).
    pub syncopation: f64,
    /// How many notes there are.
    pub notes: Notes,
}

/// How many notes a melody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notes {
    /// Long ones.
    Few,
    /// Quarters and eighths.
    Usual,
    /// Runs.
    Many,
}

/// An instrument, or a sound that is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// Identifier, as in an orchestration.
    pub name: String,
    /// Where it belongs.
    pub layer: Layer,
    /// The stem it is part of.
    pub group: String,
    /// What it is called in a text for a model.
    pub says: String,
    /// Phrases that name it.
    pub words: Vec<String>,
    /// Whether it is given the tune where others could be.
    #[serde(default = "yes")]
    pub melody: bool,
}

/// The part that an instrument has in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Drums and percussion.
    Rhythm,
    /// The lowest voice.
    Bass,
    /// Chords.
    Harmony,
    /// The melody.
    Lead,
    /// Sounds that are no instruments.
    Textures,
}

impl Layer {
    /// As in an orchestration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rhythm => "rhythm",
            Self::Bass => "bass",
            Self::Harmony => "harmony",
            Self::Lead => "lead",
            Self::Textures => "textures",
        }
    }

    /// Whether an instrument of this layer can stand in the orchestration's layer `name`: harmony and lead instruments
    /// can do each other's work.
    pub fn serves(self, name: &str) -> bool {
        self.name() == name
            || (matches!(self, Self::Harmony | Self::Lead) && matches!(name, "harmony" | "lead"))
    }
}

/// A word for several instruments of a kind, as "guitar".
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Phrases that name it.
    pub words: Vec<String>,
    /// Who may be meant: the first that the style usually has, otherwise the first.
    pub plays: Vec<String>,
    /// Who leaves when it is excluded.
    pub members: Vec<String>,
}

/// A word for several who play together, as "string quartet".
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// Phrases that name it.
    pub words: Vec<String>,
    /// Who plays.
    pub players: Vec<String>,
    /// Style when none is named.
    #[serde(default)]
    pub style: Option<String>,
    /// Whether nobody joins them.
    #[serde(default)]
    pub alone: bool,
}

/// A mood.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mood {
    /// Identifier, as in [`Theme::moods`](crate::wire::Theme::moods).
    pub name: String,
    /// Phrases that name it.
    pub words: Vec<String>,
    /// Where in a tempo range it is at home, -1 (slow end) to 1.
    pub tempo: f64,
    /// How much happens, -1 to 1.
    pub energy: f64,
    /// Modes that suit it; empty leaves the style's.
    #[serde(deserialize_with = "modes")]
    pub modes: Vec<Mode>,
    /// Style when none is named.
    pub style: String,
    /// The mood that its negation stands for.
    pub opposite: String,
}

/// A word for a tempo.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TempoWord {
    /// For other entries to refer to.
    pub name: String,
    /// Phrases that say it.
    pub words: Vec<String>,
    /// Lowest and highest, in beats per minute.
    pub bpm: [f64; 2],
    /// The tempo that its negation stands for.
    pub opposite: String,
}

/// Faster or slower than usual.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Phrases that say it.
    pub words: Vec<String>,
    /// -1 (towards the slow end of the range) to 1.
    pub by: f64,
    /// That of its negation.
    pub opposite: f64,
}

/// A time signature in words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetreWord {
    /// Phrases that say it.
    pub words: Vec<String>,
    /// The signature.
    pub metre: Metre,
    /// Style when none is named.
    #[serde(default)]
    pub style: Option<String>,
}

/// A way of playing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Technique {
    /// Identifier, as in [`Theme::techniques`](crate::wire::Theme::techniques).
    pub name: String,
    /// Phrases that name it.
    pub words: Vec<String>,
    /// Who plays so instead of whom.
    #[serde(default)]
    pub instead: BTreeMap<String, String>,
    /// Who joins when nobody could play so.
    #[serde(default)]
    pub adds: Option<String>,
    /// The technique that its negation stands for.
    #[serde(default)]
    pub opposite: Option<String>,
}

/// A place.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// Identifier, as in [`Theme::space`](crate::wire::Theme::space).
    pub name: String,
    /// Phrases that name it.
    pub words: Vec<String>,
    /// The place that its negation stands for.
    pub opposite: String,
}

/// An age.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Era {
    /// Identifier, as in [`Theme::era`](crate::wire::Theme::era).
    pub name: String,
    /// Phrases that name it.
    pub words: Vec<String>,
    /// Style when none is named.
    pub style: String,
    /// Who plays then, when nobody is named.
    #[serde(default)]
    pub instruments: Option<Orchestration>,
    /// Which usual players of another style give way to whom.
    #[serde(default)]
    pub swap: BTreeMap<String, String>,
}

/// A word for how full it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DensityWord {
    /// What it says.
    pub density: Density,
    /// Phrases that say it.
    pub words: Vec<String>,
    /// That of its negation.
    pub opposite: Density,
}

/// A word for how the drums count.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulseWord {
    /// What it says.
    pub pulse: Pulse,
    /// Phrases that say it.
    pub words: Vec<String>,
    /// That of its negation.
    pub opposite: Pulse,
}

/// A word for how it swings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwingWord {
    /// Share of a pair that its first note takes.
    pub share: f64,
    /// Phrases that say it.
    pub words: Vec<String>,
    /// Style when none is named.
    #[serde(default)]
    pub style: Option<String>,
    /// The share that its negation stands for.
    pub negated: f64,
}

/// What happens in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// It gets fuller to the end.
    Builds,
    /// It gets emptier to the end.
    WindsDown,
    /// It stays as full as it is.
    Even,
    /// A quiet moment, then everybody at once.
    Drop,
    /// A section apart, before the last return.
    Breaks,
    /// No section apart.
    NoBreak,
    /// It starts quietly.
    StartsSoftly,
    /// It starts full.
    StartsBig,
    /// It ends quietly.
    EndsSoftly,
    /// It ends full.
    EndsBig,
    /// It is faded out.
    FadeOut,
    /// It slows down into the last chord.
    Ritardando,
    /// It ends with a cadence.
    Cadence,
    /// It ends at once.
    Stop,
    /// It has an opening, as usual.
    Intro,
    /// It starts with the theme.
    NoIntro,
    /// The opening is short.
    ShortIntro,
    /// The opening is long.
    LongIntro,
    /// It has a section to end with, as usual.
    Outro,
    /// It ends with the theme.
    NoOutro,
    /// The section to end with is long.
    LongOutro,
    /// It can be repeated.
    Loop,
    /// The last return is a tone higher.
    KeyChange,
}

/// Words for what happens in a piece.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintWord {
    /// What they say.
    pub hint: Hint,
    /// Phrases that say it.
    pub words: Vec<String>,
    /// What their negation stands for; nothing where it only means that it is not done.
    #[serde(default)]
    pub negated: Option<Hint>,
}

/// A word for where in a piece.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceWord {
    /// As a share of the piece.
    pub at: f64,
    /// Phrases that say it.
    pub words: Vec<String>,
}

/// Words with a grammatical task.
#[derive(Debug, Default, Deserialize)]
pub struct Words {
    /// What follows is left out.
    pub negations: Vec<String>,
    /// What follows is not so.
    pub denials: Vec<String>,
    /// End a negation that has left something out.
    pub ends: Vec<String>,
    /// Turn a negation round.
    pub exceptions: Vec<String>,
    /// After an instrument: it is left out.
    pub free: Vec<String>,
    /// Leave out every rhythm instrument.
    pub drumless: Vec<String>,
    /// Before an instrument: nobody else plays.
    pub alone: Vec<String>,
    /// After an instrument: nobody else plays.
    pub alone_after: Vec<String>,
    /// After an instrument: it has the tune.
    pub leads: Vec<String>,
    /// With a negation: there is no melody.
    pub tunes: Vec<String>,
    /// Between an instrument and what is said of it.
    pub joins: Vec<String>,
    /// Words for numbers.
    pub numbers: BTreeMap<String, f64>,
    /// Words that carry no instruction.
    pub filler: Vec<String>,
}

/// What cannot be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impossible {
    /// Phrases that ask for it.
    pub words: Vec<String>,
    /// The reason.
    pub because: String,
}

fn yes() -> bool {
    true
}

fn modes<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Mode>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let known = |name: &String| Mode::ALL.into_iter().find(|mode| mode.name() == name);
    names
        .iter()
        .map(|name| known(name).ok_or_else(|| serde::de::Error::custom(format!("unknown mode {name:?}"))))
        .collect()
}
