//! What sounds as long as it is held: strings, pad, choir, brass, lead, synth bass, organ, flute.

use super::{
    Canvas, Cue,
    bank::{Gesture, Partial, ring},
    signal::{Filter, RATE, Sine, decay, frames, pan, saw, square, turn},
};
use crate::audio::Random;

const MOST: usize = 6;
/// Frames between two settings of filter and pitch.
const CONTROL: usize = 32;

/// A voice of detuned saws or squares through a filter.
struct Patch {
    /// Cents off and place of each oscillator.
    oscillators: &'static [(f32, f32)],
    /// Share of square wave in place of saw.
    square: f32,
    /// Cutoff in hertz that does not depend on the pitch, and multiples of the pitch.
    cutoff: (f32, f32),
    /// How far the attack opens the filter, in multiples of the cutoff, and how fast it closes.
    sweep: (f32, f32),
    q: f32,
    attack: f32,
    /// Level after the decay and the time to get there.
    sustain: (f32, f32),
    release: f32,
    /// Cents, hertz and the seconds until it is there.
    vibrato: (f32, f32, f32),
    /// Formants in place of the plain low-pass: hertz, q, gain.
    formants: &'static [(f32, f32, f32)],
    level: f32,
}

const STRINGS: Patch = Patch {
    oscillators: &[(-9.0, -0.7), (-4.0, 0.5), (0.0, -0.1), (5.0, 0.8), (10.0, -0.4)],
    square: 0.0,
    cutoff: (900.0, 2.4),
    sweep: (0.35, 1.2),
    q: 0.6,
    attack: 0.16,
    sustain: (0.85, 0.6),
    release: 0.55,
    vibrato: (7.0, 5.2, 0.7),
    formants: &[],
    level: 0.062,
};
const PAD: Patch = Patch {
    oscillators: &[(-11.0, -0.8), (-3.0, 0.6), (4.0, -0.5), (12.0, 0.9)],
    square: 0.25,
    cutoff: (420.0, 1.6),
    sweep: (0.8, 3.5),
    q: 0.8,
    attack: 0.5,
    sustain: (0.85, 2.0),
    release: 1.4,
    vibrato: (4.0, 0.4, 0.0),
    formants: &[],
    level: 0.08,
};
const CHOIR: Patch = Patch {
    oscillators: &[(-12.0, -0.7), (-5.0, 0.6), (3.0, -0.3), (9.0, 0.8), (15.0, 0.1)],
    square: 0.0,
    cutoff: (3400.0, 0.0),
    sweep: (0.0, 1.0),
    q: 0.7,
    attack: 0.28,
    sustain: (0.9, 0.8),
    release: 0.7,
    vibrato: (11.0, 5.0, 0.6),
    formants: &[(620.0, 5.0, 1.0), (1080.0, 7.0, 0.55), (2650.0, 9.0, 0.18), (320.0, 1.5, 0.4)],
    level: 0.15,
};
const BRASS: Patch = Patch {
    oscillators: &[(-4.0, -0.4), (0.0, 0.0), (5.0, 0.4)],
    square: 0.0,
    cutoff: (350.0, 2.6),
    sweep: (1.3, 0.35),
    q: 0.75,
    attack: 0.06,
    sustain: (0.8, 0.3),
    release: 0.2,
    vibrato: (5.0, 5.0, 0.6),
    formants: &[],
    level: 0.085,
};
const LEAD: Patch = Patch {
    oscillators: &[(-6.0, -0.35), (6.0, 0.35), (0.0, 0.0)],
    square: 0.35,
    cutoff: (900.0, 3.5),
    sweep: (1.2, 0.5),
    q: 1.1,
    attack: 0.012,
    sustain: (0.75, 0.4),
    release: 0.22,
    vibrato: (12.0, 5.4, 0.45),
    formants: &[],
    level: 0.08,
};
const SYNTH_BASS: Patch = Patch {
    oscillators: &[(0.0, 0.0), (4.0, 0.0)],
    square: 0.4,
    cutoff: (160.0, 2.4),
    sweep: (2.4, 0.28),
    q: 1.2,
    attack: 0.004,
    sustain: (0.75, 0.3),
    release: 0.07,
    vibrato: (0.0, 1.0, 1.0),
    formants: &[],
    level: 0.17,
};

