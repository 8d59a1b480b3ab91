//! One timeline out of the sections: placed on the sample, joined as planned, at the rate and channels of the finished file.
//!
//! Everything done here is linear and done alike to the sound and to every stem, so stems still sum to the sound.

mod crossfade;
mod growing;
mod notes;
mod seam;
mod slot;
#[cfg(test)]
mod tests;
mod timeline;

use thiserror::Error;

pub use self::growing::Growing;
use self::{slot::Slot, timeline::Timeline};
use crate::{
    audio::{Pcm, PcmError, SampleRate, Spec},
    cancel::{Cancel, Cancelled},
    convert::{ConvertError, remix, resample},
    plan::Plan,
    render::{Played, Rendered, Stem},
};

/// The whole piece before mastering.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Exactly the plan's length at the rate that was asked for.
    pub sound: Pcm,
    /// The same for each stem; they sum to `sound` within 1e-6. Empty when no section brought stems.
    pub stems: Vec<Stem>,
    /// The notes that sound. `None` when a section brought none.
    pub played: Option<Played>,
}

/// Why sections cannot be joined. All but [`MixError::Rate`] and [`MixError::Convert`] are faults of the engine.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MixError {
    /// It was told to stop. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Not one rendered section per planned one.
    #[error("{rendered} sections were rendered, the plan has {planned}")]
    Count {
        /// Sections of the plan.
        planned: usize,
        /// Sections given.
        rendered: usize,
    },
    /// A section, or one of its stems, differs from the first section in rate or channels.
    #[error("section {section} has {} channels at {}, the first section has {} at {}",
        .found.channels, .found.rate, .expected.channels, .expected.rate)]
    Spec {
        /// Id of the section.
        section: String,
        /// What it has.
        found: Spec,
        /// What the first section has.
        expected: Spec,
    },
    /// A section starts at another distance from its bar line than planned.
    #[error("section {section} begins {found} frames before its bar line, planned are {planned}")]
    Lead {
        /// Id of the section.
        section: String,
        /// Frames before the bar line.
        found: usize,
        /// Frames that were asked for.
        planned: usize,
    },
    /// A section ends before the next one starts.
    #[error("section {section} has {frames} frames, its place in the plan needs {needed}")]
    Short {
        /// Id of the section.
        section: String,
        /// Its length.
        frames: usize,
        /// Lead and length as planned.
        needed: usize,
    },
    /// A stem is not as long as its section.
    #[error("stem {stem} of section {section} has {frames} frames, the section has {expected}")]
    StemLength {
        /// Id of the section.
        section: String,
        /// Name of the stem.
        stem: String,
        /// Length of the stem.
        frames: usize,
        /// Length of the section.
        expected: usize,
    },
    /// A section that sounds brings no stems, others do.
    #[error("section {section} brings no stems, other sections do")]
    NoStems {
        /// Id of the section.
        section: String,
    },
    /// A section has a sample that is infinite or not a number.
    #[error(
        "section {section} has samples that are not finite numbers, the first in channel {channel} at frame {frame}"
    )]
    NotFinite {
        /// Id of the section.
        section: String,
        /// Channel of the first one.
        channel: usize,
        /// Frame of the first one, counted from the start of the section's sound.
        frame: usize,
    },
    /// The output counts frames at another rate than the plan, so that the plan's length is not its length.
    #[error("the plan counts frames at {plan}, the output is to have {output}: plan again for that rate")]
    Rate {
        /// Rate of the plan.
        plan: SampleRate,
        /// Rate that was asked for.
        output: SampleRate,
    },
    /// Planes that do not belong together.
    #[error("the joined sound is malformed")]
    Sound(#[from] PcmError),
    /// The output cannot be reached from what the engine gives.
    #[error(transparent)]
    Convert(ConvertError),
}

impl From<ConvertError> for MixError {
    fn from(error: ConvertError) -> Self {
        match error {
            ConvertError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::Convert(error),
        }
    }
}

