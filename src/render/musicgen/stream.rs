//! One token stream through a whole piece, section by section.
//!
//! The model hears at most a window (30 s). A longer piece is made of windows that overlap: each starts with the last frames
//! of the one before as its prompt and goes on from there, its positions starting anew. A section always starts a window,
//! with its own text:
//!
//! ```text
//!            section 1, text A                       section 2, text B
//! window 1   |==============================|
//! window 2                     ++++++++++++|====|
//! window 3                             ++++++++++++|==================|
//! window 4                                                ++++++++++++|=====...
//!                                 + prompt, = new frames
//! ```
//!
//! All that a section needs from before is its [`Tail`], and it starts from that even when the piece is made in one go: a
//! section rendered later or elsewhere is the same.

use std::fmt::Debug;

use crate::audio::Random;

use super::{
    ModelError,
    codes::Codes,
    condition::{Branches, Prompt},
    generate::{Piece, State},
    model::LanguageModel,
    sampling::Sampling,
};

/// How windows slide, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    frames: usize,
    stride: usize,
}

impl Window {
    /// The longest stretch that the model hears, and how far it moves on (1 to that).
    pub fn new(frames: usize, stride: usize) -> Self {
        let frames = frames.max(1);
        Self { frames, stride: stride.clamp(1, frames) }
    }

    /// 30 s that move on by 18 s, as in audiocraft.
    pub fn of_30_seconds(frame_rate: usize) -> Self {
        Self::new(30 * frame_rate, 18 * frame_rate)
    }

    /// The longest stretch that the model hears.
    pub fn frames(self) -> usize {
        self.frames
    }

    /// The longest prompt of a window: what two windows share.
    pub fn overlap(self) -> usize {
        self.frames - self.stride
    }
}

/// What a section needs of the stream before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Frames of the stream before the section.
    pub frame: usize,
    /// The last of them.
    pub codes: Codes,
}

impl Tail {
    /// The start of a piece.
    pub fn start(codebooks: usize) -> Self {
        Self { frame: 0, codes: Codes::empty(codebooks) }
    }

    /// The end of a stream that has so far these tokens: of sections, or the codec's of a sound to go on from.
    pub fn after(codes: &Codes, window: Window) -> Self {
        Self { frame: codes.frames(), codes: codes.last(window.overlap()) }
    }
}

/// A melody that a piece follows, for as long as the piece may be.
pub trait Melody: Debug + Send + Sync {
    /// The leading pitch class of each row of chroma in a window that starts with this frame of the stream.
    fn classes(&self, first_frame: usize) -> Vec<usize>;
}

/// A section to be made.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Its length.
    pub frames: usize,
    /// What it should have; may be blank.
    pub text: &'a str,
    /// What it should not have; may be blank.
    pub negative: &'a str,
    /// For a melody model what it follows.
    pub melody: Option<&'a dyn Melody>,
    /// How its tokens are drawn.
    pub sampling: Sampling,
    /// Seed of the whole piece. Every window has its own random stream, by its place in the piece.
    pub seed: u64,
}

impl Section<'_> {
    /// The branches of a window that starts with this frame of the stream.
    fn branches(&self, model: &LanguageModel, first_frame: usize) -> Result<Branches, ModelError> {
        let melody = self.melody.map(|melody| melody.classes(first_frame));
        model.branches(&Prompt { text: self.text, negative: self.negative, melody: melody.as_deref() })
    }
}

/// A section on its way.
#[derive(Debug)]
pub struct SectionState<'a> {
    section: Section<'a>,
    window: Window,
    /// Where the section starts in the stream.
    start: usize,
    /// The stream from the section's tail on.
    codes: Codes,
    /// How much of that was the tail.
    known: usize,
    branches: Branches,
    /// The window that is being made; `None` when the section is whole.
    current: Option<State>,
}

impl<'a> SectionState<'a> {
    /// Starts a section behind a tail.
    ///
    /// # Errors
    /// When the prompt cannot be read, the tail is of another model, or the device fails.
    pub fn new(
        model: &LanguageModel,
        window: Window,
        section: Section<'a>,
        tail: &Tail,
    ) -> Result<Self, ModelError> {
        let codes = tail.codes.last(window.overlap());
        let known = codes.frames();
        let branches = section.branches(model, tail.frame.saturating_sub(known))?;
        let mut state = Self { section, window, start: tail.frame, codes, known, branches, current: None };
        state.open(model)?;
        Ok(state)
    }

    /// One step of the window that is being made.
    ///
    /// # Errors
    /// As [`State::step`].
    pub fn step(&mut self, model: &LanguageModel) -> Result<(), ModelError> {
        if let Some(state) = &mut self.current {
            state.step(model.decoder())?;
        }
        match self.current.take_if(|state| state.done()) {
            Some(window) => self.settle(model, &window),
            None => Ok(()),
        }
    }

    /// The window that is to be made, for somebody else to step; then comes [`SectionState::settle`]. `None` when the section is
    /// whole.
    pub fn take(&mut self) -> Option<State> {
        self.current.take()
    }

    /// Takes a window that is done, and opens the next.
    ///
    /// # Errors
    /// When the device fails.
    pub fn settle(&mut self, model: &LanguageModel, window: &State) -> Result<(), ModelError> {
        self.codes.append(&window.codes_from(window.known()));
        self.open(model)
    }

    /// Whether the section is whole.
    pub fn done(&self) -> bool {
        self.current.is_none()
    }

    /// Frames of the section that are made.
    pub fn ready(&self) -> usize {
        let current = self.current.as_ref().map_or(0, |state| state.ready().saturating_sub(state.known()));
        self.codes.frames() - self.known + current
    }

    /// The section's tokens as far as its windows are done, and what the next section needs.
    pub fn finish(self) -> (Codes, Tail) {
        let codes = self.codes.from_frame(self.known);
        let tail = Tail { frame: self.start + codes.frames(), codes: self.codes.last(self.window.overlap()) };
        (codes, tail)
    }

    /// Opens the next window, unless the section is whole.
    fn open(&mut self, model: &LanguageModel) -> Result<(), ModelError> {
        let made = self.codes.frames() - self.known;
        if made >= self.section.frames {
            return Ok(());
        }
        let prompt = self.codes.last(self.window.overlap());
        let known = prompt.frames();
        let at = self.start + made;
        if made > 0 && self.section.melody.is_some() {
            self.branches = self.section.branches(model, at.saturating_sub(known))?;
        }
        let piece = Piece {
            frames: known + (self.window.frames - known).min(self.section.frames - made),
            prompt: &prompt,
            branches: &self.branches,
            sampling: self.section.sampling,
        };
        let random = Random::stream(self.section.seed, &format!("tokens from frame {at}"));
        self.current = Some(State::new(model.decoder(), &piece, random)?);
        Ok(())
    }
}
