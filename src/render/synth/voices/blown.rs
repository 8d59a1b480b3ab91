//! What air moves: flutes, whistles, single and double reeds, free reeds, brass.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    players::{Breath, Performance, Section, Spectrum, Swell},
    signal::Vibrato,
    wave::{Pair, harmonics},
};
use crate::audio::Random;

/// A wind or brass instrument.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Blown {
    /// The tone blown hard.
    spectrum: Spectrum,
    /// How much steeper it falls when blown softly, decibels per octave.
    soft_db: f32,
    /// Share of its cutoff that is open when blown softly.
    soft_cutoff: f32,
    /// How far the even harmonics come up from the lowest register to the highest, in decibels; for clarinets.
    even_rise_db: f32,
    section: Section,
    swell: Swell,
    vibrato: Vibrato,
    breath: Breath,
    scoop_cents: f32,
    scoop_seconds: f32,
    /// How much brighter a hard attack is than what follows.
    bite: f32,
    /// Another note that sounds along, in semitones from the tonic of the piece, with its level; for bagpipes.
    drone: Option<[f32; 2]>,
    level: f32,
}

impl Default for Blown {
    fn default() -> Self {
        Self {
            spectrum: Spectrum::default(),
            soft_db: 6.0,
            soft_cutoff: 0.5,
            even_rise_db: 0.0,
            section: Section::default(),
            swell: Swell::default(),
            vibrato: Vibrato { cents: 8.0, hz: 5.1, delay: 0.5 },
            breath: Breath::default(),
            scoop_cents: 0.0,
            scoop_seconds: 0.03,
            bite: 0.0,
            drone: None,
            level: 1.0,
        }
    }
}

impl Blown {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        self.tone(cue, self.level, random, canvas);
    }

    /// The drone, when it has one: `tonic` is the lowest tonic above 60 Hz, the cue says how long.
    pub(super) fn drone(&self, tonic: f32, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        if let Some([semitones, level]) = self.drone {
            let hz = tonic * (semitones / 12.0).exp2();
            let plain =
                Self { vibrato: Vibrato { cents: 0.0, ..self.vibrato }, scoop_cents: 0.0, ..self.clone() };
            plain.tone(&Cue { hz, from_hz: None, ..*cue }, level * self.level, random, canvas);
        }
    }

    fn tone(&self, cue: &Cue, level: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
        let count = harmonics(cue.hz, 60);
        let rise = self.even_rise_db * ((cue.pitch() - 50.0) / 36.0).clamp(0.0, 1.0);
        let spectrum = Spectrum { even_db: self.spectrum.even_db + rise, ..self.spectrum.clone() };
        let open = cue.brightness * (1.0 - 0.5 * cue.mute);
        let soft = spectrum.amplitudes(cue.hz, count, self.soft_cutoff * open, self.soft_db);
        let loud = spectrum.amplitudes(cue.hz, count, open, 0.0);
        Performance {
            waves: &Pair::new(&soft, &loud),
            hz: cue.hz,
            section: self.section,
            swell: self.swell,
            vibrato: self.vibrato,
            scoop_cents: self.scoop_cents * random.between(0.5, 1.2) as f32,
            scoop_seconds: self.scoop_seconds,
            breath: self.breath,
            bright: 0.06 + 0.94 * cue.velocity.powf(1.5),
            bite: self.bite * cue.velocity,
            strokes: 0.0,
            place: 0.0,
            level: 0.1 * level * (0.25 + 0.75 * cue.velocity),
        }
        .play(cue, random, canvas);
    }
}
