//! Band-limited waves: one period each, with no harmonic above the audible range, to be read at any speed.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use std::sync::{Arc, LazyLock, OnceLock};

use realfft::{ComplexToReal, RealFftPlanner, num_complex::Complex};
use serde::Deserialize;

use super::signal::RATE;
use crate::render::synth::lanes::{look_up, look_up_both};

const BITS: u32 = 11;
/// Samples of a period.
pub(super) const SIZE: usize = 1 << BITS;
/// Nothing is generated above.
pub(super) const HIGHEST_HZ: f32 = 0.41 * RATE;
/// The highest pitch of the lowest set of [`Shape`] tables; two sets cover an octave.
const LOWEST_HZ: f32 = 27.5;
const SETS: usize = 22;

static INVERSE: LazyLock<Arc<dyn ComplexToReal<f32>>> =
    LazyLock::new(|| RealFftPlanner::new().plan_fft_inverse(SIZE));

/// Two waves of one pitch that are read together, as a soft and a loud one: the samples of each, and how far it is to the next.
pub(super) struct Pair(Box<[[f32; 4]; SIZE]>);

/// One wave: its samples, and how far it is from each to the next.
pub(super) struct Table(Box<[[f32; 2]; SIZE]>);

/// How many harmonics of a pitch are heard, at most `most`.
pub(super) fn harmonics(hz: f32, most: usize) -> usize {
    ((HIGHEST_HZ / hz) as usize).clamp(1, most.min(SIZE / 4))
}

/// One period of the harmonics, the fundamental first, with sine phases turned by `curve` times the square of their number.
fn period(amplitudes: &[f32], curve: f32) -> Vec<f32> {
    let mut spectrum = INVERSE.make_input_vec();
    for (n, (bin, &amplitude)) in spectrum.iter_mut().skip(1).zip(amplitudes).enumerate() {
        let turned = curve * (n * n) as f32;
        *bin = Complex::new(0.5 * amplitude * turned.sin(), -0.5 * amplitude * turned.cos());
    }
    let mut wave = INVERSE.make_output_vec();
    let made = INVERSE.process(&mut spectrum, &mut wave);
    debug_assert!(made.is_ok(), "the lengths are the plan's own");
    wave
}

/// Root mean square of a sum of harmonics.
fn power(amplitudes: &[f32]) -> f32 {
    (0.5 * amplitudes.iter().map(|a| a * a).sum::<f32>()).sqrt().max(1e-9)
}

impl Pair {
    /// Waves with these amplitudes of harmonics, each brought to a root mean square of 1.
    pub(super) fn new(soft: &[f32], loud: &[f32]) -> Self {
        let waves = [soft, loud].map(|amplitudes| {
            let scale = 1.0 / power(amplitudes);
            let mut wave = period(amplitudes, 0.06);
            for sample in &mut wave {
                *sample *= scale;
            }
            wave
        });
        let [soft, loud] = waves;
        let row = |i: usize| {
            let next = (i + 1) % SIZE;
            [soft[i], soft[next] - soft[i], loud[i], loud[next] - loud[i]]
        };
        Self(Box::new(std::array::from_fn(row)))
    }

    /// The soft and the loud wave from a phase on, frames `step` apart; 2^32 is a full turn.
    #[inline(always)]
    pub(super) fn read<const FRAMES: usize>(&self, phase: u32, step: u32, out: &mut [[f32; FRAMES]; 2]) {
        look_up_both(&self.0, phase, step, out);
    }
}

impl Table {
    /// The wave from a phase on, frames `step` apart; 2^32 is a full turn.
    #[inline(always)]
    pub(super) fn read<const FRAMES: usize>(&self, phase: u32, step: u32, out: &mut [f32; FRAMES]) {
        look_up(&self.0, phase, step, out);
    }
}

