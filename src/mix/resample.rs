//! Changing the sample rate, with rubato's synchronous FFT resampler in 64-bit arithmetic.
//!
//! Synchronous conversion is exact for every pair of whole rates. The band limit is a Blackman-Harris² windowed sinc of at
//! least [`SHORTEST_BLOCK`] taps at the lower rate: flat to 97 % of the lower Nyquist frequency, stopped from there on.

use rubato::{
    Fft, FixedSync, Resampler, WindowFunction,
    audioadapter::{Adapter, AdapterMut},
    audioadapter_buffers::owned::SequentialOwned,
};

use super::MixError;
use crate::{
    audio::{Pcm, SampleRate, Spec},
    cancel::Cancel,
};

/// Shortest filter, in frames of the lower rate.
const SHORTEST_BLOCK: usize = 1024;

/// The sound at another rate and exactly `frames` long, nothing moved in time. The same rate changes the length alone.
pub(super) fn resample(
    mut sound: Pcm,
    rate: SampleRate,
    frames: usize,
    cancel: &dyn Cancel,
) -> Result<Pcm, MixError> {
    let spec = Spec { rate, ..sound.spec() };
    if sound.rate() == rate {
        sound.resize(frames);
        return Ok(sound);
    }
    let mut converter = Converter::new(sound.rate(), rate)?;
    // Plane by plane: each old plane is freed as soon as its new one is there.
    let planes: Result<_, _> =
        sound.into_planes().into_iter().map(|plane| converter.convert(&plane, frames, cancel)).collect();
    Ok(Pcm::new(spec, planes?)?)
}

/// Converts single channels between two rates, block by block.
struct Converter {
    fft: Fft<f64>,
    input: SequentialOwned<f64>,
    output: SequentialOwned<f64>,
    block: Vec<f64>,
    result: Vec<f64>,
}

impl Converter {
    fn new(from: SampleRate, to: SampleRate) -> Result<Self, MixError> {
        let (input, output) = block(from.0 as usize, to.0 as usize);
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(from.0 as usize, to.0 as usize, input, 1, 1, window, FixedSync::Both)
            .map_err(|source| MixError::NoResampler { from, to, source })?;
        Ok(Self {
            fft,
            input: SequentialOwned::new(0.0, 1, input),
            output: SequentialOwned::new(0.0, 1, output),
            block: vec![0.0; input],
            result: vec![0.0; output],
        })
    }

    fn convert(&mut self, plane: &[f32], frames: usize, cancel: &dyn Cancel) -> Result<Vec<f32>, MixError> {
        self.fft.reset();
        let mut delay = self.fft.output_delay();
        let mut converted = Vec::with_capacity(frames);
        let mut rest = plane.iter();
        while converted.len() < frames {
            cancel.check()?;
            for sample in &mut self.block {
                *sample = rest.next().map_or(0.0, |&sample| f64::from(sample));
            }
            self.input.copy_from_slice_to_channel(0, 0, &self.block);
            self.fft.process_into_buffer(&self.input, &mut self.output, None)?;
            self.output.copy_from_channel_to_slice(0, 0, &mut self.result);
            let skipped = delay.min(self.result.len());
            delay -= skipped;
            let wanted = frames - converted.len();
            converted.extend(self.result.iter().skip(skipped).take(wanted).map(|&sample| sample as f32));
        }
        Ok(converted)
    }
}

/// Block lengths at both rates, in their exact ratio.
///
/// Both are even. The filter is centred on half a block, and only if that is a whole number of frames on both sides does the
/// delay that rubato reports hold exactly.
fn block(from: usize, to: usize) -> (usize, usize) {
    let divisor = greatest_common_divisor(from, to);
    let (input, output) = (from / divisor.max(1), to / divisor.max(1));
    let times = SHORTEST_BLOCK.div_ceil(input.min(output).max(1)).next_multiple_of(2);
    (input * times, output * times)
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
