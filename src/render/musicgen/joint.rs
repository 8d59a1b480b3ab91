//! What a section leaves for the next one of its stream: see [`Rendered::tail`](crate::render::Rendered::tail).
//!
//! A safetensors file of a few tens of KiB: the last tokens, and what the codec remembers, so that it decodes once over the
//! whole stream.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use thiserror::Error;

use super::{
    codec::{Held, Memory},
    codes::Codes,
    stream,
};

/// Of the form below.
const VERSION: i64 = 1;

/// Where a stream is after a section.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Joint {
    /// Sample of the piece, at the model's rate, with which the stream begins; negative when it begins with a sound from before.
    pub(super) origin: isize,
    /// Its tokens so far.
    pub(super) stream: stream::Tail,
    /// Samples of the stream that no later token can change.
    pub(super) settled: usize,
    /// The codec behind the tokens so far, by channel; empty where there are none.
    pub(super) decoder: Vec<Memory>,
}

/// Why a tail cannot be read.
#[derive(Debug, Error)]
pub(super) enum JointError {
    /// It is none, or damaged.
    #[error("the tail of the section before cannot be read")]
    Unreadable(#[from] candle_core::Error),
    /// It cannot be written.
    #[error("the tail of the section cannot be written")]
    Unwritable(#[source] safetensors::SafeTensorError),
    /// It lacks a part, or another version wrote it.
    #[error("the tail of the section before has no usable {0}: another version wrote it")]
    Foreign(String),
}

impl Joint {
    /// Before the first token.
    pub(super) fn start(origin: isize, codebooks: usize) -> Self {
        Self { origin, stream: stream::Tail::start(codebooks), settled: 0, decoder: Vec::new() }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, JointError> {
        let facts = [VERSION, self.origin as i64, self.stream.frame as i64, self.settled as i64];
        let tokens = self.stream.codes.as_slices().concat();
        let shape = (self.stream.codes.codebooks(), self.stream.codes.frames());
        let mut tensors = HashMap::from([
            ("facts".to_owned(), Tensor::new(&facts, &Device::Cpu)?),
            ("tokens".to_owned(), Tensor::from_vec(tokens, shape, &Device::Cpu)?),
        ]);
        for (channel, memory) in self.decoder.iter().enumerate() {
            let counts: Vec<i64> = memory.counts.iter().map(|count| *count as i64).collect();
            tensors.insert(format!("codec.{channel}.counts"), Tensor::new(counts, &Device::Cpu)?);
            for (place, held) in memory.rows.iter().enumerate() {
                let values = match held {
                    Some(Held { width, values }) => {
                        Tensor::from_slice(values, (values.len() / (*width).max(1), *width), &Device::Cpu)?
                    }
                    None => Tensor::zeros((0, 0), DType::F32, &Device::Cpu)?,
                };
                tensors.insert(format!("codec.{channel}.rows.{place}"), values);
            }
        }
        safetensors::serialize(&tensors, None).map_err(JointError::Unwritable)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, JointError> {
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        let part = |name: &str| tensors.get(name).ok_or_else(|| JointError::Foreign(name.to_owned()));
        let facts: Vec<i64> = part("facts")?.to_vec1()?;
        let [VERSION, origin, frame, settled] = facts[..] else {
            return Err(JointError::Foreign("version".to_owned()));
        };
        let size = |fact: i64| usize::try_from(fact).or(Err(JointError::Foreign("facts".to_owned())));
        let tokens: Vec<Vec<u32>> = part("tokens")?.to_vec2()?;
        let codes = Codes::try_from(tokens).or(Err(JointError::Foreign("tokens".to_owned())))?;
        let mut decoder = Vec::new();
        while let Some(counts) = tensors.get(&format!("codec.{}.counts", decoder.len())) {
            let rows = |place| tensors.get(&format!("codec.{}.rows.{place}", decoder.len()));
            let mut memory = Memory {
                counts: counts.to_vec1::<i64>()?.into_iter().map(|count| count as u64).collect(),
                rows: Vec::new(),
            };
            while let Some(rows) = rows(memory.rows.len()) {
                let width = rows.dims2()?.1;
                let held = || Ok::<_, JointError>(Held { width, values: rows.flatten_all()?.to_vec1()? });
                memory.rows.push((width > 0).then(held).transpose()?);
            }
            decoder.push(memory);
        }
        let stream = stream::Tail { frame: size(frame)?, codes };
        Ok(Self { origin: origin as isize, stream, settled: size(settled)?, decoder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joint_is_read_as_it_was_written() {
        let held = Held { width: 3, values: vec![0.1, -1.5e-40, 2.0, 3.0, f32::MAX, 0.0] };
        let memory = Memory { counts: vec![0, 7, 1 << 40], rows: vec![Some(held), None, None] };
        let codes = Codes::from_fn(4, |codebook| vec![codebook as u32, 9]);
        let joint = Joint {
            origin: -31,
            stream: stream::Tail { frame: 2, codes },
            settled: 640,
            decoder: vec![memory.clone(), memory],
        };
        let bytes = joint.to_bytes().unwrap();
        assert_eq!(bytes, joint.to_bytes().unwrap());
        assert_eq!(Joint::from_bytes(&bytes).unwrap(), joint);
        assert_eq!(Joint::from_bytes(&Joint::start(5, 4).to_bytes().unwrap()).unwrap(), Joint::start(5, 4));
        assert!(Joint::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Joint::from_bytes(b"{}").is_err());
    }
}
