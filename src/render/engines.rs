//! The one list of engines, and the choice among them.

use std::{error::Error, fmt::Debug, sync::Arc};

use thiserror::Error;

use crate::{
    render::{Engine, Limits},
    request::Request,
    wire::{EngineChoice, EngineInfo, FieldError},
};

/// The name of the engine that plays models.
const MUSICGEN: &str = "musicgen";

/// Engines that play a model, one for each model. Called from any thread; may read files, but loads nothing.
pub trait Models: Send + Sync + Debug {
    /// The engine of a model, by the name that requests give it; of the default model when there is none.
    ///
    /// # Errors
    /// When the model is not there or cannot be run.
    fn engine(&self, model: Option<&str>) -> Result<Arc<dyn Engine>, NoModel>;

    /// The kind of device that they compute on (`cpu`, `cuda`, `metal`), and why that one, for people.
    fn device(&self) -> (&'static str, String);
}

/// Why a model cannot be played.
#[derive(Clone, Debug, Error)]
#[error("{reason}")]
pub struct NoModel {
    /// What happened and what to do, for people anywhere.
    pub reason: String,
    /// The cause; for the log and for people at this machine.
    #[source]
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The engines of this process.
#[derive(Clone, Debug)]
pub struct Engines {
    synth: Arc<dyn Engine>,
    models: Option<Arc<dyn Models>>,
}

/// An engine, and why it was taken.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// As a request names it.
    pub name: EngineChoice,
    /// Why, for people.
    pub reason: String,
    /// What of the request this engine will not use.
    pub warnings: Vec<String>,
}

impl Chosen {
    /// The request as it is planned: for the engine that was taken.
    pub fn settle(&self, request: &Request) -> Request {
        Request { engine: self.name, ..request.clone() }
    }
}

/// Why a request cannot be rendered here.
#[derive(Clone, Debug, Error)]
pub enum EngineChoiceError {
    /// The engine that was asked for cannot run.
    #[error("engine {engine} is not available: {cause}; ask for engine auto or synth")]
    Unavailable {
        /// Its name.
        engine: &'static str,
        /// What of the request asked for it: `engine`, or its `model`.
        field: &'static str,
        /// Why it cannot.
        #[source]
        cause: NoModel,
    },
    /// The engine that was asked for cannot do what else was asked for.
    #[error("{}", .0.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; "))]
    Unsupported(Vec<FieldError>),
}

impl Engines {
    /// The engine that is always there.
    pub fn new(synth: Arc<dyn Engine>) -> Self {
        Self { synth, models: None }
    }

    /// These, and engines that play models.
    #[must_use]
    pub fn with_models(self, models: Arc<dyn Models>) -> Self {
        Self { models: Some(models), ..self }
    }

    /// What models compute on, and why; `None` when there can be none.
    pub fn device(&self) -> Option<(&'static str, String)> {
        self.models.as_ref().map(|models| models.device())
    }

    /// Every engine, available or not.
    pub fn list(&self) -> Vec<EngineInfo> {
        let musicgen = self.model(None);
        let default = musicgen.is_ok();
        let musicgen = match musicgen {
            Ok(engine) => {
                let facts = engine.limits().model;
                let title = facts.map_or_else(|| "a model".to_owned(), |model| model.title);
                info(&*engine, &format!("{title} is on this machine"), true)
            }
            Err(error) => EngineInfo {
                name: MUSICGEN.into(),
                available: false,
                default: false,
                reason: error.reason,
                sample_rate: None,
                channels: None,
                stems: false,
                notes: false,
                continues: false,
                follows_melody: false,
                longest_section_seconds: None,
                licence: None,
                model: None,
                dtype: None,
                device: None,
                loaded: false,
            },
        };
        vec![musicgen, info(&*self.synth, "built in", !default)]
    }

