//! Sound to tokens: the half of the codec that only pieces need that go on from a sound.

use std::ops::ControlFlow;

use candle_core::Tensor;

use super::{
    CodecError, FRAMES_AT_ONCE, append, config::Config, go_on, pieces, quantizer::Quantizer, stack::Stack,
    weights::Weights,
};
use crate::audio::Pcm;

/// An encoder with its weights; see [`Codec::encoder`](super::Codec::encoder).
#[derive(Clone, Debug)]
pub struct Encoder {
    config: Config,
    quantizer: Quantizer,
    stack: Stack,
}

impl Encoder {
    pub(super) fn load<W: Weights>(
        config: Config,
        quantizer: Quantizer,
        weights: &W,
    ) -> Result<Self, W::Error> {
        Ok(Self { stack: Stack::encoder(&config, weights)?, config, quantizer })
    }

    /// Codes sound at the rate of the codec: one list of tokens per codebook, interleaved if there are more
    /// channels than one, each as long as the sound has frames of [`Config::hop`] samples, a begun one
    /// counted.
    ///
    /// `progress` is asked about once for a second of sound whether to go on, and told what share is done.
    ///
    /// # Errors
    /// When the sound has another rate, `progress` breaks, or the device fails.
    pub fn encode(
        &self,
        sound: &Pcm,
        progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<u32>>, CodecError> {
        let (found, expected) = (sound.rate(), self.config.rate());
        if found != expected {
            return Err(CodecError::Rate { found, expected });
        }
        let mut encoding = self.begin(sound.spec().channels);
        let mut tokens = vec![Vec::new(); sound.spec().channels * encoding.codebooks];
        for piece in pieces(sound.frames(), FRAMES_AT_ONCE * self.config.hop()) {
            go_on(progress, piece.start, sound.frames())?;
            let last = piece.end == sound.frames();
            let planes: Vec<&[f32]> = sound.planes().iter().map(|plane| &plane[piece.clone()]).collect();
            append(&mut tokens, encoding.push(&planes, last)?);
        }
        Ok(tokens)
    }

    /// At the start of a sound.
    pub(super) fn begin(&self, channels: usize) -> Encoding {
        Encoding {
            codebooks: self.config.encoding_quantizers(),
            quantizer: self.quantizer.clone(),
            stacks: vec![self.stack.clone(); channels],
        }
    }

    #[cfg(test)]
    pub(super) fn stack(&self) -> Stack {
        self.stack.clone()
    }
}

/// An encoder somewhere in a sound.
#[derive(Debug)]
pub(super) struct Encoding {
    quantizer: Quantizer,
    /// Codebooks given for each channel.
    codebooks: usize,
    /// One for each channel.
    stacks: Vec<Stack>,
}

impl Encoding {
    /// Takes more samples of every channel and gives the frames that are ready, one list of tokens per
    /// codebook. With `last` the sound ends.
    pub(super) fn push(&mut self, planes: &[&[f32]], last: bool) -> Result<Vec<Vec<u32>>, CodecError> {
        let (channels, device) = (self.stacks.len(), self.quantizer.device());
        let mut tokens = vec![Vec::new(); channels * self.codebooks];
        for (channel, (stack, plane)) in self.stacks.iter_mut().zip(planes).enumerate() {
            let rows = match plane.len() {
                0 => None,
                n => Some(Tensor::from_slice(plane, (n, 1), &device)?),
            };
            if let Some(latents) = stack.push(rows, last)? {
                let coded = self.quantizer.encode(&latents, self.codebooks)?;
                for (slot, coded) in tokens.iter_mut().skip(channel).step_by(channels).zip(coded) {
                    *slot = coded;
                }
            }
        }
        Ok(tokens)
    }
}
