//! Where a service keeps the sounds that callers bring: beside its pieces, one directory per sound, named by its SHA-256.
//!
//! ```text
//! root/
//!   .incoming/            sounds on their way, beside pieces
//!   uploads/<audio id>/   sound (the file as it came), info.json
//! ```
//!
//! A sound is put together under `.incoming/` and renamed as a whole. There are never more than the settings allow: the sound that
//! was not used for the longest time goes first, and none that is in use.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tempfile::TempDir;
use thiserror::Error;

use super::{ArtifactError, Shelf, shelf::create, staging::sync_directory};
use crate::{
    cancel::Cancel,
    source::{self, SourceError},
    wire::AudioInfo,
};

const UPLOADS: &str = "uploads";
const SOUND: &str = "sound";
const INFO: &str = "info.json";

/// How much may be brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadSettings {
    /// Largest sound, in bytes.
    pub largest: u64,
    /// Sounds that are kept.
    pub keep: usize,
    /// Bytes that they may have together.
    pub space: u64,
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self { largest: 256 << 20, keep: 100, space: 2 << 30 }
    }
}

/// Why a sound is not kept, or not removed.
#[derive(Debug, Error)]
pub enum UploadError {
    /// It is no sound.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is larger than a sound may be.
    #[error(
        "the sound has more than {largest} bytes, the most that is taken here: send a part of it, or compress it"
    )]
    TooLarge {
        /// The limit.
        largest: u64,
    },
    /// What jobs use leaves no place for it.
    #[error("jobs that wait or run use all the space for sounds: wait for them, or cancel some")]
    Full,
    /// A job that waits or runs needs it.
    #[error("a job that waits or runs uses this sound")]
    InUse,
    /// It cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// The sounds that callers have brought.
#[derive(Debug)]
pub struct Uploads {
    shelf: Shelf,
    root: PathBuf,
    settings: UploadSettings,
    /// The one that was not used for the longest time first.
    kept: Mutex<Vec<AudioInfo>>,
}

/// A sound on its way; gone when it is dropped.
#[derive(Debug)]
pub struct Incoming(TempDir);

impl Incoming {
    /// The file to be written.
    pub fn path(&self) -> PathBuf {
        self.0.path().join(SOUND)
    }
}

/// A sound that is on disk as a whole and was found to be one.
#[derive(Debug)]
pub struct Examined {
    incoming: Incoming,
    info: AudioInfo,
}

impl Examined {
    /// What it is.
    pub fn info(&self) -> &AudioInfo {
        &self.info
    }
}

/// The sounds, as long as nobody else may add or remove any.
#[derive(Debug)]
pub struct Held<'a> {
    uploads: &'a Uploads,
    kept: MutexGuard<'a, Vec<AudioInfo>>,
}

impl Uploads {
    /// Opens the sounds that lie on a shelf.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(shelf: &Shelf, settings: UploadSettings) -> Result<Self, ArtifactError> {
        let root = shelf.root().join(UPLOADS);
        let failed = |source| ArtifactError::io(&root, source);
        fs::create_dir_all(&root).map_err(failed)?;
        let mut kept = Vec::new();
        for entry in fs::read_dir(&root).map_err(failed)? {
            // What is no sound under its own id is somebody else's.
            kept.extend(described(&entry.map_err(failed)?.path()));
        }
        kept.sort_by_key(|info| info.uploaded_at);
        Ok(Self { shelf: shelf.clone(), root, settings, kept: Mutex::new(kept) })
    }

    /// How much may be brought.
    pub fn settings(&self) -> UploadSettings {
        self.settings
    }

    /// A place to write a new sound to.
    ///
    /// # Errors
    /// When the disk takes none.
    pub fn incoming(&self) -> Result<Incoming, ArtifactError> {
        Ok(Incoming(self.shelf.incoming()?))
    }

    /// A file of the shelf as a new sound, without a second copy of its bytes where the file system can do that.
    ///
    /// # Errors
    /// When the file cannot be copied.
    pub fn copy(&self, path: &Path) -> Result<Incoming, UploadError> {
        let incoming = self.incoming()?;
        fs::hard_link(path, incoming.path())
            .or_else(|_no_links| fs::copy(path, incoming.path()).map(drop))
            .map_err(|error| ArtifactError::io(path, error))?;
        Ok(incoming)
    }

    /// Reads a whole new sound and says what it is.
    ///
    /// # Errors
    /// When it is no sound, or too large.
    pub fn examine(&self, incoming: Incoming, cancel: &dyn Cancel) -> Result<Examined, UploadError> {
        let path = incoming.path();
        let failed = |error| ArtifactError::io(&path, error);
        let bytes = fs::metadata(&path).map_err(failed)?.len();
        if bytes > self.settings.largest {
            return Err(UploadError::TooLarge { largest: self.settings.largest });
        }
        let contents = source::examine(&path, cancel)?;
        let info = AudioInfo {
            audio_id: source::sha256(&path).map_err(failed)?,
            format: contents.format.to_owned(),
            seconds: contents.seconds(),
            sample_rate: contents.spec.rate.0,
            channels: contents.spec.channels as u16,
            bytes,
            uploaded_at: Timestamp::now(),
        };
        let write = |out: &mut super::staging::Draft<'_>| Ok(serde_json::to_writer(out, &info)?);
        create(&incoming.0.path().join(INFO), cancel, write)?;
        let sound = fs::File::open(&path).and_then(|file| file.sync_all());
        sound.and_then(|()| sync_directory(incoming.0.path())).map_err(failed)?;
        Ok(Examined { incoming, info })
    }

    /// Keeps everybody else from adding and removing.
    pub fn hold(&self) -> Held<'_> {
        // No call leaves the list half changed, so a panic elsewhere does not spoil it.
        Held { uploads: self, kept: self.kept.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// The file of a sound that is kept.
    pub fn path(&self, audio_id: &str) -> Option<PathBuf> {
        self.hold().get(audio_id).map(|info| self.root.join(&info.audio_id).join(SOUND))
    }
}

