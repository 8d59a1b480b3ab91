//! Words to states: the tokenizer and the T5 encoder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use thiserror::Error;
use tokenizers::Tokenizer;

use super::{ModelError, config::TextConfig, t5::T5, weights::Weights};

/// Turns a text into a state per word piece.
#[derive(Debug)]
pub struct TextEncoder {
    tokenizer: TextTokenizer,
    model: T5,
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
        Ok(Self { tokenizer, model: T5::load(weights, config)? })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// The states of word pieces, `[n, d_model]`.
    pub(super) fn states(&self, ids: &[u32]) -> Vec<f32> {
        self.model.states(ids)
    }
}
