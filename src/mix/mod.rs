//! One timeline out of the sections: placed on the sample, joined as planned, at the rate and channels of the finished file.

use thiserror::Error;

use crate::{
    audio::{Pcm, Spec},
    plan::Plan,
    render::{Rendered, Stem},
};

/// The whole piece before mastering.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Exactly the plan's length at the rate that was asked for.
    pub sound: Pcm,
    /// The same for each stem; they sum to `sound` within 1e-6. Empty unless every section brought stems.
    pub stems: Vec<Stem>,
}

/// Why sections cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MixError {
    /// Placeholder, to be replaced by the real ones.
    #[error("{0}")]
    Sections(String),
}

/// Joins the sections of `plan`, in order, and converts the result to `output`.
///
/// # Errors
/// When the sections do not fit the plan.
pub fn join(_plan: &Plan, _sections: Vec<Rendered>, _output: Spec) -> Result<Mix, MixError> {
    Err(MixError::Sections(String::new()))
}
