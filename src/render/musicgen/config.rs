//! The shape of a MusicGen, from `config.json` and `generation_config.json` of its directory.
//!
//! Two composites of `transformers` are read: `musicgen` (text through cross-attention) and `musicgen_melody` (text and
//! melody as a prefix). A field that is missing or null has the value that `transformers` gives it; one that is not known is
//! ignored.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{codec, fields::Fields, processor::WIDEST_HEAD};

pub use super::fields::ConfigError;

/// The shape of a model. All sizes are positive and not huge.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The text encoder, T5.
    pub text: TextConfig,
    /// The language model.
    pub decoder: DecoderConfig,
    /// What a melody model has beside these; `None` in the others.
    pub melody: Option<MelodyConfig>,
    /// The codec of one audio channel.
    pub codec: codec::Config,
}

/// The shape of a T5 encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct TextConfig {
    /// Different tokens of the text.
    pub vocab_size: usize,
    /// Width of its states.
    pub d_model: usize,
    /// Width of one attention head.
    pub d_kv: usize,
    /// Width inside the feed-forward blocks.
    pub d_ff: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Distances between words that attention tells apart.
    pub relative_attention_num_buckets: usize,
    /// From here on all distances are one.
    pub relative_attention_max_distance: usize,
    /// Added to the variance in its norms.
    pub layer_norm_epsilon: f64,
    /// Its feed-forward block.
    pub feed_forward: FeedForward,
}

/// The feed-forward blocks that T5 is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// `wo relu(wi x)`.
    Relu,
    /// `wo (gelu(wi_0 x) * wi_1 x)`, with the tanh form of the function.
    GatedGelu,
}

/// The shape of the language model.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Different tokens of one codebook. The next number is the start and padding token.
    pub vocab_size: usize,
    /// Width of its states, `h`.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Width inside the feed-forward blocks.
    pub ffn_dim: usize,
    /// Attention heads; they share `hidden_size` equally.
    pub num_attention_heads: usize,
    /// Rows of positions in a checkpoint that stores them. No limit: further ones are computed.
    pub max_position_embeddings: usize,
    /// Codebooks of a frame, those of all channels together.
    pub num_codebooks: usize,
    /// 1, or 2 for a stereo model.
    pub audio_channels: usize,
}

/// What a melody model is conditioned on beside text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MelodyConfig {
    /// Pitch classes.
    pub num_chroma: usize,
    /// Rows of chroma in front of the text.
    pub chroma_length: usize,
}

impl Config {
    /// Reads and checks the configuration of the model in a directory.
    ///
    /// # Errors
    /// When `config.json` is missing, a file cannot be read, or the model is not one that can be run.
    pub fn open(directory: &Path) -> Result<Self, ConfigError> {
        let model = json(directory.join("config.json"))?;
        let generation = directory.join("generation_config.json");
        let generation = if generation.exists() { json(generation)? } else { Value::Null };
        Self::from_json(&model, &generation)
    }

    /// Checks what stands in `config.json`, and in `generation_config.json` if there is one (otherwise null).
    ///
    /// # Errors
    /// When a field has the wrong type, or a value that is not implemented or that no model can have.
    pub fn from_json(model: &Value, generation: &Value) -> Result<Self, ConfigError> {
        let root = Fields { object: model, path: "" };
        let melody = match root.or("model_type", "musicgen".to_owned())?.as_str() {
            "musicgen" => None,
            "musicgen_melody" => Some(MelodyConfig {
                num_chroma: root.size("num_chroma", 12)?,
                chroma_length: root.size("chroma_length", 235)?,
            }),
            other => {
                return Err(root.unsupported("model_type", other, "\"musicgen\" or \"musicgen_melody\""));
            }
        };
        let text = TextConfig::from_json(root.object("text_encoder", "text_encoder.")?)?;
        let own = root.object("decoder", "decoder.")?;
        let decoder = DecoderConfig::from_json(own)?;
        let generation = Fields { object: generation, path: "generation_config." };
        // The grid is padded and started with one token, the first that no codebook has.
        for (fields, name) in [
            (own, "pad_token_id"),
            (own, "bos_token_id"),
            (generation, "pad_token_id"),
            (generation, "bos_token_id"),
            (generation, "decoder_start_token_id"),
        ] {
            fields.only(name, decoder.vocab_size, "decoder.vocab_size")?;
        }
        own.only("cross_attention_hidden_size", text.d_model, "text_encoder.d_model")?;
        let codec = codec::Config::from_json(root.object("audio_encoder", "audio_encoder.")?.object)?;
        decoder.suits(&codec, own)?;
        Ok(Self { text, decoder, melody, codec })
    }

