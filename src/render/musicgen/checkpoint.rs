//! The weights of a model on disk: one safetensors file, or several with an index.
//!
//! Opening reads only the headers. A tensor is read when it is asked for, straight from its place in the file, and every value
//! is checked to be a number.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, tensor::Metadata};
use serde::Deserialize;
use thiserror::Error;

use crate::cancel::Cancelled;

/// The file of an unsharded checkpoint, and the index of a sharded one.
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A larger header is taken as damaged, as the format's own library does.
const LARGEST_HEADER: u64 = 100_000_000;

/// The tensors of a model directory.
#[derive(Debug)]
pub struct Checkpoint {
    directory: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// Where a tensor lies.
#[derive(Debug)]
struct Entry {
    file: PathBuf,
    dtype: Dtype,
    shape: Vec<usize>,
    offset: u64,
    bytes: usize,
}

/// A shape as messages show it: `[2049, 1024]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(pub Vec<usize>);

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Why weights cannot be had.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// There are none that can be read.
    #[error("{} has neither {SINGLE} nor {INDEX}{}", directory.display(), if *pickled {
        "; its .bin files are in a format that can hold programs and is not read: save the model as safetensors"
    } else {
        ""
    })]
    NoWeights {
        /// The model's directory.
        directory: PathBuf,
        /// Whether there are weights in the old format.
        pickled: bool,
    },
    /// A file cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is damaged, or none of its format.
    #[error("{} is damaged: {reason}; fetch it again", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file is shorter than its header says.
    #[error("{} is cut off in tensor {tensor}: {found} bytes of {expected}; fetch it again", file.display())]
    CutOff {
        /// The file.
        file: PathBuf,
        /// The first tensor that is not whole.
        tensor: String,
        /// Length that the file should have.
        expected: u64,
        /// Length that it has.
        found: u64,
    },
    /// The index names a file that it must not.
    #[error("{} places tensor {tensor} in {shard}, which is no file of this directory", index.display())]
    Outside {
        /// The index.
        index: PathBuf,
        /// The tensor.
        tensor: String,
        /// Where it should lie.
        shard: String,
    },
    /// A tensor is not there.
    #[error("{} has no tensor {tensor}, expected with shape {expected}", file.display())]
    Missing {
        /// Where it should be: the file, or the index.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape according to the configuration.
        expected: Shape,
    },
    /// A tensor has another shape than the configuration says.
    #[error("{}: tensor {tensor} has shape {found}, but config.json says {expected}", file.display())]
    Mismatch {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape according to the configuration.
        expected: Shape,
        /// Its shape.
        found: Shape,
    },
    /// A tensor has no type that a model can be run from.
    #[error("{}: tensor {tensor} is stored as {found}, but must be F32, F16 or BF16", file.display())]
    Type {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor has values that are no numbers.
    #[error("{}: tensor {tensor} has values that are not finite; fetch the file again", file.display())]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// The device did not take a tensor.
    #[error("cannot bring tensor {tensor} to the device")]
    Device {
        /// The tensor.
        tensor: String,
        /// The cause.
        #[source]
        source: candle_core::Error,
    },
    /// Reading was cancelled. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
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

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
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

impl Entry {
    fn read(&self, name: &str) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = vec![0; self.bytes];
        File::open(&self.file)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(self.offset))?;
                file.read_exact(&mut bytes)
            })
            .map_err(|source| unreadable(&self.file, source))?;
        let finite = match self.dtype {
            Dtype::F32 => exponents_are_below(&bytes, 0x7f80_0000_u32.to_le_bytes()),
            Dtype::F16 => exponents_are_below(&bytes, 0x7c00_u16.to_le_bytes()),
            Dtype::BF16 => exponents_are_below(&bytes, 0x7f80_u16.to_le_bytes()),
            _ => true,
        };
        if finite {
            Ok(bytes)
        } else {
            Err(CheckpointError::NotFinite { file: self.file.clone(), tensor: name.to_owned() })
        }
    }
}

/// Whether no little-endian value has all bits of the mask, which are those of its exponent: then all are finite.
fn exponents_are_below<const N: usize>(bytes: &[u8], mask: [u8; N]) -> bool {
    bytes.chunks_exact(N).all(|value| value.iter().zip(&mask).any(|(byte, mask)| byte & mask != *mask))
}

fn unreadable(file: &Path, source: io::Error) -> CheckpointError {
    CheckpointError::Unreadable { file: file.to_owned(), source }
}

