//! How each style is played, read from `styles.toml`, where the fields are explained.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use thiserror::Error;

use crate::{music::Mode, wire::Energy};

/// Everything `styles.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Book {
    modal: BTreeMap<String, Vec<Progression>>,
    moods: BTreeMap<String, Mood>,
    /// What hand percussion plays, in every style.
    pub(super) percussion: PerEnergy<Lanes>,
    styles: BTreeMap<String, Style>,
}

/// One style.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Style {
    /// The feel in words; for people who read the file.
    #[serde(rename = "feel")]
    _feel: String,
    pub(super) swing: f64,
    pub(super) swing_unit: SwingUnit,
    pub(super) chord: ChordKind,
    pub(super) chord_bars: usize,
    pub(super) leading: bool,
    major: Vec<Progression>,
    minor: Vec<Progression>,
    pub(super) space: f32,
    /// RT60 in seconds.
    pub(super) tail: f64,
    pub(super) late_ms: f64,
    pub(super) comp: PerEnergy<Pattern>,
    pub(super) bass: PerEnergy<Pattern>,
    pub(super) drums: PerEnergy<Lanes>,
}

/// What is swung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SwingUnit {
    Eighth,
    Sixteenth,
}

/// What is stacked on a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChordKind {
    Triad,
    Seventh,
    Ninth,
    Power,
}

/// One value for each energy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PerEnergy<T> {
    low: T,
    medium: T,
    high: T,
}

impl<T> PerEnergy<T> {
    pub(super) fn of(&self, energy: Energy) -> &T {
        match energy {
            Energy::Low => &self.low,
            Energy::Medium => &self.medium,
            Energy::High => &self.high,
        }
    }
}

/// What a mood does to the sound; neutral is 1, 0, 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mood {
    pub(super) brightness: f32,
    pub(super) space: f32,
    pub(super) touch: f32,
}

/// The pieces of a drum kit and of a percussionist's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Drum {
    Kick,
    /// The second kick of a pattern: softer, or the long one of a machine.
    LowKick,
    Snare,
    Rim,
    Clap,
    Snap,
    /// Closed hi-hat.
    Hat,
    /// Hi-hat closed by foot.
    Pedal,
    /// Open hi-hat.
    Open,
    Ride,
    RideBell,
    Crash,
    China,
    /// A cymbal roll that swells over the whole note.
    Swell,
    HighTom,
    Tom,
    LowTom,
    Cowbell,
    Shaker,
    Tambourine,
    HighConga,
    Conga,
    HighBongo,
    Bongo,
    Timpani,
    /// Concert bass drum.
    ConcertBass,
    FieldSnare,
    Triangle,
    Castanets,
    Woodblock,
    Claves,
    Guiro,
    HighAgogo,
    Agogo,
    HighSurdo,
    Surdo,
    Tamborim,
    HighTaiko,
    Taiko,
    HighFrame,
    Frame,
    HighCajon,
    Cajon,
    /// Noise that rises over the whole note and stops at its end.
    Riser,
    /// A deep boom with a long tail.
    Impact,
}

#[cfg(test)]
impl Drum {
    /// Every one of them.
    pub(super) const ALL: [Self; 45] = [
        Self::Kick,
        Self::LowKick,
        Self::Snare,
        Self::Rim,
        Self::Clap,
        Self::Snap,
        Self::Hat,
        Self::Pedal,
        Self::Open,
        Self::Ride,
        Self::RideBell,
        Self::Crash,
        Self::China,
        Self::Swell,
        Self::HighTom,
        Self::Tom,
        Self::LowTom,
        Self::Cowbell,
        Self::Shaker,
        Self::Tambourine,
        Self::HighConga,
        Self::Conga,
        Self::HighBongo,
        Self::Bongo,
        Self::Timpani,
        Self::ConcertBass,
        Self::FieldSnare,
        Self::Triangle,
        Self::Castanets,
        Self::Woodblock,
        Self::Claves,
        Self::Guiro,
        Self::HighAgogo,
        Self::Agogo,
        Self::HighSurdo,
        Self::Surdo,
        Self::Tamborim,
        Self::HighTaiko,
        Self::Taiko,
        Self::HighFrame,
        Self::Frame,
        Self::HighCajon,
        Self::Cajon,
        Self::Riser,
        Self::Impact,
    ];
}

/// What each piece of a kit plays.
pub(super) type Lanes = BTreeMap<Drum, Pattern>;

/// Four cells of four sixteenths.
pub(super) type PatternBar = [[u8; 4]; 4];

/// Bars of steps, played in turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pattern(Vec<PatternBar>);

/// A step string that is not four cells of four known characters.
#[derive(Debug, Error)]
#[error(
    "{0:?} is not a pattern: write bars of four cells of four of \".-xXo012345678a\", as in \"x... .... x... ....\""
)]
pub(super) struct PatternError(String);

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        let bar = |bar: &str| -> Option<PatternBar> {
            let cells: Vec<[u8; 4]> =
                bar.split_whitespace().map(|cell| cell.as_bytes().try_into().ok()).collect::<Option<_>>()?;
            let known = |step: &u8| b".-xXo012345678a".contains(step);
            cells.iter().flatten().all(known).then(|| cells.try_into().ok())?
        };
        match text.split('|').map(bar).collect::<Option<Vec<_>>>() {
            Some(bars) => Ok(Self(bars)),
            None => Err(PatternError(text)),
        }
    }
}