pub(super) fn strings(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    STRINGS.play(cue, random, canvas);
}

pub(super) fn pad(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    PAD.play(cue, random, canvas);
}

pub(super) fn choir(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    CHOIR.play(cue, random, canvas);
}

pub(super) fn brass(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    BRASS.play(cue, random, canvas);
}

pub(super) fn lead(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    LEAD.play(cue, random, canvas);
}

pub(super) fn synth_bass(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    SYNTH_BASS.play(cue, random, canvas);
}

/// One oscillator of a voice.
#[derive(Clone, Copy, Default)]
struct Oscillator {
    phase: f32,
    step: f32,
    base: f32,
    left: f32,
    right: f32,
}

impl Patch {
    fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let count = self.oscillators.len().min(MOST);
        let mut oscillators = [Oscillator::default(); MOST];
        for (oscillator, &(cents, place)) in oscillators.iter_mut().zip(self.oscillators) {
            let (left, right) = pan(place);
            let base = cue.hz * (cents / 1200.0).exp2() / RATE;
            *oscillator = Oscillator { phase: random.unit() as f32, step: base, base, left, right };
        }
        let bank = &mut oscillators[..count];
        let level = self.level * (0.2 + 0.8 * cue.velocity) * (3.0 / count as f32).sqrt();
        let attack = self.attack.min(0.4 * cue.seconds).max(0.003) * (1.25 - 0.5 * cue.velocity);
        let hold = frames(cue.seconds.max(attack));
        let end = hold + frames(self.release * 1.4);
        let rise = 1.0 / (attack * RATE);
        let (to_sustain, release) = (decay(self.sustain.1 * 2.5), decay(self.release));
        let mut amplitude = 0.0_f32;
        let mut rising = true;
        let mut sweep = self.sweep.0 * (0.3 + cue.velocity);
        let closing = decay(self.sweep.1 * 2.5).powi(CONTROL as i32);
        let mut filters = [Filter::default(); 2];
        let mut formants = [[Filter::default(); 4]; 2];
        for side in &mut formants {
            for (filter, &(hz, q, _)) in side.iter_mut().zip(self.formants) {
                *filter = Filter::new(hz * (0.9 + 0.2 * cue.brightness), q);
            }
        }
        let (cents, rate, delay) = self.vibrato;
        let wobble = std::f32::consts::TAU * rate * CONTROL as f32 / RATE;
        let mut angle = std::f32::consts::TAU * random.unit() as f32;
        let square_share = self.square;
        let tone = (0.45 + 0.8 * cue.velocity) * cue.brightness;
        let blocks = canvas.left.chunks_mut(CONTROL).zip(canvas.right.chunks_mut(CONTROL));
        for (block, (left, right)) in blocks.enumerate() {
            let at = block * CONTROL;
            if at >= end {
                break;
            }
            let there = (at as f32 / RATE / delay.max(0.01)).min(1.0);
            angle += wobble;
            let bend = (cents * there * angle.sin() / 1200.0 * std::f32::consts::LN_2).exp();
            for oscillator in bank.iter_mut() {
                oscillator.step = oscillator.base * bend;
            }
            let cutoff = (self.cutoff.0 + self.cutoff.1 * cue.hz) * tone * (1.0 + sweep);
            sweep *= closing;
            for filter in &mut filters {
                filter.tune(cutoff.min(14_000.0), self.q);
            }
            let held = at < hold;
            for (l, r) in left.iter_mut().zip(right.iter_mut()) {
                if !held {
                    amplitude *= release;
                } else if rising {
                    amplitude += rise;
                    rising = amplitude < 1.0;
                } else {
                    amplitude = self.sustain.0 + (amplitude - self.sustain.0) * to_sustain;
                }
                let (mut sum_left, mut sum_right) = (0.0, 0.0);
                for oscillator in bank.iter_mut() {
                    let mut wave = saw(oscillator.phase, oscillator.step);
                    if square_share > 0.0 {
                        wave += square_share * (square(oscillator.phase, oscillator.step) - wave);
                    }
                    oscillator.phase += oscillator.step;
                    if oscillator.phase >= 1.0 {
                        oscillator.phase -= 1.0;
                    }
                    sum_left += wave * oscillator.left;
                    sum_right += wave * oscillator.right;
                }
                let mut out = [filters[0].next(sum_left).low, filters[1].next(sum_right).low];
                if !self.formants.is_empty() {
                    for (sample, side) in out.iter_mut().zip(&mut formants) {
                        let source = *sample;
                        *sample = side
                            .iter_mut()
                            .zip(self.formants)
                            .map(|(filter, &(_, q, gain))| gain * filter.next(source).band / q)
                            .sum();
                    }
                }
                let gain = amplitude * level;
                *l += gain * out[0];
                *r += gain * out[1];
            }
        }
    }
}

