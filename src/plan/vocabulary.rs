//! The words Timbre knows, read once from `vocabulary.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::{
    music::{Metre, Mode},
    wire::TransitionKind,
};

/// The vocabulary of this build.
///
/// The file is part of the program; that it parses and keeps its rules is tested.
pub fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: LazyLock<Vocabulary> =
        LazyLock::new(|| toml::from_str(include_str!("vocabulary.toml")).unwrap_or_default());
    &VOCABULARY
}

/// Everything in `vocabulary.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// Kinds of music.
    #[serde(rename = "style")]
    pub styles: Vec<Style>,
    /// Instruments and textures.
    #[serde(rename = "instrument")]
    pub instruments: Vec<Instrument>,
    /// Moods.
    #[serde(rename = "mood")]
    pub moods: Vec<Mood>,
    /// Tempo words.
    #[serde(rename = "tempo")]
    pub tempi: Vec<TempoWord>,
    /// Words with a grammatical task.
    pub words: Words,
}

/// A kind of music, and what is usual in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Style {
    /// Identifier, as in [`CompositionPlan::style`](crate::wire::CompositionPlan::style).
    pub name: String,
    /// Phrases that name it.
    pub words: Vec<String>,
    /// Usual tempo, lowest and highest, in beats per minute.
    pub tempo: [f64; 2],
    /// Usual time signature.
    pub metre: Metre,
    /// Usual modes.
    #[serde(deserialize_with = "modes")]
    pub modes: Vec<Mode>,
    /// How sections are joined.
    pub joins: TransitionKind,
    /// Who plays when the prompt names nobody.
    pub instruments: crate::wire::Orchestration,
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
}

/// A word for a tempo.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TempoWord {
    /// Phrases that say it.
    pub words: Vec<String>,
    /// Lowest and highest, in beats per minute.
    pub bpm: [f64; 2],
}

/// Words with a grammatical task.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// What follows is left out.
    pub negations: Vec<String>,
    /// Leave out every rhythm instrument.
    pub drumless: Vec<String>,
    /// What no engine can do.
    pub impossible: Vec<String>,
    /// Words that carry no instruction.
    pub filler: Vec<String>,
}

impl Vocabulary {
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
}

fn modes<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Mode>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let known = |name: &String| Mode::ALL.into_iter().find(|mode| mode.name() == name);
    names
        .iter()
        .map(|name| known(name).ok_or_else(|| serde::de::Error::custom(format!("unknown mode {name:?}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::request::TEMPO_BPM;

    fn loaded() -> Vocabulary {
        toml::from_str(include_str!("vocabulary.toml")).unwrap()
    }

    #[test]
    fn names_refer_to_what_exists() {
        let vocabulary = loaded();
        for style in &vocabulary.styles {
            assert!(!style.modes.is_empty() && style.tempo[0] < style.tempo[1], "{}", style.name);
            assert!(style.tempo.iter().all(|bpm| TEMPO_BPM.contains(bpm)), "{}", style.name);
            for (layer, names) in style.instruments.layers() {
                for name in names {
                    let instrument = vocabulary.instrument(name).unwrap();
                    assert!(instrument.layer.serves(layer), "{}: {name} in {layer}", style.name);
                }
            }
            assert!(
                !style.instruments.harmony.is_empty() && !style.instruments.lead.is_empty(),
                "{}",
                style.name
            );
        }
        for mood in &vocabulary.moods {
            assert!(vocabulary.style(&mood.style).is_some(), "{}", mood.name);
            assert!(mood.tempo.abs() <= 1.0 && mood.energy.abs() <= 1.0, "{}", mood.name);
        }
        for word in &vocabulary.tempi {
            assert!(word.bpm[0] < word.bpm[1] && word.bpm.iter().all(|bpm| TEMPO_BPM.contains(bpm)));
        }
    }

    #[test]
    fn no_phrase_means_two_things() {
        let vocabulary = loaded();
        let mut seen = HashMap::new();
        let mut claim = |phrase: &String, by: String| {
            assert_eq!(phrase, &phrase.to_lowercase().replace('-', " "), "written as it is matched");
            if let Some(other) = seen.insert(phrase.clone(), by.clone()) {
                panic!("{phrase:?} means {other} and {by}");
            }
        };
        for item in &vocabulary.instruments {
            item.words.iter().for_each(|phrase| claim(phrase, item.name.clone()));
        }
        for item in &vocabulary.moods {
            item.words.iter().for_each(|phrase| claim(phrase, item.name.clone()));
        }
        for item in &vocabulary.tempi {
            item.words.iter().for_each(|phrase| claim(phrase, format!("{:?}", item.bpm)));
        }
        for item in &vocabulary.styles {
            item.words.iter().for_each(|phrase| claim(phrase, item.name.clone()));
        }
    }
}
