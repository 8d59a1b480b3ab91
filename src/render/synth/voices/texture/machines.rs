//! Records, tape, traffic.

use super::{Event, slow};
use crate::{
    audio::Random,
    render::synth::voices::{
        Canvas,
        filter::Filter,
        signal::{Noise, RATE, Sine, pan, turn},
    },
};

pub(super) fn vinyl(random: &mut Random, canvas: &mut Canvas<'_>) {
    let frames = canvas.left.len();
    let mut white = Noise::new(random);
    let mut hiss = [Filter::new(6000.0, 0.4), Filter::new(6000.0, 0.4)];
    let mut rumble = [Filter::new(70.0, 0.9), Filter::new(70.0, 0.9)];
    for (left, right) in canvas.left.iter_mut().zip(canvas.right.iter_mut()) {
        *left += 0.06 * rumble[0].next(white.next()).band + 0.03 * hiss[0].next(white.next()).band;
        *right += 0.06 * rumble[1].next(white.next()).band + 0.03 * hiss[1].next(white.next()).band;
    }
    let crackles = (frames as f32 / RATE * 26.0) as usize;
    for _ in 0..crackles {
        let at = random.below(frames);
        let size = random.unit() as f32;
        let level = 0.04 + 0.15 * size.powi(9);
        let place = 0.3 + 0.4 * random.unit() as f32;
        let (to_left, to_right) = ((1.0 - place).sqrt(), place.sqrt());
        let mut click = Filter::new(random.between(1200.0, 5200.0) as f32, 1.6);
        let mut input = level * if random.chance(0.5) { 6.0 } else { -6.0 };
        for (left, right) in canvas.left[at..].iter_mut().zip(canvas.right[at..].iter_mut()).take(300) {
            let sample = click.next(input).band;
            input = 0.0;
            *left += to_left * sample;
            *right += to_right * sample;
        }
    }
}

pub(super) fn tape_hiss(random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    for side in [&mut *canvas.left, &mut *canvas.right] {
        let mut hiss = Filter::new(7000.0, 0.4);
        let mut low = Filter::new(120.0, 0.6);
        for sample in side {
            let noise = white.next();
            *sample += 0.11 * hiss.next(noise).band + 0.02 * low.next(noise).band;
        }
    }
}

/// A town far below.
pub(super) fn traffic(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut white = Noise::new(random);
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let mut low = Filter::new(130.0, 0.6);
        let mut middle = Filter::default();
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE + 0.8 * number as f32;
            let busy = 0.5 + 0.5 * slow(now, 11.0);
            middle.tune(380.0 + 240.0 * slow(now, 4.7), 0.5);
            for sample in samples {
                let noise = white.next();
                *sample += busy * (0.3 * low.next(noise).low + 0.035 * middle.next(noise).band);
            }
        }
    }
}

/// A car that goes by, or a horn a few streets away.
pub(super) fn passes(random: &mut Random) -> Option<Event> {
    let after = random.between(0.0, 5.0) as f32;
    if random.chance(0.06) {
        return Some(horn(after, random));
    }
    if random.chance(0.4) {
        return None;
    }
    let seconds = random.between(4.5, 8.5) as f32;
    let mut event = Event::new(after, seconds);
    let near = random.between(0.2, 1.0) as f32;
    let way = if random.chance(0.5) { 1.0 } else { -1.0_f32 };
    let engine = random.between(52.0, 90.0) as f32;
    let sine = Sine::table();
    let mut tyres = [Filter::default(), Filter::default()];
    let mut white = Noise::new(random);
    let (mut phase, canvas) = (0_u32, event.canvas());
    for (block, (left, right)) in canvas.left.chunks_mut(64).zip(canvas.right.chunks_mut(64)).enumerate() {
        let along = block as f32 * 64.0 / RATE / seconds;
        // Closest in the middle; what comes sounds higher than what goes.
        let apart = 7.0 * (along - 0.5);
        let level = near * (1.0 / (1.0 + apart * apart) - 0.0755).max(0.0);
        let pitch = 1.0 - 0.05 * (apart / (1.0 + apart.abs()));
        let (to_left, to_right) = pan(0.8 * way * (2.0 * along - 1.0));
        let hz = (500.0 + 700.0 * level) * pitch;
        tyres[0].tune(hz, 0.5);
        tyres[1].tune(1.1 * hz, 0.5);
        let step = turn(engine * pitch);
        for (l, r) in left.iter_mut().zip(right.iter_mut()) {
            phase = phase.wrapping_add(step);
            let hum = 0.25 * sine.at(phase)
                + 0.14 * sine.at(phase.wrapping_mul(2))
                + 0.08 * sine.at(phase.wrapping_mul(3));
            let noise = white.next();
            *l += 0.16 * level * to_left * (0.35 * hum + tyres[0].next(noise).band);
            *r += 0.16 * level * to_right * (0.35 * hum + tyres[1].next(noise).band);
        }
    }
    Some(event)
}

fn horn(after: f32, random: &mut Random) -> Event {
    let seconds = random.between(0.25, 0.7) as f32;
    let mut event = Event::new(after, seconds + 0.3);
    let (to_left, to_right) = pan(random.between(-0.7, 0.7) as f32);
    let sine = Sine::table();
    let steps = [turn(392.0), turn(494.0)];
    let mut phases = [0_u32; 2];
    let mut dull = Filter::new(900.0, 0.6);
    let canvas = event.canvas();
    for (i, (l, r)) in canvas.left.iter_mut().zip(canvas.right.iter_mut()).enumerate() {
        let now = i as f32 / RATE;
        let level = 0.02 * (now / 0.02).min(1.0) * ((seconds + 0.25 - now) / 0.25).clamp(0.0, 1.0);
        let mut sum = 0.0;
        for (phase, step) in phases.iter_mut().zip(steps) {
            *phase = phase.wrapping_add(step);
            sum +=
                sine.at(*phase) + 0.6 * sine.at(phase.wrapping_mul(2)) + 0.4 * sine.at(phase.wrapping_mul(3));
        }
        let sample = level * dull.next(sum).low;
        *l += to_left * sample;
        *r += to_right * sample;
    }
    event
}
