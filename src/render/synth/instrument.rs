//! Who can play: names, stem groups, ranges and how they are built, read from `instruments.toml`, where the fields are explained.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{effects::Effects, voices::Voice};

/// The stem groups, in their order.
pub(super) const GROUPS: [&str; 12] = [
    "drums",
    "percussion",
    "bass",
    "keys",
    "strings",
    "guitars",
    "brass",
    "winds",
    "pads",
    "leads",
    "bells",
    "textures",
];

/// A sound maker: its place in the file. The order of instruments is the order in which tracks are rendered and summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Instrument(usize);

/// What kind of part an instrument plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Family {
    /// Drums and percussion.
    Kit,
    /// Pitched, and a note sounds as long as it is held.
    Held,
    /// Pitched, and a note dies away by itself.
    Struck,
    /// No notes: runs through a section.
    Texture,
}

/// One entry of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sheet {
    name: String,
    group: String,
    family: Family,
    #[serde(default)]
    program: Option<u8>,
    #[serde(default)]
    play: Play,
    mix: Strip,
    #[serde(default)]
    effects: Effects,
    voice: Voice,
}

/// How a pitched instrument is played. Pitches are MIDI pitches.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Play {
    pub(super) range: [i32; 2],
    /// What its melodies move around.
    pub(super) melody: i32,
    /// What its chords lie around.
    pub(super) harmony: i32,
    /// Lowest root below its chords, where there is room.
    pub(super) root: Option<i32>,
    /// Whether its chords are spread.
    pub(super) open: bool,
    /// Time between the tones of a chord.
    pub(super) strum_ms: f64,
    /// Whether it doubles its melody an octave below at the climax.
    pub(super) octaves: bool,
    pub(super) chords: Chords,
}

/// What an instrument makes of the chords of a style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Chords {
    /// All their tones; triads where the style has power chords.
    #[default]
    Full,
    /// Triads.
    Triads,
    /// All their tones; power chords (root, fifth, octave) where the style has them.
    Power,
}

/// How a track sits in the mix.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Strip {
    pub(super) gain_db: f32,
    /// How much louder a melody is.
    pub(super) melody_db: f32,
    /// Between left (-1) and right (1).
    pub(super) place: f32,
    /// Share that goes to the room, before the style's own amount.
    pub(super) send: f32,
    /// What lies below is cut, in hertz.
    pub(super) high_pass: f32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    instrument: Vec<Sheet>,
}

/// The file is part of the program; that it parses and keeps its rules is tested.
static SHEETS: LazyLock<Vec<Sheet>> =
    LazyLock::new(|| toml::from_str::<File>(include_str!("instruments.toml")).unwrap_or_default().instrument);

impl Instrument {
    /// Every instrument, in order.
    #[cfg(test)]
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..SHEETS.len()).map(Self)
    }

    /// The instrument of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        SHEETS.iter().position(|sheet| sheet.name == name).map(Self)
    }

    fn sheet(self) -> &'static Sheet {
        &SHEETS[self.0]
    }

    /// As in plans.
    pub(super) fn name(self) -> &'static str {
        &self.sheet().name
    }

    /// Index of its stem in [`GROUPS`].
    pub(super) fn group(self) -> usize {
        let group = self.sheet().group.as_str();
        GROUPS.iter().position(|name| *name == group).unwrap_or(GROUPS.len() - 1)
    }

    /// What kind of part it plays.
    pub(super) fn family(self) -> Family {
        self.sheet().family
    }

    /// General MIDI program, counted from 0; drums have none.
    pub(super) fn program(self) -> Option<u8> {
        self.sheet().program
    }

    /// How it is played, when it has a pitch.
    pub(super) fn play(self) -> Play {
        self.sheet().play
    }

    /// How it sits in the mix.
    pub(super) fn strip(self) -> Strip {
        self.sheet().mix
    }

    /// What its track goes through.
    pub(super) fn effects(self) -> &'static Effects {
        &self.sheet().effects
    }

    /// What makes its sound.
    pub(super) fn voice(self) -> &'static Voice {
        &self.sheet().voice
    }

    /// Whether it is percussion beside a kit rather than a kit.
    pub(super) fn is_percussion(self) -> bool {
        self.sheet().group == "percussion"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole() {
        let file: File = toml::from_str(include_str!("instruments.toml")).unwrap();
        for (number, sheet) in file.instrument.iter().enumerate() {
            let name = &sheet.name;
            assert_eq!(Instrument::named(name), Some(Instrument(number)), "{name} is there twice");
            assert!(GROUPS.contains(&sheet.group.as_str()), "{name}: group {}", sheet.group);
            let pitched = matches!(sheet.family, Family::Held | Family::Struck);
            assert_eq!(sheet.program.is_some(), pitched || name == "timpani", "{name}: program");
            assert!(sheet.program.is_none_or(|program| program < 128), "{name}: program");
            if pitched {
                let Play { range: [low, high], melody, harmony, root, .. } = sheet.play;
                assert!(low >= 12 && low + 12 <= high && high <= 108, "{name}: range");
                assert!((low..=high).contains(&melody) && (low..=high).contains(&harmony), "{name}: centres");
                assert!(root.is_none_or(|root| (low..harmony).contains(&root)), "{name}: root");
            }
            assert!(sheet.mix.place.abs() <= 1.0 && sheet.mix.high_pass >= 20.0, "{name}: mix");
        }
        assert_eq!(Instrument::named("kazoo"), None);
    }
}
