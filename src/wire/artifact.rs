//! What a finished piece is, and all that is known of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BitDepth, CompositionPlan, GenerationRequest, OutputFormat};

/// A finished piece, with links to its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationArtifact {
    /// The job that made it.
    #[schema(format = "uuid")]
    pub job_id: String,
    /// Its title.
    pub title: String,
    /// The audio file.
    pub audio: ArtifactFile,
    /// What was measured on the audio file's final samples.
    pub loudness: LoudnessReport,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Where each section starts.
    pub sections: Vec<SectionMark>,
    /// What could not be honoured as asked.
    pub warnings: Vec<String>,
    /// Where to fetch what, relative to the server.
    pub links: ArtifactLinks,
}

/// Paths of an artifact's parts, relative to the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactLinks {
    /// The mastered audio.
    pub audio: String,
    /// The manifest (JSON).
    pub manifest: String,
    /// Waveform and spectrogram (PNG).
    pub picture: String,
    /// The stems (ZIP of 32-bit float WAV), when they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stems: Option<String>,
    /// The notes (MIDI), when the engine knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub midi: Option<String>,
}

/// The form of an audio file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactFile {
    /// Container.
    pub format: OutputFormat,
    /// Frames per second.
    pub sample_rate: u32,
    /// Sample format.
    pub bit_depth: BitDepth,
    /// Number of channels.
    pub channels: u16,
    /// Length in frames.
    pub frames: u64,
    /// Length in seconds.
    pub duration_seconds: f64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

/// What was measured on the final, quantised samples (ITU-R BS.1770-5, EBU Tech 3341 and 3342).
/// A value is null where it is not defined: silence has no loudness, and a piece under 0.4 s no gating block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LoudnessReport {
    /// Loudness that was asked for, LUFS.
    pub target_lufs: f64,
    /// True peak that was not to be exceeded, dBTP.
    pub ceiling_dbtp: f64,
    /// Integrated loudness, LUFS.
    pub integrated_lufs: Option<f64>,
    /// Loudness range, LU.
    pub range_lu: Option<f64>,
    /// Largest true peak of any channel, dBTP.
    pub true_peak_dbtp: Option<f64>,
    /// Largest loudness over 3 s, LUFS.
    pub max_short_term_lufs: Option<f64>,
    /// Gain that was applied before the limiter, dB.
    pub gain_db: f64,
    /// Most that the limiter took away anywhere, dB (0 or more).
    pub limited_db: f64,
    /// Whether the integrated loudness is within 0.2 LU of the target.
    pub on_target: bool,
    /// Why not, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Where a piece comes from: enough to know what one may do with it and to make it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// Program and version, as `timbre 0.1.0`.
    pub software: String,
    /// Name of the engine that rendered it.
    pub engine: String,
    /// Why that engine was taken.
    pub engine_reason: String,
    /// Model and revision, for engines that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How the model's matrices were kept, as `f32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// What the model computed on: `cpu`, `cuda` or `metal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Licence under which the engine's output may be used, for people.
    pub licence: String,
    /// The seed.
    pub seed: u64,
    /// SHA-256 of the plan as compact JSON, 64 hexadecimal digits.
    pub plan_sha256: String,
    /// Always true: the audio was made by a machine.
    pub machine_made: bool,
    /// When it was rendered (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Where a section starts in the audio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SectionMark {
    /// The section's id in the plan.
    pub id: String,
    /// Its label.
    pub label: String,
    /// First frame.
    pub start_frame: u64,
    /// The same in seconds.
    pub start_seconds: f64,
}

/// One stem on disk or in the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StemFile {
    /// Instrument group, as `drums`.
    pub name: String,
    /// File name.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// The notes on disk, a standard MIDI file of type 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MidiFile {
    /// File name.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

/// All that is known of a piece; rendering `request` with `plan` in the same build gives the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Manifest {
    /// Version of this form. Always 1.
    pub version: u32,
    /// The request, with every choice resolved (seed, engine, output).
    pub request: GenerationRequest,
    /// The plan that was rendered.
    pub plan: CompositionPlan,
    /// File name of the audio.
    pub file: String,
    /// The audio file.
    pub audio: ArtifactFile,
    /// What was measured.
    pub loudness: LoudnessReport,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Where each section starts.
    pub sections: Vec<SectionMark>,
    /// The stems, when they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stems: Vec<StemFile>,
    /// The notes, when they were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub midi: Option<MidiFile>,
    /// What could not be honoured as asked.
    pub warnings: Vec<String>,
}
