//! What is struck or plucked: piano, electric piano, bells, marimba, guitar, harp, basses. Recipes for the bank of partials.
//!
//! Stiffness, decay and strike-position formulae follow Fletcher and Rossing, The Physics of Musical Instruments.

use super::{
    Canvas, Cue,
    bank::{Gesture, Partial, ring},
    signal::{Filter, RATE, Sine, decay, frames, turn},
};
use crate::audio::Random;

/// Partials of a stiff string: the n-th lies at n f sqrt(1 + b n^2).
fn stiff(hz: f32, n: f32, b: f32) -> f32 {
    n * hz * (1.0 + b * n * n).sqrt()
}

pub(super) fn piano(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    let key = cue.pitch() - 21.0;
    let b = 1.6e-4 * (0.045 * (key - 27.0).max(0.0)).exp();
    let ring_seconds = 15.0 * (-0.03 * key).exp();
    // A harder hammer is a brighter one.
    let cutoff = (700.0 + 4600.0 * cue.velocity * cue.velocity + 1.3 * cue.hz) * cue.brightness;
    let place = ((key - 39.0) / 60.0).clamp(-0.45, 0.45);
    let mut partials = Vec::with_capacity(48);
    for number in 1..=26_u8 {
        let n = f32::from(number);
        let hz = stiff(cue.hz, n, b);
        if hz > 12_000.0 {
            break;
        }
        let strike = 0.25 + (n * std::f32::consts::PI / 8.0).sin().abs();
        // The board hardly speaks below 90 Hz.
        let board = 1.0 / (1.0 + (90.0 / hz).powi(2));
        // Partials that all start upwards pile up in one peak. With the signs of Rudin and Shapiro they do so least.
        let sign = if (number & (number >> 1)).count_ones() % 2 == 0 { 1.0 } else { -1.0 };
        let amplitude = sign * strike * board / n.powf(0.75) / (1.0 + (hz / cutoff).powi(2));
        let seconds = ring_seconds / (1.0 + 0.22 * (n - 1.0)) / (1.0 + hz / 9000.0);
        let beating = 0.12 + 0.25 * random.unit() as f32;
        partials.push(Partial {
            hz: hz - beating,
            amplitude: 0.68 * amplitude,
            seconds: 0.45 * seconds,
            place: place - 0.25,
        });
        if number <= 12 {
            partials.push(Partial {
                hz: hz + beating,
                amplitude: 0.42 * amplitude,
                seconds,
                place: place + 0.3,
            });
        }
    }
    let level = 0.16 * (0.25 + 0.75 * cue.velocity) * cue.velocity.sqrt() * (1.15 - 0.004 * key);
    scale(&mut partials, level);
    // The highest strings have no dampers.
    let release = if key > 68.0 { 1.5 } else { 0.32 };
    ring(&partials, Gesture { attack: 0.0015, hold: cue.seconds, release }, canvas);
    knock(0.045 * cue.velocity, 320.0 + cue.hz * 0.8, 1.2, 0.05, random, canvas);
    knock(0.012 * cue.velocity * cue.velocity, 2600.0, 0.9, 0.012, random, canvas);
}

pub(super) fn electric_piano(cue: &Cue, canvas: &mut Canvas<'_>) {
    let sine = Sine::table();
    let hold = frames(cue.seconds);
    let ring_seconds = 6.5 * (-0.018 * (cue.pitch() - 40.0)).exp();
    let (fall, damper) = (decay(ring_seconds), decay(0.22));
    let (bark, tine) = (decay(1.3), decay(0.22));
    let mut amplitude = 0.15 * (0.3 + 0.7 * cue.velocity);
    let turns = 4_294_967_296.0 / std::f32::consts::TAU;
    let mut index = 1.5 * cue.velocity * cue.velocity * cue.brightness * turns;
    let mut tine_level = 0.18 * cue.velocity * cue.brightness * amplitude;
    let (step, high) = (turn(cue.hz), turn((cue.hz * 9.0).min(9000.0)));
    let (mut phase, mut high_phase) = (0_u32, 0_u32);
    let detuned = turn(cue.hz * 1.0006);
    let mut second = 0_u32;
    for (i, (left, right)) in canvas.left.iter_mut().zip(canvas.right.iter_mut()).enumerate() {
        let rise = (i as f32 / 96.0).min(1.0);
        let modulation = (sine.at(phase) * index) as i32 as u32;
        let bell = sine.at(high_phase) * tine_level;
        *left += rise * (amplitude * sine.at(phase.wrapping_add(modulation)) + bell);
        *right += rise * (amplitude * sine.at(second.wrapping_add(modulation)) + bell);
        phase = phase.wrapping_add(step);
        second = second.wrapping_add(detuned);
        high_phase = high_phase.wrapping_add(high);
        amplitude *= if i < hold { fall } else { damper };
        index *= bark;
        tine_level *= if i < hold { tine } else { damper };
        if amplitude < 1e-5 {
            break;
        }
    }
}

