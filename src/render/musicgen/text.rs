//! Words to states: the tokenizer and the T5 encoder.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Result as TensorResult, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::t5;
use thiserror::Error;
use tokenizers::Tokenizer;

use super::{
    ModelError,
    config::{FeedForward, TextConfig},
    tensors::TEXT,
    weights::Weights,
};

/// Turns a text into a state per word piece. Always f32: T5 leaves the range of f16, and it runs once per text.
#[derive(Debug)]
pub struct TextEncoder {
    tokenizer: TextTokenizer,
    model: t5::T5EncoderModel,
    device: Device,
}

/// The tokenizer of a model directory.
#[derive(Debug)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    vocabulary: usize,
}

/// Why a text cannot be read.
#[derive(Debug, Error)]
pub enum TextError {
    /// There is no usable tokenizer.
    #[error("cannot read the tokenizer {}", file.display())]
    Tokenizer {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: tokenizers::Error,
    },
    /// The tokenizer refuses the text.
    #[error("the text cannot be split into word pieces")]
    Text(#[source] tokenizers::Error),
    /// The tokenizer belongs to another model.
    #[error("the tokenizer gives word piece {id}, but the text encoder has {vocabulary}")]
    Vocabulary {
        /// What it gave.
        id: u32,
        /// How many there are.
        vocabulary: usize,
    },
}

impl TextTokenizer {
    /// Whether there is a file to read; says nothing of what is in it.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(directory: &Path) -> Result<PathBuf, TextError> {
        let file = directory.join("tokenizer.json");
        match fs::metadata(&file) {
            Ok(_) => Ok(file),
            Err(error) => Err(TextError::Tokenizer { file, source: error.into() }),
        }
    }

    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// When it is missing or no tokenizer.
    pub fn open(directory: &Path, config: &TextConfig) -> Result<Self, TextError> {
        let file = Self::find(directory)?;
        let open = || {
            let mut tokenizer = Tokenizer::from_file(&file)?;
            // Each text is encoded on its own and whole, whatever the file was saved with.
            tokenizer.with_truncation(None)?.with_padding(None);
            Ok(tokenizer)
        };
        match open() {
            Ok(tokenizer) => Ok(Self { tokenizer, vocabulary: config.vocab_size }),
            Err(source) => Err(TextError::Tokenizer { file, source }),
        }
    }

    /// The word pieces of a text, an end mark behind them.
    ///
    /// # Errors
    /// When the tokenizer fails or gives what the encoder does not know.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let encoding = self.tokenizer.encode(text, true).map_err(TextError::Text)?;
        match encoding.get_ids().iter().find(|id| **id as usize >= self.vocabulary) {
            Some(id) => Err(TextError::Vocabulary { id: *id, vocabulary: self.vocabulary }),
            None => Ok(encoding.get_ids().to_owned()),
        }
    }
}

impl TextEncoder {
    pub(super) fn load(
        weights: &Weights<'_>,
        tokenizer: TextTokenizer,
        config: &TextConfig,
    ) -> Result<Self, ModelError> {
        let mut tensors = HashMap::new();
        for name in weights.names_under(TEXT) {
            tensors.insert(name.to_owned(), weights.exact(name)?);
        }
        let device = weights.placement().device.clone();
        let tensors = VarBuilder::from_tensors(tensors, DType::F32, &device);
        let model = t5::T5EncoderModel::load(tensors.pp(TEXT), &t5_config(config))?;
        Ok(Self { tokenizer, model, device })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// The states of word pieces, `[n, d_model]`.
    pub(super) fn states(&self, ids: &[u32]) -> TensorResult<Tensor> {
        // A clone shares the weights; the encoder only wants to own its scratch.
        self.model.clone().forward(&Tensor::new(ids, &self.device)?.unsqueeze(0)?)?.squeeze(0)
    }
}

fn t5_config(config: &TextConfig) -> t5::Config {
    let feed_forward_proj = match config.feed_forward {
        FeedForward::Relu => {
            t5::ActivationWithOptionalGating { gated: false, activation: candle_nn::Activation::Relu }
        }
        FeedForward::GatedGelu => {
            t5::ActivationWithOptionalGating { gated: true, activation: candle_nn::Activation::NewGelu }
        }
    };
    t5::Config {
        vocab_size: config.vocab_size,
        d_model: config.d_model,
        d_kv: config.d_kv,
        d_ff: config.d_ff,
        num_layers: config.num_layers,
        num_heads: config.num_heads,
        relative_attention_num_buckets: config.relative_attention_num_buckets,
        relative_attention_max_distance: config.relative_attention_max_distance,
        layer_norm_epsilon: config.layer_norm_epsilon,
        feed_forward_proj,
        is_decoder: false,
        is_encoder_decoder: false,
        use_cache: false,
        ..t5::Config::default()
    }
}
