//! Chords as musicians write them: `ii7`, `bVII`, `V7/vi`, `IV/1`.

use serde::Deserialize;
use thiserror::Error;

/// A chord relative to a tonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render::synth) struct Numeral {
    /// Which letter of the scale its root is, 0 to 6.
    pub(in crate::render::synth) degree: i32,
    /// Semitones of its root above the tonic, 0 to 11.
    pub(in crate::render::synth) root: i32,
    /// Whether it is written in lower case: its third is minor.
    pub(in crate::render::synth) minor: bool,
    /// What its suffix says; `None`: the colour of the style.
    pub(in crate::render::synth) quality: Option<Quality>,
    /// Semitones above the tonic of what is played below it, when that is not its root.
    pub(in crate::render::synth) bass: Option<i32>,
}

/// What a suffix says, in semitones above the root; `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::render::synth) struct Quality {
    pub(in crate::render::synth) third: Option<i32>,
    pub(in crate::render::synth) fifth: Option<i32>,
    /// The seventh, or the sixth in its place.
    pub(in crate::render::synth) seventh: Option<i32>,
    /// A ninth, eleventh or thirteenth.
    pub(in crate::render::synth) tension: Option<i32>,
    /// Root and fifth alone.
    pub(in crate::render::synth) power: bool,
}

/// Semitones of the degrees of the major scale, to which numerals relate.
const MAJOR: [i32; 7] = [0, 2, 4, 5, 7, 9, 11];

/// Every suffix. 0 is nothing: no member of a chord lies 0 semitones above the root.
const SUFFIXES: [(&str, [i32; 4]); 28] = [
    ("maj", [0, 0, 0, 0]),
    ("6", [0, 0, 9, 0]),
    ("69", [0, 0, 9, 14]),
    ("7", [0, 0, 10, 0]),
    ("maj7", [0, 0, 11, 0]),
    ("9", [0, 0, 10, 14]),
    ("maj9", [0, 0, 11, 14]),
    ("11", [0, 0, 10, 17]),
    ("13", [0, 0, 10, 21]),
    ("maj13", [0, 0, 11, 21]),
    ("add9", [0, 0, 0, 14]),
    ("add11", [0, 0, 0, 17]),
    ("7b9", [0, 0, 10, 13]),
    ("7#9", [0, 0, 10, 15]),
    ("7#11", [0, 0, 10, 18]),
    ("maj7#11", [0, 0, 11, 18]),
    ("7b13", [0, 0, 10, 20]),
    ("7alt", [0, 8, 10, 15]),
    ("m7b5", [3, 6, 10, 0]),
    ("dim", [3, 6, 0, 0]),
    ("dim7", [3, 6, 9, 0]),
    ("aug", [4, 8, 0, 0]),
    ("aug7", [4, 8, 10, 0]),
    ("sus2", [2, 0, 0, 0]),
    ("sus4", [5, 0, 0, 0]),
    ("7sus4", [5, 0, 10, 0]),
    ("9sus4", [5, 0, 10, 14]),
    ("sus", [5, 0, 0, 0]),
];

impl Numeral {
    /// The tonic chord, in a scale whose third is minor or major.
    pub(in crate::render::synth) const fn tonic(minor: bool) -> Self {
        Self { degree: 0, root: 0, minor, quality: None, bass: None }
    }

    /// The dominant seventh of a chord whose root lies `root` semitones above the tonic.
    pub(in crate::render::synth) fn dominant_of(root: i32) -> Self {
        const LETTERS: [i32; 12] = [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6];
        let root = (root + 7).rem_euclid(12);
        let quality = Some(Quality { seventh: Some(10), ..Quality::default() });
        Self { degree: LETTERS[root as usize], root, minor: false, quality, bass: None }
    }

    fn read(text: &str) -> Option<Self> {
        let (head, slash) = match text.split_once('/') {
            Some((head, slash)) => (head, Some(slash)),
            None => (text, None),
        };
        let (degree, root, minor, suffix) = roman(head)?;
        let quality = match suffix {
            "" => None,
            "5" => Some(Quality { power: true, ..Quality::default() }),
            _ => {
                let (_, members) = SUFFIXES.iter().find(|(name, _)| *name == suffix)?;
                let [third, fifth, seventh, tension] = members.map(|member| (member != 0).then_some(member));
                Some(Quality { third, fifth, seventh, tension, power: false })
            }
        };
        let chord = Self { degree, root: root.rem_euclid(12), minor, quality, bass: None };
        let Some(slash) = slash else { return Some(chord) };
        if let Some(bass) = arabic(slash) {
            return Some(Self { bass: Some(bass), ..chord });
        }
        let (letter, target, _, rest) = roman(slash)?;
        rest.is_empty().then_some(Self {
            degree: (degree + letter).rem_euclid(7),
            root: (root + target).rem_euclid(12),
            ..chord
        })
    }
}

/// The accidentals before a degree, in semitones, and what follows them.
fn accidentals(text: &str) -> (i32, &str) {
    let rest = text.trim_start_matches(['b', '#']);
    let signs = &text[..text.len() - rest.len()];
    (signs.chars().map(|sign| if sign == '#' { 1 } else { -1 }).sum(), rest)
}

