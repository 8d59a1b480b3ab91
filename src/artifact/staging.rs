//! Files that appear all at once or not at all.
//!
//! Content goes to temporary files beside the targets and to disk; then the temporary files are renamed one after the other.
//! A file that is about to be replaced is kept under a second name until the last rename is done, so that a failure half-way
//! brings every old file back.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tempfile::{Builder, NamedTempFile, TempPath};

use super::ArtifactError;
use crate::cancel::Cancel;

/// Bytes that are written or read at a time.
const BUFFER: usize = 1 << 16;

/// What is known of a file once it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub(super) sha256: String,
}

/// Files on their way. Dropped before [`Staging::commit`], it leaves nothing behind.
pub(super) struct Staging<'a> {
    cancel: &'a dyn Cancel,
    overwrite: bool,
    staged: Vec<(NamedTempFile, PathBuf)>,
    // After the files in it, so that it is empty when it is dropped.
    new_directories: Vec<NewDirectory>,
}

impl<'a> Staging<'a> {
    pub(super) fn new(overwrite: bool, cancel: &'a dyn Cancel) -> Self {
        Self { cancel, overwrite, staged: Vec::new(), new_directories: Vec::new() }
    }

    /// Makes a directory for some of the files, unless it is there. Its parent must be.
    pub(super) fn directory(&mut self, path: &Path) -> Result<(), ArtifactError> {
        match fs::create_dir(path) {
            Ok(()) => self.new_directories.push(NewDirectory { path: path.to_owned(), kept: false }),
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(ArtifactError::io(path, error)),
        }
        Ok(())
    }

    /// Writes what will become `target`.
    pub(super) fn write(
        &mut self,
        target: &Path,
        content: impl FnOnce(&mut Draft<'_>) -> io::Result<()>,
    ) -> Result<Written, ArtifactError> {
        let mut temporary =
            temporary_file(directory_of(target)).map_err(|error| ArtifactError::io(target, error))?;
        let written = fill(temporary.as_file_mut(), self.cancel, content)
            .map_err(|error| ArtifactError::io(target, error))?;
        self.staged.push((temporary, target.to_owned()));
        Ok(written)
    }

    /// Puts every file in its place, or none.
    pub(super) fn commit(mut self) -> Result<(), ArtifactError> {
        let mut placed = Vec::new();
        for (temporary, target) in self.staged.drain(..) {
            match place(temporary, &target, self.overwrite) {
                Ok(old) => placed.push(Placed { target, old }),
                Err(error) => {
                    placed.into_iter().rev().for_each(Placed::undo);
                    return Err(error);
                }
            }
        }
        let directories: BTreeSet<&Path> = placed.iter().map(|placed| directory_of(&placed.target)).collect();
        let synced = directories.into_iter().try_for_each(|directory| {
            sync_directory(directory).map_err(|error| ArtifactError::io(directory, error))
        });
        if synced.is_err() {
            placed.into_iter().rev().for_each(Placed::undo);
            return synced;
        }
        for directory in &mut self.new_directories {
            directory.kept = true;
        }
        Ok(())
    }
}

/// An empty file that deletes itself, readable by whom new files are readable by.
pub(super) fn temporary_file(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".timbre-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

/// A directory that is removed again unless it is kept.
#[derive(Debug)]
struct NewDirectory {
    path: PathBuf,
    kept: bool,
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a directory that is not needed");
        }
    }
}

/// A file in its place. `old` is what was there, under another name; it is deleted on drop.
struct Placed {
    target: PathBuf,
    old: Option<TempPath>,
}

impl Placed {
    fn undo(self) {
        let undone = match self.old {
            // A failure leaves the old file under its second name instead of deleting it.
            Some(old) => old.persist(&self.target).or_else(|failed| {
                let kept = failed.path.keep().map_err(|failed| failed.error)?;
                tracing::error!(path = %kept.display(), "the file that was to be replaced is now here");
                Err(failed.error)
            }),
            None => fs::remove_file(&self.target),
        };
        if let Err(error) = undone {
            tracing::error!(path = %self.target.display(), %error, "cannot undo writing this file");
        }
    }
}

/// Renames a finished file to its target and gives what was there before.
fn place(file: NamedTempFile, target: &Path, overwrite: bool) -> Result<Option<TempPath>, ArtifactError> {
    if !overwrite {
        return match file.persist_noclobber(target) {
            Ok(_) => Ok(None),
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ArtifactError::Exists(target.to_owned()))
            }
            Err(failed) => Err(ArtifactError::io(target, failed.error)),
        };
    }
    let old = set_aside(target)?;
    match file.persist(target) {
        Ok(_) => Ok(old),
        Err(failed) => {
            if let Some(old) = old {
                Placed { target: target.to_owned(), old: Some(old) }.undo();
            }
            Err(ArtifactError::io(target, failed.error))
        }
    }
}

/// Gives the file at `target`, if there is one, a second name; on file systems without links, another name.
fn set_aside(target: &Path) -> Result<Option<TempPath>, ArtifactError> {
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(found) if found.is_dir() => return Err(ArtifactError::NotAFile(target.to_owned())),
        Ok(_) | Err(_) => {}
    }
    let second = Builder::new().prefix(".timbre-").suffix(".old").make_in(directory_of(target), |name| {
        match fs::hard_link(target, name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(target, name),
            linked => linked,
        }
    });
    match second {
        Ok(second) => Ok(Some(second.into_temp_path())),
        Err(error) => Err(ArtifactError::io(target, error)),
    }
}

