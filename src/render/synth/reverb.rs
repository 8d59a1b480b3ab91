//! The room: one reverberator for the whole mix.
//!
//! First reflections, then a feedback delay network of sixteen lines with a Hadamard matrix (Jot and Chaigne, 1991) behind a
//! chain of all-passes; four of the lines swing by a few frames, in the piece's own time, so that no tone of the room stands out.
//! Linear and started from silence, so the tails of sections rendered apart, and those of stems, add up to the tail of the whole.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use super::{
    lanes::{LANES, Lanes, turn, widest},
    ring::{BLOCK, Frames, Ring},
    space::Room,
    voices::sine,
};

const LINES: usize = 16;
/// The lines are worked on in vectors.
const HALVES: usize = LINES / LANES;
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

/// The reverberator.
#[derive(Clone, Debug)]
pub(super) struct Reverb {
    /// Frames since the start of the piece.
    now: i64,
    pre: [Ring; 2],
    pre_frames: usize,
    early: [[(usize, f32); 6]; 2],
    diffusers: [[(Ring, usize); 4]; 2],
    lines: [(Ring, usize); LINES],
    /// Feedback gain of each line.
    gains: [Lanes; HALVES],
    /// State and strength of each line's damping.
    damped: [Lanes; HALVES],
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
        let gains = lengths.map(|frames| 10f64.powf(-3.0 * frames as f64 / RATE / room.seconds) as f32);
        let pre_frames = frames(room.pre_delay_ms);
        let latest = frames(42.0 * room.size);
        Self {
            now: start,
            pre: std::array::from_fn(|_| Ring::new(pre_frames + latest + BLOCK)),
            pre_frames,
            early: EARLY.map(|side| {
                side.map(|(ms, level)| {
                    (pre_frames + frames(ms * room.size), (0.5 * level * room.early) as f32)
                })
            }),
            diffusers: DIFFUSERS.map(|side| side.map(|frames| (Ring::new(frames), frames))),
            lines: lengths.map(|frames| (Ring::new(frames + 2 * SWING + 2), frames)),
            gains: std::array::from_fn(|half| Lanes(gains.as_chunks().0[half])),
            damped: [Lanes::default(); HALVES],
            damping: one_pole(room.damping_hz),
            low: [0.0; 2],
            low_share: 1.0 - one_pole(room.low_hz),
            width: room.width as f32,
            // Larger rooms hold the same sound in longer lines.
            level: (0.354 * room.size.sqrt()) as f32,
        }
    }

    /// What the room answers to the next frames, a block of them; only the last block may be shorter.
    pub(super) fn answer(&mut self, input: [&[f32]; 2]) -> [Frames; 2] {
        widest(
            #[inline(always)]
            || self.respond(input),
        )
    }

    #[inline(always)]
    fn respond(&mut self, input: [&[f32]; 2]) -> [Frames; 2] {
        self.hear(input);
        let mut answer = [[0.0; BLOCK]; 2];
        for (side, (answer, taps)) in answer.iter_mut().zip(&self.early).enumerate() {
            for (number, &(frames, level)) in taps.iter().enumerate() {
                // The first three come from the sound's own side.
                let heard: Frames = self.pre[(side + number / 3) % 2].read(frames + BLOCK);
                for (sum, sample) in answer.iter_mut().zip(&heard) {
                    *sum += level * sample;
                }
            }
        }
        let mut thick: [Frames; 2] = [0, 1].map(|side: usize| self.pre[side].read(self.pre_frames + BLOCK));
        for (thick, diffusers) in thick.iter_mut().zip(&mut self.diffusers) {
            for (delay, frames) in diffusers {
                let mut fresh = [0.0; BLOCK];
                let heard: Frames = delay.read(*frames);
                for ((sample, fresh), &old) in thick.iter_mut().zip(&mut fresh).zip(&heard) {
                    *fresh = *sample - DIFFUSION * old;
                    *sample = old + DIFFUSION * *fresh;
                }
                delay.push(&fresh);
            }
        }
        self.circulate(&thick, &mut answer);
        self.now += BLOCK as i64;
        answer
    }

    /// Takes in what comes next, without rumble.
    #[inline(always)]
    fn hear(&mut self, input: [&[f32]; 2]) {
        let mut fresh = [[0.0; BLOCK]; 2];
        for (fresh, samples) in fresh.iter_mut().zip(input) {
            for (fresh, sample) in fresh.iter_mut().zip(samples) {
                *fresh = *sample;
            }
        }
        let share = self.low_share;
        let mut low = self.low;
        let [left, right] = &mut fresh;
        for (left, right) in left.iter_mut().zip(right) {
            for (low, sample) in low.iter_mut().zip([left, right]) {
                *low = *low * (1.0 - share) + (share * *sample + BARELY);
                *sample -= *low;
            }
        }
        self.low = low;
        for (pre, fresh) in self.pre.iter_mut().zip(&fresh) {
            pre.push(fresh);
        }
    }

    /// Adds what comes out of the lines to the answer, and feeds it back to them with what is fresh.
    #[inline(always)]
    fn circulate(&mut self, fresh: &[Frames; 2], answer: &mut [Frames; 2]) {
        let mut lines = self.lines_end();
        let (keep, take) = (self.damping, 1.0 - self.damping);
        let mut damped = self.damped;
        for start in (0..BLOCK).step_by(LANES) {
            let mut out = [Lanes::default(); LINES];
            for (out, line) in out.iter_mut().zip(&lines) {
                *out = Lanes::at(line, start);
            }
            // All lines a frame at a time: what each waits for, the others do not.
            for ((frames, damped), gains) in
                out.as_chunks_mut().0.iter_mut().zip(&mut damped).zip(&self.gains)
            {
                turn(frames);
                for frame in &mut *frames {
                    *damped = *damped * keep + *frame * take;
                    *frame = *damped * *gains;
                }
                turn(frames);
            }
            let (mut left, mut right) = (Lanes::default(), Lanes::default());
            for group in out.chunks_exact(4) {
                left = left + (group[0] - group[2]);
                right = right + (group[1] - group[3]);
            }
            let (middle, apart) = ((left + right) * 0.5, (left - right) * (0.5 * self.width));
            for (side, sum) in answer.iter_mut().zip([middle + apart, middle - apart]) {
                (Lanes::at(side, start) + sum * self.level).put(side, start);
            }
            mix::<8>(&mut out);
            mix::<4>(&mut out);
            mix::<2>(&mut out);
            mix::<1>(&mut out);
            let fresh = [0, 1].map(|side: usize| Lanes::at(&fresh[side], start));
            for (number, (line, out)) in lines.iter_mut().zip(out).enumerate() {
                // The matrix is orthonormal with a quarter of its entries' size.
                (out * 0.25 + fresh[number % 2]).put(line, start);
            }
        }
        self.damped = damped;
        for (line, (delay, _)) in lines.iter().zip(&mut self.lines) {
            delay.push(line);
        }
    }

    /// What comes out of the lines.
    #[inline(always)]
    fn lines_end(&self) -> [Frames; LINES] {
        let mut lines = [[0.0; BLOCK]; LINES];
        for (number, ((delay, length), line)) in self.lines.iter().zip(&mut lines).enumerate() {
            if number % 4 != 0 {
                *line = delay.read(*length);
                continue;
            }
            // From the furthest point of the swing on.
            let heard: [f32; BLOCK + 2 * SWING + 2] = delay.read(length + 2 * SWING + 1);
            let hz = SWING_HZ[number / 4];
            let swing = |frame: i64| {
                let turns = hz * frame as f64 / RATE;
                SWING as f32 * (1.0 + sine((turns - turns.floor()) as f32))
            };
            // Straight from block to block: it moves by less than a tenth of a frame, so that three samples are enough.
            let (from, to) = (swing(self.now), swing(self.now + BLOCK as i64));
            let whole = from.min(to) as usize;
            let (from, step) = (from - whole as f32, (to - from) / BLOCK as f32);
            let [first, second, third] = [0, 1, 2].map(|i| &heard[whole + i..whole + i + BLOCK]);
            for (i, (line, ((first, second), third))) in
                line.iter_mut().zip(first.iter().zip(second).zip(third)).enumerate()
            {
                let at = from + step * i as f32;
                let (near, far) = ((1.0 - at).max(0.0), (at - 1.0).max(0.0));
                *line = second + (near * (first - second) + far * (third - second));
            }
        }
        lines
    }
}

/// One of the four steps of a Hadamard matrix of order 16: sums and differences of lines `SPAN` apart.
#[inline(always)]
fn mix<const SPAN: usize>(lines: &mut [Lanes; LINES]) {
    for pair in lines.chunks_exact_mut(2 * SPAN) {
        let (first, second) = pair.split_at_mut(SPAN);
        for (a, b) in first.iter_mut().zip(second) {
            (*a, *b) = (*a + *b, *a - *b);
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
