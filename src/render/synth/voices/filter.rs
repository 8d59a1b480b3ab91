//! The filter of voices and effects: over one sample, several side by side, or eight in a row.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use std::ops::{Add, Mul, Sub};

use super::signal::{RATE, sine};
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
        let turns = hz.clamp(10.0, 0.45 * RATE) * (0.5 / RATE);
        let g = sine(turns) / sine(turns + 0.25);
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
pub(in crate::render::synth) enum Output {
    Low,
    Band,
    High,
}

/// Samples that a [`Row`] takes at a time.
const RUN: usize = 8;
const SIDES: usize = 2;

/// A filter for one side or both that takes eight samples at a time. What comes out is that of [`Filter::next`] but for rounding;
/// it waits for itself once in eight samples.
pub(in crate::render::synth) struct Row {
    output: Output,
    /// Hertz and Q.
    setting: [f32; 2],
    run: Run,
    states: [[f32; 2]; SIDES],
}

/// What a filter makes of eight samples in a row, as one step of its state: x' = A x + B u, y = C x + D u, applied eight times.
struct Run {
    /// What each half of the state at the start, and each sample, adds to the outputs.
    from_state: [[f32; RUN]; 2],
    from_sample: [[f32; RUN]; RUN],
    /// What they add to both halves of the state at the end; the rest of each row is there to fill a vector.
    state_on: [[f32; 4]; 2],
    sample_on: [[f32; 4]; RUN],
}

impl Row {
    pub(in crate::render::synth) fn new(output: Output, hz: f32, q: f32) -> Self {
        let run = Run::new(&Filter::new(hz, q), output);
        Self { output, setting: [hz, q], run, states: [[0.0; 2]; SIDES] }
    }

    pub(in crate::render::synth) fn tune(&mut self, hz: f32, q: f32) {
        if self.setting != [hz, q] {
            self.setting = [hz, q];
            self.run = Run::new(&Filter::new(hz, q), self.output);
        }
    }

    /// Sends some sides through, each through a state of its own. There must be a multiple of eight frames.
    pub(in crate::render::synth) fn pass<const COUNT: usize, const FRAMES: usize>(
        &mut self,
        sides: [&mut [f32; FRAMES]; COUNT],
    ) {
        const { assert!(COUNT <= SIDES && FRAMES.is_multiple_of(RUN)) };
        let Self { run, states, .. } = self;
        widest(
            #[inline(always)]
            || {
                let mut sides = sides.map(|side| side.as_chunks_mut::<RUN>().0);
                // In turns: what one side waits for, the other does not.
                for eight in 0..FRAMES / RUN {
                    for (side, state) in sides.iter_mut().zip(&mut *states) {
                        run.step(state, &mut side[eight]);
                    }
                }
            },
        );
    }
}

type Matrix = [[f32; 2]; 2];

/// A row, and what it becomes when it is multiplied with a matrix once and up to seven times; given are the matrix, its square and
/// its fourth power.
fn multiples([x, y]: [f32; 2], powers: &[Matrix; 3]) -> [[f32; RUN]; 2] {
    let mut all = [[0.0; RUN]; 2];
    (all[0][0], all[1][0]) = (x, y);
    for (known, [[xx, xy], [yx, yy]]) in [1, 2, 4].into_iter().zip(powers) {
        for i in 0..known {
            let (x, y) = (all[0][i], all[1][i]);
            (all[0][known + i], all[1][known + i]) = (x * xx + y * yx, x * xy + y * yy);
        }
    }
    all
}

fn square([[a, b], [c, d]]: Matrix) -> Matrix {
    [[a * a + b * c, b * (a + d)], [c * (a + d), b * c + d * d]]
}

