//! Rain, thunder, wind, water, fire.

use super::{Event, slow};
use crate::{
    audio::Random,
    render::synth::voices::{
        Canvas,
        filter::Filter,
        signal::{Noise, RATE, Sine, decay, pan, turn},
    },
};

pub(super) fn rain(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    let near = 0.8 + 0.4 * slow(seconds, 19.0);
    for side in [&mut *canvas.left, &mut *canvas.right] {
        let mut hiss = Filter::new(5200.0, 0.5);
        let mut body = Filter::new(1100.0, 0.5);
        for sample in side.iter_mut() {
            let noise = white.next();
            *sample += near * (0.075 * hiss.next(noise).band + 0.045 * body.next(noise).band);
        }
    }
    drops(220.0, 900.0, 2.7, 0.13, 0.022, random, canvas);
}

pub(super) fn wind(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let apart = number as f32 * 0.9;
        let mut low = Filter::default();
        let mut whistle = Filter::default();
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE + apart;
            let gust = slow(now, 9.0) * (0.6 + 0.4 * slow(now, 3.1));
            low.tune(180.0 + 520.0 * gust, 0.9);
            whistle.tune(520.0 + 700.0 * slow(now, 6.3), 7.0);
            let level = 0.25 + 0.75 * gust;
            for sample in samples {
                let noise = white.next();
                *sample += level * (0.26 * low.next(noise).band + 0.05 * gust * whistle.next(noise).band);
            }
        }
    }
}

pub(super) fn sea(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let apart = number as f32 * 0.55;
        let mut roar = Filter::default();
        let mut foam = Filter::new(4300.0, 0.5);
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE - apart;
            // Waves rise fast and run out slowly, two sets of them.
            let wave = |period: f32, shift: f32| {
                let along = (now / period + shift).rem_euclid(1.0);
                let rise = (along / 0.3).min(1.0);
                let run_out = ((1.0 - along) / 0.7).min(1.0);
                (rise * rise * (3.0 - 2.0 * rise)) * run_out * run_out
            };
            let swell = (0.75 * wave(8.7, 0.1) + 0.45 * wave(13.1, 0.6)).min(1.0);
            roar.tune(260.0 + 900.0 * swell, 0.6);
            let (deep, bright) = (0.2 + 0.8 * swell, 0.06 + 0.94 * swell * swell);
            for sample in samples {
                let noise = white.next();
                *sample += 0.2 * deep * roar.next(noise).low + 0.1 * bright * foam.next(noise).band;
            }
        }
    }
}

/// Drops and bubbles: tones of a few milliseconds that rise in pitch, `rate` of them in a second.
fn drops(
    rate: f32,
    lowest: f32,
    octaves: f32,
    level: f32,
    seconds: f32,
    random: &mut Random,
    canvas: &mut Canvas<'_>,
) {
    let sine = Sine::table();
    let frames = canvas.left.len();
    for _ in 0..(frames as f32 / RATE * rate) as usize {
        let at = random.below(frames);
        let hz = lowest * (octaves * random.unit() as f32).exp2();
        let close = random.unit() as f32;
        let (to_left, to_right) = pan(1.6 * random.unit() as f32 - 0.8);
        let fall = decay(seconds * (0.4 + close));
        let (mut phase, mut amplitude) = (0_u32, level * (0.1 + 0.9 * close.powi(4)));
        let mut step = turn(hz);
        let rise = (step as f32 * 0.35 / (seconds * RATE)) as u32;
        let mut gain = 0.0_f32;
        for (left, right) in canvas.left[at..].iter_mut().zip(canvas.right[at..].iter_mut()) {
            gain = (gain + 1.0 / 48.0).min(1.0);
            let sample = gain * amplitude * sine.at(phase);
            *left += to_left * sample;
            *right += to_right * sample;
            phase = phase.wrapping_add(step);
            step += rise;
            amplitude *= fall;
            if amplitude < 2e-4 {
                break;
            }
        }
    }
}

pub(super) fn stream(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let apart = number as f32 * 1.7;
        let mut rush = Filter::default();
        let mut gurgle = Filter::default();
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE + apart;
            rush.tune(1500.0 + 900.0 * slow(now, 2.3), 0.5);
            gurgle.tune(420.0 + 500.0 * slow(now, 0.7), 1.6);
            let level = 0.6 + 0.4 * slow(now, 1.9);
            for sample in samples {
                let noise = white.next();
                *sample += level * (0.09 * rush.next(noise).band + 0.05 * gurgle.next(noise).band);
            }
        }
    }
    drops(70.0, 350.0, 2.2, 0.16, 0.05, random, canvas);
}

