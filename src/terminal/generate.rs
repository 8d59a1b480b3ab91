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
    say,
    stream::{STDOUT, Stream},
    table::speed,
};
use crate::{
    app,
    artifact::{Destination, Files, RawFiles},
    cancel::Never,
    config::{Export, Rendering},
    job::{
        run::{self, Order, RunError},
        sources,
    },
    plan::{self, Plan},
    render::engines::Chosen,
    request::Request,
    source::Sources,
    wire::Manifest,
};

/// What to make and where to write it.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Generate {
    #[command(flatten)]
    request: RequestOptions,
    /// Where the audio goes; the manifest is written beside it as .json. Default: the title and the seed; with --raw or --tokens
    /// no audio but theirs.
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
    /// Make one section and give the engine the prompt word for word.
    #[arg(long, conflicts_with_all = ["plan", "from"])]
    single: bool,
    /// Write what the engine made into this 32-bit float WAV: at its own rate and channels, not mastered.
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// Write the tokens that the sound was made of into this JSON file, of an engine that has tokens.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Write the piece while it is rendered into this file or FIFO, or to standard output (-): a WAV stream without a length, not
    /// mastered, in 16 bits, at the engine's own rate. With --force a file that is there is replaced at once.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = STDOUT)]
    stream: Option<PathBuf>,
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
    stream: Option<&'a Path>,
    seconds: f64,
    piece: &'a Manifest,
}

impl Generate {
    pub(super) fn run(self, rendering: &Rendering) -> Result<(), Failure> {
        if self.json && self.stream.as_deref() == Some(Path::new(STDOUT)) {
            let message = "--json and --stream both write to standard output; give --stream a file or a FIFO";
            return Err(Failure::Usage(message.to_owned()));
        }
        let given = self.request.sounds();
        let (wire, again, sounds) =
            self.request.into_request(self.stems.is_some(), self.output.as_deref())?;
        check_sounds(&wire, &sounds)?;
        let mut request = Request::new(wire, &self.export.defaults())?;
        let chosen = app::engines(rendering)?.choose(&request)?;
        // Planned here for the file's name, and so that a wrong request is refused before anything starts.
        let mut plan = plan::plan(&chosen.settle(&request))?;
        if self.single {
            request.plan = Some(plan.single());
            plan = plan::plan(&request)?;
        }
        let raw = RawFiles { sound: self.raw, tokens: self.tokens, overwrite: self.force };
        raw.check(&*chosen.engine, &plan)?;
        let find = |audio_id: &str| sounds.get(audio_id).cloned();
        let heard = sources::read(&request, &chosen.engine.limits(), &find, &Never)?;
        let extras = [&self.picture, &self.midi, &self.stems];
        if !raw.is_empty() && self.output.is_none() && extras.iter().all(|path| path.is_none()) {
            let stream = self.stream.as_deref();
            return write_raw(&request, &chosen, &heard, &raw, stream, (self.quiet || self.json, self.json));
        }
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

        let taken = [Some(&files.audio), Some(&files.manifest), files.picture.as_ref(), files.midi.as_ref()];
        let taken = taken.into_iter().flatten().chain(raw.paths());
        let stream = Stream::open(self.stream.as_deref(), taken, self.force)?;
        let interrupted = interrupted()?;
        let start = Instant::now();
        let describe: fn(&Plan) -> String = if self.json { |_| String::new() } else { describe::plan };
        let progress = TerminalProgress::new(&interrupted, self.quiet || self.json, describe)
            .measured(chosen.engine.limits().real_time_factor)
            .heard_in(stream.as_ref().map(Stream::preview));
        let destination = Destination::Files(files.clone());
        let created_at = again.map_or_else(Timestamp::now, |manifest| manifest.provenance.created_at);
        let order = Order {
            request: &request,
            chosen: &chosen,
            sources: &heard,
            destination: &destination,
            raw: (!raw.is_empty()).then_some(&raw),
            created_at,
        };
        let made = run::piece(&order, &progress);
        progress.finish();
        let piece = match made {
            Err(RunError::Cancelled) => return Err(Failure::Interrupted),
            made => made?,
        };
        let seconds = start.elapsed().as_secs_f64();
        let told = if self.json {
            print_json(&Report {
                audio: &files.audio,
                manifest: &files.manifest,
                picture: files.picture.as_deref(),
                midi: files.midi.as_deref(),
                stems: files.stems.as_deref(),
                stream: self.stream.as_deref(),
                seconds,
                piece: &piece,
            })
        } else {
            tell(&summary(&files, &given, &piece, seconds), self.stream.as_deref())
        };
        stream.map_or(Ok(()), |stream| stream.finish(&interrupted))?;
        told
    }
}

/// Whether the person at the terminal wants it to end.
fn interrupted() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::Setup(std::io::Error::other(error)))?;
    Ok(interrupted)
}

/// What `--json` prints when only raw files are made.
#[derive(Serialize)]
struct RawReport<'a> {
    raw: Option<&'a Path>,
    tokens: Option<&'a Path>,
    stream: Option<&'a Path>,
    seconds: f64,
}

/// Makes what the engine gives, and no piece of it.
fn write_raw(
    request: &Request,
    chosen: &Chosen,
    sources: &Sources,
    files: &RawFiles,
    heard_in: Option<&Path>,
    (quiet, json): (bool, bool),
) -> Result<(), Failure> {
    let stream = Stream::open(heard_in, files.paths(), files.overwrite)?;
    let interrupted = interrupted()?;
    let start = Instant::now();
    let progress = TerminalProgress::new(&interrupted, quiet, |_| String::new())
        .measured(chosen.engine.limits().real_time_factor)
        .heard_in(stream.as_ref().map(Stream::preview));
    let made = run::raw(request, chosen, sources, files, Timestamp::now(), &progress);
    progress.finish();
    match made {
        Err(RunError::Cancelled) => return Err(Failure::Interrupted),
        made => made?,
    }
    let seconds = start.elapsed().as_secs_f64();
    let told = if json {
        let (raw, tokens) = (files.sound.as_deref(), files.tokens.as_deref());
        print_json(&RawReport { raw, tokens, stream: heard_in, seconds })
    } else {
        let paths = files.paths().map(|path| path.display().to_string());
        tell(&(paths.collect::<Vec<_>>().join("\n") + "\n"), heard_in)
    };
    stream.map_or(Ok(()), |stream| stream.finish(&interrupted))?;
    told
}

/// Says what was made: on standard output, unless that is where the piece is heard.
fn tell(text: &str, heard_in: Option<&Path>) -> Result<(), Failure> {
    if heard_in != Some(Path::new(STDOUT)) {
        return print(text);
    }
    say(text.trim_end());
    Ok(())
}

fn summary(files: &Files, sounds: &[(&str, PathBuf)], piece: &Manifest, seconds: f64) -> String {
    let row = |name: &str, value: String| format!("  {name:<10} {value}\n");
    let speed = speed(piece.audio.duration_seconds, seconds);
    let sounds = sounds.iter().map(|(option, path)| format!(" {option} {}", quoted(path)));
    let sounds = sounds.collect::<Vec<_>>().concat();
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
        row("took", format!("{seconds:.1} s, {speed}")),
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
