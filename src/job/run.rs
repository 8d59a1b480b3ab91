//! What running a job means: the stages of a piece, one after the other.

use std::{
    fmt::Debug,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use thiserror::Error;

use super::{
    JobId,
    preview::Preview,
    sources::{self, SourceFault, SourcesError},
};
use crate::{
    artifact::{self, ArtifactError, Destination, Finished, Raw, RawFiles, Shelf, Uploads},
    audio::{Pcm, Spec},
    cancel::Cancel,
    master::{self, MasterError, Target},
    mix::{self, Growing, MixError},
    plan::{self, Plan, PlanError},
    render::{
        self, Audience, EngineError, Rendered,
        engines::{Chosen, EngineChoiceError, Engines},
    },
    request::Request,
    source::{SourceError, Sources},
    wire::{JobState, Manifest},
};

/// Makes one piece: the six stages.
///
/// # Errors
/// Why there is no piece; then nothing is left behind.
pub fn piece(order: &Order<'_>, progress: &dyn Progress) -> Result<Manifest, RunError> {
    let Order { request, chosen, sources, destination, created_at, .. } = order;
    let cancel = Heard(progress);
    let output = Spec { rate: request.output.rate, channels: request.output.channels };
    let (plan, sections) = rendered(request, chosen, sources, progress)?;

    enter(JobState::Mixing, progress)?;
    let raw = order.raw.map(|files| {
        let sound = mix::raw(&plan, sections.clone(), &cancel)?;
        Ok::<_, RunError>((files, Raw::new(&plan, &sections, sound, &*chosen.engine, *created_at)))
    });
    let raw = raw.transpose()?;
    let mix = mix::join(&plan, sections, output, &cancel)?;
    let unmastered = request.output.stems.then(|| mix.sound.clone());

    enter(JobState::Mastering, progress)?;
    let mastered = master::master(mix.sound, &target(request), &cancel)?;
    let limits = chosen.engine.limits();
    let finished = Finished {
        request: request.to_wire(),
        warnings: [plan.warnings(), &chosen.warnings].concat(),
        plan,
        mastered,
        unmastered,
        stems: mix.stems,
        played: mix.played,
        engine: chosen.engine.name().to_owned(),
        engine_reason: chosen.reason.clone(),
        model: limits.model,
        licence: limits.licence,
        created_at: *created_at,
    };
    let manifest = artifact::save(&finished, destination, &cancel)?;
    if let Some((files, raw)) = raw {
        files.save(&raw, &cancel)?;
    }
    Ok(manifest)
}

/// Renders a piece and writes what the engine gave, as it gave it; nothing is mixed or mastered.
///
/// # Errors
/// Why there is none; then nothing is left behind.
pub fn raw(
    request: &Request,
    chosen: &Chosen,
    sources: &Sources,
    files: &RawFiles,
    created_at: Timestamp,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    let (plan, sections) = rendered(request, chosen, sources, progress)?;
    enter(JobState::Mixing, progress)?;
    let cancel = Heard(progress);
    let sound = mix::raw(&plan, sections.clone(), &cancel)?;
    Ok(files.save(&Raw::new(&plan, &sections, sound, &*chosen.engine, created_at), &cancel)?)
}

/// The first two stages.
fn rendered(
    request: &Request,
    chosen: &Chosen,
    sources: &Sources,
    progress: &dyn Progress,
) -> Result<(Plan, Vec<Rendered>), RunError> {
    enter(JobState::Planning, progress)?;
    let plan = plan::plan(&chosen.settle(request))?;
    progress.planned(&plan);

    enter(JobState::Rendering, progress)?;
    if !chosen.engine.is_loaded() {
        progress.loading();
    }
    let preview = progress.preview().map(|preview| {
        let spec = chosen.engine.limits().spec;
        preview.begin(spec);
        (preview, Mutex::new(Growing::new(&plan, spec)))
    });
    let hall = Hall { progress, preview };
    let sections = render::sections(&*chosen.engine, &plan, request, sources, &hall)?;
    Ok((plan, sections))
}

/// Where a piece is heard while it is rendered.
struct Hall<'a> {
    progress: &'a dyn Progress,
    /// The preview, and the mix that it is made of.
    preview: Option<(&'a Preview, Mutex<Growing>)>,
}

impl Hall<'_> {
    fn hear(&self, take: impl FnOnce(&mut Growing, &mut dyn FnMut(&Pcm))) {
        if let Some((preview, mix)) = &self.preview {
            let mut mix = mix.lock().unwrap_or_else(PoisonError::into_inner);
            take(&mut mix, &mut |more| preview.sound(more));
        }
    }
}

