//! How each style is played, read from `styles.toml`, where the fields are explained.

mod drum;
mod numeral;
mod pattern;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, de::Error as _};

use crate::{music::Mode, wire::Ending};
pub(super) use drum::Drum;
pub(super) use numeral::{Numeral, Progression, Quality};
pub(super) use pattern::{Cell, Groove, Lanes, Pattern};

/// Everything `styles.toml` says.
#[derive(Debug)]
pub(super) struct Book {
    modal: BTreeMap<String, Modal>,
    moods: BTreeMap<String, Mood>,
    percussion: BTreeMap<String, Groove<Lanes>>,
    fills: BTreeMap<String, Fills>,
    pub(super) techniques: Techniques,
    styles: BTreeMap<String, Style>,
}

/// The file as it is written: styles state what distinguishes them from another one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    modal: BTreeMap<String, Modal>,
    moods: BTreeMap<String, Mood>,
    percussion: BTreeMap<String, Groove<Lanes>>,
    fills: BTreeMap<String, Fills>,
    techniques: Techniques,
    default: toml::Table,
    styles: BTreeMap<String, toml::Table>,
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
    pub(super) colour: Colour,
    pub(super) chord_bars: usize,
    pub(super) strict: bool,
    pub(super) rootless: bool,
    chords: Modes<Vec<Progression>>,
    #[serde(default)]
    chorus: Modes<Vec<Progression>>,
    #[serde(default)]
    bridge: Modes<Vec<Progression>>,
    #[serde(default)]
    cadence: Modes<Progression>,
    #[serde(default)]
    turnaround: Modes<Progression>,
    #[serde(default)]
    home: Modes<Numeral>,
    /// Share of the sections that stand on the tonic, 0 to 1.
    pub(super) pedal: f64,
    pub(super) space: f32,
    /// RT60 in seconds.
    pub(super) tail: f64,
    /// How much the bus compressor holds the mix together, 0 to 1.
    pub(super) glue: f32,
    /// How far the kick pushes the rest down, 0 to 1.
    pub(super) pump: f32,
    /// How much the whole is saturated, 0 to 1.
    pub(super) warmth: f32,
    pub(super) late_ms: f64,
    #[serde(default)]
    pub(super) laid_back: LaidBack,
    pub(super) melody: Melody,
    pub(super) counter: bool,
    pub(super) lift: Lift,
    fills: String,
    pub(super) fill_every: usize,
    pub(super) opening: Opening,
    pub(super) ending: Ending,
    pub(super) comp: Groove<Pattern>,
    #[serde(default)]
    parts: BTreeMap<String, Groove<Pattern>>,
    pub(super) bass: Groove<Pattern>,
    pub(super) drums: Groove<Lanes>,
    #[serde(default)]
    percussion: BTreeMap<String, Groove<Lanes>>,
}

/// What is swung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SwingUnit {
    Eighth,
    Sixteenth,
}

/// What is stacked on a root where a numeral does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Colour {
    Triad,
    Sixth,
    Seventh,
    Ninth,
    Power,
}

/// How far after the beat players stand, in milliseconds; negative: before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LaidBack {
    /// Snare, clap and rim.
    pub(super) snare: f64,
    /// Whatever counts time.
    pub(super) hats: f64,
    pub(super) bass: f64,
    pub(super) chords: f64,
    pub(super) melody: f64,
}

/// How the motif is sung.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Melody {
    pub(super) manner: Manner,
    /// Share of the notes on a beat that come an eighth early, 0 to 1.
    pub(super) syncopation: f64,
    /// Share of the long notes that are adorned, 0 to 1.
    pub(super) ornaments: f64,
    pub(super) graces: Graces,
}

/// What a melody is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Manner {
    /// Phrases that breathe, statement and answer.
    Song,
    /// A call, and an answer by another voice or in another register.
    Call,
    /// Long notes.
    Long,
    /// A short figure that goes round.
    Riff,
}

