//! FLAC (RFC 9639), encoded block by block so that nothing but the samples is held in memory.

use std::{
    fmt::Display,
    io::{self, Seek, SeekFrom, Write},
};

use flacenc::{
    bitsink::ByteSink,
    component::{BitRepr, StreamInfo},
    config::Encoder,
    encode_fixed_size_frame,
    error::{Verified, Verify},
    source::{Context, Fill, FrameBuf},
};

use super::{tags::Tags, wav::integer};
use crate::{audio::Pcm, wire::SectionMark};

/// Frames per block, as in the reference encoder.
const BLOCK: usize = 4096;
/// Highest rate that the encoder's own description of a stream can hold.
const ENCODER_RATE_MAX: usize = 96_000;
/// A rate without a code of its own: it makes block headers refer to STREAMINFO (RFC 9639, section 9.1.2), where the real
/// rate stands.
const RATE_IN_STREAMINFO: usize = 65_537;
/// The name of the comment with all facts as JSON.
const PROVENANCE: &str = "TIMBRE_PROVENANCE";

/// Writes a FLAC file of 16 or 24 bits from the beginning of `out`. The samples must lie on the integer grid in [-1, 1).
///
/// # Errors
/// When writing fails or a sample is outside the range of the format.
pub(super) fn write<W: Write + Seek>(mut out: W, sound: &Pcm, bits: u32, tags: &Tags) -> io::Result<()> {
    out.write_all(b"fLaC")?;
    let streaminfo_at = out.stream_position()?;
    out.write_all(&block(0, false, &[0; 34])?)?;
    out.write_all(&block(4, true, &comments(tags)?)?)?;
    let summary = blocks(&mut out, sound, bits)?;
    out.seek(SeekFrom::Start(streaminfo_at))?;
    out.write_all(&block(0, false, &summary.streaminfo(sound, bits))?)?;
    out.flush()
}

/// What is known once every block is written.
struct Summary {
    smallest_block_bytes: u32,
    largest_block_bytes: u32,
    md5: [u8; 16],
}

impl Summary {
    /// STREAMINFO (RFC 9639, section 8.2).
    fn streaminfo(&self, sound: &Pcm, bits: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(34);
        bytes.extend((BLOCK as u16).to_be_bytes());
        bytes.extend((BLOCK as u16).to_be_bytes());
        bytes.extend(&self.smallest_block_bytes.to_be_bytes()[1..]);
        bytes.extend(&self.largest_block_bytes.to_be_bytes()[1..]);
        let form = u64::from(sound.rate().0) << 44
            | (sound.spec().channels as u64 - 1) << 41
            | u64::from(bits - 1) << 36
            | sound.frames() as u64;
        bytes.extend(form.to_be_bytes());
        bytes.extend(self.md5);
        bytes
    }
}

/// Encodes and writes all blocks.
fn blocks(out: &mut impl Write, sound: &Pcm, bits: u32) -> io::Result<Summary> {
    let channels = sound.spec().channels;
    let rate = sound.rate().0 as usize;
    let rate = if rate > ENCODER_RATE_MAX { RATE_IN_STREAMINFO } else { rate };
    let info = StreamInfo::new(rate, channels, bits as usize).map_err(|error| refused(&error))?;
    let encoder: Verified<Encoder> =
        Encoder::default().into_verified().map_err(|(_, error)| refused(&error))?;
    let mut buffer = FrameBuf::with_size(channels, BLOCK).map_err(|error| refused(&error))?;
    let mut context = Context::new(bits as usize, channels);
    let mut sink = ByteSink::new();
    let mut interleaved = Vec::with_capacity(BLOCK * channels);
    let (mut smallest, mut largest) = (u32::MAX, 0);
    for (number, start) in (0..sound.frames()).step_by(BLOCK).enumerate() {
        interleaved.clear();
        for frame in start..sound.frames().min(start + BLOCK) {
            interleaved.extend(sound.planes().iter().map(|plane| integer(plane[frame], bits)));
        }
        buffer.fill_interleaved(&interleaved).map_err(|error| refused(&error))?;
        context.fill_interleaved(&interleaved).map_err(|error| refused(&error))?;
        let encoded =
            encode_fixed_size_frame(&encoder, &buffer, number, &info).map_err(|error| refused(&error))?;
        sink.clear();
        encoded.write(&mut sink).map_err(|error| refused(&error))?;
        let bytes = sink.as_slice();
        smallest = smallest.min(bytes.len() as u32);
        largest = largest.max(bytes.len() as u32);
        out.write_all(bytes)?;
    }
    Ok(Summary {
        smallest_block_bytes: smallest.min(largest),
        largest_block_bytes: largest,
        md5: context.md5_digest(),
    })
}

