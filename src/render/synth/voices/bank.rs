//! Many sines that die away, each at its own rate: strings, bars, bells and pipes.

use super::{
    Canvas,
    signal::{Bend, RATE, decay, frames, pan},
};

const LANES: usize = 8;
const BLOCK: usize = 64;
/// Amplitude below which partials are dropped: -100 dB.
const SILENT: f32 = 1e-5;

/// One sine of a [`Bank`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Partial {
    pub(super) hz: f32,
    pub(super) amplitude: f32,
    /// Time in which it falls by 60 dB.
    pub(super) seconds: f32,
    /// Place between left (-1) and right (1).
    pub(super) place: f32,
}

/// How a bank is played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gesture {
    /// Time until it is fully there.
    pub(super) attack: f32,
    /// Time after which it is damped.
    pub(super) hold: f32,
    /// Time in which the damper brings it down by 60 dB.
    pub(super) release: f32,
}

/// Eight partials, turned together so that the compiler can use vector instructions.
#[derive(Clone, Copy, Debug)]
struct Octet {
    x: [f32; LANES],
    y: [f32; LANES],
    cos: [f32; LANES],
    sin: [f32; LANES],
    /// Radians per frame, and the factor by which it falls per frame.
    angle: [f32; LANES],
    fall: [f32; LANES],
    left: [f32; LANES],
    right: [f32; LANES],
}

/// Adds the partials to the canvas. Partials above 0.45 of the rate are left out.
pub(super) fn ring(partials: &[Partial], gesture: Gesture, canvas: &mut Canvas<'_>) {
    sing(partials, gesture, &Bend::still(), canvas);
}

/// As [`ring`], with a pitch that moves.
pub(super) fn sing(partials: &[Partial], gesture: Gesture, bend: &Bend, canvas: &mut Canvas<'_>) {
    let mut audible: Vec<Partial> = partials
        .iter()
        .filter(|partial| partial.hz < 0.45 * RATE && partial.amplitude.abs() > SILENT)
        .copied()
        .collect();
    // Those that die together stand together, so that whole octets fall silent early.
    audible.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let mut octets: Vec<Octet> = audible.chunks(LANES).map(octet).collect();
    let attack = frames(gesture.attack).max(1);
    let hold = frames(gesture.hold) / BLOCK * BLOCK;
    let damping = decay(gesture.release);
    let mut at = 0;
    for (left, right) in canvas.left.chunks_mut(BLOCK).zip(canvas.right.chunks_mut(BLOCK)) {
        if octets.is_empty() {
            break;
        }
        if at == hold {
            for octet in &mut octets {
                octet.damp(damping);
            }
        }
        if !bend.is_still() {
            let ratio = bend.ratio(at as f32 / RATE);
            for octet in &mut octets {
                octet.bend(ratio);
            }
        }
        let mut sums = [[[0.0_f32; LANES / 2]; 2]; BLOCK];
        for octet in &mut octets {
            octet.add(&mut sums[..left.len()]);
        }
        for (i, ((l, r), sum)) in left.iter_mut().zip(right.iter_mut()).zip(&sums).enumerate() {
            let gain = if at + i < attack { (at + i) as f32 / attack as f32 } else { 1.0 };
            *l += gain * sum[0].iter().sum::<f32>();
            *r += gain * sum[1].iter().sum::<f32>();
        }
        octets.retain_mut(Octet::settle);
        at += BLOCK;
    }
}

fn octet(partials: &[Partial]) -> Octet {
    let mut octet = Octet {
        x: [0.0; LANES],
        y: [0.0; LANES],
        cos: [0.0; LANES],
        sin: [0.0; LANES],
        angle: [0.0; LANES],
        fall: [0.0; LANES],
        left: [0.0; LANES],
        right: [0.0; LANES],
    };
    for (lane, partial) in partials.iter().enumerate() {
        let angle = std::f64::consts::TAU * f64::from(partial.hz / RATE);
        let fall = f64::from(decay(partial.seconds));
        let (left, right) = pan(partial.place);
        octet.x[lane] = partial.amplitude;
        octet.cos[lane] = (fall * angle.cos()) as f32;
        octet.sin[lane] = (fall * angle.sin()) as f32;
        octet.angle[lane] = angle as f32;
        octet.fall[lane] = fall as f32;
        octet.left[lane] = left;
        octet.right[lane] = right;
    }
    octet
}

impl Octet {
    /// Adds both halves of the lanes to each sum of a frame, left and right.
    #[inline]
    fn add(&mut self, sums: &mut [[[f32; LANES / 2]; 2]]) {
        const HALF: usize = LANES / 2;
        let mut turned = *self;
        for [left, right] in sums {
            for lane in 0..LANES {
                let x = turned.x[lane] * turned.cos[lane] - turned.y[lane] * turned.sin[lane];
                let y = turned.x[lane] * turned.sin[lane] + turned.y[lane] * turned.cos[lane];
                turned.x[lane] = x;
                turned.y[lane] = y;
            }
            for lane in 0..HALF {
                let (one, two) = (turned.y[lane], turned.y[lane + HALF]);
                left[lane] += one * turned.left[lane] + two * turned.left[lane + HALF];
                right[lane] += one * turned.right[lane] + two * turned.right[lane + HALF];
            }
        }
        *self = turned;
    }

