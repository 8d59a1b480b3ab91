//! Fetching the files of a finished job.

use std::fmt::Write as _;
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use ureq::Body;
use ureq::http::{Response, StatusCode};

use crate::client::{accepted, checked};
use crate::{Client, ClientError};

/// How often a broken transfer is taken up again.
const RESUMES: u32 = 3;
const RESUME_WAIT: Duration = Duration::from_millis(300);
const CHUNK: usize = 64 << 10;

/// A file of a finished job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// The mastered audio.
    #[default]
    Audio,
    /// All that is known of the piece (JSON).
    Manifest,
    /// Waveform and spectrogram (PNG).
    Picture,
    /// The notes (MIDI), when the engine knows them.
    Midi,
    /// One file per instrument group (ZIP), when stems were asked for.
    Stems,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 5] = [Self::Audio, Self::Manifest, Self::Picture, Self::Midi, Self::Stems];

    /// `audio`, `manifest`, `picture`, `midi` or `stems`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Manifest => "manifest",
            Self::Picture => "picture",
            Self::Midi => "midi",
            Self::Stems => "stems",
        }
    }

    pub(crate) fn path(self, id: &str) -> String {
        let leaf = match self {
            Self::Audio => "audio",
            Self::Manifest => "manifest",
            Self::Picture => "picture.png",
            Self::Midi => "midi",
            Self::Stems => "stems.zip",
        };
        format!("/artifact/{id}/{leaf}")
    }
}

/// What to do with a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it and return [`ClientError::Exists`].
    #[default]
    Refuse,
    /// Replace it, in one step and only once the new file is complete.
    Replace,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes that have arrived.
    pub done: u64,
    /// Bytes of the whole file, when the server says so.
    pub total: Option<u64>,
    /// How often the transfer broke and was taken up again.
    pub resumed: u32,
}

/// A file that has arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of what arrived, 64 hexadecimal digits.
    pub sha256: String,
}

impl Client {
    /// Fetches one file of a finished job to `path`.
    ///
    /// The bytes go to a temporary file beside it, which takes the name only when it is complete: its length agrees with the
    /// server's, and for audio its SHA-256 with the artifact's. A transfer that breaks is taken up where it broke, three times.
    /// The callback comes after every piece.
    ///
    /// # Errors
    /// [`ClientError::Exists`], [`ClientError::Io`], [`ClientError::Damaged`]; [`ClientError::Stopped`] when the callback breaks;
    /// [`ClientError::Problem`] for an unknown job, one without this part, and one that has not succeeded. Nothing of the file
    /// is left then.
    pub fn download(
        &self,
        id: &str,
        part: Part,
        path: &Path,
        overwrite: Overwrite,
        mut callback: impl FnMut(Transfer) -> ControlFlow<()>,
    ) -> Result<Downloaded, ClientError> {
        let id = checked(id)?;
        if overwrite == Overwrite::Refuse && path.symlink_metadata().is_ok() {
            return Err(ClientError::Exists { path: path.to_owned() });
        }
        let expected = match part {
            Part::Audio => Some(self.artifact(id)?.audio.sha256),
            Part::Manifest | Part::Picture | Part::Midi | Part::Stems => None,
        };
        let url = self.url(&part.path(id));
        let mut arriving = Arriving::new(path)?;
        while let Err(error) = self.transfer(&url, &mut arriving, &mut callback) {
            if !error.is_transient() || arriving.resumed == RESUMES {
                return Err(error);
            }
            arriving.resumed += 1;
            thread::sleep(RESUME_WAIT);
        }
        let sha256 = arriving.digest();
        if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&sha256)) {
            return Err(ClientError::Damaged { url, expected, found: sha256 });
        }
        let bytes = arriving.done;
        arriving.keep(path, overwrite)?;
        Ok(Downloaded { path: path.to_owned(), bytes, sha256 })
    }

    /// Asks for what is missing and writes it down.
    fn transfer(
        &self,
        url: &str,
        arriving: &mut Arriving,
        callback: &mut impl FnMut(Transfer) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        let mut request = self.agent.get(url);
        if let (1.., Some(tag)) = (arriving.done, &arriving.tag) {
            request = request.header("range", format!("bytes={}-", arriving.done)).header("if-range", tag);
        }
        let answer = accepted(url, request.call())?;
        arriving.begin(url, &answer)?;
        let mut body = answer.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            if callback(Transfer { done: arriving.done, total: arriving.total, resumed: arriving.resumed })
                .is_break()
            {
                return Err(ClientError::Stopped);
            }
            let read = body.read(&mut chunk).map_err(|error| ClientError::lost(url, error))?;
            if read == 0 {
                return arriving.end(url);
            }
            arriving.write(&chunk[..read])?;
        }
    }
}

