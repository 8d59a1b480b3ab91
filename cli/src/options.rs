//! The options that describe a piece, and the request they make.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;
use timbre::music::{Key, Metre};
use timbre::wire::{
    BitDepth, EngineChoice, FileExcerpt, GenerationRequest, OutputFormat, OutputOptions, Sampling,
};
use timbre_client::{Client, ClientError};

use crate::args::choice;
use crate::exit::Failure;

/// Largest JSON file that is read, in bytes; the server takes less.
const LARGEST_JSON: u64 = 1 << 20;

/// One option per field of a request. What is not given is left to the server.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The piece")]
pub(crate) struct RequestOptions {
    /// What the music should be, in English.
    #[arg(long, short, value_name = "TEXT")]
    prompt: Option<String>,
    /// Length in seconds, 1 to 600; fractions are allowed.
    #[arg(long, short, value_name = "SECONDS", value_parser = finite)]
    duration: Option<f64>,
    /// Seed: the same request with the same seed gives the same piece.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Which engine renders.
    #[arg(long, value_parser = choice(&ENGINES))]
    engine: Option<EngineChoice>,
    /// Model of an engine that has models, as facebook/musicgen-small.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Tempo in beats per minute, 40 to 220.
    #[arg(long, value_name = "BPM", value_parser = finite)]
    tempo: Option<f64>,
    /// Key, as "D minor", "F# dorian" or "Bb".
    #[arg(long, value_name = "KEY")]
    key: Option<Key>,
    /// Time signature: 2/4, 3/4, 4/4, 5/4, 6/8, 7/8 or 12/8.
    #[arg(long, value_name = "N/M")]
    time_signature: Option<Metre>,
    /// What the music should not have, as "drums, vinyl".
    #[arg(long, value_name = "TEXT")]
    negative_prompt: Option<String>,
    /// A plan to render, as JSON; `-` reads it from stdin.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// A whole request, as JSON; `-` reads it from stdin. The other options override its fields.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sounds: SoundArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    file: FileArgs,
}

