//! The network on plain slices, on the processor.

use std::{iter, sync::Arc};

use candle_core::Result;

use crate::audio::Random;

use super::{
    super::{
        ModelError,
        config::DecoderConfig,
        crew::{Crew, with_crew},
        precision::Precision,
        processor::{Attention, Cache, Matrix, Norm, Products, gelu},
        weights::Weights,
    },
    Feed, Row, Span, Text,
    network::{Cross, Layer, Network, Parts},
};

/// A network whose states are slices: `[n, h]`, row by row.
#[derive(Debug)]
pub(super) struct OnProcessor {
    network: Network<Arc<Matrix>, Norm>,
    precision: Precision,
    num_heads: usize,
    head_dim: usize,
}

impl Parts<Arc<Matrix>, Norm> for Weights<'_> {
    fn matrix(&self, names: &[String]) -> std::result::Result<Arc<Matrix>, ModelError> {
        self.packed(names)
    }

    fn norm(&self, name: &str) -> std::result::Result<Norm, ModelError> {
        Ok(Norm::new(self.values(&format!("{name}.weight"))?, self.values(&format!("{name}.bias"))?))
    }
}

/// Values of which a thread takes the GELU at a time: a microsecond of work.
const GELU_AT_ONCE: usize = 1024;

/// What is worked on in a step; kept from layer to layer.
#[derive(Default)]
struct Work {
    normed: Vec<f32>,
    products: Products,
    rows: Vec<f32>,
    attended: Vec<f32>,
}

/// What one state attends to: a cache, and how many positions of it.
type Scope<'a> = (&'a Cache, usize);

/// A row as the layers see it.
struct Heard<'a> {
    past: &'a mut [Cache],
    /// Of each layer with cross-attention, and its positions.
    text: Option<(&'a [Cache], usize)>,
    span: &'a Span,
}

impl Heard<'_> {
    /// Takes keys and values out of the products of all states, queries in front of them.
    fn remember(&mut self, layer: usize, products: &[f32], width: usize) {
        let own = products.chunks_exact(3 * width).skip(self.span.start).take(self.span.count);
        for (place, product) in own.enumerate() {
            let (keys, values) = product[width..].split_at(width);
            self.past[layer].set(self.span.past + place, keys, values);
        }
    }

    /// What its states attend to: each one its own position and all before.
    fn own_past(&self, layer: usize) -> impl Iterator<Item = Scope<'_>> {
        (1..=self.span.count).map(move |count| (&self.past[layer], self.span.past + count))
    }
}

