//! How a time recorded its music, read from `eras.toml`, where the fields are explained.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// The sound of an era's records.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Era {
    low_hz: f64,
    high_hz: f64,
    bump_hz: f64,
    bump_db: f64,
    width: f32,
    /// The texture that its media add, if any.
    #[serde(default)]
    pub(super) texture: Option<String>,
    /// Level of that, in decibels above the texture's own.
    #[serde(default)]
    pub(super) texture_db: f32,
}

/// The file is part of the program; that it parses is tested.
static ERAS: LazyLock<BTreeMap<String, Era>> =
    LazyLock::new(|| toml::from_str(include_str!("eras.toml")).unwrap_or_default());

impl Era {
    /// The era of a name, if it has a sound of its own.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ERAS.get(name)
    }

    /// Colours left and right.
    pub(super) fn colour(&self, [left, right]: [&mut [f32]; 2]) {
        let mut sides = [self.chain(), self.chain()];
        for (l, r) in left.iter_mut().zip(right) {
            let (middle, side) = (0.5 * (*l + *r), 0.5 * self.width * (*l - *r));
            *l = through(&mut sides[0], middle + side);
            *r = through(&mut sides[1], middle - side);
        }
    }

    fn chain(&self) -> [Biquad; 3] {
        [
            Biquad::high_pass(self.low_hz),
            Biquad::low_pass(self.high_hz),
            Biquad::bell(self.bump_hz, self.bump_db),
        ]
    }
}

fn through(chain: &mut [Biquad; 3], sample: f32) -> f32 {
    chain.iter_mut().fold(f64::from(sample), |sample, stage| stage.next(sample)) as f32
}

/// A filter of second order in double precision, so that stems filtered apart add up; coefficients by Bristow-Johnson's cookbook.
#[derive(Clone, Copy, Debug)]
struct Biquad {
    feed: [f64; 3],
    back: [f64; 2],
    state: [f64; 2],
}

impl Biquad {
    fn new(feed: [f64; 3], back: [f64; 3]) -> Self {
        let [whole, one, two] = back;
        Self { feed: feed.map(|b| b / whole), back: [one / whole, two / whole], state: [0.0; 2] }
    }

    /// Sine and cosine of the angle per frame, and half the sine over `q`.
    fn angle(hz: f64, q: f64) -> (f64, f64) {
        let (sin, cos) = (std::f64::consts::TAU * hz / 48_000.0).sin_cos();
        (cos, sin / (2.0 * q))
    }

    fn low_pass(hz: f64) -> Self {
        let (cos, alpha) = Self::angle(hz, std::f64::consts::FRAC_1_SQRT_2);
        let half = 0.5 * (1.0 - cos);
        Self::new([half, 1.0 - cos, half], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    fn high_pass(hz: f64) -> Self {
        let (cos, alpha) = Self::angle(hz, std::f64::consts::FRAC_1_SQRT_2);
        let half = 0.5 * (1.0 + cos);
        Self::new([half, -1.0 - cos, half], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    fn bell(hz: f64, db: f64) -> Self {
        let (cos, alpha) = Self::angle(hz, 0.6);
        let root = 10f64.powf(db / 40.0);
        let feed = [1.0 + alpha * root, -2.0 * cos, 1.0 - alpha * root];
        Self::new(feed, [1.0 + alpha / root, -2.0 * cos, 1.0 - alpha / root])
    }

    #[inline]
    fn next(&mut self, sample: f64) -> f64 {
        // -600 dB keeps it from denormal numbers in silence.
        let sample = sample + 1e-30;
        let out = self.feed[0] * sample + self.state[0];
        self.state[0] = self.feed[1] * sample - self.back[0] * out + self.state[1];
        self.state[1] = self.feed[2] * sample - self.back[1] * out;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::synth::instrument::{Family, Instrument};

    #[test]
    fn the_file_is_whole() {
        let eras: BTreeMap<String, Era> = toml::from_str(include_str!("eras.toml")).unwrap();
        for (name, era) in &eras {
            assert!(
                era.low_hz < era.bump_hz && era.bump_hz < era.high_hz && era.high_hz < 20_000.0,
                "{name}"
            );
            assert!((0.0..=1.0).contains(&era.width) && era.bump_db.abs() < 8.0, "{name}");
            let texture = era.texture.as_deref().map(|texture| Instrument::named(texture).unwrap());
            assert!(texture.is_none_or(|who| who.family() == Family::Texture), "{name}");
        }
    }

    #[test]
    fn old_records_are_narrow_and_mono() {
        let level = |hz: f32| {
            let tone = |i: usize| (std::f32::consts::TAU * hz * i as f32 / 48_000.0).sin();
            let (mut left, mut right): (Vec<f32>, Vec<f32>) =
                ((0..24_000).map(tone).collect(), vec![0.0; 24_000]);
            Era::named("1920s").unwrap().colour([&mut left, &mut right]);
            assert_eq!(left, right);
            left[12_000..].iter().map(|sample| sample * sample).sum::<f32>()
        };
        assert!(level(60.0) < 0.05 * level(1000.0) && level(9000.0) < 0.1 * level(1000.0));
    }
}
