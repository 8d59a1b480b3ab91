//! Where a service keeps its finished pieces: one directory per job.
//!
//! ```text
//! root/
//!   .lock             locked as long as a process has the shelf open
//!   .incoming/        pieces being written; emptied when the shelf is opened
//!   <job id>/         audio.wav or audio.flac, manifest.json, picture.png; notes.mid when the engine knows its
//!                     notes, stems.zip when there are stems
//!   uploads/          sounds that callers have brought
//! ```
//!
//! A piece is put together under `.incoming/` and renamed as a whole, so a directory with a job's id is always complete.
//! One process may use a shelf at a time, because opening it deletes what another one might be writing.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::{Builder, TempDir};
use uuid::Uuid;

use super::{
    ArtifactError, Finished,
    files::write_audio,
    manifest, midi, picture,
    staging::{Draft, Written, fill, sync_directory},
    stems,
};
use crate::{
    cancel::Cancel,
    wire::{Manifest, OutputFormat},
};

const LOCK: &str = ".lock";
const INCOMING: &str = ".incoming";
const MANIFEST: &str = "manifest.json";
const PICTURE: &str = "picture.png";
const NOTES: &str = "notes.mid";
const STEMS: &str = "stems.zip";

/// A directory of finished pieces. Clones share it; it is open to others once the last is dropped.
#[derive(Clone, Debug)]
pub struct Shelf {
    root: Arc<Path>,
    /// Unlocked when it is closed.
    _lock: Arc<File>,
}

/// The files of one piece on a shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// The mastered audio.
    pub audio: PathBuf,
    /// The manifest (JSON).
    pub manifest: PathBuf,
    /// Waveform and spectrogram (PNG).
    pub picture: PathBuf,
    /// The notes (MIDI), when the engine knows them.
    pub midi: Option<PathBuf>,
    /// The stems (ZIP of 32-bit float WAV), when they were asked for.
    pub stems: Option<PathBuf>,
}