impl OnProcessor {
    pub(super) fn load(
        weights: &Weights<'_>,
        config: &DecoderConfig,
        cross_attention: bool,
    ) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            network: Network::load(weights, config, cross_attention)?,
            precision: weights.placement().precision,
            num_heads: config.num_attention_heads,
            head_dim: config.head_dim(),
        })
    }

    /// One whose weights are noise.
    pub(super) fn of_noise(config: &DecoderConfig, precision: Precision) -> Self {
        let mut random = Random::new(1);
        let (width, wide) = (config.hidden_size, config.ffn_dim);
        let largest = width * wide.max(3 * width).max(config.num_codebooks * config.vocab_size);
        let noise: Vec<f32> = (0..largest).map(|_| random.bipolar() * 0.05).collect();
        let matrix =
            |outs: usize, ins: usize| Arc::new(Matrix::new(&noise[..outs * ins], outs, ins, precision));
        let norm = || Norm::new(vec![1.0; width], vec![0.0; width]);
        let layer = |_| Layer {
            attention_norm: norm(),
            qkv: matrix(3 * width, width),
            attention_out: matrix(width, width),
            cross: Some(Cross {
                norm: norm(),
                queries: matrix(width, width),
                keys_values: matrix(2 * width, width),
                out: matrix(width, width),
            }),
            feed_forward_norm: norm(),
            widen: matrix(wide, width),
            narrow: matrix(width, wide),
        };
        Self {
            network: Network {
                layers: (0..config.num_hidden_layers).map(layer).collect(),
                norm: norm(),
                heads: matrix(config.num_codebooks * config.vocab_size, width),
            },
            precision,
            num_heads: config.num_attention_heads,
            head_dim: config.head_dim(),
        }
    }

    /// What the layers remember of a text, `[n, h]`; empty without cross-attention.
    pub(super) fn text(&self, states: &[f32]) -> Vec<Cache> {
        let width = self.width();
        let remember = |cross: &Cross<Arc<Matrix>, Norm>| {
            let (mut products, mut rows) = (Products::default(), Vec::new());
            with_crew(|crew| cross.keys_values.multiply(states, &mut products, crew));
            products.write_to(&mut rows);
            let mut cache = self.cache(states.len() / width);
            for (position, row) in rows.chunks_exact(2 * width).enumerate() {
                let (keys, values) = row.split_at(width);
                cache.set(position, keys, values);
            }
            cache
        };
        self.network.layers.iter().filter_map(|layer| layer.cross.as_ref()).map(remember).collect()
    }

    /// Caches with room for so many positions.
    pub(super) fn past(&self, room: usize) -> Vec<Cache> {
        self.network.layers.iter().map(|_| self.cache(room)).collect()
    }

    fn cache(&self, room: usize) -> Cache {
        Cache::with_room(self.num_heads, self.head_dim, room, self.precision)
    }

    fn width(&self) -> usize {
        self.num_heads * self.head_dim
    }

    /// From the states of all columns to the logits behind the last column of each row.
    ///
    /// # Errors
    /// When a row is of a network elsewhere.
    pub(super) fn forward(
        &self,
        states: Vec<f32>,
        feeds: &mut [Feed<'_>],
        spans: &[Span],
    ) -> Result<Vec<Vec<f32>>> {
        let mut heard = Vec::with_capacity(feeds.len());
        for (feed, span) in feeds.iter_mut().zip(spans) {
            let Row { condition, past, .. } = &mut *feed.row;
            let text = match &condition.text {
                Some(Text::OnProcessor { caches, positions }) => Some((&**caches, *positions)),
                _ => None,
            };
            heard.push(Heard { past: past.on_processor()?, text, span });
        }
        Ok(with_crew(|crew| self.run(states, &mut heard, crew)))
    }

    fn run(&self, mut states: Vec<f32>, rows: &mut [Heard<'_>], crew: &mut Crew<'_>) -> Vec<Vec<f32>> {
        let width = self.width();
        let mut work = Work::default();
        for (layer, weights) in self.network.layers.iter().enumerate() {
            weights.attention_norm.apply(&states, &mut work.normed);
            weights.qkv.multiply(&work.normed, &mut work.products, crew);
            work.products.write_to(&mut work.rows);
            crew.each_chunk(rows, 1, |_, rows| {
                for row in rows {
                    row.remember(layer, &work.rows, width);
                }
            });
            let scopes: Vec<Scope<'_>> = rows.iter().flat_map(|row| row.own_past(layer)).collect();
            self.attend(&work.rows, 3 * width, &scopes, &mut work.attended, crew);
            weights.attention_out.multiply(&work.attended, &mut work.products, crew);
            work.products.add_to(&mut states);
            if let Some(cross) = &weights.cross {
                self.hear(cross, layer, &mut states, rows, &mut work, crew);
            }
            weights.feed_forward_norm.apply(&states, &mut work.normed);
            weights.widen.multiply(&work.normed, &mut work.products, crew);
            work.products.write_to(&mut work.rows);
            crew.each_chunk(&mut work.rows, GELU_AT_ONCE, |_, values| gelu(values));
            weights.narrow.multiply(&work.rows, &mut work.products, crew);
            work.products.add_to(&mut states);
        }
        let last = rows.iter().map(|row| row.span.start + row.span.count - 1);
        let last: Vec<f32> = last.flat_map(|place| &states[place * width..][..width]).copied().collect();
        self.network.norm.apply(&last, &mut work.normed);
        self.network.heads.multiply(&work.normed, &mut work.products, crew);
        work.products.write_to(&mut work.rows);
        work.rows.chunks_exact(work.rows.len() / rows.len()).map(<[f32]>::to_vec).collect()
    }

    /// Cross-attention of the rows that have a text. The others are as they were: without a text it would add nothing.
    fn hear(
        &self,
        cross: &Cross<Arc<Matrix>, Norm>,
        layer: usize,
        states: &mut [f32],
        rows: &[Heard<'_>],
        work: &mut Work,
        crew: &mut Crew<'_>,
    ) {
        let width = self.width();
        let mut scopes: Vec<Scope<'_>> = Vec::new();
        let mut listening = Vec::new();
        for Heard { text, span, .. } in rows {
            if let Some((caches, positions)) = text {
                scopes.extend(iter::repeat_n((&caches[layer], *positions), span.count));
                listening.push(span.start * width..(span.start + span.count) * width);
            }
        }
        if listening.is_empty() {
            return;
        }
        let mut heard: Vec<f32> =
            listening.iter().flat_map(|range| &states[range.clone()]).copied().collect();
        cross.norm.apply(&heard, &mut work.normed);
        cross.queries.multiply(&work.normed, &mut work.products, crew);
        work.products.write_to(&mut work.rows);
        self.attend(&work.rows, width, &scopes, &mut work.attended, crew);
        cross.out.multiply(&work.attended, &mut work.products, crew);
        work.products.add_to(&mut heard);
        let mut heard = heard.as_slice();
        for range in listening {
            let (own, rest) = heard.split_at(range.len());
            states[range].copy_from_slice(own);
            heard = rest;
        }
    }

    /// What each state finds in its scope. Its query starts every `stride` values.
    fn attend(
        &self,
        queries: &[f32],
        stride: usize,
        scopes: &[Scope<'_>],
        attended: &mut Vec<f32>,
        crew: &mut Crew<'_>,
    ) {
        attended.resize(scopes.len() * self.width(), 0.0);
        // Each is some microseconds of work.
        let together = (self.num_heads / 4).max(1);
        crew.each_chunk(attended, together * self.head_dim, |part, out| {
            let mut work = Attention::default();
            for (at, out) in out.chunks_mut(self.head_dim).enumerate() {
                let place = part * together + at;
                let (state, head) = (place / self.num_heads, place % self.num_heads);
                let query = &queries[state * stride + head * self.head_dim..][..self.head_dim];
                let (cache, positions) = scopes[state];
                cache.attend(head, positions, query, &mut work, out);
            }
        });
    }
}