impl Held<'_> {
    /// A sound that is kept.
    pub fn get(&self, audio_id: &str) -> Option<&AudioInfo> {
        self.kept.iter().find(|info| info.audio_id == audio_id)
    }

    /// Notes that a sound is used; says whether it is kept.
    pub fn touch(&mut self, audio_id: &str) -> bool {
        let place = self.kept.iter().position(|info| info.audio_id == audio_id);
        place.map(|place| self.kept[place..].rotate_left(1)).is_some()
    }

    /// Keeps a new sound, and gives up old ones that are not in use where it needs their place.
    ///
    /// # Errors
    /// When there is no place, or the disk fails; then nothing has changed but old sounds that may be gone.
    pub fn add(&mut self, examined: Examined, in_use: &BTreeSet<String>) -> Result<AudioInfo, UploadError> {
        let Examined { incoming, info } = examined;
        if self.touch(&info.audio_id) {
            return Ok(self.get(&info.audio_id).cloned().unwrap_or(info));
        }
        self.make_room(info.bytes, in_use)?;
        let directory = self.uploads.root.join(&info.audio_id);
        let failed = |error| ArtifactError::io(&directory, error);
        fs::create_dir_all(&self.uploads.root).map_err(failed)?;
        fs::rename(incoming.0.path(), &directory).map_err(failed)?;
        let _gone = incoming.0.keep();
        sync_directory(&self.uploads.root).map_err(failed)?;
        self.kept.push(info.clone());
        Ok(info)
    }

    /// Removes a sound; gives whether there was one.
    ///
    /// # Errors
    /// When it is in use, or cannot be deleted.
    pub fn remove(&mut self, audio_id: &str, in_use: &BTreeSet<String>) -> Result<bool, UploadError> {
        let Some(place) = self.kept.iter().position(|info| info.audio_id == audio_id) else {
            return Ok(false);
        };
        if in_use.contains(audio_id) {
            return Err(UploadError::InUse);
        }
        self.discard(place)?;
        Ok(true)
    }

    fn make_room(&mut self, bytes: u64, in_use: &BTreeSet<String>) -> Result<(), UploadError> {
        let UploadSettings { keep, space, .. } = self.uploads.settings;
        let fixed = || self.kept.iter().filter(|info| in_use.contains(&info.audio_id));
        if fixed().count() >= keep || fixed().map(|info| info.bytes).sum::<u64>() + bytes > space {
            return Err(UploadError::Full);
        }
        while self.kept.len() >= keep || self.kept.iter().map(|info| info.bytes).sum::<u64>() + bytes > space
        {
            let Some(place) = self.kept.iter().position(|info| !in_use.contains(&info.audio_id)) else {
                return Err(UploadError::Full);
            };
            self.discard(place)?;
        }
        Ok(())
    }

    /// Takes one away as a whole.
    fn discard(&mut self, place: usize) -> Result<(), ArtifactError> {
        let directory = self.uploads.root.join(&self.kept[place].audio_id);
        let old = self.uploads.shelf.incoming()?;
        match fs::rename(&directory, old.path().join("old")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ArtifactError::io(directory, error));
            }
            _ => {}
        }
        self.kept.remove(place);
        old.close().map_err(|error| ArtifactError::io(directory, error))
    }
}

