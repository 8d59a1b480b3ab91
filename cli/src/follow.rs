//! From a submitted job to a file: follow, download, tell.

use std::path::{Path, PathBuf};

use serde::Serialize;
use timbre::wire::{GenerationArtifact, GenerationStatus, JobState};
use timbre_client::{Client, ClientError, Downloaded, Part, Watched};

use crate::args::{OnInterrupt, Target};
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::report;

/// The document of a finished `generate`, and the last line of `watch --fetch`.
#[derive(Debug, Serialize)]
struct Piece<'a> {
    file: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    stems_file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    midi_file: Option<&'a Path>,
    artifact: &'a GenerationArtifact,
}

/// The document of `fetch`.
#[derive(Debug, Serialize)]
struct Fetched<'a> {
    file: &'a Path,
    part: &'static str,
    bytes: u64,
    sha256: &'a str,
}

/// What the commands that take time share.
#[derive(Debug)]
pub(crate) struct Follower<'a> {
    client: &'a Client,
    output: Output,
    interrupt: Interrupt,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(client: &'a Client, output: Output) -> Result<Self, Failure> {
        Ok(Self { client, output, interrupt: Interrupt::listen()? })
    }

    /// Follows a job until it has succeeded. With `lines`, every change goes to stdout as JSON, and nothing to stderr.
    pub(crate) fn follow(
        &self,
        id: &str,
        on_interrupt: OnInterrupt,
        lines: bool,
    ) -> Result<GenerationStatus, Failure> {
        let mut progress = if lines { Progress::Silent } else { Progress::new(self.output) };
        let mut unwritten = None;
        let end = self.client.watch(id, |event| {
            match event {
                Watched::Status(status) if lines => {
                    if let Err(failure) = output::document_line(status) {
                        unwritten = Some(failure);
                        return std::ops::ControlFlow::Break(());
                    }
                }
                Watched::Status(status) => progress.status(status),
                Watched::Retrying { error, wait } => progress.retrying(error, wait),
                Watched::Idle => {}
            }
            self.interrupt.flow()
        });
        progress.end();
        if let Some(failure) = unwritten {
            return Err(failure);
        }
        match end {
            Err(ClientError::Stopped) => Err(self.interrupted(id, on_interrupt)),
            Err(error) => Err(error.into()),
            Ok(status) => match status.state {
                JobState::Failed => Err(Failure::JobFailed(Box::new(status))),
                JobState::Cancelled => Err(Failure::JobCancelled(Box::new(status))),
                _ => Ok(status),
            },
        }
    }

    fn interrupted(&self, id: &str, on_interrupt: OnInterrupt) -> Failure {
        let id = id.to_owned();
        if !on_interrupt.cancel_on_interrupt {
            return Failure::Detached { id };
        }
        match self.client.cancel(&id) {
            Ok(_status) => Failure::CancelledOnInterrupt { id },
            Err(error) => error.into(),
        }
    }

    /// Downloads a finished job's audio, its stems where it has some, and its notes when they are wanted, and tells of it.
    pub(crate) fn fetch_piece(
        &self,
        id: &str,
        target: &Target,
        notes: Option<&Target>,
        as_line: bool,
    ) -> Result<(), Failure> {
        let artifact = self.client.artifact(id)?;
        let audio = self.download(id, Part::Audio, &target.file(Part::Audio, &artifact), target)?;
        let stems = match artifact.links.stems {
            Some(_) => Some(self.download(id, Part::Stems, &target.stems_beside(&audio.path), target)?.path),
            None => None,
        };
        let fetch_notes =
            |notes: &Target| self.download(id, Part::Midi, &notes.file(Part::Midi, &artifact), notes);
        let midi = notes.map(fetch_notes).transpose()?.map(|midi| midi.path);
        let (file, stems, midi) = (audio.path.as_path(), stems.as_deref(), midi.as_deref());
        let piece = Piece { file, stems_file: stems, midi_file: midi, artifact: &artifact };
        if as_line {
            output::document_line(&piece)
        } else if self.output.quiet && !self.output.json {
            output::text(&file.display().to_string())
        } else {
            self.output.either(&piece, || report::piece(&artifact, file, stems, midi))
        }
    }

    /// Downloads one file of a finished job and tells of it.
    pub(crate) fn fetch_part(&self, id: &str, part: Part, target: &Target) -> Result<(), Failure> {
        let path: PathBuf = match &target.output {
            Some(path) if !path.is_dir() => path.clone(),
            _ => target.file(part, &self.client.artifact(id)?),
        };
        let file = self.download(id, part, &path, target)?;
        let told = Fetched { file: &file.path, part: part.name(), bytes: file.bytes, sha256: &file.sha256 };
        self.output.either(&told, || file.path.display().to_string())
    }

    fn download(&self, id: &str, part: Part, path: &Path, target: &Target) -> Result<Downloaded, Failure> {
        let mut progress = Progress::new(self.output);
        let done = self.client.download(id, part, path, target.overwrite(), |transfer| {
            progress.transfer(transfer);
            self.interrupt.flow()
        });
        progress.end();
        match done {
            Err(ClientError::Stopped) => Err(Failure::Interrupted),
            other => Ok(other?),
        }
    }
}
