//! The options that make a request: one for every field.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{
    config,
    music::{Key, Metre},
    source,
    wire::{
        AudioSource, BitDepth, CompositionPlan, EngineChoice, FileExcerpt, GenerationRequest, Manifest,
        OutputFormat, OutputOptions, Sampling,
    },
};

/// Largest plan or manifest that is read, in bytes.
const LARGEST_FILE: u64 = 4 << 20;

/// File names that promise what Timbre does not write.
const OTHER_FORMATS: [&str; 9] = ["mp3", "ogg", "opus", "m4a", "aac", "aif", "aiff", "wma", "mid"];

/// What the music should be and what the file should be like.
#[derive(Clone, Debug, Args)]
pub(super) struct RequestOptions {
    /// What the music should be, in English: "dreamy piano over rain, 72 bpm, in D minor".
    #[arg(short, long, value_name = "TEXT", required_unless_present_any = ["plan", "from"])]
    prompt: Option<String>,
    /// Length of the piece in seconds, 1 to 600; fractions are met to the sample.
    #[arg(short, long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Seed of everything that is drawn; the same request with the same seed gives the same file. Drawn when left out.
    #[arg(short, long, value_name = "N")]
    seed: Option<u64>,
    /// Engine that renders: auto, musicgen or synth.
    #[arg(short, long)]
    engine: Option<EngineOption>,
    /// Model of an engine that has models.
    #[arg(short, long, value_name = "NAME")]
    model: Option<String>,
    /// Tempo in beats per minute, 40 to 220.
    #[arg(short, long, value_name = "BPM")]
    tempo: Option<f64>,
    /// Key, as "D minor", "F# dorian" or "Bb".
    #[arg(short, long)]
    key: Option<Key>,
    /// Time signature: 2/4, 3/4, 4/4, 5/4, 6/8, 7/8 or 12/8.
    #[arg(long, value_name = "METRE")]
    time_signature: Option<Metre>,
    /// What the music should not have, as "drums, vinyl".
    #[arg(short, long, value_name = "TEXT")]
    negative_prompt: Option<String>,
    /// Render this plan, as printed by `timbre plan --json`; - reads it from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    plan: Option<PathBuf>,
    /// Render again what this manifest describes, to the same bytes. With options that change the music (prompt, duration, seed,
    /// tempo, key, time signature, negative prompt) the piece is planned anew; with others the same plan is rendered.
    #[arg(long, value_name = "MANIFEST")]
    from: Option<PathBuf>,
    #[command(flatten)]
    sounds: SoundOptions,
    #[command(flatten)]
    sampling: SamplingOptions,
    #[command(flatten)]
    output: OutputOption,
}

/// Sounds that the piece is made from. A file of a manifest's piece is the same when its bytes are.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sounds, for engines that hear them (WAV, FLAC, MP3, OGG)")]
pub(super) struct SoundOptions {
    /// Go on from this sound; FILE@10-25 is its seconds 10 to 25. It is no part of the piece.
    #[arg(long, value_name = "FILE")]
    continue_from: Option<FileExcerpt>,
    /// Follow the melody of this sound; FILE@10-25 is its seconds 10 to 25.
    #[arg(long, value_name = "FILE")]
    melody_from: Option<FileExcerpt>,
}

