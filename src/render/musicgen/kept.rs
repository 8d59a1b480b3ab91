//! Matrices in blocks of few bits, made once and kept beside the model.
//!
//! To make them of a checkpoint takes longer than all else of a start, and reads several times as much. The file is a safetensors file
//! in the model's directory, of the form in which the processor's kernels read them; its name has the digest of what it was made
//! of, so that one of other weights is never taken.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

use safetensors::{Dtype, tensor::TensorView};
use sha2::{Digest, Sha256};
use tempfile::Builder;

use super::{
    checkpoint::{Checkpoint, CheckpointError, Entry, read_header},
    precision::Precision,
    processor::Matrix,
};

/// Changes whenever the form of the file does, or a matrix is rounded to other blocks.
const VERSION: &str = "timbre 3";

/// How the files are called: this, the digest, a point, the precision.
const PREFIX: &str = "timbre-";

/// What of a header goes into the digest: all of it, for any model.
const HEADER_BYTES: u64 = 16 << 20;

/// What is kept of a model, and what a run takes of it.
#[derive(Debug)]
pub(super) struct Kept {
    file: PathBuf,
    precision: Precision,
    entries: BTreeMap<String, Entry>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    matrices: Vec<(String, Arc<Matrix>)>,
    /// Whether one of them had to be made.
    made: bool,
}

impl Kept {
    /// Looks for what is kept of a checkpoint at a precision. A file that cannot be read is as good as none.
    ///
    /// # Errors
    /// When the checkpoint's files cannot be looked at.
    pub(super) fn open(checkpoint: &Checkpoint, precision: Precision) -> io::Result<Self> {
        let file = checkpoint.directory().join(format!("{PREFIX}{}.{precision}", digest(checkpoint)?));
        let mut entries = BTreeMap::new();
        if file.exists()
            && let Err(error) = read_header(&file, &mut entries)
        {
            tracing::warn!(%error, "what is kept of the model cannot be read, and is made anew");
            entries.clear();
        }
        Ok(Self { file, precision, entries, taken: Mutex::default() })
    }

    /// Of all its matrices.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// A matrix `[outs, ins]`, made when it is not kept.
    ///
    /// # Errors
    /// When it is there, but cannot be read, or cannot be made.
    pub(super) fn matrix<E: From<CheckpointError>>(
        &self,
        name: String,
        outs: usize,
        ins: usize,
        make: impl FnOnce() -> Result<Matrix, E>,
    ) -> Result<Arc<Matrix>, E> {
        let kept = self.find(&name, outs, ins)?;
        let made = kept.is_none();
        let matrix = Arc::new(kept.map_or_else(make, Ok)?);
        let mut taken = self.taken();
        taken.matrices.push((name, Arc::clone(&matrix)));
        taken.made |= made;
        Ok(matrix)
    }

    fn find(&self, name: &str, outs: usize, ins: usize) -> Result<Option<Matrix>, CheckpointError> {
        let (quants, scales) = (format!("{name}.quants"), format!("{name}.scales"));
        let (Some(quants), Some(scales)) = (self.read(&quants)?, self.read(&scales)?) else {
            return Ok(None);
        };
        Ok(Matrix::of_blocks(outs, ins, self.precision, &quants, &scales))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        self.entries.get(name).map(|entry| entry.read(name)).transpose()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was taken, if anything of it was made, and removes what was kept of other weights. Where the directory cannot be written, the
    /// next start makes it again: that is logged.
    pub(super) fn save(self) {
        if !self.taken().made {
            return;
        }
        match self.write() {
            Ok(()) => {
                tracing::info!(file = %self.file.display(), "the model's matrices in blocks are kept for the next start");
            }
            Err(error) => tracing::warn!(
                %error, file = %self.file.display(),
                "the model's matrices in blocks cannot be kept: every start makes them again"
            ),
        }
    }

    fn write(&self) -> io::Result<()> {
        let taken = self.taken();
        let mut tensors = Vec::new();
        for (name, matrix) in &taken.matrices {
            if let Some((quants, scales)) = matrix.blocks() {
                tensors.push((format!("{name}.quants"), Dtype::U8, Cow::Borrowed(quants)));
                tensors.push((format!("{name}.scales"), Dtype::BF16, Cow::Owned(scales)));
            }
        }
        let views = tensors.iter().map(|(name, dtype, bytes)| {
            let values = bytes.len() / if *dtype == Dtype::U8 { 1 } else { 2 };
            Ok((name.as_str(), TensorView::new(*dtype, vec![values], bytes).map_err(io::Error::other)?))
        });
        let views: Vec<(&str, TensorView<'_>)> = views.collect::<io::Result<_>>()?;
        let directory = self.file.parent().unwrap_or(Path::new(""));
        let file = readable().tempfile_in(directory)?;
        safetensors::serialize_to_file(views, None, file.path()).map_err(io::Error::other)?;
        file.as_file().sync_all()?;
        let ending = format!(".{}", self.precision);
        for other in fs::read_dir(directory)?.flatten() {
            let name = other.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(PREFIX) && name.ends_with(&ending) && other.path() != self.file {
                fs::remove_file(other.path()).ok();
            }
        }
        file.persist(&self.file)?;
        Ok(())
    }
}

/// A file for all who may read what this user makes, as the model's own files are; not for this user alone.
pub(super) fn readable() -> Builder<'static, 'static> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "elsewhere a file is as its directory wants it"))]
    let mut file = Builder::new();
    #[cfg(unix)]
    file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    file
}

/// Of the weights' files: their sizes, when they were last changed, and the tables of their tensors. To read all of them would take
/// as long as what the file saves.
fn digest(checkpoint: &Checkpoint) -> io::Result<String> {
    let mut digest = Sha256::new();
    digest.update(VERSION);
    for path in checkpoint.files() {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        digest.update(metadata.len().to_le_bytes());
        digest.update(changed.as_nanos().to_le_bytes());
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length).min(HEADER_BYTES)).read_to_end(&mut header)?;
        digest.update(&header);
    }
    Ok(base16ct::lower::encode_string(&digest.finalize()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Random;

    /// What is kept by one build is taken by the next.
    #[test]
    fn another_rounding_is_another_version() {
        let mut random = Random::new(1);
        let values: Vec<f32> = (0..40 * 70).map(|_| random.bipolar()).collect();
        let digest = |precision| {
            let matrix = Matrix::new(&values, 40, 70, precision);
            let (quants, scales) = matrix.blocks().unwrap();
            base16ct::lower::encode_string(
                &Sha256::new().chain_update(quants).chain_update(scales).finalize()[..8],
            )
        };
        let digests = [Precision::Q8_0, Precision::Q6_0, Precision::Q4_0].map(digest);
        assert_eq!(
            digests.each_ref().map(String::as_str),
            ["9a44c2b3b2b7c99d", "1fbfb03d98b28d89", "a51dffe4b557b4e5"],
            "of {VERSION}"
        );
    }
}
