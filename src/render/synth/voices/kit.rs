//! Drums, synthesised: swept sines for skins, filtered noise for wires and shells, clusters of squares for metal.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    bank::{Gesture, Partial, ring},
    signal::{Filter, RATE, Sine, decay, frames, pan, turn},
};
use crate::{audio::Random, render::synth::style::Drum};

/// What a kit is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::render::synth) enum Make {
    /// Skins and metal, played with sticks.
    Acoustic,
    /// The same, played with brushes.
    Brushes,
    /// A drum machine.
    Machine,
    /// A percussionist's table.
    Hands,
}

/// Plays one piece of a kit. The cue's pitch tunes what has one (timpani, toms).
pub(super) fn play(make: Make, drum: Drum, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    let v = cue.velocity.powf(1.3);
    let machine = make == Make::Machine;
    let brushed = make == Make::Brushes;
    let bright = cue.brightness.clamp(0.7, 1.3);
    match drum {
        Drum::Kick | Drum::LowKick if machine => deep_kick(v, random, canvas),
        Drum::Kick | Drum::LowKick | Drum::ConcertBass | Drum::Impact => {
            kick(if brushed { 0.6 * v } else { v }, bright, random, canvas);
        }
        Drum::Snare if brushed => Hiss::at(3600.0, 0.6, 0.3 * v, 0.22).rising(0.018).add(0.1, random, canvas),
        Drum::Snare | Drum::FieldSnare => snare(v, bright, machine, random, canvas),
        Drum::Rim | Drum::Snap | Drum::Castanets | Drum::Woodblock | Drum::Claves => {
            Skin { from: 1750.0, to: 1650.0, fall: 0.01, seconds: 0.05, level: 0.16 * v }.add(-0.15, canvas);
            Skin { from: 480.0, to: 460.0, fall: 0.01, seconds: 0.05, level: 0.14 * v }.add(-0.15, canvas);
        }
        Drum::Clap => clap(v, bright, random, canvas),
        Drum::Hat if brushed => metal(0.07 * v, 7500.0, 0.1, 0.25, random, canvas),
        Drum::Hat if machine => metal(0.12 * v, 7800.0 * bright, 0.07, 0.25, random, canvas),
        Drum::Hat => metal(0.12 * v, 7800.0 * bright, 0.09, 0.25, random, canvas),
        Drum::Pedal => metal(0.08 * v, 6500.0, 0.06, 0.25, random, canvas),
        Drum::Open => metal(0.11 * v, 7200.0 * bright, 0.5, 0.25, random, canvas),
        Drum::Ride | Drum::RideBell | Drum::Triangle | Drum::Cowbell | Drum::HighAgogo | Drum::Agogo => {
            metal(0.045 * v, 5200.0 * bright, 1.4, 0.35, random, canvas);
            bell(&[3150.0, 4420.0, 5670.0, 6900.0], 0.012 * v, 0.7, 0.35, canvas);
        }
        Drum::Crash | Drum::China => {
            metal(0.09 * v, 4200.0, 2.2, -0.3, random, canvas);
            Hiss::at(6200.0, 0.5, 0.13 * v, 1.8).rising(0.003).add(-0.2, random, canvas);
        }
        Drum::Swell | Drum::Riser => swell(cue, random, canvas),
        Drum::HighTom
        | Drum::Tom
        | Drum::LowTom
        | Drum::HighTaiko
        | Drum::Taiko
        | Drum::HighSurdo
        | Drum::Surdo => tom(v, 2.0 * cue.hz, random, canvas),
        Drum::Timpani => timpani(v, cue.hz, random, canvas),
        Drum::Shaker | Drum::Guiro => {
            Hiss::at(6800.0, 0.9, 0.16 * v, 0.08).rising(0.016).add(-0.35, random, canvas);
        }
        Drum::Tambourine => {
            metal(0.09 * v, 8200.0, 0.22, 0.4, random, canvas);
            Hiss::at(8500.0, 1.2, 0.12 * v, 0.12).rising(0.002).add(0.4, random, canvas);
        }
        Drum::HighConga
        | Drum::Conga
        | Drum::HighBongo
        | Drum::Bongo
        | Drum::Tamborim
        | Drum::HighFrame
        | Drum::Frame
        | Drum::HighCajon
        | Drum::Cajon => {
            let hz = if random.chance(0.3) { 240.0 } else { 196.0 };
            Skin { from: hz * 1.15, to: hz, fall: 0.02, seconds: 0.28, level: 0.34 * v }.add(-0.25, canvas);
            Hiss::at(1600.0, 1.0, 0.1 * v, 0.025).add(-0.25, random, canvas);
        }
    }
}

