//! Birds and crickets.

use super::{Event, slow};
use crate::{
    audio::Random,
    render::synth::voices::{
        Canvas,
        filter::Filter,
        signal::{Noise, RATE, Sine, pan, turn},
    },
};

/// The air that birds sing in.
pub(super) fn garden(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let mut leaves = Filter::new(3200.0, 0.4);
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE + 0.9 * number as f32;
            let level = 0.006 + 0.014 * slow(now, 5.3);
            for sample in samples {
                *sample += level * leaves.next(white.next()).band;
            }
        }
    }
}

/// One note of a song, from one pitch to another.
struct Chirp {
    at: f32,
    seconds: f32,
    from: f32,
    to: f32,
    /// How far and how often the pitch trembles: share, hertz.
    tremble: (f32, f32),
    level: f32,
}

/// What one of the six birds around sings, if it does. The birds are the seed's: each has its own voice and its place.
pub(super) fn phrase(seed: u64, random: &mut Random) -> Option<Event> {
    if random.chance(0.42) {
        return None;
    }
    let number = random.below(6);
    let mut own = Random::stream(seed, &format!("bird {number}"));
    let kind = (number + own.below(2)) % 4;
    let pitch = own.between(0.85, 1.2) as f32;
    let (to_left, to_right) = pan(own.between(-0.9, 0.9) as f32);
    let near = own.between(0.25, 1.0) as f32 * random.between(0.7, 1.0) as f32;
    let chirps = match kind {
        0 => whistler(pitch, random),
        1 => caller(pitch, random),
        2 => triller(pitch, random),
        _ => warbler(pitch, random),
    };
    let end = chirps.iter().map(|chirp| chirp.at + chirp.seconds).fold(0.0, f32::max);
    let mut event = Event::new(random.between(0.0, 0.9) as f32, (end + 0.05).min(3.0));
    let sine = Sine::table();
    for chirp in chirps {
        let from = (chirp.at * RATE) as usize;
        let length = (chirp.seconds * RATE) as usize;
        let mut canvas = event.canvas();
        let canvas = canvas.after(from);
        let mut phase = 0_u32;
        let mut step = 0;
        for (i, (l, r)) in canvas.left.iter_mut().zip(canvas.right.iter_mut()).take(length).enumerate() {
            let along = i as f32 / length as f32;
            if i % 16 == 0 {
                let (depth, hz) = chirp.tremble;
                let tremble = 1.0 + depth * (std::f32::consts::TAU * hz * i as f32 / RATE).sin();
                let bow = along * along * (3.0 - 2.0 * along);
                step = turn(chirp.from * (chirp.to / chirp.from).powf(bow) * tremble);
            }
            phase = phase.wrapping_add(step);
            let swell = (along * 6.0).min(1.0) * ((1.0 - along) * 3.0).min(1.0);
            let tone = sine.at(phase) + 0.12 * sine.at(phase.wrapping_mul(2));
            let sample = 0.16 * near * chirp.level * swell * tone;
            *l += to_left * sample;
            *r += to_right * sample;
        }
    }
    Some(event)
}

/// Slow flute-like notes, and a scratch at the end.
fn whistler(pitch: f32, random: &mut Random) -> Vec<Chirp> {
    let mut at = 0.0;
    let mut chirps = Vec::new();
    for _ in 0..3 + random.below(4) {
        let seconds = random.between(0.1, 0.28) as f32;
        let from = pitch * random.between(1700.0, 2900.0) as f32;
        let to = from * random.between(0.82, 1.22) as f32;
        chirps.push(Chirp {
            at,
            seconds,
            from,
            to,
            tremble: (0.006, 28.0),
            level: random.between(0.6, 1.0) as f32,
        });
        at += seconds + random.between(0.02, 0.09) as f32;
    }
    for _ in 0..random.below(4) {
        let from = pitch * random.between(4000.0, 6500.0) as f32;
        chirps.push(Chirp { at, seconds: 0.04, from, to: 0.8 * from, tremble: (0.05, 90.0), level: 0.3 });
        at += 0.055;
    }
    chirps
}

