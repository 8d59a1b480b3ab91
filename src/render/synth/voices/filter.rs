//! The filter of voices and effects: over one sample, several side by side, or eight in a row.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use std::ops::{Add, Mul, Sub};

use super::signal::RATE;
use crate::render::synth::lanes::widest;

/// -400 dB: keeps filters from denormal numbers in silence, in which processors are many times slower.
const BARELY: f32 = 1e-20;

/// A state-variable filter of second order (Zavalishin's topology-preserving form), solved for its state, so that a frame waits
/// for three operations of the one before. Stable at any setting.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::render::synth) struct Filter<V = f32> {
    /// 1 / Q.
    k: f32,
    /// How each half of the state goes on, and what it takes from the other and from the input.
    keep: [f32; 2],
    across: f32,
    fed: f32,
    one: V,
    two: V,
}

/// The outputs of a [`Filter`].
#[derive(Clone, Copy, Debug)]
pub(in crate::render::synth) struct Bands<V = f32> {
    pub(in crate::render::synth) low: V,
    pub(in crate::render::synth) band: V,
    pub(in crate::render::synth) high: V,
}

/// What a filter works on: a sample, or several side by side.
pub(in crate::render::synth) trait Value:
    Copy + Default + Add<Output = Self> + Sub<Output = Self> + Mul<f32, Output = Self> + Add<f32, Output = Self>
{
}

impl<V> Value for V where
    V: Copy + Default + Add<Output = V> + Sub<Output = V> + Mul<f32, Output = V> + Add<f32, Output = V>
{
}

impl<V: Value> Filter<V> {
    /// A filter at a frequency; `q` of 0.707 has no resonance.
    pub(in crate::render::synth) fn new(hz: f32, q: f32) -> Self {
        let mut filter = Self::default();
        filter.tune(hz, q);
        filter
    }

    pub(in crate::render::synth) fn tune(&mut self, hz: f32, q: f32) {
        let g = (std::f32::consts::PI * hz.clamp(10.0, 0.45 * RATE) / RATE).tan();
        self.k = 1.0 / q;
        let a = 1.0 / (1.0 + g * (g + self.k));
        self.across = 2.0 * g * a;
        self.fed = g * self.across;
        self.keep = [2.0 * a - 1.0, 1.0 - self.fed];
    }

    #[inline(always)]
    pub(in crate::render::synth) fn next(&mut self, input: V) -> Bands<V> {
        let input = input + BARELY;
        // What is barely there goes to both halves of the state: no output of a filter holds back both.
        let one = self.one * self.keep[0] + ((input * self.across + BARELY) - self.two * self.across);
        let two = self.one * self.across + (input * self.fed + self.two * self.keep[1]);
        let (band, low) = ((self.one + one) * 0.5, (self.two + two) * 0.5);
        let high = input - band * self.k - low;
        (self.one, self.two) = (one, two);
        Bands { low, band, high }
    }
}

/// Which output of a filter is taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Low,
    Band,
    High,
}

/// Samples that [`pass`] takes at a time.
const RUN: usize = 8;

/// What a filter makes of eight samples in a row, as one step of its state: x' = A x + B u, y = C x + D u, applied eight times.
struct Run {
    /// What each half of the state at the start, and each sample, adds to the outputs.
    from_state: [[f32; RUN]; 2],
    from_sample: [[f32; RUN]; RUN],
    /// What they add to both halves of the state at the end; the rest of each row is there to fill a vector.
    state_on: [[f32; 4]; 2],
    sample_on: [[f32; 4]; RUN],
}

/// Sends each side through its filter, all of which have the setting of the first one. What comes out is that of [`Filter::next`],
/// but for rounding; a filter waits for itself once in eight samples.
pub(super) fn pass<const SIDES: usize>(filters: &mut [Filter], output: Output, sides: [&mut [f32]; SIDES]) {
    let Some(first) = filters.first() else { return };
    let run = Run::new(first, output);
    let setting = *first;
    for (filter, side) in filters.iter_mut().zip(sides) {
        *filter = Filter { one: filter.one, two: filter.two, ..setting };
        let (eights, rest) = side.as_chunks_mut();
        widest(
            #[inline(always)]
            || {
                for eight in eights {
                    run.step(filter, eight);
                }
            },
        );
        for sample in rest {
            let Bands { low, band, high } = filter.next(*sample);
            *sample = match output {
                Output::Low => low,
                Output::Band => band,
                Output::High => high,
            };
        }
    }
}

