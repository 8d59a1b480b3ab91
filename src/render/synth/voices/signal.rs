//! The small parts that voices are made of: a sine, noise, filters, decays, a moving pitch.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::audio::Random;

/// Frames per second of everything in this engine.
pub(in crate::render::synth) const RATE: f32 = 48_000.0;

const SINE_BITS: u32 = 12;
static SINE: LazyLock<Box<[f32; (1 << SINE_BITS) + 1]>> = LazyLock::new(|| {
    let size = f64::from(1_u32 << SINE_BITS);
    Box::new(std::array::from_fn(|i| (i as f64 / size * std::f64::consts::TAU).sin() as f32))
});

/// One period of a sine to look up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sine(&'static [f32; (1 << SINE_BITS) + 1]);

impl Sine {
    pub(super) fn table() -> Self {
        Self(&SINE)
    }

    /// The sine of a phase; 2^32 is a full turn.
    #[inline]
    pub(super) fn at(self, phase: u32) -> f32 {
        let index = (phase >> (32 - SINE_BITS)) as usize;
        let part = ((phase >> 4) & 0xffff) as i32 as f32 * (1.0 / 65_536.0);
        let (a, b) = (self.0[index], self.0[index + 1]);
        a + (b - a) * part
    }
}

/// The sine of a number of turns, to within 1e-6 for a few of them; made to be worked out for several at once.
#[inline(always)]
pub(in crate::render::synth) fn sine(turns: f32) -> f32 {
    // Added and taken away again it leaves the nearest whole number.
    const WHOLE: f32 = 12_582_912.0;
    const POWERS: [f32; 5] = [-41.341_7, 81.605_25, -76.705_86, 42.058_693, -15.094_643];
    let part = turns - ((turns + WHOLE) - WHOLE);
    let (size, rest) = (part.abs(), 0.5 - part.abs());
    let x = if size < rest { size } else { rest }.copysign(part);
    let y = x * x;
    let [third, fifth, seventh, ninth, eleventh] = POWERS;
    x * (std::f32::consts::TAU + y * (third + y * (fifth + y * (seventh + y * (ninth + y * eleventh)))))
}

/// A frequency as phase per frame; 2^32 is a full turn.
#[inline]
pub(super) fn turn(hz: f32) -> u32 {
    const PER_HERTZ: f64 = 4_294_967_296.0 / RATE as f64;
    (f64::from(hz) * PER_HERTZ) as u32
}

const NOISE_BITS: u32 = 16;
/// Frames of noise that are read in a row.
const RUN: usize = 64;
static NOISE: LazyLock<Box<[f32; 1 << NOISE_BITS]>> = LazyLock::new(|| {
    let mut random = Random::stream(0, "noise table");
    Box::new(std::array::from_fn(|_| random.bipolar()))
});

/// White noise in [-1, 1): short runs of a table in a random order, which costs a fraction of drawing every sample.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    table: &'static [f32; 1 << NOISE_BITS],
    random: Random,
    at: usize,
}

impl Noise {
    pub(super) fn new(random: &mut Random) -> Self {
        Self { table: &NOISE, random: Random::new(random.bits()), at: 0 }
    }

    #[inline]
    pub(super) fn next(&mut self) -> f32 {
        if self.at.is_multiple_of(RUN) {
            self.at = (self.random.bits() as usize) & !(RUN - 1);
        }
        let sample = self.table[self.at & ((1 << NOISE_BITS) - 1)];
        self.at += 1;
        sample
    }

    /// The next samples, as [`Self::next`] gives them one by one.
    pub(super) fn fill(&mut self, mut samples: &mut [f32]) {
        while !samples.is_empty() {
            if self.at.is_multiple_of(RUN) {
                self.at = (self.random.bits() as usize) & !(RUN - 1);
            }
            let from = self.at & ((1 << NOISE_BITS) - 1);
            let count = samples.len().min(RUN - from % RUN);
            let (now, rest) = samples.split_at_mut(count);
            now.copy_from_slice(&self.table[from..from + count]);
            self.at += count;
            samples = rest;
        }
    }
}

/// The factor per frame of a decay by 60 dB in `seconds`.
pub(super) fn decay(seconds: f32) -> f32 {
    (-6.907_755 / (seconds.max(1e-4) * RATE)).exp()
}

