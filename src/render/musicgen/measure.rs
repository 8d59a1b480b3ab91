//! How fast this machine would play a model that need not be on it: the arithmetic of its sizes, on random weights.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use candle_core::{Device, Tensor};

use super::{
    ModelError,
    codec::{self, Codec, CodecError},
    config::{Config, DecoderConfig},
    decoder::{Condition, Decoder, Feed, Row},
    delay::Token,
    model,
    precision::{Kernels, Precision},
};
use crate::audio::Random;

/// Word pieces of the prompt.
const WORDS: usize = 16;

/// How long a figure is measured at least, and how many steps.
const LONG_ENOUGH: Duration = Duration::from_millis(1500);
const STEPS: usize = 8;

/// The frame of a piece at which steps are measured: half of 10 s.
const FRAME: usize = 250;

/// Frames early and late in the longest window.
pub const EARLY_FRAME: usize = 100;
/// See [`EARLY_FRAME`].
pub const LATE_FRAME: usize = 1400;

/// Pieces at the same time that are measured.
pub const PIECES: [usize; 4] = [1, 2, 4, 8];

/// How fast some pieces are made at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many pieces, each of two rows for guidance.
    pub pieces: usize,
    /// Seconds that a step takes, which makes a frame of each piece.
    pub step_seconds: f64,
    /// Seconds of work for a second of all their music, the codec included.
    pub real_time_factor: f64,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// For each of [`PIECES`], in the middle of a piece of 10 s.
    pub paces: Vec<Pace>,
    /// Seconds of a step of one piece at [`EARLY_FRAME`] and at [`LATE_FRAME`].
    pub early_step_seconds: f64,
    /// See `early_step_seconds`.
    pub late_step_seconds: f64,
    /// Seconds of decoding for a second of one channel.
    pub codec_real_time_factor: f64,
    /// Bytes that the weights take, of language model and codec.
    pub weights_bytes: u64,
    /// Bytes that one piece of 30 s takes beside them.
    pub piece_bytes: u64,
}

/// Measures. `progress` hears what is measured next, and may end it.
///
/// # Errors
/// When there is no room, or it was ended.
pub fn measure(
    config: &Config,
    precision: Precision,
    progress: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<Measured, ModelError> {
    let mut next = |what: &str| match progress(what) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ModelError::from(crate::cancel::Cancelled)),
    };
    next("the codec")?;
    let codec_real_time_factor = codec_pace(config)?;
    next("preparing the language model")?;
    let model = Noise::new(&config.decoder, precision)?;
    let rate = config.codec.frame_rate() as f64;
    let channels = config.decoder.audio_channels as f64;
    let mut paces = Vec::new();
    for pieces in PIECES {
        next(&format!("{pieces} at a time"))?;
        let step_seconds = model.step_seconds(pieces, FRAME)?;
        let real_time_factor = step_seconds * rate / pieces as f64 + codec_real_time_factor * channels;
        paces.push(Pace { pieces, step_seconds, real_time_factor });
    }
    next("early and late steps")?;
    let positions = super::stream::Window::of_30_seconds(config.codec.frame_rate()).frames();
    Ok(Measured {
        paces,
        early_step_seconds: model.step_seconds(1, EARLY_FRAME)?,
        late_step_seconds: model.step_seconds(1, LATE_FRAME)?,
        codec_real_time_factor,
        weights_bytes: model::bytes(config, precision, Kernels::Own),
        piece_bytes: 2 * config.decoder.row_bytes(positions, precision, Kernels::Own),
    })
}

/// A language model of random weights.
#[derive(Debug)]
pub struct Noise {
    decoder: Decoder,
    text: Condition,
}

impl Noise {
    /// Of the sizes that a configuration tells.
    ///
    /// # Errors
    /// When there is no room.
    pub fn new(config: &DecoderConfig, precision: Precision) -> Result<Self, ModelError> {
        let decoder = Decoder::of_noise(config, precision);
        let text = decoder.text(vec![1.0; WORDS * config.hidden_size])?;
        Ok(Self { decoder, text })
    }

    /// Some pieces of two rows each, behind so many frames.
    ///
    /// # Errors
    /// When there is no room.
    pub fn pieces(&self, pieces: usize, frame: usize) -> Result<Pieces<'_>, ModelError> {
        let silent = Condition::default();
        let row = |row: usize| {
            let condition = if row.is_multiple_of(2) { &self.text } else { &silent };
            self.decoder.row_from(condition, frame, frame + 1)
        };
        Ok(Pieces {
            decoder: &self.decoder,
            rows: (0..2 * pieces).map(row).collect::<candle_core::Result<_>>()?,
            column: vec![vec![Token::Code(1); self.decoder.config().num_codebooks]],
            frame,
        })
    }

    /// Seconds of a step of some pieces behind a frame: the median.
    fn step_seconds(&self, pieces: usize, frame: usize) -> Result<f64, ModelError> {
        let mut pieces = self.pieces(pieces, frame)?;
        let (begun, mut seconds) = (Instant::now(), Vec::new());
        while begun.elapsed() < LONG_ENOUGH || seconds.len() < STEPS {
            let step = Instant::now();
            pieces.step()?;
            seconds.push(step.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[seconds.len() / 2])
    }
}

/// Pieces of such a model, always behind the same frame.
#[derive(Debug)]
pub struct Pieces<'a> {
    decoder: &'a Decoder,
    rows: Vec<Row>,
    column: Vec<Vec<Token>>,
    frame: usize,
}

impl Pieces<'_> {
    /// One step of all of them: the logits of each row.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn step(&mut self) -> Result<Vec<Vec<f32>>, ModelError> {
        let rows = self.rows.iter_mut();
        let mut feeds: Vec<Feed<'_>> = rows.map(|row| Feed { row, columns: &self.column }).collect();
        let logits = self.decoder.forward(&mut feeds)?;
        self.rows.iter_mut().for_each(|row| row.back_to(self.frame));
        Ok(logits)
    }
}

/// Seconds of decoding for a second of one channel.
fn codec_pace(config: &Config) -> Result<f64, ModelError> {
    let codec = Codec::load(config.codec.clone(), &CodecNoise)?;
    let mut random = Random::new(1);
    let size = config.codec.codebook_size() as f32;
    let frames = 5 * config.codec.frame_rate();
    let mut tokens = || (0..frames).map(|_| (random.unit() as f32 * (size - 1.0)) as u32).collect::<Vec<_>>();
    let tokens: Vec<Vec<u32>> = (0..config.codec.quantizers()).map(|_| tokens()).collect();
    let decode = || -> Result<f64, CodecError> {
        let begun = Instant::now();
        let sound = codec.decode(&tokens, 1, &mut |_| ControlFlow::Continue(()))?;
        Ok(begun.elapsed().as_secs_f64() / sound.seconds())
    };
    let first = decode().map_err(candle_core::Error::wrap)?;
    let second = decode().map_err(candle_core::Error::wrap)?;
    Ok(first.min(second))
}

/// A codec's weights as noise.
struct CodecNoise;

impl codec::Weights for CodecNoise {
    type Error = ModelError;

    fn has(&self, _: &str) -> bool {
        true
    }

    fn get(&self, _: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        Ok(Tensor::rand(-0.05_f32, 0.05, shape, &Device::Cpu)?)
    }
}