/// What the encoder said, as an error of writing; its own errors may not leave their thread.
fn refused(error: &dyn Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// A metadata block (RFC 9639, section 8.1).
fn block(kind: u8, last: bool, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len()).ok().filter(|&length| length < 1 << 24);
    let length =
        length.ok_or_else(|| io::Error::other("the tags are longer than a FLAC file can hold (16 MiB)"))?;
    let mut bytes = vec![kind | u8::from(last) << 7];
    bytes.extend(&length.to_be_bytes()[1..]);
    bytes.extend(body);
    Ok(bytes)
}

/// A Vorbis comment (RFC 9639, section 8.6), entries in a fixed order.
fn comments(tags: &Tags) -> io::Result<Vec<u8>> {
    let mut entries: Vec<(String, &str)> = [
        ("TITLE", &tags.title),
        ("DATE", &tags.date),
        ("GENRE", &tags.style),
        ("ENCODER", &tags.software),
        ("COMMENT", &tags.comment),
        (PROVENANCE, &tags.provenance),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_str()))
    .to_vec();
    let times: Vec<String> = tags.marks.iter().map(clock).collect();
    for (number, (mark, time)) in (1..).zip(tags.marks.iter().zip(&times)) {
        entries.push((format!("CHAPTER{number:03}"), time));
        entries.push((format!("CHAPTER{number:03}NAME"), &mark.label));
    }
    let mut bytes = counted(&tags.software)?;
    bytes.extend((entries.len() as u32).to_le_bytes());
    for (name, text) in entries {
        bytes.extend(counted(&format!("{name}={text}"))?);
    }
    Ok(bytes)
}

/// A text with its length in bytes before it.
fn counted(text: &str) -> io::Result<Vec<u8>> {
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    Ok(length.to_le_bytes().into_iter().chain(text.bytes()).collect())
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

    /// Noise and music-like tones, so that every kind of prediction is used.
    fn sound(rate: u32, channels: usize, frames: usize, depth: BitDepth) -> Pcm {
        let mut sound = sample::noise(Spec { rate: SampleRate(rate), channels }, frames, depth);
        let steps = if depth == BitDepth::Int16 { 32_768.0 } else { 8_388_608.0_f32 };
        for plane in sound.planes_mut() {
            for (n, sample) in plane.iter_mut().enumerate().skip(frames / 3) {
                *sample = if n > frames / 2 {
                    ((n as f32 * 0.01).sin() * 0.7 * steps).round() / steps
                } else {
                    0.0
                };
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
        let tag = metaflac::Tag::read_from(&mut Cursor::new(encode(&sound, BitDepth::Int16))).unwrap();
        let md5: String =
            tag.get_streaminfo().unwrap().md5.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(md5, "2005fb591ddb1e8109ee29943843f36e");
    }

    #[test]
    fn the_comments_say_what_the_tags_say() {
        let sound = sound(48_000, 2, 144_000, BitDepth::Int16);
        let tag = metaflac::Tag::read_from(&mut Cursor::new(encode(&sound, BitDepth::Int16))).unwrap();
        let value = |name: &str| tag.get_vorbis(name).unwrap().collect::<Vec<_>>().join("|");
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