/// What is left of storms that are far away.
pub(super) fn far_thunder(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let mut low = [Filter::new(90.0, 0.6), Filter::new(140.0, 0.6)];
        let mut air = Filter::new(2400.0, 0.4);
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE + 0.4 * number as f32;
            let level = slow(now, 7.0) * slow(now, 2.9);
            for sample in samples {
                let noise = white.next();
                let once = low[0].next(noise).low;
                let rumble = low[1].next(once).low;
                *sample += 0.5 * level * rumble + 0.004 * air.next(noise).band;
            }
        }
    }
}

/// A clap of thunder, near or far: a crack, then bursts that roll and darken.
pub(super) fn clap(random: &mut Random) -> Option<Event> {
    if random.chance(0.35) {
        return None;
    }
    let near = random.unit() as f32;
    let mut event = Event::new(random.between(0.0, 11.0) as f32, 9.0);
    let frames = event.left.len();
    // The roll: a level that is thrown up again and again.
    let mut bursts: Vec<(f32, f32, f32)> = (0..9)
        .map(|_| {
            let at = 4.5 * (random.unit() as f32).powi(2);
            (at, random.between(0.25, 1.0) as f32 * (-0.4 * at).exp(), random.between(0.4, 1.6) as f32)
        })
        .collect();
    bursts.push((0.0, 0.6 + 0.5 * near, 0.9));
    let (to_left, to_right) = pan(random.between(-0.5, 0.5) as f32);
    let mut level = vec![0.0_f32; frames.div_ceil(64)];
    for (at, size, seconds) in bursts {
        let first = (at * RATE / 64.0) as usize;
        for (i, level) in level.iter_mut().skip(first).enumerate() {
            let along = i as f32 * 64.0 / RATE;
            *level += size * (along / 0.03).min(1.0) * (-6.9 * along / (2.2 * seconds)).exp();
        }
    }
    for (side, gain) in [(&mut event.left, to_left), (&mut event.right, to_right)] {
        let mut white = Noise::new(random);
        let mut low = [Filter::default(), Filter::default()];
        let mut crack = Filter::new(1300.0, 0.5);
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = block as f32 * 64.0 / RATE;
            let open = 70.0 + (160.0 + 900.0 * near) * (-now / 0.8).exp();
            low[0].tune(open, 0.6);
            low[1].tune(1.5 * open, 0.6);
            // It must have gone when the event is over.
            let end = (9.0 - now).clamp(0.0, 1.0);
            let roll = end * level[block] * gain * (0.35 + 0.35 * near);
            let snap = 0.25 * near * near * gain * (-now / 0.05).exp();
            for sample in samples {
                let noise = white.next();
                let once = low[0].next(noise).low;
                *sample = roll * low[1].next(once).low + snap * crack.next(noise).band;
            }
        }
    }
    Some(event)
}

pub(super) fn fire(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let mut roar = Filter::default();
        let mut hiss = Filter::new(4800.0, 0.4);
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE + 0.3 * number as f32;
            let flame = slow(now, 1.7) * (0.6 + 0.4 * slow(now, 0.43));
            roar.tune(150.0 + 220.0 * flame, 0.6);
            for sample in samples {
                let noise = white.next();
                *sample += 0.22 * (0.4 + flame) * roar.next(noise).low + 0.012 * hiss.next(noise).band;
            }
        }
    }
    // Crackles come in clusters: most small, a few loud.
    let frames = canvas.left.len();
    for _ in 0..(frames as f32 / RATE * 5.0) as usize {
        let at = random.below(frames);
        for _ in 0..=random.below(6) {
            let at = (at + random.below(4800)).min(frames - 1);
            let size = random.unit() as f32;
            let level = 0.05 + 0.3 * size.powi(6);
            let (to_left, to_right) = pan(1.2 * random.unit() as f32 - 0.6);
            let hz = random.between(900.0, 5200.0) as f32 * (1.2 - 0.7 * size);
            let mut ring = Filter::new(hz, 2.2);
            let mut amplitude = level;
            let fall = decay(0.006 + 0.03 * size);
            let mut snap = Noise::new(random);
            for (left, right) in canvas.left[at..].iter_mut().zip(canvas.right[at..].iter_mut()).take(1600) {
                let sample = 2.2 * ring.next(amplitude * snap.next()).band;
                amplitude *= fall;
                *left += to_left * sample;
                *right += to_right * sample;
            }
        }
    }
}
