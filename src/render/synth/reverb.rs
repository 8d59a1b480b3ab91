//! The room: one reverberator for the whole mix.
//!
//! First reflections, then a feedback delay network of sixteen lines with a Hadamard matrix (Jot and Chaigne, 1991) behind a
//! chain of all-passes; four of the lines swing by a few frames, in the piece's own time, so that no tone of the room stands out.
//! Linear and started from silence, so the tails of sections rendered apart, and those of stems, add up to the tail of the whole.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use super::{lanes::widest, space::Room};

/// Frames that are worked on at a time; no delay is shorter.
pub(super) const BLOCK: usize = 64;
const LINES: usize = 16;
/// Delay of each line of a hall in frames at 48 kHz: primes, 23 to 71 ms, long and short ones in turn.
const FRAMES: [usize; LINES] =
    [1103, 2417, 1327, 2683, 1549, 2939, 1783, 3181, 1999, 3407, 2179, 1213, 2543, 1447, 2801, 1663];
/// All-passes that thicken the input, left and right.
const DIFFUSERS: [[usize; 4]; 2] = [[142, 277, 379, 563], [151, 263, 397, 541]];
const DIFFUSION: f32 = 0.62;
/// First reflections of a hall: milliseconds after the pre-delay, level, and the same for the other side's sound.
const EARLY: [[(f64, f64); 6]; 2] = [
    [(7.9, 0.8), (17.3, -0.66), (29.7, 0.55), (11.2, 0.5), (23.8, 0.45), (41.3, -0.4)],
    [(9.1, 0.8), (15.1, 0.62), (33.1, -0.55), (12.7, -0.5), (26.3, 0.45), (38.9, 0.4)],
];
/// How far the swinging lines swing, in frames, and how fast, in turns per second.
const SWING: usize = 7;
const SWING_HZ: [f64; 4] = [0.53, 0.67, 0.79, 0.91];
/// -360 dB: keeps the network from denormal numbers in silence, in which processors are many times slower.
const BARELY: f32 = 1e-18;
const RATE: f64 = 48_000.0;

type Frames = [f32; BLOCK];

/// A ring of past samples, read and written a block at a time.
#[derive(Clone, Debug)]
struct Delay {
    past: Vec<f32>,
    at: usize,
}

impl Delay {
    /// Holds `frames` frames and a block.
    fn new(frames: usize) -> Self {
        Self { past: vec![0.0; frames + BLOCK], at: 0 }
    }

    /// Writes what comes next.
    fn push(&mut self, block: &[f32]) {
        let (first, second) = block.split_at(block.len().min(self.past.len() - self.at));
        self.past[self.at..self.at + first.len()].copy_from_slice(first);
        self.past[..second.len()].copy_from_slice(second);
        self.at = (self.at + block.len()) % self.past.len();
    }

    /// Copies frames that were written, from `back` frames before the next one on.
    fn read(&self, back: usize, into: &mut [f32]) {
        let from = (self.at + self.past.len() - back) % self.past.len();
        let (first, second) = into.split_at_mut(into.len().min(self.past.len() - from));
        first.copy_from_slice(&self.past[from..from + first.len()]);
        second.copy_from_slice(&self.past[..second.len()]);
    }
}

/// The reverberator.
#[derive(Clone, Debug)]
pub(super) struct Reverb {
    /// Frames since the start of the piece.
    now: i64,
    pre: [Delay; 2],
    pre_frames: usize,
    early: [[(usize, f32); 6]; 2],
    diffusers: [[(Delay, usize); 4]; 2],
    lines: [(Delay, usize); LINES],
    /// Feedback gain of each line.
    gains: [f32; LINES],
    /// State and strength of each line's damping.
    damped: [f32; LINES],
    damping: f32,
    /// High-pass at the input: no rumble in the room.
    low: [f32; 2],
    low_share: f32,
    width: f32,
    level: f32,
}

impl Reverb {
    /// The reverberator of a room, for a rendering that starts `start` frames into the piece.
    pub(super) fn new(room: &Room, start: i64) -> Self {
        let one_pole = |hz: f64| (-std::f64::consts::TAU * hz / RATE).exp() as f32;
        let frames = |ms: f64| (0.001 * ms * RATE) as usize;
        let lengths = FRAMES.map(|frames| (frames as f64 * room.size) as usize | 1);
        let pre_frames = frames(room.pre_delay_ms);
        let latest = frames(42.0 * room.size);
        Self {
            now: start,
            pre: std::array::from_fn(|_| Delay::new(pre_frames + latest + BLOCK)),
            pre_frames,
            early: EARLY.map(|side| {
                side.map(|(ms, level)| {
                    (pre_frames + frames(ms * room.size), (0.5 * level * room.early) as f32)
                })
            }),
            diffusers: DIFFUSERS.map(|side| side.map(|frames| (Delay::new(frames), frames))),
            lines: lengths.map(|frames| (Delay::new(frames + 2 * SWING + 2), frames)),
            gains: lengths.map(|frames| 10f64.powf(-3.0 * frames as f64 / RATE / room.seconds) as f32),
            damped: [0.0; LINES],
            damping: one_pole(room.damping_hz),
            low: [0.0; 2],
            low_share: 1.0 - one_pole(room.low_hz),
            width: room.width as f32,
            // Larger rooms hold the same sound in longer lines.
            level: (0.354 * room.size.sqrt()) as f32,
        }
    }