/// The waves of analogue and of early digital machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shape {
    Sine,
    Triangle,
    Saw,
    Square,
    /// High for a quarter of the time.
    Pulse,
    /// High for an eighth of the time.
    Thin,
}

impl Shape {
    /// The wave for a pitch.
    pub(super) fn table(self, hz: f32) -> &'static Table {
        static TABLES: [[OnceLock<Table>; SETS]; 6] = [const { [const { OnceLock::new() }; SETS] }; 6];
        let set = ((2.0 * (hz / LOWEST_HZ).log2()).ceil().max(0.0) as usize).min(SETS - 1);
        TABLES[self as usize][set].get_or_init(|| {
            let top = LOWEST_HZ * (0.5 * set as f32).exp2();
            let amplitudes: Vec<f32> =
                (1..=harmonics(top, usize::MAX)).map(|n| self.harmonic(n as f32)).collect();
            let wave = period(&amplitudes, 0.0);
            Table(Box::new(std::array::from_fn(|i| [wave[i], wave[(i + 1) % SIZE] - wave[i]])))
        })
    }

    /// Amplitude of harmonic `n`, by the Fourier series of a wave of unit amplitude.
    fn harmonic(self, n: f32) -> f32 {
        use std::f32::consts::{FRAC_2_PI, PI};
        let odd = n % 2.0 == 1.0;
        let pulse = |width: f32| 2.0 * FRAC_2_PI / n * (n * PI * width).sin();
        match self {
            Self::Sine => f32::from(u8::from(n == 1.0)),
            Self::Triangle if odd => 8.0 / (PI * n).powi(2) * if (n % 4.0) == 1.0 { 1.0 } else { -1.0 },
            Self::Saw => FRAC_2_PI / n,
            Self::Square if odd => 2.0 * FRAC_2_PI / n,
            Self::Triangle | Self::Square => 0.0,
            Self::Pulse => pulse(0.25),
            Self::Thin => pulse(0.125),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_what_they_are_called() {
        let at = |shape: Shape, turn: f64| {
            let mut read = [0.0; 8];
            shape.table(60.0).read((turn * 4_294_967_296.0) as u32, 0, &mut read);
            read[0]
        };
        assert!((at(Shape::Sine, 0.25) - 1.0).abs() < 1e-3);
        assert!((at(Shape::Triangle, 0.25) - 1.0).abs() < 1e-2 && at(Shape::Triangle, 0.5).abs() < 1e-2);
        assert!((at(Shape::Square, 0.25) - 1.0).abs() < 0.02 && (at(Shape::Square, 0.75) + 1.0).abs() < 0.02);
        assert!((at(Shape::Saw, 0.25) - 0.5).abs() < 0.02 && (at(Shape::Saw, 0.75) + 0.5).abs() < 0.02);
    }

    #[test]
    fn no_harmonic_lies_above_the_audible_range() {
        for hz in [30.0, 440.0, 1234.5, 4186.0] {
            let wave: Vec<f32> = Shape::Saw.table(hz).0.iter().map(|[sample, _]| *sample).collect();
            let spectrum = RealFftPlanner::new().plan_fft_forward(SIZE);
            let mut bins = spectrum.make_output_vec();
            spectrum.process(&mut wave.clone(), &mut bins).unwrap();
            let heard = (0.5 * RATE / hz) as usize;
            let above: f32 = bins.iter().skip(heard + 1).map(Complex::norm_sqr).sum();
            assert!(above / bins[1].norm_sqr() < 1e-9, "{hz} Hz: {above}");
        }
    }

    #[test]
    fn both_waves_of_a_pair_are_equally_strong() {
        let pair = Pair::new(&[1.0, 0.1], &[1.0, 0.8, 0.6, 0.4]);
        for side in 0..2 {
            let power: f32 = pair.0.iter().map(|row| row[2 * side].powi(2)).sum();
            assert!((power / SIZE as f32 - 1.0).abs() < 1e-3, "{power}");
        }
    }
}