/// How notes are adorned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Graces {
    /// Passing notes.
    Plain,
    /// Turns and mordents.
    Classical,
    /// Cuts and rolls.
    Celtic,
    /// Quick turns on the way down.
    Flamenco,
    /// Approached by half steps.
    Jazz,
    /// Slides into blue notes.
    Blues,
}

/// What leads into a section of higher energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lift {
    /// Nothing.
    None,
    /// A cymbal on its first beat.
    Crash,
    /// A big fill and a cymbal.
    Fill,
    /// A cymbal that swells.
    Swell,
    /// Noise that rises, a roll, a beat of silence: a drop.
    Riser,
}

/// How a piece begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Opening {
    /// Everybody on the first beat.
    Plain,
    /// The drums alone for a bar.
    Fill,
    /// Chords alone for a bar, with an upbeat of the melody.
    Pickup,
}

/// What drums play at the ends of phrases: cells that replace the last ones of a bar.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fills {
    /// At the end of a phrase.
    pub(super) small: Vec<Lanes>,
    /// At the end of a section.
    pub(super) big: Vec<Lanes>,
}

/// What chords become when a way of playing is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Techniques {
    pub(super) arpeggiated: Groove<Pattern>,
    pub(super) strummed: Groove<Pattern>,
    pub(super) fingerpicked: Groove<Pattern>,
}

/// Progressions of a mode that a style has none of its own for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Modal {
    chords: Vec<Progression>,
    cadence: Progression,
}

/// Something for some of the modes, by their names with `_` for a space.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Modes<T>(BTreeMap<String, T>);

impl<T> Default for Modes<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Modes<T> {
    fn of(&self, mode: Mode) -> Option<&T> {
        self.0.get(&mode.name().replace(' ', "_"))
    }
}

impl Style {
    /// What an instrument plays of the chords when the style has something for it in particular: by its own name or that of
    /// its group.
    pub(super) fn part(&self, instrument: &str, group: &str) -> Option<&Groove<Pattern>> {
        self.parts.get(instrument).or_else(|| self.parts.get(group))
    }

    /// The last chord of a piece.
    pub(super) fn home(&self, mode: Mode) -> Numeral {
        self.home.of(mode).copied().unwrap_or(Numeral::tonic(mode.is_minor()))
    }

