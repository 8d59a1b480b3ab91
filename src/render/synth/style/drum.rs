//! The pieces that are struck.

use serde::Deserialize;

/// The pieces of a drum kit and of a percussionist's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::render::synth) enum Drum {
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

impl Drum {
    /// Whether it counts time rather than making the beat: it goes on through fills and keeps its pace in half time.
    pub(in crate::render::synth) fn keeps_time(self) -> bool {
        use Drum::{Hat, Open, Pedal, Ride, RideBell, Shaker, Tambourine, Triangle};
        matches!(self, Hat | Pedal | Open | Ride | RideBell | Shaker | Tambourine | Triangle)
    }
}

#[cfg(test)]
impl Drum {
    /// Every one of them.
    pub(in crate::render::synth) const ALL: [Self; 45] = [
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
