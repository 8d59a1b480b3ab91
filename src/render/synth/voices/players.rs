//! Players who hold a note: each reads the same two waves, a soft and a loud one, at a pitch, a place and a moment of its own.
//!
//! What bowed, blown and sung sounds have in common: the louder, the brighter, from moment to moment; vibrato that is not the
//! neighbour's; breath or bow noise around the tone.

use serde::Deserialize;

use super::{
    Canvas, Cue,
    filter::{Output, Row},
    signal::{Bend, Noise, RATE, Vibrato, decay, frames, pan, turn},
    wave::Pair,
};
use crate::{audio::Random, render::synth::lanes::widest};

/// Frames between two settings of level, pitch and brightness.
const CONTROL: usize = 64;

/// How many play, and how far apart they are.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Section {
    /// How many are heard.
    pub(super) players: u8,
    /// Out of tune, to each side.
    pub(super) cents: f32,
    /// How far they sit from the middle, 0 to 1.
    pub(super) width: f32,
    /// How late the last one starts.
    pub(super) late_ms: f32,
}

impl Default for Section {
    fn default() -> Self {
        Self { players: 1, cents: 0.0, width: 0.0, late_ms: 0.0 }
    }
}

/// How the level moves. Seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Swell {
    pub(super) attack: f32,
    /// Where the level goes after the attack, and how long that takes.
    pub(super) sustain: f32,
    pub(super) settle: f32,
    /// Time to fall by 60 dB.
    pub(super) release: f32,
}

impl Default for Swell {
    fn default() -> Self {
        Self { attack: 0.06, sustain: 0.85, settle: 0.4, release: 0.25 }
    }
}

/// The noise around the tone: a share of the tone's level.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Breath {
    pub(super) level: f32,
    /// Middle of the noise: hertz, and multiples of the pitch on top.
    pub(super) hz: f32,
    pub(super) follow: f32,
    pub(super) q: f32,
    /// How much stronger the onset is, and how long that lasts.
    pub(super) puff: f32,
    pub(super) puff_seconds: f32,
}

impl Default for Breath {
    fn default() -> Self {
        Self { level: 0.0, hz: 2500.0, follow: 0.0, q: 0.7, puff: 1.0, puff_seconds: 0.05 }
    }
}

/// Everything about how one note is played.
pub(super) struct Performance<'a> {
    pub(super) waves: &'a Pair,
    /// Pitch of the waves.
    pub(super) hz: f32,
    pub(super) section: Section,
    pub(super) swell: Swell,
    pub(super) vibrato: Vibrato,
    /// How far below the note it starts, and the time constant of getting there.
    pub(super) scoop_cents: f32,
    pub(super) scoop_seconds: f32,
    pub(super) breath: Breath,
    /// Share of the loud wave, 0 to 1, when the note is fully there.
    pub(super) bright: f32,
    /// How much brighter it begins than it goes on.
    pub(super) bite: f32,
    /// Strokes per second of a bow that goes to and fro; 0 for one long stroke.
    pub(super) strokes: f32,
    pub(super) place: f32,
    pub(super) level: f32,
}

/// One of them.
struct Player {
    phase: u32,
    tune: f32,
    bend: Bend,
    late: f32,
    left: f32,
    right: f32,
    /// Level of the soft and the loud wave at the end of the last block.
    levels: [f32; 2],
    stroke: f32,
    pace: f32,
}

