//! Drums and percussion. What each piece of each kit is made of stands in `kits.toml`; the materials are in here.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::{
    Canvas, Cue,
    bank::{Gesture, Partial, ring},
    filter::{Filter, Output, Row},
    signal::{Noise, RATE, Sine, decay, frames, pan, turn},
};
use crate::{audio::Random, render::synth::style::Drum};

/// A kit: the name of its recipes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::render::synth) struct Kit {
    make: String,
}

/// One kit of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recipes {
    /// The kit that has what this one lacks.
    like: Option<String>,
    #[serde(flatten)]
    drums: BTreeMap<Drum, Vec<Layer>>,
}

/// The file is part of the program; that it parses and leaves no drum out is tested.
static KITS: LazyLock<BTreeMap<String, Recipes>> =
    LazyLock::new(|| toml::from_str(include_str!("kits.toml")).unwrap_or_default());

/// One part of a drum's sound. Which of the numbers count depends on the material.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Layer {
    of: Material,
    level: f32,
    /// Between left (-1) and right (1).
    place: f32,
    /// How far both sides differ, 0 to 1.
    wide: f32,
    /// How late it starts.
    after_ms: f32,
    /// How often it sounds, how many milliseconds apart, and the level of each as a share of the one before.
    times: [f32; 3],
    /// How far each of several is from its time, as a share.
    scatter: f32,
    /// How much of it comes with force: 0 the same at any velocity, 1 in proportion, 2 with the square.
    force: f32,
    hz: f32,
    from: f32,
    to: f32,
    /// Whether hertz are multiples of what the piece's tuned drums are tuned to.
    tuned: bool,
    /// Time constant of the fall of a pitch.
    fall_ms: f32,
    attack_ms: f32,
    /// Time to fall by 60 dB.
    seconds: f32,
    /// Silence from here on, after a short fade; 0 for never.
    gate_ms: f32,
    q: f32,
    /// Ratio, level, seconds of each mode.
    modes: Vec<[f32; 3]>,
    /// How far the pitch differs from hit to hit, as a share.
    loose: f32,
    /// How much a hard hit is brighter than a soft one.
    bright: f32,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            of: Material::Skin,
            level: 1.0,
            place: 0.0,
            wide: 0.0,
            after_ms: 0.0,
            times: [1.0, 0.0, 1.0],
            scatter: 0.0,
            force: 1.0,
            hz: 1000.0,
            from: 100.0,
            to: 100.0,
            tuned: false,
            fall_ms: 20.0,
            attack_ms: 0.0,
            seconds: 0.1,
            gate_ms: 0.0,
            q: 0.7,
            modes: Vec::new(),
            loose: 0.01,
            bright: 0.5,
        }
    }
}

/// Frames of noise that are made at a time.
const BLOCK: usize = 64;

/// What a layer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Material {
    /// A sine that falls from `from` to `to`.
    Skin,
    /// Noise around `hz`.
    Noise,
    /// Noise above `hz`.
    Air,
    /// Many partials that fit no scale, and noise, above `hz`.
    Metal,
    /// The `modes` of something solid, as multiples of `hz`.
    Modes,
    /// Noise that grows from `from` to `to` hertz over the whole note.
    Rise,
    /// The noise of a shift register, clocked from `from` to `to` times a second.
    Register,
    /// A square wave that falls from `from` to `to`.
    Square,
}

/// The recipe of a drum in a kit, or in the kits that it is like.
fn recipe(make: &str, drum: Drum) -> &'static [Layer] {
    let mut kit = KITS.get(make);
    while let Some(recipes) = kit {
        if let Some(layers) = recipes.drums.get(&drum) {
            return layers;
        }
        kit = recipes.like.as_ref().and_then(|like| KITS.get(like));
    }
    &[]
}

impl Kit {
    /// Whether a piece of the kit sounds as long as it is held.
    pub(super) fn holds(&self, drum: Drum) -> bool {
        recipe(&self.make, drum).iter().any(|layer| layer.of == Material::Rise)
    }

    /// Plays one piece of the kit. The cue's pitch tunes what has one.
    pub(super) fn play(&self, drum: Drum, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let loose = 1.0 + random.bipolar();
        for layer in recipe(&self.make, drum) {
            let [times, every_ms, softer] = layer.times;
            let mut level = layer.level * cue.velocity.powf(1.3 * layer.force);
            for number in 0..times as usize {
                let stray = layer.scatter * every_ms * random.bipolar() * f32::from(u8::from(number > 0));
                let ms = layer.after_ms + number as f32 * every_ms + stray;
                let mut later = canvas.after(frames(0.001 * ms));
                layer.strike(level, loose, cue, random, &mut later);
                level *= softer;
            }
        }
    }
}

