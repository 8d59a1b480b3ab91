//! `timbre generate`.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Failure, describe,
    options::{RequestOptions, check_sounds},
    print, print_json,
    progress::TerminalProgress,
};
use crate::{
    app,
    artifact::{Destination, Files},
    cancel::Never,
    config::{Export, Rendering},
    job::{
        run::{self, Order, RunError},
        sources,
    },
    plan::{self, Plan},
    request::Request,
    wire::Manifest,
};

/// What to make and where to write it.
#[derive(Clone, Debug, Args)]
pub(super) struct Generate {
    #[command(flatten)]
    request: RequestOptions,
    /// Where the audio goes; the manifest is written beside it as .json. Default: the title and the seed.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write one unmastered 32-bit float WAV per instrument group into this directory.
    #[arg(long, value_name = "DIR")]
    stems: Option<PathBuf>,
    /// Draw waveform and spectrogram into this PNG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Write the notes as a standard MIDI file: tempo, metre, key, section markers, a track per part.
    #[arg(long, value_name = "FILE")]
    midi: Option<PathBuf>,
    /// Overwrite files that exist; stems of an earlier piece in the directory of stems are deleted.
    #[arg(short, long)]
    force: bool,
    /// Print one JSON document on standard output instead of text.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    export: Export,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    audio: &'a Path,
    manifest: &'a Path,
    picture: Option<&'a Path>,
    midi: Option<&'a Path>,
    stems: Option<&'a Path>,
    seconds: f64,
    piece: &'a Manifest,
}

impl Generate {
    pub(super) fn run(self, rendering: &Rendering) -> Result<(), Failure> {
        let given = self.request.sounds();
        let (wire, again, sounds) =
            self.request.into_request(self.stems.is_some(), self.output.as_deref())?;
        check_sounds(&wire, &sounds)?;
        let request = Request::new(wire, &self.export.defaults())?;
        let chosen = app::engines(rendering)?.choose(&request)?;
        // Planned here for the file's name, and so that a wrong request is refused before anything starts.
        let plan = plan::plan(&request)?;
        let find = |audio_id: &str| sounds.get(audio_id).cloned();
        let heard = sources::read(&request, &chosen.engine.limits(), &find, &Never)?;
        let audio = self.output.unwrap_or_else(|| default_name(&plan, &request));
        let manifest = audio.with_extension("json");
        let files = Files {
            audio,
            manifest,
            picture: self.picture,
            midi: self.midi,
            stems: self.stems,
            overwrite: self.force,
        };
        files.check()?;
        files.check_notes(&*chosen.engine)?;

        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
            .map_err(|error| Failure::Setup(std::io::Error::other(error)))?;

        let start = Instant::now();
        let describe: fn(&Plan) -> String = if self.json { |_| String::new() } else { describe::plan };
        let progress = TerminalProgress::new(&interrupted, self.quiet || self.json, describe);
        let destination = Destination::Files(files.clone());
        let created_at = again.map_or_else(Timestamp::now, |manifest| manifest.provenance.created_at);
        let order = Order {
            request: &request,
            chosen: &chosen,
            sources: &heard,
            destination: &destination,
            created_at,
        };
        let made = run::piece(&order, &progress);
        progress.finish();
        let piece = match made {
            Err(RunError::Cancelled) => return Err(Failure::Interrupted),
            made => made?,
        };
        let seconds = start.elapsed().as_secs_f64();
        if self.json {
            return print_json(&Report {
                audio: &files.audio,
                manifest: &files.manifest,
                picture: files.picture.as_deref(),
                midi: files.midi.as_deref(),
                stems: files.stems.as_deref(),
                seconds,
                piece: &piece,
            });
        }
        print(&summary(&files, &given, &piece, seconds))
    }
}

fn summary(files: &Files, sounds: &[(&str, PathBuf)], piece: &Manifest, seconds: f64) -> String {
    let row = |name: &str, value: String| format!("  {name:<10} {value}\n");
    let speed = piece.audio.duration_seconds / seconds;
    let sounds: Vec<String> =
        sounds.iter().map(|(option, path)| format!(" {option} {}", quoted(path))).collect();
    let sounds = sounds.concat();
    let again = format!(
        "timbre generate --from {}{sounds} --output NEW.{}",
        quoted(&files.manifest),
        piece.audio.format.extension()
    );
    [
        format!("{}\n{}", files.audio.display(), describe::result(piece)),
        files.picture.as_ref().map_or(String::new(), |path| row("picture", path.display().to_string())),
        files.midi.as_ref().map_or(String::new(), |path| row("midi", path.display().to_string())),
        files.stems.as_ref().map_or(String::new(), |path| row("stems", path.display().to_string())),
        row("took", format!("{seconds:.1} s, {speed:.0} times real time")),
        row("again", again),
    ]
    .concat()
}

/// A path as a shell takes it: in single quotes where it has more than plain characters.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.chars().all(|c| c.is_alphanumeric() || "-_./".contains(c)) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `dreamy-piano-over-rain-1234.wav` in the current directory.
fn default_name(plan: &Plan, request: &Request) -> PathBuf {
    let words = plan.title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-").to_lowercase();
    // Half of what file systems take, so that the seed fits behind it.
    name = name.char_indices().take_while(|(at, c)| at + c.len_utf8() <= 120).map(|(_, c)| c).collect();
    if name.is_empty() {
        name.push_str("piece");
    }
    PathBuf::from(format!("{name}-{}.{}", request.seed, request.output.format.extension()))
}
