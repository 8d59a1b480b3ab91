//! What is bowed: solo strings and sections.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    players::{Breath, Performance, Section, Spectrum, Swell},
    signal::Vibrato,
    wave::{Pair, harmonics},
};
use crate::audio::Random;

/// A bowed instrument.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Bowed {
    spectrum: Spectrum,
    section: Section,
    swell: Swell,
    vibrato: Vibrato,
    bow: Breath,
    scoop_cents: f32,
    /// Strokes per second of a tremolo.
    strokes: f32,
    level: f32,
}

impl Default for Bowed {
    fn default() -> Self {
        Self {
            spectrum: Spectrum { slope: -7.0, cutoff: 5500.0, ripple_db: 3.0, ..Spectrum::default() },
            section: Section::default(),
            swell: Swell { attack: 0.1, sustain: 0.85, settle: 0.6, release: 0.35 },
            vibrato: Vibrato { cents: 14.0, hz: 5.6, delay: 0.5 },
            bow: Breath { level: 0.03, hz: 3200.0, puff: 1.5, ..Breath::default() },
            scoop_cents: 0.0,
            strokes: 0.0,
            level: 1.0,
        }
    }
}

impl Bowed {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let count = harmonics(cue.hz, 90);
        let open = cue.brightness * (1.0 - 0.6 * cue.mute);
        let soft = self.spectrum.amplitudes(cue.hz, count, 0.5 * open, 3.5);
        let loud = self.spectrum.amplitudes(cue.hz, count, 1.15 * open, 0.0);
        Performance {
            waves: &Pair::new(&soft, &loud),
            hz: cue.hz,
            section: self.section,
            swell: self.swell,
            vibrato: self.vibrato,
            scoop_cents: self.scoop_cents,
            scoop_seconds: 0.03,
            breath: self.bow,
            bright: 0.1 + 0.9 * cue.velocity.powf(1.5),
            bite: 0.25 * cue.velocity,
            strokes: self.strokes,
            place: 0.0,
            level: 0.1 * self.level * (0.2 + 0.8 * cue.velocity),
        }
        .play(cue, random, canvas);
    }
}