impl Layer {
    fn strike(&self, level: f32, loose: f32, cue: &Cue, random: &mut Random, canvas: &mut Canvas<'_>) {
        let unit = if self.tuned { cue.hz } else { 1.0 } * (1.0 + self.loose * (loose - 1.0));
        let bright = cue.brightness.clamp(0.7, 1.3) * (1.0 + self.bright * (cue.velocity - 0.7));
        let touch = Touch {
            level,
            unit,
            bright,
            shorter: 1.0 - 0.85 * cue.mute,
            seconds: cue.seconds,
            sides: pan(self.place),
        };
        match self.of {
            Material::Skin => self.skin(&touch, canvas, |phase| Sine::table().at(phase)),
            Material::Square => self.skin(&touch, canvas, |phase| if phase < 1 << 31 { 0.7 } else { -0.7 }),
            Material::Noise => self.noise(&touch, false, random, canvas),
            Material::Air => self.noise(&touch, true, random, canvas),
            Material::Metal => self.metal(&touch, random, canvas),
            Material::Modes => self.ring(&touch, self.place, random, canvas),
            Material::Rise => self.rise(&touch, random, canvas),
            Material::Register => self.register(&touch, random, canvas),
        }
    }
}

/// How one layer is struck this time.
struct Touch {
    level: f32,
    /// What hertz are multiplied with.
    unit: f32,
    bright: f32,
    shorter: f32,
    /// How long the note is held, for what grows.
    seconds: f32,
    sides: (f32, f32),
}

impl Layer {
    /// Level at each frame, from the attack over the decay to the gate.
    fn envelope(&self, touch: &Touch) -> impl Iterator<Item = f32> + use<> {
        const GATE: f32 = 300.0;
        let attack = (0.001 * self.attack_ms * RATE).max(12.0);
        let seconds = self.seconds * touch.shorter;
        let fall = decay(seconds);
        let whole = frames(0.001 * self.attack_ms + 1.25 * seconds);
        let gate = if self.gate_ms > 0.0 { frames(0.001 * self.gate_ms).min(whole) } else { whole };
        let mut amplitude = touch.level;
        (0..gate).map(move |i| {
            let frame = i as f32;
            let rise = (frame / attack).min(1.0);
            if frame >= attack {
                amplitude *= fall;
            }
            amplitude * rise * ((gate - i) as f32 * (1.0 / GATE)).min(1.0)
        })
    }

    fn skin(&self, touch: &Touch, canvas: &mut Canvas<'_>, wave: impl Fn(u32) -> f32) {
        let (to_left, to_right) = touch.sides;
        let bend = (-1.0 / (0.001 * self.fall_ms.max(0.1) * RATE)).exp();
        let to = self.to * touch.unit;
        // A harder blow stretches the skin further.
        let mut above = (self.from - self.to) * touch.unit * (0.6 + 0.4 * touch.bright);
        let mut phase = 0_u32;
        let sides = canvas.left.iter_mut().zip(canvas.right.iter_mut());
        for (gain, (left, right)) in self.envelope(touch).zip(sides) {
            let sample = gain * wave(phase);
            *left += to_left * sample;
            *right += to_right * sample;
            phase = phase.wrapping_add(turn(to + above));
            above *= bend;
        }
    }

