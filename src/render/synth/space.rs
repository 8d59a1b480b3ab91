//! The spaces that a piece can sound in, read from `spaces.toml`, where the fields are explained.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// A room and how much of it is heard.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Room {
    /// RT60 in seconds.
    pub(super) seconds: f64,
    /// How much of it is heard, 0 to 1.
    pub(super) amount: f32,
    /// From where on its highs die faster.
    pub(super) damping_hz: f64,
    pub(super) pre_delay_ms: f64,
    /// Level of the first reflections.
    pub(super) early: f64,
    /// Distance between its walls, relative to a hall's.
    pub(super) size: f64,
    /// 0 mono, 1 all around.
    pub(super) width: f64,
    /// What lies below does not reach it.
    pub(super) low_hz: f64,
}

/// The file is part of the program; that it parses is tested.
static SPACES: LazyLock<BTreeMap<String, Room>> =
    LazyLock::new(|| toml::from_str(include_str!("spaces.toml")).unwrap_or_default());

impl Room {
    /// The space of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        SPACES.get(name).copied()
    }

    /// The room of a style that has no space of its own: a studio of another length and amount.
    pub(super) fn of_style(amount: f32, seconds: f64) -> Self {
        let studio = SPACES.get("studio").copied().unwrap_or(Self {
            seconds,
            amount,
            damping_hz: 5200.0,
            pre_delay_ms: 14.0,
            early: 0.4,
            size: 0.8,
            width: 1.0,
            low_hz: 170.0,
        });
        // A longer sound is that of larger walls.
        let size = (0.35 + 0.3 * seconds).clamp(0.35, 1.2);
        Self { seconds, amount, damping_hz: 5200.0, pre_delay_ms: 18.0 * size, size, width: 1.0, ..studio }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole() {
        let spaces: BTreeMap<String, Room> = toml::from_str(include_str!("spaces.toml")).unwrap();
        let names = "dry room studio club chamber hall church cathedral cave plate outdoors";
        for name in names.split(' ') {
            let room = spaces.get(name).unwrap();
            assert!((0.2..=8.0).contains(&room.seconds) && (0.0..=0.6).contains(&room.amount), "{name}");
            assert!((0.3..=1.3).contains(&room.size) && room.pre_delay_ms < 100.0, "{name}");
        }
    }
}
