//! Changing the sample rate, with rubato's synchronous FFT resampler in 64-bit arithmetic.
//!
//! Synchronous conversion is exact for every pair of whole rates. The band limit is a Blackman-Harris² windowed sinc of at
//! least [`SHORTEST_BLOCK`] taps at the lower rate: flat to 97 % of the lower Nyquist frequency, stopped from there on.

use rubato::{
    Fft, FixedSync, Resampler, WindowFunction,
    audioadapter::{Adapter, AdapterMut},
    audioadapter_buffers::owned::SequentialOwned,
};

use super::ConvertError;
use crate::{
    audio::{Pcm, SampleRate, Spec},
    cancel::Cancel,
};

/// Shortest filter, in frames of the lower rate.
const SHORTEST_BLOCK: usize = 1024;

/// The sound at another rate and exactly `frames` long, nothing moved in time. The same rate changes the length alone.
///
/// # Errors
/// When it was cancelled, or there is no conversion between the two rates.
pub fn resample(
    mut sound: Pcm,
    rate: SampleRate,
    frames: usize,
    cancel: &dyn Cancel,
) -> Result<Pcm, ConvertError> {
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
    fn new(from: SampleRate, to: SampleRate) -> Result<Self, ConvertError> {
        let (input, output) = block(from.0 as usize, to.0 as usize);
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(from.0 as usize, to.0 as usize, input, 1, 1, window, FixedSync::Both)
            .map_err(|source| ConvertError::NoResampler { from, to, source })?;
        Ok(Self {
            fft,
            input: SequentialOwned::new(0.0, 1, input),
            output: SequentialOwned::new(0.0, 1, output),
            block: vec![0.0; input],
            result: vec![0.0; output],
        })
    }

    fn convert(
        &mut self,
        plane: &[f32],
        frames: usize,
        cancel: &dyn Cancel,
    ) -> Result<Vec<f32>, ConvertError> {
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

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;
    use crate::cancel::Never;

    fn tone_at(rate: SampleRate, hz: f64, frames: usize) -> Pcm {
        let sine = (0..frames).map(|n| (2.0 * PI * hz * rate.seconds(n)).sin() as f32).collect();
        Pcm::new(Spec { rate, channels: 1 }, vec![sine]).unwrap()
    }

    /// Sines up to 95 % of the lower Nyquist frequency come out where they were, within 1e-4 of full scale; sines that the new rate
    /// cannot carry are gone by 100 dB.
    #[test]
    fn resampling_moves_nothing_and_lets_no_alias_through() {
        let pairs = [
            (32_000, 48_000),
            (32_000, 44_100),
            (44_100, 48_000),
            (48_000, 44_100),
            (48_000, 22_050),
            (48_000, 11_025),
            (48_000, 8_000),
            (48_000, 8_001),
            (48_000, 192_000),
            (8_001, 48_000),
        ];
        for (from, to) in pairs.map(|(from, to)| (SampleRate(from), SampleRate(to))) {
            let nyquist = from.hz().min(to.hz()) / 2.0;
            let middle = to.0 as usize..2 * to.0 as usize;
            for share in [0.01, 0.5, 0.95] {
                let hz = share * nyquist;
                let found =
                    resample(tone_at(from, hz, 3 * from.0 as usize), to, 3 * to.0 as usize, &Never).unwrap();
                assert_eq!(found.frames(), 3 * to.0 as usize);
                let expected = tone_at(to, hz, 3 * to.0 as usize);
                let error = middle
                    .clone()
                    .map(|n| (found.planes()[0][n] - expected.planes()[0][n]).abs())
                    .fold(0.0, f32::max);
                assert!(error < 1e-4, "{from} to {to}, {hz} Hz: off by {error}");
            }
            if to < from {
                let hz = (1.02 * nyquist).min(0.49 * from.hz());
                let found =
                    resample(tone_at(from, hz, 3 * from.0 as usize), to, 3 * to.0 as usize, &Never).unwrap();
                let left = found.planes()[0][middle].iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
                assert!(left < 1e-5, "{from} to {to}: alias of {left}");
            }
        }
    }

    #[test]
    fn the_same_rate_is_no_conversion() {
        let sound = tone_at(SampleRate(48_000), 1000.0, 1000);
        assert_eq!(resample(sound.clone(), SampleRate(48_000), 1000, &Never).unwrap(), sound);
        let mut longer = sound.clone();
        longer.resize(1003);
        assert_eq!(resample(sound, SampleRate(48_000), 1003, &Never).unwrap(), longer);
    }
}
