//! The synthesiser: one note at a time into sound, added to where it belongs. Nothing in here knows of bars or chords.

mod bank;
mod held;
mod kit;
mod signal;
mod struck;
mod texture;

pub(super) use kit::Make;
pub(super) use signal::{RATE, pan};
pub(super) use texture::{Texture, Weather};

use serde::Deserialize;

use super::score::{Note, Tone};
use crate::audio::Random;

/// What makes an instrument's sound.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Voice {
    Piano,
    ElectricPiano,
    Organ,
    Strings,
    Pad,
    Choir,
    Brass,
    Lead,
    SynthBass,
    Flute,
    Guitar,
    Harp,
    Bass,
    UprightBass,
    Bells,
    Marimba,
    /// Drums and percussion.
    Kit {
        make: Make,
    },
    /// A sound that runs through a section.
    Texture {
        of: Weather,
    },
}

/// Two channels to add to, from the onset of a note to the end of the rendering.
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    pub(super) left: &'a mut [f32],
    pub(super) right: &'a mut [f32],
}

/// How a note is to sound.
#[derive(Clone, Copy, Debug)]
struct Cue {
    hz: f32,
    /// How long it is held.
    seconds: f32,
    /// 0 to 1.
    velocity: f32,
    /// 1 is neutral; scales cutoffs.
    brightness: f32,
}

impl Cue {
    /// The MIDI pitch.
    fn pitch(&self) -> f32 {
        69.0 + 12.0 * (self.hz / 440.0).log2()
    }
}

/// Frequency of a MIDI pitch, A4 at 440 Hz.
pub(super) fn hertz(pitch: i32) -> f32 {
    440.0 * ((pitch - 69) as f32 / 12.0).exp2()
}

/// Adds one note to the canvas. `tuning` is what tuned drums are tuned to, in hertz.
pub(super) fn play(
    voice: Voice,
    note: &Note,
    tuning: f32,
    brightness: f32,
    random: &mut Random,
    canvas: &mut Canvas<'_>,
) {
    let (hz, drum) = match note.tone {
        Tone::Pitch(pitch) => (hertz(pitch), None),
        Tone::Hit(drum) => (tuning, Some(drum)),
    };
    let cue = Cue { hz, seconds: note.seconds as f32, velocity: note.velocity, brightness };
    if let (Some(drum), Voice::Kit { make }) = (drum, voice) {
        kit::play(make, drum, &cue, random, canvas);
        return;
    }
    match voice {
        Voice::Piano => struck::piano(&cue, random, canvas),
        Voice::ElectricPiano => struck::electric_piano(&cue, canvas),
        Voice::Organ => held::organ(&cue, canvas),
        Voice::Strings => held::strings(&cue, random, canvas),
        Voice::Pad => held::pad(&cue, random, canvas),
        Voice::Choir => held::choir(&cue, random, canvas),
        Voice::Brass => held::brass(&cue, random, canvas),
        Voice::Lead => held::lead(&cue, random, canvas),
        Voice::SynthBass => held::synth_bass(&cue, random, canvas),
        Voice::Flute => held::flute(&cue, random, canvas),
        Voice::Guitar => struck::guitar(&cue, random, canvas),
        Voice::Harp => struck::harp(&cue, random, canvas),
        Voice::Bass => struck::bass(&cue, random, canvas),
        Voice::UprightBass => struck::upright_bass(&cue, random, canvas),
        Voice::Bells => struck::bells(&cue, random, canvas),
        Voice::Marimba => struck::marimba(&cue, random, canvas),
        // Kits have no pitched notes, textures no notes: the composer writes none.
        Voice::Kit { .. } | Voice::Texture { .. } => {}
    }
}
