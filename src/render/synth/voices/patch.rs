//! The analogue synthesiser: oscillators, a low-pass that opens and closes, an envelope. Pads, leads, basses, chip sounds.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use serde::Deserialize;

use super::{
    Canvas, Cue,
    filter::{Output, Row},
    signal::{Bend, Noise, RATE, Vibrato, decay, frames, pan, powers, turn},
    wave::{Shape, Table},
};
use crate::{audio::Random, render::synth::lanes::widest};

/// Frames between two settings of filter and pitch.
const CONTROL: usize = 64;

/// A patch.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::render::synth) struct Patch {
    /// Wave, cents from the note, level, place.
    oscillators: Vec<(Shape, f32, f32, f32)>,
    /// How many of each oscillator play, spread over cents and width.
    unison: Unison,
    /// White noise under the oscillators.
    noise: f32,
    filter: Lowpass,
    lfo: Lfo,
    attack: f32,
    /// Level after the decay, and the time to get there.
    sustain: f32,
    settle: f32,
    release: f32,
    vibrato: Vibrato,
    /// Time constant of gliding from the note before, seconds; 0 for none.
    glide: f32,
    /// Semitones above the note at the start, and the time constant of falling.
    drop: [f32; 2],
    level: f32,
}

/// More of the same, out of tune.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Unison {
    count: u8,
    cents: f32,
    width: f32,
}

/// The filter and what moves it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lowpass {
    /// Where it stands: hertz, and multiples of the pitch on top.
    hz: f32,
    follow: f32,
    q: f32,
    /// How far the attack opens it, in octaves, the time to open, and to close again.
    sweep: f32,
    open: f32,
    close: f32,
    /// How much velocity opens it: 0 not at all, 1 fully.
    touch: f32,
    /// 12 dB per octave with 2, 24 with 4.
    poles: u8,
}

/// A slow oscillator that moves the filter.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lfo {
    octaves: f32,
    /// Turns per second; or sixteenths per turn, when not 0.
    hz: f32,
    sixteenths: f32,
}

impl Default for Unison {
    fn default() -> Self {
        Self { count: 1, cents: 0.0, width: 0.0 }
    }
}

impl Default for Lowpass {
    fn default() -> Self {
        Self { hz: 800.0, follow: 2.0, q: 0.7, sweep: 0.0, open: 0.0, close: 0.5, touch: 0.6, poles: 2 }
    }
}

impl Default for Lfo {
    fn default() -> Self {
        Self { octaves: 0.0, hz: 0.5, sixteenths: 0.0 }
    }
}

impl Default for Patch {
    fn default() -> Self {
        Self {
            oscillators: vec![(Shape::Saw, 0.0, 1.0, 0.0)],
            unison: Unison::default(),
            noise: 0.0,
            filter: Lowpass::default(),
            lfo: Lfo::default(),
            attack: 0.01,
            sustain: 0.8,
            settle: 0.4,
            release: 0.2,
            vibrato: Vibrato { cents: 0.0, ..Vibrato::default() },
            glide: 0.0,
            drop: [0.0, 0.05],
            level: 1.0,
        }
    }
}

/// One oscillator of a note.
struct Oscillator {
    table: &'static Table,
    phase: u32,
    hz: f32,
    left: f32,
    right: f32,
}

impl Oscillator {
    /// Adds to both sides, or to `left` alone, which then stands for both.
    #[inline(always)]
    fn add(&mut self, ratio: f32, left: &mut [f32; CONTROL], right: Option<&mut [f32; CONTROL]>) {
        let step = turn(self.hz * ratio);
        let mut read = [0.0_f32; CONTROL];
        self.table.read(self.phase, step, &mut read);
        self.phase = self.phase.wrapping_add(step.wrapping_mul(CONTROL as u32));
        for (sum, sample) in left.iter_mut().zip(&read) {
            *sum += self.left * sample;
        }
        if let Some(right) = right {
            for (sum, sample) in right.iter_mut().zip(&read) {
                *sum += self.right * sample;
            }
        }
    }
}