/// Joins the sections of `plan`, in order, and converts the result to `output`.
///
/// - `cut`: what the old section still has past the bar line fades within 5 ms; a section without that much ring-out fades
///   over the last 5 ms that it has. The new section is untouched.
/// - `crossfade`: the new section's lead fades in under the old section at constant power, whatever their correlation; from the
///   bar line on the new section stands alone.
/// - `continue`: sections are added where they belong; ring-out sounds on under the sections that follow. A section with a lead
///   goes on in the sound of the one before: what that had from the lead on is replaced.
///
/// The piece is cut at the plan's length. Mono out of more channels is their mean; more out of mono are copies.
///
/// # Errors
/// When the sections do not fit the plan, have samples that are no numbers, or `output` cannot be reached from them.
pub fn join(
    plan: &Plan,
    sections: Vec<Rendered>,
    output: Spec,
    cancel: &dyn Cancel,
) -> Result<Mix, MixError> {
    if output.rate != plan.rate() {
        return Err(MixError::Rate { plan: plan.rate(), output: output.rate });
    }
    let planned = plan.sections.len();
    let spec = match sections.first() {
        Some(first) if sections.len() == planned => first.sound.spec(),
        _ => return Err(MixError::Count { planned, rendered: sections.len() }),
    };
    let slots = Slot::all(plan, spec.rate);
    convert(place(&slots, sections, spec, cancel)?, output, plan.total_frames as usize, cancel)
}

/// Joins the sections of `plan`, in order, and leaves the result as the engine made it: at its rate and channels, to the end of
/// the last section's sound.
///
/// # Errors
/// When the sections do not fit the plan, or have samples that are no numbers.
pub fn raw(plan: &Plan, sections: Vec<Rendered>, cancel: &dyn Cancel) -> Result<Pcm, MixError> {
    let planned = plan.sections.len();
    let Some(last) = sections.last().filter(|_| sections.len() == planned) else {
        return Err(MixError::Count { planned, rendered: sections.len() });
    };
    let spec = last.sound.spec();
    let mut slots = Slot::all(plan, spec.rate);
    if let Some(slot) = slots.last_mut() {
        slot.check(last, spec)?;
        slot.end = slot.start + last.sound.frames().saturating_sub(last.lead_frames);
    }
    Ok(place(&slots, sections, spec, cancel)?.sound)
}

/// The sections on one timeline, still at the engine's rate and channels. One section per slot.
fn place(
    slots: &[Slot],
    mut sections: Vec<Rendered>,
    spec: Spec,
    cancel: &dyn Cancel,
) -> Result<Mix, MixError> {
    for (slot, section) in slots.iter().zip(&sections) {
        cancel.check()?;
        slot.check(section, spec)?;
    }
    let stems = sections.iter().any(|section| !section.stems.is_empty());
    let without = |section: &Rendered| section.stems.is_empty() && section.sound.peak() > 0.0;
    if let Some((slot, _)) = slots.iter().zip(&sections).find(|(_, section)| stems && without(section)) {
        return Err(MixError::NoStems { section: slot.id.clone() });
    }
    let played: Option<Vec<Played>> = sections.iter_mut().map(|section| section.played.take()).collect();
    let mut timeline = Timeline::new(spec, slots.last().map_or(0, |slot| slot.end), stems);
    for (slot, section) in slots.iter().zip(sections) {
        cancel.check()?;
        timeline.place(slot, section);
    }
    let played = played.map(|played| notes::join(slots, played, spec.rate));
    Ok(Mix { played, ..timeline.into_mix() })
}

/// The mix at another rate and channel count, exactly `frames` long.
fn convert(mix: Mix, output: Spec, frames: usize, cancel: &dyn Cancel) -> Result<Mix, MixError> {
    let track = |sound: Pcm| -> Result<Pcm, ConvertError> {
        // Fewer channels first, more channels last: either way the resampler has less to do.
        let narrow = output.channels.min(sound.spec().channels);
        let sound = remix(sound, narrow)?;
        remix(resample(sound, output.rate, frames, cancel)?, output.channels)
    };
    let stem = |stem: Stem| Ok(Stem { name: stem.name, sound: track(stem.sound)? });
    Ok(Mix {
        sound: track(mix.sound)?,
        stems: mix.stems.into_iter().map(stem).collect::<Result<_, MixError>>()?,
        played: mix.played,
    })
}
