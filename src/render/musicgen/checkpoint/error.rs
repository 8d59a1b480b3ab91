//! Why weights cannot be had.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

use super::file::{INDEX, SINGLE};
use crate::cancel::Cancelled;

/// A shape as messages show it: `[2049, 1024]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(pub Vec<usize>);

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Why weights cannot be had.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// There are none that can be read.
    #[error("{} has neither {SINGLE} nor {INDEX}{}", directory.display(), if *pickled {
        "; its .bin files are in a format that can hold programs and is not read: save the model as safetensors"
    } else {
        ""
    })]
    NoWeights {
        /// The model's directory.
        directory: PathBuf,
        /// Whether there are weights in the old format.
        pickled: bool,
    },
    /// A file cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is damaged, or none of its format.
    #[error("{} is damaged: {reason}; fetch it again", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file is shorter than its header says.
    #[error("{} is cut off in tensor {tensor}: {found} bytes of {expected}; fetch it again", file.display())]
    CutOff {
        /// The file.
        file: PathBuf,
        /// The first tensor that is not whole.
        tensor: String,
        /// Length that the file should have.
        expected: u64,
        /// Length that it has.
        found: u64,
    },
    /// The index names a file that it must not.
    #[error("{} places tensor {tensor} in {shard}, which is no file of this directory", index.display())]
    Outside {
        /// The index.
        index: PathBuf,
        /// The tensor.
        tensor: String,
        /// Where it should lie.
        shard: String,
    },
    /// A tensor is not there.
    #[error("{} has no tensor {tensor}, expected with shape {expected}", file.display())]
    Missing {
        /// Where it should be: the file, or the index.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape according to the configuration.
        expected: Shape,
    },
    /// A tensor has another shape than the configuration says.
    #[error("{}: tensor {tensor} has shape {found}, but config.json says {expected}", file.display())]
    Mismatch {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape according to the configuration.
        expected: Shape,
        /// Its shape.
        found: Shape,
    },
    /// A tensor has no type that a model can be run from.
    #[error("{}: tensor {tensor} is stored as {found}, but must be F32, F16 or BF16", file.display())]
    Type {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor has values that are no numbers.
    #[error("{}: tensor {tensor} has values that are not finite; fetch the file again", file.display())]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// The device did not take a tensor.
    #[error("cannot bring tensor {tensor} to the device")]
    Device {
        /// The tensor.
        tensor: String,
        /// The cause.
        #[source]
        source: candle_core::Error,
    },
    /// Reading was cancelled. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
