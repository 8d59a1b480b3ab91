//! Metres: how a bar is counted.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A time signature.
///
/// A tempo counts the metre's *beat*: the quarter note, or the dotted quarter in 6/8 and 12/8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Metre {
    /// 2/4.
    TwoFour,
    /// 3/4.
    ThreeFour,
    /// 4/4.
    FourFour,
    /// 5/4, counted 3 + 2.
    FiveFour,
    /// 6/8, two dotted quarters.
    SixEight,
    /// 7/8, counted 2 + 2 + 3 eighths; the beat is the quarter, so a bar has three and a half.
    SevenEight,
    /// 12/8, four dotted quarters.
    TwelveEight,
}

/// A text that names no supported metre.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a supported time signature: choose 2/4, 3/4, 4/4, 5/4, 6/8, 7/8 or 12/8")]
pub struct MetreError(String);

impl Metre {
    /// Every metre.
    pub const ALL: [Self; 7] = [
        Self::TwoFour,
        Self::ThreeFour,
        Self::FourFour,
        Self::FiveFour,
        Self::SixEight,
        Self::SevenEight,
        Self::TwelveEight,
    ];

    /// The name as on paper.
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoFour => "2/4",
            Self::ThreeFour => "3/4",
            Self::FourFour => "4/4",
            Self::FiveFour => "5/4",
            Self::SixEight => "6/8",
            Self::SevenEight => "7/8",
            Self::TwelveEight => "12/8",
        }
    }

    /// Whether the beat is a dotted quarter, divided in three.
    pub fn is_compound(self) -> bool {
        matches!(self, Self::SixEight | Self::TwelveEight)
    }

    /// Eighth notes in a bar.
    pub fn eighths(self) -> u32 {
        self.groups().iter().sum()
    }

    /// Eighth notes in a beat: 2, or 3 in a compound metre.
    pub fn eighths_per_beat(self) -> u32 {
        if self.is_compound() { 3 } else { 2 }
    }

    /// Beats in a bar.
    pub fn beats(self) -> f64 {
        f64::from(self.eighths()) / f64::from(self.eighths_per_beat())
    }

    /// How a bar is grouped, in eighth notes: each group starts with a stress.
    pub fn groups(self) -> &'static [u32] {
        match self {
            Self::TwoFour => &[2, 2],
            Self::ThreeFour => &[2, 2, 2],
            Self::FourFour => &[2, 2, 2, 2],
            Self::FiveFour => &[2, 2, 2, 2, 2],
            Self::SixEight => &[3, 3],
            Self::SevenEight => &[2, 2, 3],
            Self::TwelveEight => &[3, 3, 3, 3],
        }
    }

    /// Seconds of a bar at a tempo in beats per minute.
    pub fn bar_seconds(self, tempo_bpm: f64) -> f64 {
        self.beats() * 60.0 / tempo_bpm
    }
}

impl FromStr for Metre {
    type Err = MetreError;

    fn from_str(text: &str) -> Result<Self, MetreError> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        Self::ALL.into_iter().find(|metre| metre.name() == compact).ok_or_else(|| MetreError(text.to_owned()))
    }
}

impl fmt::Display for Metre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<String> for Metre {
    type Error = MetreError;

    fn try_from(text: String) -> Result<Self, MetreError> {
        text.parse()
    }
}

impl From<Metre> for String {
    fn from(metre: Metre) -> Self {
        metre.name().to_owned()
    }
}

impl PartialSchema for Metre {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A time signature. The tempo counts quarter notes, in 6/8 and 12/8 dotted quarters.",
            ))
            .enum_values(Some(Self::ALL.map(Self::name)))
            .into()
    }
}

impl ToSchema for Metre {
    fn name() -> Cow<'static, str> {
        "Metre".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_are_counted_as_musicians_do() {
        let beats = Metre::ALL.map(Metre::beats);
        assert_eq!(beats, [2.0, 3.0, 4.0, 5.0, 2.0, 3.5, 4.0]);
        assert!((Metre::SixEight.bar_seconds(60.0) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn reads_itself() {
        for metre in Metre::ALL {
            assert_eq!(metre.to_string().parse(), Ok(metre));
        }
        assert!("4/5".parse::<Metre>().is_err());
    }
}