impl Shelf {
    /// Opens the shelf at `root`: makes it when it is not there, deletes what was left half-written, and makes sure that
    /// it takes files.
    ///
    /// # Errors
    /// When the shelf is open already, or the directory cannot be made or written to.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let root: PathBuf = root.into();
        let refused = |source| ArtifactError::NotWritable { path: root.clone(), source };
        fs::create_dir_all(&root).map_err(refused)?;
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(root.join(LOCK))
            .map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ArtifactError::InUse(root)),
            Err(TryLockError::Error(error)) => {
                // Some network file systems have no locks.
                tracing::warn!(root = %root.display(), %error, "nothing keeps another server from using this directory");
            }
        }
        match fs::remove_dir_all(root.join(INCOMING)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        let shelf = Self { root: root.into(), _lock: Arc::new(lock) };
        shelf.check()?;
        Ok(shelf)
    }

    /// Whether a piece could be written now.
    ///
    /// # Errors
    /// When the directory takes no files.
    pub fn check(&self) -> Result<(), ArtifactError> {
        let written = self.incoming().and_then(|draft| {
            let path = draft.path().join("probe");
            fs::write(&path, "x").map_err(|error| ArtifactError::io(path, error))
        });
        written.map_err(|error| match error {
            ArtifactError::Write { source, .. } => {
                ArtifactError::NotWritable { path: self.root.to_path_buf(), source }
            }
            other => other,
        })
    }

    /// The piece of a job. `None` when there is none, or when `job_id` is no UUID.
    pub fn find(&self, job_id: &str) -> Option<Shelved> {
        let directory = self.directory(job_id).ok()?;
        let file = |name: &str| Some(directory.join(name)).filter(|path| path.is_file());
        let audio =
            [OutputFormat::Wav, OutputFormat::Flac].into_iter().find_map(|format| file(&audio_name(format)));
        Some(Shelved {
            audio: audio?,
            manifest: file(MANIFEST)?,
            picture: file(PICTURE)?,
            midi: file(NOTES),
            stems: file(STEMS),
        })
    }

    /// The jobs whose pieces are here.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn jobs(&self) -> Result<Vec<Uuid>, ArtifactError> {
        let unreadable = |source| ArtifactError::io(&*self.root, source);
        let mut jobs = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            // What only looks like a piece is somebody else's.
            let id =
                name.to_str().filter(|id| self.find(id).is_some()).and_then(|id| Uuid::try_parse(id).ok());
            jobs.extend(id);
        }
        Ok(jobs)
    }

    /// Takes the piece of a job off the shelf; gives whether there was one.
    ///
    /// # Errors
    /// When `job_id` is no UUID, or the files cannot be deleted.
    pub fn remove(&self, job_id: &str) -> Result<bool, ArtifactError> {
        let directory = self.directory(job_id)?;
        let old = self.incoming()?;
        match fs::rename(&directory, old.path().join("old")) {
            Ok(()) => old.close().map(|()| true).map_err(|error| ArtifactError::io(directory, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ArtifactError::io(directory, error)),
        }
    }

    pub(super) fn save(
        &self,
        finished: &Finished,
        job_id: &str,
        cancel: &dyn Cancel,
    ) -> Result<Manifest, ArtifactError> {
        let directory = self.directory(job_id)?;
        let draft = self.incoming()?;
        let audio_name = audio_name(finished.format());
        let audio = create(&draft.path().join(&audio_name), cancel, |out| write_audio(out, finished))?;
        let mut stems = Vec::new();
        if finished.unmastered.is_some() {
            create(&draft.path().join(STEMS), cancel, |out| {
                stems = stems::write_archive(out, finished, draft.path(), cancel)?;
                Ok(())
            })?;
        }
        let write_notes =
            |played| create(&draft.path().join(NOTES), cancel, |out| midi::write(out, finished, played));
        let notes = finished.played.as_ref().map(write_notes).transpose()?;
        let notes = notes.map(|written| manifest::midi_file(NOTES, written));
        let manifest = manifest::describe(finished, &audio_name, audio, stems, notes);
        create(&draft.path().join(MANIFEST), cancel, |out| manifest::write(out, &manifest))?;
        create(&draft.path().join(PICTURE), cancel, |out| picture::write(out, finished))?;
        sync_directory(draft.path()).map_err(|error| ArtifactError::io(draft.path(), error))?;
        // A job that was run again, after a crash between this rename and its record, replaces its piece.
        self.remove(job_id)?;
        fs::rename(draft.path(), &directory).map_err(|error| ArtifactError::io(&directory, error))?;
        let _gone = draft.keep();
        sync_directory(&self.root).map_err(|error| ArtifactError::io(&*self.root, error))?;
        Ok(manifest)
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a job. Only a UUID becomes a path, and only in its one canonical form.
    fn directory(&self, job_id: &str) -> Result<PathBuf, ArtifactError> {
        match Uuid::try_parse(job_id) {
            Ok(id) => Ok(self.root.join(id.hyphenated().to_string())),
            Err(_) => Err(ArtifactError::JobId(job_id.to_owned())),
        }
    }

    /// A new directory under `.incoming/`, deleted with all it holds unless it is kept.
    pub(super) fn incoming(&self) -> Result<TempDir, ArtifactError> {
        let incoming = self.root.join(INCOMING);
        let mut builder = Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        // Somebody may have emptied the root meanwhile.
        let made = fs::create_dir_all(&incoming).and_then(|()| builder.tempdir_in(&incoming));
        made.map_err(|error| ArtifactError::io(incoming, error))
    }
}

fn audio_name(format: OutputFormat) -> String {
    format!("audio.{}", format.extension())
}

/// Writes a new file and forces it to disk.
pub(super) fn create(
    path: &Path,
    cancel: &dyn Cancel,
    content: impl FnOnce(&mut Draft<'_>) -> io::Result<()>,
) -> Result<Written, ArtifactError> {
    let file = File::options().read(true).write(true).create_new(true).open(path);
    file.and_then(|mut file| fill(&mut file, cancel, content)).map_err(|error| ArtifactError::io(path, error))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::{artifact::sample, cancel::Never};

    const JOB: &str = "0198c1f2-7d3a-7c4e-9b1a-3f6f0a2d5e77";

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_piece_is_found_until_it_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(root.path().join("deep/shelf")).unwrap();
        assert_eq!(shelf.find(JOB), None);
        let manifest = shelf.save(&sample::piece_with_stems(), JOB, &Never).unwrap();
        let found = shelf.find(&JOB.to_uppercase()).unwrap();
        assert_eq!(manifest.audio.bytes, fs::metadata(&found.audio).unwrap().len());
        let notes = fs::metadata(found.midi.as_ref().unwrap()).unwrap();
        assert_eq!(manifest.midi.unwrap().bytes, notes.len());
        assert_eq!(
            names(&root.path().join("deep/shelf").join(JOB)),
            ["audio.wav", "manifest.json", "notes.mid", "picture.png", "stems.zip"]
        );
        shelf.save(&sample::piece_with_stems(), JOB, &Never).unwrap();
        assert_eq!(shelf.find(JOB).unwrap(), found);
        fs::create_dir(root.path().join("deep/shelf").join(JOB.replace('0', "1"))).unwrap();
        assert_eq!(shelf.jobs().unwrap(), [Uuid::try_parse(JOB).unwrap()]);
        fs::remove_dir(root.path().join("deep/shelf").join(JOB.replace('0', "1"))).unwrap();
        assert!(shelf.remove(JOB).unwrap() && !shelf.remove(JOB).unwrap());
        assert_eq!(shelf.find(JOB), None);
        assert_eq!(names(&root.path().join("deep/shelf")), [".incoming", ".lock"]);
        assert!(names(&root.path().join("deep/shelf/.incoming")).is_empty());
    }

    #[test]
    fn the_archive_holds_the_stems_and_is_always_the_same() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(root.path()).unwrap();
        let manifest = shelf.save(&sample::piece_with_stems(), JOB, &Never).unwrap();
        let path = shelf.find(JOB).unwrap().stems.unwrap();
        let first = fs::read(&path).unwrap();
        let mut archive = zip::ZipArchive::new(io::Cursor::new(&first)).unwrap();
        assert_eq!(archive.len(), 3);
        for stem in &manifest.stems {
            let mut bytes = Vec::new();
            archive.by_name(&stem.file).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(hound::WavReader::new(bytes.as_slice()).unwrap().duration(), 4_001);
        }
        shelf.save(&sample::piece_with_stems(), JOB, &Never).unwrap();
        assert!(first == fs::read(&path).unwrap());
    }

    #[test]
    fn opening_sweeps_what_was_left_half_written() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(".incoming/half")).unwrap();
        fs::write(root.path().join(".incoming/half/audio.wav"), "RIFF").unwrap();
        Shelf::open(root.path()).unwrap();
        assert!(names(&root.path().join(".incoming")).is_empty());
    }

    #[test]
    fn a_shelf_is_open_once_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(root.path()).unwrap();
        fs::write(root.path().join(".incoming/half"), "RIFF").unwrap();
        let clone = shelf.clone();
        drop(shelf);
        assert!(matches!(Shelf::open(root.path()), Err(ArtifactError::InUse(_))));
        assert_eq!(names(&root.path().join(".incoming")), ["half"]);
        drop(clone);
        Shelf::open(root.path()).unwrap();
    }

    #[test]
    fn a_shelf_that_was_emptied_takes_pieces_again() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(root.path().join("shelf")).unwrap();
        fs::remove_dir_all(root.path().join("shelf")).unwrap();
        shelf.save(&sample::piece_with_stems(), JOB, &Never).unwrap();
        assert!(shelf.find(JOB).is_some());
        fs::remove_dir_all(root.path().join("shelf")).unwrap();
        fs::write(root.path().join("shelf"), "").unwrap();
        assert!(matches!(shelf.check(), Err(ArtifactError::NotWritable { .. })));
    }

    #[test]
    fn a_shelf_that_cannot_be_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        assert!(matches!(Shelf::open(root.path().join("file")), Err(ArtifactError::NotWritable { .. })));
    }

    #[test]
    fn a_failing_save_leaves_nothing_and_keeps_the_old_piece() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(root.path()).unwrap();
        shelf.save(&sample::piece_with_stems(), JOB, &Never).unwrap();
        let mut broken = sample::piece_with_stems();
        broken.mastered.sound.planes_mut().for_each(|plane| plane[7] = 2.0);
        assert!(shelf.save(&broken, JOB, &Never).is_err());
        assert!(shelf.find(JOB).is_some());
        assert!(names(&root.path().join(".incoming")).is_empty());
    }

    #[test]
    fn only_uuids_become_paths() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(root.path().join("shelf")).unwrap();
        let outside = root.path().join("outside");
        fs::create_dir(&outside).unwrap();
        for name in ["audio.wav", MANIFEST, PICTURE] {
            fs::write(outside.join(name), "").unwrap();
            fs::write(root.path().join("shelf").join(INCOMING).join(name), "").unwrap();
        }
        let absolute = outside.to_str().unwrap().to_owned();
        let tricky = format!("../{JOB}");
        for id in
            ["", ".", "..", "../outside", ".incoming", "0198c1f2/../../outside", "a\0b", &absolute, &tricky]
        {
            assert_eq!(shelf.find(id), None, "{id:?}");
            assert!(matches!(shelf.remove(id), Err(ArtifactError::JobId(_))), "{id:?}");
            assert!(
                matches!(shelf.save(&sample::piece_with_stems(), id, &Never), Err(ArtifactError::JobId(_))),
                "{id:?}"
            );
        }
        assert_eq!((names(&outside).len(), names(root.path()).len()), (3, 2));
    }
}