impl Pattern {
    /// The bar that is played in bar `number` of a section.
    pub(super) fn bar(&self, number: usize) -> &PatternBar {
        &self.0[number % self.0.len()]
    }
}

/// Chords as degrees of the scale, 0 to 6.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Progression(Vec<i32>);

/// Chords that are no degrees.
#[derive(Debug, Error)]
#[error("{0:?} is not a progression: write degrees 1 to 7, as in \"1 5 6 4\"")]
pub(super) struct ProgressionError(String);

impl TryFrom<String> for Progression {
    type Error = ProgressionError;

    fn try_from(text: String) -> Result<Self, ProgressionError> {
        let degree =
            |word: &str| word.parse().ok().filter(|degree| (1..=7).contains(degree)).map(|d: i32| d - 1);
        match text.split_whitespace().map(degree).collect::<Option<Vec<_>>>() {
            Some(degrees) if !degrees.is_empty() => Ok(Self(degrees)),
            _ => Err(ProgressionError(text)),
        }
    }
}

impl Progression {
    /// The degree of chord `number`, going round.
    pub(super) fn chord(&self, number: usize) -> i32 {
        self.0[number % self.0.len()]
    }
}

impl Book {
    /// The book, read on first use.
    ///
    /// # Errors
    /// When the file is damaged; a test keeps that from being shipped.
    pub(super) fn open() -> Result<&'static Self, &'static toml::de::Error> {
        static BOOK: LazyLock<Result<Book, toml::de::Error>> =
            LazyLock::new(|| toml::from_str(include_str!("styles.toml")));
        BOOK.as_ref()
    }

    /// A style by its name.
    pub(super) fn style(&self, name: &str) -> Option<&Style> {
        self.styles.get(name)
    }

    /// The progressions of a style in a mode, the usual one first.
    pub(super) fn progressions<'a>(&'a self, style: &'a Style, mode: Mode) -> &'a [Progression] {
        match mode {
            Mode::Major => &style.major,
            Mode::Minor => &style.minor,
            other => self.modal.get(other.name()).unwrap_or(&style.minor),
        }
    }

    /// All moods of a piece at once. Moods that shape nothing count as neutral.
    pub(super) fn mood(&self, names: &[String]) -> Mood {
        let neutral = Mood { brightness: 1.0, space: 0.0, touch: 1.0 };
        let sum = names.iter().filter_map(|name| self.moods.get(name)).fold(neutral, |sum, mood| Mood {
            brightness: sum.brightness * mood.brightness,
            space: sum.space + mood.space,
            touch: sum.touch * mood.touch,
        });
        Mood {
            brightness: sum.brightness.clamp(0.5, 1.6),
            space: sum.space.clamp(-0.15, 0.3),
            touch: sum.touch.clamp(0.8, 1.25),
        }
    }

    /// Every style's name, sorted.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.styles.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_file_is_whole() {
        let book = Book::open().unwrap();
        assert!(book.names().count() >= 16, "styles: {:?}", book.names().collect::<Vec<_>>());
        for (name, style) in &book.styles {
            assert!((0.5..0.75).contains(&style.swing), "{name}: swing");
            assert!((1..=4).contains(&style.chord_bars), "{name}: chord_bars");
            assert!((0.0..=0.5).contains(&style.space) && (0.5..6.0).contains(&style.tail), "{name}: reverb");
            for mode in Mode::ALL {
                let list = book.progressions(style, mode);
                assert!(list.len() >= 2, "{name}: too few progressions in {}", mode.name());
            }
        }
    }

    #[test]
    fn patterns_and_progressions_are_checked() {
        for text in ["x...", "x... .... .... ...", "x... .... .... ..z.", "", "x... .... .... .... |"] {
            assert!(Pattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        let two = Pattern::try_from("x... .... .... .... | .... x... .... ....".to_owned()).unwrap();
        assert_eq!((two.bar(2)[0][0], two.bar(1)[1][0]), (b'x', b'x'));
        assert!(Progression::try_from("1 8".to_owned()).is_err());
        assert!(Progression::try_from(" ".to_owned()).is_err());
    }

    #[test]
    fn every_mood_of_the_planner_shapes_the_sound_and_no_other() {
        let planned = &crate::plan::vocabulary::vocabulary().moods;
        let planned: BTreeSet<&str> = planned.iter().map(|mood| mood.name.as_str()).collect();
        let played: BTreeSet<&str> = Book::open().unwrap().moods.keys().map(String::as_str).collect();
        assert_eq!(played, planned);
    }

    #[test]
    fn moods_add_up_within_reason() {
        let book = Book::open().unwrap();
        let neutral = book.mood(&["no such mood".to_owned()]);
        assert!((neutral.brightness - 1.0).abs() < 1e-6 && neutral.space.abs() < 1e-6);
        let dark = book.mood(&["dark".to_owned(), "sad".to_owned(), "mysterious".to_owned()]);
        assert!((0.5..0.7).contains(&dark.brightness));
    }
}
