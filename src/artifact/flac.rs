//! FLAC (RFC 9639), encoded block by block so that nothing but the samples is held in memory.

use std::io::{self, Seek, Write};

use flac_codec::{
    Error,
    encode::{FlacSampleWriter, Options},
    metadata::VorbisComment,
};

use super::{tags::Tags, wav::integer};
use crate::{audio::Pcm, wire::SectionMark};

/// Frames that are handed to the encoder at a time: one of its blocks.
const BLOCK: usize = 4096;
/// The name of the comment with all facts as JSON.
const PROVENANCE: &str = "TIMBRE_PROVENANCE";

/// Writes a FLAC file of 16 or 24 bits from the beginning of `out`. The samples must lie on the integer grid in [-1, 1).
///
/// # Errors
/// When writing fails or a sample is outside the range of the format.
pub(super) fn write<W: Write + Seek>(mut out: W, sound: &Pcm, bits: u32, tags: &Tags) -> io::Result<()> {
    encode(&mut out, sound, bits, tags).map_err(|error| match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    })?;
    out.flush()
}

fn encode<W: Write + Seek>(out: W, sound: &Pcm, bits: u32, tags: &Tags) -> Result<(), Error> {
    let channels = sound.spec().channels;
    let samples = (sound.frames() * channels) as u64;
    let options = Options::default().fast_channel_correlation(true).comment(comments(tags));
    let mut writer =
        FlacSampleWriter::new(out, options, sound.rate().0, bits, channels as u8, Some(samples))?;
    let mut interleaved = Vec::with_capacity(BLOCK * channels);
    for start in (0..sound.frames()).step_by(BLOCK) {
        interleaved.clear();
        for frame in start..sound.frames().min(start + BLOCK) {
            for plane in sound.planes() {
                interleaved.push(integer(plane[frame], bits)?);
            }
        }
        writer.write(&interleaved)?;
    }
    writer.finalize()
}

/// The tags as a Vorbis comment, and the sections as chapters in it.
fn comments(tags: &Tags) -> VorbisComment {
    let mut fields: Vec<String> = [
        ("TITLE", &tags.title),
        ("DATE", &tags.date),
        ("GENRE", &tags.style),
        ("ENCODER", &tags.software),
        ("COMMENT", &tags.comment),
        (PROVENANCE, &tags.provenance),
    ]
    .map(|(name, text)| format!("{name}={text}"))
    .to_vec();
    for (number, mark) in (1..).zip(&tags.marks) {
        fields.push(format!("CHAPTER{number:03}={}", clock(mark)));
        fields.push(format!("CHAPTER{number:03}NAME={}", mark.label));
    }
    VorbisComment { vendor_string: tags.software.clone(), fields }
}