/// The files of a request's sounds, by their ids.
pub(super) type Sounds = HashMap<String, PathBuf>;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sampling, for engines with a model")]
struct SamplingOptions {
    /// Temperature, 0 to 4.
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Draw among the k likeliest tokens, 0 to 2048; 0 is off.
    #[arg(long, value_name = "K")]
    top_k: Option<u32>,
    /// Draw among the likeliest tokens that reach this probability, 0 to 1; 0 is off.
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Classifier-free guidance scale, 0 to 20.
    #[arg(long, value_name = "SCALE")]
    guidance: Option<f64>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The finished file")]
struct OutputOption {
    /// Frames per second, 8000 to 192000.
    #[arg(long, value_name = "HZ")]
    sample_rate: Option<u32>,
    /// Sample format: 16, 24 or 32f.
    #[arg(long, value_name = "FORMAT", value_parser = config::bit_depth)]
    bit_depth: Option<BitDepth>,
    /// 1 (mono) or 2 (stereo).
    #[arg(long, value_name = "N")]
    channels: Option<u16>,
    /// Container; the name of the file decides when left out.
    #[arg(long)]
    format: Option<FormatOption>,
    /// Integrated loudness to reach in LUFS, -40 to -5.
    #[arg(long, value_name = "LUFS", allow_negative_numbers = true)]
    loudness: Option<f64>,
    /// True peak not to exceed in dBTP, -12 to 0.
    #[arg(long, value_name = "DBTP", allow_negative_numbers = true)]
    true_peak: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineOption {
    Auto,
    Musicgen,
    Synth,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatOption {
    Wav,
    Flac,
}

/// Why options do not make a request.
#[derive(Debug, Error)]
pub(super) enum OptionsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name of the file promises another format than will be written.
    #[error("--output {}: the name does not fit the format {format}; use .wav or .flac, with --format or without", .path.display())]
    Extension {
        /// The file.
        path: PathBuf,
        /// What would be written.
        format: String,
    },
    /// A file is not what it should be.
    #[error("{} is no {what}: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// Where and why it is not.
        reason: String,
    },
    /// A manifest names a sound that is not given.
    #[error(
        "{option} is missing: the piece was made from {name}, whose SHA-256 is {sha256}; give that file with {option}"
    )]
    Missing {
        /// The option that gives it.
        option: &'static str,
        /// Its name, or what is said instead.
        name: String,
        /// What it is known by.
        sha256: String,
    },
}

impl RequestOptions {
    /// The options that give sounds, with their files.
    pub(super) fn sounds(&self) -> Vec<(&'static str, PathBuf)> {
        let SoundOptions { continue_from, melody_from } = &self.sounds;
        [("--continue-from", continue_from), ("--melody-from", melody_from)]
            .into_iter()
            .filter_map(|(option, file)| Some((option, file.as_ref()?.path.clone())))
            .collect()
    }

    /// The request, for a file at `output`; the manifest that it renders again, if it does; and the files of its sounds.
    ///
    /// # Errors
    /// When a plan or manifest cannot be read, or the file's name says another format than the options.
    pub(super) fn into_request(
        self,
        stems: bool,
        output: Option<&Path>,
    ) -> Result<(GenerationRequest, Option<Manifest>, Sounds), OptionsError> {
        let format = format_of(output, self.output.format)?;
        let mut manifest: Option<Manifest> =
            self.from.as_deref().map(|path| read_json(path, "manifest")).transpose()?;
        let mut request = manifest.as_ref().map_or_else(GenerationRequest::default, |it| it.request.clone());
        if self.changes_the_music() {
            manifest = None;
        }
        request.plan = manifest.as_ref().map(|manifest| manifest.plan.clone());
        if let Some(path) = &self.plan {
            let plan: CompositionPlan = read_json(path, "plan")?;
            request.prompt.clone_from(&plan.prompt);
            request.plan = Some(plan);
        }
        if let Some(prompt) = self.prompt {
            request.prompt = prompt;
        }
        set(&mut request.duration_seconds, self.duration);
        set(&mut request.seed, self.seed);
        set(&mut request.engine, self.engine.map(EngineOption::into));
        set(&mut request.model, self.model);
        set(&mut request.tempo_bpm, self.tempo);
        set(&mut request.key, self.key);
        set(&mut request.time_signature, self.time_signature);
        set(&mut request.negative_prompt, self.negative_prompt);
        self.sampling.apply(&mut request.sampling);
        let sounds = self.sounds.apply(&mut request)?;
        let file = request.output.get_or_insert_default();
        self.output.apply(file, stems);
        set(&mut file.format, format);
        Ok((request, manifest, sounds))
    }

    fn changes_the_music(&self) -> bool {
        self.prompt.is_some()
            || self.duration.is_some()
            || self.seed.is_some()
            || self.tempo.is_some()
            || self.key.is_some()
            || self.time_signature.is_some()
            || self.negative_prompt.is_some()
    }
}

impl SoundOptions {
    fn apply(self, request: &mut GenerationRequest) -> Result<Sounds, OptionsError> {
        let mut sounds = Sounds::new();
        let given =
            [(self.continue_from, &mut request.continue_from), (self.melody_from, &mut request.melody_from)];
        for (file, source) in given {
            let Some(file) = file else { continue };
            let sha256 = source::sha256(&file.path)
                .map_err(|source| OptionsError::Read { path: file.path.clone(), source })?;
            let mut new = file.source(sha256.clone());
            // The same file again is heard from and to where it was.
            if let Some(old) = source.as_ref().filter(|old| old.audio_id == new.audio_id)
                && (new.start_seconds, new.end_seconds) == (None, None)
            {
                (new.start_seconds, new.end_seconds) = (old.start_seconds, old.end_seconds);
            }
            *source = Some(new);
            sounds.insert(sha256, file.path);
        }
        Ok(sounds)
    }
}

