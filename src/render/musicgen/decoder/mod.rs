//! The language model: columns of the grid in, logits of the next column out.
//!
//! Several rows go through it at once, each a branch of some piece with its own past and its own text, at its own position.
//! Every matrix is multiplied once with the columns of all rows, one below the other; only attention looks at one row at a
//! time.

use std::sync::Arc;

use candle_core::Result;

use super::{
    ModelError,
    config::DecoderConfig,
    delay::Token,
    precision::{Kernels, Precision},
    processor::{Cache, Table},
    tensors::DECODER,
    weights::Weights,
};

mod attention;
mod network;
mod on_device;
mod on_processor;
mod position;

use attention::Memory;
use on_device::OnDevice;
use on_processor::OnProcessor;
use position::Positions;

/// The decoder with its weights.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    /// One table per codebook, the last row of each for padding.
    embeddings: Vec<Table>,
    positions: Positions,
    body: Body,
}

#[derive(Debug)]
enum Body {
    OnDevice(OnDevice),
    OnProcessor(OnProcessor),
}

/// What a row is told: a text through cross-attention, or a prefix in front of its columns, or nothing. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    text: Option<Text>,
    /// States before the first column, `[n, h]`.
    prefix: Option<Arc<[f32]>>,
    prefix_len: usize,
}

/// Keys and values of a text in each layer.
#[derive(Clone, Debug)]
enum Text {
    OnDevice(Arc<[Memory]>),
    OnProcessor { caches: Arc<[Cache]>, positions: usize },
}

/// A row of the batch: one branch of one piece, and what it has heard so far.
#[derive(Debug)]
pub struct Row {
    condition: Condition,
    past: Past,
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

/// Keys and values of a row in each layer.
#[derive(Debug)]
enum Past {
    OnDevice(Vec<Memory>),
    OnProcessor(Vec<Cache>),
}

/// Where the states of a row stand in the batch.
struct Span {
    start: usize,
    count: usize,
    /// Positions that the row had taken before.
    past: usize,
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
        let stored = weights.optional_values(
            &format!("{DECODER}.embed_positions.weights"),
            &[config.max_position_embeddings, width],
        )?;
        let body = match weights.placement().kernels {
            Kernels::Own => Body::OnProcessor(OnProcessor::load(weights, config, cross_attention)?),
            Kernels::Candle => Body::OnDevice(OnDevice::load(weights, config, cross_attention)?),
        };
        Ok(Self {
            config: config.clone(),
            embeddings,
            positions: Positions::new(width, stored.unwrap_or_default()),
            body,
        })
    }

    /// One of this shape that plays nothing, with cross-attention: to measure how fast it would be on the processor.
    pub(super) fn of_noise(config: &DecoderConfig, precision: Precision) -> Self {
        let table = |_| {
            let values = vec![0.02; (config.vocab_size + 1) * config.hidden_size];
            Table::new(values, config.hidden_size, precision)
        };
        Self {
            config: config.clone(),
            embeddings: (0..config.num_codebooks).map(table).collect(),
            positions: Positions::new(config.hidden_size, Vec::new()),
            body: Body::OnProcessor(OnProcessor::of_noise(config, precision)),
        }
    }

    /// Its shape.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// A text for rows of this decoder: states of its width, `[n, h]`, one per word piece. Says nothing to a decoder without
    /// cross-attention.
    pub(super) fn text(&self, states: Vec<f32>) -> Result<Condition> {
        let text = match &self.body {
            Body::OnDevice(body) => {
                let layers = body.text(states)?;
                (!layers.is_empty()).then(|| Text::OnDevice(layers.into()))
            }
            Body::OnProcessor(body) => {
                let positions = states.len() / self.config.hidden_size;
                let caches = body.text(&states);
                (!caches.is_empty()).then(|| Text::OnProcessor { caches: caches.into(), positions })
            }
        };
        Ok(Condition { text, ..Condition::default() })
    }

    /// A row that has heard nothing yet, with room for so many columns.
    ///
    /// # Errors
    /// When the device has no room for its caches.
    pub fn row(&self, condition: &Condition, columns: usize) -> Result<Row> {
        let room = columns + condition.prefix_len;
        let past = match &self.body {
            Body::OnDevice(body) => Past::OnDevice(body.past(room)?),
            Body::OnProcessor(body) => Past::OnProcessor(body.past(room)),
        };
        Ok(Row { condition: condition.clone(), past, room, taken: 0 })
    }

