//! From a request to a plan: which sections there are, how many bars they have, and who plays.
//!
//! Planning is pure: the same request (seed included) gives the same plan.

use std::ops::Deref;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    audio::SampleRate,
    request::Request,
    wire::{CompositionPlan, FieldError, TransitionKind},
};

pub mod vocabulary;

/// A composition plan that can be rendered: every field is inside its limits, every name is known, and the derived fields are
/// exact. Reads like the [`CompositionPlan`] it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    wire: CompositionPlan,
    warnings: Vec<String>,
}

/// What in a plan cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; "))]
pub struct PlanError {
    /// The fields at fault, with their paths from the request down, as `plan.sections[1].bars`.
    pub errors: Vec<FieldError>,
}

impl Deref for Plan {
    type Target = CompositionPlan;

    fn deref(&self) -> &CompositionPlan {
        &self.wire
    }
}

impl Plan {
    /// What in the given plan was set right on the way.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The plan as it goes over the wire.
    pub fn to_wire(&self) -> CompositionPlan {
        self.wire.clone()
    }

    /// The rate in which this plan counts frames.
    pub fn rate(&self) -> SampleRate {
        SampleRate(self.wire.sample_rate)
    }

    /// Seconds of one bar.
    pub fn bar_seconds(&self) -> f64 {
        self.wire.time_signature.bar_seconds(self.wire.tempo_bpm)
    }

    /// Seconds of one beat.
    pub fn beat_seconds(&self) -> f64 {
        60.0 / self.wire.tempo_bpm
    }

    /// Where section `index` starts at another rate than the plan's, nearest frame. One past the last section is the end.
    pub fn start_at(&self, index: usize, rate: SampleRate) -> usize {
        rate.frames(
            self.wire.sections.get(index).map_or(self.wire.duration_seconds, |section| section.start_seconds),
        )
    }

    /// Frames that section `index` plays before its bar line: the length of its crossfade at `rate`, at most the whole section
    /// before it. 0 in the first section and for the other kinds of join.
    pub fn lead_at(&self, index: usize, rate: SampleRate) -> usize {
        let crossfade = index
            .checked_sub(1)
            .zip(self.wire.sections.get(index).map(|section| section.transition))
            .filter(|(_, transition)| transition.kind == TransitionKind::Crossfade);
        crossfade.map_or(0, |(before, transition)| {
            let longest = self.start_at(index, rate).saturating_sub(self.start_at(before, rate));
            rate.frames(transition.beats * self.beat_seconds()).min(longest)
        })
    }

    /// SHA-256 of the plan as compact JSON, in hexadecimal.
    pub fn sha256(&self) -> String {
        let json = serde_json::to_vec(&self.wire).unwrap_or_default();
        Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The plan of a request: its own, checked, or one made from the prompt.
///
/// # Errors
/// When the request brings a plan that cannot be honoured, or that contradicts the request.
pub fn plan(_request: &Request) -> Result<Plan, PlanError> {
    Err(PlanError { errors: Vec::new() })
}
