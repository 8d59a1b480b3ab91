//! The language model: columns of the grid in, logits of the next column out.
//!
//! Several rows go through it at once, each a branch of some piece with its own past and its own text, at its own position.
//! Every matrix is multiplied once with the columns of all rows, one below the other; only attention looks at one row at a
//! time.

use std::sync::Arc;

use candle_core::{Device, Module, Result, Tensor};
use candle_nn::ops::layer_norm_slow;

use super::{
    ModelError,
    attention::{Memory, causal_mask, split},
    config::DecoderConfig,
    delay::Token,
    position::Positions,
    precision::{Linear, Precision},
    tensors::{DECODER, HEADS},
    weights::{Placement, Weights},
};

/// As the reference has it; no configuration tells it.
const NORM_EPSILON: f32 = 1e-5;

/// The decoder with its weights.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    placement: Placement,
    /// One table per codebook, the last row of each for padding.
    embeddings: Vec<Vec<f32>>,
    positions: Positions,
    layers: Vec<Layer>,
    norm: Norm,
    /// The heads of all codebooks, one below the other.
    heads: Linear,
}

/// What a row is told: a text through cross-attention, or a prefix in front of its columns, or nothing. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// Keys and values of the text in each layer.
    text: Option<Arc<[Memory]>>,
    /// States before the first column, `[n, h]`.
    prefix: Option<Tensor>,
}

/// A row of the batch: one branch of one piece, and what it has heard so far.
#[derive(Debug)]
pub struct Row {
    condition: Condition,
    past: Vec<Memory>,
    /// Positions that it has room for, and those that it has taken. The prefix takes some.
    room: usize,
    taken: usize,
}

/// Columns for a row.
#[derive(Debug)]
pub struct Feed<'a> {
    /// The row.
    pub row: &'a mut Row,
    /// What it hears next, at least one column, each with a token per codebook.
    pub columns: &'a [Vec<Token>],
}

#[derive(Debug)]
struct Layer {
    attention_norm: Norm,
    /// Queries, keys and values.
    qkv: Linear,
    attention_out: Linear,
    /// Only in models that take text this way.
    cross: Option<Cross>,
    feed_forward_norm: Norm,
    widen: Linear,
    narrow: Linear,
}

#[derive(Debug)]
struct Cross {
    norm: Norm,
    queries: Linear,
    keys_values: Linear,
    out: Linear,
}

#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

/// Where the states of a row stand in the batch.
struct Span {
    start: usize,
    count: usize,
    /// Positions that the row had taken before.
    past: usize,
    mask: Option<Tensor>,
}

/// The rows of the batch that have a text, and where their states stand.
struct Texts {
    /// Row and number of states.
    rows: Vec<(Arc<[Memory]>, usize)>,
    /// Their places among the states of all rows; `None` when these are all.
    places: Option<Tensor>,
}

impl Norm {
    fn load(weights: &Weights<'_>, name: &str) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            weight: weights.exact(&format!("{name}.weight"))?,
            bias: weights.exact(&format!("{name}.bias"))?,
        })
    }
}

impl Module for Norm {
    /// Mean first, then the variance around it: candle's fused norm cancels where a channel stands out.
    fn forward(&self, states: &Tensor) -> Result<Tensor> {
        layer_norm_slow(states, &self.weight, &self.bias, NORM_EPSILON)
    }
}

