//! What went wrong, for the person at the terminal: what happened, which option mends it, and the exit code.

use std::{error::Error, io, process::ExitCode};

use thiserror::Error;

use super::{options::OptionsError, say};
use crate::{
    app::AppError,
    artifact::ArtifactError,
    config::ConfigError,
    job::{run::RunError, sources::SourcesError},
    plan::PlanError,
    render::engines::EngineChoiceError,
    request::RequestError,
    wire::FieldError,
};

/// Why a command did not do what it should.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error("the request cannot be met")]
    Request(#[from] RequestError),
    #[error("the plan cannot be met")]
    Plan(#[from] PlanError),
    #[error("no engine can render this")]
    Engine(#[from] EngineChoiceError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error("{}", inside(.0))]
    Run(#[from] RunError),
    #[error("a sound cannot be used")]
    Source(#[from] SourcesError),
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    #[error("{0}")]
    Usage(String),
    #[error("cannot set up: {0}")]
    Setup(#[source] io::Error),
    #[error("interrupted; nothing was written")]
    Interrupted,
    #[error("the piece is written, but not its stream: {0}")]
    Stream(#[source] io::Error),
    #[error("interrupted before the stream was through; the piece is written")]
    StreamCut,
    #[cfg(feature = "musicgen")]
    #[error(transparent)]
    Models(Box<super::models::ModelsError>),
}

#[cfg(feature = "musicgen")]
impl From<super::models::ModelsError> for Failure {
    fn from(error: super::models::ModelsError) -> Self {
        Self::Models(Box::new(error))
    }
}

impl Failure {
    /// Says it on standard error and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        say(&format!("error: {self}"));
        for error in self.fields() {
            match option(&error.field) {
                Some(option) => say(&format!("  {option} ({}): {}", error.field, error.message)),
                None => say(&format!("  {}: {}", error.field, error.message)),
            }
        }
        if let Self::Engine(error @ EngineChoiceError::Unavailable { field, cause, .. }) = self {
            say(&format!("  --{field}: {error}"));
            if let Some(cause) = &cause.source {
                say(&format!("  {}", chain(&**cause)));
            }
        }
        if let Self::Source(error) = self {
            say(&format!("  {} ({}): {}", option(error.field).unwrap_or_default(), error.field, error.fault));
        }
        if let Self::Artifact(ArtifactError::Exists(_))
        | Self::Run(RunError::Artifact(ArtifactError::Exists(_))) = self
        {
            say("  --force overwrites it");
        }
        ExitCode::from(self.exit_code())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted | Self::StreamCut | Self::Run(RunError::Cancelled) => 130,
            Self::Options(_)
            | Self::Request(_)
            | Self::Plan(_)
            | Self::Engine(_)
            | Self::Config(_)
            | Self::Usage(_)
            | Self::Source(_)
            | Self::App(AppError::Config(_))
            | Self::Run(RunError::Plan(_) | RunError::Engine(_)) => 2,
            Self::Artifact(error) | Self::Run(RunError::Artifact(error)) => match error {
                ArtifactError::Full { .. } | ArtifactError::Write { .. } => 1,
                _ => 2,
            },
            Self::Run(_) | Self::App(_) | Self::Output(_) | Self::Stream(_) | Self::Setup(_) => 1,
            #[cfg(feature = "musicgen")]
            Self::Models(error) => error.exit_code(),
        }
    }

    fn fields(&self) -> &[FieldError] {
        match self {
            Self::Request(error) => &error.errors,
            Self::Plan(error) | Self::Run(RunError::Plan(error)) => &error.errors,
            Self::Engine(EngineChoiceError::Unsupported(errors)) => errors,
            _ => &[],
        }
    }
}

/// What went wrong with a piece, for one who may see everything.
fn inside(error: &RunError) -> String {
    match error {
        // These say all of it themselves.
        RunError::Artifact(cause) => cause.to_string(),
        RunError::Plan(_) => "the plan cannot be met".to_owned(),
        error => chain(error),
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        said.push(inner.to_string());
        cause = inner.source();
    }
    said.dedup();
    said.join(": ")
}

/// The option that sets a field of the request.
fn option(field: &str) -> Option<&'static str> {
    Some(match field {
        "prompt" => "--prompt",
        "duration_seconds" => "--duration",
        "seed" => "--seed",
        "engine" => "--engine",
        "model" => "--model",
        "tempo_bpm" => "--tempo",
        "key" => "--key",
        "time_signature" => "--time-signature",
        "negative_prompt" => "--negative-prompt",
        "sampling" => "--temperature, --top-k, --top-p or --guidance",
        "sampling.temperature" => "--temperature",
        "sampling.top_k" => "--top-k",
        "sampling.top_p" => "--top-p",
        "sampling.guidance" => "--guidance",
        "output.sample_rate" => "--sample-rate",
        "output.bit_depth" => "--bit-depth",
        "output.channels" => "--channels",
        "output.format" => "--format",
        "output.loudness_lufs" => "--loudness",
        "output.true_peak_dbtp" => "--true-peak",
        "output.stems" => "--stems",
        _ if field.starts_with("continue_from") => "--continue-from",
        _ if field.starts_with("melody_from") => "--melody-from",
        _ if field.starts_with("plan.") => "--plan",
        _ => return None,
    })
}
