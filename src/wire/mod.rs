//! Every body that crosses the network or lands in a file: plain serde structs, described for OpenAPI.
//!
//! A client needs nothing else of this crate. Meaning and limits are enforced by [`crate::request`] and [`crate::plan`]
//! (feature `pipeline`), not here.

mod artifact;
mod generation;
mod plan;
mod problem;
pub mod schema;
mod service;
mod source;
mod status;

pub use artifact::{
    ArtifactFile, ArtifactLinks, GenerationArtifact, LoudnessReport, Manifest, MidiFile, Provenance,
    SectionMark, StemFile,
};
pub use generation::{BitDepth, EngineChoice, GenerationRequest, OutputFormat, OutputOptions, Sampling};
pub use plan::{
    CompositionPlan, Density, Ending, Energy, Inference, MotifNote, Orchestration, PlanSection, Pulse, Role,
    Source, Technique, Theme, Transition, TransitionKind,
};
pub use problem::{FieldError, Problem};
pub use service::{DeviceInfo, EngineInfo, EngineList, Health, QueueInfo};
pub use source::{AudioInfo, AudioSource, FileExcerpt};
pub use status::{GenerationStatus, JobList, JobState, SectionProgress};
