//! Pianos: stiff strings in groups of up to three that beat against each other and die in two stages, and the hammer.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    bank::{Gesture, Partial, ring},
    string::{knock, scale, sign, stiff},
};
use crate::audio::Random;

/// A piano.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Piano {
    /// Where the highs of the softest blow end, in hertz, and how much further those of the hardest reach.
    cutoff: f32,
    hard_cutoff: f32,
    /// How far that moves up with the pitch, in multiples of it.
    follow: f32,
    /// Time in which the lowest string falls by 60 dB.
    seconds: f32,
    /// How much faster high partials die.
    dull: f32,
    /// How far the strings of a key are apart, in cents, beyond the usual.
    detune: f32,
    /// Level and hertz of the hammer's thud, and level of its click.
    thud: f32,
    thud_hz: f32,
    click: f32,
    /// How wide the keyboard is spread, 0 to 1.
    width: f32,
    /// Time in which the damper brings a string down by 60 dB.
    damper: f32,
    /// Time until the string has its full level: felt is slow.
    attack: f32,
    level: f32,
}

impl Default for Piano {
    fn default() -> Self {
        Self {
            cutoff: 700.0,
            hard_cutoff: 4600.0,
            follow: 1.3,
            seconds: 26.0,
            dull: 0.22,
            detune: 0.0,
            thud: 0.045,
            thud_hz: 320.0,
            click: 0.012,
            width: 1.0,
            damper: 0.32,
            attack: 0.0015,
            level: 1.0,
        }
    }
}

impl Piano {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let key = cue.pitch() - 21.0;
        let b = 1.6e-4 * (0.045 * (key - 27.0).max(0.0)).exp();
        let ring_seconds = self.seconds * (-0.028 * key).exp() * (1.0 - 0.85 * cue.mute);
        // A harder hammer is a brighter one.
        let cutoff = (self.cutoff + self.hard_cutoff * cue.velocity * cue.velocity + self.follow * cue.hz)
            * cue.brightness;
        let place = self.width * ((key - 39.0) / 60.0).clamp(-0.45, 0.45);
        // Where the hammer falls differs a little from blow to blow, as do the strings' moods.
        let strike_at = random.between(0.119, 0.131) as f32;
        let detuned =
            cue.hz * self.detune / 1200.0 * std::f32::consts::LN_2 * random.between(0.6, 1.0) as f32;
        // Long strings are closer together.
        let slow = (cue.hz / 262.0).sqrt().min(1.0);
        let mut partials = Vec::with_capacity(48);
        for number in 1..=26_u32 {
            let n = number as f32;
            let hz = stiff(cue.hz, n, b);
            if hz > 12_000.0 {
                break;
            }
            let strike = 0.25 + (n * std::f32::consts::PI * strike_at).sin().abs();
            // The board hardly speaks below 90 Hz.
            let board = 1.0 / (1.0 + (90.0 / hz).powi(2));
            let amplitude = sign(number) * strike * board / n.powf(0.75) / (1.0 + (hz / cutoff).powi(2));
            if amplitude.abs() < 1e-3 {
                continue;
            }
            let seconds = ring_seconds / (1.0 + self.dull * (n - 1.0)) / (1.0 + hz / 9000.0);
            let beating = slow * (0.12 + 0.25 * random.unit() as f32) + n * detuned;
            partials.push(Partial {
                hz: hz - beating,
                amplitude: 0.68 * amplitude,
                seconds: 0.5 * seconds,
                place: place - 0.25 * self.width,
            });
            if number <= 12 {
                partials.push(Partial {
                    hz: hz + beating,
                    amplitude: 0.42 * amplitude,
                    seconds,
                    place: place + 0.3 * self.width,
                });
            }
        }
        let touch = (0.25 + 0.75 * cue.velocity) * cue.velocity.sqrt();
        scale(&mut partials, 0.16 * self.level * touch * (1.15 - 0.004 * key));
        // The highest strings have no dampers.
        let release = if key > 68.0 { 1.5 } else { self.damper };
        let attack = self.attack * (1.3 - 0.6 * cue.velocity);
        ring(&partials, Gesture { attack, hold: cue.seconds, release }, canvas);
        let noise = self.level * cue.velocity;
        knock(self.thud * noise, self.thud_hz + cue.hz * 0.8, 1.2, 0.05, random, canvas);
        knock(self.click * noise * cue.velocity, 2600.0, 0.9, 0.012, random, canvas);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::hertz, *};

    /// Peak over the level of the first 200 ms, as a mean over the keyboard: what a limiter would have to take away.
    #[test]
    fn a_piano_has_body_behind_its_attack() {
        let crest_db = |pitch: i32| {
            let (mut left, mut right) = (vec![0.0; 9600], vec![0.0; 9600]);
            let cue = Cue::plain(hertz(pitch), 1.0, 0.6);
            Piano::default().play(
                &cue,
                &mut Random::new(1),
                &mut Canvas { left: &mut left, right: &mut right },
            );
            let peak = left.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            let power = left.iter().map(|sample| sample * sample).sum::<f32>() / left.len() as f32;
            20.0 * (peak / power.sqrt()).log10()
        };
        let mean = (36..84).map(crest_db).sum::<f32>() / 48.0;
        assert!(mean < 10.5, "{mean} dB");
    }
}
