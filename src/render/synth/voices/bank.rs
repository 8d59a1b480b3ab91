//! Many sines that die away, each at its own rate: strings, bars, bells and pipes.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use super::{
    Canvas,
    signal::{Bend, RATE, decay, frames, pan, sine},
};
use crate::render::synth::lanes::widest;

/// Frames between two settings of the pitch.
const BLOCK: usize = 64;
/// Partials of a note whose places differ by less are heard from one place.
const SEAT: f32 = 0.2;
/// Amplitude below which partials are dropped: -100 dB, or 74 dB below the strongest of their note.
const SILENT: f32 = 1e-5;
const MASKED: f32 = 2e-4;
/// Change of pitch, as a share, that nobody hears: a sixth of a cent.
const INAUDIBLE: f32 = 1e-4;

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

/// A partial that sounds: a pointer that turns, and falls while it does.
#[derive(Clone, Copy, Debug)]
struct Tone {
    /// Where it points at the first frame of the next block.
    x: f32,
    y: f32,
    turns: Turns,
    /// Turns per frame, and the factor by which it falls per frame.
    pace: f32,
    fall: f32,
    /// Gains of the place that it is heard from.
    seat: [f32; 2],
}

/// What a pointer is turned by, as real and imaginary parts, so that frames need not wait for each other.
#[derive(Clone, Copy, Debug)]
struct Turns {
    /// By 0 to 63 frames.
    cos: [f32; BLOCK],
    sin: [f32; BLOCK],
    /// By a block.
    whole: [f32; 2],
}

/// Adds the partials to the canvas. Partials above 0.45 of the rate are left out.
pub(super) fn ring(partials: &[Partial], gesture: Gesture, canvas: &mut Canvas<'_>) {
    sing(partials, gesture, &Bend::still(), canvas);
}

/// As [`ring`], with a pitch that moves.
pub(super) fn sing(partials: &[Partial], gesture: Gesture, bend: &Bend, canvas: &mut Canvas<'_>) {
    let strongest = partials.iter().map(|partial| partial.amplitude.abs()).fold(0.0, f32::max);
    let silent = SILENT.max(MASKED * strongest);
    let audible = partials
        .iter()
        .filter(|partial| partial.hz < 0.45 * RATE && partial.amplitude.abs() > silent)
        .copied()
        .collect();
    let mut tones = seated(audible);
    let mut sounding: Vec<usize> = (0..tones.len()).collect();
    let attack = frames(gesture.attack).max(1);
    let hold = frames(gesture.hold) / BLOCK * BLOCK;
    let damping = decay(gesture.release);
    let mut bent = 1.0_f32;
    for (block, (left, right)) in
        canvas.left.chunks_mut(BLOCK).zip(canvas.right.chunks_mut(BLOCK)).enumerate()
    {
        if sounding.is_empty() {
            break;
        }
        let at = block * BLOCK;
        let ratio = if bend.is_still() { 1.0 } else { bend.ratio(at as f32 / RATE) };
        if at == hold || (ratio - bent).abs() > INAUDIBLE {
            bent = ratio;
            let damped = if at == hold { damping } else { 1.0 };
            widest(
                #[inline(always)]
                || {
                    for &number in &sounding {
                        let tone = &mut tones[number];
                        tone.fall *= damped;
                        tone.turns = Turns::new(tone.fall, tone.pace * ratio);
                    }
                },
            );
        }
        let mut sums = heard(&mut tones, &sounding);
        if at < attack {
            for (i, frame) in (at..attack).take(BLOCK).enumerate() {
                for side in &mut sums {
                    side[i] *= frame as f32 / attack as f32;
                }
            }
        }
        for (side, sum) in [left, right].into_iter().zip(&sums) {
            for (sample, sum) in side.iter_mut().zip(sum) {
                *sample += sum;
            }
        }
        sounding.retain(|&number| tones[number].x.abs() + tones[number].y.abs() > silent);
    }
}

