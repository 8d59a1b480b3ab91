//! The language-model side of a MusicGen: from a directory to branches and logits.

use std::{ops::ControlFlow, path::Path};

use super::{
    ModelError,
    checkpoint::{Checkpoint, Extent},
    condition::{Branches, Conditioner, Prompt},
    config::Config,
    decoder::Decoder,
    precision::Precision,
    tensors::{stored_name, tensors},
    text::{TextEncoder, TextTokenizer},
    weights::{Placement, Weights},
};

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
    /// When the tokenizer or a tensor is missing or not as it should be, or the device has no room.
    pub fn load(checkpoint: &Checkpoint, config: &Config, placement: &Placement) -> Result<Self, ModelError> {
        let tokenizer = TextTokenizer::open(checkpoint.directory(), &config.text)?;
        let weights = Weights::new(checkpoint, config, placement);
        let text = TextEncoder::load(&weights, tokenizer, &config.text)?;
        Ok(Self {
            conditioner: Conditioner::load(&weights, text, config)?,
            decoder: Decoder::load(&weights, &config.decoder, config.melody.is_none())?,
        })
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
pub fn bytes(config: &Config, precision: Precision) -> u64 {
    tensors(config).iter().map(|wanted| wanted.bytes(precision)).sum()
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
    Ok(checkpoint.check(progress)?)
}
