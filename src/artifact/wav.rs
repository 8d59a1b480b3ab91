//! RIFF WAVE: 16 and 24-bit integers and 32-bit floats.
//!
//! 16-bit files have the plain `WAVE_FORMAT_PCM` header that everything reads; wider ones `WAVE_FORMAT_EXTENSIBLE`, as
//! Microsoft's *Multiple channel audio data and WAVE files* asks for above 16 bits.

use std::io::{self, Seek, SeekFrom, Write};

use hound::{SampleFormat, WavSpec, WavWriter};

use super::{riff, tags::Tags};
use crate::{audio::Pcm, wire::BitDepth};

/// Where `dwChannelMask` lies in a `WAVE_FORMAT_EXTENSIBLE` header.
const CHANNEL_MASK_AT: u64 = 40;
/// A lone channel comes from the middle; the encoder numbers speakers from the left.
const FRONT_CENTRE: u32 = 4;
/// Bytes before the first sample in the longer of the two headers, with the length of the `RIFF` chunk's own head.
const HEADER_BYTES: u64 = 68;

/// Writes a WAVE file from the beginning of `out`. With integers, the samples must lie on the integer grid in [-1, 1).
///
/// # Errors
/// When writing fails, a sample is outside the range of the format, or the file would pass 4 GiB
/// ([`io::ErrorKind::FileTooLarge`], before anything is written).
pub(super) fn write<W: Write + Seek>(
    mut out: W,
    sound: &Pcm,
    depth: BitDepth,
    tags: &Tags,
) -> io::Result<()> {
    let bytes_per_sample = u64::from(bits(depth) / 8);
    let data_bytes = sound.frames() as u64 * sound.spec().channels as u64 * bytes_per_sample;
    let trailer = trailer(sound, depth, tags);
    if HEADER_BYTES + data_bytes + 1 + trailer.len() as u64 > u64::from(u32::MAX) {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "a WAV file holds at most 4 GiB: ask for FLAC, a lower sample rate or a shorter piece",
        ));
    }
    samples(&mut out, sound, depth).map_err(|error| match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    })?;
    let end = out.seek(SeekFrom::End(0))?;
    if end % 2 == 1 {
        out.write_all(&[0])?;
    }
    out.write_all(&trailer)?;
    let riff_size = out.stream_position()? - 8;
    out.seek(SeekFrom::Start(4))?;
    out.write_all(&(riff_size as u32).to_le_bytes())?;
    if sound.spec().channels == 1 && bits(depth) > 16 {
        out.seek(SeekFrom::Start(CHANNEL_MASK_AT))?;
        out.write_all(&FRONT_CENTRE.to_le_bytes())?;
    }
    out.flush()
}

/// The chunks after the samples. Formats other than PCM have a `fact` chunk with the number of frames.
fn trailer(sound: &Pcm, depth: BitDepth, tags: &Tags) -> Vec<u8> {
    let mut chunks = match depth {
        BitDepth::Float32 => riff::chunk(*b"fact", &(sound.frames() as u32).to_le_bytes()),
        BitDepth::Int16 | BitDepth::Int24 => Vec::new(),
    };
    chunks.extend(riff::metadata(tags));
    chunks
}

fn bits(depth: BitDepth) -> u16 {
    match depth {
        BitDepth::Int16 => 16,
        BitDepth::Int24 => 24,
        BitDepth::Float32 => 32,
    }
}

fn samples<W: Write + Seek>(out: W, sound: &Pcm, depth: BitDepth) -> hound::Result<()> {
    let sample_format = match depth {
        BitDepth::Float32 => SampleFormat::Float,
        BitDepth::Int16 | BitDepth::Int24 => SampleFormat::Int,
    };
    let spec = WavSpec {
        channels: sound.spec().channels as u16,
        sample_rate: sound.rate().0,
        bits_per_sample: bits(depth),
        sample_format,
    };
    let mut writer = WavWriter::new(out, spec)?;
    for frame in 0..sound.frames() {
        for plane in sound.planes() {
            let sample = plane[frame];
            match depth {
                BitDepth::Int16 => writer.write_sample(integer(sample, 16))?,
                BitDepth::Int24 => writer.write_sample(integer(sample, 24))?,
                BitDepth::Float32 => writer.write_sample(sample)?,
            }
        }
    }
    writer.finalize()
}