/// The partials in order of their places, those that are close together in one.
fn seated(mut partials: Vec<Partial>) -> Vec<Tone> {
    partials.sort_by(|a, b| a.place.total_cmp(&b.place));
    let mut tones = Vec::with_capacity(partials.len());
    let mut rest = partials.as_slice();
    while let Some(first) = rest.first() {
        let count = rest.partition_point(|partial| partial.place < first.place + SEAT);
        let (here, others) = rest.split_at(count);
        let weight: f32 = here.iter().map(|partial| partial.amplitude.abs()).sum();
        let place = here.iter().map(|partial| partial.place * partial.amplitude.abs()).sum::<f32>() / weight;
        let seat = pan(place).into();
        tones.extend(here.iter().map(|partial| {
            let (pace, fall) = (partial.hz / RATE, decay(partial.seconds));
            Tone { x: partial.amplitude, y: 0.0, turns: Turns::new(fall, pace), pace, fall, seat }
        }));
        rest = others;
    }
    tones
}

/// The next block of those that sound, left and right.
fn heard(tones: &mut [Tone], sounding: &[usize]) -> [[f32; BLOCK]; 2] {
    let mut sides = [[0.0_f32; BLOCK]; 2];
    widest(
        #[inline(always)]
        || {
            let mut rest = sounding;
            while let Some(&first) = rest.first() {
                let seat = tones[first].seat;
                let mut sum = [0.0_f32; BLOCK];
                let here = rest.iter().take_while(|number| tones[**number].seat == seat).count();
                let (together, others) = rest.split_at(here);
                // Two at a time, so that the sum is fetched and stored less often.
                let (pairs, single) = together.as_chunks::<2>();
                for &[one, two] in pairs {
                    if let Ok([one, two]) = tones.get_disjoint_mut([one, two]) {
                        Tone::add([one, two], &mut sum);
                    }
                }
                for &number in single {
                    Tone::add([&mut tones[number]], &mut sum);
                }
                rest = others;
                for (side, gain) in sides.iter_mut().zip(seat) {
                    for (out, sample) in side.iter_mut().zip(&sum) {
                        *out += gain * sample;
                    }
                }
            }
        },
    );
    sides
}

impl Tone {
    /// Adds the next block of some tones.
    #[inline(always)]
    fn add<const COUNT: usize>(tones: [&mut Self; COUNT], sum: &mut [f32; BLOCK]) {
        for (i, sum) in sum.iter_mut().enumerate() {
            for Self { x, y, turns, .. } in &tones {
                *sum += y * turns.cos[i] + x * turns.sin[i];
            }
        }
        for Self { x, y, turns: Turns { whole, .. }, .. } in tones {
            (*x, *y) = (*x * whole[0] - *y * whole[1], *x * whole[1] + *y * whole[0]);
        }
    }
}

impl Turns {
    /// Multiples of `pace`, in turns per frame and below a half, that fall by a factor per frame.
    #[inline(always)]
    fn new(fall: f32, pace: f32) -> Self {
        /// Frames that are worked out: the first ones, and those by which what is known is turned to double it.
        const FRAMES: [i32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 0, 0, 0, 0];
        const FIRST: usize = 8;
        let pace = pace.min(0.49);
        let mut falls = [1.0_f32; FRAMES.len()];
        for n in 1..FIRST {
            falls[n] = falls[n - 1] * fall;
        }
        falls[FIRST] = falls[FIRST / 2] * falls[FIRST / 2];
        for n in FIRST + 1..FIRST + 4 {
            falls[n] = falls[n - 1] * falls[n - 1];
        }
        let (mut x, mut y) = ([0.0_f32; FRAMES.len()], [0.0_f32; FRAMES.len()]);
        for n in 0..FRAMES.len() {
            let turns = FRAMES[n] as f32 * pace;
            x[n] = falls[n] * sine(turns + 0.25);
            y[n] = falls[n] * sine(turns);
        }
        let (mut cos, mut sin) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK]);
        cos[..FIRST].copy_from_slice(&x[..FIRST]);
        sin[..FIRST].copy_from_slice(&y[..FIRST]);
        for (n, known) in [(FIRST, 8), (FIRST + 1, 16), (FIRST + 2, 32)] {
            let (c, s) = (x[n], y[n]);
            let (cos, more_cos) = cos.split_at_mut(known);
            let (sin, more_sin) = sin.split_at_mut(known);
            for (((cos, sin), x), y) in cos.iter().zip(&*sin).zip(more_cos).zip(more_sin) {
                (*x, *y) = (cos * c - sin * s, cos * s + sin * c);
            }
        }
        Self { cos, sin, whole: [x[FIRST + 3], y[FIRST + 3]] }
    }
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
