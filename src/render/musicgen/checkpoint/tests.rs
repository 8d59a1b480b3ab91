//! Whole and damaged checkpoints.

use std::{
    collections::HashMap,
    fs::{self, File},
    ops::ControlFlow,
    path::PathBuf,
};

use candle_core::{DType, Device, Tensor};
use tempfile::TempDir;

use super::{
    Checkpoint, CheckpointError, Extent,
    file::{INDEX, SINGLE},
};

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
    assert_eq!(values(&checkpoint.tensor("b", &[5], DType::F32, &Device::Cpu).unwrap()), values(&wave(5)));
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
