//! Keys and modes.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A scale form with seven degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Ionian.
    Major,
    /// Natural minor, aeolian.
    Minor,
    /// Minor with a raised sixth.
    Dorian,
    /// Minor with a lowered second.
    Phrygian,
    /// Major with a raised fourth.
    Lydian,
    /// Major with a lowered seventh.
    Mixolydian,
    /// Phrygian with a lowered fifth.
    Locrian,
    /// Minor with a raised seventh.
    HarmonicMinor,
}

impl Mode {
    /// Every mode, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Major,
        Self::Minor,
        Self::Dorian,
        Self::Phrygian,
        Self::Lydian,
        Self::Mixolydian,
        Self::Locrian,
        Self::HarmonicMinor,
    ];

    /// Semitones of the seven degrees above the tonic.
    pub fn degrees(self) -> [i32; 7] {
        match self {
            Self::Major => [0, 2, 4, 5, 7, 9, 11],
            Self::Minor => [0, 2, 3, 5, 7, 8, 10],
            Self::Dorian => [0, 2, 3, 5, 7, 9, 10],
            Self::Phrygian => [0, 1, 3, 5, 7, 8, 10],
            Self::Lydian => [0, 2, 4, 6, 7, 9, 11],
            Self::Mixolydian => [0, 2, 4, 5, 7, 9, 10],
            Self::Locrian => [0, 1, 3, 5, 6, 8, 10],
            Self::HarmonicMinor => [0, 2, 3, 5, 7, 8, 11],
        }
    }

    /// Whether the third above the tonic is a minor third.
    pub fn is_minor(self) -> bool {
        self.degrees()[2] == 3
    }

    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Major => "major",
            Self::Minor => "minor",
            Self::Dorian => "dorian",
            Self::Phrygian => "phrygian",
            Self::Lydian => "lydian",
            Self::Mixolydian => "mixolydian",
            Self::Locrian => "locrian",
            Self::HarmonicMinor => "harmonic minor",
        }
    }
}

/// A tonic and a mode, written as in "D minor", "F# dorian" or "Bb" (major when the mode is left out).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key {
    letter: Letter,
    accidental: i8,
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Letter {
    C,
    D,
    E,
    F,
    G,
    A,
    B,
}

impl Letter {
    fn semitone(self) -> i32 {
        match self {
            Self::C => 0,
            Self::D => 2,
            Self::E => 4,
            Self::F => 5,
            Self::G => 7,
            Self::A => 9,
            Self::B => 11,
        }
    }
}

/// A text that names no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a key: write a tonic A to G, with # or b if needed, and a mode (major, minor, dorian, phrygian, \
     lydian, mixolydian, locrian, harmonic minor), as in \"D minor\", \"F# dorian\" or \"Bb\""
)]
pub struct KeyError(String);

impl Key {
    /// The usual spelling of a key by its tonic's pitch class (0 is C, 11 is B): 3 is "Eb major", 1 is "Db major" and "C# minor".
    pub fn from_pitch_class(pitch_class: i32, mode: Mode) -> Self {
        use Letter::{A, B, C, D, E, F, G};
        let (letter, accidental) = match (pitch_class.rem_euclid(12), mode.is_minor()) {
            (0, _) => (C, 0),
            (1, false) => (D, -1),
            (1, true) => (C, 1),
            (2, _) => (D, 0),
            (3, _) => (E, -1),
            (4, _) => (E, 0),
            (5, _) => (F, 0),
            (6, _) => (F, 1),
            (7, _) => (G, 0),
            (8, false) => (A, -1),
            (8, true) => (G, 1),
            (9, _) => (A, 0),
            (10, _) => (B, -1),
            (_, _) => (B, 0),
        };
        Self { letter, accidental, mode }
    }

    /// Pitch class of the tonic: 0 is C, 11 is B.
    pub fn pitch_class(self) -> i32 {
        (self.letter.semitone() + i32::from(self.accidental)).rem_euclid(12)
    }

    /// The mode.
    pub fn mode(self) -> Mode {
        self.mode
    }

    /// The signature on a staff: sharps, or flats below 0, -7 to 7. A mode has that of the major key with the same notes (D dorian
    /// that of C major), harmonic minor that of its minor key; a tonic that would need more than seven is spelt the other way.
    pub fn signature(self) -> i8 {
        let tonic = match self.letter {
            Letter::F => -1,
            Letter::C => 0,
            Letter::G => 1,
            Letter::D => 2,
            Letter::A => 3,
            Letter::E => 4,
            Letter::B => 5,
        };
        let mode = match self.mode {
            Mode::Lydian => 1,
            Mode::Major => 0,
            Mode::Mixolydian => -1,
            Mode::Dorian => -2,
            Mode::Minor | Mode::HarmonicMinor => -3,
            Mode::Phrygian => -4,
            Mode::Locrian => -5,
        };
        match tonic + 7 * self.accidental + mode {
            sharps @ 8.. => sharps - 12,
            flats @ ..=-8 => flats + 12,
            fifths => fifths,
        }
    }