/// Degree, semitones, whether minor, and what follows.
fn roman(text: &str) -> Option<(i32, i32, bool, &str)> {
    const NUMERALS: [(&str, usize); 7] =
        [("vii", 6), ("vi", 5), ("iv", 3), ("v", 4), ("iii", 2), ("ii", 1), ("i", 0)];
    let (shift, rest) = accidentals(text);
    let upper = rest.starts_with(['I', 'V']);
    let (name, degree) = NUMERALS.iter().find(|(name, _)| {
        rest.get(..name.len())
            .is_some_and(|head| if upper { head == name.to_uppercase() } else { head == *name })
    })?;
    Some((*degree as i32, MAJOR[*degree] + shift, !upper, &rest[name.len()..]))
}

/// A degree in figures, as semitones.
fn arabic(text: &str) -> Option<i32> {
    let (shift, rest) = accidentals(text);
    let degree: usize = rest.parse().ok().filter(|degree| (1..=7).contains(degree))?;
    Some((MAJOR[degree - 1] + shift).rem_euclid(12))
}

/// A text that is no chord.
#[derive(Debug, Error)]
#[error(
    "{0:?} is not a chord: write a numeral with a suffix, as in \"ii7\", \"bVII\", \"V7/vi\" or \"IV/1\""
)]
pub(in crate::render::synth) struct NumeralError(String);

impl TryFrom<String> for Numeral {
    type Error = NumeralError;

    fn try_from(text: String) -> Result<Self, NumeralError> {
        Self::read(&text).ok_or(NumeralError(text))
    }
}

impl<'de> Deserialize<'de> for Numeral {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// Chords bar by bar: one chord for the whole bar, or two that divide it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::render::synth) struct Progression(Vec<Changes>);

/// The chords of one bar.
pub(in crate::render::synth) type Changes = (Numeral, Option<Numeral>);

/// A text that is no progression.
#[derive(Debug, Error)]
pub(in crate::render::synth) enum ProgressionError {
    /// One of its chords is none.
    #[error(transparent)]
    Chord(#[from] NumeralError),
    /// Its bars cannot be read.
    #[error(
        "{0:?} is not a progression: write a chord for each bar, \"(ii7 V7)\" for two in one bar, % for the bar before"
    )]
    Bars(String),
}

impl TryFrom<String> for Progression {
    type Error = ProgressionError;

    fn try_from(text: String) -> Result<Self, ProgressionError> {
        let mut bars: Vec<Changes> = Vec::new();
        let mut words = text.split_whitespace().filter(|word| *word != "|");
        let wrong = || ProgressionError::Bars(text.clone());
        while let Some(word) = words.next() {
            let bar = if word == "%" {
                *bars.last().ok_or_else(wrong)?
            } else if let Some(first) = word.strip_prefix('(') {
                let second = words.next().and_then(|word| word.strip_suffix(')')).ok_or_else(wrong)?;
                (first.to_owned().try_into()?, Some(second.to_owned().try_into()?))
            } else {
                (word.to_owned().try_into()?, None)
            };
            bars.push(bar);
        }
        if bars.is_empty() { Err(wrong()) } else { Ok(Self(bars)) }
    }
}

impl Progression {
    /// How many bars it has before it comes round.
    pub(in crate::render::synth) fn bars(&self) -> usize {
        self.0.len()
    }

    /// The chords of a bar, going round.
    pub(in crate::render::synth) fn bar(&self, number: usize) -> Changes {
        self.0[number % self.0.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Numeral {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn numerals_are_read_as_musicians_write_them() {
        for (text, degree, root, minor) in [
            ("I", 0, 0, false),
            ("ii7", 1, 2, true),
            ("bVII", 6, 10, false),
            ("#ivdim7", 3, 6, true),
            ("bVImaj7", 5, 8, false),
            ("iv", 3, 5, true),
            ("vii", 6, 11, true),
            ("V7/vi", 2, 4, false),
            ("iim7b5", 1, 2, true),
            ("ii7/bVII", 0, 0, true),
        ] {
            let chord = read(text);
            assert_eq!((chord.degree, chord.root, chord.minor), (degree, root, minor), "{text}");
        }
        assert_eq!((read("IV/1").root, read("IV/1").bass), (5, Some(0)));
        assert_eq!(read("I/b7").bass, Some(10));
        assert_eq!(read("V7").quality.unwrap().seventh, Some(10));
        assert_eq!(read("V").quality, None);
        for text in ["", "VIII", "X", "II8", "iiV", "V7/", "V7/9", "Iv", "I/"] {
            assert!(Numeral::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_progression_counts_bars() {
        let progression = Progression::try_from("I % | (ii7 V7) vi".to_owned()).unwrap();
        assert_eq!(progression.bars(), 4);
        assert_eq!(progression.bar(1), progression.bar(4));
        assert_eq!(progression.bar(2), (read("ii7"), Some(read("V7"))));
        for text in ["", "%", "(ii V", "1 5 6 4", "(ii V I)"] {
            assert!(Progression::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_dominant_leads_to_its_chord() {
        assert_eq!(Numeral::dominant_of(0), read("V7"));
        assert_eq!(Numeral::dominant_of(9), read("V7/vi"));
    }
}
