//! Voices that sing a vowel.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    players::{Breath, Performance, Section, Spectrum, Swell},
    signal::Vibrato,
    wave::{Pair, harmonics},
};
use crate::audio::Random;

/// A choir.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Choir {
    /// The vowel: hertz, width in hertz, decibels of each formant over what lies between.
    formants: Vec<[f32; 3]>,
    /// What the voice cords give, in decibels per octave.
    slope: f32,
    section: Section,
    swell: Swell,
    vibrato: Vibrato,
    breath: Breath,
    level: f32,
}

impl Default for Choir {
    fn default() -> Self {
        Self {
            formants: vec![
                [700.0, 110.0, 24.0],
                [1150.0, 120.0, 21.0],
                [2800.0, 200.0, 20.0],
                [3600.0, 250.0, 14.0],
            ],
            slope: -11.0,
            section: Section { players: 6, cents: 11.0, width: 0.8, late_ms: 60.0 },
            swell: Swell { attack: 0.22, sustain: 0.9, settle: 0.8, release: 0.7 },
            vibrato: Vibrato { cents: 16.0, hz: 5.1, delay: 0.6 },
            breath: Breath { level: 0.015, hz: 2600.0, q: 0.6, puff: 1.0, puff_seconds: 0.1, follow: 0.0 },
            level: 1.0,
        }
    }
}

impl Choir {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let count = harmonics(cue.hz, 60);
        // High voices have shorter throats.
        let throat = 1.0 + 0.16 * ((cue.pitch() - 55.0) / 24.0).clamp(-0.5, 1.0);
        let formants =
            self.formants.iter().map(|&[hz, width, db]| [hz * throat, width * throat, db]).collect();
        let spectrum = Spectrum { slope: self.slope, formants, cutoff: 6500.0, ..Spectrum::default() };
        let soft = spectrum.amplitudes(cue.hz, count, 0.5 * cue.brightness, 4.0);
        let loud = spectrum.amplitudes(cue.hz, count, cue.brightness, 0.0);
        Performance {
            waves: &Pair::new(&soft, &loud),
            hz: cue.hz,
            section: self.section,
            swell: self.swell,
            vibrato: self.vibrato,
            scoop_cents: 25.0,
            scoop_seconds: 0.05,
            breath: self.breath,
            bright: 0.1 + 0.9 * cue.velocity.powf(1.5),
            bite: 0.0,
            strokes: 0.0,
            place: 0.0,
            level: 0.1 * self.level * (0.3 + 0.7 * cue.velocity),
        }
        .play(cue, random, canvas);
    }
}