    /// The engine for a request. With `auto`, what the engine taken cannot use becomes a warning; an engine that was asked for by
    /// name refuses it.
    ///
    /// # Errors
    /// When the engine that was asked for cannot run, or not with these fields.
    pub fn choose(&self, request: &Request) -> Result<Chosen, EngineChoiceError> {
        let (engine, reason) = match request.engine {
            EngineChoice::Synth => (Arc::clone(&self.synth), "asked for".to_owned()),
            EngineChoice::Musicgen => {
                let field = if request.model.is_some() { "model" } else { "engine" };
                let engine = self
                    .model(request.model.as_deref())
                    .map_err(|cause| EngineChoiceError::Unavailable { engine: MUSICGEN, field, cause })?;
                if let Some(message) = too_large(request, &engine.limits()) {
                    let errors = vec![FieldError { field: "model".into(), message }];
                    return Err(EngineChoiceError::Unsupported(errors));
                }
                (engine, "asked for".to_owned())
            }
            EngineChoice::Auto => self.best(request),
        };
        let unused = unused_fields(request, &engine.limits());
        if request.engine != EngineChoice::Auto && !unused.is_empty() {
            let refuse = |(field, why): (&str, String)| FieldError { field: field.into(), message: why };
            return Err(EngineChoiceError::Unsupported(unused.into_iter().map(refuse).collect()));
        }
        let mut warnings: Vec<String> =
            unused.into_iter().map(|(field, why)| format!("{field} is not used: {why}")).collect();
        if engine.limits().samples_a_model {
            warnings.extend(told_in_words(request));
        }
        let name = if engine.name() == MUSICGEN { EngineChoice::Musicgen } else { EngineChoice::Synth };
        Ok(Chosen { engine, name, reason, warnings })
    }

    /// A model if there is one that fits, otherwise the synthesiser, and why.
    fn best(&self, request: &Request) -> (Arc<dyn Engine>, String) {
        let why_not = match self.model(request.model.as_deref()) {
            Ok(engine) => match too_large(request, &engine.limits()) {
                None => {
                    let title = engine.limits().model.map_or_else(String::new, |model| model.title);
                    return (engine, format!("auto: {title} is on this machine"));
                }
                Some(message) => message,
            },
            Err(error) => error.reason,
        };
        (Arc::clone(&self.synth), format!("auto: {why_not}; the built-in synthesiser plays"))
    }

