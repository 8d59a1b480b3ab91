//! What a model on disk is, and whether it is sound.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::render::musicgen::{
    ModelError,
    checkpoint::Checkpoint,
    config::Config,
    model,
    precision::{Kernels, Precision},
    store::Found,
};

/// The longest piece that is generated in one window, in seconds.
const WINDOW_SECONDS: usize = 30;
/// Rows of a guided piece: with and without the prompt.
const ROWS: u64 = 2;

/// What a sound model is. Every tensor of it has been read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Hub id or directory, as it was asked for.
    pub name: String,
    /// Where its files are.
    pub directory: PathBuf,
    /// Its revision on the hub; a directory has none.
    pub revision: Option<String>,
    /// The licence, for people.
    pub licence: String,
    /// Tensors.
    pub tensors: usize,
    /// Their values.
    pub parameters: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// The types that they are stored as, with the number of values.
    pub stored_as: BTreeMap<String, u64>,
    /// Width of the decoder.
    pub hidden_size: usize,
    /// Layers of the decoder.
    pub layers: usize,
    /// Its attention heads.
    pub heads: usize,
    /// Codebooks of a frame, those of all channels together.
    pub codebooks: usize,
    /// Frames of tokens per second.
    pub frame_rate: usize,
    /// 1, or 2 for a stereo model.
    pub channels: usize,
    /// Samples per second.
    pub sample_rate: u32,
    /// Whether it follows a melody.
    pub melody: bool,
    /// Bytes of memory that one guided window of 30 s takes at each precision, weights and codec included.
    pub memory: BTreeMap<String, u64>,
}

/// Reads every tensor of a model. `progress` hears the share that is read, 0 to 1, and may end it.
///
/// # Errors
/// The first fault that is found, or that it was ended.
pub fn check(found: &Found, progress: &mut dyn FnMut(f64) -> ControlFlow<()>) -> Result<Report, ModelError> {
    let extent = model::check(&found.directory, progress)?;
    let config = Config::open(&found.directory)?;
    let checkpoint = Checkpoint::open(&found.directory)?;
    let decoder = &config.decoder;
    let prefix = config.melody.map_or(0, |melody| melody.chroma_length);
    let positions = WINDOW_SECONDS * config.codec.frame_rate() + config.codec.quantizers() + prefix;
    let memory = Precision::ALL.map(|precision| {
        let caches = ROWS * decoder.row_bytes(positions, precision, Kernels::Own);
        let bytes = model::bytes(&config, precision, Kernels::Own) + model::codec_bytes(&checkpoint) + caches;
        (precision.to_string(), bytes)
    });
    Ok(Report {
        name: found.name.clone(),
        directory: found.directory.clone(),
        revision: found.revision.clone(),
        licence: found.licence(),
        tensors: extent.tensors,
        parameters: extent.values,
        bytes: extent.bytes,
        stored_as: checkpoint.types(),
        hidden_size: decoder.hidden_size,
        layers: decoder.num_hidden_layers,
        heads: decoder.num_attention_heads,
        codebooks: decoder.num_codebooks,
        frame_rate: config.codec.frame_rate(),
        channels: decoder.audio_channels,
        sample_rate: config.codec.rate().0,
        melody: config.melody.is_some(),
        memory: memory.into(),
    })
}

/// Bytes of the weights in a directory.
pub fn weights_bytes(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let weights =
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "safetensors"));
    weights.filter_map(|file| fs::metadata(file.path()).ok()).map(|metadata| metadata.len()).sum()
}