    fn damp(&mut self, factor: f32) {
        for lane in 0..LANES {
            self.cos[lane] *= factor;
            self.sin[lane] *= factor;
            self.fall[lane] *= factor;
        }
    }

    /// Turns at `ratio` of the written pitch from here on, and no faster than half the rate.
    fn bend(&mut self, ratio: f32) {
        for lane in 0..LANES {
            let (sin, cos) = sin_cos((self.angle[lane] * ratio).min(3.1));
            self.cos[lane] = self.fall[lane] * cos;
            self.sin[lane] = self.fall[lane] * sin;
        }
    }

    /// Stills the lanes that have died away, before their numbers become denormal, in which processors are many times slower.
    /// False when all of them have.
    fn settle(&mut self) -> bool {
        let mut sounds = false;
        for lane in 0..LANES {
            let size = self.x[lane].abs() + self.y[lane].abs();
            sounds |= size > SILENT;
            if size < 0.01 * SILENT {
                self.x[lane] = 0.0;
                self.y[lane] = 0.0;
            }
        }
        sounds
    }
}

/// Sine and cosine of an angle between 0 and pi, to within rounding: Taylor series around a quarter turn.
#[inline]
fn sin_cos(angle: f32) -> (f32, f32) {
    let x = std::f32::consts::FRAC_PI_2 - angle;
    let y = x * x;
    let even = 1.0 / 479_001_600.0;
    let sin = 1.0
        + y * (-0.5
            + y * (1.0 / 24.0
                + y * (-1.0 / 720.0 + y * (1.0 / 40_320.0 + y * (-1.0 / 3_628_800.0 + y * even)))));
    let odd = -1.0 / 39_916_800.0;
    let cos = x
        * (1.0
            + y * (-1.0 / 6.0 + y * (1.0 / 120.0 + y * (-1.0 / 5040.0 + y * (1.0 / 362_880.0 + y * odd)))));
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_keeps_its_pitch_and_dies_in_time() {
        let (mut left, mut right) = (vec![0.0; 48_000], vec![0.0; 48_000]);
        let partial = Partial { hz: 55.0, amplitude: 1.0, seconds: 1.0, place: 0.0 };
        let gesture = Gesture { attack: 0.0, hold: 2.0, release: 0.1 };
        ring(&[partial], gesture, &mut Canvas { left: &mut left, right: &mut right });
        let ups = left.windows(2).filter(|pair| pair[0] <= 0.0 && pair[1] > 0.0).count();
        assert!((54..=56).contains(&ups), "{ups} periods in a second of 55 Hz");
        let end = left[47_000..].iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((0.0007..0.0014).contains(&end), "{end} after a second");
        assert!((left[30_000] - right[30_000]).abs() < 1e-6);
    }

    #[test]
    fn the_damper_stops_it() {
        let (mut left, mut right) = (vec![0.0; 24_000], vec![0.0; 24_000]);
        let partial = Partial { hz: 440.0, amplitude: 1.0, seconds: 9.0, place: -1.0 };
        let gesture = Gesture { attack: 0.001, hold: 0.1, release: 0.1 };
        ring(&[partial], gesture, &mut Canvas { left: &mut left, right: &mut right });
        assert!(left[3000..4000].iter().any(|sample| sample.abs() > 0.5));
        assert!(left[14_000..].iter().all(|sample| sample.abs() < 1e-4));
        assert!(right.iter().all(|sample| sample.abs() < 1e-3));
    }

    #[test]
    fn a_bent_partial_keeps_its_level() {
        for angle in [0.0, 0.01, 0.7, 1.6, 3.0_f32] {
            let (sin, cos) = sin_cos(angle);
            assert!((sin - angle.sin()).abs() < 3e-7 && (cos - angle.cos()).abs() < 3e-7, "{angle}");
        }
        let (mut left, mut right) = (vec![0.0; 48_000], vec![0.0; 48_000]);
        let partial = Partial { hz: 440.0, amplitude: 1.0, seconds: 1e6, place: 0.0 };
        let gesture = Gesture { attack: 0.0, hold: 2.0, release: 0.1 };
        let mut bend = Bend::still();
        bend.approach(-1.0, 0.1);
        sing(&[partial], gesture, &bend, &mut Canvas { left: &mut left, right: &mut right });
        let ups = |part: &[f32]| part.windows(2).filter(|pair| pair[0] <= 0.0 && pair[1] > 0.0).count();
        let (first, last) = (ups(&left[..4800]), ups(&left[43_200..]));
        assert!(
            first < 34 && (43..=45).contains(&last),
            "{first} then {last} periods in a tenth of a second"
        );
        let peak = left[43_200..].iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((peak - 1.0).abs() < 5e-3, "{peak}");
    }
}
