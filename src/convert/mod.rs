//! Sound at another rate, or with another number of channels.

mod channels;
mod rate;

use rubato::{ResampleError, ResamplerConstructionError};
use thiserror::Error;

use crate::{
    audio::{PcmError, SampleRate},
    cancel::Cancelled,
};

pub use channels::{mean, remix};
pub use rate::resample;

/// Why sound cannot be converted.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ConvertError {
    /// It was told to stop. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is no rule for this change of the number of channels.
    #[error("sound of {from} channels cannot become {to} channels: choose 1 or 2")]
    Channels {
        /// Channels that it has.
        from: usize,
        /// Channels that were asked for.
        to: usize,
    },
    /// Planes that do not belong together.
    #[error("the converted sound is malformed")]
    Sound(#[from] PcmError),
    /// There is no resampler for this pair of rates.
    #[error("there is no conversion from {from} to {to}")]
    NoResampler {
        /// Rate that it has.
        from: SampleRate,
        /// Rate that was asked for.
        to: SampleRate,
        /// The cause.
        #[source]
        source: ResamplerConstructionError,
    },
    /// The resampler failed.
    #[error("the sample rate cannot be converted")]
    Resampler(#[from] ResampleError),
}
