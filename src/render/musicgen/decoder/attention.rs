//! Attention of one row of the batch over what it remembers.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

/// Keys and values of one layer, `[heads, positions, head width]` each.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    keys: Tensor,
    values: Tensor,
}

impl Memory {
    /// Room for so many positions, nothing in it.
    pub(super) fn with_room(
        heads: usize,
        positions: usize,
        head_dim: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let room = || Tensor::zeros((heads, positions, head_dim), dtype, device);
        Ok(Self { keys: room()?, values: room()? })
    }

    /// What is remembered for good: keys and values side by side, `[positions, 2 width]`.
    pub(super) fn of(keys_values: &Tensor, heads: usize, dtype: DType) -> Result<Self> {
        let [keys, values] = split(&keys_values.to_dtype(dtype)?, heads)?;
        Ok(Self { keys, values })
    }

    /// Puts keys and values in their place, from position `at` on.
    pub(super) fn set(&self, keys: &Tensor, values: &Tensor, at: usize) -> Result<()> {
        self.keys.slice_set(keys, 1, at)?;
        self.values.slice_set(values, 1, at)
    }

    /// The first positions.
    pub(super) fn first(&self, positions: usize) -> Result<Self> {
        Ok(Self { keys: self.keys.narrow(1, 0, positions)?, values: self.values.narrow(1, 0, positions)? })
    }

    /// What the queries `[heads, n, head width]` find here, `[n, heads * head width]` in f32. The mask, `[n, positions]`, is
    /// added to the scores.
    pub(super) fn attend(&self, queries: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (heads, count, head_dim) = queries.dims3()?;
        let queries = (queries * (head_dim as f64).powf(-0.5))?;
        let scores = queries.matmul(&self.keys.t()?)?.to_dtype(DType::F32)?;
        let scores = match mask {
            Some(mask) => scores.broadcast_add(mask)?,
            None => scores,
        };
        let shares = softmax_last_dim(&scores)?.to_dtype(queries.dtype())?;
        let found = shares.matmul(&self.values)?.to_dtype(DType::F32)?;
        found.transpose(0, 1)?.reshape((count, heads * head_dim))
    }
}

/// `N` matrices of states that stand side by side, `[n, N * heads * head width]`, head by head: `[heads, n, head width]` each.
pub(super) fn split<const N: usize>(states: &Tensor, heads: usize) -> Result<[Tensor; N]> {
    let (count, width) = states.dims2()?;
    let heads_first =
        states.reshape((count, N, heads, width / (N * heads)))?.permute((1, 2, 0, 3))?.contiguous()?;
    let parts: Vec<Tensor> = (0..N).map(|part| heads_first.get(part)).collect::<Result<_>>()?;
    parts
        .try_into()
        .or_else(|parts: Vec<Tensor>| candle_core::bail!("{} parts of states instead of {N}", parts.len()))
}

/// What later positions must not see: zero for keys up to a query's own position, minus infinity behind it. `past` keys lie
/// before the first query.
pub(super) fn causal_mask(past: usize, queries: usize, device: &Device) -> Result<Tensor> {
    let keys = past + queries;
    let hidden = |query: usize, key: usize| if key > past + query { f32::NEG_INFINITY } else { 0.0 };
    let mask = (0..queries).flat_map(|query| (0..keys).map(move |key| hidden(query, key))).collect();
    Tensor::from_vec(mask, (queries, keys), device)
}