/// A factor to the powers from 0 on.
pub(super) fn powers<const COUNT: usize>(factor: f32) -> [f32; COUNT] {
    std::array::from_fn(|n| factor.powi(n as i32))
}

/// Frames of a time.
pub(super) fn frames(seconds: f32) -> usize {
    (seconds * RATE).max(0.0) as usize
}

/// How the pitch of a note moves around what is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bend {
    /// Octaves off at the start, and the time constant in which that goes.
    from: f32,
    rate: f32,
    vibrato: Vibrato,
    /// Where in its swing the note starts.
    turns: f32,
}

/// A pitch that swings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Vibrato {
    /// How far to each side.
    pub(super) cents: f32,
    /// How often in a second.
    pub(super) hz: f32,
    /// Seconds until it is fully there.
    pub(super) delay: f32,
}

impl Default for Vibrato {
    fn default() -> Self {
        Self { cents: 0.0, hz: 5.2, delay: 0.5 }
    }
}

impl Bend {
    /// A pitch that stays.
    pub(super) fn still() -> Self {
        Self { from: 0.0, rate: 0.0, vibrato: Vibrato::default(), turns: 0.0 }
    }

    /// Comes from `octaves` above the note, with a time constant in seconds.
    pub(super) fn approach(&mut self, octaves: f32, seconds: f32) {
        self.from = octaves;
        self.rate = 1.0 / seconds.max(1e-3);
    }

    /// Swings, a little differently in each note.
    pub(super) fn swing(&mut self, vibrato: Vibrato, random: &mut Random) {
        self.vibrato = Vibrato { hz: vibrato.hz * random.between(0.94, 1.06) as f32, ..vibrato };
        self.turns = random.unit() as f32;
    }

    /// Whether the pitch never moves.
    pub(super) fn is_still(&self) -> bool {
        self.from == 0.0 && self.vibrato.cents == 0.0
    }

    /// The pitch as a multiple of the written one, `seconds` into the note.
    pub(super) fn ratio(&self, seconds: f32) -> f32 {
        let mut octaves = 0.0;
        // After twelve time constants it has arrived.
        if self.from != 0.0 && seconds * self.rate < 12.0 {
            octaves += self.from * (-seconds * self.rate).exp();
        }
        if self.vibrato.cents != 0.0 {
            let there = (seconds / self.vibrato.delay.max(0.01)).min(1.0);
            octaves +=
                self.vibrato.cents / 1200.0 * there * there * sine(self.turns + self.vibrato.hz * seconds);
        }
        octaves.exp2()
    }
}

/// Equal-power gains of a place between left (-1) and right (1).
pub(in crate::render::synth) fn pan(place: f32) -> (f32, f32) {
    let angle = (place.clamp(-1.0, 1.0) + 1.0) * std::f32::consts::FRAC_PI_4;
    (angle.cos() * std::f32::consts::SQRT_2, angle.sin() * std::f32::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_a_sine() {
        let table = Sine::table();
        for turn in [0.0, 0.1, 0.25, 0.5, 0.77, 0.999_f64] {
            let exact = (turn * std::f64::consts::TAU).sin();
            assert!((f64::from(table.at((turn * 4_294_967_296.0) as u32)) - exact).abs() < 1e-6, "{turn}");
            assert!((f64::from(sine(turn as f32 - 3.0)) - exact).abs() < 2e-6, "{turn}");
        }
    }

    #[test]
    fn noise_is_white() {
        let mut noise = Noise::new(&mut Random::new(3));
        let samples: Vec<f32> = (0..96_000).map(|_| noise.next()).collect();
        let power: f32 = samples.iter().map(|s| s * s).sum();
        assert!((power / 96_000.0 - 1.0 / 3.0).abs() < 0.01, "{power}");
        for lag in [1, 2, 63, 64, 4096] {
            let alike: f32 = samples.iter().zip(&samples[lag..]).map(|(a, b)| a * b).sum();
            assert!((alike / power).abs() < 0.02, "{alike} at {lag}");
        }
    }

    #[test]
    fn a_pitch_arrives_where_it_is_written() {
        let mut bend = Bend::still();
        bend.approach(-1.0, 0.05);
        assert!((bend.ratio(0.0) - 0.5).abs() < 1e-3);
        assert!((bend.ratio(0.6) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn decay_reaches_sixty_decibels() {
        let end = decay(0.5).powi(24_000);
        assert!((end - 0.001).abs() < 1e-4, "{end}");
    }
}
