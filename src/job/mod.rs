//! A job: one request on its way to an artifact. What it is here, how it moves in [`state`], where it is kept in [`store`],
//! and what running it means in [`run`].

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    request::Request,
    wire::{GenerationStatus, JobState, SectionProgress},
};

pub mod memory;
pub mod pace;
pub mod preview;
mod progress;
pub mod retention;
pub mod run;
pub mod sources;
pub mod state;
pub mod store;

#[cfg(test)]
pub(crate) mod contract;

pub use memory::MemoryStore;
use pace::Course;
use progress::{RENDERING, STAGES, Shares};
pub use state::IllegalMove;
pub use store::JobStore;

/// Identifies a job: a UUID of version 7, so that identifiers sort by the time of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Uuid);

impl JobId {
    /// A new one, larger than every one made before by this process.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

impl From<Uuid> for JobId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// What is known of a job when it is submitted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The checked request.
    pub request: Request,
    /// Length of the piece in seconds.
    pub audio_seconds: f64,
    /// Name of the engine that was chosen.
    pub engine: String,
    /// Why it was chosen.
    pub engine_reason: String,
    /// The model that it plays, when it has one.
    pub model: Option<String>,
    /// Seconds of work for a second of music, when the engine was measured.
    pub real_time_factor: Option<f64>,
    /// What is already known not to be honoured as asked.
    pub warnings: Vec<String>,
}

/// What is said while the engine loads its model.
pub(crate) const LOADING: &str = "loading the model";

/// Progress that follows time alone is written down in steps of this.
const LEAST_STEP: f64 = 0.01;

/// A job as a store knows it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its identifier.
    pub id: JobId,
    /// The checked request.
    pub request: Arc<Request>,
    /// Length of the piece in seconds.
    pub audio_seconds: f64,
    /// Name of the engine.
    pub engine: String,
    /// Why it was chosen.
    pub engine_reason: String,
    /// The model that it plays, when it has one.
    pub model: Option<String>,
    /// The stage it is in.
    pub state: JobState,
    /// How often it was claimed.
    pub attempt: u32,
    /// Share done, 0 to 1. Never falls.
    pub progress: f64,
    /// How far each section is.
    pub sections: Vec<SectionProgress>,
    /// Length of each section in frames, beside `sections`.
    pub section_frames: Vec<u64>,
    /// For people.
    pub message: String,
    /// What could not be honoured as asked.
    pub warnings: Vec<String>,
    /// Stable code of the error that failed it.
    pub error_code: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When anything last changed.
    pub updated_at: Timestamp,
    /// When work on it began.
    pub started_at: Option<Timestamp>,
    /// When it reached a final state.
    pub finished_at: Option<Timestamp>,
    /// When the stages of work on it began, as far as it came.
    pub stages_began: Vec<Timestamp>,
    /// What its stages count for in `progress`.
    pub(crate) shares: Shares,
    /// How it has moved since the first of it was rendered.
    pub(crate) course: Course,
    /// Jobs before it in the queue, filled in by the store on reading.
    pub queue_position: Option<u64>,
    /// Seconds until it ends, filled in by the store on reading.
    pub eta_seconds: Option<f64>,
}

/// What a worker reports of a running job.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Nothing new: the worker asks whether to go on.
    Alive,
    /// A stage begins, or goes on.
    Stage(JobState),
    /// The plan is known.
    Planned {
        /// Its sections.
        sections: Vec<PlannedSection>,
        /// What planning set right on the way.
        warnings: Vec<String>,
    },
    /// The engine loads its model.
    Loading,
    /// A section is rendered up to `done` (0 to 1).
    Rendered {
        /// Index of the section.
        section: usize,
        /// Share of it.
        done: f64,
    },
}

/// A section, as far as progress is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSection {
    /// Its id in the plan.
    pub id: String,
    /// Its label.
    pub label: String,
    /// Its length.
    pub frames: u64,
}

/// Why a job failed, as the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable identifier for programs.
    pub code: String,
    /// What happened and what to do about it.
    pub message: String,
}

impl Job {
    /// A job that was just accepted.
    pub(crate) fn accepted(new: NewJob, now: Timestamp) -> Self {
        Self {
            id: JobId::fresh(),
            request: Arc::new(new.request),
            audio_seconds: new.audio_seconds,
            engine: new.engine,
            engine_reason: new.engine_reason,
            shares: Shares::before_any(new.model.is_some()),
            model: new.model,
            state: JobState::Queued,
            attempt: 0,
            progress: 0.0,
            sections: Vec::new(),
            section_frames: Vec::new(),
            message: describe(JobState::Queued).to_owned(),
            warnings: new.warnings,
            error_code: None,
            created_at: now,
            updated_at: now,
            started_at: None,
            finished_at: None,
            stages_began: Vec::new(),
            course: Course::default(),
            queue_position: None,
            eta_seconds: None,
        }
    }

