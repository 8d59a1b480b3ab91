//! Decoding as the tokens come.

use candle_core::Tensor;

use super::{
    CodecError, Memory,
    memory::{Load, Save},
    quantizer::Quantizer,
    stack::Stack,
};
use crate::audio::{Pcm, Spec};

/// Tokens to sound, frame by frame: the sound of a frame is given as soon as nothing that may still come can
/// change it (four frames later, at the sizes of MusicGen). All pieces together are the samples that
/// [`Codec::decode`](super::Codec::decode) gives, whatever the pieces were.
#[derive(Clone, Debug)]
pub struct Decoder {
    pub(super) spec: Spec,
    pub(super) codebook_size: usize,
    pub(super) quantizer: Quantizer,
    /// One for each channel.
    pub(super) stacks: Vec<Stack>,
}

impl Decoder {
    /// Takes the next frames, one list of tokens per codebook (interleaved, if there are more channels than
    /// one), and gives the sound that is ready, which may be none.
    ///
    /// # Errors
    /// When the tokens are not of this codec, or the device fails. After an error the decoder is of no use.
    pub fn push<T: AsRef<[u32]>>(&mut self, tokens: &[T]) -> Result<Pcm, CodecError> {
        let frames = self.check(tokens)?;
        let channels = self.stacks.len();
        let mut planes = Vec::with_capacity(channels);
        for (channel, stack) in self.stacks.iter_mut().enumerate() {
            let mine: Vec<&[u32]> =
                tokens.iter().skip(channel).step_by(channels).map(AsRef::as_ref).collect();
            let latents = if frames == 0 { None } else { self.quantizer.decode(&mine)? };
            planes.push(samples(stack.push(latents, false)?)?);
        }
        Ok(Pcm::new(self.spec, planes)?)
    }

    /// The rest of the sound, after the last frame.
    ///
    /// # Errors
    /// When the device fails.
    pub fn finish(mut self) -> Result<Pcm, CodecError> {
        let planes = self.stacks.iter_mut().map(|stack| Ok(samples(stack.push(None, true)?)?));
        Ok(Pcm::new(self.spec, planes.collect::<Result<_, CodecError>>()?)?)
    }

    /// What it remembers of the frames so far, channel by channel: [`Decoder::resume`] goes on from there.
    ///
    /// # Errors
    /// When the device fails.
    pub fn memory(&self) -> Result<Vec<Memory>, CodecError> {
        let memory = |stack: &Stack| {
            let mut memory = Memory::default();
            stack.clone().walk(&mut Save(&mut memory))?;
            Ok(memory)
        };
        self.stacks.iter().map(memory).collect()
    }

    /// Goes on where another decoder of this codec was: what it gives is what that one would have given.
    ///
    /// # Errors
    /// When the memory is that of another codec.
    pub fn resume(mut self, memory: &[Memory]) -> Result<Self, CodecError> {
        if memory.len() != self.stacks.len() {
            return Err(
                candle_core::Error::msg("the memory of a codec with another number of channels").into()
            );
        }
        for (stack, memory) in self.stacks.iter_mut().zip(memory) {
            let mut load = Load::new(memory, self.quantizer.device());
            stack.walk(&mut load)?;
            load.finish()?;
        }
        Ok(self)
    }

    /// The number of frames, if this is a table of tokens for these channels.
    pub(super) fn check<T: AsRef<[u32]>>(&self, tokens: &[T]) -> Result<usize, CodecError> {
        let (codebooks, channels, quantizers) = (tokens.len(), self.stacks.len(), self.quantizer.len());
        let Some(first) =
            tokens.first().filter(|_| codebooks % channels == 0 && codebooks / channels <= quantizers)
        else {
            return Err(CodecError::Codebooks { codebooks, channels, quantizers });
        };
        let expected = first.as_ref().len();
        for (codebook, tokens) in tokens.iter().map(AsRef::as_ref).enumerate() {
            if tokens.len() != expected {
                return Err(CodecError::Ragged { codebook, frames: tokens.len(), expected });
            }
            let size = self.codebook_size;
            if let Some(frame) = tokens.iter().position(|token| *token as usize >= size) {
                return Err(CodecError::Token { token: tokens[frame], codebook, frame, size });
            }
        }
        Ok(expected)
    }
}

/// `[n, 1]` as plain samples.
fn samples(rows: Option<Tensor>) -> Result<Vec<f32>, candle_core::Error> {
    rows.map_or_else(|| Ok(Vec::new()), |rows| rows.flatten_all()?.to_vec1())
}
