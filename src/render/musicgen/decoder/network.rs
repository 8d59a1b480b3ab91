//! What a decoder is made of, whatever its matrices are kept as.

use super::super::{
    ModelError,
    config::DecoderConfig,
    tensors::{DECODER, HEADS},
};

type Result<T> = std::result::Result<T, ModelError>;

/// All layers, and the heads behind them, of matrices `M` and norms `N`.
#[derive(Debug)]
pub(super) struct Network<M, N> {
    pub(super) layers: Vec<Layer<M, N>>,
    pub(super) norm: N,
    /// The heads of all codebooks, one below the other.
    pub(super) heads: M,
}

#[derive(Debug)]
pub(super) struct Layer<M, N> {
    pub(super) attention_norm: N,
    /// Queries, keys and values.
    pub(super) qkv: M,
    pub(super) attention_out: M,
    /// Only in models that take text this way.
    pub(super) cross: Option<Cross<M, N>>,
    pub(super) feed_forward_norm: N,
    pub(super) widen: M,
    pub(super) narrow: M,
}

#[derive(Debug)]
pub(super) struct Cross<M, N> {
    pub(super) norm: N,
    pub(super) queries: M,
    pub(super) keys_values: M,
    pub(super) out: M,
}

/// Gives the parts of a network by the names of their tensors.
pub(super) trait Parts<M, N> {
    /// Matrices of equal width, one below the other, as one.
    fn matrix(&self, names: &[String]) -> Result<M>;

    /// The norm whose weight and bias stand under a name.
    fn norm(&self, name: &str) -> Result<N>;
}

impl<M, N> Network<M, N> {
    /// Takes all parts. There is cross-attention unless it is a melody model.
    pub(super) fn load(
        parts: &impl Parts<M, N>,
        config: &DecoderConfig,
        cross_attention: bool,
    ) -> Result<Self> {
        let layers = 0..config.num_hidden_layers;
        let heads = (0..config.num_codebooks).map(|codebook| format!("{HEADS}.{codebook}.weight"));
        Ok(Self {
            layers: layers.map(|layer| Layer::load(parts, layer, cross_attention)).collect::<Result<_>>()?,
            norm: parts.norm(&format!("{DECODER}.layer_norm"))?,
            heads: parts.matrix(&heads.collect::<Vec<_>>())?,
        })
    }
}

impl<M, N> Layer<M, N> {
    fn load(parts: &impl Parts<M, N>, layer: usize, cross_attention: bool) -> Result<Self> {
        let prefix = format!("{DECODER}.layers.{layer}");
        let matrix = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| format!("{prefix}.{name}.weight")).collect();
            parts.matrix(&names)
        };
        let norm = |name: &str| parts.norm(&format!("{prefix}.{name}"));
        let cross = || {
            Ok::<_, ModelError>(Cross {
                norm: norm("encoder_attn_layer_norm")?,
                queries: matrix(&["encoder_attn.q_proj"])?,
                keys_values: matrix(&["encoder_attn.k_proj", "encoder_attn.v_proj"])?,
                out: matrix(&["encoder_attn.out_proj"])?,
            })
        };
        Ok(Self {
            attention_norm: norm("self_attn_layer_norm")?,
            qkv: matrix(&["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"])?,
            attention_out: matrix(&["self_attn.out_proj"])?,
            cross: cross_attention.then(cross).transpose()?,
            feed_forward_norm: norm("final_layer_norm")?,
            widen: matrix(&["fc1"])?,
            narrow: matrix(&["fc2"])?,
        })
    }
}
