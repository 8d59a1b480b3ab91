//! The whole codec with random weights, and against the reference's own output.

use std::{cell::Cell, collections::HashMap, fs, path::Path};

use candle_core::{D, DType, Device, Tensor};
use serde_json::{Value, json};

use super::*;
use crate::{
    audio::Random,
    cancel::Never,
    render::musicgen::{self, checkpoint::Checkpoint, weights::CodecWeights},
};

/// Weights drawn by name, scaled so that signals neither vanish nor grow, and rounding does not either.
struct Drawn {
    parametrized: bool,
}

impl Weights for Drawn {
    type Error = candle_core::Error;

    fn has(&self, name: &str) -> bool {
        name.contains("parametrizations") == self.parametrized
    }

    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, candle_core::Error> {
        let name = name.replace("parametrizations.weight.original0", "weight_g");
        let name = name.replace("parametrizations.weight.original1", "weight_v");
        let mut random = Random::stream(7, &name);
        let count = shape.iter().product();
        let width = if name.contains(".lstm.") { shape[shape.len() - 1] as f32 } else { 1.0 };
        let centre = if name.ends_with("weight_g") { 1.5 } else { 0.0 };
        let values: Vec<f32> = (0..count).map(|_| centre + random.bipolar() / width.sqrt()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu)
    }
}

fn codec(config: &Value) -> Codec {
    Codec::load(Config::from_json(config).unwrap(), &Drawn { parametrized: false }).unwrap()
}

fn encoder(codec: &Codec) -> Encoder {
    codec.encoder(&Drawn { parametrized: false }).unwrap()
}

/// The structure of MusicGen's codec, small.
fn small() -> Value {
    json!({
        "sampling_rate": 3200, "num_filters": 4, "hidden_size": 6, "upsampling_ratios": [8, 5, 4, 4],
        "codebook_size": 16, "target_bandwidths": [0.1], "use_causal_conv": false, "use_conv_shortcut": false,
    })
}

