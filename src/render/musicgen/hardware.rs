//! The devices that a model may compute on.

use candle_core::{Device, Module, Tensor};
use thiserror::Error;

use super::precision::{Kernels, Linear, Precision};

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The processor.
    Cpu,
    /// An NVIDIA graphics card, the first.
    Cuda,
    /// An Apple graphics processor.
    Metal,
}

impl Kind {
    /// As settings and manifests name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }

    /// Whether this build can use it.
    fn is_built_in(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
        }
    }

    fn open(self) -> Result<Device, candle_core::Error> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => Device::new_cuda(0),
            Self::Metal => Device::new_metal(0),
        }
    }
}

/// A device that is there.
#[derive(Clone, Debug)]
pub struct Hardware {
    pub(super) device: Device,
    kind: Kind,
    why: String,
}

/// Why a device cannot be used.
#[derive(Debug, Error)]
pub enum HardwareError {
    /// This build has no code for it.
    #[error(
        "device {} is not available: this build of Timbre computes on {}; build it with --features {}, or use --device cpu",
        kind.name(), built_in(), kind.name()
    )]
    NotBuilt {
        /// What was asked for.
        kind: Kind,
    },
    /// It is not there, or does not start.
    #[error("device {} does not start; found here is cpu", kind.name())]
    Missing {
        /// What was asked for.
        kind: Kind,
        /// What the driver said.
        #[source]
        source: candle_core::Error,
    },
    /// It cannot compute at a precision.
    #[error("device {} cannot compute in {precision}; choose another --dtype", kind.name())]
    Precision {
        /// The device.
        kind: Kind,
        /// What was asked for.
        precision: Precision,
        /// What it said.
        #[source]
        source: candle_core::Error,
    },
}

impl Hardware {
    /// The device that is asked for, or the best there is.
    ///
    /// # Errors
    /// When one is asked for that this build cannot use or that does not start.
    pub fn open(wanted: Option<Kind>) -> Result<Self, HardwareError> {
        if let Some(kind) = wanted {
            if !kind.is_built_in() {
                return Err(HardwareError::NotBuilt { kind });
            }
            let device = kind.open().map_err(|source| HardwareError::Missing { kind, source })?;
            return Ok(Self { device, kind, why: "asked for".to_owned() });
        }
        let mut why = format!("this build computes on {}", built_in());
        for kind in [Kind::Cuda, Kind::Metal].into_iter().filter(|kind| kind.is_built_in()) {
            match kind.open() {
                Ok(device) => return Ok(Self { device, kind, why: "the best there is".to_owned() }),
                Err(error) => why = format!("{} does not start ({error})", kind.name()),
            }
        }
        Ok(Self { device: Device::Cpu, kind: Kind::Cpu, why })
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Why it was taken, for people.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Whether it can compute at a precision: it multiplies a small matrix. Timbre's own kernels know all of them.
    ///
    /// # Errors
    /// When it cannot.
    pub fn try_out(&self, precision: Precision) -> Result<(), HardwareError> {
        if Kernels::of(&self.device) == Kernels::Own {
            return Ok(());
        }
        let multiply = || {
            let matrix = Tensor::ones((32, 32), candle_core::DType::F32, &Device::Cpu)?;
            let rows = Tensor::ones((2, 32), candle_core::DType::F32, &self.device)?;
            Linear::new(&matrix, precision, &self.device)?.forward(&rows)?.to_vec2::<f32>()
        };
        match multiply() {
            Ok(_) => Ok(()),
            Err(source) => Err(HardwareError::Precision { kind: self.kind, precision, source }),
        }
    }
}

/// The devices that this build can use, for people.
fn built_in() -> String {
    let kinds = [Kind::Cpu, Kind::Cuda, Kind::Metal].into_iter().filter(|kind| kind.is_built_in());
    kinds.map(Kind::name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there_and_computes_in_everything() {
        let cpu = Hardware::open(Some(Kind::Cpu)).unwrap();
        for precision in Precision::ALL {
            cpu.try_out(precision).unwrap();
        }
        assert!(!Hardware::open(None).unwrap().why().is_empty());
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_device_without_code_is_refused_and_the_message_names_what_there_is() {
        let refused = Hardware::open(Some(Kind::Cuda)).unwrap_err().to_string();
        assert!(
            refused.contains("cuda is not available") && refused.contains("computes on cpu"),
            "{refused}"
        );
    }
}
