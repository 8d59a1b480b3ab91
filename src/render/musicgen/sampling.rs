//! From logits to tokens: guidance, temperature, top-k, top-p, one draw.
//!
//! The order is that of `transformers`. Everything behind the logits is exact arithmetic, an exponential that is the same on
//! every machine, and Timbre's own generator: the same logits and the same seed give the same tokens everywhere.

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::{audio::Random, wire};

/// How tokens are drawn. The default is what the models were published with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Classifier-free guidance: how far to go from the second branch through the first. Up to 1 it is off.
    pub guidance: f64,
    /// Logits are divided by it; 0 always takes the likeliest token.
    pub temperature: f64,
    /// Draw among the `k` likeliest tokens and those as likely as the last of them; 0 is off.
    pub top_k: usize,
    /// Draw among the likeliest of these tokens that together reach this probability; 0 is off, as is 1.
    pub top_p: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { guidance: 3.0, temperature: 1.0, top_k: 250, top_p: 0.0 }
    }
}

impl From<wire::Sampling> for Sampling {
    fn from(wished: wire::Sampling) -> Self {
        let default = Self::default();
        Self {
            guidance: wished.guidance.unwrap_or(default.guidance),
            temperature: wished.temperature.unwrap_or(default.temperature),
            top_k: wished.top_k.map_or(default.top_k, |k| k as usize),
            top_p: wished.top_p.unwrap_or(default.top_p),
        }
    }
}

impl Sampling {
    /// Whether a second branch is needed.
    pub fn guides(&self) -> bool {
        self.guidance > 1.0
    }
}

/// Draws tokens. Every call takes one number from the generator, whatever comes of it, so that what is forced elsewhere in
/// the grid does not change what is drawn here.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    random: Random,
}

impl Sampler {
    /// Draws in this manner, from this stream.
    pub fn new(sampling: Sampling, random: Random) -> Self {
        Self { sampling, random }
    }

    /// How it draws.
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// The logits of the first branch, moved away from those of the second: `second + (first - second) * guidance`, in f32.
    pub fn guide(&self, first: &mut [f32], second: &[f32]) {
        let guidance = self.sampling.guidance as f32;
        for (first, second) in first.iter_mut().zip(second) {
            *first = second + (*first - second) * guidance;
        }
    }

    /// The next token of a codebook. `None` when the logits are no numbers, which a model at too low a precision gives.
    pub fn draw(&mut self, logits: &[f32]) -> Option<u32> {
        let unit = self.random.unit();
        if logits.is_empty() || !logits.iter().all(|logit| logit.is_finite()) {
            return None;
        }
        if self.sampling.temperature <= 0.0 {
            return likeliest(logits);
        }
        let candidates = self.candidates(logits);
        let mut left = unit * candidates.iter().map(|(_, weight)| weight).sum::<f64>();
        for (token, weight) in &candidates {
            left -= weight;
            if left < 0.0 {
                return Some(*token);
            }
        }
        candidates.last().map(|(token, _)| *token)
    }

    /// The tokens that may be drawn in ascending order, each with its share of the probability, not normalised.
    pub(super) fn candidates(&self, logits: &[f32]) -> Vec<(u32, f64)> {
        let Sampling { temperature, top_k, top_p, .. } = self.sampling;
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let least = least_of_top(logits, top_k);
        let weight = |logit: f32| libm::exp((f64::from(logit) - f64::from(largest)) / temperature);
        let candidates: Vec<(u32, f64)> = (0..)
            .zip(logits)
            .filter(|(_, logit)| **logit >= least)
            .map(|(token, logit)| (token, weight(*logit)))
            .collect();
        if top_p > 0.0 && top_p < 1.0 { nucleus(candidates, top_p) } else { candidates }
    }
}

/// The first of the largest.
fn likeliest(logits: &[f32]) -> Option<u32> {
    let better = |best: (u32, f32), next: (u32, f32)| if next.1 > best.1 { next } else { best };
    (0..).zip(logits.iter().copied()).reduce(better).map(|(token, _)| token)
}

/// The `k`-th largest logit.
fn least_of_top(logits: &[f32], k: usize) -> f32 {
    if k == 0 || k >= logits.len() {
        return f32::NEG_INFINITY;
    }
    let mut logits = logits.to_vec();
    *logits.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
}

