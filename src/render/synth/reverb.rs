//! The room: one reverberator for the whole mix.
//!
//! A feedback delay network of eight lines with a Hadamard matrix (Jot and Chaigne, 1991) behind a chain of all-passes.
//! Linear and started from silence, so the tails of sections rendered apart add up to the tail of the whole. Runs in double
//! precision: stems reverberated apart then sum to the mix within rounding to single precision.

/// Delay of each line in frames at 48 kHz: primes, 23 to 61 ms.
const LINES: [usize; 8] = [1103, 1307, 1523, 1741, 1979, 2281, 2591, 2939];
/// All-passes that thicken the input, left and right.
const DIFFUSERS: [[usize; 4]; 2] = [[142, 277, 379, 563], [151, 263, 397, 541]];
const DIFFUSION: f64 = 0.62;
/// Before the first reflection: 14 ms.
const PRE_DELAY: usize = 672;
/// -600 dB: keeps the network from denormal numbers in silence, in which processors are many times slower.
const BARELY: f64 = 1e-30;
const RATE: f64 = 48_000.0;

/// A ring of past samples.
#[derive(Clone, Debug)]
struct Delay {
    past: Vec<f64>,
    at: usize,
}

impl Delay {
    fn new(frames: usize) -> Self {
        Self { past: vec![0.0; frames], at: 0 }
    }

    /// The sample that went in a full length ago.
    #[inline]
    fn oldest(&self) -> f64 {
        self.past[self.at]
    }

    #[inline]
    fn push(&mut self, sample: f64) {
        self.past[self.at] = sample;
        self.at += 1;
        if self.at == self.past.len() {
            self.at = 0;
        }
    }
}

/// The reverberator.
#[derive(Clone, Debug)]
pub(super) struct Reverb {
    pre: [Delay; 2],
    diffusers: [[Delay; 4]; 2],
    lines: [Delay; 8],
    /// Feedback gain of each line.
    gains: [f64; 8],
    /// State and strength of each line's damping.
    damped: [f64; 8],
    damping: f64,
    /// High-pass at the input: no rumble in the room.
    low: [f64; 2],
    low_share: f64,
}

impl Reverb {
    /// A room whose sound falls by 60 dB in `seconds`, its highs faster from `damping_hz` on.
    pub(super) fn new(seconds: f64, damping_hz: f64) -> Self {
        let one_pole = |hz: f64| (-std::f64::consts::TAU * hz / RATE).exp();
        Self {
            pre: std::array::from_fn(|_| Delay::new(PRE_DELAY)),
            diffusers: DIFFUSERS.map(|side| side.map(Delay::new)),
            lines: LINES.map(Delay::new),
            gains: LINES.map(|frames| 10f64.powf(-3.0 * frames as f64 / RATE / seconds)),
            damped: [0.0; 8],
            damping: one_pole(damping_hz),
            low: [0.0; 2],
            low_share: 1.0 - one_pole(170.0),
        }
    }

    /// What the room answers to one frame.
    #[inline]
    pub(super) fn next(&mut self, input: [f64; 2]) -> [f64; 2] {
        let mut sides = [0.0; 2];
        for side in 0..2 {
            self.low[side] += self.low_share * (input[side] - self.low[side]) + BARELY;
            let mut sample = self.pre[side].oldest();
            self.pre[side].push(input[side] - self.low[side]);
            for delay in &mut self.diffusers[side] {
                let old = delay.oldest();
                let fresh = sample - DIFFUSION * old;
                delay.push(fresh);
                sample = old + DIFFUSION * fresh;
            }
            sides[side] = sample;
        }
        let mut lines = [0.0; 8];
        for (number, line) in lines.iter_mut().enumerate() {
            let old = self.lines[number].oldest();
            self.damped[number] = old + self.damping * (self.damped[number] - old);
            *line = self.gains[number] * self.damped[number];
        }
        let out = [lines[0] - lines[2] + lines[4] - lines[6], lines[1] - lines[3] + lines[5] - lines[7]];
        mix(&mut lines);
        for (number, line) in lines.iter().enumerate() {
            self.lines[number].push(sides[number % 2] + line);
        }
        out.map(|sample| 0.5 * sample)
    }
}

/// Multiplies by the orthonormal Hadamard matrix of order 8.
#[inline]
fn mix(lines: &mut [f64; 8]) {
    for span in [1, 2, 4] {
        for start in 0..8 {
            if start & span == 0 {
                let (a, b) = (lines[start], lines[start + span]);
                lines[start] = a + b;
                lines[start + span] = a - b;
            }
        }
    }
    // 1 / sqrt(8)
    for line in lines {
        *line *= 0.353_553_390_593_273_8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn impulse_response(seconds: f64, frames: usize) -> Vec<[f64; 2]> {
        let mut reverb = Reverb::new(seconds, 6000.0);
        (0..frames).map(|i| reverb.next(if i == 0 { [1.0, 1.0] } else { [0.0, 0.0] })).collect()
    }

    fn power(frames: &[[f64; 2]]) -> f64 {
        frames.iter().map(|[l, r]| l * l + r * r).sum::<f64>() / frames.len() as f64
    }

    #[test]
    fn the_tail_falls_as_asked() {
        let response = impulse_response(2.0, 96_000);
        let early = power(&response[9_600..14_400]);
        let late = power(&response[57_600..62_400]);
        let fallen = 10.0 * (early / late).log10();
        // One second of two: 30 dB, and more for the highs, which are damped.
        assert!((29.0..48.0).contains(&fallen), "{fallen} dB in a second");
        assert!(response[..PRE_DELAY].iter().flatten().all(|sample| sample.abs() < 1e-12));
    }

    #[test]
    fn left_and_right_differ() {
        let response = impulse_response(2.0, 48_000);
        let both: f64 = response.iter().map(|[l, r]| l * r).sum();
        let each: f64 = response.iter().map(|[l, _]| l * l).sum();
        assert!(both.abs() < 0.4 * each, "{both} of {each}");
    }
}