/// A file being written: fails with [`Cancelled`](crate::cancel::Cancelled) once it was cancelled.
pub(super) type Draft<'a> = BufWriter<Cancellable<'a>>;

/// A file that asks whether to go on each time it is written to.
pub(super) struct Cancellable<'a> {
    file: &'a mut File,
    cancel: &'a dyn Cancel,
}

impl Write for Cancellable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cancel.check()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Cancellable<'_> {
    fn seek(&mut self, position: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Writes `content` to an empty file, forces it to disk and reads it back for its digest.
pub(super) fn fill(
    file: &mut File,
    cancel: &dyn Cancel,
    content: impl FnOnce(&mut Draft<'_>) -> io::Result<()>,
) -> io::Result<Written> {
    let mut buffered = BufWriter::with_capacity(BUFFER, Cancellable { file: &mut *file, cancel });
    content(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.sync_all()?;
    file.rewind()?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; BUFFER];
    let mut bytes = 0;
    loop {
        cancel.check()?;
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
        bytes += read as u64;
    }
    let sha256 = base16ct::lower::encode_string(&digest.finalize());
    Ok(Written { bytes, sha256 })
}

/// Forces names to disk, where a system has such a call.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// The directory that holds a file, `.` for a bare name.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::{
        ops::ControlFlow,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::cancel::{Cancelled, Never};

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn text(content: &'static str) -> impl FnOnce(&mut Draft<'_>) -> io::Result<()> {
        move |out| out.write_all(content.as_bytes())
    }

    #[test]
    fn nothing_shows_before_the_commit_and_everything_after() {
        let root = tempfile::tempdir().unwrap();
        let mut staging = Staging::new(false, &Never);
        let written = staging.write(&root.path().join("a"), text("abc")).unwrap();
        assert_eq!(written.bytes, 3);
        // FIPS 180-2, appendix B.1.
        assert_eq!(written.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        staging.directory(&root.path().join("d")).unwrap();
        staging.write(&root.path().join("d/b"), text("b")).unwrap();
        assert!(!root.path().join("a").exists() && !root.path().join("d/b").exists());
        staging.commit().unwrap();
        assert_eq!(
            (names(root.path()), names(&root.path().join("d"))),
            (vec!["a".into(), "d".into()], vec!["b".into()])
        );
    }

    #[test]
    fn a_failing_writer_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut staging = Staging::new(false, &Never);
        staging.directory(&root.path().join("d")).unwrap();
        staging.write(&root.path().join("d/a"), text("a")).unwrap();
        let full = staging.write(&root.path().join("b"), |out| {
            out.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(matches!(full, Err(ArtifactError::Full { .. })), "{full:?}");
        drop(staging);
        assert!(names(root.path()).is_empty());
    }

    /// Goes on until it was asked this many times.
    struct After(AtomicUsize);

    impl Cancel for After {
        fn go_on(&self) -> ControlFlow<()> {
            match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                Ok(_) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        }
    }

    #[test]
    fn cancelling_stops_a_writer_half_way_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        for questions in [0, 3, 12, 18] {
            let cancel = After(AtomicUsize::new(questions));
            let mut staging = Staging::new(false, &cancel);
            let stopped = staging.write(&root.path().join("a"), |out| {
                (0..10).try_for_each(|_| out.write_all(&vec![7; BUFFER]))
            });
            assert!(matches!(stopped, Err(ArtifactError::Cancelled(Cancelled))), "{questions} {stopped:?}");
            drop(staging);
            assert!(names(root.path()).is_empty());
        }
    }

    #[test]
    fn a_failing_rename_undoes_the_earlier_ones_and_keeps_old_files() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("old"), "before").unwrap();
        let mut staging = Staging::new(true, &Never);
        staging.directory(&at("d")).unwrap();
        for name in ["old", "new", "d/x", "blocked"] {
            staging.write(&at(name), text("after")).unwrap();
        }
        fs::create_dir(at("blocked")).unwrap();
        let error = staging.commit().unwrap_err();
        assert!(matches!(error, ArtifactError::NotAFile(_)), "{error:?}");
        assert_eq!(names(root.path()), ["blocked", "old"]);
        assert_eq!(fs::read_to_string(at("old")).unwrap(), "before");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let mut staging = Staging::new(false, &Never);
        staging.write(&at("first"), text("mine")).unwrap();
        staging.write(&at("second"), text("mine")).unwrap();
        fs::write(at("second"), "theirs").unwrap();
        assert!(matches!(staging.commit(), Err(ArtifactError::Exists(path)) if path == at("second")));
        assert_eq!(names(root.path()), ["second"]);
        assert_eq!(fs::read_to_string(at("second")).unwrap(), "theirs");
    }

    #[test]
    fn replacing_leaves_one_file() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "before").unwrap();
        let mut staging = Staging::new(true, &Never);
        staging.write(&root.path().join("a"), text("after")).unwrap();
        staging.commit().unwrap();
        assert_eq!(names(root.path()), ["a"]);
        assert_eq!(fs::read_to_string(root.path().join("a")).unwrap(), "after");
    }
}
