//! From a mix to finished samples: subsonic filter, loudness, true-peak limiter, fades, dither, and the measured report.

use thiserror::Error;

use crate::{
    audio::{Decibels, Lufs, Pcm},
    wire::{BitDepth, LoudnessReport},
};

/// What the finished samples shall be like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Integrated loudness to reach.
    pub loudness: Lufs,
    /// True peak not to exceed.
    pub true_peak: Decibels,
    /// Sample format to quantise to.
    pub bit_depth: BitDepth,
    /// Seed of the dither noise.
    pub seed: u64,
}

/// The finished samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Mastered {
    /// As long as the mix. With an integer format every sample is a whole multiple of 2^-15 or 2^-23 inside [-1, 1), so that
    /// encoding is exact.
    pub sound: Pcm,
    /// Measured on `sound`.
    pub loudness: LoudnessReport,
}

/// Why a mix cannot be mastered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MasterError {
    /// Placeholder, to be replaced by the real ones.
    #[error("{0}")]
    Sound(String),
}

/// Masters a mix.
///
/// # Errors
/// When the mix has samples that are no numbers.
pub fn master(_mix: Pcm, _target: &Target) -> Result<Mastered, MasterError> {
    Err(MasterError::Sound(String::new()))
}
