use std::{f64::consts::PI, fs, io::Write, path::PathBuf};

use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::*;
use crate::cancel::Never;

const RATE: SampleRate = SampleRate(44_100);
const FRAMES: usize = 50_000;

/// What every file of `tests/sounds` holds.
fn tones() -> Pcm {
    let sine =
        |hz: f64| (0..FRAMES).map(|n| (0.5 * (2.0 * PI * hz * RATE.seconds(n)).sin()) as f32).collect();
    Pcm::new(Spec::stereo(RATE), vec![sine(440.0), sine(660.0)]).unwrap()
}

fn sound(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sounds").join(name)
}

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn wav(spec: Spec, bits: u16, sample: impl Fn(usize, usize) -> f64, frames: usize) -> Vec<u8> {
    let mut bytes = io::Cursor::new(Vec::new());
    let format = if bits == 32 { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
    let head = hound::WavSpec {
        channels: spec.channels as u16,
        sample_rate: spec.rate.0,
        bits_per_sample: bits,
        sample_format: format,
    };
    let mut writer = hound::WavWriter::new(&mut bytes, head).unwrap();
    for frame in 0..frames {
        for channel in 0..spec.channels {
            if bits == 32 {
                writer.write_sample(sample(frame, channel) as f32).unwrap();
            } else {
                let full = f64::from((1_i32 << (bits - 1)) - 1);
                writer.write_sample((sample(frame, channel) * full).round() as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn tones_as_wav(bits: u16) -> Vec<u8> {
    let tones = tones();
    wav(tones.spec(), bits, |frame, channel| f64::from(tones.planes()[channel][frame]), FRAMES)
}

fn tones_as_flac() -> Vec<u8> {
    use flac_codec::encode::{FlacSampleWriter, Options};
    let tones = tones();
    let samples: Vec<i32> = (0..FRAMES)
        .flat_map(|frame| tones.planes().iter().map(move |plane| plane[frame]))
        .map(|sample| (f64::from(sample) * 8_388_607.0).round() as i32)
        .collect();
    let mut bytes = io::Cursor::new(Vec::new());
    let mut writer =
        FlacSampleWriter::new(&mut bytes, Options::default(), RATE.0, 24_u32, 2, Some(samples.len() as u64))
            .unwrap();
    writer.write(&samples).unwrap();
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn all(path: &Path) -> Result<Pcm, SourceError> {
    read(path, &Excerpt::default(), &Never)
}

/// How far two sounds are apart, but for the first and last 50 ms, where a lossy codec meets silence. LAME
/// lowers the level by 5 %, which is 0.025; a frame of delay would be 0.04 and more.
fn furthest(one: &Pcm, other: &Pcm) -> f32 {
    assert_eq!((one.spec(), one.frames()), (other.spec(), other.frames()));
    let edge = RATE.frames(0.05);
    let inner = |sound: &Pcm| -> Vec<f32> {
        sound.planes().iter().flat_map(|plane| plane[edge..plane.len() - edge].to_vec()).collect()
    };
    let pairs = inner(one).into_iter().zip(inner(other));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Every format gives the tones back on the sample, what encoders put around them cut off.
#[test]
fn every_format_gives_its_sound_on_the_sample() {
    let made =
        [tones_as_wav(16), tones_as_wav(24), tones_as_wav(32), tones_as_flac()].map(|bytes| file(&bytes));
    for (format, path, tolerance) in [
        ("wav", made[0].path(), 1e-4),
        ("wav", made[1].path(), 1e-6),
        ("wav", made[2].path(), 0.0),
        ("flac", made[3].path(), 1e-6),
        ("mp3", &sound("tones.mp3"), 0.03),
        ("ogg", &sound("tones.ogg"), 0.02),
    ] {
        let contents = examine(path, &Never).unwrap();
        let expected = Contents { format, spec: tones().spec(), frames: FRAMES as u64 };
        assert_eq!(contents, expected);
        let error = furthest(&all(path).unwrap(), &tones());
        assert!(error <= tolerance, "{format}: off by {error}");
    }
}

#[test]
fn an_mp3_without_a_head_keeps_all_that_it_has() {
    let contents = examine(&sound("tones-headless.mp3"), &Never).unwrap();
    assert!(contents.frames >= FRAMES as u64 && contents.frames.is_multiple_of(1152), "{contents:?}");
}

/// An excerpt is what stands there in the whole, whether it is reached by decoding or by skipping.
#[test]
fn an_excerpt_is_part_of_the_whole() {
    for name in ["tones.mp3", "tones.ogg", "tones-headless.mp3"] {
        let path = sound(name);
        let whole = all(&path).unwrap();
        for (start, end) in [(0.0, 0.4), (0.25, 0.75), (1.05, 1.1)] {
            let excerpt = Excerpt { start_seconds: start, end_seconds: Some(end), ..Excerpt::default() };
            let found = read(&path, &excerpt, &Never).unwrap();
            let (first, last) = (RATE.frames(start), RATE.frames(end));
            for (found, whole) in found.planes().iter().zip(whole.planes()) {
                assert!(found == &whole[first..last], "{name} {start}");
            }
        }
        let last = Excerpt { keep: Keep::Last(0.25), ..Excerpt::default() };
        let found = read(&path, &last, &Never).unwrap();
        assert!(found.planes()[0] == whole.planes()[0][whole.frames() - RATE.frames(0.25)..], "{name}");
        let last = Excerpt { start_seconds: 0.5, end_seconds: Some(0.7), keep: Keep::Last(0.5) };
        assert_eq!(read(&path, &last, &Never).unwrap().frames(), RATE.frames(0.7) - RATE.frames(0.5));
    }
}

/// Of a long file what lies before the excerpt is not decoded, and nothing moves by it.
#[test]
fn a_place_far_inside_is_found_on_the_sample() {
    let rate = SampleRate(8_000);
    let ramp = |frame: usize, _: usize| (frame % 32_000) as f64 / 32_768.0;
    let long = file(&wav(Spec { rate, channels: 1 }, 16, ramp, 30 * 8_000));
    let excerpt = Excerpt { start_seconds: 20.0, end_seconds: Some(20.5), ..Excerpt::default() };
    let found = read(long.path(), &excerpt, &Never).unwrap();
    let frames: Vec<usize> =
        found.planes()[0].iter().map(|sample| (f64::from(*sample) * 32_768.0).round() as usize).collect();
    assert_eq!(frames, (0..4_000).collect::<Vec<_>>().as_slice());
    let tail = Excerpt { keep: Keep::Last(2.0), ..Excerpt::default() };
    assert_eq!(read(long.path(), &tail, &Never).unwrap().frames(), 16_000);
    let beyond = Excerpt { start_seconds: 40.0, end_seconds: Some(50.0), ..Excerpt::default() };
    let outside = read(long.path(), &beyond, &Never).unwrap_err().to_string();
    assert!(outside.contains("lasts 30.0 s"), "{outside}");
}

#[test]
fn more_than_two_channels_become_their_mean() {
    let six = Spec { rate: RATE, channels: 6 };
    let found = all(file(&wav(six, 32, |_, channel| channel as f64 / 10.0, 100)).path()).unwrap();
    assert_eq!(found.spec(), Spec { rate: RATE, channels: 1 });
    assert!(found.planes()[0].iter().all(|sample| (sample - 0.25).abs() < 1e-6));
}

#[test]
fn what_is_no_source_says_why() {
    let said = |bytes: &[u8]| all(file(bytes).path()).unwrap_err().to_string();
    assert!(matches!(all(Path::new("no such file")), Err(SourceError::Read(_))));
    for bytes in [&b""[..], b"{\"prompt\": \"piano\"}", &[0; 5000]] {
        assert!(said(bytes).contains("WAV, FLAC, MP3 and OGG"), "{}", said(bytes));
    }
    assert!(matches!(all(&sound("opus.ogg")), Err(SourceError::Codec | SourceError::NoTrack)));
    let quarter = Spec { rate: SampleRate(4_000), channels: 1 };
    assert!(said(&wav(quarter, 16, |_, _| 0.0, 100)).contains("4000 Hz"));
    let nine = Spec { rate: RATE, channels: 9 };
    assert!(said(&wav(nine, 16, |_, _| 0.0, 100)).contains("9 channels"));
    assert!(said(&wav(tones().spec(), 32, |_, _| f64::NAN, 100)).contains("no numbers"));
    assert!(said(&wav(tones().spec(), 16, |_, _| 0.0, 0)).contains("no sound"));
    let beyond = Excerpt { start_seconds: 2.0, ..Excerpt::default() };
    let outside = read(&sound("tones.ogg"), &beyond, &Never).unwrap_err().to_string();
    assert!(outside.contains("lasts 1.1 s"), "{outside}");
}

#[test]
fn a_file_that_is_cut_off_says_where() {
    for (bytes, name) in [
        (tones_as_wav(16), "wav"),
        (tones_as_flac(), "flac"),
        (fs::read(sound("tones.mp3")).unwrap(), "mp3"),
        (fs::read(sound("tones.ogg")).unwrap(), "ogg"),
    ] {
        let part = file(&bytes[..bytes.len() * 3 / 4]);
        match (all(part.path()), name) {
            // The length of an Ogg stream stands at its end alone, and a short one has a single page of sound.
            (Err(SourceError::Truncated { at_seconds: 0.0, .. }), "ogg") => {}
            (Err(SourceError::Truncated { at_seconds, .. }), _) => {
                assert!((0.5..1.0).contains(&at_seconds), "{name}: {at_seconds}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_cancel_is_heard() {
    struct Stop;
    impl Cancel for Stop {
        fn go_on(&self) -> std::ops::ControlFlow<()> {
            std::ops::ControlFlow::Break(())
        }
    }
    let stopped = read(&sound("tones.ogg"), &Excerpt::default(), &Stop);
    assert!(matches!(stopped, Err(SourceError::Cancelled(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done to a file, it is read or refused.
    #[test]
    fn hostile_bytes_are_read_or_refused(
        which in 0_usize..5,
        cut in 0.0_f64..1.0,
        spoilt in prop::collection::vec((0.0_f64..1.0, any::<u8>(), any::<bool>()), 0..8),
    ) {
        let mut bytes = match which {
            0 => tones_as_wav(16),
            1 => tones_as_flac(),
            2 => fs::read(sound("tones.mp3")).unwrap(),
            3 => fs::read(sound("tones.ogg")).unwrap(),
            _ => fs::read(sound("opus.ogg")).unwrap(),
        };
        for (at, byte, head) in spoilt {
            // Half of the blows fall on the head, where the lengths stand.
            let reach = if head { bytes.len().min(200) } else { bytes.len() };
            bytes[(at * reach as f64) as usize] = byte;
        }
        if cut < 0.5 {
            bytes.truncate((2.0 * cut * bytes.len() as f64) as usize);
        }
        let file = file(&bytes);
        if let Ok(sound) = all(file.path()) {
            prop_assert!(sound.is_finite() && (1..=2).contains(&sound.spec().channels));
        }
        let _whatever = examine(file.path(), &Never);
    }
}
