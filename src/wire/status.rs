//! Where a job stands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationStatus {
    /// The job's identifier (UUID version 7).
    #[schema(format = "uuid")]
    pub job_id: String,
    /// The stage it is in.
    pub state: JobState,
    /// Share of the whole job that is done, 0 to 1. Never falls; 1 only when succeeded.
    #[schema(minimum = 0, maximum = 1)]
    pub progress: f64,
    /// How far each section is. Empty until planned.
    pub sections: Vec<SectionProgress>,
    /// Jobs that run before this one; 0 is next. Null once it has started.
    pub queue_position: Option<u64>,
    /// Estimated seconds until it ends. Null when nothing is known yet, and when it has ended.
    pub eta_seconds: Option<f64>,
    /// Seconds of work for a second of music, in rendering as far as it has come; below 1 is faster than real time. Null before
    /// anything is rendered.
    #[serde(default)]
    pub real_time_factor: Option<f64>,
    /// What it is doing, or why it ended, for people.
    pub message: String,
    /// What could not be honoured as asked.
    pub warnings: Vec<String>,
    /// The seed in use; the request's, or the one drawn.
    pub seed: u64,
    /// Name of the engine that renders.
    pub engine: String,
    /// Why that engine was taken.
    pub engine_reason: String,
    /// Stable code of the error that failed the job, as in `Problem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// When it was accepted (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When anything here last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When work on it began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it reached a final state.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

/// The stage a job is in. The last three are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted, waiting for its turn.
    Queued,
    /// The plan is being made.
    Planning,
    /// Sections are being rendered.
    Rendering,
    /// Sections are being joined.
    Mixing,
    /// Loudness and peaks are being set, the file written.
    Mastering,
    /// The artifact is ready.
    Succeeded,
    /// It ended with an error; `message` and `error_code` say which.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl JobState {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Planning => "planning",
            Self::Rendering => "rendering",
            Self::Mixing => "mixing",
            Self::Mastering => "mastering",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How far one section is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SectionProgress {
    /// The section's id in the plan.
    pub id: String,
    /// Its label.
    pub label: String,
    /// Share rendered, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub progress: f64,
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<GenerationStatus>,
    /// Pass as `before` to get the page that follows; null on the last page.
    pub next_before: Option<String>,
}