    /// Whether what its codec makes of a sound are tokens for all of the model's codebooks, so that it can go on from a sound.
    pub fn hears(&self) -> bool {
        self.decoder.num_codebooks == self.codec.encoding_quantizers() * self.decoder.audio_channels
    }

    /// Whether text is projected to the decoder's width, which it is unless the widths are equal.
    pub fn projects_text(&self) -> bool {
        self.text.d_model != self.decoder.hidden_size
    }
}

impl TextConfig {
    fn from_json(fields: Fields<'_>) -> Result<Self, ConfigError> {
        fields.only("model_type", "t5".to_owned(), "\"t5\"")?;
        let config = Self {
            vocab_size: fields.size("vocab_size", 32_128)?,
            d_model: fields.size("d_model", 512)?,
            d_kv: fields.size("d_kv", 64)?,
            d_ff: fields.size("d_ff", 2048)?,
            num_layers: fields.count("num_layers", 6)?,
            num_heads: fields.size("num_heads", 8)?,
            relative_attention_num_buckets: fields.size("relative_attention_num_buckets", 32)?,
            relative_attention_max_distance: fields.size("relative_attention_max_distance", 128)?,
            layer_norm_epsilon: fields.or("layer_norm_epsilon", 1e-6)?,
            feed_forward: match fields.or("feed_forward_proj", "relu".to_owned())?.as_str() {
                "relu" => FeedForward::Relu,
                "gated-gelu" => FeedForward::GatedGelu,
                other => {
                    return Err(fields.unsupported("feed_forward_proj", other, "\"relu\" or \"gated-gelu\""));
                }
            },
        };
        let buckets = config.relative_attention_num_buckets;
        if buckets < 4 || !buckets.is_multiple_of(4) {
            return Err(fields.unsupported("relative_attention_num_buckets", buckets, "a multiple of 4"));
        }
        let distance = config.relative_attention_max_distance;
        if distance <= buckets / 4 {
            let supported = "more than a quarter of relative_attention_num_buckets";
            return Err(fields.unsupported("relative_attention_max_distance", distance, supported));
        }
        Ok(config)
    }
}

impl DecoderConfig {
    fn from_json(fields: Fields<'_>) -> Result<Self, ConfigError> {
        fields.only("activation_function", "gelu".to_owned(), "\"gelu\"")?;
        let config = Self {
            vocab_size: fields.size("vocab_size", 2048)?,
            hidden_size: fields.size("hidden_size", 1024)?,
            num_hidden_layers: fields.count("num_hidden_layers", 24)?,
            ffn_dim: fields.size("ffn_dim", 4096)?,
            num_attention_heads: fields.size("num_attention_heads", 16)?,
            max_position_embeddings: fields.size("max_position_embeddings", 2048)?,
            num_codebooks: fields.count("num_codebooks", 4)?,
            audio_channels: fields.size("audio_channels", 1)?,
        };
        let (width, heads) = (config.hidden_size, config.num_attention_heads);
        if width < 4 || !width.is_multiple_of(2) {
            return Err(fields.unsupported("hidden_size", width, "an even number from 4"));
        }
        if !width.is_multiple_of(heads) {
            return Err(fields.unsupported("num_attention_heads", heads, "a divisor of hidden_size"));
        }
        if config.head_dim() > WIDEST_HEAD {
            let supported = format!("enough for heads of {WIDEST_HEAD} columns at most");
            return Err(fields.unsupported("num_attention_heads", heads, supported));
        }
        if config.audio_channels > 2 {
            return Err(fields.unsupported("audio_channels", config.audio_channels, "1 or 2"));
        }
        if !config.num_codebooks.is_multiple_of(config.audio_channels) {
            return Err(fields.unsupported(
                "num_codebooks",
                config.num_codebooks,
                "a multiple of audio_channels",
            ));
        }
        Ok(config)
    }

    /// Whether the codec knows every token and every codebook of this model.
    fn suits(&self, codec: &codec::Config, fields: Fields<'_>) -> Result<(), ConfigError> {
        let entries = codec.codebook_size();
        if self.vocab_size > entries {
            let supported = format!("at most {entries} (audio_encoder.codebook_size)");
            return Err(fields.unsupported("vocab_size", self.vocab_size, supported));
        }
        let codebooks = codec.quantizers() * self.audio_channels;
        if self.num_codebooks > codebooks {
            let supported =
                format!("at most {codebooks}, for which audio_encoder.target_bandwidths have room");
            return Err(fields.unsupported("num_codebooks", self.num_codebooks, supported));
        }
        Ok(())
    }

    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The token that starts a grid and pads it.
    pub fn pad_token(&self) -> u32 {
        self.vocab_size as u32
    }
}