    /// What leads back to the beginning at the end of a section.
    pub(super) fn turnaround(&self, mode: Mode) -> Option<&Progression> {
        self.turnaround.of(mode)
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

impl Book {
    /// The book, read on first use.
    ///
    /// # Errors
    /// When the file is damaged; a test keeps that from being shipped.
    pub(super) fn open() -> Result<&'static Self, &'static toml::de::Error> {
        static BOOK: LazyLock<Result<Book, toml::de::Error>> =
            LazyLock::new(|| Book::read(include_str!("../styles.toml")));
        BOOK.as_ref()
    }

    fn read(text: &str) -> Result<Self, toml::de::Error> {
        let File { modal, moods, percussion, fills, techniques, default, styles } = toml::from_str(text)?;
        let mut whole = BTreeMap::new();
        for name in styles.keys() {
            let mut table = completed(&styles, &default, name, styles.len())?;
            table.remove("like");
            let style: Style = table.try_into().map_err(|error: toml::de::Error| {
                toml::de::Error::custom(format!("style {name}: {}", error.message()))
            })?;
            whole.insert(name.clone(), style);
        }
        Ok(Self { modal, moods, percussion, fills, techniques, styles: whole })
    }

    /// A style by its name.
    pub(super) fn style(&self, name: &str) -> Option<&Style> {
        self.styles.get(name)
    }

    /// The progressions of a style in a mode.
    pub(super) fn progressions<'a>(&'a self, style: &'a Style, mode: Mode) -> &'a [Progression] {
        let own = style.chords.of(mode);
        let modal = || self.modal.get(&mode.name().replace(' ', "_")).map(|modal| &modal.chords);
        let kin = || style.chords.of(if mode.is_minor() { Mode::Minor } else { Mode::Major });
        own.or_else(modal).or_else(kin).map_or(&[], Vec::as_slice)
    }

    /// What chorus and bridge have of their own, if anything.
    pub(super) fn contrasts(style: &Style, mode: Mode, chorus: bool) -> Option<&[Progression]> {
        let modes = if chorus { &style.chorus } else { &style.bridge };
        modes.of(mode).map(Vec::as_slice).filter(|list| !list.is_empty())
    }

    /// What leads to the last chord of a piece.
    pub(super) fn cadence<'a>(&'a self, style: &'a Style, mode: Mode) -> Option<&'a Progression> {
        let modal = || self.modal.get(&mode.name().replace(' ', "_")).map(|modal| &modal.cadence);
        style.cadence.of(mode).or_else(modal)
    }

    /// What a percussion instrument plays in a style; an unknown one plays what hand percussion does.
    pub(super) fn percussion<'a>(&'a self, style: &'a Style, instrument: &str) -> Option<&'a Groove<Lanes>> {
        let own = style.percussion.get(instrument).or_else(|| self.percussion.get(instrument));
        own.or_else(|| self.percussion.get("percussion"))
    }

    /// The fills of a style.
    pub(super) fn fills(&self, style: &Style) -> Option<&Fills> {
        self.fills.get(&style.fills)
    }

    /// The fills of a percussion instrument, if it plays any.
    pub(super) fn fills_of(&self, instrument: &str) -> Option<&Fills> {
        self.fills.get(instrument)
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

/// A style with everything that it takes from others; `depth` bounds how many.
fn completed(
    styles: &BTreeMap<String, toml::Table>,
    default: &toml::Table,
    name: &str,
    depth: usize,
) -> Result<toml::Table, toml::de::Error> {
    let own = styles.get(name).filter(|_| depth > 0).ok_or_else(|| {
        toml::de::Error::custom(format!("no style {name} to be like, or one that is like itself"))
    })?;
    let mut whole = match own.get("like").and_then(toml::Value::as_str) {
        Some(other) => completed(styles, default, other, depth - 1)?,
        None => default.clone(),
    };
    for (field, value) in own {
        match (whole.get_mut(field), value) {
            (Some(toml::Value::Table(whole)), toml::Value::Table(own)) => {
                whole.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            _ => {
                whole.insert(field.clone(), value.clone());
            }
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{music::Metre, wire::Energy};

    /// How many cells a pattern for a metre has.
    fn cells(metre: &str) -> usize {
        let metre: Metre = metre.parse().unwrap_or_else(|_| panic!("{metre} is no metre"));
        metre.groups().len()
    }

    fn check(what: &str, metre: &str, pattern: &Pattern, marks: &str) {
        for bar in pattern.bars() {
            assert_eq!(bar.len(), cells(metre), "{what} in {metre}: cells of {bar:?}");
            for mark in bar.iter().flatten() {
                assert!(marks.contains(char::from(*mark)), "{what} in {metre}: mark {:?}", char::from(*mark));
            }
        }
    }

    const DRUM_MARKS: &str = ".xXogf23";
    const CHORD_MARKS: &str = ".-xXog01234567bvd";
    const BASS_MARKS: &str = ".-12345678tvawkgd";

    #[test]
    fn the_file_is_whole() {
        let book = Book::read(include_str!("../styles.toml")).unwrap();
        let lanes = |what: &str, groove: &Groove<Lanes>| {
            for (metre, lanes) in groove.everything() {
                for pattern in lanes.values() {
                    check(what, metre, pattern, DRUM_MARKS);
                }
            }
        };
        let pattern = |what: &str, groove: &Groove<Pattern>, marks: &str| {
            groove.everything().iter().for_each(|(metre, pattern)| check(what, metre, pattern, marks));
        };
        for (name, style) in &book.styles {
            assert!((0.5..0.75).contains(&style.swing), "{name}: swing");
            assert!((1..=4).contains(&style.chord_bars) && style.fill_every > 0, "{name}: bars");
            assert!((0.0..=0.6).contains(&style.space) && (0.4..8.0).contains(&style.tail), "{name}: reverb");
            let shares = [f64::from(style.glue), f64::from(style.pump), f64::from(style.warmth), style.pedal];
            let sung = [style.melody.syncopation, style.melody.ornaments];
            assert!(shares.iter().chain(&sung).all(|share| (0.0..=1.0).contains(share)), "{name}: shares");
            assert!(book.fills(style).is_some(), "{name}: fills {:?}", style.fills);
            let known: BTreeSet<String> = Mode::ALL.map(|mode| mode.name().replace(' ', "_")).into();
            let modes = [&style.chords, &style.chorus, &style.bridge].map(|modes| modes.0.keys());
            assert!(modes.into_iter().flatten().all(|mode| known.contains(mode)), "{name}: modes");
            for mode in Mode::ALL {
                let list = book.progressions(style, mode);
                assert!(!list.is_empty(), "{name}: no progressions in {}", mode.name());
                assert!(book.cadence(style, mode).is_some(), "{name}: no cadence in {}", mode.name());
            }
            lanes(name, &style.drums);
            style.percussion.values().for_each(|groove| lanes(name, groove));
            pattern(&format!("{name} comp"), &style.comp, CHORD_MARKS);
            pattern(&format!("{name} bass"), &style.bass, BASS_MARKS);
            for (part, groove) in &style.parts {
                pattern(&format!("{name} {part}"), groove, CHORD_MARKS);
            }
        }
        book.percussion.iter().for_each(|(name, groove)| lanes(name, groove));
        for groove in [&book.techniques.arpeggiated, &book.techniques.strummed, &book.techniques.fingerpicked]
        {
            pattern("techniques", groove, CHORD_MARKS);
        }
        for (name, fills) in &book.fills {
            for lanes in fills.small.iter().chain(&fills.big) {
                let lengths: BTreeSet<usize> = lanes.values().map(|pattern| pattern.bar(0).len()).collect();
                assert!(
                    lengths.len() == 1 && lengths.iter().all(|&cells| cells <= 4),
                    "fills {name}: {lanes:?}"
                );
            }
        }
    }

    #[test]
    fn a_style_takes_what_it_does_not_say_from_the_one_it_is_like() {
        let text = include_str!("../styles.toml");
        let book = Book::read(&format!(
            "{text}\n[styles.x]\nlike = \"jazz\"\ntail = 0.7\nbass.low = \"k... .... .... ....\"\n"
        ));
        let book = book.unwrap();
        let (x, jazz) = (book.style("x").unwrap(), book.style("jazz").unwrap());
        assert!((x.tail - 0.7).abs() < 1e-9 && (x.swing - jazz.swing).abs() < 1e-9);
        let bass = |style: &Style, energy| style.bass.of(energy, Metre::FourFour).0[0].clone();
        assert_ne!(bass(x, Energy::Low), bass(jazz, Energy::Low));
        assert_eq!(bass(x, Energy::High), bass(jazz, Energy::High));
        for wrong in ["like = \"y\"", "like = \"x\"", "like = \"jazz\"\nfuzz = 1"] {
            assert!(Book::read(&format!("{text}\n[styles.x]\n{wrong}\n")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_mood_of_the_planner_shapes_the_sound() {
        let planned = &crate::plan::vocabulary::vocabulary().moods;
        let planned: BTreeSet<&str> = planned.iter().map(|mood| mood.name.as_str()).collect();
        let played: BTreeSet<&str> = Book::open().unwrap().moods.keys().map(String::as_str).collect();
        assert!(planned.is_subset(&played), "{:?}", planned.difference(&played));
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
