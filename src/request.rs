//! From what a caller sent to what the pipeline works with: the one place where limits are enforced and defaults filled in.

use std::{
    hash::{BuildHasher, RandomState},
    ops::RangeInclusive,
};

use thiserror::Error;
use uuid::Uuid;

use crate::{
    audio::{Decibels, Lufs, SampleRate},
    music::{Key, Metre},
    wire::{
        AudioSource, BitDepth, CompositionPlan, EngineChoice, FieldError, GenerationRequest, OutputFormat,
        OutputOptions, Sampling,
    },
};

/// Longest prompt and negative prompt, in characters.
pub const PROMPT_CHARACTERS: usize = 1000;
/// Length of a piece, in seconds.
pub const DURATION_SECONDS: RangeInclusive<f64> = 1.0..=600.0;
/// Tempo, in beats per minute.
pub const TEMPO_BPM: RangeInclusive<f64> = 40.0..=220.0;
/// Rate of the finished file, in hertz.
pub const SAMPLE_RATE: RangeInclusive<u32> = 8_000..=192_000;
/// Integrated loudness of the finished file, in LUFS.
pub const LOUDNESS_LUFS: RangeInclusive<f64> = -40.0..=-5.0;
/// Ceiling of the true peak, in dBTP.
pub const TRUE_PEAK_DBTP: RangeInclusive<f64> = -12.0..=0.0;
/// Where the excerpt of a sound may start and end, in seconds.
pub const SOURCE_SECONDS: RangeInclusive<f64> = 0.0..=crate::source::LONGEST_SECONDS;
/// Largest seed: the largest integer that every JSON reader keeps exact.
pub const SEED_MAX: u64 = (1 << 53) - 1;

/// What a request leaves open, and what it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Length of a piece, in seconds.
    pub duration_seconds: f64,
    /// The finished file.
    pub output: Output,
    /// Most memory that a piece may take, in bytes.
    pub memory_limit: u64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { duration_seconds: 120.0, output: Output::default(), memory_limit: 8 << 30 }
    }
}

/// What the finished file is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output {
    /// Frames per second.
    pub rate: SampleRate,
    /// Sample format.
    pub bit_depth: BitDepth,
    /// 1 or 2.
    pub channels: usize,
    /// Container.
    pub format: OutputFormat,
    /// Integrated loudness to reach.
    pub loudness: Lufs,
    /// True peak not to exceed.
    pub true_peak: Decibels,
    /// Whether to keep stems.
    pub stems: bool,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            rate: SampleRate(48_000),
            bit_depth: BitDepth::Int24,
            channels: 2,
            format: OutputFormat::Wav,
            loudness: Lufs(-14.0),
            true_peak: Decibels(-1.0),
            stems: false,
        }
    }
}

/// A request whose every value is inside its limits. The seed, the output and the engine choice are resolved;
/// what is `None` is for the planner to infer.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What the music should be: one line, 1 to 1000 characters.
    pub prompt: String,
    /// Length that was asked for, in seconds.
    pub duration_seconds: Option<f64>,
    /// Length to plan for when neither the request nor a plan says one.
    pub default_duration_seconds: f64,
    /// Most memory that it may take, in bytes.
    pub memory_limit: u64,
    /// The seed, given or drawn.
    pub seed: u64,
    /// Which engine renders.
    pub engine: EngineChoice,
    /// Model of the engine.
    pub model: Option<String>,
    /// Beats per minute.
    pub tempo_bpm: Option<f64>,
    /// Key.
    pub key: Option<Key>,
    /// Metre.
    pub metre: Option<Metre>,
    /// What the music should not have; may be empty.
    pub negative_prompt: String,
    /// How tokens are drawn, when the request says anything about it.
    pub sampling: Option<Sampling>,
    /// A sound to go on from.
    pub continue_from: Option<AudioSource>,
    /// A sound whose melody to follow.
    pub melody_from: Option<AudioSource>,
    /// The finished file.
    pub output: Output,
    /// A plan to render instead of making one. Checked by [`crate::plan`].
    pub plan: Option<CompositionPlan>,
}