/// Two notes, high and low, again and again.
fn caller(pitch: f32, random: &mut Random) -> Vec<Chirp> {
    let (high, low) = (4900.0 * pitch, 3700.0 * pitch);
    let pace = random.between(0.17, 0.24) as f32;
    (0..2 * (2 + random.below(4)))
        .map(|number| {
            let hz = if number % 2 == 0 { high } else { low };
            let tremble = (0.004, 40.0);
            Chirp {
                at: pace * number as f32,
                seconds: 0.7 * pace,
                from: hz,
                to: 0.96 * hz,
                tremble,
                level: 0.6,
            }
        })
        .collect()
}

/// A row of equal notes that quickens.
fn triller(pitch: f32, random: &mut Random) -> Vec<Chirp> {
    let count = 8 + random.below(14);
    let from = pitch * random.between(4200.0, 5600.0) as f32;
    let mut at = 0.0;
    (0..count)
        .map(|number| {
            let along = number as f32 / count as f32;
            let hz = from * (1.0 - 0.2 * along);
            let chirp = Chirp {
                at,
                seconds: 0.05,
                from: 1.15 * hz,
                to: 0.8 * hz,
                tremble: (0.0, 1.0),
                level: 0.35 + 0.4 * along,
            };
            at += 0.105 - 0.04 * along;
            chirp
        })
        .collect()
}

/// Quick notes up and down.
fn warbler(pitch: f32, random: &mut Random) -> Vec<Chirp> {
    let mut at = 0.0;
    (0..7 + random.below(12))
        .map(|_| {
            let seconds = random.between(0.04, 0.12) as f32;
            let from = pitch * random.between(2600.0, 5200.0) as f32;
            let to = from * random.between(0.65, 1.5) as f32;
            let chirp = Chirp {
                at,
                seconds,
                from,
                to,
                tremble: (0.02, 60.0),
                level: random.between(0.3, 0.7) as f32,
            };
            at += seconds + random.between(0.005, 0.05) as f32;
            chirp
        })
        .collect()
}

/// Nine crickets, each with its own pitch, pace and place: a function of time alone.
pub(super) fn crickets(seed: u64, start: i64, canvas: &mut Canvas<'_>) {
    const CONTROL: usize = 16;
    let sine = Sine::table();
    for number in 0..9 {
        let mut own = Random::stream(seed, &format!("cricket {number}"));
        let step = turn(own.between(3900.0, 5300.0) as f32);
        let (wings, pause) = (own.between(26.0, 38.0), own.between(0.35, 0.9));
        let strokes = own.between(2.6, 4.6).floor();
        let offset = own.between(0.0, 10.0);
        let level = 0.05 * own.between(0.15, 1.0) as f32;
        let (to_left, to_right) = pan(own.between(-1.0, 1.0) as f32);
        let song = strokes / wings + pause;
        let rest = own.between(9.0, 20.0);
        let gain_at = |frame: i64| -> f32 {
            let now = frame as f64 / f64::from(RATE) + offset;
            let into = now.rem_euclid(song) * wings;
            // Now and then one falls silent for a while.
            let awake = (3.0 * (std::f64::consts::TAU * now / rest).sin() + 2.0).clamp(0.0, 1.0);
            if into < strokes {
                (awake * (std::f64::consts::PI * into.fract()).sin().powi(2)) as f32
            } else {
                0.0
            }
        };
        let mut frame = 0;
        while frame < canvas.left.len() {
            let at = start + frame as i64;
            let into = at.rem_euclid(CONTROL as i64);
            let until = (frame + CONTROL - into as usize).min(canvas.left.len());
            let (from, to) = (gain_at(at - into), gain_at(at - into + CONTROL as i64));
            if from > 0.0 || to > 0.0 {
                for i in frame..until {
                    let along = (into as usize + i - frame) as f32 / CONTROL as f32;
                    let gain = level * (from + (to - from) * along);
                    let phase = u64::from(step).wrapping_mul((start + i as i64) as u64) as u32;
                    let sample = gain * (sine.at(phase) + 0.15 * sine.at(phase.wrapping_mul(2)));
                    canvas.left[i] += to_left * sample;
                    canvas.right[i] += to_right * sample;
                }
            }
            frame = until;
        }
    }
}
