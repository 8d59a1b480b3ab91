//! The weights of a model on disk: one safetensors file, or several with an index.
//!
//! Opening reads only the headers. A tensor is read when it is asked for, straight from its place in the file, and every value
//! is checked to be a number.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use safetensors::Dtype;

use crate::cancel::Cancelled;

mod error;
mod file;
#[cfg(test)]
mod tests;

pub use error::{CheckpointError, Shape};

pub(super) use file::{Entry, read_header};

use file::{INDEX, SINGLE, read_index};

/// The tensors of a model directory.
#[derive(Debug)]
pub struct Checkpoint {
    directory: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// What [`Checkpoint::check`] has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Tensors.
    pub tensors: usize,
    /// Their values.
    pub values: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Checkpoint {
    /// Reads the headers of the weights in a directory.
    ///
    /// # Errors
    /// When there are none, or a file cannot be read, is damaged or shorter than it should be, or lacks a tensor that the
    /// index places in it.
    pub fn open(directory: &Path) -> Result<Self, CheckpointError> {
        let (single, index) = (directory.join(SINGLE), directory.join(INDEX));
        let mut entries = BTreeMap::new();
        if single.exists() {
            read_header(&single, &mut entries)?;
        } else if index.exists() {
            let places = read_index(&index)?;
            for shard in places.values().collect::<BTreeSet<_>>() {
                read_header(shard, &mut entries)?;
            }
            for (tensor, file) in places {
                if entries.get(&tensor).is_none_or(|entry| entry.file != file) {
                    let reason = format!("it has no tensor {tensor}, which the index places in it");
                    return Err(CheckpointError::Damaged { file, reason });
                }
            }
        } else {
            let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json", "state_dict.bin"];
            let pickled = pickled.iter().any(|name| directory.join(name).exists());
            return Err(CheckpointError::NoWeights { directory: directory.to_owned(), pickled });
        }
        Ok(Self { directory: directory.to_owned(), entries })
    }

    /// The model's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The files of the weights.
    pub fn files(&self) -> BTreeSet<&Path> {
        self.entries.values().map(|entry| entry.file.as_path()).collect()
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// How many values the tensors of one part have.
    pub fn values_under(&self, part: &str) -> u64 {
        let of_part = self.entries.iter().filter(|(name, _)| name.starts_with(part));
        of_part.map(|(_, entry)| entry.shape.iter().product::<usize>() as u64).sum()
    }

    /// The types that values are stored as, with how many of each; `F32`, `F16`, `BF16` can be run.
    pub fn types(&self) -> BTreeMap<String, u64> {
        let mut types = BTreeMap::new();
        for entry in self.entries.values() {
            let count: &mut u64 = types.entry(format!("{:?}", entry.dtype)).or_default();
            *count += entry.shape.iter().product::<usize>() as u64;
        }
        types
    }

    /// Looks at a tensor without reading it.
    ///
    /// # Errors
    /// When it is missing, or has another shape or a type that is not read.
    pub fn expect(&self, name: &str, shape: &[usize]) -> Result<(), CheckpointError> {
        self.entry(name, shape).map(|_| ())
    }

    /// A tensor at the type and on the device that are wanted, whatever type it is stored as.
    ///
    /// # Errors
    /// When it is missing, has another shape, a type that is not read or values that are no numbers, or when its file cannot
    /// be read or the device has no room.
    pub fn tensor(
        &self,
        name: &str,
        shape: &[usize],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor, CheckpointError> {
        let entry = self.entry(name, shape)?;
        let stored = match entry.dtype {
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            _ => DType::F32,
        };
        let bytes = entry.read(name)?;
        Tensor::from_raw_buffer(&bytes, stored, shape, &Device::Cpu)
            .and_then(|tensor| tensor.to_dtype(dtype)?.to_device(device))
            .map_err(|source| CheckpointError::Device { tensor: name.to_owned(), source })
    }

    /// The values of a tensor as f32, whatever type it is stored as.
    ///
    /// # Errors
    /// As of [`Checkpoint::tensor`].
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let entry = self.entry(name, shape)?;
        let bytes = entry.read(name)?;
        let halves = || bytes.as_chunks().0.iter();
        Ok(match entry.dtype {
            Dtype::F16 => halves().map(|value| f16::from_le_bytes(*value).to_f32()).collect(),
            Dtype::BF16 => halves().map(|value| bf16::from_le_bytes(*value).to_f32()).collect(),
            _ => bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect(),
        })
    }

    /// Reads every tensor, wanted or not. `progress` hears the share that is read, 0 to 1, and may end it.
    ///
    /// # Errors
    /// The first fault that is found, or that it was ended.
    pub fn check(&self, progress: &mut dyn FnMut(f64) -> ControlFlow<()>) -> Result<Extent, CheckpointError> {
        let total: u64 = self.entries.values().map(|entry| entry.bytes as u64).sum();
        let mut read = Extent { tensors: 0, values: 0, bytes: 0 };
        for (name, entry) in &self.entries {
            entry.read(name)?;
            read.tensors += 1;
            read.values += entry.shape.iter().product::<usize>() as u64;
            read.bytes += entry.bytes as u64;
            if progress(read.bytes as f64 / total.max(1) as f64).is_break() {
                return Err(Cancelled.into());
            }
        }
        Ok(read)
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<&Entry, CheckpointError> {
        let Some(entry) = self.entries.get(name) else {
            let single = self.directory.join(SINGLE);
            return Err(CheckpointError::Missing {
                file: if single.exists() { single } else { self.directory.join(INDEX) },
                tensor: name.to_owned(),
                expected: Shape(shape.to_owned()),
            });
        };
        if entry.shape != shape {
            return Err(CheckpointError::Mismatch {
                file: entry.file.clone(),
                tensor: name.to_owned(),
                expected: Shape(shape.to_owned()),
                found: Shape(entry.shape.clone()),
            });
        }
        if !matches!(entry.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(CheckpointError::Type {
                file: entry.file.clone(),
                tensor: name.to_owned(),
                found: format!("{:?}", entry.dtype),
            });
        }
        Ok(entry)
    }
}
