//! The engine contract, and the stage that walks a plan through an engine section by section.

use std::{fmt::Debug, ops::ControlFlow};

use thiserror::Error;

use crate::{
    audio::{Pcm, Spec},
    plan::Plan,
    wire::Sampling,
};

mod sections;
pub mod synth;
#[cfg(feature = "musicgen")]
pub mod musicgen;
pub mod engines;

pub use sections::{Audience, sections};

/// Turns one section of a plan into sound. Called from plain threads, several at once; may block.
pub trait Engine: Send + Sync + Debug {
    /// As used in requests, manifests, logs and metrics.
    fn name(&self) -> &str;

    /// What it can do.
    fn limits(&self) -> Limits;

    /// Whether it is ready to render; one that is not loads its model first.
    fn is_loaded(&self) -> bool {
        true
    }

    /// Renders one section.
    ///
    /// `before` is the section that it follows, when that one was rendered by the same engine: it may go on from it
    /// or ignore it, and needs it only where the plan says `continue`. The result depends on nothing but the arguments.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] as soon as `watch` breaks, otherwise why it cannot be rendered.
    fn render(
        &self,
        section: &SectionSpec<'_>,
        before: Option<&Rendered>,
        watch: &dyn Watch,
    ) -> Result<Rendered, EngineError>;
}

/// Hears of progress, and may stop it: one callback is both progress bar and cancel button.
pub trait Watch: Send + Sync {
    /// `done` is the share of the section that is rendered, 0 to 1, never falling. To break is to cancel.
    fn progress(&self, done: f64) -> ControlFlow<()>;

    /// Sound of the section before the whole of it is there: the frames of [`Rendered::sound`] that follow those it has heard of
    /// already, the very first of them `lead_frames` before the bar line. They are final: neither the rest of the section nor one that goes
    /// on from it changes them. An engine may tell of all, of some or of none.
    fn sound(&self, _lead_frames: usize, _more: &Pcm) {}
}

/// What an engine can do.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that it can or cannot do")]
pub struct Limits {
    /// Its own rate and channels: what [`Rendered`] has.
    pub spec: Spec,
    /// Longest section it can render at once, in seconds. `None` is no limit.
    pub longest_section_seconds: Option<f64>,
    /// Sections that are worth rendering at the same time, where none goes on from another.
    pub at_once: usize,
    /// Whether it can give stems.
    pub stems: bool,
    /// Whether it gives [`Rendered::played`].
    pub notes: bool,
    /// Whether it gives [`Rendered::tokens`].
    pub tokens: bool,
    /// Whether requests may name a model and sampling for it.
    pub samples_a_model: bool,
    /// What it takes beside the sound that it gives, at most: its model and what that works on.
    pub memory_bytes: u64,
    /// Whether it can go on from a sound that it did not make ([`SectionSpec::continued`]).
    pub continues: bool,
    /// Whether it can follow the melody of a sound ([`SectionSpec::melody`]).
    pub follows_melody: bool,
    /// Seconds of work for a second of music, when that was measured here.
    pub real_time_factor: Option<f64>,
    /// Licence of what it makes, for people.
    pub licence: String,
    /// The model that it plays, when it has one.
    pub model: Option<ModelFacts>,
}

/// The model of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// Name and revision: `facebook/musicgen-small@4c8334b02c6ec4e8664a91979669a501ec497792`, or a directory.
    pub title: String,
    /// How its matrices are kept: `f32`.
    pub dtype: String,
    /// What it computes on: `cpu`, `cuda` or `metal`.
    pub device: String,
}

/// One section to be rendered. Frame counts are at the engine's own rate.
#[derive(Clone, Copy, Debug)]
pub struct SectionSpec<'a> {
    /// The whole plan.
    pub plan: &'a Plan,
    /// Which of its sections.
    pub index: usize,
    /// Frames to play *before* the section's bar line, to be faded in under the section before (a pickup); 0 unless it is
    /// joined by a crossfade.
    pub lead_frames: usize,
    /// Frames of the section itself.
    pub frames: usize,
    /// What the music should not have; may be empty.
    pub negative_prompt: &'a str,
    /// How tokens are drawn.
    pub sampling: Option<Sampling>,
    /// What the piece goes on from, for its first section alone: the last seconds before its first frame, at the sound's own rate
    /// and in mono or stereo. No part of the section. `None` for an engine that cannot go on from it.
    pub continued: Option<&'a Pcm>,
    /// Whose melody the piece follows, the same for every section: its first frame belongs to the piece's first frame. At its own
    /// rate, in mono or stereo. `None` for an engine that cannot follow it.
    pub melody: Option<&'a Pcm>,
    /// Whether [`Rendered::stems`] is wanted.
    pub stems: bool,
}

