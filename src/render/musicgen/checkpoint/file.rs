//! The files of a checkpoint: which tensors they have, and where.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the width of its caller")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, tensor::Metadata};
use serde::Deserialize;

use super::{super::lanes::widest, CheckpointError};

/// The file of an unsharded checkpoint, and the index of a sharded one.
pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// A larger header is taken as damaged, as the format's own library does.
const LARGEST_HEADER: u64 = 100_000_000;

/// Where a tensor lies.
#[derive(Debug)]
pub(in super::super) struct Entry {
    pub(super) file: PathBuf,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    offset: u64,
    pub(super) bytes: usize,
}

impl Entry {
    /// Its bytes, every value of them a finite number.
    pub(in super::super) fn read(&self, name: &str) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = vec![0; self.bytes];
        File::open(&self.file)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(self.offset))?;
                file.read_exact(&mut bytes)
            })
            .map_err(|source| unreadable(&self.file, source))?;
        let finite = match self.dtype {
            Dtype::F32 => all(&bytes, |value| u32::from_le_bytes(value) & 0x7f80_0000 != 0x7f80_0000),
            Dtype::F16 => all(&bytes, |value| u16::from_le_bytes(value) & 0x7c00 != 0x7c00),
            Dtype::BF16 => all(&bytes, |value| u16::from_le_bytes(value) & 0x7f80 != 0x7f80),
            _ => true,
        };
        if finite {
            Ok(bytes)
        } else {
            Err(CheckpointError::NotFinite { file: self.file.clone(), tensor: name.to_owned() })
        }
    }
}

/// Whether all values are what is asked for: finite, when not all bits of their exponents are set.
fn all<const N: usize>(bytes: &[u8], is: impl Fn([u8; N]) -> bool) -> bool {
    bytes.as_chunks().0.chunks(1 << 16).all(|values| {
        widest(
            #[inline(always)]
            || values.iter().fold(true, |all, value| all & is(*value)),
        )
    })
}

fn unreadable(file: &Path, source: io::Error) -> CheckpointError {
    CheckpointError::Unreadable { file: file.to_owned(), source }
}

/// Adds the tensors of a file to `entries`: eight bytes of header length, the header, the data.
pub(in super::super) fn read_header(
    path: &Path,
    entries: &mut BTreeMap<String, Entry>,
) -> Result<(), CheckpointError> {
    let damaged = |reason: String| Err(CheckpointError::Damaged { file: path.to_owned(), reason });
    let mut file = File::open(path).map_err(|source| unreadable(path, source))?;
    let found = file.metadata().map_err(|source| unreadable(path, source))?.len();
    let mut length = [0; 8];
    if found < 8 {
        return damaged(format!("{found} bytes are no safetensors file"));
    }
    file.read_exact(&mut length).map_err(|source| unreadable(path, source))?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST_HEADER || length > found - 8 {
        return damaged(format!("a header of {length} bytes in a file of {found}"));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(|source| unreadable(path, source))?;
    let header: Metadata = match serde_json::from_slice(&header) {
        Ok(header) => header,
        Err(error) => return damaged(format!("its header cannot be read ({error})")),
    };
    let start = 8 + length;
    let expected = start + header.data_len() as u64;
    for tensor in header.offset_keys() {
        let Some(info) = header.info(&tensor) else { continue };
        let (from, to) = info.data_offsets;
        if start + to as u64 > found {
            return Err(CheckpointError::CutOff { file: path.to_owned(), tensor, expected, found });
        }
        let entry = Entry {
            file: path.to_owned(),
            dtype: info.dtype,
            shape: info.shape.clone(),
            offset: start + from as u64,
            bytes: to - from,
        };
        entries.insert(tensor, entry);
    }
    if found > expected {
        return damaged(format!("{found} bytes, of which its header knows {expected}"));
    }
    Ok(())
}

/// The file of each tensor.
pub(super) fn read_index(path: &Path) -> Result<BTreeMap<String, PathBuf>, CheckpointError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let bytes = fs::read(path).map_err(|source| unreadable(path, source))?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|error| CheckpointError::Damaged {
        file: path.to_owned(),
        reason: format!("it cannot be read ({error})"),
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let place = |(tensor, shard): (String, String)| {
        if Path::new(&shard).file_name().is_none_or(|name| name != shard.as_str()) {
            return Err(CheckpointError::Outside { index: path.to_owned(), tensor, shard });
        }
        let file = directory.join(shard);
        Ok((tensor, file))
    };
    index.weight_map.into_iter().map(place).collect()
}