pub(super) fn bells(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    // Ratio, amplitude, seconds.
    const BARS: [(f32, f32, f32); 7] = [
        (1.0, 1.0, 3.2),
        (2.0, 0.32, 2.2),
        (2.756, 0.3, 1.3),
        (4.07, 0.12, 0.9),
        (5.404, 0.2, 0.6),
        (8.933, 0.1, 0.3),
        (0.5, 0.12, 2.0),
    ];
    let bright = cue.velocity * cue.brightness;
    let mut partials = Vec::with_capacity(BARS.len() * 2);
    for (ratio, amplitude, seconds) in BARS {
        let amplitude = amplitude * if ratio > 1.5 { 0.4 + bright } else { 1.0 };
        let seconds = seconds * (880.0 / cue.hz).sqrt().clamp(0.5, 1.6);
        let shimmer = 0.3 + 0.5 * random.unit() as f32;
        partials.push(Partial {
            hz: cue.hz * ratio - shimmer,
            amplitude: amplitude * 0.5,
            seconds,
            place: -0.5,
        });
        partials.push(Partial {
            hz: cue.hz * ratio + shimmer,
            amplitude: amplitude * 0.5,
            seconds,
            place: 0.5,
        });
    }
    scale(&mut partials, 0.14 * cue.velocity.powf(1.2));
    ring(&partials, Gesture { attack: 0.001, hold: cue.seconds + 2.5, release: 1.5 }, canvas);
}

pub(super) fn marimba(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    let long = 1.1 * (330.0 / cue.hz).sqrt().clamp(0.4, 1.6);
    let bright = cue.velocity * cue.brightness;
    let place = ((cue.pitch() - 69.0) / 50.0).clamp(-0.4, 0.4);
    let mut partials = vec![
        Partial { hz: cue.hz, amplitude: 1.0, seconds: long, place },
        Partial { hz: cue.hz * 3.932, amplitude: 0.28 * bright, seconds: 0.3 * long, place: place + 0.1 },
        Partial { hz: cue.hz * 9.54, amplitude: 0.1 * bright, seconds: 0.1 * long, place: place - 0.1 },
    ];
    scale(&mut partials, 0.22 * cue.velocity.powf(1.2));
    ring(&partials, Gesture { attack: 0.001, hold: cue.seconds.max(2.0), release: 0.5 }, canvas);
    knock(0.05 * cue.velocity, 900.0, 1.0, 0.02, random, canvas);
}

/// What makes one plucked string differ from another.
struct Pluck {
    /// Where along the string it is plucked.
    at: f32,
    /// Decay of the lowest string's fundamental.
    seconds: f32,
    /// How much faster high partials die.
    dull: f32,
    /// Where the pluck's own brightness ends, in hertz, at full velocity.
    cutoff: f32,
    stiffness: f32,
    partials: u8,
    release: f32,
    level: f32,
    noise: f32,
}

const GUITAR: Pluck = Pluck {
    at: 0.21,
    seconds: 6.0,
    dull: 0.3,
    cutoff: 4200.0,
    stiffness: 5e-5,
    partials: 28,
    release: 0.25,
    level: 0.19,
    noise: 0.03,
};
const HARP: Pluck = Pluck {
    at: 0.38,
    seconds: 5.5,
    dull: 0.45,
    cutoff: 3200.0,
    stiffness: 2e-5,
    partials: 20,
    release: 1.6,
    level: 0.2,
    noise: 0.012,
};
const BASS: Pluck = Pluck {
    at: 0.27,
    seconds: 5.0,
    dull: 0.55,
    cutoff: 1500.0,
    stiffness: 8e-5,
    partials: 20,
    release: 0.16,
    level: 0.3,
    noise: 0.02,
};
const UPRIGHT: Pluck = Pluck {
    at: 0.36,
    seconds: 2.6,
    dull: 0.8,
    cutoff: 900.0,
    stiffness: 1.2e-4,
    partials: 16,
    release: 0.22,
    level: 0.34,
    noise: 0.05,
};

