//! How long work is cancelled.

use std::{error::Error as StdError, io, ops::ControlFlow};

use thiserror::Error;

/// Frames of a sound that may be worked on between two questions: a few milliseconds.
pub const EVERY_FRAMES: usize = 1 << 16;

/// Asked by long work many times a second whether to go on, so it should be cheap to answer.
pub trait Cancel: Sync {
    /// [`ControlFlow::Break`] ends the work; it stays that once it was.
    fn go_on(&self) -> ControlFlow<()>;

    /// The same for `?`.
    ///
    /// # Errors
    /// When the work is to end.
    fn check(&self) -> Result<(), Cancelled> {
        match self.go_on() {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Cancelled),
        }
    }
}

/// The work was cancelled. Not a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cancelled")]
pub struct Cancelled;

impl From<Cancelled> for io::Error {
    fn from(cancelled: Cancelled) -> Self {
        Self::other(cancelled)
    }
}

impl Cancelled {
    /// Whether this is what an I/O error holds.
    pub fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<Self>)
    }
}

/// Work that nobody cancels.
#[derive(Clone, Copy, Debug)]
pub struct Never;

impl Cancel for Never {
    fn go_on(&self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
