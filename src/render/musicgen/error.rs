//! Why a model cannot be loaded or give tokens.

use thiserror::Error;

use super::{checkpoint::CheckpointError, config::ConfigError, delay::GridError, text::TextError};
use crate::cancel::Cancelled;

/// Why a model cannot be loaded or give tokens.
#[derive(Debug, Error)]
pub enum ModelError {
    /// It is not one that can be run.
    #[error("the model's configuration cannot be used")]
    Config(#[from] ConfigError),
    /// Its weights cannot be had.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A text cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A tensor is read that does not follow from the configuration: a fault of this program.
    #[error("tensor {tensor} is not listed")]
    Unlisted {
        /// The tensor.
        tensor: String,
    },
    /// Its files cannot be looked at.
    #[error("the model's files cannot be looked at")]
    Kept(#[source] std::io::Error),
    /// A prompt does not fit the piece.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// A token of a prompt is none of the model's.
    #[error("token {token} in a prompt for a model with {vocabulary} per codebook")]
    Token {
        /// The token.
        token: u32,
        /// How many there are.
        vocabulary: usize,
    },
    /// A melody is given to a model that follows none.
    #[error("this model follows no melody; musicgen-melody models do")]
    NoMelody,
    /// A melody without a single row.
    #[error("the melody is empty")]
    EmptyMelody,
    /// A melody has a pitch class that the model does not know.
    #[error("pitch class {class} of {classes}")]
    PitchClass {
        /// The class.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// The model gives infinities: it cannot run at its precision on its device.
    #[error("the model gives no numbers in column {column}; run it in f32 or bf16, or on another device")]
    NotFinite {
        /// The column of the grid.
        column: usize,
    },
    /// The system gives no thread to step it.
    #[error("there is no thread for the model")]
    Thread(#[source] std::io::Error),
    /// It was in a batch that came to an end: a fault of this program.
    #[error("the pieces that were made together came to an end")]
    Abandoned,
    /// Loading it was cancelled. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The device failed, or has no memory left.
    #[error("the language model failed on its device")]
    Device(#[from] candle_core::Error),
}