/// A file that is not complete yet. Dropped, it leaves nothing behind.
struct Arriving {
    file: NamedTempFile,
    hash: Sha256,
    done: u64,
    total: Option<u64>,
    /// The version of the file on the server; without one a transfer starts anew.
    tag: Option<String>,
    resumed: u32,
}

impl Arriving {
    fn new(target: &Path) -> Result<Self, ClientError> {
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".timbrectl-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder
            .tempfile_in(folder)
            .map_err(|source| ClientError::Io { path: target.to_owned(), source })?;
        Ok(Self { file, hash: Sha256::new(), done: 0, total: None, tag: None, resumed: 0 })
    }

    /// Takes note of what an answer says of the file. An answer with the whole file starts anew.
    fn begin(&mut self, url: &str, answer: &Response<Body>) -> Result<(), ClientError> {
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let length = answer.body().content_length();
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let range = header("content-range").unwrap_or_default();
            if !range.starts_with(&format!("bytes {}-", self.done)) {
                let reason = format!("asked for the bytes from {} on, it sent {range:?}", self.done);
                return Err(ClientError::Protocol { url: url.to_owned(), reason });
            }
            return Ok(());
        }
        self.restart()?;
        self.total = length;
        self.tag = header("etag").filter(|tag| !tag.starts_with("W/")).map(str::to_owned);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), ClientError> {
        self.hash = Sha256::new();
        self.done = 0;
        let file = self.file.as_file_mut();
        file.set_len(0).and_then(|()| file.rewind()).map_err(|source| self.io(source))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.file.write_all(bytes).map_err(|source| self.io(source))?;
        self.hash.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// Whether everything is there that the first answer announced.
    fn end(&self, url: &str) -> Result<(), ClientError> {
        match self.total {
            Some(total) if total != self.done => {
                let source = std::io::Error::new(
                    std::io::ErrorKind::UnexpectedEof,
                    format!("{} of {total} bytes arrived", self.done),
                );
                Err(ClientError::Unreachable {
                    url: url.to_owned(),
                    source: Box::new(ureq::Error::Io(source)),
                })
            }
            _ => Ok(()),
        }
    }

    fn digest(&self) -> String {
        self.hash.clone().finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            write!(hex, "{byte:02x}").ok();
            hex
        })
    }

    fn keep(self, target: &Path, overwrite: Overwrite) -> Result<(), ClientError> {
        let path = target.to_owned();
        if let Err(source) = self.file.as_file().sync_all() {
            return Err(ClientError::Io { path, source });
        }
        let kept = match overwrite {
            Overwrite::Refuse => self.file.persist_noclobber(target),
            Overwrite::Replace => self.file.persist(target),
        };
        match kept {
            Ok(_file) => Ok(()),
            Err(failed) if failed.error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(ClientError::Exists { path })
            }
            Err(failed) => Err(ClientError::Io { path, source: failed.error }),
        }
    }

    fn io(&self, source: std::io::Error) -> ClientError {
        ClientError::Io { path: self.file.path().to_owned(), source }
    }
}