impl Patch {
    /// Whether it slides from note to note by itself.
    pub(super) fn glides(&self) -> bool {
        self.glide > 0.0
    }

    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let mut oscillators = self.oscillators(cue, random);
        let wide =
            self.noise > 0.0 || oscillators.iter().any(|oscillator| oscillator.left != oscillator.right);
        let mut noise = (self.noise > 0.0).then(|| Noise::new(random));
        let bend = self.bend(cue, random);
        let mut envelope = Envelope::new(self, cue);
        let mut cutoff = Cutoff::new(self, cue, random);
        // Two stages in a row resonate twice: the first one has no resonance of its own.
        let qs = if self.filter.poles < 4 { vec![self.filter.q] } else { vec![0.6, self.filter.q] };
        let hz = cutoff.at(0.0);
        let mut stages: Vec<(Row, f32)> = qs.into_iter().map(|q| (Row::new(Output::Low, hz, q), q)).collect();
        let level = 0.1 * self.level * (0.2 + 0.8 * cue.velocity);
        let blocks = canvas.left.chunks_mut(CONTROL).zip(canvas.right.chunks_mut(CONTROL));
        for (block, (left, right)) in blocks.enumerate() {
            let at = block * CONTROL;
            if at >= envelope.end {
                break;
            }
            let now = at as f32 / RATE;
            let ratio = if bend.is_still() { 1.0 } else { bend.ratio(now) };
            let length = left.len();
            let mut sums = [[0.0_f32; CONTROL]; 2];
            let [sum_left, sum_right] = &mut sums;
            widest(
                #[inline(always)]
                || {
                    for oscillator in &mut oscillators {
                        oscillator.add(ratio, sum_left, wide.then_some(&mut *sum_right));
                    }
                },
            );
            if let Some(noise) = &mut noise {
                for sum in [&mut *sum_left, &mut *sum_right] {
                    let mut white = [0.0_f32; CONTROL];
                    noise.fill(&mut white);
                    for (sample, white) in sum.iter_mut().zip(white) {
                        *sample += self.noise * white;
                    }
                }
            }
            let hz = cutoff.at(now);
            let mut gains = [0.0_f32; CONTROL];
            envelope.fill(at, &mut gains[..length]);
            for (stage, q) in &mut stages {
                stage.tune(hz, *q);
                if wide {
                    stage.pass([&mut *sum_left, &mut *sum_right]);
                } else {
                    stage.pass([&mut *sum_left]);
                }
            }
            if !wide {
                *sum_right = *sum_left;
            }
            widest(
                #[inline(always)]
                || {
                    for (out, sum) in [(left, sum_left), (right, sum_right)] {
                        for ((sample, sum), gain) in out.iter_mut().zip(sum.iter()).zip(&gains) {
                            *sample += level * gain * sum;
                        }
                    }
                },
            );
        }
    }

    fn oscillators(&self, cue: &Cue, random: &mut Random) -> Vec<Oscillator> {
        let count = self.unison.count.max(1);
        let mut oscillators = Vec::with_capacity(self.oscillators.len() * usize::from(count));
        for &(shape, cents, level, place) in &self.oscillators {
            for number in 0..count {
                let along =
                    if count == 1 { 0.0 } else { 2.0 * f32::from(number) / f32::from(count - 1) - 1.0 };
                // Denser in the middle, as in the machine that made this famous.
                let cents = cents + self.unison.cents * along * (0.5 + 0.5 * along.abs());
                let side = if number % 2 == 0 { along.abs() } else { -along.abs() };
                let (left, right) = pan(place + self.unison.width * side);
                let share = level / f32::from(count).sqrt();
                let hz = cue.hz * (cents / 1200.0).exp2();
                oscillators.push(Oscillator {
                    table: shape.table(hz * 1.03),
                    phase: (random.bits() >> 32) as u32,
                    hz,
                    left: left * share,
                    right: right * share,
                });
            }
        }
        oscillators
    }

    fn bend(&self, cue: &Cue, random: &mut Random) -> Bend {
        let mut bend = Bend::still();
        if let (Some(from), true) = (cue.from_hz, self.glides()) {
            bend.approach((from / cue.hz).log2(), self.glide);
        } else if self.drop[0] != 0.0 {
            bend.approach(self.drop[0] / 12.0, self.drop[1]);
        }
        if self.vibrato.cents > 0.0 {
            bend.swing(self.vibrato, random);
        }
        bend
    }
}