/// Every field of a request that is outside its limits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; "))]
pub struct RequestError {
    /// The fields, in the order of the wire.
    pub errors: Vec<FieldError>,
}

impl Request {
    /// Checks a request against the limits and fills in what `defaults` decide. A seed is drawn when neither the request
    /// nor its plan has one.
    ///
    /// # Errors
    /// When any value is outside its limits; every such value is named.
    pub fn new(wire: GenerationRequest, defaults: &Defaults) -> Result<Self, RequestError> {
        let mut check = Check::default();
        let prompt = one_line(&wire.prompt);
        check.text("prompt", &prompt);
        if prompt.is_empty() {
            check.add(
                "prompt",
                "is empty: say in 1 to 1000 characters what the music should be, as \"slow piano over rain\""
                    .into(),
            );
        }
        let negative_prompt = one_line(wire.negative_prompt.as_deref().unwrap_or_default());
        check.text("negative_prompt", &negative_prompt);
        check.range("duration_seconds", wire.duration_seconds, &DURATION_SECONDS, "seconds");
        check.range("tempo_bpm", wire.tempo_bpm, &TEMPO_BPM, "beats per minute");
        if wire.seed.is_some_and(|seed| seed > SEED_MAX) {
            check.add("seed", format!("must be at most {SEED_MAX} (2^53 - 1)"));
        }
        if let Some(model) = &wire.model
            && (model.trim().is_empty() || model.chars().count() > 200)
        {
            check.add("model", "must be 1 to 200 characters, as \"facebook/musicgen-small\"".into());
        }
        if let Some(sampling) = &wire.sampling {
            check.range("sampling.temperature", sampling.temperature, &(0.0..=4.0), "");
            check.range("sampling.top_k", sampling.top_k.map(f64::from), &(0.0..=2048.0), "");
            check.range("sampling.top_p", sampling.top_p, &(0.0..=1.0), "");
            check.range("sampling.guidance", sampling.guidance, &(0.0..=20.0), "");
        }
        check.source("continue_from", wire.continue_from.as_ref());
        check.source("melody_from", wire.melody_from.as_ref());
        let output = check.output(wire.output.unwrap_or_default(), wire.plan.as_ref(), &defaults.output);
        let seed = wire.seed.or_else(|| wire.plan.as_ref().map(|plan| plan.seed)).unwrap_or_else(draw_seed);
        if !check.errors.is_empty() {
            return Err(RequestError { errors: check.errors });
        }
        Ok(Self {
            prompt,
            duration_seconds: wire.duration_seconds,
            default_duration_seconds: defaults.duration_seconds,
            memory_limit: defaults.memory_limit,
            seed,
            engine: wire.engine.unwrap_or_default(),
            model: wire.model,
            tempo_bpm: wire.tempo_bpm,
            key: wire.key,
            metre: wire.time_signature,
            negative_prompt,
            sampling: wire.sampling,
            continue_from: wire.continue_from,
            melody_from: wire.melody_from,
            output,
            plan: wire.plan,
        })
    }

    /// The request as it would be sent again to get the same piece: with seed and output spelled out.
    pub fn to_wire(&self) -> GenerationRequest {
        let Output { rate, bit_depth, channels, format, loudness, true_peak, stems } = self.output;
        GenerationRequest {
            prompt: self.prompt.clone(),
            duration_seconds: self.duration_seconds,
            seed: Some(self.seed),
            engine: Some(self.engine),
            model: self.model.clone(),
            tempo_bpm: self.tempo_bpm,
            key: self.key,
            time_signature: self.metre,
            negative_prompt: (!self.negative_prompt.is_empty()).then(|| self.negative_prompt.clone()),
            sampling: self.sampling,
            continue_from: self.continue_from.clone(),
            melody_from: self.melody_from.clone(),
            output: Some(OutputOptions {
                sample_rate: Some(rate.0),
                bit_depth: Some(bit_depth),
                channels: u16::try_from(channels).ok(),
                format: Some(format),
                loudness_lufs: Some(loudness.0),
                true_peak_dbtp: Some(true_peak.0),
                stems: Some(stems),
            }),
            plan: self.plan.clone(),
        }
    }
}