/// The integer of a sample; exact for samples on the grid of `bits`.
pub(super) fn integer(sample: f32, bits: u32) -> i32 {
    (sample * (1_u32 << (bits - 1)) as f32).round() as i32
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{
        artifact::sample,
        audio::{SampleRate, Spec},
        wire::{OutputFormat, SectionMark},
    };

    const DEPTHS: [BitDepth; 3] = [BitDepth::Int16, BitDepth::Int24, BitDepth::Float32];

    fn encoded(channels: usize, frames: usize, depth: BitDepth) -> (Pcm, Tags, Vec<u8>) {
        let sound = sample::noise(Spec { rate: SampleRate(44_100), channels }, frames, depth);
        let tags = Tags::of_piece(&sample::piece(sound.clone(), OutputFormat::Wav, depth));
        let mut file = Cursor::new(Vec::new());
        write(&mut file, &sound, depth, &tags).unwrap();
        (sound, tags, file.into_inner())
    }

    fn number(bytes: &[u8]) -> usize {
        u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize
    }

    /// The chunks of a stretch of bytes, which they must fill to the last byte.
    fn walk(mut bytes: &[u8]) -> Vec<(String, &[u8])> {
        let mut chunks = Vec::new();
        while !bytes.is_empty() {
            let size = number(&bytes[4..]);
            chunks.push((String::from_utf8(bytes[..4].to_vec()).unwrap(), &bytes[8..8 + size]));
            let padded = 8 + size + size % 2;
            assert!(bytes[8 + size..padded].iter().all(|&byte| byte == 0));
            bytes = &bytes[padded..];
        }
        chunks
    }

    fn chunks(file: &[u8]) -> Vec<(String, &[u8])> {
        assert_eq!((&file[..4], &file[8..12]), (b"RIFF".as_slice(), b"WAVE".as_slice()));
        assert_eq!(number(&file[4..]), file.len() - 8);
        walk(&file[12..])
    }

    fn text(bytes: &[u8]) -> &str {
        let (zero, text) = bytes.split_last().unwrap();
        assert_eq!(*zero, 0);
        std::str::from_utf8(text).unwrap()
    }

    #[test]
    fn decoding_gives_the_samples_back_bit_for_bit() {
        for depth in DEPTHS {
            for (channels, frames) in [(1, 1), (1, 1_001), (2, 1_000), (2, 1_001)] {
                let (sound, _, file) = encoded(channels, frames, depth);
                let mut reader = hound::WavReader::new(Cursor::new(file)).unwrap();
                let decoded: Vec<f32> = match depth {
                    BitDepth::Float32 => reader.samples::<f32>().map(Result::unwrap).collect(),
                    BitDepth::Int16 => {
                        reader.samples::<i32>().map(|s| s.unwrap() as f32 / 32_768.0).collect()
                    }
                    BitDepth::Int24 => {
                        reader.samples::<i32>().map(|s| s.unwrap() as f32 / 8_388_608.0).collect()
                    }
                };
                for (channel, plane) in sound.planes().iter().enumerate() {
                    let got: Vec<u32> =
                        decoded.iter().skip(channel).step_by(channels).map(|s| s.to_bits()).collect();
                    let expected: Vec<u32> = plane.iter().map(|s| s.to_bits()).collect();
                    assert_eq!(got, expected, "{depth:?} {channels} channels {frames} frames");
                }
            }
        }
    }

    #[test]
    fn chunks_are_whole_padded_and_in_order() {
        for depth in DEPTHS {
            // 24-bit mono with an odd number of frames: an odd number of bytes.
            for (channels, frames) in [(1, 999), (2, 999)] {
                let (_, _, file) = encoded(channels, frames, depth);
                let ids: Vec<String> = chunks(&file).into_iter().map(|(id, _)| id).collect();
                let mut expected = vec!["fmt ", "data", "LIST", "cue ", "LIST", "tmbr"];
                if depth == BitDepth::Float32 {
                    expected.insert(2, "fact");
                }
                assert_eq!(ids, expected, "{depth:?} {channels}");
            }
        }
    }

    #[test]
    fn the_header_is_plain_up_to_16_bits_and_extensible_above() {
        for (depth, channels, tag, mask) in [
            (BitDepth::Int16, 2, 1, None),
            (BitDepth::Int24, 2, 0xfffe, Some(3)),
            (BitDepth::Float32, 2, 0xfffe, Some(3)),
            (BitDepth::Int24, 1, 0xfffe, Some(4)),
        ] {
            let (_, _, file) = encoded(channels, 10, depth);
            let form = chunks(&file)[0].1;
            assert_eq!(u16::from_le_bytes([form[0], form[1]]), tag);
            assert_eq!(form.get(20..).map(number), mask);
        }
    }

    #[test]
    fn the_lists_say_what_the_tags_say() {
        let (_, tags, file) = encoded(2, 3_000, BitDepth::Int24);
        let chunks = chunks(&file);
        let info = walk(chunks[2].1.strip_prefix(b"INFO").unwrap());
        let info: Vec<(&str, &str)> = info.iter().map(|(id, body)| (id.as_str(), text(body))).collect();
        assert_eq!(info[0], ("INAM", "Dreamy piano over rain"));
        assert_eq!(info[1], ("ISFT", tags.software.as_str()));
        assert_eq!(info[2], ("ICRD", "2026-11-21"));
        for part in
            ["prompt=dreamy piano", "engine=synth", "seed=7", "loudness=-14.0 LUFS", "licence=no restriction"]
        {
            assert!(info[4].1.contains(part), "{part} in {}", info[4].1);
        }
        let provenance: serde_json::Value = serde_json::from_slice(chunks[5].1).unwrap();
        assert_eq!(provenance["plan_sha256"].as_str().unwrap().len(), 64);
        assert_eq!(provenance["loudness"]["integrated_lufs"], -14.03);
    }

    #[test]
    fn cue_points_and_labels_mark_the_sections() {
        let (_, tags, file) = encoded(2, 3_000, BitDepth::Int24);
        let chunks = chunks(&file);
        let cue = chunks[3].1;
        assert_eq!((number(cue), cue.len()), (3, 4 + 3 * 24));
        let labels = walk(chunks[4].1.strip_prefix(b"adtl").unwrap());
        for (index, SectionMark { label, start_frame, .. }) in tags.marks.iter().enumerate() {
            let point = &cue[4 + index * 24..];
            assert_eq!(
                (number(point), number(&point[4..]), number(&point[20..])),
                (index + 1, index * 1_000, index * 1_000)
            );
            assert_eq!(&point[8..12], b"data");
            assert_eq!(*start_frame, index as u64 * 1_000);
            assert_eq!((labels[index].0.as_str(), number(labels[index].1)), ("labl", index + 1));
            assert_eq!(text(&labels[index].1[4..]), label);
        }
    }

    #[test]
    fn samples_beyond_the_format_are_refused() {
        let (mut sound, tags, _) = encoded(2, 100, BitDepth::Int24);
        sound.planes_mut().for_each(|plane| plane[50] = 1.0);
        assert!(write(Cursor::new(Vec::new()), &sound, BitDepth::Int24, &tags).is_err());
    }
}
