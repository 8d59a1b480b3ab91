//! What the layers of a stack remember between two pieces of a signal, as plain values.

use candle_core::{DType, Device, Error, Tensor};

use super::rows::Rows;

/// No signal is so long.
const LONGEST: u64 = 1 << 40;

/// The memory of a stack: its counters, and its rows with the number of channels that they have; in the order of its layers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Counters and flags.
    pub counts: Vec<u64>,
    /// Rows that are held, one below the other; `None` where there are none.
    pub rows: Vec<Option<Held>>,
}

/// Rows as plain values.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Values of one row.
    pub width: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

/// Goes through all that is remembered, layer by layer: one walk writes it down, another one sets it.
pub(super) trait Walk {
    fn count(&mut self, count: &mut usize) -> Result<(), Error>;

    fn flag(&mut self, flag: &mut bool) -> Result<(), Error>;

    fn rows(&mut self, rows: &mut Rows) -> Result<(), Error>;

    /// A tensor whose shape never changes.
    fn tensor(&mut self, tensor: &mut Tensor) -> Result<(), Error>;
}

/// Writes down.
pub(super) struct Save<'a>(pub(super) &'a mut Memory);

impl Walk for Save<'_> {
    fn count(&mut self, count: &mut usize) -> Result<(), Error> {
        self.0.counts.push(*count as u64);
        Ok(())
    }

    fn flag(&mut self, flag: &mut bool) -> Result<(), Error> {
        self.0.counts.push(u64::from(*flag));
        Ok(())
    }

    fn rows(&mut self, rows: &mut Rows) -> Result<(), Error> {
        let held = |rows: &Tensor| {
            Ok::<_, Error>(Held { width: rows.dim(1)?, values: rows.flatten_all()?.to_vec1()? })
        };
        self.0.rows.push(rows.as_ref().map(held).transpose()?);
        Ok(())
    }

    fn tensor(&mut self, tensor: &mut Tensor) -> Result<(), Error> {
        self.rows(&mut Some(tensor.clone()))
    }
}

/// Sets what was written down by a stack of the same shape.
pub(super) struct Load<'a> {
    counts: std::slice::Iter<'a, u64>,
    rows: std::slice::Iter<'a, Option<Held>>,
    device: Device,
}

impl<'a> Load<'a> {
    pub(super) fn new(memory: &'a Memory, device: Device) -> Self {
        Self { counts: memory.counts.iter(), rows: memory.rows.iter(), device }
    }

    /// Whether all of it was set.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if self.counts.next().is_some() || self.rows.next().is_some() { Err(foreign()) } else { Ok(()) }
    }
}

impl Walk for Load<'_> {
    fn count(&mut self, count: &mut usize) -> Result<(), Error> {
        *count = self
            .counts
            .next()
            .filter(|count| **count < LONGEST)
            .map(|count| *count as usize)
            .ok_or_else(foreign)?;
        Ok(())
    }

    fn flag(&mut self, flag: &mut bool) -> Result<(), Error> {
        *flag = *self.counts.next().ok_or_else(foreign)? != 0;
        Ok(())
    }

    fn rows(&mut self, rows: &mut Rows) -> Result<(), Error> {
        let tensor = |held: &Held| {
            let count = held.values.len() / held.width.max(1);
            Tensor::from_slice(&held.values, (count, held.width), &self.device)?.to_dtype(DType::F32)
        };
        *rows = self.rows.next().ok_or_else(foreign)?.as_ref().map(tensor).transpose()?;
        Ok(())
    }

    fn tensor(&mut self, tensor: &mut Tensor) -> Result<(), Error> {
        let mut rows = None;
        self.rows(&mut rows)?;
        *tensor = rows.filter(|rows| rows.dims() == tensor.dims()).ok_or_else(foreign)?;
        Ok(())
    }
}

fn foreign() -> Error {
    Error::msg("the memory of another codec")
}