    /// Goes to another state.
    ///
    /// # Errors
    /// When the move is illegal; the job is then unchanged.
    pub(crate) fn go(&mut self, to: JobState, now: Timestamp) -> Result<(), IllegalMove> {
        state::check(self.state, to)?;
        self.state = to;
        self.updated_at = now;
        describe(to).clone_into(&mut self.message);
        if let Some(progress) = self.shares.on_entering(to) {
            self.progress = self.progress.max(progress);
        }
        if to.is_final() {
            self.finished_at = Some(now);
        } else {
            self.stages_began.push(now);
        }
        Ok(())
    }

    /// Takes in a report; says whether anything changed.
    ///
    /// # Errors
    /// When the report is of an illegal move; the job is then unchanged.
    pub(crate) fn take(&mut self, report: Report, now: Timestamp) -> Result<bool, IllegalMove> {
        match report {
            Report::Alive => {
                let before = self.stages_began.last().map_or(Duration::ZERO, |began| self.computing(*began));
                let by_time = self.shares.by_time(self.state, before, self.computing(now));
                match by_time.filter(|share| *share >= self.progress + LEAST_STEP) {
                    Some(share) => self.progress = share,
                    None => return Ok(false),
                }
            }
            // A claim has already put the job into planning.
            Report::Stage(to) if self.state == to => return Ok(false),
            Report::Stage(to) => self.go(to, now)?,
            Report::Planned { sections, warnings } => {
                self.section_frames = sections.iter().map(|section| section.frames).collect();
                self.sections = sections
                    .into_iter()
                    .map(|section| SectionProgress { id: section.id, label: section.label, progress: 0.0 })
                    .collect();
                for warning in warnings {
                    self.warn(warning);
                }
            }
            Report::Loading => LOADING.clone_into(&mut self.message),
            Report::Rendered { section, done } => {
                let count = self.sections.len();
                let Some(entry) = self.sections.get_mut(section) else { return Ok(false) };
                let done = done.clamp(0.0, 1.0);
                // Also false for a share that is no number.
                if done > entry.progress {
                    entry.progress = done;
                } else {
                    return Ok(false);
                }
                self.message = format!("rendering section {} of {count}: {}", section + 1, entry.label);
                let shares =
                    self.section_frames.iter().copied().zip(self.sections.iter().map(|s| s.progress));
                self.progress = self.progress.max(self.shares.while_rendering(shares));
            }
        }
        if self.sections.iter().any(|section| section.progress > 0.0) {
            self.course.note(self.computing(now), self.progress);
        }
        self.updated_at = now;
        Ok(true)
    }

    /// Adds a warning that is not there yet.
    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// How long it has been worked on, up to `now` or its end.
    pub(crate) fn computing(&self, now: Timestamp) -> Duration {
        self.started_at
            .and_then(|start| Duration::try_from(self.finished_at.unwrap_or(now).duration_since(start)).ok())
            .unwrap_or_default()
    }

    /// How long its stages took. `None` when it has not gone through all of them.
    pub(crate) fn stage_times(&self) -> Option<[Duration; STAGES]> {
        let ends = self.stages_began.iter().skip(1).copied().chain(self.finished_at);
        let times = self.stages_began.iter().zip(ends);
        let times =
            times.map(|(begin, end)| Duration::try_from(end.duration_since(*begin)).unwrap_or_default());
        times.collect::<Vec<_>>().try_into().ok()
    }

    /// Seconds of work for a second of music, in rendering as far as it has come. `None` before anything is rendered.
    fn real_time_factor(&self) -> Option<f64> {
        let began = *self.stages_began.get(RENDERING)?;
        let until = self.stages_began.get(RENDERING + 1).copied().unwrap_or(self.updated_at);
        let parts = self.section_frames.iter().zip(&self.sections);
        let (rendered, all) = parts.fold((0.0, 0.0), |(rendered, all), (frames, section)| {
            (rendered + *frames as f64 * section.progress, all + *frames as f64)
        });
        let factor = until.duration_since(began).as_secs_f64() / (rendered / all * self.audio_seconds);
        factor.is_finite().then_some(factor)
    }

    /// As it goes over the wire.
    pub fn status(&self) -> GenerationStatus {
        GenerationStatus {
            job_id: self.id.to_string(),
            state: self.state,
            progress: self.progress,
            sections: self.sections.clone(),
            queue_position: self.queue_position,
            eta_seconds: self.eta_seconds,
            real_time_factor: self.real_time_factor(),
            message: self.message.clone(),
            warnings: self.warnings.clone(),
            seed: self.request.seed,
            engine: self.engine.clone(),
            engine_reason: self.engine_reason.clone(),
            error_code: self.error_code.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}

/// A state in a few words.
fn describe(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "waiting for its turn",
        JobState::Planning => "making the plan",
        JobState::Rendering => "rendering",
        JobState::Mixing => "joining the sections",
        JobState::Mastering => "setting loudness and peaks, writing the file",
        JobState::Succeeded => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}
