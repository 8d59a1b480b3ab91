//! One instrument of one section as sound.

use super::{
    console::Console,
    instrument::Instrument,
    mixdown,
    score::{Duty, Note, Tone},
    spares::Spares,
    voices::{self, Articulation, Canvas, Cue, RATE, Sampler, Stroke, Texture},
};
use crate::audio::Random;

/// How far a second take stays behind the first, at most.
const LATE_SECONDS: f64 = 0.016;

/// Where a rendering lies in the piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// First frame, counted from the start of the piece; negative when a pickup reaches before it.
    pub(super) start: i64,
    /// Where the section's bar line is, in frames of the rendering.
    pub(super) lead: usize,
    /// Frames of the section itself.
    pub(super) frames: usize,
    /// Frames of the whole rendering.
    pub(super) total: usize,
}

/// What one worker renders at a time.
#[derive(Debug)]
pub(super) enum Track {
    /// An instrument and its notes.
    Notes {
        instrument: Instrument,
        duty: Duty,
        notes: Vec<Note>,
        /// Seed of what is drawn for each note.
        seed: u64,
        /// What tuned drums are tuned to, in hertz.
        tuning: f32,
        brightness: f32,
    },
    /// A texture and how it comes and goes.
    Texture {
        instrument: Instrument,
        texture: Texture,
        /// How much louder than usual.
        gain_db: f32,
        /// Frames of the fade at the bar line, 0 when it goes on from the section before.
        fade_in: usize,
        /// Frames of the fade after the section's end, 0 when it goes on in the next section.
        fade_out: usize,
    },
}

/// Two channels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stereo {
    pub(super) left: Vec<f32>,
    pub(super) right: Vec<f32>,
}

impl Stereo {
    pub(super) fn silence(frames: usize) -> Self {
        Self { left: vec![0.0; frames], right: vec![0.0; frames] }
    }

    /// The same buffers, silent.
    pub(super) fn cleared(mut self) -> Self {
        for side in self.sides() {
            side.fill(0.0);
        }
        self
    }

    pub(super) fn sides(&mut self) -> [&mut [f32]; 2] {
        [&mut self.left, &mut self.right]
    }

    /// The sum of both, scaled.
    fn mix(&mut self, other: &Self, gain: f32) {
        for (side, other) in [(&mut self.left, &other.left), (&mut self.right, &other.right)] {
            for (sample, other) in side.iter_mut().zip(other) {
                *sample = (*sample + other) * gain;
            }
        }
    }
}

impl Track {
    /// Who plays.
    pub(super) fn instrument(&self) -> Instrument {
        match self {
            Self::Notes { instrument, .. } | Self::Texture { instrument, .. } => *instrument,
        }
    }

    /// How much work it is, in units of one note.
    pub(super) fn weight(&self, span: Span) -> usize {
        match self {
            Self::Notes { instrument, duty, notes, .. } => {
                notes.len() * instrument.strip().takes(*duty).count()
            }
            Self::Texture { .. } => span.total / 32_768 + 1,
        }
    }

    /// Renders it and sends it through its channel. `goes_on` is asked before each unit of work; `None` when it says no.
    pub(super) fn render(
        &self,
        span: Span,
        console: &Console,
        spares: &Spares,
        goes_on: &dyn Fn() -> bool,
    ) -> Option<Stereo> {
        match self {
            Self::Notes { instrument, duty, notes, seed, tuning, brightness } => {
                let part = Part {
                    instrument: *instrument,
                    duty: *duty,
                    notes,
                    seed: *seed,
                    tuning: *tuning,
                    brightness: *brightness,
                    sixteenth: (15.0 / console.tempo_bpm) as f32,
                };
                let perform = |take: usize, place: f32| {
                    let mut sound = spares.take(span.total);
                    part.play(take, span, &mut sound, spares, goes_on)?;
                    mixdown::channel(console, *instrument, (*duty, place), span.start, &mut sound);
                    Some(sound)
                };
                let mut takes = instrument.strip().takes(*duty).enumerate();
                let (first, place) = takes.next()?;
                let mut sound = perform(first, place)?;
                for (take, place) in takes {
                    let other = perform(take, place)?;
                    // Two takes are as strong as one.
                    sound.mix(&other, std::f32::consts::FRAC_1_SQRT_2);
                    spares.put(other);
                }
                Some(sound)
            }
            Self::Texture { instrument, texture, gain_db, fade_in, fade_out } => {
                let mut sound = spares.take(span.total);
                let until = (span.lead + span.frames + fade_out).min(span.total);
                let mut canvas = Canvas { left: &mut sound.left[..until], right: &mut sound.right[..until] };
                if !texture.play(span.start, &mut canvas, goes_on) {
                    return None;
                }
                let gain = 10f32.powf(0.05 * gain_db);
                for side in [&mut sound.left, &mut sound.right] {
                    for sample in side.iter_mut() {
                        *sample *= gain;
                    }
                    fade(&mut side[span.lead..], *fade_in, |share| share);
                    fade(&mut side[(span.lead + span.frames).min(until)..until], *fade_out, |share| {
                        1.0 - share
                    });
                }
                let place = instrument.strip().place;
                mixdown::channel(console, *instrument, (Duty::Ground, place), span.start, &mut sound);
                Some(sound)
            }
        }
    }
}

