//! Frequency modulation (Chowning, 1973): tines, reeds and glass.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    signal::{Bend, RATE, Vibrato, decay, frames, powers, sine, turn},
    string::knock,
    wave::HIGHEST_HZ,
};
use crate::{audio::Random, render::synth::lanes::widest};

/// Frames between two settings of the pitch.
const CONTROL: usize = 32;
/// A phase in turns.
const TURN: f32 = 1.0 / 4_294_967_296.0;

/// An instrument made of pairs of sines.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Fm {
    pairs: Vec<Operators>,
    /// How much shorter higher notes ring, per octave above 65 Hz: 0.2 is a fifth.
    shorter: f32,
    attack: f32,
    release: f32,
    vibrato: Vibrato,
    /// The key's own noise.
    noise: f32,
    noise_hz: f32,
    level: f32,
}

/// A sine and the one that modulates it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Operators {
    /// Multiples of the pitch.
    carrier: f32,
    modulator: f32,
    /// Depth of modulation in radians at full velocity, and the time in which it falls by 60 dB.
    index: f32,
    index_seconds: f32,
    /// How much of the depth comes with velocity, 0 to 1.
    hard: f32,
    level: f32,
    /// Time in which it falls by 60 dB; 0 for as long as it is held.
    seconds: f32,
    /// How much of the level comes with velocity, 0 to 1.
    touch: f32,
    /// Cents between left and right.
    apart: f32,
}

impl Default for Operators {
    fn default() -> Self {
        Self {
            carrier: 1.0,
            modulator: 1.0,
            index: 1.0,
            index_seconds: 2.0,
            hard: 0.8,
            level: 1.0,
            seconds: 6.0,
            touch: 0.0,
            apart: 1.0,
        }
    }
}

impl Default for Fm {
    fn default() -> Self {
        Self {
            pairs: vec![Operators::default()],
            shorter: 0.2,
            attack: 0.002,
            release: 0.2,
            vibrato: Vibrato { cents: 0.0, ..Vibrato::default() },
            noise: 0.0,
            noise_hz: 800.0,
            level: 1.0,
        }
    }
}

impl Fm {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let mut bend = Bend::still();
        if self.vibrato.cents > 0.0 {
            bend.swing(self.vibrato, random);
        }
        for pair in &self.pairs {
            self.pair(pair, &bend, cue, random, canvas);
        }
        knock(self.noise * self.level * cue.velocity, self.noise_hz, 1.0, 0.02, random, canvas);
    }

    fn pair(&self, pair: &Operators, bend: &Bend, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let (carrier, modulator) = (cue.hz * pair.carrier, cue.hz * pair.modulator);
        if carrier > HIGHEST_HZ {
            return;
        }
        let shorter = (1.0 - self.shorter).powf((cue.hz / 65.0).log2()) * (1.0 - 0.8 * cue.mute);
        let hold = frames(cue.seconds) / CONTROL * CONTROL;
        let sounding = if pair.seconds > 0.0 { decay(pair.seconds * shorter) } else { 1.0 };
        let (damped, dulling) = (decay(self.release), decay(pair.index_seconds * shorter));
        let touch = 1.0 - pair.touch + pair.touch * cue.velocity;
        let mut amplitude = 0.15 * self.level * pair.level * touch * (0.3 + 0.7 * cue.velocity);
        // Sidebands reach about index + 1 times the modulator away from the carrier: none may pass the top.
        let most = ((HIGHEST_HZ - carrier) / modulator - 1.0).max(0.0);
        let hard = 1.0 - pair.hard + pair.hard * cue.velocity;
        let depth = (pair.index * hard * cue.brightness * random.between(0.93, 1.07) as f32).min(most);
        let mut index = depth / std::f32::consts::TAU;
        let apart = (0.5 * pair.apart / 1200.0 * std::f32::consts::LN_2).exp();
        let [held, let_go, dulled] = [sounding, damped, dulling].map(powers::<CONTROL>);
        let mut phases = [0_u32; 3];
        let rise = 1.0 / (self.attack.max(0.0005) * RATE);
        let blocks = canvas.left.chunks_mut(CONTROL).zip(canvas.right.chunks_mut(CONTROL));
        for (block, (left, right)) in blocks.enumerate() {
            let at = block * CONTROL;
            let falls = if at < hold { &held } else { &let_go };
            let ratio = if bend.is_still() { 1.0 } else { bend.ratio(at as f32 / RATE) };
            let steps = [carrier / apart, carrier * apart, modulator].map(|hz| turn(hz * ratio));
            widest(
                #[inline(always)]
                || {
                    let mut turns = [[0.0_f32; CONTROL]; 3];
                    for (turns, (phase, step)) in turns.iter_mut().zip(phases.iter_mut().zip(steps)) {
                        for (frame, turns) in turns.iter_mut().enumerate() {
                            *turns = phase.wrapping_add(step.wrapping_mul(frame as u32)) as i32 as f32 * TURN;
                        }
                        *phase = phase.wrapping_add(step.wrapping_mul(CONTROL as u32));
                    }
                    let mut sides = [[0.0_f32; CONTROL]; 2];
                    for frame in 0..CONTROL {
                        let modulation = index * dulled[frame] * sine(turns[2][frame]);
                        let level = amplitude * falls[frame] * ((at + frame) as f32 * rise).min(1.0);
                        sides[0][frame] = level * sine(turns[0][frame] + modulation);
                        sides[1][frame] = level * sine(turns[1][frame] + modulation);
                    }
                    for (side, sound) in [&mut *left, &mut *right].into_iter().zip(&sides) {
                        for (sample, sound) in side.iter_mut().zip(sound) {
                            *sample += sound;
                        }
                    }
                },
            );
            amplitude *= falls[CONTROL - 1] * falls[1];
            index *= dulled[CONTROL - 1] * dulled[1];
            if amplitude < 1e-5 {
                break;
            }
        }
    }
}
