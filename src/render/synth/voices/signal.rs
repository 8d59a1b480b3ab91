//! The small parts that voices are made of: a sine, a saw, filters, decays.

use std::sync::LazyLock;

/// Frames per second of everything in this engine.
pub(in crate::render::synth) const RATE: f32 = 48_000.0;

const SINE_BITS: u32 = 12;
static SINE: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let size = 1_usize << SINE_BITS;
    (0..=size).map(|i| (i as f64 / size as f64 * std::f64::consts::TAU).sin() as f32).collect()
});

/// One period of a sine to look up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sine(&'static [f32]);

impl Sine {
    pub(super) fn table() -> Self {
        Self(&SINE)
    }

    /// The sine of a phase; 2^32 is a full turn.
    #[inline]
    pub(super) fn at(self, phase: u32) -> f32 {
        let index = (phase >> (32 - SINE_BITS)) as usize;
        let part = (phase << SINE_BITS) as f32 * (1.0 / 4_294_967_296.0);
        let (a, b) = (self.0[index], self.0[index + 1]);
        a + (b - a) * part
    }
}

/// A frequency as phase per frame; 2^32 is a full turn.
#[inline]
pub(super) fn turn(hz: f32) -> u32 {
    (f64::from(hz) / f64::from(RATE) * 4_294_967_296.0) as u32
}

/// A saw of unit amplitude at phase `t` in [0, 1), its step rounded off over one frame (polyBLEP), where `dt` is the phase
/// per frame.
#[inline]
pub(super) fn saw(t: f32, dt: f32) -> f32 {
    2.0 * t - 1.0 - step(t, dt)
}

/// A square wave made as [`saw`] is.
#[inline]
pub(super) fn square(t: f32, dt: f32) -> f32 {
    let half = if t < 0.5 { t + 0.5 } else { t - 0.5 };
    let level = if t < 0.5 { 1.0 } else { -1.0 };
    level + step(t, dt) - step(half, dt)
}

#[inline]
fn step(t: f32, dt: f32) -> f32 {
    if t < dt {
        let x = t / dt;
        x + x - x * x - 1.0
    } else if t > 1.0 - dt {
        let x = (t - 1.0) / dt;
        x * x + x + x + 1.0
    } else {
        0.0
    }
}

/// The factor per frame of a decay by 60 dB in `seconds`.
pub(super) fn decay(seconds: f32) -> f32 {
    (-6.907_755 / (seconds.max(1e-4) * RATE)).exp()
}

/// Frames of a time.
pub(super) fn frames(seconds: f32) -> usize {
    (seconds * RATE).max(0.0) as usize
}

/// A state-variable filter of second order (Zavalishin's topology-preserving form). Stable at any setting.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter {
    g: f32,
    k: f32,
    a: f32,
    one: f32,
    two: f32,
}

/// The outputs of a [`Filter`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Bands {
    pub(super) low: f32,
    pub(super) band: f32,
    pub(super) high: f32,
}

impl Filter {
    /// A filter at a frequency; `q` of 0.707 has no resonance.
    pub(super) fn new(hz: f32, q: f32) -> Self {
        let mut filter = Self::default();
        filter.tune(hz, q);
        filter
    }

    pub(super) fn tune(&mut self, hz: f32, q: f32) {
        self.g = (std::f32::consts::PI * hz.clamp(10.0, 0.45 * RATE) / RATE).tan();
        self.k = 1.0 / q;
        self.a = 1.0 / (1.0 + self.g * (self.g + self.k));
    }

    #[inline]
    pub(super) fn next(&mut self, input: f32) -> Bands {
        let high = (input - (self.g + self.k) * self.one - self.two) * self.a;
        let band = self.g * high + self.one;
        let low = self.g * band + self.two;
        self.one = self.g * high + band;
        self.two = self.g * band + low;
        Bands { low, band, high }
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
        let sine = Sine::table();
        for turn in [0.0, 0.1, 0.25, 0.5, 0.77, 0.999_f64] {
            let exact = (turn * std::f64::consts::TAU).sin();
            assert!((f64::from(sine.at((turn * 4_294_967_296.0) as u32)) - exact).abs() < 1e-6, "{turn}");
        }
    }

    #[test]
    fn a_saw_has_no_direct_voltage_and_little_alias() {
        let dt = 1234.5 / RATE;
        let mut t = 0.0;
        let mut sum = 0.0_f64;
        for _ in 0..48_000 {
            sum += f64::from(saw(t, dt));
            t += dt;
            if t >= 1.0 {
                t -= 1.0;
            }
        }
        assert!((sum / 48_000.0).abs() < 2e-3, "{sum}");
    }

    #[test]
    fn the_filter_passes_what_it_should() {
        let mut filter = Filter::new(1000.0, 0.707);
        let mut last = filter.next(1.0);
        for _ in 0..48_000 {
            last = filter.next(1.0);
        }
        assert!((last.low - 1.0).abs() < 1e-3 && last.high.abs() < 1e-3 && last.band.abs() < 1e-3);
    }

    #[test]
    fn decay_reaches_sixty_decibels() {
        let end = decay(0.5).powi(24_000);
        assert!((end - 0.001).abs() < 1e-4, "{end}");
    }
}