    fn model(&self, name: Option<&str>) -> Result<Arc<dyn Engine>, NoModel> {
        match &self.models {
            Some(models) => models.engine(name).inspect_err(|error| {
                if let Some(source) = &error.source {
                    let error: &(dyn Error + 'static) = &**source;
                    tracing::warn!(error, "a model cannot be used");
                }
            }),
            None => Err(NoModel { reason: "this build of Timbre has no MusicGen".to_owned(), source: None }),
        }
    }
}

fn info(engine: &dyn Engine, reason: &str, default: bool) -> EngineInfo {
    let limits = engine.limits();
    let (model, dtype, device) = match limits.model {
        Some(model) => (Some(model.title), Some(model.dtype), Some(model.device)),
        None => (None, None, None),
    };
    EngineInfo {
        name: engine.name().to_owned(),
        available: true,
        default,
        reason: reason.to_owned(),
        sample_rate: Some(limits.spec.rate.0),
        channels: u16::try_from(limits.spec.channels).ok(),
        stems: limits.stems,
        notes: limits.notes,
        continues: limits.continues,
        follows_melody: limits.follows_melody,
        longest_section_seconds: limits.longest_section_seconds,
        licence: Some(limits.licence),
        model,
        dtype,
        device,
        loaded: engine.is_loaded(),
    }
}

/// Why an engine takes more memory than a request may.
fn too_large(request: &Request, limits: &Limits) -> Option<String> {
    let (needed, allowed) = (limits.memory_bytes, request.memory_limit);
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    (needed > allowed).then(|| {
        format!(
            "{} would take about {:.1} GiB of memory, allowed are {:.1} GiB; take a smaller model, a smaller --dtype or a \
             larger --memory-limit",
            limits.model.as_ref().map_or("it", |model| model.title.as_str()),
            gib(needed),
            gib(allowed)
        )
    })
}

/// What a model is only told in words, if the request says any of it.
fn told_in_words(request: &Request) -> Option<String> {
    let said = [
        ("tempo_bpm", request.tempo_bpm.is_some()),
        ("key", request.key.is_some()),
        ("time_signature", request.metre.is_some()),
    ];
    let fields: Vec<&str> = said.into_iter().filter(|(_, said)| *said).map(|(field, _)| field).collect();
    let all = fields.join(", ");
    (!fields.is_empty()).then(|| format!("{all}: the model is told in words, and may not follow"))
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
        render::{EngineError, ModelFacts, Rendered, SectionSpec, Watch},
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
                at_once: 1,
                stems: true,
                notes: true,
                tokens: false,
                samples_a_model: false,
                memory_bytes: 0,
                continues: false,
                follows_melody: false,
                real_time_factor: None,
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

    /// Knows one model.
    #[derive(Debug)]
    struct One {
        memory_bytes: u64,
    }

    impl Models for One {
        fn engine(&self, model: Option<&str>) -> Result<Arc<dyn Engine>, NoModel> {
            match model {
                None | Some("tiny") => Ok(Arc::new(Player { memory_bytes: self.memory_bytes })),
                Some(other) => Err(NoModel { reason: format!("{other} is not there"), source: None }),
            }
        }

        fn device(&self) -> (&'static str, String) {
            ("cpu", "asked for".into())
        }
    }

    #[derive(Debug)]
    struct Player {
        memory_bytes: u64,
    }

    impl Engine for Player {
        fn name(&self) -> &'static str {
            "musicgen"
        }

        fn limits(&self) -> Limits {
            let model = ModelFacts { title: "tiny@1".into(), dtype: "f32".into(), device: "cpu".into() };
            Limits {
                stems: false,
                samples_a_model: true,
                memory_bytes: self.memory_bytes,
                model: Some(model),
                ..Mute.limits()
            }
        }

        fn is_loaded(&self) -> bool {
            false
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

    fn request(engine: EngineChoice) -> GenerationRequest {
        GenerationRequest { prompt: "x".into(), engine: Some(engine), ..Default::default() }
    }

    fn choose(engines: &Engines, wire: GenerationRequest) -> Result<Chosen, EngineChoiceError> {
        engines.choose(&Request::new(wire, &Defaults::default()).unwrap())
    }

    fn alone() -> Engines {
        Engines::new(Arc::new(Mute))
    }

    fn with_model(memory_bytes: u64) -> Engines {
        alone().with_models(Arc::new(One { memory_bytes }))
    }

    #[test]
    fn a_missing_engine_is_refused_and_auto_says_what_it_took() {
        let refused = choose(&alone(), request(EngineChoice::Musicgen));
        assert!(matches!(refused, Err(EngineChoiceError::Unavailable { .. })));
        let auto = choose(&alone(), request(EngineChoice::Auto)).unwrap();
        assert!(auto.reason.contains("MusicGen") && auto.warnings.is_empty());
    }

    #[test]
    fn auto_takes_a_model_that_is_there_and_fits() {
        let auto = choose(&with_model(1 << 30), request(EngineChoice::Auto)).unwrap();
        assert_eq!(
            (auto.engine.name(), auto.reason.as_str()),
            ("musicgen", "auto: tiny@1 is on this machine")
        );
        assert!(auto.warnings.is_empty());
        let told = GenerationRequest { tempo_bpm: Some(90.0), ..request(EngineChoice::Musicgen) };
        let warnings = choose(&with_model(0), told).unwrap().warnings;
        assert_eq!(warnings, ["tempo_bpm: the model is told in words, and may not follow"]);
        let other = GenerationRequest { model: Some("other".into()), ..request(EngineChoice::Auto) };
        let auto = choose(&with_model(1 << 30), other).unwrap();
        assert_eq!(auto.engine.name(), "synth");
        assert!(auto.reason.contains("other is not there"), "{}", auto.reason);
        assert_eq!(auto.warnings.len(), 1, "the model is not used");
    }

    #[test]
    fn a_model_that_takes_too_much_is_refused_with_the_figure() {
        let engines = with_model(9 << 30);
        let refused = choose(&engines, request(EngineChoice::Musicgen)).unwrap_err().to_string();
        assert!(refused.contains("9.0 GiB") && refused.contains("allowed are 8.0 GiB"), "{refused}");
        let auto = choose(&engines, request(EngineChoice::Auto)).unwrap();
        assert!(auto.engine.name() == "synth" && auto.reason.contains("9.0 GiB"), "{}", auto.reason);
    }

    #[test]
    fn the_list_says_what_auto_would_take_and_whether_it_is_loaded() {
        let facts = |engines: Engines| {
            let list = engines.list().into_iter();
            list.map(|engine| (engine.available, engine.default, engine.loaded, engine.model))
                .collect::<Vec<_>>()
        };
        assert_eq!(facts(alone()), [(false, false, false, None), (true, true, true, None)]);
        assert_eq!(
            facts(with_model(0)),
            [(true, true, false, Some("tiny@1".to_owned())), (true, false, true, None)]
        );
    }

    #[test]
    fn unused_fields_are_refused_or_warned_of_never_dropped() {
        let sampling = Some(Sampling { top_k: Some(10), ..Sampling::default() });
        let asked = |engine| GenerationRequest { sampling, ..request(engine) };
        let refused = choose(&alone(), asked(EngineChoice::Synth));
        assert!(matches!(refused, Err(EngineChoiceError::Unsupported(_))));
        assert_eq!(choose(&alone(), asked(EngineChoice::Auto)).unwrap().warnings.len(), 1);
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