fn kick(v: f32, bright: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    Skin { from: 130.0, to: 56.0, fall: 0.022, seconds: 0.3, level: 0.7 * v }.add(0.0, canvas);
    Hiss::at(2400.0 * bright, 0.9, 0.14 * v, 0.015).add(0.0, random, canvas);
}

fn deep_kick(v: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    Skin { from: 190.0, to: 47.0, fall: 0.035, seconds: 0.55, level: 0.75 * v }.add(0.0, canvas);
    Hiss::at(3500.0, 0.8, 0.12 * v, 0.012).add(0.0, random, canvas);
}

fn snare(v: f32, bright: f32, machine: bool, random: &mut Random, canvas: &mut Canvas<'_>) {
    let (tone, tail) = if machine { (200.0, 0.24) } else { (188.0, 0.2) };
    Skin { from: tone * 1.25, to: tone, fall: 0.01, seconds: 0.16, level: 0.22 * v }.add(0.05, canvas);
    Skin { from: tone * 1.8, to: tone * 1.72, fall: 0.01, seconds: 0.1, level: 0.1 * v }.add(0.05, canvas);
    Hiss::at(3300.0 * bright, 0.45, 0.34 * v, tail).add(0.05, random, canvas);
}

fn tom(v: f32, hz: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    Skin { from: hz * 1.5, to: hz, fall: 0.05, seconds: 0.45, level: 0.45 * v }.add(0.3, canvas);
    Hiss::at(900.0, 0.8, 0.08 * v, 0.05).add(0.3, random, canvas);
}

fn timpani(v: f32, hz: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    // Ratio, amplitude and seconds of the preferred modes of a kettle drum.
    let modes = [(1.0, 1.0, 2.2), (1.5, 0.55, 1.6), (1.98, 0.3, 1.2), (2.44, 0.18, 0.9), (0.85, 0.2, 0.4)];
    let partials = modes.map(|(ratio, amplitude, seconds)| Partial {
        hz: hz * ratio,
        amplitude: 0.3 * v * amplitude,
        seconds,
        place: 0.0,
    });
    ring(&partials, Gesture { attack: 0.003, hold: 4.0, release: 1.0 }, canvas);
    Hiss::at(500.0, 0.7, 0.12 * v, 0.06).add(0.0, random, canvas);
}

/// A sine that falls from one pitch to another while it dies.
struct Skin {
    from: f32,
    to: f32,
    /// Time constant of the fall in seconds.
    fall: f32,
    /// Time to fall by 60 dB.
    seconds: f32,
    level: f32,
}

impl Skin {
    fn add(&self, place: f32, canvas: &mut Canvas<'_>) {
        let sine = Sine::table();
        let (to_left, to_right) = pan(place);
        let bend = (-1.0 / (self.fall * RATE)).exp();
        let (mut above, fall) = (self.from - self.to, decay(self.seconds));
        let (mut phase, mut amplitude) = (0_u32, self.level);
        let length = frames(self.seconds * 1.3);
        for (i, (left, right)) in canvas.left.iter_mut().zip(canvas.right.iter_mut()).take(length).enumerate()
        {
            let sample = amplitude * sine.at(phase) * (i as f32 / 24.0).min(1.0);
            *left += to_left * sample;
            *right += to_right * sample;
            phase = phase.wrapping_add(turn(self.to + above));
            above *= bend;
            amplitude *= fall;
        }
    }
}

