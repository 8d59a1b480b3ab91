//! The synthesiser: one note at a time into sound, added to where it belongs. Nothing in here knows of bars or chords.
//!
//! One file per kind of voice; what makes one instrument of a kind differ from another stands in `instruments.toml`, with the
//! names of the fields of the kind's struct.

mod signal;
mod filter;
mod wave;
mod bank;
mod string;
mod players;
mod piano;
mod pluck;
mod modal;
mod fm;
mod patch;
mod organ;
mod bowed;
mod blown;
mod choir;
mod kit;
mod sampler;
mod texture;

pub(super) use filter::{Filter, Output, Row};
pub(super) use sampler::{Sampler, Stroke};
pub(super) use signal::{RATE, pan, sine};
pub(super) use texture::{Texture, Weather};

use serde::Deserialize;

use super::style::Drum;
use crate::audio::Random;

/// What makes an instrument's sound.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Voice {
    Piano(piano::Piano),
    Pluck(pluck::Pluck),
    Modal(modal::Modal),
    Fm(fm::Fm),
    Patch(patch::Patch),
    Organ(organ::Organ),
    Bowed(bowed::Bowed),
    Blown(blown::Blown),
    Choir(choir::Choir),
    /// Drums and percussion.
    Kit(kit::Kit),
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

impl Canvas<'_> {
    /// The rest, from a frame on; empty past the end.
    fn after(&mut self, frames: usize) -> Canvas<'_> {
        let from = frames.min(self.left.len());
        Canvas { left: &mut self.left[from..], right: &mut self.right[from..] }
    }
}

/// How a note is played beyond its pitch and its force. Neutral by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Articulation {
    /// How far the palm or a mute damps it: 0 open, 1 dead.
    pub(super) mute: f32,
    /// Slurred from the note before: the pitch slides, the attack is soft.
    pub(super) legato: bool,
    /// Brighter and stronger than its velocity says, 0 to 1.
    pub(super) accent: f32,
}

/// How a note is to sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cue {
    pub(super) hz: f32,
    /// How long it is held.
    pub(super) seconds: f32,
    /// 0 to 1.
    pub(super) velocity: f32,
    /// 1 is neutral; scales cutoffs.
    pub(super) brightness: f32,
    /// How far it is muted, 0 to 1.
    pub(super) mute: f32,
    /// The pitch that it is slurred from.
    pub(super) from_hz: Option<f32>,
    /// Seconds of a sixteenth, for what moves in time.
    pub(super) sixteenth: f32,
}

impl Cue {
    /// A note without anything special, at 120 beats per minute.
    pub(super) fn plain(hz: f32, seconds: f32, velocity: f32) -> Self {
        Self { hz, seconds, velocity, brightness: 1.0, mute: 0.0, from_hz: None, sixteenth: 0.125 }
    }

    /// The same note as it is articulated; `before` is the pitch of the note that it follows directly.
    pub(super) fn articulated(self, how: Articulation, before: Option<f32>) -> Self {
        Self {
            velocity: (self.velocity * (1.0 + 0.25 * how.accent)).min(1.0),
            brightness: self.brightness * (1.0 + 0.2 * how.accent),
            mute: how.mute.clamp(0.0, 1.0),
            from_hz: before.filter(|_| how.legato),
            ..self
        }
    }

    /// The MIDI pitch.
    fn pitch(&self) -> f32 {
        69.0 + 12.0 * (self.hz / 440.0).log2()
    }
}

/// Frequency of a MIDI pitch, A4 at 440 Hz.
pub(super) fn hertz(pitch: i32) -> f32 {
    440.0 * ((pitch - 69) as f32 / 12.0).exp2()
}

impl Voice {
    /// Whether notes that follow each other directly slide by themselves.
    pub(super) fn glides(&self) -> bool {
        matches!(self, Self::Patch(patch) if patch.glides())
    }

    /// Adds a note or a hit to the canvas.
    fn strike(&self, stroke: Stroke, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        match (self, stroke) {
            (Self::Kit(kit), Stroke::Hit(drum)) => kit.play(drum, cue, random, canvas),
            (Self::Piano(piano), Stroke::Note) => piano.play(cue, random, canvas),
            (Self::Pluck(pluck), Stroke::Note) => pluck.play(cue, random, canvas),
            (Self::Modal(modal), Stroke::Note) => modal.play(cue, random, canvas),
            (Self::Fm(fm), Stroke::Note) => fm.play(cue, random, canvas),
            (Self::Patch(patch), Stroke::Note) => patch.play(cue, random, canvas),
            (Self::Organ(organ), Stroke::Note) => organ.play(&Cue { from_hz: None, ..*cue }, random, canvas),
            (Self::Bowed(bowed), Stroke::Note) => bowed.play(cue, random, canvas),
            (Self::Blown(blown), Stroke::Note) => blown.play(cue, random, canvas),
            (Self::Choir(choir), Stroke::Note) => choir.play(cue, random, canvas),
            // Kits have no pitched notes, only kits have hits, and textures have neither: the composer writes none.
            (Self::Kit(_), Stroke::Note) | (Self::Texture { .. }, _) | (_, Stroke::Hit(_)) => {}
        }
    }

    /// Whether a hit sounds as long as it is held.
    fn holds(&self, drum: Drum) -> bool {
        matches!(self, Self::Kit(kit) if kit.holds(drum))
    }

    /// How many of a kind are told apart by what is drawn, when they last so long.
    fn variations(&self, seconds: f32) -> usize {
        match self {
            Self::Kit(_) => sampler::MOST,
            Self::Piano(_) | Self::Pluck(_) | Self::Modal(_) | Self::Fm(_) => 3,
            // They differ in little more than where their waves start, which is heard when they come soon after each other.
            _ if seconds < 0.7 => 2,
            _ => 1,
        }
    }

    /// Adds what sounds under all the notes of a part: the drone of a bagpipe.
    pub(super) fn under(&self, tonic: f32, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        if let Self::Blown(blown) = self {
            blown.drone(tonic, cue, random, canvas);
        }
    }
}