    /// A row as if it had heard so many columns, of so many that it has room for.
    ///
    /// # Errors
    /// As [`Decoder::row`].
    pub(super) fn row_from(&self, condition: &Condition, taken: usize, columns: usize) -> Result<Row> {
        let mut row = self.row(condition, columns)?;
        let (keys, values) = (vec![0.1; self.config.hidden_size], vec![0.1; self.config.hidden_size]);
        for cache in row.past.on_processor()? {
            for position in 0..taken {
                cache.set(position, &keys, &values);
            }
        }
        row.taken = taken;
        Ok(row)
    }

    /// Lets each row hear its columns. Returns the logits of the column after them, for each row codebook by codebook.
    ///
    /// # Errors
    /// When a row has not enough room, a column has not one valid token per codebook, or the device fails.
    pub fn forward(&self, feeds: &mut [Feed<'_>]) -> Result<Vec<Vec<f32>>> {
        if feeds.is_empty() {
            return Ok(Vec::new());
        }
        let (states, spans) = self.embed(feeds)?;
        let logits = match &self.body {
            Body::OnDevice(body) => body.forward(states, feeds, &spans)?,
            Body::OnProcessor(body) => body.forward(states, feeds, &spans)?,
        };
        for (feed, span) in feeds.iter_mut().zip(&spans) {
            feed.row.taken += span.count;
        }
        Ok(logits)
    }

    /// The states of all columns that are fed, with their positions, one row's below the other's.
    fn embed(&self, feeds: &[Feed<'_>]) -> Result<(Vec<f32>, Vec<Span>)> {
        let width = self.config.hidden_size;
        let mut states = Vec::new();
        let mut spans = Vec::new();
        for Feed { row, columns } in feeds {
            let prefix = row.condition.prefix.as_deref().filter(|_| row.taken == 0).unwrap_or_default();
            let (past, count) = (row.taken, prefix.len() / width + columns.len());
            if columns.is_empty() || past + count > row.room {
                let room = row.room;
                candle_core::bail!("{count} positions for a row that has taken {past} of {room}");
            }
            let start = states.len();
            states.extend_from_slice(prefix);
            for column in *columns {
                let at = states.len();
                states.resize(at + width, 0.0);
                self.embed_column(column, &mut states[at..])?;
            }
            for (place, state) in states[start..].chunks_exact_mut(width).enumerate() {
                self.positions.add(past + place, state);
            }
            spans.push(Span { start: start / width, count, past });
        }
        Ok((states, spans))
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
            table.add_to(place as usize, state);
        }
        Ok(())
    }
}

impl DecoderConfig {
    /// Bytes of the caches of a row with room for so many positions.
    pub fn row_bytes(&self, positions: usize, precision: Precision, kernels: Kernels) -> u64 {
        let (heads, head_dim) = (self.num_attention_heads, self.head_dim());
        let each = match kernels {
            Kernels::Own => Cache::position_bytes(heads, head_dim, precision),
            Kernels::Candle => (2 * heads * head_dim * precision.dtype().size_in_bytes()) as u64,
        };
        (self.num_hidden_layers * positions) as u64 * each
    }
}

impl Row {
    /// Forgets what it has heard after so many positions, prefix included.
    pub(super) fn back_to(&mut self, taken: usize) {
        self.taken = self.taken.min(taken);
    }
}

impl Condition {
    /// States in front of the first column, `[n, width]`.
    pub(super) fn prefixed(states: Vec<f32>, width: usize) -> Self {
        Self { text: None, prefix_len: states.len() / width, prefix: Some(states.into()) }
    }

    /// Positions that come before the first column.
    pub fn prefix_len(&self) -> usize {
        self.prefix_len
    }
}

impl Past {
    /// What a layer of a network on a device remembers.
    fn on_device(&self, layer: usize) -> Result<&Memory> {
        match self {
            Self::OnDevice(layers) => Ok(&layers[layer]),
            Self::OnProcessor(_) => Err(foreign()),
        }
    }

    /// What the layers of a network on the processor remember.
    fn on_processor(&mut self) -> Result<&mut [Cache]> {
        match self {
            Self::OnProcessor(layers) => Ok(layers),
            Self::OnDevice(_) => Err(foreign()),
        }
    }
}

fn foreign() -> candle_core::Error {
    candle_core::Error::msg("a row of another decoder")
}
