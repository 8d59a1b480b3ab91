//! Tables of which single rows are looked up.

use half::f16;

use super::{super::precision::Precision, stored::Stored};

/// Rows of equal width.
#[derive(Debug)]
pub(in super::super) struct Table {
    width: usize,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    F32(Vec<f32>),
    F16(Vec<f16>),
}

impl Table {
    /// From rows that follow each other; kept exactly in f32, in 16 bits otherwise.
    pub(in super::super) fn new(values: Vec<f32>, width: usize, precision: Precision) -> Self {
        let rows = match precision {
            Precision::F32 => Rows::F32(values),
            _ => Rows::F16(f16::all_of(&values)),
        };
        Self { width, rows }
    }

    /// Bytes of a value.
    pub(in super::super) fn value_bytes(precision: Precision) -> u64 {
        if precision == Precision::F32 { 4 } else { 2 }
    }

    /// Adds a row to a state of its width; one that there is not is zero.
    pub(in super::super) fn add_to(&self, row: usize, state: &mut [f32]) {
        match &self.rows {
            Rows::F32(values) => add(values, row * self.width, state),
            Rows::F16(values) => add(values, row * self.width, state),
        }
    }
}

fn add<T: Stored>(values: &[T], from: usize, state: &mut [f32]) {
    for (value, part) in state.iter_mut().zip(values.get(from..).unwrap_or_default()) {
        *value += part.widen();
    }
}