impl Run {
    fn new(filter: &Filter, output: Output) -> Self {
        let Filter { k, keep, across, fed, .. } = *filter;
        // What `next` does, written as matrices.
        let a = [[keep[0], -across], [across, keep[1]]];
        let b = [across, fed];
        let band = [0.5 * (1.0 + a[0][0]), 0.5 * a[0][1], 0.5 * b[0]];
        let low = [0.5 * a[1][0], 0.5 * (1.0 + a[1][1]), 0.5 * b[1]];
        let [mut one, mut two, direct] = match output {
            Output::Low => low,
            Output::Band => band,
            Output::High => {
                let high = |i: usize| -k * band[i] - low[i];
                [high(0), high(1), 1.0 + high(2)]
            }
        };
        let moved = |[x, y, ..]: [f32; 4]| [a[0][0] * x + a[0][1] * y, a[1][0] * x + a[1][1] * y, 0.0, 0.0];
        let mut run = Self {
            from_state: [[0.0; RUN]; 2],
            from_sample: [[0.0; RUN]; RUN],
            state_on: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]],
            sample_on: [[b[0], b[1], 0.0, 0.0]; RUN],
        };
        let mut answer = direct;
        for later in 0..RUN {
            (run.from_state[0][later], run.from_state[1][later]) = (one, two);
            for sample in 0..RUN - later {
                run.from_sample[sample][sample + later] = answer;
            }
            answer = one * b[0] + two * b[1];
            (one, two) = (one * a[0][0] + two * a[1][0], one * a[0][1] + two * a[1][1]);
            run.state_on = run.state_on.map(moved);
            // The last sample goes on to the state by one step, the first one by eight.
            if let Some(before) = RUN.checked_sub(later + 2) {
                run.sample_on[before] = moved(run.sample_on[before + 1]);
            }
        }
        run
    }

    #[inline(always)]
    fn step(&self, filter: &mut Filter, samples: &mut [f32; RUN]) {
        let (mut output, mut state) = ([0.0_f32; RUN], [BARELY, 0.0, 0.0, 0.0]);
        for ((sample, out), on) in samples.iter().zip(&self.from_sample).zip(&self.sample_on) {
            let input = sample + BARELY;
            add(&mut output, out, input);
            add(&mut state, on, input);
        }
        // What waits for the eight samples before comes last.
        for (half, (out, on)) in
            [filter.one, filter.two].into_iter().zip(self.from_state.iter().zip(&self.state_on))
        {
            add(&mut output, out, half);
            add(&mut state, on, half);
        }
        *samples = output;
        [filter.one, filter.two, ..] = state;
    }
}

#[inline(always)]
fn add<const COUNT: usize>(sums: &mut [f32; COUNT], row: &[f32; COUNT], factor: f32) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += value * factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_passes_what_it_should() {
        let mut filter = Filter::new(1000.0, 0.707);
        let mut last = filter.next(1.0);
        for _ in 0..48_000 {
            last = filter.next(1.0);
        }
        assert!((last.low - 1.0).abs() < 1e-3 && last.high.abs() < 1e-3 && last.band.abs() < 1e-3);
    }

    /// Whatever the setting and the output, also where the setting changes and for lengths that eight does not divide.
    #[test]
    fn eight_in_a_row_are_as_one_by_one() {
        let mut noise = crate::audio::Random::new(5);
        let input: Vec<f32> = (0..3000).map(|_| noise.bipolar()).collect();
        for (hz, q) in [(40.0, 0.7), (300.0, 6.0), (2500.0, 0.5), (15_000.0, 1.2)] {
            for (output, take) in [
                (Output::Low, (|bands| bands.low) as fn(Bands) -> f32),
                (Output::Band, |bands| bands.band),
                (Output::High, |bands| bands.high),
            ] {
                let (mut single, mut many) = (Filter::new(hz, q), [Filter::new(hz, q)]);
                for (turn, part) in input.chunks(77).enumerate() {
                    let now = hz * (1.0 + 0.3 * (turn as f32).sin());
                    single.tune(now, q);
                    many[0].tune(now, q);
                    let mut passed = part.to_vec();
                    pass(&mut many, output, [&mut passed]);
                    for (sample, passed) in part.iter().zip(passed) {
                        let expected = take(single.next(*sample));
                        assert!((passed - expected).abs() < 2e-5, "{output:?} {hz} Hz: {passed} {expected}");
                    }
                }
            }
        }
    }
}
