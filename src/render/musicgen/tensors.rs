//! Which tensors a model of a configuration has: their names in `transformers`, and their shapes.

use super::{
    checkpoint::Checkpoint,
    config::{Config, DecoderConfig, FeedForward, TextConfig},
    precision::{Kernels, Precision},
    processor::Table,
};

/// Where the parts of the composite stand.
pub(super) const TEXT: &str = "text_encoder";
pub(super) const DECODER: &str = "decoder.model.decoder";
pub(super) const HEADS: &str = "decoder.lm_heads";
pub(super) const TEXT_PROJECTION: &str = "enc_to_dec_proj";
pub(super) const CHROMA_PROJECTION: &str = "audio_enc_to_dec_proj";
pub(super) const CODEC: &str = "audio_encoder";

/// T5's word embeddings, and their name in checkpoints that were saved without the first.
pub(super) const WORDS: &str = "text_encoder.shared.weight";
const WORDS_OF_ENCODER: &str = "text_encoder.encoder.embed_tokens.weight";

/// A tensor that a model must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How it is kept.
    pub kept: Kept,
}

/// How a tensor is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// At the precision that is asked for.
    Matrix,
    /// On the processor, once per text: in f32 or in f16.
    TextMatrix,
    /// As [`Kept::TextMatrix`], but of which single rows are looked up.
    Table,
    /// As f32.
    Exact,
}

impl Wanted {
    /// Its bytes in memory.
    pub fn bytes(&self, precision: Precision, kernels: Kernels) -> u64 {
        let columns = self.shape.last().copied().unwrap_or(1);
        let rows = self.shape.iter().rev().skip(1).product();
        match self.kept {
            Kept::Matrix => precision.matrix_bytes(rows, columns, kernels),
            Kept::TextMatrix => of_text(precision, kernels).matrix_bytes(rows, columns, Kernels::Own),
            Kept::Table => (rows * columns) as u64 * Table::value_bytes(of_text(precision, kernels)),
            Kept::Exact => Precision::F32.matrix_bytes(rows, columns, kernels),
        }
    }
}

/// The precision of what runs on the processor wherever the decoder does, once per text. T5's scores are not scaled, so that small
/// errors grow: 8 bits would be too few.
pub(super) fn of_text(precision: Precision, kernels: Kernels) -> Precision {
    match (kernels, precision) {
        (Kernels::Candle, _) | (Kernels::Own, Precision::F32) => Precision::F32,
        (Kernels::Own, _) => Precision::F16,
    }
}

/// All tensors of text encoder, projections and decoder, in the order in which they are read. Those of the codec are its own
/// business; stored positions are optional and not among these.
pub fn tensors(config: &Config) -> Vec<Wanted> {
    let mut list = List(Vec::new());
    list.text(&config.text);
    let width = config.decoder.hidden_size;
    let mut project = |name: &str, from: usize| {
        list.push(Kept::TextMatrix, format!("{name}.weight"), &[width, from]);
        list.push(Kept::Exact, format!("{name}.bias"), &[width]);
    };
    if config.projects_text() {
        project(TEXT_PROJECTION, config.text.d_model);
    }
    if let Some(melody) = config.melody
        && melody.num_chroma != width
    {
        project(CHROMA_PROJECTION, melody.num_chroma);
    }
    list.decoder(&config.decoder, config.melody.is_none());
    list.0
}

/// The name under which a checkpoint has a tensor.
pub(super) fn stored_name<'a>(checkpoint: &Checkpoint, name: &'a str) -> &'a str {
    if name == WORDS && !checkpoint.has(WORDS) && checkpoint.has(WORDS_OF_ENCODER) {
        WORDS_OF_ENCODER
    } else {
        name
    }
}

struct List(Vec<Wanted>);

impl List {
    fn push(&mut self, kept: Kept, name: String, shape: &[usize]) {
        self.0.push(Wanted { name, shape: shape.to_owned(), kept });
    }

    fn text(&mut self, config: &TextConfig) {
        let (width, inner, wide) = (config.d_model, config.num_heads * config.d_kv, config.d_ff);
        self.push(Kept::Table, WORDS.to_owned(), &[config.vocab_size, width]);
        for block in 0..config.num_layers {
            let mut push = |name: &str, shape: &[usize]| {
                let kept = if name.ends_with("norm") || name.ends_with("bias") {
                    Kept::Exact
                } else {
                    Kept::TextMatrix
                };
                self.push(kept, format!("{TEXT}.encoder.block.{block}.layer.{name}.weight"), shape);
            };
            push("0.SelfAttention.q", &[inner, width]);
            push("0.SelfAttention.k", &[inner, width]);
            push("0.SelfAttention.v", &[inner, width]);
            push("0.SelfAttention.o", &[width, inner]);
            if block == 0 {
                let biases = [config.relative_attention_num_buckets, config.num_heads];
                push("0.SelfAttention.relative_attention_bias", &biases);
            }
            push("0.layer_norm", &[width]);
            match config.feed_forward {
                FeedForward::Relu => push("1.DenseReluDense.wi", &[wide, width]),
                FeedForward::GatedGelu => {
                    push("1.DenseReluDense.wi_0", &[wide, width]);
                    push("1.DenseReluDense.wi_1", &[wide, width]);
                }
            }
            push("1.DenseReluDense.wo", &[width, wide]);
            push("1.layer_norm", &[width]);
        }
        self.push(Kept::Exact, format!("{TEXT}.encoder.final_layer_norm.weight"), &[width]);
    }

    fn decoder(&mut self, config: &DecoderConfig, cross_attention: bool) {
        let (width, wide) = (config.hidden_size, config.ffn_dim);
        for codebook in 0..config.num_codebooks {
            let name = format!("{DECODER}.embed_tokens.{codebook}.weight");
            self.push(Kept::Table, name, &[config.vocab_size + 1, width]);
        }
        for layer in 0..config.num_hidden_layers {
            let prefix = format!("{DECODER}.layers.{layer}");
            self.attention(&format!("{prefix}.self_attn"), width);
            if cross_attention {
                self.attention(&format!("{prefix}.encoder_attn"), width);
            }
            self.push(Kept::Matrix, format!("{prefix}.fc1.weight"), &[wide, width]);
            self.push(Kept::Matrix, format!("{prefix}.fc2.weight"), &[width, wide]);
            self.norm(&format!("{prefix}.final_layer_norm"), width);
        }
        self.norm(&format!("{DECODER}.layer_norm"), width);
        for codebook in 0..config.num_codebooks {
            let shape = [config.vocab_size, width];
            self.push(Kept::Matrix, format!("{HEADS}.{codebook}.weight"), &shape);
        }
    }

    /// An attention block and the norm before it.
    fn attention(&mut self, name: &str, width: usize) {
        self.norm(&format!("{name}_layer_norm"), width);
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            self.push(Kept::Matrix, format!("{name}.{part}.weight"), &[width, width]);
        }
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.push(Kept::Exact, format!("{name}.weight"), &[width]);
        self.push(Kept::Exact, format!("{name}.bias"), &[width]);
    }
}
