//! The place of a section on the timeline.

use super::MixError;
use crate::{
    audio::{Pcm, SampleRate, Spec},
    plan::Plan,
    render::Rendered,
    wire::TransitionKind,
};

/// Where one section stands, in frames at the engine's rate.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Id of the section.
    pub(super) id: String,
    /// How it is joined to the section before it.
    pub(super) kind: TransitionKind,
    /// Its bar line.
    pub(super) start: usize,
    /// The bar line of the next section, or the end of the piece.
    pub(super) end: usize,
    /// Frames that it plays before its bar line; when it continues as many as the engine gives.
    pub(super) lead: usize,
}

/// How much earlier than planned a section may end.
const EARLY_END_SECONDS: f64 = 0.02;

impl Slot {
    /// The places of all sections of a plan.
    pub(super) fn all(plan: &Plan, rate: SampleRate) -> Vec<Self> {
        let slot = |(index, section): (usize, &crate::wire::PlanSection)| Self {
            id: section.id.clone(),
            kind: section.transition.kind,
            start: plan.start_at(index, rate),
            end: plan.start_at(index + 1, rate),
            lead: plan.lead_at(index, rate),
        };
        plan.sections.iter().enumerate().map(slot).collect()
    }

    /// Whether the join before it silences what still rings of the sections before.
    pub(super) fn silences(&self) -> bool {
        self.start > 0 && self.kind != TransitionKind::Continue
    }

    /// Frames of the section itself.
    pub(super) fn frames(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it goes on in the sound of the section before.
    pub(super) fn continues(&self) -> bool {
        self.start > 0 && self.kind == TransitionKind::Continue
    }

    /// Frames that a rendered section plays before its bar line.
    pub(super) fn lead_of(&self, section: &Rendered) -> usize {
        if self.continues() { section.lead_frames } else { self.lead }
    }

    /// Whether a rendered section fits this place.
    pub(super) fn check(&self, section: &Rendered, expected: Spec) -> Result<(), MixError> {
        let frames = section.sound.frames();
        let lead = self.lead_of(section);
        let needed = lead + self.frames();
        if section.lead_frames != lead || lead > self.start {
            return Err(MixError::Lead {
                section: self.id.clone(),
                found: section.lead_frames,
                planned: self.lead,
            });
        }
        if frames + expected.rate.frames(EARLY_END_SECONDS) < needed {
            return Err(MixError::Short { section: self.id.clone(), frames, needed });
        }
        self.check_track(&section.sound, expected)?;
        for stem in &section.stems {
            if stem.sound.frames() != frames {
                return Err(MixError::StemLength {
                    section: self.id.clone(),
                    stem: stem.name.clone(),
                    frames: stem.sound.frames(),
                    expected: frames,
                });
            }
            self.check_track(&stem.sound, expected)?;
        }
        Ok(())
    }

    fn check_track(&self, sound: &Pcm, expected: Spec) -> Result<(), MixError> {
        let found = sound.spec();
        if found != expected {
            return Err(MixError::Spec { section: self.id.clone(), found, expected });
        }
        let fault = sound.planes().iter().enumerate().find_map(|(channel, plane)| {
            Some((channel, plane.iter().position(|sample| !sample.is_finite())?))
        });
        match fault {
            Some((channel, frame)) => Err(MixError::NotFinite { section: self.id.clone(), channel, frame }),
            None => Ok(()),
        }
    }
}