/// Refuses a request whose sounds are not all among the given files.
///
/// # Errors
/// When a manifest names a sound that no option gives.
pub(super) fn check_sounds(request: &GenerationRequest, sounds: &Sounds) -> Result<(), OptionsError> {
    let named = [("--continue-from", &request.continue_from), ("--melody-from", &request.melody_from)];
    for (option, source) in named {
        let Some(AudioSource { audio_id, name, .. }) = source else { continue };
        let sha256 = audio_id.clone().unwrap_or_default();
        if !sounds.contains_key(&sha256) {
            let name = name.clone().unwrap_or_else(|| "a sound".to_owned());
            return Err(OptionsError::Missing { option, name, sha256 });
        }
    }
    Ok(())
}

impl SamplingOptions {
    fn apply(self, sampling: &mut Option<Sampling>) {
        let Self { temperature, top_k, top_p, guidance } = self;
        if temperature.is_none() && top_k.is_none() && top_p.is_none() && guidance.is_none() {
            return;
        }
        let sampling = sampling.get_or_insert_default();
        set(&mut sampling.temperature, temperature);
        set(&mut sampling.top_k, top_k);
        set(&mut sampling.top_p, top_p);
        set(&mut sampling.guidance, guidance);
    }
}

impl OutputOption {
    fn apply(self, output: &mut OutputOptions, stems: bool) {
        set(&mut output.sample_rate, self.sample_rate);
        set(&mut output.bit_depth, self.bit_depth);
        set(&mut output.channels, self.channels);
        set(&mut output.loudness_lufs, self.loudness);
        set(&mut output.true_peak_dbtp, self.true_peak);
        output.stems = Some(stems);
    }
}

fn set<T>(field: &mut Option<T>, option: Option<T>) {
    if option.is_some() {
        *field = option;
    }
}

impl From<EngineOption> for EngineChoice {
    fn from(option: EngineOption) -> Self {
        match option {
            EngineOption::Auto => Self::Auto,
            EngineOption::Musicgen => Self::Musicgen,
            EngineOption::Synth => Self::Synth,
        }
    }
}

impl From<FormatOption> for OutputFormat {
    fn from(option: FormatOption) -> Self {
        match option {
            FormatOption::Wav => Self::Wav,
            FormatOption::Flac => Self::Flac,
        }
    }
}

/// The format that option and file name ask for; `None` when neither does.
fn format_of(
    output: Option<&Path>,
    option: Option<FormatOption>,
) -> Result<Option<OutputFormat>, OptionsError> {
    let asked = option.map(OutputFormat::from);
    let Some(path) = output else { return Ok(asked) };
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let named =
        [OutputFormat::Wav, OutputFormat::Flac].into_iter().find(|format| format.extension() == extension);
    let wrong = |format: &str| OptionsError::Extension { path: path.to_owned(), format: format.to_owned() };
    match (asked, named) {
        (Some(asked), Some(named)) if asked != named => Err(wrong(asked.extension())),
        (asked, None) if OTHER_FORMATS.contains(&extension.as_str()) => {
            Err(wrong(asked.unwrap_or_default().extension()))
        }
        (asked, named) => Ok(asked.or(named)),
    }
}

/// Reads JSON from a file, or from standard input when the path is `-`. What is wrong with it is said with its place.
fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, OptionsError> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => io::stdin().lock().take(LARGEST_FILE + 1).read_to_string(&mut text),
        _ => fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut text)),
    };
    read.map_err(|source| OptionsError::Read { path: path.to_owned(), source })?;
    let wrong = |reason: String| OptionsError::Content { path: path.to_owned(), what, reason };
    if text.len() as u64 > LARGEST_FILE {
        return Err(wrong(format!("it is larger than {} MiB", LARGEST_FILE >> 20)));
    }
    let mut json = serde_json::Deserializer::from_str(&text);
    let content = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let at = error.path().to_string();
        let reason = if at == "." { error.inner().to_string() } else { format!("{at}: {}", error.inner()) };
        wrong(reason)
    })?;
    json.end().map_err(|error| wrong(error.to_string()))?;
    Ok(content)
}
