//! Bars, bells, tongues and pans: a few modes that fit no harmonic series, and the stroke.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    bank::{Gesture, Partial, ring},
    string::knock,
};
use crate::audio::Random;

/// A struck instrument with a pitch.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Modal {
    /// Multiple of the pitch, amplitude, and time to fall by 60 dB at `at_hz`.
    modes: Vec<[f32; 3]>,
    at_hz: f32,
    /// How much shorter higher notes ring: decay goes with this power of the pitch.
    shorter: f32,
    /// How much of the modes above the first comes with the force of the stroke, 0 to 1.
    hard: f32,
    /// Difference in hertz between the two sides of a mode.
    shimmer: f32,
    /// Level, hertz and seconds of the stroke's noise; the pitch is added `noise_follow` times.
    noise: f32,
    noise_hz: f32,
    noise_follow: f32,
    noise_seconds: f32,
    attack: f32,
    /// Whether it is damped at the end of a note, and in which time; at least `least` seconds it rings.
    release: f32,
    least: f32,
    width: f32,
    level: f32,
}

impl Default for Modal {
    fn default() -> Self {
        Self {
            modes: vec![[1.0, 1.0, 1.0]],
            at_hz: 440.0,
            shorter: 0.5,
            hard: 0.85,
            shimmer: 0.0,
            noise: 0.0,
            noise_hz: 1000.0,
            noise_follow: 0.0,
            noise_seconds: 0.015,
            attack: 0.001,
            release: 0.5,
            least: 1.0,
            width: 0.4,
            level: 1.0,
        }
    }
}

impl Modal {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let force = (1.0 - self.hard + self.hard * 1.5 * cue.velocity) * cue.brightness;
        let longer = (self.at_hz / cue.hz).powf(self.shorter).clamp(0.2, 4.0) * (1.0 - 0.85 * cue.mute);
        let seat = self.width * ((cue.pitch() - 72.0) / 30.0).clamp(-1.0, 1.0);
        let level = 0.2 * self.level * cue.velocity.powf(1.2);
        let mut partials = Vec::with_capacity(2 * self.modes.len());
        for &[ratio, amplitude, seconds] in &self.modes {
            let hz = cue.hz * ratio;
            // The stroke never meets a mode in quite the same way.
            let met = if ratio == 1.0 { 1.0 } else { force * random.between(0.75, 1.25) as f32 };
            let amplitude = level * amplitude * met;
            let seconds = seconds * longer;
            if self.shimmer > 0.0 {
                let off = self.shimmer * random.between(0.4, 1.0) as f32;
                for (hz, place) in [(hz - off, seat - self.width), (hz + off, seat + self.width)] {
                    partials.push(Partial { hz, amplitude: 0.5 * amplitude, seconds, place });
                }
            } else {
                partials.push(Partial { hz, amplitude, seconds, place: seat });
            }
        }
        let hold = cue.seconds.max(self.least);
        ring(&partials, Gesture { attack: self.attack, hold, release: self.release }, canvas);
        let hz = self.noise_hz + self.noise_follow * cue.hz;
        knock(
            0.3 * self.noise * self.level * cue.velocity.powf(1.8),
            hz,
            1.0,
            self.noise_seconds,
            random,
            canvas,
        );
    }
}
