//! A MusicGen as a whole: from a directory to tokens and sound.

use std::{
    ops::ControlFlow,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use candle_core::Device;

use super::{
    ModelError,
    checkpoint::{Checkpoint, Extent},
    codec::{Codec, Encoder},
    condition::{Branches, Conditioner, Prompt},
    config::Config,
    decoder::Decoder,
    kept::Kept,
    precision::{Kernels, Precision},
    slot::Slot,
    tensors::{CODEC, stored_name, tensors},
    text::{TextEncoder, TextTokenizer},
    weights::{CodecWeights, Placement, Weights},
};
use crate::cancel::{Cancel, Never};

/// A model with its codec, loaded. Used by any number of threads at once.
#[derive(Debug)]
pub struct MusicGen {
    /// Its shape.
    pub config: Config,
    /// Text to tokens.
    pub language: Arc<LanguageModel>,
    /// Tokens to sound.
    pub codec: Codec,
    /// Sound to tokens; loaded when a piece first goes on from a sound.
    encoder: Slot<(), Encoder>,
    directory: PathBuf,
    codec_device: Device,
}

impl MusicGen {
    /// Loads the model of a directory; the codec, always in f32, to a device of its own. `cancel` is asked before each tensor.
    ///
    /// # Errors
    /// When it cannot be run, a file or a tensor is missing or not as it should be, a device has no room, or it is cancelled.
    pub fn open(
        directory: &Path,
        placement: &Placement,
        codec_device: &Device,
        cancel: &dyn Cancel,
    ) -> Result<Self, ModelError> {
        let config = Config::open(directory)?;
        let checkpoint = Checkpoint::open(directory)?;
        let shape = config.codec.clone();
        // Not in the pool of threads that compute: others may be playing there.
        let (language, codec) = thread::scope(|scope| {
            let weights = CodecWeights { checkpoint: &checkpoint, device: codec_device, cancel };
            let codec = scope.spawn(move || Codec::load(shape, &weights));
            let language = LanguageModel::load(&checkpoint, &config, placement, cancel);
            (language, codec.join())
        });
        let codec = codec.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(Self {
            language: Arc::new(language?),
            codec: codec?,
            encoder: Slot::default(),
            directory: directory.to_owned(),
            codec_device: codec_device.clone(),
            config,
        })
    }

    /// The other half of the codec, sound to tokens, loaded now unless it is already.
    ///
    /// # Errors
    /// As [`MusicGen::open`].
    pub fn encoder(&self, cancel: &dyn Cancel) -> Result<Arc<Encoder>, ModelError> {
        self.encoder.get(&(), cancel, || {
            let checkpoint = Checkpoint::open(&self.directory)?;
            self.codec.encoder(&CodecWeights { checkpoint: &checkpoint, device: &self.codec_device, cancel })
        })
    }
}

/// Text encoder, projections and decoder of a model, loaded. Used by any number of threads at once.
#[derive(Debug)]
pub struct LanguageModel {
    pub(super) conditioner: Conditioner,
    decoder: Decoder,
}

impl LanguageModel {
    /// Loads them.
    ///
    /// # Errors
    /// When the tokenizer or a tensor is missing or not as it should be, the device has no room, or it is cancelled.
    pub fn load(
        checkpoint: &Checkpoint,
        config: &Config,
        placement: &Placement,
        cancel: &dyn Cancel,
    ) -> Result<Self, ModelError> {
        let tokenizer = TextTokenizer::open(checkpoint.directory(), &config.text)?;
        let keeps = placement.precision.bits().is_some() && placement.kernels == Kernels::Own;
        let kept = keeps.then(|| Kept::open(checkpoint, placement.precision));
        let kept = kept.transpose().map_err(ModelError::Kept)?;
        let weights = Weights::new(checkpoint, config, placement, cancel, kept.as_ref());
        let text = TextEncoder::load(&weights, tokenizer, &config.text)?;
        let model = Self {
            conditioner: Conditioner::load(&weights, text, config)?,
            decoder: Decoder::load(&weights, &config.decoder, config.melody.is_none())?,
        };
        if let Some(kept) = kept {
            kept.save();
        }
        Ok(model)
    }

    /// What the rows of the decoder are told for a prompt.
    ///
    /// # Errors
    /// When the tokenizer fails, or there is a melody that the model cannot follow.
    pub fn branches(&self, prompt: &Prompt<'_>) -> Result<Branches, ModelError> {
        self.conditioner.branches(&self.decoder, prompt)
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}

/// Bytes of a loaded language model, its caches not counted: see
/// [`DecoderConfig::row_bytes`](super::config::DecoderConfig::row_bytes).
pub fn bytes(config: &Config, precision: Precision, kernels: Kernels) -> u64 {
    tensors(config).iter().map(|wanted| wanted.bytes(precision, kernels)).sum()
}

/// What the codec takes while it decodes a second of sound, at the sizes of MusicGen; measured.
const CODEC_WORK_BYTES: u64 = 100 << 20;

/// Bytes of a loaded codec, and of what it works on.
pub fn codec_bytes(checkpoint: &Checkpoint) -> u64 {
    checkpoint.values_under(CODEC) * 4 + CODEC_WORK_BYTES
}

/// Looks whether a model's files are whole: the tokenizer can be read, every tensor is there in its shape, every value is a
/// number. `progress` hears the share that is read, 0 to 1, and may end it. Nothing of it stays in memory.
///
/// # Errors
/// The first fault that is found, or that it was ended.
pub fn check(
    directory: &Path,
    progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<Extent, ModelError> {
    let config = Config::open(directory)?;
    TextTokenizer::open(directory, &config.text)?;
    let checkpoint = Checkpoint::open(directory)?;
    for wanted in tensors(&config) {
        checkpoint.expect(stored_name(&checkpoint, &wanted.name), &wanted.shape)?;
    }
    let weights = CodecWeights { checkpoint: &checkpoint, device: &Device::Cpu, cancel: &Never };
    drop(Codec::load(config.codec, &weights)?.encoder(&weights)?);
    Ok(checkpoint.check(progress)?)
}
