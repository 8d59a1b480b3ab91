//! The T5 encoder: word pieces to a state each.
//!
//! Blocks of attention and feed-forward, each behind a norm without mean. There is no position but the distance between two words,
//! for which every head has a bias; the first block learns them for all. On the processor: it runs once per text.

use std::sync::Arc;

use super::{
    ModelError,
    config::{FeedForward, TextConfig},
    crew::{Crew, with_crew},
    processor::{Matrix, Products, RootNorm, Table, dot, gelu_tanh, softmax},
    tensors::{TEXT, WORDS},
    weights::Weights,
};

/// The encoder with its weights.
#[derive(Debug)]
pub(super) struct T5 {
    config: TextConfig,
    words: Table,
    /// By distance, then by head.
    biases: Vec<f32>,
    blocks: Vec<Block>,
    norm: RootNorm,
}

#[derive(Debug)]
struct Block {
    attention_norm: RootNorm,
    /// Queries, keys and values.
    qkv: Arc<Matrix>,
    attention_out: Arc<Matrix>,
    feed_forward_norm: RootNorm,
    /// With a gate: what it is made of, and what it is multiplied with.
    widen: Arc<Matrix>,
    narrow: Arc<Matrix>,
}

impl T5 {
    pub(super) fn load(weights: &Weights<'_>, config: &TextConfig) -> Result<Self, ModelError> {
        let epsilon = config.layer_norm_epsilon as f32;
        let norm = |name: String| Ok::<_, ModelError>(RootNorm::new(weights.values(&name)?, epsilon));
        let block = |block: usize| {
            let part = |name: &str| format!("{TEXT}.encoder.block.{block}.layer.{name}.weight");
            let matrix = |names: &[&str]| {
                let names: Vec<String> = names.iter().map(|name| part(name)).collect();
                weights.text_matrix(&names)
            };
            Ok::<_, ModelError>(Block {
                attention_norm: norm(part("0.layer_norm"))?,
                qkv: matrix(&["0.SelfAttention.q", "0.SelfAttention.k", "0.SelfAttention.v"])?,
                attention_out: matrix(&["0.SelfAttention.o"])?,
                feed_forward_norm: norm(part("1.layer_norm"))?,
                widen: match config.feed_forward {
                    FeedForward::Relu => matrix(&["1.DenseReluDense.wi"])?,
                    FeedForward::GatedGelu => matrix(&["1.DenseReluDense.wi_0", "1.DenseReluDense.wi_1"])?,
                },
                narrow: matrix(&["1.DenseReluDense.wo"])?,
            })
        };
        let biases = format!("{TEXT}.encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        Ok(Self {
            words: weights.table(WORDS)?,
            biases: weights.values(&biases)?,
            blocks: (0..config.num_layers).map(block).collect::<Result<_, _>>()?,
            norm: norm(format!("{TEXT}.encoder.final_layer_norm.weight"))?,
            config: config.clone(),
        })
    }

    /// The states of word pieces, `[n, d_model]`. Each must be one of the vocabulary.
    pub(super) fn states(&self, ids: &[u32]) -> Vec<f32> {
        with_crew(|crew| self.run(ids, crew))
    }

    fn run(&self, ids: &[u32], crew: &mut Crew<'_>) -> Vec<f32> {
        let TextConfig { d_model, d_ff, .. } = self.config;
        let mut states = vec![0.0; ids.len() * d_model];
        for (state, id) in states.chunks_exact_mut(d_model).zip(ids) {
            self.words.add_to(*id as usize, state);
        }
        let (mut normed, mut products, mut rows) = (Vec::new(), Products::default(), Vec::new());
        for block in &self.blocks {
            block.attention_norm.apply(&states, &mut normed);
            block.qkv.multiply(&normed, &mut products, crew);
            products.write_to(&mut rows);
            block.attention_out.multiply(&self.attend(&rows, ids.len(), crew), &mut products, crew);
            products.add_to(&mut states);
            block.feed_forward_norm.apply(&states, &mut normed);
            block.widen.multiply(&normed, &mut products, crew);
            products.write_to(&mut rows);
            match self.config.feed_forward {
                FeedForward::Relu => rows.iter_mut().for_each(|value| *value = value.max(0.0)),
                FeedForward::GatedGelu => rows = gated(&rows, d_ff),
            }
            block.narrow.multiply(&rows, &mut products, crew);
            products.add_to(&mut states);
        }
        self.norm.apply(&states, &mut normed);
        normed
    }

    /// Attention of all words to all words, head by head; scores are not scaled.
    fn attend(&self, qkv: &[f32], count: usize, crew: &mut Crew<'_>) -> Vec<f32> {
        let TextConfig { num_heads, d_kv, .. } = self.config;
        let inner = num_heads * d_kv;
        let part = |word: usize, part: usize, head: usize| {
            &qkv[word * 3 * inner + part * inner + head * d_kv..][..d_kv]
        };
        let mut attended = vec![0.0; count * inner];
        crew.each_chunk(&mut attended, d_kv, |place, out| {
            let (word, head) = (place / num_heads, place % num_heads);
            let query = part(word, 0, head);
            let score = |other: usize| {
                dot(query, part(other, 1, head)) + self.biases[self.bucket(word, other) * num_heads + head]
            };
            let mut shares: Vec<f32> = (0..count).map(score).collect();
            softmax(&mut shares);
            for (other, share) in shares.iter().enumerate() {
                for (out, value) in out.iter_mut().zip(part(other, 2, head)) {
                    *out += share * value;
                }
            }
        });
        attended
    }

    /// The row of biases for the distance between two words: near distances have one each, further ones share them on a
    /// logarithmic scale, and both directions have their own.
    fn bucket(&self, word: usize, other: usize) -> usize {
        let one_way = self.config.relative_attention_num_buckets / 2;
        let exact = one_way / 2;
        let distance = word.abs_diff(other);
        let bucket = if distance < exact {
            distance
        } else {
            let (near, far) = (exact as f32, self.config.relative_attention_max_distance as f32);
            let share = (distance as f32 / near).ln() / (f64::from(far / near)).ln() as f32;
            (exact + (share * (one_way - exact) as f32) as usize).min(one_way - 1)
        };
        bucket + if other > word { one_way } else { 0 }
    }
}

/// `gelu(first half) * second half` of each row.
fn gated(rows: &[f32], width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len() / 2);
    for row in rows.chunks_exact(2 * width) {
        let (gate, values) = row.split_at(width);
        let mut gate = gate.to_vec();
        gelu_tanh(&mut gate);
        out.extend(gate.iter().zip(values).map(|(gate, value)| gate * value));
    }
    out
}