    /// What the room answers to the next frames, up to a block of them.
    pub(super) fn answer(&mut self, input: [&[f32]; 2]) -> [Frames; 2] {
        widest(
            #[inline(always)]
            || self.respond(input),
        )
    }

    #[inline(always)]
    fn respond(&mut self, input: [&[f32]; 2]) -> [Frames; 2] {
        let count = input[0].len().min(BLOCK);
        let mut answer = [[0.0; BLOCK]; 2];
        let mut thick = [[0.0; BLOCK]; 2];
        for (side, samples) in input.into_iter().enumerate() {
            let mut fresh = [0.0; BLOCK];
            for (fresh, &sample) in fresh.iter_mut().zip(samples) {
                self.low[side] += self.low_share * (sample - self.low[side]) + BARELY;
                *fresh = sample - self.low[side];
            }
            self.pre[side].push(&fresh[..count]);
        }
        let mut heard = [0.0; BLOCK];
        for (side, taps) in self.early.iter().enumerate() {
            for (number, &(frames, level)) in taps.iter().enumerate() {
                // The first three come from the sound's own side.
                self.pre[(side + number / 3) % 2].read(frames + count, &mut heard[..count]);
                for (sum, sample) in answer[side].iter_mut().zip(&heard) {
                    *sum += level * sample;
                }
            }
        }
        for (side, thick) in thick.iter_mut().enumerate() {
            self.pre[side].read(self.pre_frames + count, &mut thick[..count]);
            for (delay, frames) in &mut self.diffusers[side] {
                let mut fresh = [0.0; BLOCK];
                delay.read(*frames, &mut heard[..count]);
                for ((sample, fresh), &old) in thick.iter_mut().zip(&mut fresh).zip(&heard) {
                    *fresh = *sample - DIFFUSION * old;
                    *sample = old + DIFFUSION * *fresh;
                }
                delay.push(&fresh[..count]);
            }
        }
        let mut lines = self.circulate(count);
        for i in 0..BLOCK {
            let (mut left, mut right) = (0.0, 0.0);
            for group in lines.chunks_exact(4) {
                left += group[0][i] - group[2][i];
                right += group[1][i] - group[3][i];
            }
            let (middle, apart) = (0.5 * (left + right), 0.5 * self.width * (left - right));
            answer[0][i] += self.level * (middle + apart);
            answer[1][i] += self.level * (middle - apart);
        }
        mix::<8>(&mut lines);
        mix::<4>(&mut lines);
        mix::<2>(&mut lines);
        mix::<1>(&mut lines);
        for (number, (line, (delay, _))) in lines.iter_mut().zip(&mut self.lines).enumerate() {
            for (sample, fresh) in line.iter_mut().zip(&thick[number % 2]) {
                // The matrix is orthonormal with a quarter of its entries' size.
                *sample = 0.25 * *sample + fresh;
            }
            delay.push(&line[..count]);
        }
        self.now += count as i64;
        answer
    }

    /// Damps what comes out of the lines, all of them a frame at a time: what each waits for, the others do not.
    #[inline(always)]
    fn damp(&mut self, lines: &mut [Frames; LINES], count: usize) {
        const FEW: usize = 8;
        let (keep, take) = (self.damping, 1.0 - self.damping);
        let mut damped = self.damped;
        for start in (0..count).step_by(FEW) {
            let mut frames = [[0.0_f32; LINES]; FEW];
            for (number, line) in lines.iter().enumerate() {
                for (frame, sample) in frames.iter_mut().zip(&line[start..start + FEW]) {
                    frame[number] = *sample;
                }
            }
            for frame in frames.iter_mut().take(count - start) {
                for ((sample, damped), gain) in frame.iter_mut().zip(&mut damped).zip(&self.gains) {
                    *damped = keep * *damped + take * *sample;
                    *sample = gain * *damped;
                }
            }
            for (number, line) in lines.iter_mut().enumerate() {
                for (frame, sample) in frames.iter().zip(&mut line[start..start + FEW]) {
                    *sample = frame[number];
                }
            }
        }
        self.damped = damped;
    }

