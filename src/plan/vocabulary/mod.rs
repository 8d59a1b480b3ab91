//! The words Timbre knows: one file of data per concern beside this one, each explained at its top.

mod entries;

use std::{collections::HashMap, sync::LazyLock};

use serde::Deserialize;

pub use entries::{
    DensityWord, Ensemble, Era, Family, Hint, HintWord, Impossible, Instrument, Layer, Melody, MetreWord,
    Mood, Notes, Pace, PlaceWord, PulseWord, Space, Style, SwingWord, Technique, TempoWord, Words,
};

/// The vocabulary of this build.
///
/// The files are part of the program; that they parse and keep their rules is tested.
pub fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::read().unwrap_or_default());
    &VOCABULARY
}

/// Everything in the files.
#[derive(Debug, Default)]
pub struct Vocabulary {
    /// Kinds of music.
    pub styles: Vec<Style>,
    /// Instruments and textures.
    pub instruments: Vec<Instrument>,
    /// Words for several instruments of a kind.
    pub families: Vec<Family>,
    /// Words for several who play together.
    pub ensembles: Vec<Ensemble>,
    /// Moods.
    pub moods: Vec<Mood>,
    /// Tempo words.
    pub tempi: Vec<TempoWord>,
    /// Faster and slower.
    pub paces: Vec<Pace>,
    /// Time signatures in words.
    pub metres: Vec<MetreWord>,
    /// Ways of playing.
    pub techniques: Vec<Technique>,
    /// Places.
    pub spaces: Vec<Space>,
    /// Ages.
    pub eras: Vec<Era>,
    /// How full it is.
    pub densities: Vec<DensityWord>,
    /// How the drums count.
    pub pulses: Vec<PulseWord>,
    /// How it swings.
    pub swings: Vec<SwingWord>,
    /// What happens in the piece.
    pub hints: Vec<HintWord>,
    /// Where in the piece.
    pub places: Vec<PlaceWord>,
    /// Words with a grammatical task.
    pub words: Words,
    /// What cannot be made.
    pub impossible: Vec<Impossible>,
}

