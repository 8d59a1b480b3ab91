//! How exactly the matrices are kept, and what follows: types, bytes, products.

use std::{fmt, str::FromStr};

use candle_core::{
    DType, Device, Module, Result, Tensor,
    quantized::{GgmlDType, QMatMul, QTensor},
};
use thiserror::Error;

use super::hardware::Kind;

/// How the decoder's matrices are kept and multiplied. Norms, sums and softmax are f32 in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: the reference.
    #[default]
    F32,
    /// 16 bits with the range of f32.
    Bf16,
    /// 16 bits; a large model can leave its range.
    F16,
    /// Blocks of 32 values in 8 bits with a common scale.
    Q8_0,
    /// The same in 6 bits, on the processor only.
    Q6_0,
    /// The same in 4 bits.
    Q4_0,
}

/// What computes the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Timbre's own arithmetic, on the processor only.
    Own,
    /// candle, on any device.
    Candle,
}

impl Kernels {
    /// The fastest on a device.
    pub fn of(device: &Device) -> Self {
        if device.is_cpu() { Self::Own } else { Self::Candle }
    }
}

/// A name of no precision.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0} is no precision: f32, bf16, f16, q8_0, q6_0 or q4_0")]
pub struct UnknownPrecision(String);

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownPrecision> {
        match name {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            "q8_0" => Ok(Self::Q8_0),
            "q6_0" => Ok(Self::Q6_0),
            "q4_0" => Ok(Self::Q4_0),
            _ => Err(UnknownPrecision(name.to_owned())),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q6_0 => "q6_0",
            Self::Q4_0 => "q4_0",
        })
    }
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Self; 6] = [Self::F32, Self::Bf16, Self::F16, Self::Q8_0, Self::Q6_0, Self::Q4_0];

    /// Bits of a value in blocks of 32 with a common scale of 16 bits; `None` where there are no blocks.
    pub fn bits(self) -> Option<usize> {
        match self {
            Self::F32 | Self::Bf16 | Self::F16 => None,
            Self::Q8_0 => Some(8),
            Self::Q6_0 => Some(6),
            Self::Q4_0 => Some(4),
        }
    }

    /// The type of what is multiplied with a matrix and kept in caches.
    pub fn dtype(self) -> DType {
        match self {
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
            _ => DType::F32,
        }
    }

    /// The fastest on a device whose quality holds.
    pub fn fastest_on(kind: Kind) -> Self {
        match kind {
            Kind::Cpu => Self::Q8_0,
            // Others were not measured.
            Kind::Cuda | Kind::Metal => Self::F32,
        }
    }

    /// Bytes of a matrix whose rows are `columns` wide, in memory.
    pub fn matrix_bytes(self, rows: usize, columns: usize, kernels: Kernels) -> u64 {
        let values = (rows * columns) as u64;
        match (self.bits(), kernels) {
            (Some(bits), Kernels::Own) => (rows * columns.div_ceil(32) * (4 * bits + 2)) as u64,
            // candle keeps them twice: as they are and in the order of its kernels.
            (Some(bits), Kernels::Candle) if quantises(columns) => values / 32 * (4 * bits as u64 + 2) * 2,
            _ => values * self.dtype().size_in_bytes() as u64,
        }
    }
}

/// Whether rows of this width divide into blocks. A matrix that does not stays f32.
fn quantises(columns: usize) -> bool {
    columns.is_multiple_of(GgmlDType::Q8_0.block_size())
}

/// A matrix that f32 rows are multiplied with: `[rows, in]` to `[rows, out]`, no bias.
#[derive(Clone, Debug)]
pub enum Linear {
    /// As a tensor of its own type.
    Full(Tensor),
    /// In blocks.
    Quantised(QMatMul),
}

impl Linear {
    /// Takes an f32 matrix `[out, in]` on the CPU to the device.
    ///
    /// # Errors
    /// When the device has no room, or does not know the type.
    pub fn new(matrix: &Tensor, precision: Precision, device: &Device) -> Result<Self> {
        let blocks = match precision {
            Precision::F32 | Precision::Bf16 | Precision::F16 => None,
            Precision::Q8_0 => Some(GgmlDType::Q8_0),
            Precision::Q6_0 => candle_core::bail!("candle has no blocks of 6 bits"),
            Precision::Q4_0 => Some(GgmlDType::Q4_0),
        };
        let columns = matrix.dim(1)?;
        if let Some(kind) = blocks.filter(|_| quantises(columns)) {
            let blocks = QTensor::quantize_onto(matrix, kind, device)?;
            Ok(Self::Quantised(QMatMul::from_qtensor(blocks)?))
        } else {
            Ok(Self::Full(matrix.to_dtype(precision.dtype())?.to_device(device)?))
        }
    }
}

impl Module for Linear {
    fn forward(&self, rows: &Tensor) -> Result<Tensor> {
        match self {
            Self::Full(matrix) => rows.to_dtype(matrix.dtype())?.matmul(&matrix.t()?)?.to_dtype(DType::F32),
            Self::Quantised(matrix) => matrix.forward(&rows.contiguous()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_precision_multiplies_to_within_its_rounding() {
        let wave = |count: usize, step: f32| (0..count).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
        let matrix = Tensor::from_vec(wave(8 * 64, 0.7), (8, 64), &Device::Cpu).unwrap();
        let rows = Tensor::from_vec(wave(3 * 64, 0.3), (3, 64), &Device::Cpu).unwrap();
        let product = |precision| {
            let linear = Linear::new(&matrix, precision, &Device::Cpu).unwrap();
            linear.forward(&rows).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let exact = product(Precision::F32);
        let largest = exact.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (precision, least, most) in
            [(Precision::Bf16, 1e-4, 2e-2), (Precision::F16, 1e-6, 5e-3), (Precision::Q8_0, 1e-5, 0.1)]
        {
            let worst = exact.iter().zip(product(precision)).map(|(a, b)| (a - b).abs() / largest);
            let worst = worst.fold(0.0, f32::max);
            assert!((least..most).contains(&worst), "{precision}: {worst}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_shown() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert!("f64".parse::<Precision>().is_err());
    }
}
