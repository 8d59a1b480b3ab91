//! What a caller asks for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AudioSource, CompositionPlan};
use crate::music::{Key, Metre};

/// A request for one piece of music. Only `prompt` is required; what is left open is inferred from the prompt, then from the
/// style it names, then from the seed, and the plan says which. Unknown fields are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerationRequest {
    /// What the music should be, in English. 1 to 1000 characters.
    #[schema(min_length = 1, max_length = 1000, example = "dreamy piano over rain, 72 bpm, in D minor")]
    pub prompt: String,
    /// Length of the piece in seconds, 1 to 600. Met to the sample. Default: the plan's length, or 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 600, example = 45)]
    pub duration_seconds: Option<f64>,
    /// Seed of everything that is drawn, 0 to 2^53 - 1 (exact in every JSON reader). Drawn and reported when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    pub seed: Option<u64>,
    /// Which engine renders. Default: `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineChoice>,
    /// Model of an engine that has models, as `facebook/musicgen-small`. Refused by engines without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub model: Option<String>,
    /// Tempo in beats per minute, 40 to 220. The beat is the quarter note, in 6/8 and 12/8 the dotted quarter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 40, maximum = 220)]
    pub tempo_bpm: Option<f64>,
    /// Key, as "D minor", "F# dorian" or "Bb".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Time signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_signature: Option<Metre>,
    /// What the music should not have, as "drums, vinyl". At most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub negative_prompt: Option<String>,
    /// How tokens are drawn, for engines that sample from a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// A sound that the piece goes on from. It is no part of the piece, nor of its length: the engine hears its last seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_from: Option<AudioSource>,
    /// A sound whose melody the piece follows, from its start on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub melody_from: Option<AudioSource>,
    /// What the finished file is like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputOptions>,
    /// A plan to render instead of one made from the prompt; usually an edited answer of `POST /plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<CompositionPlan>,
}

/// Which engine renders a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// MusicGen when its weights are on disk, otherwise the built-in synthesiser; the answer says which and why.
    #[default]
    Auto,
    /// MusicGen, or an error when it cannot run.
    Musicgen,
    /// The built-in composer and synthesiser.
    Synth,
}

/// How an engine draws tokens from a model. Refused by engines that have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// 0 to 4; 0 always takes the likeliest token. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 4)]
    pub temperature: Option<f64>,
    /// Draw among the k likeliest tokens, 0 to 2048; 0 is off. Default: 250.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2048)]
    pub top_k: Option<u32>,
    /// Draw among the likeliest tokens that together reach this probability, 0 to 1; 0 is off. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Classifier-free guidance scale, 0 to 20; 1 is none. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 20)]
    pub guidance: Option<f64>,
}

/// What the finished file is like. Left-out fields take the server's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputOptions {
    /// Frames per second, 8000 to 192000. Default: 48000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 8000, maximum = 192_000)]
    pub sample_rate: Option<u32>,
    /// Sample format. Default: `24`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<BitDepth>,
    /// 1 (mono) or 2 (stereo). Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2)]
    pub channels: Option<u16>,
    /// Container. Default: `wav`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<OutputFormat>,
    /// Integrated loudness to reach, in LUFS (ITU-R BS.1770), -40 to -5. Default: -14.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -40, maximum = -5)]
    pub loudness_lufs: Option<f64>,
    /// True peak never to exceed, in dBTP, -12 to 0. Default: -1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -12, maximum = 0)]
    pub true_peak_dbtp: Option<f64>,
    /// Whether to keep one unmastered file per instrument group as well. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stems: Option<bool>,
}

/// Sample format of the finished file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum BitDepth {
    /// 16-bit integers.
    #[serde(rename = "16")]
    Int16,
    /// 24-bit integers.
    #[default]
    #[serde(rename = "24")]
    Int24,
    /// 32-bit floats. Not available in FLAC.
    #[serde(rename = "32f")]
    Float32,
}

impl BitDepth {
    /// As on the wire: `16`, `24` or `32f`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int16 => "16",
            Self::Int24 => "24",
            Self::Float32 => "32f",
        }
    }
}

/// Container of the finished file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputFormat {
    /// RIFF WAVE.
    #[default]
    Wav,
    /// Free Lossless Audio Codec (RFC 9639).
    Flac,
}

impl OutputFormat {
    /// File name extension, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
        }
    }

    /// Media type, as in `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Flac => "audio/flac",
        }
    }
}