    /// The MIDI pitch of a scale degree (0 is the tonic, 7 the tonic an octave up, -1 the seventh degree below)
    /// when the tonic of degree 0 lies in the octave that starts at `octave_c` (a MIDI C, as 60).
    pub fn pitch(self, degree: i32, octave_c: i32) -> i32 {
        let scale = self.mode.degrees();
        octave_c
            + self.pitch_class()
            + 12 * degree.div_euclid(7)
            + scale[usize::try_from(degree.rem_euclid(7)).unwrap_or_default()]
    }

    /// Whether a MIDI pitch belongs to the scale.
    pub fn contains(self, pitch: i32) -> bool {
        self.mode.degrees().contains(&(pitch - self.pitch_class()).rem_euclid(12))
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError(text.to_owned());
        let trimmed = text.trim();
        let mut rest = trimmed.chars();
        let letter = match rest.next().map(|c| c.to_ascii_uppercase()) {
            Some('C') => Letter::C,
            Some('D') => Letter::D,
            Some('E') => Letter::E,
            Some('F') => Letter::F,
            Some('G') => Letter::G,
            Some('A') => Letter::A,
            Some('B') => Letter::B,
            _ => return Err(wrong()),
        };
        let rest = rest.as_str();
        let (accidental, rest) = match rest.chars().next() {
            Some(c @ ('#' | '♯')) => (1, &rest[c.len_utf8()..]),
            Some(c @ ('b' | '♭')) => (-1, &rest[c.len_utf8()..]),
            _ => match rest.trim_start_matches([' ', '-']).to_ascii_lowercase() {
                word if word.starts_with("sharp") => (1, &rest[rest.len() - word.len() + 5..]),
                word if word.starts_with("flat") => (-1, &rest[rest.len() - word.len() + 4..]),
                _ => (0, rest),
            },
        };
        let word = rest.trim_matches([' ', '-', '_']);
        let lower = word.to_lowercase().replace(['-', '_'], " ");
        let mode = match (word, lower.as_str()) {
            ("m", _) | (_, "min" | "minor" | "aeolian" | "natural minor") => Mode::Minor,
            ("" | "M", _) | (_, "maj" | "major" | "ionian") => Mode::Major,
            (_, name) => Mode::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(wrong)?,
        };
        Ok(Self { letter, accidental, mode })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accidental = match self.accidental {
            1 => "#",
            -1 => "b",
            _ => "",
        };
        write!(f, "{:?}{accidental} {}", self.letter, self.mode.name())
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

impl PartialSchema for Key {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A tonic (A to G, with # or b) and a mode: major, minor, dorian, phrygian, lydian, mixolydian, locrian, \
                 harmonic minor. Major when the mode is left out.",
            ))
            .examples(["D minor", "F# dorian", "Bb"])
            .into()
    }
}

impl ToSchema for Key {
    fn name() -> Cow<'static, str> {
        "Key".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_musicians_write() {
        for (text, shown, pitch_class) in [
            ("D minor", "D minor", 2),
            ("F# dorian", "F# dorian", 6),
            ("Bb", "Bb major", 10),
            ("c", "C major", 0),
            ("Em", "E minor", 4),
            ("CM", "C major", 0),
            ("a♭ Mixolydian", "Ab mixolydian", 8),
            ("G sharp minor", "G# minor", 8),
            ("E-flat major", "Eb major", 3),
            ("A harmonic-minor", "A harmonic minor", 9),
            ("Cb", "Cb major", 11),
        ] {
            let key: Key = text.parse().unwrap();
            assert_eq!((key.to_string().as_str(), key.pitch_class()), (shown, pitch_class), "{text}");
            assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
    }

    #[test]
    fn refuses_what_is_no_key() {
        for text in ["", "H minor", "D nothing", "minor", "D##", "12"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    #[test]
    fn degrees_run_on_over_the_octave() {
        let key: Key = "D minor".parse().unwrap();
        assert_eq!([-1, 0, 2, 7, 9].map(|degree| key.pitch(degree, 60)), [60, 62, 65, 74, 77]);
        assert!(key.contains(70) && !key.contains(66));
    }

    #[test]
    fn signatures_are_those_on_paper() {
        for (text, signature) in [
            ("C", 0),
            ("D minor", -1),
            ("D dorian", 0),
            ("F lydian", 0),
            ("Eb", -3),
            ("F# minor", 3),
            ("A harmonic minor", 0),
            ("B locrian", 0),
            ("E phrygian", 0),
            ("G mixolydian", 0),
            ("Cb", -7),
            ("G# major", -4),
            ("Ab locrian", 3),
        ] {
            assert_eq!(text.parse::<Key>().unwrap().signature(), signature, "{text}");
        }
    }

    #[test]
    fn every_pitch_class_has_a_spelling() {
        for mode in Mode::ALL {
            for pitch_class in 0..12 {
                assert_eq!(Key::from_pitch_class(pitch_class, mode).pitch_class(), pitch_class);
            }
        }
    }
}