impl Run {
    fn new(filter: &Filter, output: Output) -> Self {
        let Filter { k, keep, across, fed, .. } = *filter;
        // What `next` does, written as matrices.
        let a = [[keep[0], -across], [across, keep[1]]];
        let b = [across, fed];
        let band = [0.5 * (1.0 + a[0][0]), 0.5 * a[0][1], 0.5 * b[0]];
        let low = [0.5 * a[1][0], 0.5 * (1.0 + a[1][1]), 0.5 * b[1]];
        let [one, two, direct] = match output {
            Output::Low => low,
            Output::Band => band,
            Output::High => {
                let high = |i: usize| -k * band[i] - low[i];
                [high(0), high(1), 1.0 + high(2)]
            }
        };
        let twice = square(a);
        let powers = [a, twice, square(twice)];
        let whole = square(powers[2]);
        let from_state = multiples([one, two], &powers);
        let [ones, twos] = multiples(b, &powers.map(|[[a, b], [c, d]]| [[a, c], [b, d]]));
        let mut answer = [direct; RUN];
        for later in 1..RUN {
            answer[later] = from_state[0][later - 1] * b[0] + from_state[1][later - 1] * b[1];
        }
        // The last sample goes on to the state by one step, the first one by eight.
        let on = |steps: usize| [ones[steps], twos[steps], 0.0, 0.0];
        // An answer starts with its sample.
        let late = |sample: usize| {
            std::array::from_fn(|at| at.checked_sub(sample).map_or(0.0, |later| answer[later]))
        };
        Self {
            from_state,
            from_sample: std::array::from_fn(late),
            state_on: [[whole[0][0], whole[1][0], 0.0, 0.0], [whole[0][1], whole[1][1], 0.0, 0.0]],
            sample_on: std::array::from_fn(|sample| on(RUN - 1 - sample)),
        }
    }

    #[inline(always)]
    fn step(&self, halves: &mut [f32; 2], samples: &mut [f32; RUN]) {
        let (mut output, mut state) = ([0.0_f32; RUN], [BARELY, 0.0, 0.0, 0.0]);
        for ((sample, out), on) in samples.iter().zip(&self.from_sample).zip(&self.sample_on) {
            add(&mut output, out, *sample);
            add(&mut state, on, *sample);
        }
        // What waits for the eight samples before comes last.
        for (half, (out, on)) in halves.iter().zip(self.from_state.iter().zip(&self.state_on)) {
            add(&mut output, out, *half);
            add(&mut state, on, *half);
        }
        *samples = output;
        [halves[0], halves[1], ..] = state;
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

    /// Whatever the setting and the output, also where the setting changes.
    #[test]
    fn eight_in_a_row_are_as_one_by_one() {
        const PART: usize = 72;
        let mut noise = crate::audio::Random::new(5);
        let input: [Vec<f32>; 2] = std::array::from_fn(|_| (0..40 * PART).map(|_| noise.bipolar()).collect());
        for (hz, q) in [(40.0, 0.7), (300.0, 6.0), (2500.0, 0.5), (15_000.0, 1.2)] {
            for (output, take) in [
                (Output::Low, (|bands| bands.low) as fn(Bands) -> f32),
                (Output::Band, |bands| bands.band),
                (Output::High, |bands| bands.high),
            ] {
                let (mut singles, mut row) = ([Filter::new(hz, q); 2], Row::new(output, hz, q));
                for turn in 0..40 {
                    let now = hz * (1.0 + 0.3 * (turn as f32).sin());
                    row.tune(now, q);
                    let part = input.each_ref().map(|side| side.as_chunks::<PART>().0[turn]);
                    let mut passed = part;
                    row.pass(passed.each_mut());
                    for ((single, part), passed) in singles.iter_mut().zip(&part).zip(&passed) {
                        single.tune(now, q);
                        for (sample, passed) in part.iter().zip(passed) {
                            let expected = take(single.next(*sample));
                            assert!(
                                (passed - expected).abs() < 2e-5,
                                "{output:?} {hz} Hz: {passed} {expected}"
                            );
                        }
                    }
                }
            }
        }
    }
}