/// Files of this machine that the server is to hear.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sounds, for engines that hear them (WAV, FLAC, MP3, OGG)")]
pub(crate) struct SoundArgs {
    /// Go on from this sound, which is uploaded first; FILE@10-25 is its seconds 10 to 25. It is no part of the piece.
    #[arg(long, value_name = "FILE")]
    continue_from: Option<FileExcerpt>,
    /// Follow the melody of this sound, which is uploaded first; FILE@10-25 is its seconds 10 to 25.
    #[arg(long, value_name = "FILE")]
    melody_from: Option<FileExcerpt>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sampling, for engines with a model")]
struct SamplingArgs {
    /// 0 to 4; 0 always takes the likeliest token.
    #[arg(long, value_name = "T", value_parser = finite)]
    temperature: Option<f64>,
    /// Draw among the K likeliest tokens, 0 to 2048; 0 is off.
    #[arg(long, value_name = "K")]
    top_k: Option<u32>,
    /// Draw among the likeliest tokens that together reach P, 0 to 1; 0 is off.
    #[arg(long, value_name = "P", value_parser = finite)]
    top_p: Option<f64>,
    /// Classifier-free guidance, 0 to 20; 1 is none.
    #[arg(long, value_name = "SCALE", value_parser = finite)]
    guidance: Option<f64>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The file")]
struct FileArgs {
    /// Frames per second, 8000 to 192000.
    #[arg(long, value_name = "HZ")]
    sample_rate: Option<u32>,
    /// Sample format.
    #[arg(long, value_parser = choice(&BIT_DEPTHS))]
    bit_depth: Option<BitDepth>,
    /// 1 (mono) or 2 (stereo).
    #[arg(long, value_name = "N")]
    channels: Option<u16>,
    /// Container.
    #[arg(long, value_parser = choice(&FORMATS))]
    format: Option<OutputFormat>,
    /// Loudness to reach in LUFS, -40 to -5.
    #[arg(long, value_name = "LUFS", value_parser = finite, allow_negative_numbers = true)]
    loudness: Option<f64>,
    /// True peak never to exceed in dBTP, -12 to 0.
    #[arg(long, value_name = "DBTP", value_parser = finite, allow_negative_numbers = true)]
    true_peak: Option<f64>,
    /// Keep one file per instrument group as well; `generate` downloads them as a ZIP beside the audio.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    stems: Option<bool>,
}

const ENGINES: [(&str, EngineChoice); 3] =
    [("auto", EngineChoice::Auto), ("musicgen", EngineChoice::Musicgen), ("synth", EngineChoice::Synth)];
const BIT_DEPTHS: [(&str, BitDepth); 3] =
    [("16", BitDepth::Int16), ("24", BitDepth::Int24), ("32f", BitDepth::Float32)];
const FORMATS: [(&str, OutputFormat); 2] = [("wav", OutputFormat::Wav), ("flac", OutputFormat::Flac)];

impl RequestOptions {
    /// The request: the file's, with every given option in place of its field. Limits are the server's to check.
    pub(crate) fn into_request(self) -> Result<GenerationRequest, Failure> {
        let from_stdin = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        if from_stdin(&self.plan) && from_stdin(&self.request) {
            return Err(Failure::Usage(
                "--plan and --request cannot both read stdin: give one of them a file".into(),
            ));
        }
        let mut request = match &self.request {
            Some(path) => read_json::<GenerationRequest>("--request", path)?,
            None => GenerationRequest::default(),
        };
        if let Some(path) = &self.plan {
            request.plan = Some(read_json("--plan", path)?);
        }
        if let Some(prompt) = self.prompt {
            request.prompt = prompt;
        } else if request.prompt.is_empty() {
            request.prompt = request.plan.as_ref().map(|plan| plan.prompt.clone()).unwrap_or_default();
        }
        if request.prompt.trim().is_empty() {
            return Err(Failure::Usage("say what to play: --prompt \"dreamy piano over rain\"".into()));
        }
        set(&mut request.duration_seconds, self.duration);
        set(&mut request.seed, self.seed);
        set(&mut request.engine, self.engine);
        set(&mut request.model, self.model);
        set(&mut request.tempo_bpm, self.tempo);
        set(&mut request.key, self.key);
        set(&mut request.time_signature, self.time_signature);
        set(&mut request.negative_prompt, self.negative_prompt);
        self.sampling.apply(&mut request.sampling);
        self.file.apply(&mut request.output);
        Ok(request)
    }
}

impl SoundArgs {
    /// Uploads the files and names them in the request.
    pub(crate) fn upload(self, client: &Client, request: &mut GenerationRequest) -> Result<(), ClientError> {
        let given =
            [(self.continue_from, &mut request.continue_from), (self.melody_from, &mut request.melody_from)];
        for (file, source) in given {
            if let Some(file) = file {
                *source = Some(file.source(client.upload(&file.path)?.audio_id));
            }
        }
        Ok(())
    }
}

impl SamplingArgs {
    fn apply(self, field: &mut Option<Sampling>) {
        let mut sampling = field.unwrap_or_default();
        set(&mut sampling.temperature, self.temperature);
        set(&mut sampling.top_k, self.top_k);
        set(&mut sampling.top_p, self.top_p);
        set(&mut sampling.guidance, self.guidance);
        if sampling != Sampling::default() {
            *field = Some(sampling);
        }
    }
}

impl FileArgs {
    fn apply(self, field: &mut Option<OutputOptions>) {
        let mut output = field.unwrap_or_default();
        set(&mut output.sample_rate, self.sample_rate);
        set(&mut output.bit_depth, self.bit_depth);
        set(&mut output.channels, self.channels);
        set(&mut output.format, self.format);
        set(&mut output.loudness_lufs, self.loudness);
        set(&mut output.true_peak_dbtp, self.true_peak);
        set(&mut output.stems, self.stems);
        if output != OutputOptions::default() {
            *field = Some(output);
        }
    }
}

fn set<T>(field: &mut Option<T>, given: Option<T>) {
    if given.is_some() {
        *field = given;
    }
}

/// JSON knows neither NaN nor infinity.
fn finite(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_malformed| "a number is expected, as 72 or 72.5".to_owned())?;
    if number.is_finite() { Ok(number) } else { Err("a finite number is expected".into()) }
}

fn read_json<T: DeserializeOwned>(option: &'static str, path: &Path) -> Result<T, Failure> {
    let input = |reason: String| Failure::Input { option, path: path.to_owned(), reason };
    let read = |from: &mut dyn Read| {
        let mut text = String::new();
        from.take(LARGEST_JSON + 1).read_to_string(&mut text).map(|_bytes| text)
    };
    let text = if path == Path::new("-") {
        read(&mut std::io::stdin().lock())
    } else {
        File::open(path).and_then(|mut file| read(&mut file))
    };
    let text = text.map_err(|error| input(error.to_string()))?;
    if text.len() as u64 > LARGEST_JSON {
        return Err(input(format!("it is larger than {LARGEST_JSON} bytes")));
    }
    serde_json::from_str(&text).map_err(|error| input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: RequestOptions,
    }

    fn request(line: &[&str]) -> Result<GenerationRequest, Failure> {
        Line::try_parse_from([&["test"], line].concat()).unwrap().options.into_request()
    }

    #[test]
    fn every_option_reaches_its_field() {
        let line = "--prompt rain --duration 45.5 --seed 7 --engine synth --model m --tempo 72 --key Dm --time-signature 6/8 \
            --negative-prompt drums --temperature 0.9 --top-k 100 --top-p 0.5 --guidance 4 --sample-rate 44100 --bit-depth 32f \
            --channels 1 --format wav --loudness -16 --true-peak -2 --stems";
        let given = request(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
        let expected = serde_json::json!({
            "prompt": "rain", "duration_seconds": 45.5, "seed": 7, "engine": "synth", "model": "m", "tempo_bpm": 72.0,
            "key": "D minor", "time_signature": "6/8", "negative_prompt": "drums",
            "sampling": {"temperature": 0.9, "top_k": 100, "top_p": 0.5, "guidance": 4.0},
            "output": {"sample_rate": 44100, "bit_depth": "32f", "channels": 1, "format": "wav", "loudness_lufs": -16.0,
                       "true_peak_dbtp": -2.0, "stems": true}
        });
        assert_eq!(serde_json::to_value(given).unwrap(), expected);
    }

    #[test]
    fn what_is_not_given_is_not_sent() {
        let value = serde_json::to_value(request(&["--prompt", "rain"]).unwrap()).unwrap();
        assert_eq!(value, serde_json::json!({"prompt": "rain"}));
    }

    #[test]
    fn an_option_overrides_the_request_file_and_leaves_the_rest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"prompt":"sea","seed":1,"output":{"stems":true,"channels":1}}"#)
            .unwrap();
        let path = file.path().to_str().unwrap();
        let given = request(&["--request", path, "--seed", "2", "--stems=false"]).unwrap();
        let expected = r#"{"prompt":"sea","seed":2,"output":{"channels":1,"stems":false}}"#;
        assert_eq!(given, serde_json::from_str(expected).unwrap());
    }

