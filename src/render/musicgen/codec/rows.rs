//! Pieces of a signal. Time runs along the first dimension, so that a stretch of time is contiguous memory on
//! every device, and several rows can be read as one longer row without being moved.

use candle_core::{Error, Tensor};

use super::values::{self, Activation};

/// A piece of a signal, `[rows, channels]` with at least one row; `None` has no rows.
pub(super) type Rows = Option<Tensor>;

/// One piece after the other; the second one is activated.
pub(super) fn join(first: Rows, second: Rows, activation: Activation) -> Result<Rows, Error> {
    match (first, second) {
        (Some(first), Some(second)) if second.device().is_cpu() => {
            values::join(&first, &second, activation).map(Some)
        }
        (Some(first), Some(second)) => Tensor::cat(&[first, activation.apply(second)?], 0).map(Some),
        (None, Some(second)) => activation.apply(second).map(Some),
        (first, None) => Ok(first),
    }
}

/// `count` rows from `start` on, in the memory of the whole.
pub(super) fn part(rows: &Tensor, start: usize, count: usize) -> Result<Rows, Error> {
    if count == 0 { Ok(None) } else { rows.narrow(0, start, count).map(Some) }
}

/// The rows from `start` on, in memory of their own, so that they do not keep the whole alive.
pub(super) fn rest(rows: &Tensor, start: usize) -> Result<Rows, Error> {
    match part(rows, start, rows.dim(0)?.saturating_sub(start))? {
        Some(rest) => rest.force_contiguous().map(Some),
        None => Ok(None),
    }
}

/// How many rows there are.
pub(super) fn count(rows: &Rows) -> Result<usize, Error> {
    rows.as_ref().map_or(Ok(0), |rows| rows.dim(0))
}