impl Performance<'_> {
    pub(super) fn play(&self, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let slurred = cue.from_hz.is_some();
        let attack = self.swell.attack.min(0.4 * cue.seconds).max(0.004)
            * (1.25 - 0.5 * cue.velocity)
            * if slurred { 0.6 } else { 1.0 };
        let mut players = self.players(cue, random);
        let hold = frames(cue.seconds.max(attack)) / CONTROL * CONTROL;
        let end = hold + frames(self.swell.release * 1.1 + 0.001 * self.section.late_ms);
        let fall = decay(self.swell.release).powi(CONTROL as i32);
        let settling = decay(self.swell.settle * 2.5).powi(CONTROL as i32);
        let mut breath = Air::new(&self.breath, self.hz, random);
        let (mut body, mut gone) = (1.0_f32, 1.0_f32);
        let blocks = canvas.left.chunks_mut(CONTROL).zip(canvas.right.chunks_mut(CONTROL));
        for (block, (left, right)) in blocks.enumerate() {
            let at = block * CONTROL;
            if at >= end {
                break;
            }
            let now = (at + CONTROL) as f32 / RATE;
            if at >= hold {
                gone *= fall;
            } else if now > attack {
                body = self.swell.sustain + (body - self.swell.sustain) * settling;
            }
            let bite = self.bite * (-now / 0.07).exp();
            for player in &mut players {
                let there = attacked(now - player.late, attack, slurred);
                let stroke = player.stroke(self.strokes, now);
                let loud = (self.bright * (0.25 + 0.75 * there * stroke * body) + bite).clamp(0.0, 1.0);
                let level = self.level * there * body * gone * stroke;
                player.add(self.waves, [level * (1.0 - loud), level * loud], now, left, right);
            }
            if self.breath.level > 0.0 {
                let level = self.level * attacked(now, 0.8 * attack, slurred) * body * gone;
                breath.add(level * cue.velocity.sqrt(), now, left, right);
            }
        }
    }

    fn players(&self, cue: &Cue, random: &mut Random) -> Vec<Player> {
        let count = self.section.players.max(1);
        (0..count)
            .map(|number| {
                // Evenly over the width and the tuning, in an order that has no pattern.
                let along =
                    if count == 1 { 0.0 } else { 2.0 * f32::from(number) / f32::from(count - 1) - 1.0 };
                let seat = self.place + self.section.width * along;
                // Sharp and flat ones in turn, so that the section as a whole is in tune.
                let rank = if number % 2 == 0 { number / 2 } else { count - 1 - number / 2 };
                let stray = if count == 1 { 0.0 } else { 2.0 * f32::from(rank) / f32::from(count - 1) - 1.0 };
                let cents = self.section.cents * (stray + 0.25 * random.bipolar());
                let (left, right) = pan(seat);
                let share = 1.0 / f32::from(count).sqrt();
                let mut bend = Bend::still();
                if let Some(from) = cue.from_hz {
                    bend.approach((from / cue.hz).log2(), 0.035);
                } else if self.scoop_cents != 0.0 {
                    bend.approach(-self.scoop_cents / 1200.0, self.scoop_seconds);
                }
                if self.vibrato.cents > 0.0 {
                    bend.swing(self.vibrato, random);
                }
                Player {
                    phase: (random.bits() >> 32) as u32,
                    tune: (cents / 1200.0).exp2(),
                    bend,
                    late: 0.001 * self.section.late_ms * if number == 0 { 0.0 } else { random.unit() as f32 },
                    left: left * share,
                    right: right * share,
                    levels: [0.0; 2],
                    stroke: random.unit() as f32,
                    pace: random.between(0.92, 1.08) as f32,
                }
            })
            .map(|mut player| {
                player.tune *= self.hz;
                player
            })
            .collect()
    }
}

/// How far a note has come after its onset, 0 to 1: a smooth rise.
fn attacked(seconds: f32, attack: f32, slurred: bool) -> f32 {
    let share = (seconds / attack).clamp(0.0, 1.0);
    let rise = share * share * (3.0 - 2.0 * share);
    if slurred { share.min(0.2) * 2.0 + 0.6 * rise } else { rise }
}

impl Player {
    /// Level within a bow's stroke, between a soft turn and a full middle.
    fn stroke(&self, strokes: f32, seconds: f32) -> f32 {
        if strokes == 0.0 {
            return 1.0;
        }
        let along = (self.stroke + seconds * strokes * self.pace).fract();
        0.3 + 0.7 * (std::f32::consts::PI * along).sin().sqrt()
    }

    fn add(&mut self, waves: &Pair, target: [f32; 2], now: f32, left: &mut [f32], right: &mut [f32]) {
        let step = turn(self.tune * self.bend.ratio(now));
        let [soft, loud] = self.levels;
        let [softer, louder] = [0, 1].map(|i| (target[i] - self.levels[i]) * (1.0 / CONTROL as f32));
        widest(
            #[inline(always)]
            || {
                let mut read = [[0.0_f32; CONTROL]; 2];
                waves.read(self.phase, step, &mut read);
                let [quiet, full] = &read;
                let mut sum = [0.0_f32; CONTROL];
                for (frame, (out, (quiet, full))) in sum.iter_mut().zip(quiet.iter().zip(full)).enumerate() {
                    let frame = frame as i32 as f32;
                    *out = (soft + frame * softer) * quiet + (loud + frame * louder) * full;
                }
                for (side, gain) in [(left, self.left), (right, self.right)] {
                    for (out, sample) in side.iter_mut().zip(&sum) {
                        *out += gain * sample;
                    }
                }
            },
        );
        self.phase = self.phase.wrapping_add(step.wrapping_mul(CONTROL as u32));
        self.levels = target;
    }
}

