//! What a piece's sound is made with beyond the instruments: its room, its glue, its pump, its colour.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use super::{
    effects::Clock,
    era::Era,
    instrument::{GROUPS, Instrument},
    lanes::Lanes,
    mixdown::{BARELY, Bus},
    score::Duty,
    space::Room,
    stretches::sweep,
    track::Stereo,
    voices::RATE,
};

/// How a section is mixed. The same for all sections of a piece, but for the kicks.
#[derive(Clone, Debug)]
pub(super) struct Console {
    pub(super) room: Room,
    /// How much the mix is held together by compression, 0 to 1.
    pub(super) glue: f32,
    /// How much bass, chords and pads give way to the kick, 0 to 1.
    pub(super) pump: f32,
    /// How much the sound leans towards tape: softer highs, fuller lows, 0 to 1.
    pub(super) warmth: f32,
    /// Whose records it is to sound like.
    pub(super) era: Option<&'static Era>,
    pub(super) tempo_bpm: f64,
    /// Seconds of the piece at which a kick sounds.
    pub(super) kicks: Vec<f64>,
    /// Whether somebody plays a melody, to which chords and pads leave room.
    pub(super) melody: bool,
}

/// Frames between two values of the glue's gain.
const GLUE_STEP: usize = 64;

impl Console {
    /// The clock of a rendering whose first frame is `start`.
    pub(super) fn clock(&self, start: i64) -> Clock {
        Clock { start, sixteenth: 15.0 / self.tempo_bpm }
    }

    /// How much a part gives way to the kick, 0 to 1.
    fn gives_way(&self, instrument: Instrument, duty: Duty) -> f32 {
        let share = match (GROUPS[instrument.group()], duty) {
            ("drums" | "percussion", _) => 0.0,
            ("bass", _) => 0.9,
            ("textures", _) => 0.3,
            (_, Duty::Melody) => 0.35,
            _ => 1.0,
        };
        self.pump * share
    }

    /// Ducks a part under the kicks: down within milliseconds, back within most of a beat.
    pub(super) fn duck(&self, instrument: Instrument, duty: Duty, start: i64, sides: [&mut [f32]; 2]) {
        let depth = 0.8 * self.gives_way(instrument, duty);
        if depth < 0.01 {
            return;
        }
        let down = (0.006 * RATE) as usize;
        let back = (0.72 * 60.0 / self.tempo_bpm * f64::from(RATE)) as usize;
        let gains: Vec<f32> = (0..down + back)
            .map(|frame| {
                let gone = if frame < down {
                    frame as f32 / down as f32
                } else {
                    let along = (frame - down) as f32 / back as f32;
                    1.0 - along * along * (3.0 - 2.0 * along)
                };
                1.0 - depth * gone
            })
            .collect();
        let onset = |kick: f64| (kick * f64::from(RATE)).round() as i64;
        for side in sides {
            for (number, &kick) in self.kicks.iter().enumerate() {
                let onset_here = onset(kick);
                // The next kick takes over.
                let next = self.kicks.get(number + 1).map_or(i64::MAX, |&kick| onset(kick));
                let length = gains.len().min((next - onset_here) as usize);
                let skipped = usize::try_from(start - onset_here).unwrap_or(0).min(length);
                let from = usize::try_from(onset_here - start).unwrap_or(0).min(side.len());
                for (sample, gain) in side[from..].iter_mut().zip(&gains[skipped..length]) {
                    *sample *= gain;
                }
            }
        }
    }

    /// The gain of the glue at every 64th frame of the mix, which all buses share; nothing where there is none.
    ///
    /// A feed-forward compressor with a soft knee on the mean square of the mix without its lowest octaves, as a mix bus has.
    pub(super) fn glue(&self, mix: &Bus) -> Vec<f32> {
        const THRESHOLD_DB: f32 = -25.0;
        const KNEE_DB: f32 = 10.0;
        if self.glue < 0.01 {
            return Vec::new();
        }
        let ratio = 1.0 + 3.0 * self.glue;
        let share = |seconds: f32| 1.0 - (-(GLUE_STEP as f32) / RATE / seconds).exp();
        let (attack, release) = (share(0.015), share(0.18));
        let low = 1.0 - (-std::f32::consts::TAU * 110.0 / RATE).exp();
        let mut lows = [0.0_f32; 2];
        let mut reduction = 0.0_f32;
        let (left, right) = mix.dry();
        let steps = left.chunks(GLUE_STEP).zip(right.chunks(GLUE_STEP));
        steps
            .map(|(left, right)| {
                let mut power = 1e-12_f32;
                for (l, r) in left.iter().zip(right) {
                    lows = [lows[0] * (1.0 - low) + low * l, lows[1] * (1.0 - low) + low * r];
                    power += (l - lows[0]).powi(2) + (r - lows[1]).powi(2);
                }
                let db = 10.0 * (power / (2 * left.len()) as f32).log10();
                let over = db - THRESHOLD_DB;
                let over = if over < -0.5 * KNEE_DB {
                    0.0
                } else if over < 0.5 * KNEE_DB {
                    (over + 0.5 * KNEE_DB).powi(2) / (2.0 * KNEE_DB)
                } else {
                    over
                };
                let wanted = over * (1.0 - 1.0 / ratio);
                reduction += if wanted > reduction { attack } else { release } * (wanted - reduction);
                10f32.powf(-0.05 * reduction)
            })
            .collect()
    }

    /// Colours a bus and applies the glue. Every step is linear and the same for all buses, so that stems still add up.
    pub(super) fn finish(&self, gains: &[f32], bus: &mut Stereo) {
        let [left, right] = bus.sides();
        if let Some(era) = self.era {
            era.colour([&mut *left, &mut *right]);
        }
        if self.warmth > 0.01 {
            self.warm([&mut *left, &mut *right]);
        }
        let before = gains.first().into_iter().chain(gains);
        for (((left, right), from), to) in
            left.chunks_mut(GLUE_STEP).zip(right.chunks_mut(GLUE_STEP)).zip(before).zip(gains)
        {
            let ramp: [f32; GLUE_STEP] = std::array::from_fn(|i| {
                from + (to - from) * (i as i32 + 1) as f32 * (1.0 / GLUE_STEP as f32)
            });
            for side in [left, right] {
                for (sample, gain) in side.iter_mut().zip(&ramp) {
                    *sample *= gain;
                }
            }
        }
    }

    /// Two shelves: lows below 120 Hz a little up, highs above 7 kHz down.
    fn warm(&self, sides: [&mut [f32]; 2]) {
        let share = |hz: f32| 1.0 - (-std::f32::consts::TAU * hz / RATE).exp();
        let (low, high) = (share(120.0), share(7000.0));
        let (up, down) = (0.2 * self.warmth, 0.5 * self.warmth);
        let mut state = [[Lanes::default(); 2]; 2];
        sweep(
            sides,
            #[inline(always)]
            |blocks| {
                let [left, right] = blocks;
                for (left, right) in left.iter_mut().zip(right) {
                    for (sample, [lows, mids]) in [left, right].into_iter().zip(&mut state) {
                        let x = *sample;
                        *lows = *lows * (1.0 - low) + (x * low + BARELY);
                        *mids = *mids * (1.0 - high) + (x * high + BARELY);
                        *sample = x + *lows * up - (x - *mids) * down;
                    }
                }
            },
        );
    }
}
