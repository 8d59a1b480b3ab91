//! Organs: a row of harmonics that neither swell nor die, with the click or the chiff of their start.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    players::{Breath, Performance, Section, Swell},
    signal::Vibrato,
    wave::{Pair, harmonics},
};
use crate::audio::Random;

/// An organ: pipes or tone wheels.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Organ {
    /// Multiples of half the pitch (of the sixteen-foot octave), and their levels.
    stops: Vec<[f32; 2]>,
    /// Harmonics of each pipe; a tone wheel has one.
    overtones: Vec<f32>,
    section: Section,
    attack: f32,
    release: f32,
    chiff: Breath,
    level: f32,
}

impl Default for Organ {
    fn default() -> Self {
        Self {
            stops: vec![[2.0, 1.0]],
            overtones: vec![1.0],
            section: Section { players: 2, cents: 1.5, width: 0.6, late_ms: 0.0 },
            attack: 0.01,
            release: 0.1,
            chiff: Breath::default(),
            level: 1.0,
        }
    }
}

impl Organ {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let base = 0.5 * cue.hz;
        let count = harmonics(base, 180);
        let amplitudes = |bright: f32| {
            let mut row = vec![0.0_f32; count];
            for &[ratio, level] in &self.stops {
                for (over, &share) in self.overtones.iter().enumerate() {
                    let n = (ratio * (over + 1) as f32) as usize;
                    if let Some(slot) = n.checked_sub(1).and_then(|n| row.get_mut(n)) {
                        // Power adds, as pipes are not in phase.
                        let high = if n > 4 { bright } else { 1.0 };
                        *slot = slot.hypot(level * share * high);
                    }
                }
            }
            row
        };
        Performance {
            waves: &Pair::new(&amplitudes(0.55 * cue.brightness), &amplitudes(1.1 * cue.brightness)),
            hz: base,
            section: self.section,
            swell: Swell { attack: self.attack, sustain: 1.0, settle: 1.0, release: self.release },
            vibrato: Vibrato { cents: 0.0, ..Vibrato::default() },
            scoop_cents: 0.0,
            scoop_seconds: 0.03,
            breath: self.chiff,
            bright: 0.1 + 0.9 * cue.velocity,
            bite: 0.0,
            strokes: 0.0,
            place: 0.0,
            level: 0.1 * self.level * (0.45 + 0.55 * cue.velocity),
        }
        .play(cue, random, canvas);
    }
}