    /// What comes out of the lines, damped.
    #[inline(always)]
    fn circulate(&mut self, count: usize) -> [Frames; LINES] {
        let mut lines = [[0.0; BLOCK]; LINES];
        let mut heard = [0.0; BLOCK + 2 * SWING + 2];
        for (number, ((delay, length), line)) in self.lines.iter().zip(&mut lines).enumerate() {
            if number % 4 != 0 {
                delay.read(*length, &mut line[..count]);
                continue;
            }
            // From the furthest point of the swing on.
            let reach = 2 * SWING + 1;
            delay.read(length + reach, &mut heard[..count + reach]);
            let hz = SWING_HZ[number / 4];
            let swing = |frame: i64| {
                let turns = hz * frame as f64 / RATE;
                SWING as f32 * (1.0 + (std::f64::consts::TAU * turns.fract()).sin() as f32)
            };
            // Straight from block to block: it moves by less than a tenth of a frame.
            let from = swing(self.now);
            let step = 1.0 + (swing(self.now + BLOCK as i64) - from) / BLOCK as f32;
            for (i, sample) in line.iter_mut().enumerate().take(count) {
                let at = from + step * i as f32;
                let whole = at as usize;
                let part = at - whole as f32;
                *sample = heard[whole] + part * (heard[whole + 1] - heard[whole]);
            }
        }
        self.damp(&mut lines, count);
        lines
    }
}

/// One of the four steps of a Hadamard matrix of order 16: sums and differences of lines `SPAN` apart.
#[inline(always)]
fn mix<const SPAN: usize>(lines: &mut [Frames; LINES]) {
    for pair in lines.chunks_exact_mut(2 * SPAN) {
        let (first, second) = pair.split_at_mut(SPAN);
        for (first, second) in first.iter_mut().zip(second) {
            for (a, b) in first.iter_mut().zip(second) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(room: &Room, frames: usize) -> Vec<[f64; 2]> {
        let mut reverb = Reverb::new(room, -100);
        let mut input = vec![0.0; frames];
        input[0] = 1.0;
        let answers = input.chunks(BLOCK).map(|block| (block.len(), reverb.answer([block, block])));
        answers.flat_map(|(count, [l, r])| (0..count).map(move |i| [l[i], r[i]].map(f64::from))).collect()
    }

    fn power(frames: &[[f64; 2]]) -> f64 {
        frames.iter().map(|[l, r]| l * l + r * r).sum::<f64>() / frames.len() as f64
    }

    #[test]
    fn the_tail_falls_as_asked() {
        for name in ["hall", "room", "cathedral"] {
            let room = Room { damping_hz: 20_000.0, ..Room::named(name).unwrap() };
            let half = (0.5 * room.seconds * RATE) as usize;
            let response = response(&room, 3 * half + 14_400);
            // Once the first reflections are over.
            let from = (0.15 * room.seconds * RATE) as usize + 4800;
            let part = |from: usize| power(&response[from..from + 4800]);
            let (early, late) = (part(from), part(from + half));
            let fallen = 10.0 * (early / late).log10();
            // Half of its time: 30 dB, and a little more for the highs, which are damped.
            assert!((28.0..38.0).contains(&fallen), "{name}: {fallen} dB");
            let pre = (0.001 * room.pre_delay_ms * RATE) as usize;
            assert!(response[..pre].iter().flatten().all(|sample| sample.abs() < 1e-12), "{name}");
        }
    }

    #[test]
    fn left_and_right_differ_and_it_is_dense() {
        let response = response(&Room::named("hall").unwrap(), 48_000);
        let both: f64 = response.iter().map(|[l, r]| l * r).sum();
        let each: f64 = response.iter().map(|[l, _]| l * l).sum();
        assert!(both.abs() < 0.4 * each, "{both} of {each}");
        // Noise-like: peaks no higher than those of noise.
        let late = &response[9600..14_400];
        let peak = late.iter().flatten().fold(0.0_f64, |peak, sample| peak.max(sample.abs()));
        assert!(peak < 5.5 * (0.5 * power(late)).sqrt(), "{peak}");
    }

    /// Cut in two anywhere and rendered apart, the parts add up.
    #[test]
    fn it_is_linear_in_the_time_of_the_piece() {
        let room = Room::named("hall").unwrap();
        let sound: Vec<f32> = (0..20_000).map(|i| ((i * i) as f32 * 1e-5).sin()).collect();
        let cut = 7_777;
        let play = |from: usize, until: usize| -> Vec<f32> {
            let mut reverb = Reverb::new(&room, from as i64);
            let mut part = vec![0.0_f32; 30_000 - from];
            part[..until - from].copy_from_slice(&sound[from..until]);
            part.chunks(BLOCK).flat_map(|b| reverb.answer([b, b])[0][..b.len()].to_vec()).collect()
        };
        let (whole, first, second) = (play(0, 20_000), play(0, cut), play(cut, 20_000));
        for (i, sample) in whole.iter().enumerate() {
            let sum = first[i] + i.checked_sub(cut).map_or(0.0, |i| second[i]);
            assert!((sum - sample).abs() < 5e-5, "{sum} for {sample} at {i}");
        }
    }
}
