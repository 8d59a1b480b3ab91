//! Rounding to integers, with dither.

use crate::{
    audio::{Pcm, Random},
    cancel::{Cancel, Cancelled, EVERY_FRAMES},
    wire::BitDepth,
};

/// Rounds to the grid of an integer format after adding triangular noise of 2 LSB peak to peak (TPDF), which makes the error of
/// rounding a steady noise that has nothing in common with the music. Samples outside the format's range are clipped.
///
/// Dither runs through pauses too, so that the noise floor never breathes; a piece that is silent from end to end must not
/// come here, and stays digital silence. Floats are left as they are. The same seed gives the same noise.
pub(super) fn quantise(
    sound: &mut Pcm,
    depth: BitDepth,
    seed: u64,
    cancel: &dyn Cancel,
) -> Result<(), Cancelled> {
    let scale = match depth {
        BitDepth::Int16 => f64::from(1 << 15),
        BitDepth::Int24 => f64::from(1 << 23),
        BitDepth::Float32 => return Ok(()),
    };
    let mut random = Random::stream(seed, "dither");
    for plane in sound.planes_mut() {
        for stretch in plane.chunks_mut(EVERY_FRAMES) {
            cancel.check()?;
            for sample in stretch {
                let noise = random.unit() - random.unit();
                let step = (f64::from(*sample) * scale + noise).round().clamp(-scale, scale - 1.0);
                *sample = (step / scale) as f32;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audio::{SampleRate, Spec},
        cancel::Never,
    };

    fn constant(value: f32) -> Pcm {
        Pcm::new(Spec { rate: SampleRate(48_000), channels: 1 }, vec![vec![value; 100_000]]).unwrap()
    }

    /// The error of a TPDF-dithered quantiser has mean 0 and variance LSB² / 4 whatever the signal (Lipshitz, Wannamaker and
    /// Vanderkooy, 1992).
    #[test]
    fn the_error_does_not_depend_on_the_signal() {
        let lsb = 1.0 / 32_768.0;
        for value in [0.0_f32, 0.25 / 32_768.0, 0.5 / 32_768.0, 0.123_456] {
            let mut sound = constant(value);
            quantise(&mut sound, BitDepth::Int16, 7, &Never).unwrap();
            let errors: Vec<f64> =
                sound.planes()[0].iter().map(|&s| (f64::from(s) - f64::from(value)) / lsb).collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let variance = errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64;
            assert!(mean.abs() < 0.01, "mean {mean}");
            assert!((variance - 0.25).abs() < 0.01, "variance {variance}");
        }
    }

    #[test]
    fn stays_on_the_grid_and_in_range() {
        for (depth, scale) in [(BitDepth::Int16, 32_768.0), (BitDepth::Int24, 8_388_608.0)] {
            for value in [1.5, 1.0, -1.0, -1.5, 0.3] {
                let mut sound = constant(value);
                quantise(&mut sound, depth, 1, &Never).unwrap();
                assert!(
                    sound.planes()[0].iter().all(|&s| (-1.0..1.0).contains(&s) && (s * scale).fract() == 0.0)
                );
            }
        }
    }
}
