//! One instrument of one section as sound.

use super::{
    instrument::Instrument,
    score::{Duty, Note},
    voices::{self, Canvas, RATE, Texture},
};
use crate::audio::Random;

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
}

impl Track {
    /// Who plays.
    pub(super) fn instrument(&self) -> Instrument {
        match self {
            Self::Notes { instrument, .. } | Self::Texture { instrument, .. } => *instrument,
        }
    }

    /// What for.
    pub(super) fn duty(&self) -> Duty {
        match self {
            Self::Notes { duty, .. } => *duty,
            Self::Texture { .. } => Duty::Ground,
        }
    }

    /// How much work it is, in units of one note.
    pub(super) fn weight(&self, span: Span) -> usize {
        match self {
            Self::Notes { notes, .. } => notes.len(),
            Self::Texture { .. } => span.total / 32_768 + 1,
        }
    }

    /// Renders it. `goes_on` is asked before each unit of work; `None` when it says no.
    pub(super) fn render(&self, span: Span, goes_on: &dyn Fn() -> bool) -> Option<Stereo> {
        let mut sound = Stereo::silence(span.total);
        match self {
            Self::Notes { instrument, duty, notes, seed, tuning, brightness } => {
                for (number, note) in notes.iter().enumerate() {
                    if !goes_on() {
                        return None;
                    }
                    let onset = (note.at * f64::from(RATE)).round() as i64 - span.start;
                    let from = usize::try_from(onset).unwrap_or(0).min(span.total);
                    let mut random =
                        Random::stream(*seed, &format!("{} {duty:?} {number}", instrument.name()));
                    let mut canvas =
                        Canvas { left: &mut sound.left[from..], right: &mut sound.right[from..] };
                    voices::play(instrument.voice(), note, *tuning, *brightness, &mut random, &mut canvas);
                }
            }
            Self::Texture { texture, fade_in, fade_out, .. } => {
                let until = (span.lead + span.frames + fade_out).min(span.total);
                let mut canvas = Canvas { left: &mut sound.left[..until], right: &mut sound.right[..until] };
                if !texture.play(span.start, &mut canvas, goes_on) {
                    return None;
                }
                for side in [&mut sound.left, &mut sound.right] {
                    fade(&mut side[span.lead..], *fade_in, |share| share);
                    fade(&mut side[(span.lead + span.frames).min(until)..until], *fade_out, |share| {
                        1.0 - share
                    });
                }
            }
        }
        Some(sound)
    }
}

/// Scales the first `frames` samples by a share that runs from 0 to 1, smoothed.
fn fade(samples: &mut [f32], frames: usize, gain: impl Fn(f32) -> f32) {
    for (i, sample) in samples.iter_mut().take(frames).enumerate() {
        let share = i as f32 / frames as f32;
        *sample *= gain(share * share * (3.0 - 2.0 * share));
    }
}
