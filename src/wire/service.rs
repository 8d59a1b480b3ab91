//! What the service says of itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `draining` while it shuts down.
    pub status: String,
    /// Version of the server.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: f64,
    /// Whether a request would be accepted and rendered now.
    pub ready: bool,
    /// Why it is not ready, for people.
    pub not_ready: Option<String>,
    /// The device that models compute on.
    pub device: DeviceInfo,
    /// Every engine, available or not.
    pub engines: Vec<EngineInfo>,
    /// The queue.
    pub queue: QueueInfo,
    /// Where jobs are kept, as `memory`.
    pub store: String,
}

/// The device that models compute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceInfo {
    /// `cpu`, `cuda` or `metal`.
    pub kind: String,
    /// What the machine calls it, or why it was taken.
    pub name: String,
    /// Processor threads that rendering may use.
    pub threads: usize,
}

/// One engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "what an engine can do, as fields of JSON")]
pub struct EngineInfo {
    /// Name, as in a request.
    pub name: String,
    /// Whether it can render now.
    pub available: bool,
    /// Whether `auto` would take it.
    pub default: bool,
    /// Why it is or is not available.
    pub reason: String,
    /// Its own frames per second, before resampling.
    pub sample_rate: Option<u32>,
    /// Its own channels.
    pub channels: Option<u16>,
    /// Whether it gives stems.
    pub stems: bool,
    /// Whether it knows its notes, so that pieces have a MIDI file.
    pub notes: bool,
    /// Whether it can go on from a sound (`continue_from`).
    #[serde(default)]
    pub continues: bool,
    /// Whether it can follow the melody of a sound (`melody_from`).
    #[serde(default)]
    pub follows_melody: bool,
    /// Longest section it renders at once, in seconds; null is no limit.
    pub longest_section_seconds: Option<f64>,
    /// Licence of what it makes.
    pub licence: Option<String>,
    /// The model that it plays when a request names none: name and revision, or directory.
    pub model: Option<String>,
    /// How the model's matrices are kept, as `f32`.
    pub dtype: Option<String>,
    /// What the model computes on: `cpu`, `cuda` or `metal`.
    pub device: Option<String>,
    /// Whether it is ready; one that is not loads its model first.
    #[serde(default)]
    pub loaded: bool,
}

/// All engines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EngineList {
    /// The engines.
    pub engines: Vec<EngineInfo>,
}

/// The queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueInfo {
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs that run.
    pub running: usize,
    /// Most jobs that may wait; one more is answered with 429.
    pub capacity: usize,
    /// Jobs rendered at the same time.
    pub workers: usize,
}