fn json(file: PathBuf) -> Result<Value, ConfigError> {
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(source) => return Err(ConfigError::Unreadable { file, source }),
    };
    serde_json::from_slice(&bytes).map_err(|source| ConfigError::Json { file, source })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audio::SampleRate;

    #[expect(clippy::needless_pass_by_value, reason = "made at the call")]
    fn read(decoder: Value, generation: &Value) -> Result<Config, ConfigError> {
        let (text, codec) = (json!({"d_model": 768}), json!({"codebook_size": 2048}));
        let model = json!({"text_encoder": text, "audio_encoder": codec, "decoder": decoder});
        Config::from_json(&model, generation)
    }

    #[test]
    fn missing_and_null_fields_have_the_values_of_the_library() {
        let config = read(json!({"hidden_size": null}), &Value::Null).unwrap();
        let DecoderConfig { hidden_size, num_hidden_layers, num_codebooks, .. } = config.decoder;
        assert_eq!((hidden_size, num_hidden_layers, num_codebooks), (1024, 24, 4));
        assert_eq!((config.text.d_model, config.text.num_layers, config.text.d_kv), (768, 6, 64));
        assert_eq!(config.decoder.pad_token(), 2048);
        assert!(config.projects_text() && config.melody.is_none());
        assert_eq!((config.codec.rate(), config.codec.quantizers()), (SampleRate(24_000), 29));
    }

    #[test]
    fn a_sound_is_heard_with_a_token_for_every_codebook() {
        // At its lowest bandwidth this codec has one codebook for each channel.
        for (codebooks, hears) in [(4, false), (1, true)] {
            let config = read(json!({"num_codebooks": codebooks}), &Value::Null).unwrap();
            assert_eq!(config.hears(), hears, "{codebooks}");
        }
    }

    #[test]
    fn what_cannot_run_is_named() {
        let refused = |decoder: Value, generation: Value| read(decoder, &generation).unwrap_err().to_string();
        let none = Value::Null;
        assert_eq!(
            refused(json!({"hidden_size": 514, "num_attention_heads": 2}), none.clone()),
            "decoder.num_attention_heads is 2, but must be enough for heads of 256 columns at most"
        );
        assert_eq!(
            refused(json!({"num_attention_heads": 7}), none.clone()),
            "decoder.num_attention_heads is 7, but must be a divisor of hidden_size"
        );
        assert_eq!(
            refused(json!({"pad_token_id": 7}), none.clone()),
            "decoder.pad_token_id is 7, but must be 2048 (decoder.vocab_size)"
        );
        assert_eq!(
            refused(json!({"vocab_size": 64}), json!({"decoder_start_token_id": 2048})),
            "generation_config.decoder_start_token_id is 2048, but must be 64 (decoder.vocab_size)"
        );
        assert_eq!(
            refused(json!({"ffn_dim": 0}), none.clone()),
            "decoder.ffn_dim is 0, but must be 1 to 1048576"
        );
        assert_eq!(
            refused(json!({"activation_function": "swish"}), none.clone()),
            "decoder.activation_function is swish, but must be \"gelu\""
        );
        assert_eq!(
            refused(json!({"vocab_size": 4096}), none.clone()),
            "decoder.vocab_size is 4096, but must be at most 2048 (audio_encoder.codebook_size)"
        );
        assert_eq!(
            refused(json!({"num_codebooks": 40}), none.clone()),
            "decoder.num_codebooks is 40, but must be at most 29, for which audio_encoder.target_bandwidths have room"
        );
        assert_eq!(
            refused(json!({"ffn_dim": "wide"}), none),
            "decoder.ffn_dim is \"wide\", which is not of the right type"
        );
    }

    #[test]
    fn another_kind_of_model_is_refused() {
        let refused = |model: Value| Config::from_json(&model, &Value::Null).unwrap_err().to_string();
        assert!(refused(json!({"model_type": "bark"})).starts_with("model_type is bark, but must be"));
        assert!(refused(json!({"hidden_size": 8})).starts_with("text_encoder is missing"));
    }
}
