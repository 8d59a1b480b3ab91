//! The network as tensors, on any device that candle computes on.

use std::sync::Arc;

use candle_core::{Device, Module, Result, Tensor};
use candle_nn::ops::layer_norm_slow;

use super::{
    super::{
        ModelError,
        config::DecoderConfig,
        precision::Linear,
        processor::NORM_EPSILON,
        weights::{Placement, Weights},
    },
    Feed, Span, Text,
    attention::{Memory, causal_mask, split},
    network::{Cross, Network, Parts},
};

/// A network whose states are tensors.
#[derive(Debug)]
pub(super) struct OnDevice {
    network: Network<Linear, Norm>,
    placement: Placement,
    num_heads: usize,
    head_dim: usize,
}

#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

/// The rows of the batch that have a text, and where their states stand.
struct Texts {
    /// Row and number of states.
    rows: Vec<(Arc<[Memory]>, usize)>,
    /// Their places among the states of all rows; `None` when these are all.
    places: Option<Tensor>,
}

impl Parts<Linear, Norm> for Weights<'_> {
    fn matrix(&self, names: &[String]) -> std::result::Result<Linear, ModelError> {
        self.linear(names)
    }

    fn norm(&self, name: &str) -> std::result::Result<Norm, ModelError> {
        Ok(Norm {
            weight: self.exact(&format!("{name}.weight"))?,
            bias: self.exact(&format!("{name}.bias"))?,
        })
    }
}

impl Module for Norm {
    /// Mean first, then the variance around it: candle's fused norm cancels where a channel stands out.
    fn forward(&self, states: &Tensor) -> Result<Tensor> {
        layer_norm_slow(states, &self.weight, &self.bias, NORM_EPSILON)
    }
}

impl OnDevice {
    pub(super) fn load(
        weights: &Weights<'_>,
        config: &DecoderConfig,
        cross_attention: bool,
    ) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            network: Network::load(weights, config, cross_attention)?,
            placement: weights.placement().clone(),
            num_heads: config.num_attention_heads,
            head_dim: config.head_dim(),
        })
    }

    /// What the layers remember of a text, `[n, h]`; empty without cross-attention.
    pub(super) fn text(&self, states: Vec<f32>) -> Result<Vec<Memory>> {
        let states = Tensor::from_vec(states, ((), self.num_heads * self.head_dim), &self.placement.device)?;
        let layers = self.network.layers.iter().filter_map(|layer| layer.cross.as_ref());
        let memory = |cross: &Cross<Linear, Norm>| {
            let keys_values = cross.keys_values.forward(&states)?;
            Memory::of(&keys_values, self.num_heads, self.placement.precision.dtype())
        };
        layers.map(memory).collect()
    }

    /// Caches with room for so many positions.
    pub(super) fn past(&self, room: usize) -> Result<Vec<Memory>> {
        let Placement { device, precision, .. } = &self.placement;
        let memory = |_| Memory::with_room(self.num_heads, room, self.head_dim, precision.dtype(), device);
        self.network.layers.iter().map(memory).collect()
    }

    /// From the states of all columns, `[n, h]`, to the logits behind the last column of each row.
    pub(super) fn forward(
        &self,
        states: Vec<f32>,
        feeds: &[Feed<'_>],
        spans: &[Span],
    ) -> Result<Vec<Vec<f32>>> {
        let device = &self.placement.device;
        let width = self.num_heads * self.head_dim;
        let mut states = Tensor::from_vec(states, ((), width), device)?;
        let texts = Texts::of(feeds, spans, device)?;
        let mask =
            |span: &Span| (span.count > 1).then(|| causal_mask(span.past, span.count, device)).transpose();
        let masks: Vec<Option<Tensor>> = spans.iter().map(mask).collect::<Result<_>>()?;
        for (layer, weights) in self.network.layers.iter().enumerate() {
            let normed = weights.attention_norm.forward(&states)?;
            let qkv = weights.qkv.forward(&normed)?;
            let attended = self.attend(&qkv, layer, feeds, spans, &masks)?;
            states = (states + weights.attention_out.forward(&attended)?)?;
            if let (Some(cross), Some(texts)) = (&weights.cross, &texts) {
                states = self.hear(cross, layer, states, texts)?;
            }
            let normed = weights.feed_forward_norm.forward(&states)?;
            let wide = weights.widen.forward(&normed)?.gelu_erf()?;
            states = (states + weights.narrow.forward(&wide)?)?;
        }
        let last: Vec<u32> = spans.iter().map(|span| (span.start + span.count - 1) as u32).collect();
        let last = Tensor::new(last, device)?;
        let normed = self.network.norm.forward(&states.index_select(&last, 0)?)?;
        self.network.heads.forward(&normed)?.to_vec2()
    }

    /// Self-attention, each row over its own past and the columns it is fed.
    fn attend(
        &self,
        qkv: &Tensor,
        layer: usize,
        feeds: &[Feed<'_>],
        spans: &[Span],
        masks: &[Option<Tensor>],
    ) -> Result<Tensor> {
        let qkv = qkv.to_dtype(self.placement.precision.dtype())?;
        let attend = |((feed, span), mask): ((&Feed<'_>, &Span), &Option<Tensor>)| {
            let own = qkv.narrow(0, span.start, span.count)?;
            let [queries, keys, values] = split(&own, self.num_heads)?;
            let past = feed.row.past.on_device(layer)?;
            past.set(&keys, &values, span.past)?;
            past.first(span.past + span.count)?.attend(&queries, mask.as_ref())
        };
        let attended: Vec<Tensor> = feeds.iter().zip(spans).zip(masks).map(attend).collect::<Result<_>>()?;
        Tensor::cat(&attended, 0)
    }

    /// Cross-attention of the rows that have a text. The others are as they were: without a text it would add nothing.
    fn hear(
        &self,
        cross: &Cross<Linear, Norm>,
        layer: usize,
        states: Tensor,
        texts: &Texts,
    ) -> Result<Tensor> {
        let listening = match &texts.places {
            Some(places) => states.index_select(places, 0)?,
            None => states.clone(),
        };
        let queries = cross.queries.forward(&cross.norm.forward(&listening)?)?;
        let queries = queries.to_dtype(self.placement.precision.dtype())?;
        let mut start = 0;
        let mut heard = Vec::with_capacity(texts.rows.len());
        for (text, count) in &texts.rows {
            let [own] = split(&queries.narrow(0, start, *count)?, self.num_heads)?;
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

impl Texts {
    fn of(feeds: &[Feed<'_>], spans: &[Span], device: &Device) -> Result<Option<Self>> {
        let mut rows = Vec::new();
        let mut places = Vec::new();
        for (feed, span) in feeds.iter().zip(spans) {
            if let Some(Text::OnDevice(text)) = &feed.row.condition.text {
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
