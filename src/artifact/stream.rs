//! RIFF WAVE that is written before its length is known: 16 bits, both sizes at their largest, which readers of streams take for
//! "until it ends".

use std::io::{self, Seek, SeekFrom, Write};

use crate::audio::{Pcm, Spec};

const BYTES_PER_SAMPLE: usize = 2;
const FULL_SCALE: f32 = 32_768.0;
/// `WAVE_FORMAT_PCM`.
const PCM: u16 = 1;

/// What stands before the samples.
pub fn stream_head(spec: Spec) -> Vec<u8> {
    let frame = spec.channels * BYTES_PER_SAMPLE;
    let mut head = Vec::with_capacity(44);
    head.extend(*b"RIFF\xff\xff\xff\xffWAVEfmt ");
    head.extend(16_u32.to_le_bytes());
    head.extend(PCM.to_le_bytes());
    head.extend((spec.channels as u16).to_le_bytes());
    head.extend(spec.rate.0.to_le_bytes());
    head.extend((spec.rate.0 * frame as u32).to_le_bytes());
    head.extend((frame as u16).to_le_bytes());
    head.extend((8 * BYTES_PER_SAMPLE as u16).to_le_bytes());
    head.extend(*b"data\xff\xff\xff\xff");
    head
}

/// Samples as they stand in it, rounded to the nearest. What is louder than full scale is cut off there.
pub fn stream_samples(sound: &Pcm) -> Vec<u8> {
    let frame = sound.spec().channels * BYTES_PER_SAMPLE;
    let mut bytes = vec![0; sound.frames() * frame];
    for (channel, plane) in sound.planes().iter().enumerate() {
        let at = channel * BYTES_PER_SAMPLE;
        for (frame, sample) in bytes.chunks_exact_mut(frame).zip(plane) {
            frame[at..at + BYTES_PER_SAMPLE].copy_from_slice(&integer(*sample).to_le_bytes());
        }
    }
    bytes
}

/// Sets the sizes of a stream that has ended in a file. One that is too long for them stays as it is.
///
/// # Errors
/// When the file cannot be written.
pub fn set_stream_sizes(mut file: impl Write + Seek) -> io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    for place in [4, 40] {
        if let Some(size) = length.checked_sub(place + 4).and_then(|size| u32::try_from(size).ok()) {
            file.seek(SeekFrom::Start(place))?;
            file.write_all(&size.to_le_bytes())?;
        }
    }
    Ok(())
}

/// A sum with 1.5 * 2^23 has no room for a fraction, and the integer in its lowest bits: many times faster than to round.
fn integer(sample: f32) -> i16 {
    let scaled = (sample * FULL_SCALE).clamp(-FULL_SCALE, FULL_SCALE - 1.0);
    (scaled + 12_582_912.0).to_bits() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    #[test]
    fn a_decoder_reads_it_once_the_sizes_are_known() {
        let spec = Spec { rate: SampleRate(32_000), channels: 2 };
        let sound = Pcm::new(
            spec,
            vec![vec![0.0, 0.5, 1.7, 0.99 / 65_536.0], vec![-0.25, -1.0, -9.0, -1.01 / 65_536.0]],
        )
        .unwrap();
        let mut file = stream_head(spec);
        file.extend(stream_samples(&sound));
        set_stream_sizes(io::Cursor::new(&mut file)).unwrap();
        let mut read = hound::WavReader::new(file.as_slice()).unwrap();
        let expected = hound::WavSpec {
            channels: 2,
            sample_rate: 32_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        assert_eq!(read.spec(), expected);
        let samples: Vec<i16> = read.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [0, -8192, 16384, -32768, 32767, -32768, 0, -1]);
    }
}