impl Audience for Hall<'_> {
    fn progress(&self, section: usize, done: f64) -> ControlFlow<()> {
        self.progress.rendered(section, done)
    }

    fn sound(&self, section: usize, lead_frames: usize, more: &Pcm) {
        self.hear(|mix, give| mix.sound(section, lead_frames, more, give));
    }

    fn whole(&self, section: usize, rendered: &Rendered) {
        self.hear(|mix, give| mix.whole(section, rendered, give));
    }
}

/// One piece to be made.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// What was asked for.
    pub request: &'a Request,
    /// Who renders it.
    pub chosen: &'a Chosen,
    /// The sounds that the request names, as far as the engine can use them.
    pub sources: &'a Sources,
    /// Where its files go.
    pub destination: &'a Destination,
    /// Where what the engine gave goes too.
    pub raw: Option<&'a RawFiles>,
    /// The time that stands in its files.
    pub created_at: Timestamp,
}

fn enter(stage: JobState, progress: &dyn Progress) -> Result<(), RunError> {
    match progress.stage(stage) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(RunError::Cancelled),
    }
}

/// The cancel button of a job, for the stages that report nothing.
struct Heard<'a>(&'a dyn Progress);

impl Cancel for Heard<'_> {
    fn go_on(&self) -> ControlFlow<()> {
        self.0.go_on()
    }
}

fn target(request: &Request) -> Target {
    let output = &request.output;
    Target {
        loudness: output.loudness,
        true_peak: output.true_peak,
        bit_depth: output.bit_depth,
        seed: request.seed,
    }
}

/// The runner of the service: pieces made by the engines of this process, put on its shelf.
#[derive(Debug)]
pub struct Pipeline {
    /// Who renders.
    pub engines: Arc<Engines>,
    /// Where artifacts go.
    pub shelf: Arc<Shelf>,
    /// The sounds that callers have brought.
    pub uploads: Arc<Uploads>,
}

impl Runner for Pipeline {
    fn run(&self, job: JobId, request: &Request, progress: &dyn Progress) -> Result<Manifest, RunError> {
        let chosen = self.engines.choose(request)?;
        let find = |audio_id: &str| self.uploads.path(audio_id);
        let sources = sources::read(request, &chosen.engine.limits(), &find, &Heard(progress))?;
        let destination = Destination::Shelf { shelf: (*self.shelf).clone(), job_id: job.to_string() };
        let created_at = Timestamp::now();
        let order = Order {
            request,
            chosen: &chosen,
            sources: &sources,
            destination: &destination,
            raw: None,
            created_at,
        };
        piece(&order, progress)
    }
}

/// Turns a request into an artifact on the shelf.
pub trait Runner: Send + Sync + Debug {
    /// Runs one job and puts its artifact on the shelf under `job`. Leaves nothing behind when it fails.
    ///
    /// # Errors
    /// Why there is no artifact.
    fn run(&self, job: JobId, request: &Request, progress: &dyn Progress) -> Result<Manifest, RunError>;
}

/// Hears of the stages of a running job, and may stop it.
pub trait Progress: Send + Sync {
    /// A stage begins: planning, rendering, mixing, mastering, in this order. To break is to cancel.
    fn stage(&self, state: JobState) -> ControlFlow<()>;

    /// Asked many times a second during mixing and mastering. To break is to cancel.
    fn go_on(&self) -> ControlFlow<()>;

    /// The plan is made.
    fn planned(&self, plan: &Plan);

