//! One file on its way from the hub into the cache.
//!
//! The bytes are appended to a file of their own, which is in order at every moment: whatever ends the transfer, the next one
//! goes on where it ended. It takes the name of the blob when it is whole, its SHA-256 right, and forced to disk.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::PathBuf,
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use thiserror::Error;
use ureq::http::{StatusCode, header};

use super::{
    cache::{Cache, CacheError, create_parent},
    hub::{Hub, HubError, RemoteFile},
    size,
};
use crate::render::musicgen::store::HubId;

/// How often a transfer that brings nothing is tried again, and the first wait; each further one is twice as long.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How often a lock is looked at.
const GLANCE: Duration = Duration::from_millis(100);
const CHUNK: usize = 256 << 10;

/// Hears what happens to a transfer.
pub trait Watch {
    /// So many bytes of the file are here.
    fn here(&self, bytes: u64);
    /// It broke off, and is taken up again after a pause.
    fn again(&self, pause: Duration);
    /// Another program fetches the same file, which is waited for.
    fn busy(&self);
}

/// Why a file could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The hub does not give it.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The cache does not take it.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The disk is full.
    #[error("no space left for {} ({} are missing): make room and run it again to go on", path.display(), size(*missing))]
    Full {
        /// The file.
        path: PathBuf,
        /// Bytes that have yet to come.
        missing: u64,
    },
    /// It broke off, again and again.
    #[error("the transfer of {name} broke off after {} of {}: {source}; run it again to go on from there", size(*here), size(*whole))]
    Broken {
        /// The file.
        name: String,
        /// Bytes that are here.
        here: u64,
        /// Its length.
        whole: u64,
        /// The last cause.
        #[source]
        source: io::Error,
    },
    /// What came is not what the hub has.
    #[error(
        "{name} came damaged, its SHA-256 is {found} instead of {expected}: it was deleted, run it again"
    )]
    Damaged {
        /// The file.
        name: String,
        /// Its checksum according to the hub.
        expected: String,
        /// That of what came.
        found: String,
    },
}

impl RemoteFile {
    /// Its SHA-256, where the hub says it: of every large file.
    pub fn sha256(&self) -> Option<&str> {
        let digest = self.tag.len() == 64 && self.tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        digest.then_some(self.tag.as_str())
    }
}

/// Bytes of a file that are in the cache already.
pub fn here(cache: &Cache, id: &HubId, file: &RemoteFile) -> u64 {
    let length = |path: PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let blob = length(cache.blob(id, &file.tag));
    if blob == file.size { blob } else { length(begun(cache, id, file)).min(file.size) }
}

fn begun(cache: &Cache, id: &HubId, file: &RemoteFile) -> PathBuf {
    let mut name = cache.blob(id, &file.tag).into_os_string();
    name.push(".incomplete");
    name.into()
}

/// Brings a file into the cache, unless it is there.
///
/// # Errors
/// When the hub or the cache fails; what came stays, unless it is damaged.
pub fn fetch(
    hub: &Hub,
    cache: &Cache,
    id: &HubId,
    file: &RemoteFile,
    watch: &dyn Watch,
) -> Result<(), FetchError> {
    let blob = cache.blob(id, &file.tag);
    let lock = cache.lock_file(id, &file.tag)?;
    let mut busy = false;
    while let Err(error) = lock.try_lock() {
        // A file system without locks is used by one program at a time.
        let TryLockError::WouldBlock = error else { break };
        if !busy {
            watch.busy();
        }
        busy = true;
        thread::sleep(GLANCE);
    }
    if fs::metadata(&blob).is_ok_and(|metadata| metadata.len() == file.size) {
        watch.here(file.size);
        return Ok(());
    }
    let path = begun(cache, id, file);
    let mut arriving = Arriving::open(path.clone(), file)?;
    let mut tries = 0;
    while arriving.here < file.size {
        let before = arriving.here;
        let Err(error) = arriving.go_on(hub, id, file, watch) else { continue };
        let transient = match &error {
            FetchError::Hub(error) => error.is_transient(),
            FetchError::Broken { .. } => true,
            _ => false,
        };
        tries = if arriving.here > before { 0 } else { tries + 1 };
        if !transient || tries == TRIES {
            return Err(error);
        }
        let wait = FIRST_WAIT * (1 << tries);
        watch.again(wait);
        thread::sleep(wait);
    }
    arriving.file.sync_all().map_err(CacheError::at(&path))?;
    let found = base16ct::lower::encode_string(&arriving.hash.finalize());
    if let Some(expected) = file.sha256().filter(|expected| !expected.eq_ignore_ascii_case(&found)) {
        fs::remove_file(&path).map_err(CacheError::at(&path))?;
        return Err(FetchError::Damaged { name: file.name.clone(), expected: expected.to_owned(), found });
    }
    fs::rename(&path, &blob).map_err(CacheError::at(&blob))?;
    Ok(())
}

/// A file that is not whole yet.
struct Arriving {
    path: PathBuf,
    file: File,
    hash: Sha256,
    here: u64,
}

impl Arriving {
    /// Goes on with what is there. More than there can be is not believed.
    fn open(path: PathBuf, remote: &RemoteFile) -> Result<Self, FetchError> {
        create_parent(&path)?;
        let file = File::options().read(true).append(true).create(true).open(&path);
        let file = file.map_err(CacheError::at(&path))?;
        let mut arriving = Self { path, file, hash: Sha256::new(), here: 0 };
        let mut chunk = vec![0; CHUNK];
        while arriving.here <= remote.size {
            let read = arriving.file.read(&mut chunk).map_err(CacheError::at(&arriving.path))?;
            if read == 0 {
                return Ok(arriving);
            }
            arriving.hash.update(&chunk[..read]);
            arriving.here += read as u64;
        }
        arriving.restart()?;
        Ok(arriving)
    }

    fn restart(&mut self) -> Result<(), CacheError> {
        self.file.set_len(0).map_err(CacheError::at(&self.path))?;
        (self.hash, self.here) = (Sha256::new(), 0);
        Ok(())
    }

    /// Asks for what is missing and writes down what comes.
    fn go_on(
        &mut self,
        hub: &Hub,
        id: &HubId,
        remote: &RemoteFile,
        watch: &dyn Watch,
    ) -> Result<(), FetchError> {
        let answer = hub.bytes(id, remote, self.here)?;
        let range = answer.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let continues = answer.status() == StatusCode::PARTIAL_CONTENT
            && range.is_some_and(|range| range.starts_with(&format!("bytes {}-", self.here)));
        if self.here > 0 && !continues {
            self.restart()?;
        }
        watch.here(self.here);
        let mut body = answer.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let room = (remote.size - self.here).min(CHUNK as u64) as usize;
            if room == 0 {
                return Ok(());
            }
            let read = match body.read(&mut chunk[..room]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                read => read,
            };
            let read = read.map_err(|source| FetchError::Broken {
                name: remote.name.clone(),
                here: self.here,
                whole: remote.size,
                source,
            })?;
            self.write(&chunk[..read], remote)?;
            watch.here(self.here);
        }
    }

    fn write(&mut self, bytes: &[u8], remote: &RemoteFile) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                FetchError::Full { path: self.path.clone(), missing: remote.size - self.here }
            }
            _ => CacheError::at(&self.path)(error).into(),
        })?;
        self.hash.update(bytes);
        self.here += bytes.len() as u64;
        Ok(())
    }
}
