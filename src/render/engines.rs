//! The one list of engines, and the choice among them.

use std::sync::Arc;

use thiserror::Error;

use crate::{
    render::{Engine, Limits},
    request::Request,
    wire::{EngineChoice, EngineInfo, FieldError},
};

/// Why MusicGen cannot be taken.
const NO_MUSICGEN: &str = "this version of Timbre has no MusicGen engine yet";

/// The engines of this process.
#[derive(Clone, Debug)]
pub struct Engines {
    synth: Arc<dyn Engine>,
}

/// An engine, and why it was taken.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Why, for people.
    pub reason: String,
    /// What of the request this engine will not use.
    pub warnings: Vec<String>,
}

/// Why a request cannot be rendered here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineChoiceError {
    /// The engine that was asked for cannot run.
    #[error("engine {engine} is not available: {reason}; ask for engine auto or synth")]
    Unavailable {
        /// Its name.
        engine: &'static str,
        /// Why it cannot.
        reason: &'static str,
    },
    /// The engine that was asked for cannot do what else was asked for.
    #[error("{}", .0.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; "))]
    Unsupported(Vec<FieldError>),
}

impl Engines {
    /// The list.
    pub fn new(synth: Arc<dyn Engine>) -> Self {
        Self { synth }
    }

    /// Every engine, available or not.
    pub fn list(&self) -> Vec<EngineInfo> {
        let Limits {
            spec, longest_section_seconds, stems, notes, continues, follows_melody, licence, ..
        } = self.synth.limits();
        let musicgen = EngineInfo {
            name: "musicgen".into(),
            available: false,
            default: false,
            reason: NO_MUSICGEN.into(),
            sample_rate: None,
            channels: None,
            stems: false,
            notes: false,
            continues: false,
            follows_melody: false,
            longest_section_seconds: None,
            licence: None,
        };
        let synth = EngineInfo {
            name: self.synth.name().to_owned(),
            available: true,
            default: true,
            reason: "built in".into(),
            sample_rate: Some(spec.rate.0),
            channels: u16::try_from(spec.channels).ok(),
            stems,
            notes,
            continues,
            follows_melody,
            longest_section_seconds,
            licence: Some(licence),
        };
        vec![musicgen, synth]
    }

    /// The engine for a request. With `auto`, what the engine taken cannot use becomes a warning; an engine that was asked for by
    /// name refuses it.
    ///
    /// # Errors
    /// When the engine that was asked for cannot run, or not with these fields.
    pub fn choose(&self, request: &Request) -> Result<Chosen, EngineChoiceError> {
        let unused = unused_fields(request, &self.synth.limits());
        let (reason, unused) = match request.engine {
            EngineChoice::Musicgen => {
                return Err(EngineChoiceError::Unavailable { engine: "musicgen", reason: NO_MUSICGEN });
            }
            EngineChoice::Synth if !unused.is_empty() => {
                let refuse = |(field, why): (&str, String)| FieldError { field: field.into(), message: why };
                return Err(EngineChoiceError::Unsupported(unused.into_iter().map(refuse).collect()));
            }
            EngineChoice::Synth => ("asked for".to_owned(), unused),
            EngineChoice::Auto => (format!("auto: {NO_MUSICGEN}, the built-in synthesiser plays"), unused),
        };
        let warnings = unused.into_iter().map(|(field, why)| format!("{field} is not used: {why}")).collect();
        Ok(Chosen { engine: Arc::clone(&self.synth), reason, warnings })
    }
}

/// Fields of a request that mean nothing to an engine with these limits, and why.
fn unused_fields(request: &Request, limits: &Limits) -> Vec<(&'static str, String)> {
    let mut unused = Vec::new();
    if !limits.samples_a_model {
        if let Some(model) = &request.model {
            unused.push(("model", format!("the engine has no models, {model:?} cannot be loaded")));
        }
        if request.sampling.is_some() {
            unused.push(("sampling", "the engine samples from no model".to_owned()));
        }
    }
    if request.continue_from.is_some() && !limits.continues {
        unused.push(("continue_from", "the engine cannot go on from a sound".to_owned()));
    }
    if request.melody_from.is_some() && !limits.follows_melody {
        unused.push(("melody_from", "the engine cannot follow the melody of a sound".to_owned()));
    }
    if request.output.stems && !limits.stems {
        unused.push(("output.stems", "the engine gives no stems".to_owned()));
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audio::{SampleRate, Spec},
        render::{EngineError, Rendered, SectionSpec, Watch},
        request::Defaults,
        wire::{AudioSource, GenerationRequest, Sampling},
    };

    #[derive(Debug)]
    struct Mute;

    impl Engine for Mute {
        fn name(&self) -> &'static str {
            "synth"
        }

        fn limits(&self) -> Limits {
            Limits {
                spec: Spec::stereo(SampleRate(48_000)),
                longest_section_seconds: None,
                stems: true,
                notes: true,
                samples_a_model: false,
                continues: false,
                follows_melody: false,
                licence: "none".into(),
                model: None,
            }
        }

        fn render(
            &self,
            _: &SectionSpec<'_>,
            _: Option<&Rendered>,
            _: &dyn Watch,
        ) -> Result<Rendered, EngineError> {
            Err(EngineError::Cancelled)
        }
    }

    fn choose(engine: EngineChoice, sampling: Option<Sampling>) -> Result<Chosen, EngineChoiceError> {
        let wire =
            GenerationRequest { prompt: "x".into(), engine: Some(engine), sampling, ..Default::default() };
        Engines::new(Arc::new(Mute)).choose(&Request::new(wire, &Defaults::default()).unwrap())
    }

    #[test]
    fn a_missing_engine_is_refused_and_auto_says_what_it_took() {
        assert!(matches!(choose(EngineChoice::Musicgen, None), Err(EngineChoiceError::Unavailable { .. })));
        let auto = choose(EngineChoice::Auto, None).unwrap();
        assert!(auto.reason.contains("MusicGen") && auto.warnings.is_empty());
    }

    #[test]
    fn unused_fields_are_refused_or_warned_of_never_dropped() {
        let sampling = Some(Sampling { top_k: Some(10), ..Sampling::default() });
        assert!(matches!(choose(EngineChoice::Synth, sampling), Err(EngineChoiceError::Unsupported(_))));
        assert_eq!(choose(EngineChoice::Auto, sampling).unwrap().warnings.len(), 1);
    }

    #[test]
    fn sounds_are_refused_by_an_engine_that_cannot_hear_them() {
        let sound = AudioSource { audio_id: Some("0".repeat(64)), ..AudioSource::default() };
        let wire = GenerationRequest {
            prompt: "x".into(),
            continue_from: Some(sound.clone()),
            melody_from: Some(sound),
            ..Default::default()
        };
        let asked = |engine| {
            let wire = GenerationRequest { engine: Some(engine), ..wire.clone() };
            Engines::new(Arc::new(Mute)).choose(&Request::new(wire, &Defaults::default()).unwrap())
        };
        let Err(EngineChoiceError::Unsupported(errors)) = asked(EngineChoice::Synth) else { panic!() };
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["continue_from", "melody_from"]);
        assert_eq!(asked(EngineChoice::Auto).unwrap().warnings.len(), 2);
    }
}