/// Breath, or a bow's hair: noise from both sides.
struct Air {
    noise: Noise,
    filter: Row,
    breath: Breath,
    level: f32,
}

impl Air {
    fn new(breath: &Breath, hz: f32, random: &mut Random) -> Self {
        let filter = Row::new(Output::Band, (breath.hz + breath.follow * hz).min(12_000.0), breath.q);
        Self { noise: Noise::new(random), filter, breath: *breath, level: 0.0 }
    }

    fn add(&mut self, level: f32, now: f32, left: &mut [f32], right: &mut [f32]) {
        let puff = 1.0 + self.breath.puff * (-now / self.breath.puff_seconds).exp();
        let target = 3.0 * self.breath.level * level * puff;
        let per_frame = (target - self.level) * (1.0 / CONTROL as f32);
        let (mut first, mut second) = ([0.0_f32; CONTROL], [0.0_f32; CONTROL]);
        self.noise.fill(&mut first);
        self.noise.fill(&mut second);
        // Half of it is common to both sides.
        for (first, second) in first.iter().zip(&mut second) {
            *second = 0.6 * first + 0.8 * *second;
        }
        self.filter.pass([&mut first, &mut second]);
        widest(
            #[inline(always)]
            || {
                let levels: [f32; CONTROL] =
                    std::array::from_fn(|i| self.level + (i as i32 + 1) as f32 * per_frame);
                for (side, noise) in [(left, &first), (right, &second)] {
                    for (sample, (noise, level)) in side.iter_mut().zip(noise.iter().zip(&levels)) {
                        *sample += level * noise;
                    }
                }
            },
        );
        self.level = target;
    }
}

/// The harmonics of a tone, from data.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Spectrum {
    /// Decibels of the first harmonics; those after them go on from the last one by `slope`.
    pub(super) harmonics: Vec<f32>,
    /// Decibels per octave beyond the first ones.
    pub(super) slope: f32,
    /// How far even harmonics are down, in decibels.
    pub(super) even_db: f32,
    /// Resonances: hertz, width in hertz, decibels.
    pub(super) formants: Vec<[f32; 3]>,
    /// From here on the highs fall by 12 dB per octave more.
    pub(super) cutoff: f32,
    /// Decibels up and down that a body adds from harmonic to harmonic.
    pub(super) ripple_db: f32,
}

impl Default for Spectrum {
    fn default() -> Self {
        Self {
            harmonics: vec![0.0],
            slope: -6.0,
            even_db: 0.0,
            formants: Vec::new(),
            cutoff: 12_000.0,
            ripple_db: 0.0,
        }
    }
}

impl Spectrum {
    /// Amplitudes of the first `count` harmonics of a pitch. `open` scales the cutoff and, below 1, steepens the slope by
    /// `steeper` dB per octave.
    pub(super) fn amplitudes(&self, hz: f32, count: usize, open: f32, steeper: f32) -> Vec<f32> {
        let last = self.harmonics.len().max(1);
        (1..=count)
            .map(|n| {
                let f = n as f32 * hz;
                let mut db = self.harmonics.get(n - 1).or(self.harmonics.last()).copied().unwrap_or(0.0);
                if n > last {
                    db += self.slope * (n as f32 / last as f32).log2();
                }
                db -= steeper * (n as f32).log2();
                if n % 2 == 0 {
                    db += self.even_db;
                }
                db += self.formants.iter().map(|&[at, width, gain]| gain * peak(f, at, width)).sum::<f32>();
                // A body is no smooth curve; what matters is that neighbours differ.
                db += self.ripple_db * ((f / 61.0).sin() + (f / 147.0 + 1.3).sin()) * 0.7;
                let over = f / (self.cutoff * open);
                10f32.powf(0.05 * db) / (1.0 + over * over * over * over).sqrt()
            })
            .collect()
    }
}

/// A resonance: 1 at its middle, a half at its width to either side.
fn peak(hz: f32, at: f32, width: f32) -> f32 {
    1.0 / (1.0 + ((hz - at) / width).powi(2))
}