/// Where the filter stands.
struct Cutoff {
    base: f32,
    lowpass: Lowpass,
    sweep: f32,
    /// Octaves and turns per second of the slow oscillator, and where in its turn it starts.
    lfo: [f32; 3],
}

impl Cutoff {
    fn new(patch: &Patch, cue: &Cue, random: &mut Random) -> Self {
        let Lowpass { hz, follow, touch, sweep, .. } = patch.filter;
        let force = 1.0 - touch + 1.5 * touch * cue.velocity;
        let open = force * cue.brightness * (1.0 - 0.6 * cue.mute);
        let lfo = patch.lfo;
        let lfo = if lfo.sixteenths > 0.0 {
            // In time with the bar: from its lowest point on, at every note.
            [lfo.octaves, 1.0 / (lfo.sixteenths * cue.sixteenth).max(0.01), 0.75]
        } else {
            [lfo.octaves, lfo.hz, random.unit() as f32]
        };
        Self {
            base: (hz + follow * cue.hz) * open,
            lowpass: patch.filter,
            sweep: sweep * (0.4 + 0.8 * cue.velocity),
            lfo,
        }
    }

    fn at(&mut self, now: f32) -> f32 {
        let mut octaves = 0.0;
        if self.sweep != 0.0 {
            let Lowpass { open, close, .. } = self.lowpass;
            octaves += self.sweep
                * if now < open { now / open } else { (-2.8 * (now - open) / close.max(0.01)).exp() };
        }
        let [depth, hz, start] = self.lfo;
        if depth != 0.0 {
            octaves += depth * (std::f32::consts::TAU * (hz * now + start)).sin();
        }
        (self.base * octaves.exp2()).clamp(30.0, 16_000.0)
    }
}

/// Attack, decay, sustain, release.
struct Envelope {
    rise: f32,
    sustain: f32,
    /// What is left of a distance after each frame of a block.
    settling: [f32; CONTROL],
    falling: [f32; CONTROL],
    hold: usize,
    end: usize,
    level: f32,
    rising: bool,
}

impl Envelope {
    fn new(patch: &Patch, cue: &Cue) -> Self {
        let attack = patch.attack.min(0.4 * cue.seconds).max(0.003) * (1.25 - 0.5 * cue.velocity);
        let hold = frames(cue.seconds.max(attack));
        let release = patch.release * (1.0 - 0.5 * cue.mute);
        let slurred = if cue.from_hz.is_some() { 0.5 } else { 1.0 };
        let each = |factor: f32| powers(factor).map(|power| power * factor);
        Self {
            rise: 1.0 / (attack * slurred * RATE),
            sustain: patch.sustain,
            settling: each(decay(patch.settle * 2.5 * (1.0 - 0.7 * cue.mute))),
            falling: each(decay(release.max(0.01))),
            hold,
            end: hold + frames(release.max(0.01) * 1.4),
            level: 0.0,
            rising: true,
        }
    }

    /// The level at each of some frames, a block at most.
    fn fill(&mut self, at: usize, gains: &mut [f32]) {
        if at >= self.hold {
            for (gain, left) in gains.iter_mut().zip(&self.falling) {
                *gain = self.level * left;
            }
        } else if !self.rising && at + gains.len() <= self.hold {
            for (gain, left) in gains.iter_mut().zip(&self.settling) {
                *gain = self.sustain + (self.level - self.sustain) * left;
            }
        } else {
            for (i, gain) in gains.iter_mut().enumerate() {
                if at + i >= self.hold {
                    self.level *= self.falling[0];
                } else if self.rising {
                    self.level += self.rise;
                    self.rising = self.level < 1.0;
                } else {
                    self.level = self.sustain + (self.level - self.sustain) * self.settling[0];
                }
                *gain = self.level;
            }
        }
        self.level = gains.last().copied().unwrap_or(self.level);
    }
}
