//! The tensors of one model on their way from its checkpoint to the device.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::{
    ModelError,
    checkpoint::{Checkpoint, CheckpointError},
    codec,
    config::Config,
    precision::{Kernels, Linear, Precision},
    processor::Matrix,
    tensors::{CODEC, stored_name, tensors},
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
    shapes: HashMap<String, Vec<usize>>,
}

impl<'a> Weights<'a> {
    /// Of a checkpoint; `cancel` is asked before each tensor.
    pub(super) fn new(
        checkpoint: &'a Checkpoint,
        config: &Config,
        placement: &'a Placement,
        cancel: &'a dyn Cancel,
    ) -> Self {
        let shapes = tensors(config).into_iter().map(|wanted| (wanted.name, wanted.shape)).collect();
        Self { checkpoint, placement, cancel, shapes }
    }

    pub(super) fn placement(&self) -> &Placement {
        self.placement
    }

    /// Matrices of equal width, one below the other, as one for candle.
    pub(super) fn linear(&self, names: &[String]) -> Result<Linear, ModelError> {
        let Placement { device, precision, .. } = self.placement;
        Ok(Linear::new(&self.joined(names)?, *precision, device)?)
    }

    /// Matrices of equal width, one below the other, as one for Timbre's own kernels.
    pub(super) fn packed(&self, names: &[String]) -> Result<Matrix, ModelError> {
        let joined = self.joined(names)?;
        let (outs, ins) = joined.dims2()?;
        Ok(Matrix::new(&joined.flatten_all()?.to_vec1::<f32>()?, outs, ins, self.placement.precision))
    }

    fn joined(&self, names: &[String]) -> Result<Tensor, ModelError> {
        let parts: Vec<Tensor> =
            names.iter().map(|name| self.read(name, &Device::Cpu)).collect::<Result<_, _>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }

    /// The tensors of one part of the model.
    pub(super) fn names_under(&self, part: &str) -> impl Iterator<Item = &str> {
        self.shapes.keys().map(String::as_str).filter(move |name| name.starts_with(part))
    }

    /// A tensor as f32 on the device.
    pub(super) fn exact(&self, name: &str) -> Result<Tensor, ModelError> {
        self.read(name, &self.placement.device)
    }

    /// A table as plain values, row by row.
    pub(super) fn table(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        Ok(self.read(name, &Device::Cpu)?.flatten_all()?.to_vec1()?)
    }

    /// A table that a checkpoint may lack.
    pub(super) fn optional_table(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>, ModelError> {
        if !self.checkpoint.has(name) {
            return Ok(None);
        }
        let table = self.checkpoint.tensor(name, shape, DType::F32, &Device::Cpu)?;
        Ok(Some(table.flatten_all()?.to_vec1()?))
    }

    fn read(&self, name: &str, device: &Device) -> Result<Tensor, ModelError> {
        self.cancel.check().map_err(CheckpointError::from)?;
        let shape = self.shapes.get(name).ok_or_else(|| ModelError::Unlisted { tensor: name.to_owned() })?;
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
