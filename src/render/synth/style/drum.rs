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