impl Layer {
    fn load(
        weights: &Weights<'_>,
        layer: usize,
        cross_attention: bool,
    ) -> std::result::Result<Self, ModelError> {
        let prefix = format!("{DECODER}.layers.{layer}");
        let matrix = |parts: &[&str]| {
            let names: Vec<String> = parts.iter().map(|part| format!("{prefix}.{part}.weight")).collect();
            weights.matrix(&names)
        };
        let norm = |name: &str| Norm::load(weights, &format!("{prefix}.{name}"));
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

impl Decoder {
    /// Takes its tensors. A decoder has cross-attention unless it is a melody model's.
    pub(super) fn load(
        weights: &Weights<'_>,
        config: &DecoderConfig,
        cross_attention: bool,
    ) -> std::result::Result<Self, ModelError> {
        let width = config.hidden_size;
        let each_codebook = |prefix: String| {
            (0..config.num_codebooks).map(move |codebook| format!("{prefix}.{codebook}.weight"))
        };
        let embeddings = each_codebook(format!("{DECODER}.embed_tokens"))
            .map(|name| weights.table(&name))
            .collect::<std::result::Result<_, _>>()?;
        let stored = weights.optional_table(
            &format!("{DECODER}.embed_positions.weights"),
            &[config.max_position_embeddings, width],
        )?;
        let layers = (0..config.num_hidden_layers)
            .map(|layer| Layer::load(weights, layer, cross_attention))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self {
            config: config.clone(),
            placement: weights.placement().clone(),
            embeddings,
            positions: Positions::new(width, stored.unwrap_or_default()),
            layers,
            norm: Norm::load(weights, &format!("{DECODER}.layer_norm"))?,
            heads: weights.matrix(&each_codebook(HEADS.to_owned()).collect::<Vec<_>>())?,
        })
    }

    /// Its shape.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// A text for rows of this decoder: states of its width, `[n, h]`, one per word piece. Says nothing to a decoder without
    /// cross-attention.
    pub(super) fn text(&self, states: &Tensor) -> Result<Condition> {
        let memory = |cross: &Cross| {
            let keys_values = cross.keys_values.forward(states)?;
            Memory::of(&keys_values, self.config.num_attention_heads, self.placement.precision.dtype())
        };
        let layers = self.layers.iter().filter_map(|layer| layer.cross.as_ref());
        let text: Vec<Memory> = layers.map(memory).collect::<Result<_>>()?;
        Ok(Condition { text: (!text.is_empty()).then(|| text.into()), prefix: None })
    }

    /// A row that has heard nothing yet, with room for so many columns.
    ///
    /// # Errors
    /// When the device has no room for its caches.
    pub fn row(&self, condition: &Condition, columns: usize) -> Result<Row> {
        let DecoderConfig { num_attention_heads: heads, num_hidden_layers: layers, .. } = self.config;
        let Placement { device, precision } = &self.placement;
        let room = columns + condition.prefix_len();
        let memory = |_| Memory::with_room(heads, room, self.config.head_dim(), precision.dtype(), device);
        let past = (0..layers).map(memory).collect::<Result<_>>()?;
        Ok(Row { condition: condition.clone(), past, room, taken: 0 })
    }

    /// Lets each row hear its columns. Returns the logits of the column after them, for each row codebook by codebook.
    ///
    /// # Errors
    /// When a row has not enough room, a column has not one valid token per codebook, or the device fails.
    pub fn forward(&self, feeds: &mut [Feed<'_>]) -> Result<Vec<Vec<f32>>> {
        let (mut states, spans) = self.embed(feeds)?;
        let texts = Texts::of(feeds, &spans, &self.placement.device)?;
        for (layer, weights) in self.layers.iter().enumerate() {
            let normed = weights.attention_norm.forward(&states)?;
            let attended = self.attend(&weights.qkv.forward(&normed)?, layer, feeds, &spans)?;
            states = (states + weights.attention_out.forward(&attended)?)?;
            if let (Some(cross), Some(texts)) = (&weights.cross, &texts) {
                states = self.hear(cross, layer, states, texts)?;
            }
            let normed = weights.feed_forward_norm.forward(&states)?;
            let wide = weights.widen.forward(&normed)?.gelu_erf()?;
            states = (states + weights.narrow.forward(&wide)?)?;
        }
        for (feed, span) in feeds.iter_mut().zip(&spans) {
            feed.row.taken += span.count;
        }
        let last: Vec<u32> = spans.iter().map(|span| (span.start + span.count - 1) as u32).collect();
        let last = Tensor::new(last, &self.placement.device)?;
        let normed = self.norm.forward(&states.index_select(&last, 0)?)?;
        self.heads.forward(&normed)?.to_vec2()
    }

    /// The states of all columns that are fed, with their positions, one row's below the other's.
    fn embed(&self, feeds: &[Feed<'_>]) -> Result<(Tensor, Vec<Span>)> {
        let device = &self.placement.device;
        let mut parts = Vec::new();
        let mut spans = Vec::new();
        let mut start = 0;
        for Feed { row, columns } in feeds {
            let prefix = row.condition.prefix.as_ref().filter(|_| row.taken == 0);
            let before = row.condition.prefix_len() * usize::from(prefix.is_some());
            let (past, count) = (row.taken, before + columns.len());
            if columns.is_empty() || past + count > row.room {
                let room = row.room;
                candle_core::bail!("{count} positions for a row that has taken {past} of {room}");
            }
            let mut values = vec![0.0; count * self.config.hidden_size];
            for (place, state) in values.chunks_exact_mut(self.config.hidden_size).enumerate() {
                if let Some(column) = place.checked_sub(before) {
                    self.embed_column(&columns[column], state)?;
                }
                self.positions.add(past + place, state);
            }
            let states = Tensor::from_vec(values, (count, self.config.hidden_size), device)?;
            parts.push(match prefix {
                Some(prefix) => (states + prefix.pad_with_zeros(0, 0, columns.len())?)?,
                None => states,
            });
            let mask = (count > 1).then(|| causal_mask(past, count, device)).transpose()?;
            spans.push(Span { start, count, past, mask });
            start += count;
        }
        Ok((Tensor::cat(&parts, 0)?, spans))
    }

    /// Adds the embeddings of a column's tokens in the order of the codebooks.
    fn embed_column(&self, column: &[Token], state: &mut [f32]) -> Result<()> {
        if column.len() != self.embeddings.len() {
            candle_core::bail!("a column of {} tokens for {} codebooks", column.len(), self.embeddings.len());
        }
        for (token, table) in column.iter().zip(&self.embeddings) {
            let place = match *token {
                Token::Code(code) if code >= self.config.pad_token() => {
                    candle_core::bail!("token {code} is none of a codebook of {}", self.config.vocab_size)
                }
                Token::Code(code) => code,
                Token::Pad => self.config.pad_token(),
            };
            let embedding = table.chunks_exact(state.len()).nth(place as usize).unwrap_or_default();
            for (value, part) in state.iter_mut().zip(embedding) {
                *value += part;
            }
        }
        Ok(())
    }

    /// Self-attention, each row over its own past and the columns it is fed.
    fn attend(&self, qkv: &Tensor, layer: usize, feeds: &[Feed<'_>], spans: &[Span]) -> Result<Tensor> {
        let qkv = qkv.to_dtype(self.placement.precision.dtype())?;
        let attend = |(feed, span): (&Feed<'_>, &Span)| {
            let own = qkv.narrow(0, span.start, span.count)?;
            let [queries, keys, values] = split(&own, self.config.num_attention_heads)?;
            let past = &feed.row.past[layer];
            past.set(&keys, &values, span.past)?;
            past.first(span.past + span.count)?.attend(&queries, span.mask.as_ref())
        };
        let attended: Vec<Tensor> = feeds.iter().zip(spans).map(attend).collect::<Result<_>>()?;
        Tensor::cat(&attended, 0)
    }

    /// Cross-attention of the rows that have a text. The others are as they were: without a text it would add nothing.
    fn hear(&self, cross: &Cross, layer: usize, states: Tensor, texts: &Texts) -> Result<Tensor> {
        let listening = match &texts.places {
            Some(places) => states.index_select(places, 0)?,
            None => states.clone(),
        };
        let queries = cross.queries.forward(&cross.norm.forward(&listening)?)?;
        let queries = queries.to_dtype(self.placement.precision.dtype())?;
        let mut start = 0;
        let mut heard = Vec::with_capacity(texts.rows.len());
        for (text, count) in &texts.rows {
            let [own] = split(&queries.narrow(0, start, *count)?, self.config.num_attention_heads)?;
            heard.push(text[layer].attend(&own, None)?);
            start += count;
        }
        let heard = cross.out.forward(&Tensor::cat(&heard, 0)?)?;
        match &texts.places {
            Some(places) => states.index_add(places, &heard, 0),
            None => states + heard,
        }
    }
}

impl DecoderConfig {
    /// Bytes of the caches of a row with room for so many positions.
    pub fn row_bytes(&self, positions: usize, precision: Precision) -> u64 {
        let values = 2 * self.num_hidden_layers * self.hidden_size * positions;
        (values * precision.dtype().size_in_bytes()) as u64
    }
}

impl Condition {
    /// States in front of the first column, `[n, h]`.
    pub(super) fn prefixed(states: Tensor) -> Self {
        Self { text: None, prefix: Some(states) }
    }

    /// Positions that come before the first column.
    pub fn prefix_len(&self) -> usize {
        self.prefix.as_ref().map_or(0, |prefix| prefix.dims()[0])
    }
}

impl Texts {
    fn of(feeds: &[Feed<'_>], spans: &[Span], device: &Device) -> Result<Option<Self>> {
        let mut rows = Vec::new();
        let mut places = Vec::new();
        for (feed, span) in feeds.iter().zip(spans) {
            if let Some(text) = &feed.row.condition.text {
                rows.push((Arc::clone(text), span.count));
                places.extend((span.start..span.start + span.count).map(|place| place as u32));
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let places = (rows.len() < feeds.len()).then(|| Tensor::new(places, device)).transpose()?;
        Ok(Some(Self { rows, places }))
    }
}