    /// Before anything is rendered the engine loads its model.
    fn loading(&self) {}

    /// `done` is the share of the section that is rendered, 0 to 1, never falling. To break is to cancel.
    fn rendered(&self, section: usize, done: f64) -> ControlFlow<()>;

    /// Where the piece is to be heard while it is made. Who asked for it completes it when there is a piece, and breaks it off
    /// when there is none.
    fn preview(&self) -> Option<&Preview> {
        None
    }
}

/// Why a job has no artifact.
#[derive(Debug, Error)]
pub enum RunError {
    /// Progress said stop. Not a fault.
    #[error("cancelled")]
    Cancelled,
    /// The plan cannot be honoured.
    #[error("planning failed")]
    Plan(#[from] PlanError),
    /// No engine can render it.
    #[error("no engine can render it")]
    Engine(#[from] EngineChoiceError),
    /// A sound that it names cannot be used.
    #[error("a sound of the request cannot be used")]
    Source(#[source] SourcesError),
    /// A section could not be rendered.
    #[error("rendering failed")]
    Render(#[source] EngineError),
    /// The sections could not be joined.
    #[error("mixing failed")]
    Mix(#[source] MixError),
    /// The mix could not be mastered.
    #[error("mastering failed")]
    Master(#[source] MasterError),
    /// The artifact could not be written.
    #[error("the artifact could not be written")]
    Artifact(#[source] ArtifactError),
}

impl From<SourcesError> for RunError {
    fn from(error: SourcesError) -> Self {
        match error.fault {
            SourceFault::Unreadable(SourceError::Cancelled(_)) => Self::Cancelled,
            _ => Self::Source(error),
        }
    }
}

impl From<EngineError> for RunError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled => Self::Cancelled,
            error => Self::Render(error),
        }
    }
}

impl From<MixError> for RunError {
    fn from(error: MixError) -> Self {
        match error {
            MixError::Cancelled(_) => Self::Cancelled,
            error => Self::Mix(error),
        }
    }
}

impl From<MasterError> for RunError {
    fn from(error: MasterError) -> Self {
        match error {
            MasterError::Cancelled(_) => Self::Cancelled,
            error => Self::Master(error),
        }
    }
}

impl From<ArtifactError> for RunError {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::Cancelled(_) => Self::Cancelled,
            error => Self::Artifact(error),
        }
    }
}

impl RunError {
    /// Whether it is no fault but the answer to a cancel.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// Stable identifier for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Plan(_) => "invalid_plan",
            Self::Engine(_) => "engine_unavailable",
            Self::Source(_) => "unreadable_audio",
            Self::Render(EngineError::Unsupported { .. }) => "engine_unsupported",
            Self::Render(EngineError::Model { .. }) => "model_unusable",
            Self::Render(_) => "engine_failed",
            Self::Mix(_) => "mix_failed",
            Self::Master(_) => "master_failed",
            Self::Artifact(ArtifactError::Full { .. }) => "disk_full",
            Self::Artifact(_) => "artifact_not_written",
        }
    }

    /// What the caller is told: what happened and what to do, nothing of the inside.
    pub fn outside(&self) -> String {
        match self {
            Self::Cancelled => "cancelled".to_owned(),
            Self::Plan(error) => format!("the plan cannot be honoured: {error}"),
            Self::Engine(error) => error.to_string(),
            Self::Source(error) => error.to_string(),
            Self::Render(error @ (EngineError::Unsupported { .. } | EngineError::Model { .. })) => {
                error.to_string()
            }
            Self::Render(error) => {
                format!("{error}; send the request again, and look into the server's log if it fails again")
            }
            Self::Mix(_) | Self::Master(_) => {
                "the rendered sound could not be made into a piece; the server's log says why".to_owned()
            }
            Self::Artifact(ArtifactError::Full { .. }) => {
                "the server's disk is full; free some space and send the request again".to_owned()
            }
            Self::Artifact(_) => {
                "the artifact could not be written; look at the server's disk and log".to_owned()
            }
        }
    }
}