/// What one phrase stands for.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    /// A kind of music.
    Style(&'static Style),
    /// A kind of music, if no other is named.
    StyleHint(&'static Style),
    /// One instrument or texture.
    Instrument(&'static Instrument),
    /// Any instrument of a kind.
    Family(&'static Family),
    /// Several instruments at once.
    Ensemble(&'static Ensemble),
    /// A mood.
    Mood(&'static Mood),
    /// A tempo.
    Tempo(&'static TempoWord),
    /// Faster or slower.
    Pace(&'static Pace),
    /// A time signature.
    Metre(&'static MetreWord),
    /// A way of playing.
    Technique(&'static Technique),
    /// A place.
    Space(&'static Space),
    /// An age.
    Era(&'static Era),
    /// How full it is.
    Density(&'static DensityWord),
    /// How the drums count.
    Pulse(&'static PulseWord),
    /// How it swings.
    Swing(&'static SwingWord),
    /// What happens in the piece.
    Hint(&'static HintWord),
    /// No rhythm instrument at all.
    Drumless,
    /// What cannot be made.
    Impossible(&'static Impossible),
    /// What follows is left out.
    Negation,
    /// What follows is not so.
    Denial,
    /// What follows a negation is not left out.
    Exception,
    /// Nobody else plays.
    Alone,
    /// No instruction.
    Filler,
}

/// The longest phrase, in words.
pub fn longest_phrase() -> usize {
    static LONGEST: LazyLock<usize> =
        LazyLock::new(|| phrases().keys().map(|phrase| phrase.split(' ').count()).max().unwrap_or(1));
    *LONGEST
}

/// What a phrase in lower case stands for; a plural s is tolerated.
pub fn meaning(phrase: &str) -> Option<Meaning> {
    let phrases = phrases();
    let singular = || phrase.strip_suffix('s').filter(|stem| stem.len() > 2);
    phrases.get(phrase).or_else(|| phrases.get(singular()?)).copied()
}

fn phrases() -> &'static HashMap<&'static str, Meaning> {
    static PHRASES: LazyLock<HashMap<&'static str, Meaning>> =
        LazyLock::new(|| vocabulary().phrases().collect());
    &PHRASES
}

impl Vocabulary {
    fn read() -> Result<Self, toml::de::Error> {
        let styles: Styles = toml::from_str(include_str!("styles.toml"))?;
        let players: Players = toml::from_str(include_str!("instruments.toml"))?;
        let moods: Moods = toml::from_str(include_str!("moods.toml"))?;
        let tempi: Tempi = toml::from_str(include_str!("tempi.toml"))?;
        let techniques: Techniques = toml::from_str(include_str!("techniques.toml"))?;
        let spaces: Spaces = toml::from_str(include_str!("spaces.toml"))?;
        let eras: Eras = toml::from_str(include_str!("eras.toml"))?;
        let structure: Structure = toml::from_str(include_str!("structure.toml"))?;
        let words: WordFile = toml::from_str(include_str!("words.toml"))?;
        Ok(Self {
            styles: styles.style,
            instruments: players.instrument,
            families: players.family,
            ensembles: players.ensemble,
            moods: moods.mood,
            tempi: tempi.tempo,
            paces: tempi.pace,
            metres: tempi.metre,
            techniques: techniques.technique,
            spaces: spaces.space,
            eras: eras.era,
            densities: structure.density,
            pulses: structure.pulse,
            swings: structure.swing,
            hints: structure.hint,
            places: structure.place,
            words: words.words,
            impossible: words.impossible,
        })
    }

    /// A style by its identifier.
    pub fn style(&self, name: &str) -> Option<&Style> {
        self.styles.iter().find(|style| style.name == name)
    }

    /// An instrument or texture by its identifier.
    pub fn instrument(&self, name: &str) -> Option<&Instrument> {
        self.instruments.iter().find(|instrument| instrument.name == name)
    }

    /// A mood by its identifier.
    pub fn mood(&self, name: &str) -> Option<&Mood> {
        self.moods.iter().find(|mood| mood.name == name)
    }

    /// A technique by its identifier.
    pub fn technique(&self, name: &str) -> Option<&Technique> {
        self.techniques.iter().find(|technique| technique.name == name)
    }

    /// A space by its identifier.
    pub fn space(&self, name: &str) -> Option<&Space> {
        self.spaces.iter().find(|space| space.name == name)
    }

    /// An era by its identifier.
    pub fn era(&self, name: &str) -> Option<&Era> {
        self.eras.iter().find(|era| era.name == name)
    }

    /// Every phrase with what it stands for.
    fn phrases(&'static self) -> impl Iterator<Item = (&'static str, Meaning)> {
        fn each<T>(
            items: &'static [T],
            words: impl Fn(&'static T) -> &'static [String],
            meaning: impl Fn(&'static T) -> Meaning,
        ) -> Vec<(&'static str, Meaning)> {
            let of = |item| words(item).iter().map(move |phrase| (phrase.as_str(), item));
            items.iter().flat_map(of).map(|(phrase, item)| (phrase, meaning(item))).collect()
        }
        fn word(words: &'static [String], meaning: Meaning) -> Vec<(&'static str, Meaning)> {
            words.iter().map(|phrase| (phrase.as_str(), meaning)).collect()
        }
        [
            each(&self.styles, |item| &item.words, Meaning::Style),
            each(&self.styles, |item| &item.hints, Meaning::StyleHint),
            each(&self.instruments, |item| &item.words, Meaning::Instrument),
            each(&self.families, |item| &item.words, Meaning::Family),
            each(&self.ensembles, |item| &item.words, Meaning::Ensemble),
            each(&self.moods, |item| &item.words, Meaning::Mood),
            each(&self.tempi, |item| &item.words, Meaning::Tempo),
            each(&self.paces, |item| &item.words, Meaning::Pace),
            each(&self.metres, |item| &item.words, Meaning::Metre),
            each(&self.techniques, |item| &item.words, Meaning::Technique),
            each(&self.spaces, |item| &item.words, Meaning::Space),
            each(&self.eras, |item| &item.words, Meaning::Era),
            each(&self.densities, |item| &item.words, Meaning::Density),
            each(&self.pulses, |item| &item.words, Meaning::Pulse),
            each(&self.swings, |item| &item.words, Meaning::Swing),
            each(&self.hints, |item| &item.words, Meaning::Hint),
            each(&self.impossible, |item| &item.words, Meaning::Impossible),
            word(&self.words.drumless, Meaning::Drumless),
            word(&self.words.negations, Meaning::Negation),
            word(&self.words.denials, Meaning::Denial),
            word(&self.words.exceptions, Meaning::Exception),
            word(&self.words.alone, Meaning::Alone),
            word(&self.words.filler, Meaning::Filler),
        ]
        .into_iter()
        .flatten()
    }
}

/// `styles.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Styles {
    style: Vec<Style>,
}

/// `instruments.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Players {
    instrument: Vec<Instrument>,
    family: Vec<Family>,
    ensemble: Vec<Ensemble>,
}

/// `moods.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moods {
    mood: Vec<Mood>,
}

/// `tempi.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tempi {
    tempo: Vec<TempoWord>,
    pace: Vec<Pace>,
    metre: Vec<MetreWord>,
}

/// `techniques.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Techniques {
    technique: Vec<Technique>,
}

/// `spaces.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spaces {
    space: Vec<Space>,
}

/// `eras.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Eras {
    era: Vec<Era>,
}

/// `structure.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Structure {
    density: Vec<DensityWord>,
    pulse: Vec<PulseWord>,
    swing: Vec<SwingWord>,
    hint: Vec<HintWord>,
    place: Vec<PlaceWord>,
}

/// `words.toml`.
#[derive(Deserialize)]
struct WordFile {
    #[serde(flatten)]
    words: Words,
    impossible: Vec<Impossible>,
}

#[cfg(test)]
mod tests;
