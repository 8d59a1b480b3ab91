//! Walks a plan through an engine, section by section.

use std::ops::ControlFlow;

use crate::{
    plan::Plan,
    render::{Engine, EngineError, Rendered, SectionSpec, Watch},
    request::Request,
    source::Sources,
};

/// Renders every section of a plan in order; each may go on from the one before.
///
/// `sources` are the sounds that the request names, as far as the engine can use them. `progress` hears the number of the section and the share of it that is done, 0 to 1; to break is to cancel.
///
/// # Errors
/// The first error of the engine, or [`EngineError::Unsupported`] for a section longer than it can render.
pub fn sections(
    engine: &dyn Engine,
    plan: &Plan,
    request: &Request,
    sources: &Sources,
    progress: &(dyn Fn(usize, f64) -> ControlFlow<()> + Sync),
) -> Result<Vec<Rendered>, EngineError> {
    let limits = engine.limits();
    let rate = limits.spec.rate;
    let mut rendered: Vec<Rendered> = Vec::with_capacity(plan.sections.len());
    for (index, section) in plan.sections.iter().enumerate() {
        if let Some(longest) =
            limits.longest_section_seconds.filter(|longest| section.length_seconds > *longest)
        {
            return Err(EngineError::Unsupported {
                engine: engine.name().to_owned(),
                section: section.id.clone(),
                reason: format!(
                    "it lasts {:.1} s, the longest possible is {longest} s",
                    section.length_seconds
                ),
            });
        }
        let spec = SectionSpec {
            plan,
            index,
            lead_frames: plan.lead_at(index, rate),
            frames: plan.start_at(index + 1, rate) - plan.start_at(index, rate),
            negative_prompt: &request.negative_prompt,
            sampling: request.sampling,
            continued: sources.continued.as_ref().filter(|_| index == 0),
            melody: sources.melody.as_ref(),
            stems: request.output.stems,
        };
        let watch = OneSection { index, progress };
        rendered.push(engine.render(&spec, rendered.last(), &watch)?);
        if progress(index, 1.0).is_break() {
            return Err(EngineError::Cancelled);
        }
    }
    Ok(rendered)
}

struct OneSection<'a> {
    index: usize,
    progress: &'a (dyn Fn(usize, f64) -> ControlFlow<()> + Sync),
}

impl Watch for OneSection<'_> {
    fn progress(&self, done: f64) -> ControlFlow<()> {
        (self.progress)(self.index, done)
    }
}
