//! From a request to a plan: which sections there are, how many bars they have, and who plays.
//!
//! Planning is pure: the same request (seed included) gives the same plan.

use std::ops::Deref;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    audio::SampleRate,
    request::Request,
    wire::{CompositionPlan, FieldError, PlanSection, Transition, TransitionKind},
};

pub mod vocabulary;
mod brief;
mod shape;
mod form;
mod motif;
mod ensemble;
mod arrangement;
mod prompt;
mod decide;
mod compose;
mod check;
mod memory;

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
    /// Computes everything derived: where sections start and how long they are, from bars, tempo and the exact duration.
    ///
    /// The last section ends where the piece ends, so that the lengths add up whatever the tempo.
    fn from_authored(mut wire: CompositionPlan, warnings: Vec<String>) -> Result<Self, PlanError> {
        let rate = SampleRate(wire.sample_rate);
        let bar_seconds = wire.time_signature.bar_seconds(wire.tempo_bpm);
        let end = wire.duration_seconds;
        let last = wire.sections.len().saturating_sub(1);
        let mut bars_before = 0.0;
        for (index, section) in wire.sections.iter_mut().enumerate() {
            let start = bars_before * bar_seconds;
            bars_before += section.bars;
            let stop = if index == last { end } else { bars_before * bar_seconds };
            let frames = rate.frames(start)..rate.frames(stop);
            if frames.is_empty() {
                let field = format!("plan.sections[{index}].bars");
                let message = "leave no time for this section".to_owned();
                return Err(PlanError { errors: vec![FieldError { field, message }] });
            }
            section.start_seconds = start;
            section.length_seconds = stop - start;
            section.start_frame = frames.start as u64;
            section.length_frames = frames.len() as u64;
        }
        wire.total_bars = form::bars_in(end, bar_seconds);
        wire.total_frames = rate.frames(end) as u64;
        Ok(Self { wire, warnings })
    }

    /// A plan that is taken as it stands, for the tests of later stages.
    #[cfg(test)]
    pub(crate) fn from_wire_unchecked(wire: CompositionPlan) -> Self {
        Self { wire, warnings: Vec::new() }
    }

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

    /// How many frames of section `index` sound before its bar line, at some rate: the length of its crossfade, but no more than
    /// the section before has.
    pub fn lead_at(&self, index: usize, rate: SampleRate) -> usize {
        let Some(section) = self.wire.sections.get(index) else { return 0 };
        if index == 0 || section.transition.kind != TransitionKind::Crossfade {
            return 0;
        }
        let room = self.start_at(index, rate) - self.start_at(index - 1, rate);
        rate.frames(section.transition.beats * self.beat_seconds()).min(room)
    }

    /// The same piece in one section that says the prompt word for word, played as in its fullest section: for engines that read
    /// text, and for comparing them.
    pub fn single(&self) -> CompositionPlan {
        let mut wire = self.to_wire();
        let fullest = wire.sections.iter().max_by_key(|section| section.energy).cloned();
        wire.sections = fullest
            .into_iter()
            .map(|section| PlanSection {
                id: "s00".to_owned(),
                prompt: self.wire.prompt.clone(),
                bars: self.wire.total_bars,
                key: None,
                transition: Transition { kind: TransitionKind::Cut, beats: 0.0 },
                ..section
            })
            .collect();
        // They follow from the sections and are computed again.
        wire.theme.dynamic_curve.clear();
        wire
    }

    /// SHA-256 of the plan as compact JSON, in hexadecimal.
    pub fn sha256(&self) -> String {
        let json = serde_json::to_vec(&self.wire).unwrap_or_default();
        base16ct::lower::encode_string(&Sha256::digest(json))
    }
}

/// The plan of a request: its own, checked, or one made from the prompt.
///
/// # Errors
/// When the request brings a plan that cannot be honoured or contradicts the request, or when the prompt asks for a tempo
/// or a length outside the limits; and when the piece would take more memory than it may.
pub fn plan(request: &Request) -> Result<Plan, PlanError> {
    let plan = match &request.plan {
        Some(wire) => check::accept(wire, request),
        None => compose::compose(request),
    }?;
    memory::check(&plan, request)?;
    Ok(plan)
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;