pub(super) fn guitar(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    pluck(&GUITAR, cue, random, canvas);
}

pub(super) fn harp(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    pluck(&HARP, cue, random, canvas);
}

pub(super) fn bass(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    pluck(&BASS, cue, random, canvas);
}

pub(super) fn upright_bass(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    pluck(&UPRIGHT, cue, random, canvas);
}

fn pluck(pluck: &Pluck, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    let at = pluck.at * random.between(0.92, 1.08) as f32;
    let cutoff = (250.0 + pluck.cutoff * (0.25 + 0.75 * cue.velocity) + 0.8 * cue.hz) * cue.brightness;
    let seconds = pluck.seconds * (82.0 / cue.hz).powf(0.42).min(1.3);
    let low = cue.hz < 130.0;
    let mut partials = Vec::with_capacity(usize::from(pluck.partials));
    for number in 1..=pluck.partials {
        let n = f32::from(number);
        let hz = stiff(cue.hz, n, pluck.stiffness);
        // The body answers around 105 and 210 Hz.
        let body = 1.0 + 0.7 * bump(hz, 105.0, 30.0) + 0.5 * bump(hz, 210.0, 60.0);
        let comb = (n * std::f32::consts::PI * at).sin().abs() + 0.03;
        let amplitude = comb * body / n.powf(0.9) / (1.0 + (hz / cutoff).powi(2));
        let place = if low && number < 4 { 0.0 } else { 0.3 * random.bipolar() };
        partials.push(Partial { hz, amplitude, seconds: seconds / (1.0 + pluck.dull * (n - 1.0)), place });
    }
    scale(&mut partials, pluck.level * cue.velocity.powf(1.1));
    ring(&partials, Gesture { attack: 0.0012, hold: cue.seconds, release: pluck.release }, canvas);
    knock(pluck.noise * cue.velocity, (cue.hz * 5.0).min(2500.0), 1.0, 0.018, random, canvas);
}

fn bump(hz: f32, centre: f32, width: f32) -> f32 {
    (-((hz - centre) / width).powi(2)).exp()
}

fn scale(partials: &mut [Partial], level: f32) {
    for partial in partials {
        partial.amplitude *= level;
    }
}

/// The noise of a hammer or a finger: a short burst around `hz`, in the middle.
fn knock(level: f32, hz: f32, q: f32, seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let mut filter = Filter::new(hz.min(0.4 * RATE), q);
    let fall = decay(seconds * 2.0);
    let mut amplitude = level * 2.0;
    let length = frames(seconds * 3.0);
    for (left, right) in canvas.left.iter_mut().zip(canvas.right.iter_mut()).take(length) {
        let sample = amplitude * filter.next(random.bipolar()).band;
        *left += sample;
        *right += sample;
        amplitude *= fall;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::hertz, *};

    /// Peak over the level of the first 200 ms, as a mean over the keyboard: what a limiter would have to take away.
    #[test]
    fn a_piano_has_body_behind_its_attack() {
        let crest_db = |pitch: i32| {
            let (mut left, mut right) = (vec![0.0; 9600], vec![0.0; 9600]);
            let cue = Cue { hz: hertz(pitch), seconds: 1.0, velocity: 0.6, brightness: 1.0 };
            piano(&cue, &mut Random::new(1), &mut Canvas { left: &mut left, right: &mut right });
            let peak = left.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            let power = left.iter().map(|sample| sample * sample).sum::<f32>() / left.len() as f32;
            20.0 * (peak / power.sqrt()).log10()
        };
        let mean = (36..84).map(crest_db).sum::<f32>() / 48.0;
        assert!(mean < 10.5, "{mean} dB");
    }
}
