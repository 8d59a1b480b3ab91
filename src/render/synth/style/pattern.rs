//! Rhythms as marks in cells.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use super::Drum;
use crate::{music::Metre, wire::Energy};

/// A beat, divided into as many equal steps as it has marks.
pub(in crate::render::synth) type Cell = Vec<u8>;

/// Bars of cells, played in turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::render::synth) struct Pattern(Vec<Vec<Cell>>);

/// What each piece of a kit plays.
pub(in crate::render::synth) type Lanes = BTreeMap<Drum, Pattern>;

/// A text that is no pattern.
#[derive(Debug, Error)]
#[error(
    "{0:?} is not a pattern: write bars of cells of 1, 2, 3, 4, 6 or 8 marks, as in \"x... .... x.o. ....\""
)]
pub(in crate::render::synth) struct PatternError(String);

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        let cell = |word: &str| {
            let fits = matches!(word.len(), 1 | 2 | 3 | 4 | 6 | 8);
            let known = word.bytes().all(|mark| mark.is_ascii_alphanumeric() || matches!(mark, b'.' | b'-'));
            (fits && known).then(|| word.as_bytes().to_vec())
        };
        let bar = |bar: &str| -> Option<Vec<Cell>> {
            let cells = bar.split_whitespace().map(cell).collect::<Option<Vec<_>>>()?;
            (!cells.is_empty()).then_some(cells)
        };
        text.split('|').map(bar).collect::<Option<Vec<_>>>().map(Self).ok_or(PatternError(text))
    }
}

impl Pattern {
    /// The cells of bar `number` of a section.
    pub(in crate::render::synth) fn bar(&self, number: usize) -> &[Cell] {
        &self.0[number % self.0.len()]
    }

    /// Every bar.
    #[cfg(test)]
    pub(in crate::render::synth) fn bars(&self) -> impl Iterator<Item = &[Cell]> {
        self.0.iter().map(Vec::as_slice)
    }
}

/// One or several, of which the seed of a piece chooses one.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(in crate::render::synth) enum Choice<T> {
    /// The only one.
    One(T),
    /// To choose from.
    Several(Vec<T>),
}

impl<T> Choice<T> {
    /// All of them.
    pub(in crate::render::synth) fn all(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// One value for each energy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::render::synth) struct PerEnergy<T> {
    low: T,
    medium: T,
    high: T,
}

impl<T> PerEnergy<T> {
    /// The value for an energy.
    pub(in crate::render::synth) fn of(&self, energy: Energy) -> &T {
        match energy {
            Energy::Low => &self.low,
            Energy::Medium => &self.medium,
            Energy::High => &self.high,
        }
    }
}

/// Values for each energy, and others for metres that have their own.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::render::synth) struct Groove<T> {
    low: Choice<T>,
    medium: Choice<T>,
    high: Choice<T>,
    #[serde(flatten)]
    metres: BTreeMap<String, PerEnergy<Choice<T>>>,
}

impl<T> Groove<T> {
    /// What there is to choose from, and whether it was written for the metre rather than for 4/4.
    pub(in crate::render::synth) fn of(&self, energy: Energy, metre: Metre) -> (&[T], bool) {
        if let Some(own) = self.metres.get(metre.name()) {
            return (own.of(energy).all(), true);
        }
        let common = match energy {
            Energy::Low => &self.low,
            Energy::Medium => &self.medium,
            Energy::High => &self.high,
        };
        (common.all(), metre == Metre::FourFour)
    }

    /// Everything there is, with the name of the metre that it is for.
    #[cfg(test)]
    pub(in crate::render::synth) fn everything(&self) -> Vec<(&str, &T)> {
        let common = [&self.low, &self.medium, &self.high];
        let own = self.metres.iter().flat_map(|(metre, per)| {
            [&per.low, &per.medium, &per.high].map(|choice| (metre.as_str(), choice))
        });
        let all = common.map(|choice| ("4/4", choice)).into_iter().chain(own);
        all.flat_map(|(metre, choice)| choice.all().iter().map(move |one| (metre, one))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_checked() {
        for text in ["x....", "x... *...", "", "x... |"] {
            assert!(Pattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        let two = Pattern::try_from("x... .... x.x ...... | .... x... .... ....".to_owned()).unwrap();
        assert_eq!((two.bar(2)[0][0], two.bar(1)[1][0], two.bar(0)[2].len()), (b'x', b'x', 3));
    }
}
