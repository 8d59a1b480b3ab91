//! The tensors of one model on their way from its checkpoint to the device.

use std::{collections::HashMap, sync::Arc};

use candle_core::{DType, Device, Tensor};

use super::{
    ModelError,
    checkpoint::{Checkpoint, CheckpointError},
    codec,
    config::Config,
    kept::Kept,
    precision::{Kernels, Linear, Precision},
    processor::{Matrix, Table},
    tensors::{CODEC, of_text, stored_name, tensors},
};
use crate::cancel::Cancel;

/// Where a model runs, and how exactly.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Where its tensors lie.
    pub device: Device,
    /// How its matrices are kept.
    pub precision: Precision,
    /// What multiplies those of the decoder.
    pub kernels: Kernels,
}

impl Placement {
    /// On a device with the kernels that are fastest there.
    pub fn new(device: Device, precision: Precision) -> Self {
        Self { kernels: Kernels::of(&device), device, precision }
    }
}

/// Gives each tensor of a model as it is to be kept. Shapes are those that follow from the configuration.
pub(super) struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    placement: &'a Placement,
    cancel: &'a dyn Cancel,
    /// Where matrices in blocks are kept.
    kept: Option<&'a Kept>,
    shapes: HashMap<String, Vec<usize>>,
}

impl<'a> Weights<'a> {
    /// Of a checkpoint; `cancel` is asked before each tensor.
    pub(super) fn new(
        checkpoint: &'a Checkpoint,
        config: &Config,
        placement: &'a Placement,
        cancel: &'a dyn Cancel,
        kept: Option<&'a Kept>,
    ) -> Self {
        let shapes = tensors(config).into_iter().map(|wanted| (wanted.name, wanted.shape)).collect();
        Self { checkpoint, placement, cancel, kept, shapes }
    }

    pub(super) fn placement(&self) -> &Placement {
        self.placement
    }

    /// Matrices of equal width, one below the other, as one for candle.
    pub(super) fn linear(&self, names: &[String]) -> Result<Linear, ModelError> {
        let Placement { device, precision, .. } = self.placement;
        let parts: Vec<Tensor> =
            names.iter().map(|name| self.read(name, &Device::Cpu)).collect::<Result<_, _>>()?;
        Ok(Linear::new(&Tensor::cat(&parts, 0)?, *precision, device)?)
    }

    /// Matrices of equal width, one below the other, as one for Timbre's own kernels.
    pub(super) fn packed(&self, names: &[String]) -> Result<Arc<Matrix>, ModelError> {
        self.packed_at(names, self.placement.precision)
    }

    /// The same for what runs on the processor wherever the decoder does.
    pub(super) fn text_matrix(&self, names: &[String]) -> Result<Arc<Matrix>, ModelError> {
        self.packed_at(names, self.text_precision())
    }

    fn text_precision(&self) -> Precision {
        of_text(self.placement.precision, self.placement.kernels)
    }

    fn packed_at(&self, names: &[String], precision: Precision) -> Result<Arc<Matrix>, ModelError> {
        self.cancel.check().map_err(CheckpointError::from)?;
        let shapes: Vec<&[usize]> = names.iter().map(|name| self.shape(name)).collect::<Result<_, _>>()?;
        let ins = shapes.iter().find_map(|shape| shape.last()).copied().unwrap_or(1);
        let outs = shapes.iter().filter_map(|shape| shape.first()).sum();
        let make = || {
            let mut values = Vec::with_capacity(outs * ins);
            for name in names {
                values.append(&mut self.values(name)?);
            }
            Ok(Matrix::new(&values, outs, ins, precision))
        };
        match self.kept.filter(|kept| precision == kept.precision()) {
            Some(kept) => kept.matrix(names.join("+"), outs, ins, make),
            None => Ok(Arc::new(make()?)),
        }
    }

    /// What follows from the configuration.
    fn shape(&self, name: &str) -> Result<&[usize], ModelError> {
        let shape = self.shapes.get(name).ok_or_else(|| ModelError::Unlisted { tensor: name.to_owned() })?;
        Ok(shape)
    }

    /// A tensor as f32 on the device.
    pub(super) fn exact(&self, name: &str) -> Result<Tensor, ModelError> {
        self.read(name, &self.placement.device)
    }

    /// A tensor as plain values.
    pub(super) fn values(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        self.cancel.check().map_err(CheckpointError::from)?;
        Ok(self.checkpoint.values(stored_name(self.checkpoint, name), self.shape(name)?)?)
    }

    /// A table of which single rows are looked up.
    pub(super) fn table(&self, name: &str) -> Result<Table, ModelError> {
        let width = self.shape(name)?.last().copied().unwrap_or(1);
        Ok(Table::new(self.values(name)?, width, self.text_precision()))
    }

    /// The values of a tensor that a checkpoint may lack.
    pub(super) fn optional_values(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Option<Vec<f32>>, ModelError> {
        if !self.checkpoint.has(name) {
            return Ok(None);
        }
        Ok(Some(self.checkpoint.values(name, shape)?))
    }

    fn read(&self, name: &str, device: &Device) -> Result<Tensor, ModelError> {
        self.cancel.check().map_err(CheckpointError::from)?;
        let shape = self.shape(name)?;
        Ok(self.checkpoint.tensor(stored_name(self.checkpoint, name), shape, DType::F32, device)?)
    }
}

/// The tensors of the codec, as f32 on its device.
pub(super) struct CodecWeights<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) device: &'a Device,
    /// Asked before each tensor.
    pub(super) cancel: &'a dyn Cancel,
}

impl codec::Weights for CodecWeights<'_> {
    type Error = ModelError;

    fn has(&self, name: &str) -> bool {
        self.checkpoint.has(&format!("{CODEC}.{name}"))
    }

    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        self.cancel.check().map_err(CheckpointError::from)?;
        Ok(self.checkpoint.tensor(&format!("{CODEC}.{name}"), shape, DType::F32, self.device)?)
    }
}
