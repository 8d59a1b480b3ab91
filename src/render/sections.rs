//! Walks a plan through an engine, section by section.

use std::{
    ops::{ControlFlow, Range},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    audio::Pcm,
    plan::Plan,
    render::{Engine, EngineError, Limits, Rendered, SectionSpec, Watch},
    request::Request,
    source::Sources,
    wire::TransitionKind,
};

/// Hears of all sections while they are rendered, of several in turn, and may stop it.
pub trait Audience: Sync {
    /// `done` is the share of the section that is rendered, 0 to 1, never falling. To break is to cancel.
    fn progress(&self, section: usize, done: f64) -> ControlFlow<()>;

    /// What the section's [`Watch`] hears.
    fn sound(&self, _section: usize, _lead_frames: usize, _more: &Pcm) {}

    /// The section is there.
    fn whole(&self, _section: usize, _rendered: &Rendered) {}
}

impl<F: Fn(usize, f64) -> ControlFlow<()> + Sync> Audience for F {
    fn progress(&self, section: usize, done: f64) -> ControlFlow<()> {
        self(section, done)
    }
}

/// Renders every section of a plan; each may go on from the one before. Sections that do not go on from another are rendered
/// at the same time, as many as the engine likes.
///
/// `sources` are the sounds that the request names, as far as the engine can use them.
///
/// # Errors
/// An error of the engine, or [`EngineError::Unsupported`] for a section longer than it can render.
pub fn sections(
    engine: &dyn Engine,
    plan: &Plan,
    request: &Request,
    sources: &Sources,
    audience: &dyn Audience,
) -> Result<Vec<Rendered>, EngineError> {
    let limits = engine.limits();
    check_lengths(engine, plan, &limits)?;
    let work = Work { engine, plan, request, sources, limits, audience, stop: AtomicBool::new(false) };
    if work.limits.at_once <= 1 {
        return work.chain(0..plan.sections.len());
    }
    work.chains(&chains(plan))
}

/// The longest runs of sections that go on from each other.
fn chains(plan: &Plan) -> Vec<Range<usize>> {
    let mut chains: Vec<Range<usize>> = Vec::new();
    for (index, section) in plan.sections.iter().enumerate() {
        match chains.last_mut() {
            Some(chain) if section.transition.kind == TransitionKind::Continue => chain.end = index + 1,
            _ => chains.push(index..index + 1),
        }
    }
    chains
}

fn check_lengths(engine: &dyn Engine, plan: &Plan, limits: &Limits) -> Result<(), EngineError> {
    let Some(longest) = limits.longest_section_seconds else { return Ok(()) };
    match plan.sections.iter().find(|section| section.length_seconds > longest) {
        Some(section) => Err(EngineError::Unsupported {
            engine: engine.name().to_owned(),
            section: section.id.clone(),
            reason: format!("it lasts {:.1} s, the longest possible is {longest} s", section.length_seconds),
        }),
        None => Ok(()),
    }
}

/// The sections of a chain.
type Made = Result<Vec<Rendered>, EngineError>;

struct Work<'a> {
    engine: &'a dyn Engine,
    plan: &'a Plan,
    request: &'a Request,
    sources: &'a Sources,
    limits: Limits,
    audience: &'a dyn Audience,
    /// Set when a chain failed: then the others need not go on.
    stop: AtomicBool,
}

impl Work<'_> {
    /// Every chain, several at the same time. Of several errors the first in the order of the piece that is no answer to another.
    fn chains(&self, chains: &[Range<usize>]) -> Result<Vec<Rendered>, EngineError> {
        let next = AtomicUsize::new(0);
        let done: Vec<Mutex<Option<Made>>> = chains.iter().map(|_| Mutex::new(None)).collect();
        let take_chains = || {
            while let Some(number) =
                Some(next.fetch_add(1, Ordering::Relaxed)).filter(|it| *it < chains.len())
            {
                let made = self.chain(chains[number].clone());
                if made.is_err() {
                    self.stop.store(true, Ordering::Relaxed);
                }
                *done[number].lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.limits.at_once.min(chains.len()) {
                scope.spawn(take_chains);
            }
            take_chains();
        });
        let mut sections = Vec::with_capacity(self.plan.sections.len());
        let mut failed = None;
        for made in done {
            match made.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Some(Ok(made)) => sections.extend(made),
                Some(Err(error)) if matches!(failed, None | Some(EngineError::Cancelled)) => {
                    failed = Some(error);
                }
                Some(Err(_)) | None => {}
            }
        }
        failed.map_or(Ok(sections), Err)
    }

    /// One chain in order.
    fn chain(&self, chain: Range<usize>) -> Result<Vec<Rendered>, EngineError> {
        let mut rendered: Vec<Rendered> = Vec::with_capacity(chain.len());
        for index in chain {
            let spec = self.spec(index);
            let section = self.engine.render(&spec, rendered.last(), &OneSection { index, work: self })?;
            self.audience.whole(index, &section);
            rendered.push(section);
            if self.audience.progress(index, 1.0).is_break() {
                return Err(EngineError::Cancelled);
            }
        }
        Ok(rendered)
    }

    fn spec(&self, index: usize) -> SectionSpec<'_> {
        let (plan, rate) = (self.plan, self.limits.spec.rate);
        SectionSpec {
            plan,
            index,
            lead_frames: plan.lead_at(index, rate),
            frames: plan.start_at(index + 1, rate) - plan.start_at(index, rate),
            negative_prompt: &self.request.negative_prompt,
            sampling: self.request.sampling,
            continued: self.sources.continued.as_ref().filter(|_| index == 0),
            melody: self.sources.melody.as_ref(),
            stems: self.request.output.stems,
        }
    }
}

