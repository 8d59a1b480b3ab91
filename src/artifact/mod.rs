//! From finished samples to files: audio with its provenance inside, a manifest, a picture, notes, stems. All of them or none.
//!
//! A file is written under a temporary name on the file system where it will live, forced to disk, and renamed into place;
//! whatever goes wrong on the way, no partial file is left and no older file is lost.

use std::{io, path::PathBuf};

use jiff::Timestamp;
use thiserror::Error;

use crate::{
    audio::Pcm,
    cancel::{Cancel, Cancelled},
    master::Mastered,
    plan::Plan,
    render::{ModelFacts, Played, Stem},
    wire::{BitDepth, GenerationRequest, Manifest, OutputFormat},
};

mod files;
mod flac;
mod manifest;
mod midi;
mod picture;
mod raw;
mod riff;
mod shelf;
mod staging;
mod stems;
mod stream;
mod tags;
mod uploads;
mod wav;

pub use files::Files;
pub use raw::{Raw, RawFiles};
pub use shelf::{Shelf, Shelved};
pub use stream::{set_stream_sizes, stream_head, stream_samples};
pub use uploads::{Examined, Held, Incoming, UploadError, UploadSettings, Uploads};

/// Everything that a finished piece consists of, ready to be written.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The request, with every choice resolved.
    pub request: GenerationRequest,
    /// The plan that was rendered.
    pub plan: Plan,
    /// The finished samples and what was measured on them.
    pub mastered: Mastered,
    /// The mix before mastering; kept only with stems, which sum to it.
    pub unmastered: Option<Pcm>,
    /// One per instrument group; empty unless asked for.
    pub stems: Vec<Stem>,
    /// The notes that sound, from an engine that knows them.
    pub played: Option<Played>,
    /// Name of the engine that rendered it.
    pub engine: String,
    /// Why that engine was taken.
    pub engine_reason: String,
    /// The model that the engine played, when it has one.
    pub model: Option<ModelFacts>,
    /// Licence under which the engine's output may be used.
    pub licence: String,
    /// What could not be honoured as asked.
    pub warnings: Vec<String>,
    /// When it was rendered. It stands inside the audio file, so rendering a manifest again takes the manifest's time and
    /// gives the same bytes.
    pub created_at: Timestamp,
}

impl Finished {
    fn format(&self) -> OutputFormat {
        self.request.output.and_then(|output| output.format).unwrap_or_default()
    }

    fn bit_depth(&self) -> BitDepth {
        self.request.output.and_then(|output| output.bit_depth).unwrap_or_default()
    }
}

/// Where the files of a piece go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Paths that somebody chose.
    Files(Files),
    /// A place on a service's shelf.
    Shelf {
        /// The shelf.
        shelf: Shelf,
        /// The job that made the piece, a UUID.
        job_id: String,
    },
}

/// Why a piece cannot be written, or not where it should go.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// It was told to stop. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Something is at the path already, and overwriting was not allowed.
    #[error("{} exists already: choose another path, or allow it to be overwritten", .0.display())]
    Exists(PathBuf),
    /// The path names no file that could be written.
    #[error("{} cannot be written as a file: give a path that ends in a file name, not too long, and is no directory", .0.display())]
    NotAFile(PathBuf),
    /// The path names something that is no directory.
    #[error("{} is not a directory: give the path of a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The directory to write into is not there.
    #[error("the directory {} does not exist: create it first, or choose another path", .0.display())]
    NoDirectory(PathBuf),
    /// The directory to write into takes no files.
    #[error("cannot write into {}: {source}; choose a directory that you may write to", .path.display())]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory is the shelf of another process, or of another part of this one.
    #[error("{} is in use by a server that runs already", .0.display())]
    InUse(PathBuf),
    /// Two files of the piece would go to one path.
    #[error("{} is named for two different files: give each its own path", .0.display())]
    SamePath(PathBuf),
    /// A MIDI file is wanted of a piece whose notes nobody knows.
    #[error("{} cannot be written: the engine {engine} does not know the notes that it plays; leave the MIDI file out, or take the engine synth", .path.display())]
    NoNotes {
        /// The MIDI file.
        path: PathBuf,
        /// The engine.
        engine: String,
    },
    /// The engine makes no tokens.
    #[error("{} cannot be written: the engine {engine} makes no tokens; leave the tokens out, or take the engine musicgen", .path.display())]
    NoTokens {
        /// The path.
        path: PathBuf,
        /// Name of the engine.
        engine: String,
    },
    /// The piece has no single stream of tokens.
    #[error("{} cannot be written: the piece has {streams} streams of tokens, since not all of its sections continue; make one section (--single), or continue them all", .path.display())]
    Streams {
        /// The path.
        path: PathBuf,
        /// How many there are.
        streams: usize,
    },
    /// No space is left. Trying again helps once there is some.
    #[error("the disk that holds {} is full: free some space, or write to another disk", .path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading or writing failed, or an encoder refused the samples.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// What was being written.
        path: PathBuf,
        /// What the system or the encoder said.
        source: io::Error,
    },
    /// The text is no job id.
    #[error("{0:?} is not a job id: ids are UUIDs, as 0198c1f2-7d3a-7c4e-9b1a-3f6f0a2d5e77")]
    JobId(String),
}

impl ArtifactError {
    /// Sorts a failure at `path` by what one can do about it.
    pub(crate) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            _ if Cancelled::is_in(&source) => Self::Cancelled(Cancelled),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::Write { path, source },
        }
    }
}

/// Writes all files of a piece, or none.
///
/// # Errors
/// When a path cannot be used, the disk is full or fails, or the samples do not fit the format (a WAV file ends at 4 GiB).
pub fn save(
    finished: &Finished,
    destination: &Destination,
    cancel: &dyn Cancel,
) -> Result<Manifest, ArtifactError> {
    match destination {
        Destination::Files(files) => files.save(finished, cancel),
        Destination::Shelf { shelf, job_id } => shelf.save(finished, job_id, cancel),
    }
}

#[cfg(test)]
mod sample;