/// Adds the tensors of a file to `entries`: eight bytes of header length, the header, the data.
fn read_header(path: &Path, entries: &mut BTreeMap<String, Entry>) -> Result<(), CheckpointError> {
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
fn read_index(path: &Path) -> Result<BTreeMap<String, PathBuf>, CheckpointError> {
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tempfile::TempDir;

    use super::*;

    fn save(directory: &TempDir, file: &str, tensors: &[(&str, Tensor)]) -> PathBuf {
        let tensors: HashMap<String, Tensor> =
            tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
        let path = directory.path().join(file);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        path
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn wave(count: usize) -> Tensor {
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
        Tensor::from_vec(values, count, &Device::Cpu).unwrap()
    }

    fn opened(directory: &TempDir) -> CheckpointError {
        Checkpoint::open(directory.path()).unwrap_err()
    }

    #[test]
    fn tensors_of_any_stored_type_come_at_the_wanted_one() {
        let directory = TempDir::new().unwrap();
        let whole = wave(12).reshape((3, 4)).unwrap();
        let stored = [("a", DType::F32), ("b", DType::F16), ("c", DType::BF16)];
        let tensors = stored.map(|(name, dtype)| (name, whole.to_dtype(dtype).unwrap()));
        save(&directory, SINGLE, &tensors);
        let checkpoint = Checkpoint::open(directory.path()).unwrap();
        for (name, tensor) in tensors {
            let read = checkpoint.tensor(name, &[3, 4], DType::F32, &Device::Cpu).unwrap();
            assert_eq!(values(&read), values(&tensor.to_dtype(DType::F32).unwrap()), "{name}");
        }
        let extent = checkpoint.check(&mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(extent, Extent { tensors: 3, values: 36, bytes: 12 * (4 + 2 + 2) });
        let stopped = checkpoint.check(&mut |_| ControlFlow::Break(()));
        assert!(matches!(stopped, Err(CheckpointError::Cancelled(_))));
    }

    #[test]
    fn what_is_not_as_configured_is_named_with_both_shapes() {
        let directory = TempDir::new().unwrap();
        let path = save(&directory, SINGLE, &[("a", wave(6).reshape((2, 3)).unwrap())]);
        let checkpoint = Checkpoint::open(directory.path()).unwrap();
        let shown = |name: &str, shape: &[usize]| checkpoint.expect(name, shape).unwrap_err().to_string();
        let path = path.display();
        assert_eq!(
            shown("a", &[3, 2]),
            format!("{path}: tensor a has shape [2, 3], but config.json says [3, 2]")
        );
        assert_eq!(shown("b", &[4]), format!("{path} has no tensor b, expected with shape [4]"));
    }

    #[test]
    fn a_file_that_ends_early_names_the_first_tensor_that_is_not_whole() {
        let directory = TempDir::new().unwrap();
        let path = save(&directory, SINGLE, &[("a", wave(8)), ("b", wave(8))]);
        let whole = fs::metadata(&path).unwrap().len();
        for (length, tensor) in [(whole - 4, "b"), (whole - 36, "a")] {
            File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            match opened(&directory) {
                CheckpointError::CutOff { tensor: cut, expected, found, .. } => {
                    assert_eq!((cut.as_str(), expected, found), (tensor, whole, length));
                }
                other => panic!("{other}"),
            }
        }
        fs::write(&path, &fs::read(&path).unwrap()[..20]).unwrap();
        assert!(matches!(opened(&directory), CheckpointError::Damaged { .. }));
        fs::write(&path, [1, 2, 3]).unwrap();
        assert!(matches!(opened(&directory), CheckpointError::Damaged { .. }));
    }

    #[test]
    fn damage_is_seen_in_header_and_values() {
        let directory = TempDir::new().unwrap();
        let path = save(&directory, SINGLE, &[("a", wave(8))]);
        let good = fs::read(&path).unwrap();
        let mut bytes = good.clone();
        bytes[8] = b'?';
        fs::write(&path, &bytes).unwrap();
        assert!(opened(&directory).to_string().contains("its header cannot be read"));
        let mut bytes = good;
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let checkpoint = Checkpoint::open(directory.path()).unwrap();
        let read = checkpoint.tensor("a", &[8], DType::F32, &Device::Cpu);
        assert!(matches!(read, Err(CheckpointError::NotFinite { tensor, .. }) if tensor == "a"));
    }

    #[test]
    fn shards_are_found_through_their_index() {
        let directory = TempDir::new().unwrap();
        save(&directory, "one.safetensors", &[("a", wave(3))]);
        let two = save(&directory, "two.safetensors", &[("b", wave(5))]);
        let index = |map: &str| {
            fs::write(directory.path().join(INDEX), format!("{{\"weight_map\": {map}}}")).unwrap();
        };
        index(r#"{"a": "one.safetensors", "b": "two.safetensors"}"#);
        let checkpoint = Checkpoint::open(directory.path()).unwrap();
        assert_eq!(
            values(&checkpoint.tensor("b", &[5], DType::F32, &Device::Cpu).unwrap()),
            values(&wave(5))
        );
        index(r#"{"a": "one.safetensors", "b": "one.safetensors"}"#);
        assert!(opened(&directory).to_string().contains("it has no tensor b"));
        index(r#"{"a": "../one.safetensors"}"#);
        assert!(matches!(opened(&directory), CheckpointError::Outside { .. }));
        index(r#"{"a": "one.safetensors", "b": "two.safetensors"}"#);
        fs::remove_file(two).unwrap();
        assert!(matches!(opened(&directory), CheckpointError::Unreadable { .. }));
    }

    #[test]
    fn weights_in_the_old_format_are_said_to_be_there() {
        let directory = TempDir::new().unwrap();
        assert!(!opened(&directory).to_string().contains(".bin"));
        fs::write(directory.path().join("pytorch_model.bin"), "").unwrap();
        assert!(opened(&directory).to_string().contains("save the model as safetensors"));
    }
}