/// A text with every run of white space, line ends included, as one space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A seed that nobody can predict, small enough for JSON.
fn draw_seed() -> u64 {
    RandomState::new().hash_one(std::process::id()) & SEED_MAX
}

/// Collects what is wrong, so that a caller hears of everything at once.
#[derive(Default)]
struct Check {
    errors: Vec<FieldError>,
}

impl Check {
    fn add(&mut self, field: &str, message: String) {
        self.errors.push(FieldError { field: field.to_owned(), message });
    }

    fn text(&mut self, field: &str, text: &str) {
        let characters = text.chars().count();
        if characters > PROMPT_CHARACTERS {
            self.add(field, format!("has {characters} characters, at most {PROMPT_CHARACTERS} are allowed"));
        }
        if text.chars().any(char::is_control) {
            self.add(field, "contains control characters".into());
        }
    }

    fn range(&mut self, field: &str, value: Option<f64>, allowed: &RangeInclusive<f64>, unit: &str) {
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            let message = format!("{value} is outside {} to {} {unit}", allowed.start(), allowed.end());
            self.add(field, message.trim_end().to_owned());
        }
    }

    fn source(&mut self, field: &str, source: Option<&AudioSource>) {
        let Some(AudioSource { audio_id, job_id, name, start_seconds, end_seconds }) = source else { return };
        let within = |part: &str| format!("{field}.{part}");
        if audio_id.is_none() && job_id.is_none() {
            self.add(field, "names no sound: give audio_id, as POST /audio answers it, or job_id".into());
        }
        let hexadecimal = |id: &str| id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if audio_id.as_ref().is_some_and(|id| id.len() != 64 || !hexadecimal(id)) {
            self.add(&within("audio_id"), "is no id of a sound: 64 hexadecimal digits in lower case".into());
        }
        if job_id.as_ref().is_some_and(|id| Uuid::try_parse(id).is_err()) {
            self.add(&within("job_id"), "is no id of a job: a UUID".into());
        }
        if let Some(name) = name {
            self.text(&within("name"), name);
        }
        self.range(&within("start_seconds"), *start_seconds, &SOURCE_SECONDS, "seconds");
        self.range(&within("end_seconds"), *end_seconds, &SOURCE_SECONDS, "seconds");
        if end_seconds.is_some_and(|end| end <= start_seconds.unwrap_or(0.0)) {
            self.add(&within("end_seconds"), "must lie after the start".into());
        }
    }

    fn output(&mut self, wire: OutputOptions, plan: Option<&CompositionPlan>, defaults: &Output) -> Output {
        // The plan's rate only says what its frames were counted in: a request may ask for another.
        let (field, rate) = match (wire.sample_rate, plan) {
            (Some(rate), _) => ("output.sample_rate", rate),
            (None, Some(plan)) => ("plan.sample_rate", plan.sample_rate),
            (None, None) => ("output.sample_rate", defaults.rate.0),
        };
        if !SAMPLE_RATE.contains(&rate) {
            self.add(field, format!("{rate} is outside {} to {} Hz", SAMPLE_RATE.start(), SAMPLE_RATE.end()));
        }
        let channels = wire.channels.map_or(defaults.channels, usize::from);
        if !(1..=2).contains(&channels) {
            self.add("output.channels", format!("{channels} is neither 1 (mono) nor 2 (stereo)"));
        }
        self.range("output.loudness_lufs", wire.loudness_lufs, &LOUDNESS_LUFS, "LUFS");
        self.range("output.true_peak_dbtp", wire.true_peak_dbtp, &TRUE_PEAK_DBTP, "dBTP");
        let output = Output {
            rate: SampleRate(rate),
            bit_depth: wire.bit_depth.unwrap_or(defaults.bit_depth),
            channels,
            format: wire.format.unwrap_or(defaults.format),
            loudness: wire.loudness_lufs.map_or(defaults.loudness, Lufs),
            true_peak: wire.true_peak_dbtp.map_or(defaults.true_peak, Decibels),
            stems: wire.stems.unwrap_or(defaults.stems),
        };
        if (output.format, output.bit_depth) == (OutputFormat::Flac, BitDepth::Float32) {
            self.add(
                "output.bit_depth",
                "FLAC holds 16 or 24-bit integers; ask for 16 or 24, or for WAV".into(),
            );
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(wire: GenerationRequest) -> Vec<String> {
        match Request::new(wire, &Defaults::default()) {
            Ok(_) => Vec::new(),
            Err(error) => error.errors.into_iter().map(|error| error.field).collect(),
        }
    }

    fn prompt(text: &str) -> GenerationRequest {
        GenerationRequest { prompt: text.to_owned(), ..GenerationRequest::default() }
    }

    #[test]
    fn every_fault_is_named() {
        let wire = GenerationRequest {
            duration_seconds: Some(0.5),
            tempo_bpm: Some(f64::NAN),
            seed: Some(u64::MAX),
            output: Some(OutputOptions {
                sample_rate: Some(7999),
                channels: Some(3),
                ..OutputOptions::default()
            }),
            ..prompt("  ")
        };
        assert_eq!(
            fields(wire),
            ["prompt", "duration_seconds", "tempo_bpm", "seed", "output.sample_rate", "output.channels"]
        );
    }

    #[test]
    fn prompts_are_counted_in_characters() {
        assert!(fields(prompt(&"é".repeat(1000))).is_empty());
        assert_eq!(fields(prompt(&"é".repeat(1001))), ["prompt"]);
        assert_eq!(fields(prompt("a\u{0}b")), ["prompt"]);
    }

    #[test]
    fn flac_has_no_floats() {
        let output = OutputOptions {
            format: Some(OutputFormat::Flac),
            bit_depth: Some(BitDepth::Float32),
            ..OutputOptions::default()
        };
        assert_eq!(
            fields(GenerationRequest { output: Some(output), ..prompt("piano") }),
            ["output.bit_depth"]
        );
    }

    #[test]
    fn sounds_are_named_and_cut_in_order() {
        let source = |source| fields(GenerationRequest { continue_from: Some(source), ..prompt("piano") });
        let upload = AudioSource { audio_id: Some("0f".repeat(32)), ..AudioSource::default() };
        assert!(source(upload.clone()).is_empty());
        assert_eq!(source(AudioSource::default()), ["continue_from"]);
        let wrong = AudioSource {
            audio_id: Some("../0f".repeat(16)),
            job_id: Some("1".into()),
            name: Some("a\nb".into()),
            start_seconds: Some(5.0),
            end_seconds: Some(5.0),
        };
        let named = ["audio_id", "job_id", "name", "end_seconds"].map(|part| format!("continue_from.{part}"));
        assert_eq!(source(wrong), named);
        let endless = AudioSource { start_seconds: Some(f64::NAN), end_seconds: Some(3601.0), ..upload };
        assert_eq!(source(endless), ["continue_from.start_seconds", "continue_from.end_seconds"]);
    }

    #[test]
    fn a_resolved_request_resolves_to_itself() {
        let first = Request::new(prompt("piano"), &Defaults::default()).unwrap();
        let second = Request::new(first.to_wire(), &Defaults::default()).unwrap();
        assert_eq!(first, second);
        assert_ne!(first.seed, Request::new(prompt("piano"), &Defaults::default()).unwrap().seed);
    }
}