/// The likeliest candidates, as many as it takes for their sum to reach a share of the whole.
fn nucleus(candidates: Vec<(u32, f64)>, share: f64) -> Vec<(u32, f64)> {
    let enough = share * candidates.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut heap: BinaryHeap<Candidate> = candidates.into_iter().map(Candidate).collect();
    let (mut kept, mut sum) = (Vec::new(), 0.0);
    while sum < enough
        && let Some(Candidate((token, weight))) = heap.pop()
    {
        sum += weight;
        kept.push((token, weight));
    }
    kept.sort_unstable_by_key(|(token, _)| *token);
    kept
}

/// A token and its weight, greater when likelier; of equals the first.
#[derive(PartialEq)]
struct Candidate((u32, f64));

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.1.total_cmp(&other.0.1).then(other.0.0.cmp(&self.0.0))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f64, top_k: usize, top_p: f64) -> Sampler {
        Sampler::new(Sampling { guidance: 3.0, temperature, top_k, top_p }, Random::new(7))
    }

    /// The tokens that may be drawn.
    fn kept(logits: &[f32], top_k: usize, top_p: f64) -> Vec<u32> {
        sampler(1.0, top_k, top_p).candidates(logits).into_iter().map(|(token, _)| token).collect()
    }

    /// Logits of these probabilities.
    fn logits(probabilities: &[f32]) -> Vec<f32> {
        probabilities.iter().map(|probability| probability.ln()).collect()
    }

    #[test]
    fn guidance_goes_on_from_the_second_branch_through_the_first() {
        let mut first = [1.0, -2.0];
        sampler(1.0, 0, 0.0).guide(&mut first, &[0.5, 2.0]);
        assert_eq!(first, [2.0, -10.0]);
    }

    #[test]
    fn no_temperature_takes_the_first_of_the_likeliest() {
        assert_eq!(sampler(0.0, 250, 0.0).draw(&[1.0, 3.0, 3.0, -1.0]), Some(1));
    }

    #[test]
    fn top_k_keeps_what_is_as_likely_as_the_last() {
        let logits = [0.0, 2.0, 1.0, 1.0, 3.0];
        assert_eq!(kept(&logits, 2, 0.0), [1, 4]);
        assert_eq!(kept(&logits, 3, 0.0), [1, 2, 3, 4]);
        assert_eq!(kept(&logits, 0, 0.0), [0, 1, 2, 3, 4]);
        assert_eq!(kept(&logits, 9, 0.0), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn top_p_keeps_the_fewest_that_reach_it() {
        let logits = logits(&[0.1, 0.5, 0.15, 0.25]);
        assert_eq!(kept(&logits, 0, 0.45), [1]);
        assert_eq!(kept(&logits, 0, 0.6), [1, 3]);
        assert_eq!(kept(&logits, 0, 0.8), [1, 2, 3]);
        assert_eq!(kept(&logits, 0, 1.0), [0, 1, 2, 3]);
        // Of what top-k left, which sums to 0.75.
        assert_eq!(kept(&logits, 2, 0.65), [1]);
        assert_eq!(kept(&logits, 2, 0.7), [1, 3]);
    }

    #[test]
    fn tokens_come_as_often_as_they_are_likely() {
        let logits = logits(&[0.1, 0.6, 0.3]);
        let mut sampler = sampler(1.0, 0, 0.0);
        let mut counts = [0_u32; 3];
        for _ in 0..20_000 {
            counts[sampler.draw(&logits).unwrap() as usize] += 1;
        }
        for (count, probability) in counts.into_iter().zip([0.1, 0.6, 0.3]) {
            assert!((f64::from(count) / 20_000.0 - probability).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn a_draw_takes_one_number_whatever_comes_of_it() {
        let mut expected = Random::new(7);
        for _ in 0..3 {
            expected.unit();
        }
        let mut sampler = sampler(0.0, 0, 0.0);
        sampler.draw(&[0.0, 1.0]);
        sampler.draw(&[f32::NAN]);
        sampler.sampling.temperature = 1.0;
        sampler.draw(&[0.0, 1.0]);
        assert_eq!(sampler.random.bits(), expected.bits());
    }

    #[test]
    fn what_is_no_number_is_not_drawn_from() {
        assert_eq!(sampler(1.0, 0, 0.0).draw(&[0.0, f32::NAN]), None);
        assert_eq!(sampler(0.0, 0, 0.0).draw(&[f32::INFINITY, 0.0]), None);
        assert_eq!(sampler(1.0, 0, 0.0).draw(&[]), None);
    }
}