/// The time of a mark as `hh:mm:ss.mmm`, the form of chapter comments.
fn clock(mark: &SectionMark) -> String {
    let milliseconds = (mark.start_seconds * 1000.0).round() as u64;
    let (seconds, minutes) = (milliseconds / 1000, milliseconds / 60_000);
    format!("{:02}:{:02}:{:02}.{:03}", minutes / 60, minutes % 60, seconds % 60, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{
        artifact::sample,
        audio::{SampleRate, Spec},
        wire::{BitDepth, OutputFormat},
    };

    fn encode(sound: &Pcm, depth: BitDepth) -> Vec<u8> {
        let bits = if depth == BitDepth::Int16 { 16 } else { 24 };
        let tags = Tags::of_piece(&sample::piece(sound.clone(), OutputFormat::Flac, depth));
        let mut file = Cursor::new(Vec::new());
        write(&mut file, sound, bits, &tags).unwrap();
        file.into_inner()
    }

    /// What a second implementation reads: rate, and the samples of each channel.
    fn decode(file: Vec<u8>, bits: u32) -> (u32, Vec<Vec<f32>>) {
        let mut reader = claxon::FlacReader::new(Cursor::new(file)).unwrap();
        let info = reader.streaminfo();
        assert_eq!(info.bits_per_sample, bits);
        let scale = (1_u32 << (bits - 1)) as f32;
        let samples: Vec<f32> = reader.samples().map(|s| s.unwrap() as f32 / scale).collect();
        assert_eq!(info.samples, Some((samples.len() as u32 / info.channels).into()));
        let channels = info.channels as usize;
        (
            info.sample_rate,
            (0..channels).map(|c| samples.iter().skip(c).step_by(channels).copied().collect()).collect(),
        )
    }

    /// A tone with a little noise.
    fn sound(rate: u32, channels: usize, frames: usize, depth: BitDepth) -> Pcm {
        let mut sound = sample::noise(Spec { rate: SampleRate(rate), channels }, frames, depth);
        let steps = if depth == BitDepth::Int16 { 32_768.0 } else { 8_388_608.0_f32 };
        for plane in sound.planes_mut() {
            for (n, sample) in plane.iter_mut().enumerate() {
                let tone = (n as f32 * 0.01).sin() * 0.7;
                *sample = ((tone + *sample * 1e-3) * steps).round() / steps;
            }
        }
        sound
    }

    #[test]
    fn decoding_gives_the_samples_back_bit_for_bit() {
        for (depth, bits) in [(BitDepth::Int16, 16), (BitDepth::Int24, 24)] {
            for (channels, frames) in [(1, 1), (1, 4_097), (2, 15), (2, 4_096), (2, 20_001)] {
                let sound = sound(48_000, channels, frames, depth);
                let (rate, planes) = decode(encode(&sound, depth), bits);
                assert_eq!(rate, 48_000);
                assert!(planes == sound.planes(), "{depth:?} {channels} channels {frames} frames");
            }
        }
    }

    /// The second decoder does not know how noise and runs of zeros may be stored, so that the encoder's own has to do.
    #[test]
    fn noise_and_silence_come_back() {
        let mut sound = sample::noise(Spec::stereo(SampleRate(48_000)), 20_000, BitDepth::Int24);
        sound.planes_mut().for_each(|plane| plane[2_000..9_000].fill(0.0));
        let file = Cursor::new(encode(&sound, BitDepth::Int24));
        let mut reader = flac_codec::decode::FlacSampleReader::new(file).unwrap();
        let mut samples = Vec::new();
        reader.read_to_end(&mut samples).unwrap();
        assert_eq!(samples.len(), 40_000);
        for (channel, plane) in sound.planes().iter().enumerate() {
            let decoded = samples.iter().skip(channel).step_by(2).map(|&s| s as f32 / 8_388_608.0);
            assert!(decoded.eq(plane.iter().copied()));
        }
    }

    /// Noise has nothing to predict: it must not become larger than it is.
    #[test]
    fn loud_noise_stays_as_large_as_its_samples() {
        let sound = sample::noise(Spec::stereo(SampleRate(48_000)), 40_960, BitDepth::Int24);
        assert!(encode(&sound, BitDepth::Int24).len() < 40_960 * 6 + 12_000);
    }

    #[test]
    fn every_rate_comes_back() {
        for rate in [8_000, 11_025, 44_100, 44_101, 65_537, 88_200, 96_000, 96_001, 120_000, 176_400, 192_000]
        {
            let sound = sound(rate, 2, 5_000, BitDepth::Int16);
            let (read, planes) = decode(encode(&sound, BitDepth::Int16), 16);
            assert_eq!(read, rate);
            assert!(planes == sound.planes(), "{rate}");
        }
    }

    /// The digest in STREAMINFO is that of the interleaved little-endian samples: here of one frame of -1.0 and 0.5, whose
    /// bytes are 00 80 00 40.
    #[test]
    fn the_digest_is_that_of_the_samples() {
        let sound = Pcm::new(Spec::stereo(SampleRate(8_000)), vec![vec![-1.0], vec![0.5]]).unwrap();
        let reader = claxon::FlacReader::new(Cursor::new(encode(&sound, BitDepth::Int16))).unwrap();
        let md5 = format!("{:032x}", u128::from_be_bytes(reader.streaminfo().md5sum));
        assert_eq!(md5, "2005fb591ddb1e8109ee29943843f36e");
    }

    #[test]
    fn the_comments_say_what_the_tags_say() {
        let sound = sound(48_000, 2, 144_000, BitDepth::Int16);
        let reader = claxon::FlacReader::new(Cursor::new(encode(&sound, BitDepth::Int16))).unwrap();
        let value = |name: &str| reader.get_tag(name).collect::<Vec<_>>().join("|");
        assert_eq!(value("TITLE"), "Dreamy piano over rain");
        assert_eq!(value("DATE"), "2026-11-21");
        assert_eq!(value("CHAPTER002"), "00:00:01.000");
        assert_eq!(value("CHAPTER002NAME"), "Motif – Ä");
        assert!(value("COMMENT").contains("engine=synth"));
        let provenance: serde_json::Value = serde_json::from_str(&value(PROVENANCE)).unwrap();
        assert_eq!(provenance["machine_made"], true);
    }

    #[test]
    fn samples_beyond_the_format_are_refused() {
        let mut loud = sound(8_000, 2, 100, BitDepth::Int16);
        loud.planes_mut().for_each(|plane| plane[50] = 1.0);
        let tags = Tags::of_piece(&sample::piece(loud.clone(), OutputFormat::Flac, BitDepth::Int16));
        assert!(write(Cursor::new(Vec::new()), &loud, 16, &tags).is_err());
    }
}