pub(super) fn organ(cue: &Cue, canvas: &mut Canvas<'_>) {
    // Drawbars: ratio and amplitude.
    const DRAWBARS: [(f32, f32); 8] =
        [(0.5, 0.5), (1.0, 1.0), (1.5, 0.35), (2.0, 0.6), (3.0, 0.3), (4.0, 0.25), (6.0, 0.1), (8.0, 0.12)];
    // Both sides of a rotating speaker, a little out of tune with each other.
    let partials: Vec<Partial> = DRAWBARS
        .iter()
        .flat_map(|&(ratio, amplitude)| {
            let bright = if ratio > 2.5 { 0.4 + cue.velocity * cue.brightness } else { 1.0 };
            let amplitude = 0.048 * amplitude * bright * (0.4 + 0.6 * cue.velocity);
            let hz = cue.hz * ratio;
            [(-0.35, -0.7), (0.35, 0.7)].map(|(off, place)| Partial {
                hz: hz + off,
                amplitude,
                seconds: 900.0,
                place,
            })
        })
        .collect();
    ring(&partials, Gesture { attack: 0.012, hold: cue.seconds, release: 0.09 }, canvas);
}

pub(super) fn flute(cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
    let sine = Sine::table();
    let hold = frames(cue.seconds);
    let release = decay(0.22);
    let rise = 1.0 / (RATE * 0.07_f32.min(0.4 * cue.seconds).max(0.01));
    let end = hold + frames(0.3);
    let level = 0.16 * (0.3 + 0.7 * cue.velocity);
    let overtone = 0.3 * (0.3 + cue.velocity) * cue.brightness;
    let mut breath = Filter::new((cue.hz * 2.0).min(8000.0), 1.4);
    let mut phase = 0_u32;
    let mut angle = std::f32::consts::TAU * random.unit() as f32;
    let mut amplitude = 0.0_f32;
    let blocks = canvas.left.chunks_mut(CONTROL).zip(canvas.right.chunks_mut(CONTROL));
    for (block, (left, right)) in blocks.enumerate() {
        let at = block * CONTROL;
        if at >= end {
            break;
        }
        angle += std::f32::consts::TAU * 5.1 * CONTROL as f32 / RATE;
        let there = (at as f32 / RATE / 0.5).min(1.0);
        let tremble = there * angle.sin();
        let step = turn(cue.hz * (1.0 + 0.003 * tremble));
        let loud = level * (1.0 + 0.1 * tremble);
        let puff = 0.10 + 0.25 * (-(at as f32) / RATE / 0.05).exp();
        for (l, r) in left.iter_mut().zip(right.iter_mut()) {
            if at >= hold {
                amplitude *= release;
            } else {
                amplitude = (amplitude + rise).min(1.0);
            }
            let tone = sine.at(phase)
                + overtone * sine.at(phase.wrapping_mul(2))
                + 0.4 * overtone * sine.at(phase.wrapping_mul(3))
                + 0.12 * overtone * sine.at(phase.wrapping_mul(4));
            phase = phase.wrapping_add(step);
            let air = puff * breath.next(random.bipolar()).band;
            let sample = amplitude * loud * (tone + air);
            *l += sample * 0.95;
            *r += sample * 1.05;
        }
    }
}