    #[test]
    fn an_unknown_field_of_the_request_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"prompt":"sea","sed":1}"#).unwrap();
        let failure = request(&["--request", file.path().to_str().unwrap()]).unwrap_err();
        assert!(failure.to_string().contains("`sed`"), "{failure}");
    }

    #[test]
    fn a_request_file_is_one_document_of_a_sensible_size() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            request(&["--request", file.path().to_str().unwrap()])
        };
        let sea = r#"{"prompt":"sea"}"#;
        assert!(read(&format!("{sea}\n")).is_ok());
        let trailing = read(&format!("{sea} {sea}")).unwrap_err().to_string();
        assert!(trailing.contains("trailing characters"), "{trailing}");
        let large = read(&format!("{sea}{}", " ".repeat(1 << 20))).unwrap_err().to_string();
        assert!(large.contains("larger than"), "{large}");
    }

    #[test]
    fn a_piece_needs_words_and_only_one_input_may_be_stdin() {
        assert!(request(&["--prompt", " "]).unwrap_err().to_string().contains("--prompt"));
        assert!(request(&["--plan", "-", "--request", "-"]).unwrap_err().to_string().contains("stdin"));
    }

    #[test]
    fn numbers_that_json_lacks_are_refused() {
        for text in ["NaN", "inf", "-inf", "fast"] {
            assert!(finite(text).is_err(), "{text}");
        }
    }
}