fn with(mut config: Value, changes: &Value) -> Value {
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

/// One codec of every kind.
fn kinds() -> Vec<Codec> {
    [
        json!({}),
        json!({"pad_mode": "constant", "compress": 3}),
        json!({
            "upsampling_ratios": [3, 2], "target_bandwidths": [10], "num_residual_layers": 3,
            "use_conv_shortcut": true, "num_lstm_layers": 1,
        }),
        json!({
            "use_causal_conv": true, "trim_right_ratio": 0.5, "kernel_size": 5, "residual_kernel_size": 4,
        }),
    ]
    .iter()
    .map(|changes| codec(&with(small(), changes)))
    .collect()
}

fn tokens(codebooks: usize, frames: usize, size: usize) -> Vec<Vec<u32>> {
    let mut random = Random::new(11);
    (0..codebooks).map(|_| (0..frames).map(|_| random.below(size) as u32).collect()).collect()
}

fn noise(channels: usize, frames: usize, rate: SampleRate) -> Pcm {
    let mut random = Random::new(12);
    let planes = (0..channels).map(|_| (0..frames).map(|_| random.bipolar()).collect()).collect();
    Pcm::new(Spec { rate, channels }, planes).unwrap()
}

fn go(_: f64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The largest difference, relative to the largest expected value.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    found.iter().zip(expected).fold(0.0_f32, |most, (found, expected)| most.max((found - expected).abs()))
        / largest
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn part(tokens: &[Vec<u32>], range: Range<usize>) -> Vec<&[u32]> {
    tokens.iter().map(|tokens| &tokens[range.clone()]).collect()
}

#[test]
fn a_decoder_gives_the_same_samples_whatever_the_pieces() {
    for codec in kinds() {
        let quantizers = codec.config().quantizers();
        for frames in [1, 2, 3, 4, 9, 2 * FRAMES_AT_ONCE + 3] {
            let tokens = tokens(quantizers, frames, 16);
            let mut at_once = codec.decoder(1).unwrap();
            let mut whole = at_once.push(&tokens).unwrap().into_planes();
            append(&mut whole, at_once.finish().unwrap().into_planes());
            assert_eq!(whole[0].len(), frames * codec.config().hop());

            let chunked = codec.decode(&tokens, 1, &mut go).unwrap();
            assert!(
                difference(&chunked.planes()[0], &whole[0]) < 1e-5,
                "{frames} frames of {:?}",
                codec.config()
            );
            for size in [1, 2, 7] {
                let mut decoder = codec.decoder(1).unwrap();
                let mut found = vec![Vec::new()];
                for piece in pieces(frames, size) {
                    append(&mut found, decoder.push(&part(&tokens, piece)).unwrap().into_planes());
                }
                append(&mut found, decoder.finish().unwrap().into_planes());
                let case = format!("{frames} frames by {size} of {:?}", codec.config());
                let difference = difference(&found[0], &whole[0]);
                assert!(difference < 1e-5, "{case}: {difference:e}");
            }
        }
    }
}

#[test]
fn a_decoder_goes_on_from_the_memory_of_another() {
    for codec in kinds() {
        let quantizers = codec.config().quantizers();
        for first in [0, 1, 2, 5, 9] {
            let tokens = tokens(quantizers, 12, 16);
            let mut one = codec.decoder(1).unwrap();
            one.push(&part(&tokens, 0..first)).unwrap();
            let memory = one.memory().unwrap();
            let mut other = codec.decoder(1).unwrap().resume(&memory).unwrap();
            assert_eq!(other.memory().unwrap(), memory);
            let rest = part(&tokens, first..12);
            assert_eq!(other.push(&rest).unwrap(), one.push(&rest).unwrap(), "after {first}");
            assert_eq!(other.finish().unwrap(), one.finish().unwrap());
            assert!(codec.decoder(2).unwrap().resume(&memory).is_err());
            let mut foreign = memory.clone();
            foreign[0].counts.pop();
            assert!(codec.decoder(1).unwrap().resume(&foreign).is_err());
        }
    }
}

/// With the codec of MusicGen the first convolution looks three frames ahead, everything after it less than
/// one.
#[test]
fn the_sound_of_a_frame_comes_four_frames_later() {
    let codec = codec(&small());
    let tokens = tokens(codec.config().quantizers(), 20, 16);
    let mut decoder = codec.decoder(1).unwrap();
    let mut given = 0;
    for frame in 0..20 {
        given += decoder.push(&part(&tokens, frame..frame + 1)).unwrap().frames();
        let hop = codec.config().hop();
        assert!(given <= (frame + 1) * hop && given + 4 * hop >= (frame + 1) * hop, "frame {frame}: {given}");
    }
}

#[test]
fn an_encoder_gives_the_same_tokens_whatever_the_pieces() {
    for codec in kinds() {
        let (encoder, hop) = (encoder(&codec), codec.config().hop());
        for samples in [1, 2, hop - 1, hop, hop + 1, 2 * hop, 5 * hop + 3, (FRAMES_AT_ONCE + 2) * hop + 17] {
            let sound = noise(1, samples, codec.config().rate());
            let mut encoding = encoder.begin(1);
            let whole = encoding.push(&[&sound.planes()[0]], true).unwrap();
            assert!(whole.iter().all(|tokens| tokens.len() == samples.div_ceil(hop)));
            assert_eq!(encoder.encode(&sound, &mut go).unwrap(), whole, "{samples} samples");
            let mut encoding = encoder.begin(1);
            let mut found = vec![Vec::new(); whole.len()];
            for piece in sound.planes()[0].chunks(hop / 2 + 3) {
                append(&mut found, encoding.push(&[piece], false).unwrap());
            }
            append(&mut found, encoding.push(&[&[]], true).unwrap());
            assert_eq!(found, whole, "{samples} samples of {:?}", codec.config());
        }
    }
}

#[test]
fn the_codebooks_of_left_and_right_are_interleaved() {
    let codec = codec(&small());
    let (encoder, quantizers) = (encoder(&codec), codec.config().quantizers());
    let sound = noise(2, 7 * codec.config().hop(), codec.config().rate());
    let tokens = encoder.encode(&sound, &mut go).unwrap();
    assert_eq!(tokens.len(), 2 * quantizers);
    let decoded = codec.decode(&tokens, 2, &mut go).unwrap();
    for channel in 0..2 {
        let alone = Spec { channels: 1, ..sound.spec() };
        let plane = Pcm::new(alone, vec![sound.planes()[channel].clone()]).unwrap();
        let mine: Vec<Vec<u32>> = tokens.iter().skip(channel).step_by(2).cloned().collect();
        assert_eq!(encoder.encode(&plane, &mut go).unwrap(), mine);
        assert_eq!(codec.decode(&mine, 1, &mut go).unwrap().planes()[0], decoded.planes()[channel]);
    }
}

#[test]
fn both_spellings_of_the_weight_norm_are_read() {
    let config = Config::from_json(&small()).unwrap();
    let newer = Codec::load(config, &Drawn { parametrized: true }).unwrap();
    let tokens = tokens(newer.config().quantizers(), 5, 16);
    let expected = codec(&small()).decode(&tokens, 1, &mut go).unwrap();
    assert_eq!(newer.decode(&tokens, 1, &mut go).unwrap(), expected);
}

#[test]
fn nothing_is_coded_as_nothing() {
    let codec = codec(&small());
    let quantizers = codec.config().quantizers();
    assert_eq!(codec.decode(&vec![Vec::new(); quantizers], 1, &mut go).unwrap().frames(), 0);
    let silence = noise(1, 0, codec.config().rate());
    assert_eq!(encoder(&codec).encode(&silence, &mut go).unwrap(), vec![Vec::<u32>::new(); quantizers]);
}

#[test]
fn tokens_that_are_not_of_the_codec_are_refused() {
    let codec = codec(&small());
    let quantizers = codec.config().quantizers();
    let refused =
        |tokens: &[Vec<u32>], channels| codec.decode(tokens, channels, &mut go).unwrap_err().to_string();
    let good = tokens(quantizers, 3, 16);
    assert!(refused(&tokens(quantizers + 1, 3, 16), 1).contains("codebooks of tokens for 1 channels"));
    assert!(refused(&good[..3], 2).contains("for 2 channels"));
    assert!(refused(&good, 0).contains("for 0 channels"));
    assert!(refused(&[], 1).starts_with("0 codebooks"));
    let mut ragged = good.clone();
    ragged[1].pop();
    assert_eq!(refused(&ragged, 1), "codebook 1 has 2 tokens, the first has 3");
    let mut wrong = good;
    wrong[1][2] = 16;
    assert_eq!(refused(&wrong, 1), "token 16 in frame 2 of codebook 1: the codebook has 16");
    let other = noise(1, 100, SampleRate(44_100));
    assert!(encoder(&codec).encode(&other, &mut go).unwrap_err().to_string().contains("44100 Hz"));
}

#[test]
fn a_break_is_heard_within_a_second_of_sound() {
    let codec = codec(&small());
    let tokens = tokens(codec.config().quantizers(), 5 * FRAMES_AT_ONCE, 16);
    let asked = Cell::new(0);
    let mut stop = |done: f64| {
        assert!((done - 0.2 * f64::from(asked.replace(asked.get() + 1))).abs() < 1e-12);
        if done < 0.3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    assert!(matches!(codec.decode(&tokens, 1, &mut stop), Err(CodecError::Cancelled(_))));
    assert_eq!(asked.get(), 3);
}

/// A checkpoint made by the reference, and what it computed with it. See `tests/reference/`.
struct Reference {
    name: String,
    codec: Codec,
    encoder: Encoder,
    golden: HashMap<String, Tensor>,
}

impl Reference {
    fn all() -> Vec<Self> {
        let checkpoints = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/checkpoints");
        fs::read_dir(checkpoints).unwrap().map(|entry| Self::read(&entry.unwrap().path())).collect()
    }

    fn read(directory: &Path) -> Self {
        let config = musicgen::config::Config::open(directory).unwrap();
        let checkpoint = Checkpoint::open(directory).unwrap();
        let weights = CodecWeights { checkpoint: &checkpoint, device: &Device::Cpu, cancel: &Never };
        let codec = Codec::load(config.codec, &weights).unwrap();
        Self {
            name: directory.file_name().unwrap().to_string_lossy().into_owned(),
            encoder: codec.encoder(&weights).unwrap(),
            codec,
            golden: candle_core::safetensors::load(directory.join("golden.safetensors"), &Device::Cpu)
                .unwrap(),
        }
    }

    /// The cases for which there are `{kind}.codes` and `{kind}.audio`.
    fn cases(&self, kind: &str) -> Vec<(String, Vec<Vec<u32>>, Pcm)> {
        let mut cases = Vec::new();
        for name in self.golden.keys().filter(|name| name.starts_with(kind)) {
            let Some(case) = name.strip_suffix(".codes") else { continue };
            let codes = self.golden[name].to_dtype(DType::U32).unwrap().to_vec2().unwrap();
            let audio = &self.golden[&format!("{case}.audio")];
            let audio = audio.reshape(((), audio.dim(D::Minus1).unwrap())).unwrap().to_vec2().unwrap();
            let spec = Spec { rate: self.codec.config().rate(), channels: audio.len() };
            cases.push((case.to_owned(), codes, Pcm::new(spec, audio).unwrap()));
        }
        assert!(cases.len() >= 3);
        cases
    }
}

#[test]
fn tokens_become_the_samples_of_the_reference() {
    for reference in Reference::all() {
        for (case, codes, audio) in reference.cases("codec") {
            let decoded = reference.codec.decode(&codes, audio.spec().channels, &mut go).unwrap();
            for (found, expected) in decoded.planes().iter().zip(audio.planes()) {
                let difference = difference(found, expected);
                assert!(difference < 1e-5, "{case} of {}: {difference:e}", reference.name);
            }
        }
    }
}

#[test]
fn samples_become_the_tokens_of_the_reference() {
    for reference in Reference::all() {
        for (case, codes, audio) in reference.cases("encode") {
            assert_eq!(
                reference.encoder.encode(&audio, &mut go).unwrap(),
                codes,
                "{case} of {}",
                reference.name
            );
            let expected = &reference.golden[&format!("{case}.latents")];
            for (channel, plane) in audio.planes().iter().enumerate() {
                let rows = Tensor::from_slice(plane, (plane.len(), 1), &Device::Cpu).unwrap();
                let latents = reference.encoder.stack().push(Some(rows), true).unwrap().unwrap();
                let expected = match expected.rank() {
                    3 => expected.get(channel).unwrap(),
                    _ => expected.clone(),
                };
                let difference = difference(&values(&latents), &values(&expected));
                assert!(difference < 1e-5, "latents of {case} of {}: {difference:e}", reference.name);
            }
        }
    }
}