/// A burst of noise around a frequency.
struct Hiss {
    hz: f32,
    q: f32,
    level: f32,
    attack: f32,
    /// Time to fall by 60 dB.
    seconds: f32,
}

impl Hiss {
    fn at(hz: f32, q: f32, level: f32, seconds: f32) -> Self {
        Self { hz, q, level, attack: 0.0, seconds }
    }

    fn rising(self, attack: f32) -> Self {
        Self { attack, ..self }
    }

    fn add(&self, place: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
        let (to_left, to_right) = pan(place);
        let mut filter = Filter::new(self.hz, self.q);
        let attack = frames(self.attack).max(1);
        let fall = decay(self.seconds);
        let mut amplitude = self.level * 1.6;
        let length = attack + frames(self.seconds * 1.3);
        let sides = canvas.left.iter_mut().zip(canvas.right.iter_mut());
        for (i, (left, right)) in sides.take(length).enumerate() {
            let rise = (i as f32 / attack as f32).min(1.0);
            let sample = filter.next(random.bipolar()).band * amplitude * rise;
            if i >= attack {
                amplitude *= fall;
            }
            *left += to_left * sample;
            *right += to_right * sample;
        }
    }
}

/// Six squares that fit no scale, and noise, through a high-pass: hats and cymbals.
fn metal(level: f32, high_pass: f32, seconds: f32, place: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    const CLUSTER: [f32; 6] = [263.0, 400.0, 421.0, 474.0, 587.0, 845.0];
    let steps = CLUSTER.map(|hz| turn(hz * 6.3 * (1.0 + 0.01 * random.bipolar())));
    let mut phases = CLUSTER.map(|_| (random.bits() >> 32) as u32);
    let mut filter = Filter::new(high_pass.min(15_000.0), 0.8);
    let (to_left, to_right) = pan(place);
    let fall = decay(seconds);
    let mut amplitude = level;
    let length = frames(seconds * 1.3);
    for (i, (left, right)) in canvas.left.iter_mut().zip(canvas.right.iter_mut()).take(length).enumerate() {
        let mut cluster = 0.0;
        for (phase, step) in phases.iter_mut().zip(steps) {
            *phase = phase.wrapping_add(step);
            cluster += if *phase < 1 << 31 { 0.3 } else { -0.3 };
        }
        let noise = random.bipolar();
        let sample = amplitude * filter.next(cluster + 1.3 * noise).high * (i as f32 / 20.0).min(1.0);
        *left += to_left * sample;
        *right += to_right * sample;
        amplitude *= fall;
    }
}

fn bell(modes: &[f32], level: f32, seconds: f32, place: f32, canvas: &mut Canvas<'_>) {
    let partials: Vec<Partial> =
        modes.iter().map(|&hz| Partial { hz, amplitude: level, seconds, place }).collect();
    ring(&partials, Gesture { attack: 0.001, hold: seconds, release: 0.3 }, canvas);
}

/// Three hands that are not quite together, and the room.
fn clap(v: f32, bright: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    for (delay, level, seconds) in [(0.0, 0.2, 0.03), (0.011, 0.2, 0.03), (0.023, 0.3, 0.2)] {
        let from = frames(delay).min(canvas.left.len());
        let mut later = Canvas { left: &mut canvas.left[from..], right: &mut canvas.right[from..] };
        Hiss::at(1500.0 * bright, 0.9, level * v, seconds).add(0.0, random, &mut later);
    }
}

/// A cymbal roll that grows over the whole note.
fn swell(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    let length = frames(cue.seconds);
    let mut filters = [Filter::new(5200.0, 0.6), Filter::new(5600.0, 0.6)];
    for (i, (left, right)) in canvas.left.iter_mut().zip(canvas.right.iter_mut()).take(length).enumerate() {
        let along = i as f32 / length as f32;
        // The last milliseconds are damped so that the bar line is clean.
        let gain =
            0.12 * cue.velocity * (0.12 + 0.88 * along * along) * ((length - i) as f32 / 480.0).min(1.0);
        *left += gain * filters[0].next(random.bipolar()).band;
        *right += gain * filters[1].next(random.bipolar()).band;
    }
}
