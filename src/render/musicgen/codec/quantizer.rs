//! Latents to tokens and back: a vector is coded as the nearest entry of a first codebook, what that leaves
//! by a second, and so on.

use candle_core::{D, Device, Error, Tensor};

use super::{config::Config, weights::Weights};

/// The codebooks of one audio channel; at least one.
#[derive(Clone, Debug)]
pub(super) struct Quantizer {
    codebooks: Vec<Codebook>,
}

#[derive(Clone, Debug)]
struct Codebook {
    /// `[codebook_size, hidden_size]`
    entries: Tensor,
    /// Squared length of every entry, `[codebook_size]`.
    squares: Tensor,
}

impl Quantizer {
    pub(super) fn load<W: Weights>(config: &Config, weights: &W) -> Result<Self, W::Error> {
        let codebook = |index: usize| {
            let name = format!("quantizer.layers.{index}.codebook.embed");
            let entries = weights.get(&name, &[config.codebook_size, config.hidden_size])?;
            let squares = entries.sqr()?.sum(1)?;
            Ok(Codebook { entries, squares })
        };
        Ok(Self { codebooks: (0..config.quantizers()).map(codebook).collect::<Result<_, W::Error>>()? })
    }

    /// How many codebooks there are.
    pub(super) fn len(&self) -> usize {
        self.codebooks.len()
    }

    /// Where they are.
    pub(super) fn device(&self) -> Device {
        self.codebooks.first().map_or(Device::Cpu, |codebook| codebook.entries.device().clone())
    }

    /// Tokens of the first codebooks, each `n` (not 0) long, to latents `[n, hidden_size]`. Every token must
    /// be an index into its codebook.
    pub(super) fn decode(&self, tokens: &[&[u32]]) -> Result<Option<Tensor>, Error> {
        let entries = tokens.iter().zip(&self.codebooks).map(|(tokens, codebook)| {
            codebook.entries.index_select(&Tensor::new(*tokens, codebook.entries.device())?, 0)
        });
        entries.reduce(|sum, entries| sum? + entries?).transpose()
    }

    /// Latents `[n, hidden_size]` to `n` tokens of each of the first `count` codebooks.
    pub(super) fn encode(&self, latents: &Tensor, count: usize) -> Result<Vec<Vec<u32>>, Error> {
        let mut rest = latents.clone();
        let mut tokens = Vec::with_capacity(count);
        for codebook in self.codebooks.iter().take(count) {
            let nearest = codebook.nearest(&rest)?;
            rest = (rest - codebook.entries.index_select(&nearest, 0)?)?;
            tokens.push(nearest.to_vec1()?);
        }
        Ok(tokens)
    }
}

impl Codebook {
    /// The index of the entry nearest to each row; the first of several. The distance is computed as
    /// `|row|^2 - 2 row . entry + |entry|^2`, which is what the reference rounds, so that near ties fall alike.
    fn nearest(&self, rows: &Tensor) -> Result<Tensor, Error> {
        let products = (rows * 2.0)?.matmul(&self.entries.t()?)?;
        let distances = rows.sqr()?.sum_keepdim(1)?.broadcast_sub(&products)?.broadcast_add(&self.squares)?;
        distances.argmin(D::Minus1)
    }
}
