//! Where a piece is written while it is rendered: a file, a FIFO, standard output.
//!
//! A thread of its own writes, so that a slow reader (one that plays) holds up nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    panic::resume_unwind,
    path::{Path, PathBuf, absolute},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{Failure, say};
use crate::{
    artifact::{ArtifactError, set_stream_sizes},
    job::preview::{Preview, Reader},
};

/// What stands for standard output.
pub(super) const STDOUT: &str = "-";
/// How often is looked whether a reader has everything.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long that may take before somebody at the terminal is told what is waited for.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// A stream on its way. Dropped before it is finished, it ends as it is, and a file that it began is removed.
#[derive(Debug)]
pub(super) struct Stream {
    preview: Arc<Preview>,
    /// Until it is finished.
    writer: Option<JoinHandle<io::Result<()>>>,
    /// The file that was made for it.
    file: Option<PathBuf>,
}

impl Stream {
    /// Opens the stream that is asked for. `taken` are paths that other files will have.
    pub(super) fn open<'a>(
        target: Option<&Path>,
        mut taken: impl Iterator<Item = &'a PathBuf>,
        overwrite: bool,
    ) -> Result<Option<Self>, Failure> {
        let Some(path) = target else { return Ok(None) };
        let refused = |error: io::Error| {
            Failure::Usage(format!("--stream: {} cannot be written: {error}", path.display()))
        };
        if path == Path::new(STDOUT) {
            return Self::start(None, |reader| write(io::stdout(), reader)).map(Some);
        }
        let here = absolute(path).map_err(refused)?;
        if taken.any(|other| absolute(other).is_ok_and(|other| other == here)) {
            return Err(ArtifactError::SamePath(path.to_owned()).into());
        }
        match fs::metadata(path) {
            // Opening a FIFO waits for a reader.
            Ok(found) if !found.is_file() && !found.is_dir() => {
                let path = path.to_owned();
                Self::start(None, move |reader| write(OpenOptions::new().write(true).open(path)?, reader))
            }
            Ok(found) if found.is_file() && !overwrite => Err(ArtifactError::Exists(path.to_owned()).into()),
            _ => {
                let file = File::create(path).map_err(refused)?;
                let write = move |reader| {
                    write(&file, reader)?;
                    set_stream_sizes(&file)
                };
                Self::start(Some(path.to_owned()), write)
            }
        }
        .map(Some)
    }

    fn start(
        file: Option<PathBuf>,
        write: impl FnOnce(Reader) -> io::Result<()> + Send + 'static,
    ) -> Result<Self, Failure> {
        let preview = Arc::new(Preview::default());
        let reader = preview.read();
        let write = move || match write(reader) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                say("nobody reads the stream any more; the piece goes on");
                Ok(())
            }
            written => written,
        };
        let writer = thread::Builder::new().name("stream".to_owned()).spawn(write).map_err(Failure::Setup)?;
        Ok(Self { preview, writer: Some(writer), file })
    }

    /// Where the piece is to be heard.
    pub(super) fn preview(&self) -> &Preview {
        &self.preview
    }

    /// Completes the stream of a piece that is there, and waits until all of it is written. A file that does not have all of it is removed.
    pub(super) fn finish(mut self, interrupted: &AtomicBool) -> Result<(), Failure> {
        self.preview.complete();
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let mut waited = Duration::ZERO;
        while !writer.is_finished() {
            if interrupted.load(Ordering::Relaxed) {
                return Err(Failure::StreamCut);
            }
            thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
            if waited == TELL_AFTER {
                say("the stream waits for its reader; Ctrl-C cuts it off");
            }
        }
        match writer.join() {
            Ok(written) => written.map_err(Failure::Stream)?,
            Err(panic) => resume_unwind(panic),
        }
        self.file = None;
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.preview.break_off();
        if let Some(file) = &self.file {
            // What is left of a piece that there is not; why there is none matters more.
            fs::remove_file(file).ok();
        }
    }
}

/// Writes all that comes. A piece that is given up ends the stream; why is said elsewhere.
fn write(mut out: impl Write, reader: Reader) -> io::Result<()> {
    for block in reader.map_while(Result::ok) {
        out.write_all(&block)?;
        out.flush()?;
    }
    Ok(())
}
