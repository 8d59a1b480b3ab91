//! `EnCodec`: tokens to sound and sound to tokens, equal to the reference implementation.
//!
//! ```text
//! samples -> encoder -> latents -> quantizer -> tokens -> quantizer -> latents -> decoder -> samples
//! [n, 1]                [T, 128]                4 x T                  [T, 128]              [640 T, 1]
//! ```
//!
//! (the sizes of the 32 kHz codec of MusicGen, `T` = `n` / 640 rounded up). Every layer takes its signal
//! piece by piece and remembers what the next piece needs, so that a whole clip, a long one in bounded memory
//! and a live one are the same code and the same samples.
//!
//! A stereo model codes left and right each on its own with this one-channel codec. Its codebooks are
//! interleaved: left 0, right 0, left 1, right 1, and so on.

use std::ops::{ControlFlow, Range};

use thiserror::Error;

use crate::{
    audio::{Pcm, PcmError, SampleRate, Spec},
    cancel::Cancelled,
};

mod config;
mod conv;
mod encoder;
mod kernels;
mod lstm;
mod memory;
mod pad;
mod panels;
mod quantizer;
mod recurrence;
mod rows;
mod stack;
mod stream;
mod taps;
mod transposed;
mod values;
mod weights;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use encoder::Encoder;
pub use memory::{Held, Memory};
pub use stream::Decoder;
pub use weights::Weights;

use quantizer::Quantizer;
use stack::Stack;

/// Frames of tokens that are worked on at once: about 100 MB at the sizes of MusicGen, and a second of sound
/// between two questions whether to go on.
const FRAMES_AT_ONCE: usize = 50;

/// A codec with the weights that turn tokens to sound; those that turn sound to tokens are an [`Encoder`] of their own.
/// Clones share them.
#[derive(Clone, Debug)]
pub struct Codec {
    config: Config,
    quantizer: Quantizer,
    decoder: Stack,
}

impl Codec {
    /// Reads the weights. The codec runs on the device on which they are.
    ///
    /// # Errors
    /// When a tensor cannot be had.
    pub fn load<W: Weights>(config: Config, weights: &W) -> Result<Self, W::Error> {
        let quantizer = Quantizer::load(&config, weights)?;
        let decoder = Stack::decoder(&config, weights)?;
        Ok(Self { config, quantizer, decoder })
    }

    /// Its shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Decodes a piece: `tokens` is one list per codebook, interleaved if `channels` is more than one. The
    /// sound has exactly [`Config::hop`] samples per frame; it may reach a little beyond full scale.
    ///
    /// `progress` is asked about once for a second of sound whether to go on, and told what share is done.
    ///
    /// # Errors
    /// When the tokens are not of this codec, `progress` breaks, or the device fails.
    pub fn decode<T: AsRef<[u32]>>(
        &self,
        tokens: &[T],
        channels: usize,
        progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Pcm, CodecError> {
        let mut decoder = self.decoder(channels)?;
        let frames = decoder.check(tokens)?;
        let mut planes = vec![Vec::with_capacity(frames * self.config.hop()); channels];
        for piece in pieces(frames, FRAMES_AT_ONCE) {
            go_on(progress, piece.start, frames)?;
            let tokens: Vec<&[u32]> = tokens.iter().map(|tokens| &tokens.as_ref()[piece.clone()]).collect();
            append(&mut planes, decoder.push(&tokens)?.into_planes());
        }
        append(&mut planes, decoder.finish()?.into_planes());
        Ok(Pcm::new(Spec { rate: self.config.rate(), channels }, planes)?)
    }

    /// A decoder that is given the frames as they come.
    ///
    /// # Errors
    /// When there are no channels.
    pub fn decoder(&self, channels: usize) -> Result<Decoder, CodecError> {
        let quantizers = self.config.quantizers();
        if channels == 0 {
            return Err(CodecError::Codebooks { codebooks: 0, channels, quantizers });
        }
        Ok(Decoder {
            spec: Spec { rate: self.config.rate(), channels },
            codebook_size: self.config.codebook_size(),
            quantizer: self.quantizer.clone(),
            stacks: vec![self.decoder.clone(); channels],
        })
    }

    /// Reads the weights of the other half.
    ///
    /// # Errors
    /// When a tensor cannot be had.
    pub fn encoder<W: Weights>(&self, weights: &W) -> Result<Encoder, W::Error> {
        Encoder::load(self.config.clone(), self.quantizer.clone(), weights)
    }
}

/// `0..count` in pieces of `size`, the last one shorter.
fn pieces(count: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(size).map(move |start| start..count.min(start + size))
}

fn go_on(progress: &mut dyn FnMut(f64) -> ControlFlow<()>, done: usize, all: usize) -> Result<(), Cancelled> {
    match progress(done as f64 / all as f64) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Cancelled),
    }
}

fn append<T>(lists: &mut [Vec<T>], more: Vec<Vec<T>>) {
    for (list, more) in lists.iter_mut().zip(more) {
        list.extend(more);
    }
}

/// Why tokens or sound could not be taken.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The codebooks cannot be shared out to that many channels.
    #[error(
        "{codebooks} codebooks of tokens for {channels} channels of a codec with {quantizers} codebooks each"
    )]
    Codebooks {
        /// Codebooks given.
        codebooks: usize,
        /// Channels asked for.
        channels: usize,
        /// Codebooks that the codec has for one channel.
        quantizers: usize,
    },
    /// Two codebooks differ in length.
    #[error("codebook {codebook} has {frames} tokens, the first has {expected}")]
    Ragged {
        /// The codebook that differs.
        codebook: usize,
        /// Its length.
        frames: usize,
        /// The length of the first.
        expected: usize,
    },
    /// A token is none of its codebook.
    #[error("token {token} in frame {frame} of codebook {codebook}: the codebook has {size}")]
    Token {
        /// The token.
        token: u32,
        /// The codebook.
        codebook: usize,
        /// The frame, counted from the start of what was given.
        frame: usize,
        /// How many there are.
        size: usize,
    },
    /// The sound is not at the rate of the codec.
    #[error("sound at {found} for a codec that takes {expected}")]
    Rate {
        /// Rate of the sound.
        found: SampleRate,
        /// Rate of the codec.
        expected: SampleRate,
    },
    /// The channels did not come out alike.
    #[error(transparent)]
    Sound(#[from] PcmError),
    /// The work was cancelled. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The device failed.
    #[error("the codec failed")]
    Tensor(#[from] candle_core::Error),
}