struct OneSection<'a> {
    index: usize,
    work: &'a Work<'a>,
}

impl Watch for OneSection<'_> {
    fn progress(&self, done: f64) -> ControlFlow<()> {
        if self.work.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        self.work.audience.progress(self.index, done)
    }

    fn sound(&self, lead_frames: usize, more: &Pcm) {
        self.work.audience.sound(self.index, lead_frames, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audio::{Pcm, SampleRate, Spec},
        plan::plan,
        request::Defaults,
        wire::{GenerationRequest, Transition},
    };

    /// Counts its progress to ten, and fails in one section.
    #[derive(Debug)]
    struct Counting {
        at_once: usize,
        fails_in: Option<usize>,
    }

    impl Engine for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }

        fn limits(&self) -> Limits {
            Limits {
                spec: Spec { rate: SampleRate(100), channels: 1 },
                longest_section_seconds: None,
                at_once: self.at_once,
                stems: false,
                notes: false,
                tokens: false,
                samples_a_model: false,
                memory_bytes: 0,
                continues: false,
                follows_melody: false,
                real_time_factor: None,
                licence: String::new(),
                model: None,
            }
        }

        fn render(
            &self,
            section: &SectionSpec<'_>,
            before: Option<&Rendered>,
            watch: &dyn Watch,
        ) -> Result<Rendered, EngineError> {
            for step in 0..10 {
                if watch.progress(f64::from(step) / 10.0).is_break() {
                    return Err(EngineError::Cancelled);
                }
            }
            if self.fails_in == Some(section.index) {
                let source = Box::new(std::fmt::Error);
                let section = section.index.to_string();
                return Err(EngineError::Failed { engine: "counting".to_owned(), section, source });
            }
            Ok(Rendered {
                sound: Pcm::silence(self.limits().spec, section.frames),
                lead_frames: 0,
                stems: Vec::new(),
                played: None,
                tokens: None,
                tail: vec![section.index as u8, before.map_or(99, |before| before.tail[0])],
            })
        }
    }

    fn piece() -> (Request, Plan) {
        use TransitionKind::{Continue, Crossfade, Cut};
        let wire = GenerationRequest { prompt: "piano".into(), seed: Some(1), ..Default::default() };
        let request = Request::new(wire, &Defaults::default()).unwrap();
        let mut wire = plan(&request).unwrap().single();
        let first = wire.sections[0].clone();
        let section = |kind| {
            let transition = Transition { kind, beats: 0.0 };
            crate::wire::PlanSection { transition, bars: 1.0, ..first.clone() }
        };
        wire.sections = [Cut, Continue, Crossfade, Cut, Continue].map(section).to_vec();
        (request, Plan::from_wire_unchecked(wire))
    }

    fn made(engine: &Counting, stop: Option<usize>) -> Result<Vec<Vec<u8>>, EngineError> {
        let (request, plan) = piece();
        let progress = |section, _| match stop {
            Some(stop) if section >= stop => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let made = sections(engine, &plan, &request, &Sources::default(), &progress)?;
        Ok(made.into_iter().map(|section| section.tail).collect())
    }

    #[test]
    fn sections_come_in_order_each_behind_the_one_that_it_continues() {
        for at_once in [2, 3, 9] {
            let found = made(&Counting { at_once, fails_in: None }, None).unwrap();
            assert_eq!(found, [[0, 99], [1, 0], [2, 99], [3, 99], [4, 3]]);
        }
        let found = made(&Counting { at_once: 1, fails_in: None }, None).unwrap();
        assert_eq!(found, [[0, 99], [1, 0], [2, 1], [3, 2], [4, 3]]);
    }

    #[test]
    fn an_error_stops_the_others_and_is_the_one_that_is_told() {
        for at_once in [1, 2, 9] {
            for fails_in in 0..5 {
                let error = made(&Counting { at_once, fails_in: Some(fails_in) }, None).unwrap_err();
                let told =
                    matches!(error, EngineError::Failed { section, .. } if section == fails_in.to_string());
                assert!(told, "{fails_in} of {at_once}");
            }
            let stopped = made(&Counting { at_once, fails_in: None }, Some(3));
            assert!(matches!(stopped, Err(EngineError::Cancelled)));
        }
    }
}