    fn noise(&self, touch: &Touch, high: bool, random: &mut Random, canvas: &mut Canvas<'_>) {
        let (to_left, to_right) = touch.sides;
        let hz = (self.hz * touch.unit * touch.bright).min(16_000.0);
        let (output, strength) = if high { (Output::High, 0.7) } else { (Output::Band, 1.6) };
        let mut filter = Row::new(output, hz, self.q);
        let mut noise = Noise::new(random);
        let wide = self.wide > 0.0;
        let mut envelope = self.envelope(touch);
        for (left, right) in canvas.left.chunks_mut(BLOCK).zip(canvas.right.chunks_mut(BLOCK)) {
            let mut gains = [0.0_f32; BLOCK];
            let mut sounding = 0;
            for (gain, level) in gains.iter_mut().zip(envelope.by_ref().take(left.len())) {
                *gain = level;
                sounding += 1;
            }
            if sounding == 0 {
                break;
            }
            let (mut first, mut second) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK]);
            noise.fill(&mut first);
            if wide {
                noise.fill(&mut second);
                for (first, second) in first.iter().zip(&mut second) {
                    *second = first + self.wide * (*second - first);
                }
                filter.pass([&mut first, &mut second]);
            } else {
                filter.pass([&mut first]);
                second = first;
            }
            for (side, (seat, noise)) in [(left, (to_left, first)), (right, (to_right, second))] {
                for ((sample, noise), gain) in side.iter_mut().zip(noise).zip(&gains[..sounding]) {
                    *sample += strength * seat * gain * noise;
                }
            }
        }
    }

    /// The cymbal: 24 partials from `from` to `to` hertz that die the faster the higher they are, and noise above `hz`.
    fn metal(&self, touch: &Touch, random: &mut Random, canvas: &mut Canvas<'_>) {
        const PARTIALS: u32 = 24;
        let seconds = self.seconds * touch.shorter;
        let spread = (self.to / self.from).ln();
        let partials: Vec<Partial> = (0..PARTIALS)
            .map(|number| {
                let along = (number as f32 + random.unit() as f32) / PARTIALS as f32;
                let hz = self.from * touch.unit * (spread * along).exp();
                let side = self.wide * random.bipolar();
                Partial {
                    hz,
                    amplitude: 0.2
                        * touch.level
                        * touch.bright.powf(2.0 * along)
                        * if hz < self.hz { 0.35 } else { 1.0 },
                    seconds: seconds * random.between(0.5, 1.0) as f32 * (1.2 - 0.6 * along),
                    place: ((touch.sides.1 - touch.sides.0) * 0.8 + side).clamp(-1.0, 1.0),
                }
            })
            .collect();
        let hold = if self.gate_ms > 0.0 { 0.001 * self.gate_ms } else { 1.2 * seconds };
        let attack = 0.001 * self.attack_ms.max(0.3);
        ring(&partials, Gesture { attack, hold, release: 0.05 }, canvas);
        self.noise(&Touch { level: 0.8 * touch.level, ..*touch }, true, random, canvas);
    }

    fn ring(&self, touch: &Touch, place: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
        let partials: Vec<Partial> = self
            .modes
            .iter()
            .map(|&[ratio, level, seconds]| {
                let force = if ratio > 1.01 { touch.bright } else { 1.0 };
                Partial {
                    hz: self.hz * touch.unit * ratio,
                    amplitude: touch.level * level * force * random.between(0.8, 1.2) as f32,
                    seconds: seconds * self.seconds * touch.shorter,
                    place: place + self.wide * random.bipolar(),
                }
            })
            .collect();
        let hold = if self.gate_ms > 0.0 { 0.001 * self.gate_ms } else { 60.0 };
        ring(&partials, Gesture { attack: 0.001 * self.attack_ms.max(0.5), hold, release: 0.05 }, canvas);
    }

    fn rise(&self, touch: &Touch, random: &mut Random, canvas: &mut Canvas<'_>) {
        const CONTROL: usize = 64;
        let length = frames(touch.seconds);
        let mut filters = [Filter::default(); 2];
        let mut noise = Noise::new(random);
        let blocks = canvas.left.chunks_mut(CONTROL).zip(canvas.right.chunks_mut(CONTROL));
        for (block, (left, right)) in blocks.enumerate().take(length.div_ceil(CONTROL)) {
            let along = (block * CONTROL) as f32 / length as f32;
            let hz = self.from * (self.to / self.from).powf(along);
            filters[0].tune(hz, self.q);
            filters[1].tune(1.06 * hz, self.q);
            for (i, (l, r)) in left.iter_mut().zip(right.iter_mut()).enumerate() {
                let at = block * CONTROL + i;
                let along = at as f32 / length as f32;
                // The last milliseconds are damped so that the bar line is clean.
                let end = (length.saturating_sub(at) as f32 / 480.0).min(1.0);
                let gain =
                    1.6 * touch.level * (0.08 + 0.92 * along * along) * end * (at as f32 / 480.0).min(1.0);
                *l += gain * filters[0].next(noise.next()).band;
                *r += gain * filters[1].next(noise.next()).band;
            }
        }
    }

    fn register(&self, touch: &Touch, random: &mut Random, canvas: &mut Canvas<'_>) {
        let (to_left, to_right) = touch.sides;
        let bend = (-1.0 / (0.001 * self.fall_ms.max(0.1) * RATE)).exp();
        let mut above = self.from - self.to;
        let (mut clock, mut held) = (0.0_f32, 0.5_f32);
        let mut bits = random.bits();
        let sides = canvas.left.iter_mut().zip(canvas.right.iter_mut());
        for (gain, (left, right)) in self.envelope(touch).zip(sides) {
            clock += (self.to + above) / RATE;
            above *= bend;
            if clock >= 1.0 {
                clock -= 1.0;
                bits = bits.rotate_right(1) ^ ((bits & 1) << 14);
                held = if bits & 1 == 0 { 0.5 } else { -0.5 };
            }
            *left += to_left * gain * held;
            *right += to_right * gain * held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole() {
        let kits: BTreeMap<String, Recipes> = toml::from_str(include_str!("kits.toml")).unwrap();
        let all: Vec<Drum> = kits["base"].drums.keys().copied().collect();
        assert_eq!(all.len(), 45, "the kit that the others are like has every drum");
        for (name, kit) in &kits {
            assert!(kit.like.as_ref().is_none_or(|like| kits.contains_key(like)), "{name}: like");
            assert!(name == "base" || all.iter().all(|&drum| !recipe(name, drum).is_empty()), "{name}");
        }
    }
}