/// The notes of one instrument.
struct Part<'a> {
    instrument: Instrument,
    duty: Duty,
    notes: &'a [Note],
    seed: u64,
    tuning: f32,
    brightness: f32,
    sixteenth: f32,
}

impl Part<'_> {
    /// Plays them once. No two takes are alike, nor quite together.
    fn play(
        &self,
        take: usize,
        span: Span,
        sound: &mut Stereo,
        spares: &Spares,
        goes_on: &dyn Fn() -> bool,
    ) -> Option<()> {
        let voice = self.instrument.voice();
        let strokes: Vec<(Stroke, Cue)> = (0..self.notes.len()).map(|number| self.stroke(number)).collect();
        let seed = self.random(take, "samples").bits();
        let mut sampler = Sampler::new(voice, seed, (spares, span.total), strokes.iter().copied());
        for (number, (note, (stroke, cue))) in self.notes.iter().zip(strokes).enumerate() {
            if !goes_on() {
                return None;
            }
            let mut random = self.random(take, &number.to_string());
            let late = if take == 0 { 0.0 } else { LATE_SECONDS * random.unit() };
            sampler.play(stroke, &cue, &mut random, &mut canvas_from(sound, span, note.at + late));
        }
        sampler.leave();
        if let (Some(first), Some(last)) = (self.notes.first(), self.notes.last()) {
            let seconds = last.at + last.seconds - first.at;
            let cue = Cue { seconds: seconds as f32, velocity: 0.7, ..self.cue(first) };
            // Drums are tuned to a fourth below the tonic.
            let tonic = self.tuning * (5.0_f32 / 12.0).exp2();
            voice.under(
                tonic,
                &cue,
                &mut self.random(take, "under"),
                &mut canvas_from(sound, span, first.at),
            );
        }
        Some(())
    }

    fn random(&self, take: usize, purpose: &str) -> Random {
        let take = if take == 0 { String::new() } else { format!(" take {take}") };
        Random::stream(self.seed, &format!("{} {:?}{take} {purpose}", self.instrument.name(), self.duty))
    }

    /// What note `number` asks of a player.
    fn stroke(&self, number: usize) -> (Stroke, Cue) {
        let note = &self.notes[number];
        let cue = self.cue(note);
        match note.tone {
            Tone::Hit(drum) => (Stroke::Hit(drum), cue),
            Tone::Pitch(_) => {
                let how = Articulation {
                    mute: note.mute,
                    legato: note.legato || self.instrument.voice().glides(),
                    accent: f32::from(u8::from(note.accent)),
                };
                (Stroke::Note, cue.articulated(how, self.before(number)))
            }
        }
    }

    fn cue(&self, note: &Note) -> Cue {
        let hz = match note.tone {
            Tone::Pitch(pitch) => voices::hertz(pitch),
            Tone::Hit(_) => self.tuning,
        };
        Cue {
            brightness: self.brightness,
            sixteenth: self.sixteenth,
            ..Cue::plain(hz, note.seconds as f32, note.velocity)
        }
    }

    /// The pitch of the one note that ends where note `number` starts, if no other sounds.
    fn before(&self, number: usize) -> Option<f32> {
        /// How far apart notes may be and still be slurred.
        const GAP: f64 = 0.03;
        let this = &self.notes[number];
        let alone = |other: Option<&Note>| other.is_none_or(|other| (other.at - this.at).abs() > GAP);
        let before = number.checked_sub(1).and_then(|before| self.notes.get(before))?;
        let joins = before.at + before.seconds > this.at - GAP;
        match before.tone {
            Tone::Pitch(pitch) if joins && alone(Some(before)) && alone(self.notes.get(number + 1)) => {
                Some(voices::hertz(pitch))
            }
            _ => None,
        }
    }
}

/// The canvas from a time of the piece on.
fn canvas_from(sound: &mut Stereo, span: Span, at: f64) -> Canvas<'_> {
    let onset = (at * f64::from(RATE)).round() as i64 - span.start;
    let from = usize::try_from(onset).unwrap_or(0).min(span.total);
    Canvas { left: &mut sound.left[from..], right: &mut sound.right[from..] }
}

/// Scales the first `frames` samples by a share that runs from 0 to 1, smoothed.
fn fade(samples: &mut [f32], frames: usize, gain: impl Fn(f32) -> f32) {
    for (i, sample) in samples.iter_mut().take(frames).enumerate() {
        let share = i as f32 / frames as f32;
        *sample *= gain(share * share * (3.0 - 2.0 * share));
    }
}