/// The sound in a directory, if there is one that is whole.
fn described(directory: &Path) -> Option<AudioInfo> {
    let info: AudioInfo = serde_json::from_slice(&fs::read(directory.join(INFO)).ok()?).ok()?;
    let whole = fs::metadata(directory.join(SOUND)).is_ok_and(|sound| sound.len() == info.bytes);
    (whole && directory.file_name().is_some_and(|name| *name == *info.audio_id)).then_some(info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Never;

    const NONE: BTreeSet<String> = BTreeSet::new();

    fn sound(seed: i16) -> Vec<u8> {
        let mut bytes = io::Cursor::new(Vec::new());
        let head = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut bytes, head).unwrap();
        (0..8_000).for_each(|n: i16| writer.write_sample(n.wrapping_mul(seed)).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn bring(uploads: &Uploads, bytes: &[u8], in_use: &BTreeSet<String>) -> Result<AudioInfo, UploadError> {
        let incoming = uploads.incoming()?;
        fs::write(incoming.path(), bytes).unwrap();
        let examined = uploads.examine(incoming, &Never)?;
        uploads.hold().add(examined, in_use)
    }

    fn uploads(root: &TempDir, settings: UploadSettings) -> Uploads {
        Uploads::open(&Shelf::open(root.path()).unwrap(), settings).unwrap()
    }

    #[test]
    fn a_sound_is_kept_over_a_restart_until_it_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let first = uploads(&root, UploadSettings::default());
        let info = bring(&first, &sound(1), &NONE).unwrap();
        assert_eq!((info.format.as_str(), info.seconds, info.channels), ("wav", 1.0, 1));
        assert_eq!(bring(&first, &sound(1), &NONE).unwrap(), info, "the same sound is there once");
        drop(first);
        let second = uploads(&root, UploadSettings::default());
        assert_eq!(second.hold().get(&info.audio_id), Some(&info));
        assert_eq!(fs::read(second.path(&info.audio_id).unwrap()).unwrap(), sound(1));
        let used = BTreeSet::from([info.audio_id.clone()]);
        assert!(matches!(second.hold().remove(&info.audio_id, &used), Err(UploadError::InUse)));
        assert!(second.hold().remove(&info.audio_id, &NONE).unwrap());
        assert!(!second.hold().remove(&info.audio_id, &NONE).unwrap());
        assert_eq!(fs::read_dir(root.path().join(UPLOADS)).unwrap().count(), 0);
        assert_eq!(fs::read_dir(root.path().join(".incoming")).unwrap().count(), 0);
    }

    #[test]
    fn the_oldest_that_nobody_uses_makes_room() {
        let bytes = sound(1).len() as u64;
        for settings in [
            UploadSettings { keep: 2, ..UploadSettings::default() },
            UploadSettings { space: 2 * bytes + 1, ..UploadSettings::default() },
        ] {
            let root = tempfile::tempdir().unwrap();
            let uploads = uploads(&root, settings);
            let ids: Vec<String> =
                [1, 2].map(|seed| bring(&uploads, &sound(seed), &NONE).unwrap().audio_id).to_vec();
            assert!(uploads.hold().touch(&ids[0]));
            let third = bring(&uploads, &sound(3), &NONE).unwrap().audio_id;
            assert!(uploads.path(&ids[1]).is_none() && uploads.path(&ids[0]).is_some());
            let used = BTreeSet::from([ids[0].clone()]);
            let fourth = bring(&uploads, &sound(4), &used).unwrap().audio_id;
            assert!(uploads.path(&ids[0]).is_some() && uploads.path(&third).is_none());
            let used = BTreeSet::from([ids[0].clone(), fourth.clone()]);
            assert!(matches!(bring(&uploads, &sound(5), &used), Err(UploadError::Full)));
            assert!(uploads.path(&ids[0]).is_some() && uploads.path(&fourth).is_some());
        }
    }

    #[test]
    fn what_is_no_sound_or_too_large_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let uploads = uploads(&root, UploadSettings { largest: 100, ..UploadSettings::default() });
        assert!(matches!(bring(&uploads, &sound(1), &NONE), Err(UploadError::TooLarge { largest: 100 })));
        let words = bring(&uploads, b"piano", &NONE);
        assert!(matches!(words, Err(UploadError::Source(SourceError::NotAudio))), "{words:?}");
        assert_eq!(fs::read_dir(root.path().join(".incoming")).unwrap().count(), 0);
    }
}
