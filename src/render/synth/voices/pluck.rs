//! Plucked strings: where they are plucked, what body or pickup hears them, how fast they die.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    bank::{Gesture, Partial, sing},
    signal::{Bend, Vibrato},
    string::{knock, scale, sign, stiff},
};
use crate::audio::Random;

/// A plucked string instrument.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Pluck {
    /// Where along the string it is plucked, 0 to 0.5.
    at: f32,
    /// Where along the string a pickup listens; 0 for none.
    pickup: f32,
    /// Time in which a fundamental at 82 Hz falls by 60 dB.
    seconds: f32,
    /// How much shorter higher strings ring: decay goes with this power of the pitch.
    shorter: f32,
    /// How much faster high partials die.
    dull: f32,
    /// Where the pluck's own brightness ends, in hertz, at full velocity; and how much of that is left at velocity 0.
    cutoff: f32,
    soft: f32,
    stiffness: f32,
    partials: u32,
    /// Resonances of the body: hertz, width in hertz, how much they add.
    body: Vec<[f32; 3]>,
    /// Strings of a course: how far the second one is apart in cents, and how loud it is.
    course: Option<[f32; 2]>,
    /// How far up a hard pluck starts, in cents.
    twang: f32,
    /// Time until the string has its full level.
    attack: f32,
    /// Time in which it is damped by 60 dB.
    release: f32,
    /// The finger or the plectrum: level, hertz.
    noise: f32,
    noise_hz: f32,
    /// The string against the frets, at hard blows: level.
    slap: f32,
    /// How much a curved bridge lets the high partials grow after the pluck, 0 to 1.
    buzz: f32,
    vibrato: Vibrato,
    /// Time constant of sliding from the note before, seconds, and cents below the note where there is none.
    slide: f32,
    scoop_cents: f32,
    width: f32,
    level: f32,
}

impl Default for Pluck {
    fn default() -> Self {
        Self {
            at: 0.21,
            pickup: 0.0,
            seconds: 6.0,
            shorter: 0.42,
            dull: 0.3,
            cutoff: 4200.0,
            soft: 0.12,
            stiffness: 5e-5,
            partials: 28,
            body: Vec::new(),
            course: None,
            twang: 0.0,
            attack: 0.0012,
            release: 0.25,
            noise: 0.03,
            noise_hz: 0.0,
            slap: 0.0,
            buzz: 0.0,
            vibrato: Vibrato { cents: 0.0, ..Vibrato::default() },
            slide: 0.04,
            scoop_cents: 0.0,
            width: 0.3,
            level: 1.0,
        }
    }
}

impl Pluck {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let mut partials = self.partials(cue, random);
        scale(&mut partials, 0.19 * self.level * cue.velocity.powf(1.1));
        let mut bend = Bend::still();
        if let Some(from) = cue.from_hz {
            bend.approach((from / cue.hz).log2(), self.slide);
        } else if self.scoop_cents != 0.0 {
            bend.approach(-self.scoop_cents / 1200.0 * random.between(0.6, 1.1) as f32, self.slide);
        } else if self.twang != 0.0 {
            bend.approach(self.twang / 1200.0 * cue.velocity * cue.velocity, 0.03);
        }
        // A short note has no time for vibrato.
        if self.vibrato.cents > 0.0 && cue.seconds > self.vibrato.delay {
            bend.swing(self.vibrato, random);
        }
        let release = self.release * (1.0 - 0.7 * cue.mute);
        // A slur is not plucked again.
        let attack = if cue.from_hz.is_some() { self.attack + 0.008 } else { self.attack };
        sing(&partials, Gesture { attack, hold: cue.seconds, release }, &bend, canvas);
        let noise = self.level * cue.velocity.powf(1.6) * if cue.from_hz.is_some() { 0.2 } else { 1.0 };
        let hz = if self.noise_hz > 0.0 { self.noise_hz } else { (cue.hz * 5.0).min(2500.0) };
        knock(self.noise * noise, hz, 1.0, 0.018, random, canvas);
        if self.slap > 0.0 {
            let hard = noise * cue.velocity;
            knock(self.slap * hard, 3100.0, 0.8, 0.012, random, canvas);
            knock(0.6 * self.slap * hard, 900.0, 1.4, 0.03, random, canvas);
        }
    }

    fn partials(&self, cue: &Cue, random: &mut Random) -> Vec<Partial> {
        let at = self.at * random.between(0.92, 1.08) as f32;
        let open = (1.0 - 0.65 * cue.mute) * cue.brightness;
        // A harder pluck is a brighter one.
        let force = cue.velocity.powf(1.4);
        let cutoff = (200.0 + self.cutoff * (self.soft + (1.0 - self.soft) * force) + 0.6 * cue.hz) * open;
        let ringing = 1.0 - 0.9 * cue.mute;
        let seconds = self.seconds * ringing * (82.0 / cue.hz).powf(self.shorter).min(1.3);
        let low = cue.hz < 130.0;
        let mut partials = Vec::with_capacity(2 * self.partials as usize);
        for number in 1..=self.partials {
            let n = number as f32;
            let hz = stiff(cue.hz, n, self.stiffness);
            if hz > 14_000.0 {
                break;
            }
            let body =
                1.0 + self.body.iter().map(|&[at, width, gain]| gain * resonance(hz, at, width)).sum::<f32>();
            let comb = (n * std::f32::consts::PI * at).sin().abs() + 0.03;
            let heard = if self.pickup > 0.0 {
                1.6 * (n * std::f32::consts::PI * self.pickup).sin().abs() + 0.05
            } else {
                1.0
            };
            let amplitude =
                sign(number) * comb * heard * body.max(0.05) / n.powf(0.9) / (1.0 + (hz / cutoff).powi(2));
            if amplitude.abs() < 6e-4 {
                continue;
            }
            let place = if low && number < 4 { 0.0 } else { self.width * random.bipolar() };
            let seconds = seconds / (1.0 + self.dull * (n - 1.0));
            partials.push(Partial { hz, amplitude, seconds, place });
            if let Some([cents, share]) = self.course {
                let apart = (cents / 1200.0).exp2();
                let (amplitude, place) = (amplitude * share, -place);
                partials.push(Partial { hz: hz * apart, amplitude, seconds: 0.9 * seconds, place });
            }
            // The difference of two decays rises before it falls.
            if self.buzz > 0.0 && number > 4 {
                let amplitude = 2.5 * self.buzz * amplitude;
                partials.push(Partial { hz, amplitude, seconds: 1.2 * seconds, place });
                partials.push(Partial { hz, amplitude: -amplitude, seconds: 0.25 * seconds, place });
            }
        }
        partials
    }
}

fn resonance(hz: f32, at: f32, width: f32) -> f32 {
    1.0 / (1.0 + ((hz - at) / width).powi(2))
}