/// A rendered section.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// `lead_frames`, then `frames` (an engine that makes sound in steps may end up to 20 ms earlier), then whatever still
    /// rings after the section's end (any length, also none).
    pub sound: Pcm,
    /// How many frames of `sound` lie before the section's bar line. Of a section joined by `continue` they are the end of the
    /// section before as it becomes when the piece goes on, and replace it.
    pub lead_frames: usize,
    /// One per instrument group in a fixed order, each as long as `sound` and summing to it. Empty unless asked for.
    pub stems: Vec<Stem>,
    /// The notes that sound, from an engine that composes; `None` from one that does not know them.
    pub played: Option<Played>,
    /// The tokens that the sound was made of, one list per codebook, from an engine that makes sound of tokens. Of a section
    /// joined by `continue` those that it adds.
    pub tokens: Option<Vec<Vec<u32>>>,
    /// What the engine wants to know when it renders the next section, in its own encoding.
    pub tail: Vec<u8>,
}

/// The notes of a section: exactly those that sound in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Played {
    /// One for each instrument and what it does, in a fixed order. The same part has the same name in every section.
    pub parts: Vec<Part>,
    /// Where the beat leaves the plan's tempo (a ritardando): moments at which the beat is known, in order of time. Empty: it
    /// does not. Before the first and after the last mark the plan's tempo holds.
    pub beats: Vec<BeatMark>,
}

/// What one instrument plays.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// A name for people and for the track of a MIDI file: `piano`, `piano melody`.
    pub name: String,
    /// The stem that it sounds in.
    pub group: String,
    /// How General MIDI plays it.
    pub sound: MidiSound,
    /// Its notes, sorted by time.
    pub notes: Vec<PlayedNote>,
}

/// How General MIDI plays a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MidiSound {
    /// A program, 0 to 127.
    Program(u8),
    /// The drum map of channel 10.
    Drums,
}

/// One note as it sounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlayedNote {
    /// When it starts, in seconds from the start of the piece.
    pub at: f64,
    /// How long it is held, in seconds.
    pub seconds: f64,
    /// MIDI note number, 0 to 127; for drums its place in the General MIDI drum map.
    pub key: u8,
    /// 1 to 127.
    pub velocity: u8,
}

/// A moment at which the beat is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeatMark {
    /// Seconds from the start of the piece.
    pub at: f64,
    /// Beats of the metre from the start of the piece.
    pub beat: f64,
}

/// One instrument group on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Stem {
    /// Name of the group, as `drums`.
    pub name: String,
    /// Its sound.
    pub sound: Pcm,
}

/// Why a section could not be rendered.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The watch said stop. Not a fault.
    #[error("cancelled")]
    Cancelled,
    /// The section asks for something that this engine has not. Trying again will not help.
    #[error("{engine} cannot render section {section}: {reason}")]
    Unsupported {
        /// Name of the engine.
        engine: String,
        /// Id of the section.
        section: String,
        /// What it has not.
        reason: String,
    },
    /// The engine gave something that is no usable sound. Trying again will not help.
    #[error("{engine} gave unusable sound for section {section}: {reason}")]
    BadSound {
        /// Name of the engine.
        engine: String,
        /// Id of the section.
        section: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine's model cannot be loaded. Trying again will not help until it is mended.
    #[error("model {model} cannot be loaded; `timbre models check {model}` says what is wrong with it")]
    Model {
        /// The model.
        model: String,
        /// The cause; for the log, not for the caller.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something failed inside the engine. Trying again may help.
    #[error("{engine} failed in section {section}")]
    Failed {
        /// Name of the engine.
        engine: String,
        /// Id of the section.
        section: String,
        /// The cause; for the log, not for the caller.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
