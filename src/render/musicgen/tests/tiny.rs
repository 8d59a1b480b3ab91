//! Models of a few thousand random weights, written and loaded as any other: what the reference does not do.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::SystemTime,
};

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    audio::Random,
    cancel::Never,
    render::musicgen::{
        ModelError,
        checkpoint::{Checkpoint, CheckpointError},
        codes::Codes,
        condition::{Branches, Prompt},
        config::Config,
        generate::{Piece, State, step_together},
        measure::Noise,
        model::{LanguageModel, bytes, check},
        precision::{Kernels, Precision},
        sampling::Sampling,
        tensors::tensors,
        weights::Placement,
    },
};

const TOKENIZER: &str = r#"{
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "</s>": 1, "calm": 2, "loud": 3, "piano": 4}, "unk_token": "<unk>"}
}"#;

fn description(melody: bool) -> Value {
    let mut model = json!({
        "text_encoder": {"vocab_size": 5, "d_model": 6, "d_kv": 4, "d_ff": 8, "num_layers": 2, "num_heads": 2},
        "audio_encoder": {},
        "decoder": {
            "vocab_size": 11, "hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 24, "num_attention_heads": 2,
            "pad_token_id": 11, "bos_token_id": 11,
        },
    });
    if melody {
        model["model_type"] = json!("musicgen_melody");
        model["chroma_length"] = json!(7);
    }
    model
}

/// A directory with a whole model, but for the tensor that is left out.
fn directory(melody: bool, without: Option<&str>) -> TempDir {
    let directory = TempDir::new().unwrap();
    let model = description(melody);
    fs::write(directory.path().join("config.json"), model.to_string()).unwrap();
    fs::write(directory.path().join("tokenizer.json"), TOKENIZER).unwrap();
    let config = Config::from_json(&model, &Value::Null).unwrap();
    let mut random = Random::new(5);
    let mut weights = HashMap::new();
    for wanted in tensors(&config) {
        let count = wanted.shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| random.bipolar()).collect();
        let tensor = Tensor::from_vec(values, wanted.shape.as_slice(), &Device::Cpu).unwrap();
        if Some(wanted.name.as_str()) != without {
            weights.insert(wanted.name, tensor);
        }
    }
    candle_core::safetensors::save(&weights, directory.path().join("model.safetensors")).unwrap();
    directory
}

fn load(directory: &TempDir) -> Result<LanguageModel, ModelError> {
    load_at(directory.path(), Precision::F32)
}

fn load_at(directory: &Path, precision: Precision) -> Result<LanguageModel, ModelError> {
    let (config, checkpoint) = (Config::open(directory)?, Checkpoint::open(directory)?);
    LanguageModel::load(&checkpoint, &config, &Placement::new(Device::Cpu, precision), &Never)
}

pub(super) fn model(melody: bool) -> LanguageModel {
    load(&directory(melody, None)).unwrap()
}

fn branches(model: &LanguageModel, text: &str, negative: &str, melody: Option<&[usize]>) -> Branches {
    model.branches(&Prompt { text, negative, melody }).unwrap()
}

pub(super) fn finish(model: &LanguageModel, mut state: State) -> Codes {
    while !state.done() {
        state.step(model.decoder()).unwrap();
    }
    state.codes()
}

fn greedy(guidance: f64) -> Sampling {
    Sampling { guidance, temperature: 0.0, ..Sampling::default() }
}

fn start(
    model: &LanguageModel,
    branches: &Branches,
    sampling: Sampling,
    prompt: &Codes,
    frames: usize,
) -> State {
    State::new(model.decoder(), &Piece { frames, prompt, branches, sampling }, Random::new(1)).unwrap()
}

fn made(model: &LanguageModel, branches: &Branches, sampling: Sampling) -> Codes {
    finish(model, start(model, branches, sampling, &Codes::empty(4), 20))
}

#[test]
fn every_tensor_that_is_listed_is_needed_and_named_when_it_is_missing() {
    for melody in [false, true] {
        let config = Config::from_json(&description(melody), &Value::Null).unwrap();
        let names: Vec<String> = tensors(&config).into_iter().map(|wanted| wanted.name).collect();
        assert_eq!(names.iter().any(|name| name.contains("encoder_attn")), !melody);
        for name in names {
            let directory = directory(melody, Some(&name));
            let missing = |error| match error {
                ModelError::Checkpoint(CheckpointError::Missing { tensor, .. }) => tensor,
                other => panic!("{name}: {other}"),
            };
            assert_eq!(missing(load(&directory).unwrap_err()), name);
            let checked = check(directory.path(), &mut |_| std::ops::ControlFlow::Continue(()));
            assert_eq!(missing(checked.unwrap_err()), name);
        }
    }
}

#[test]
fn matrices_in_blocks_are_kept_for_the_next_start() {
    for precision in Precision::ALL.into_iter().filter(|precision| precision.bits().is_some()) {
        are_kept_for_the_next_start(precision);
    }
}

fn are_kept_for_the_next_start(precision: Precision) {
    let directory = directory(false, None);
    let kept = || -> Vec<PathBuf> {
        let files = fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path());
        files
            .filter(|file| {
                file.extension().is_some_and(|extension| extension == precision.to_string().as_str())
            })
            .collect()
    };
    let play = |model: &LanguageModel| made(model, &branches(model, "calm", "", None), greedy(3.0));
    play(&load(&directory).unwrap());
    assert!(kept().is_empty(), "nothing is in blocks");
    let first = play(&load_at(directory.path(), precision).unwrap());
    let [file] = &kept()[..] else { panic!("{:?}", kept()) };
    // It is read: what is changed in it is heard.
    let whole = fs::read(file).unwrap();
    let mut bytes = whole.clone();
    assert_eq!(play(&load_at(directory.path(), precision).unwrap()), first);
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    bytes[8 + header..].iter_mut().step_by(3).for_each(|byte| *byte ^= 0x11);
    fs::write(file, &bytes).unwrap();
    assert_ne!(play(&load_at(directory.path(), precision).unwrap()), first);
    // Where it lacks a matrix all are kept again.
    fs::write(file, &whole).unwrap();
    let tensors = SafeTensors::deserialize(&whole).unwrap();
    let less = tensors.iter().filter(|(name, _)| !name.contains("layers.1.fc1"));
    fs::write(file, safetensors::serialize(less, None).unwrap()).unwrap();
    assert!(fs::metadata(file).unwrap().len() < whole.len() as u64);
    assert_eq!(play(&load_at(directory.path(), precision).unwrap()), first);
    assert!(fs::read(file).unwrap() == whole);
    // One that is no such file is made anew, and one of other weights is removed.
    fs::write(file, "nothing").unwrap();
    assert_eq!(play(&load_at(directory.path(), precision).unwrap()), first);
    let weights = directory.path().join("model.safetensors");
    File::options().write(true).open(&weights).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(play(&load_at(directory.path(), precision).unwrap()), first);
    assert!(kept().len() == 1 && kept()[0] != *file, "{:?}", kept());
}

#[test]
fn the_size_is_known_before_loading() {
    let config = Config::from_json(&description(false), &Value::Null).unwrap();
    let values: usize = tensors(&config).iter().map(|wanted| wanted.shape.iter().product::<usize>()).sum();
    assert_eq!(bytes(&config, Precision::F32, Kernels::Candle), 4 * values as u64);
    // Rows of 16 do not divide into blocks.
    assert_eq!(bytes(&config, Precision::Q8_0, Kernels::Candle), 4 * values as u64);
    // Half of the matrices: 2 layers of 8 times 16 x 16 and 2 times 16 x 24, and 4 heads of 11 x 16.
    let matrices = 2 * (8 * 16 * 16 + 2 * 16 * 24) + 4 * 11 * 16;
    assert_eq!(bytes(&config, Precision::Bf16, Kernels::Candle), 4 * values as u64 - 2 * matrices);
    assert_eq!(config.decoder.row_bytes(10, Precision::F16, Kernels::Own), 2 * 2 * 2 * 16 * 10);
}

#[test]
fn any_shape_is_measured_with_noise() {
    let config = Config::from_json(&description(false), &Value::Null).unwrap().decoder;
    for precision in Precision::ALL {
        let noise = Noise::new(&config, precision).unwrap();
        let logits = noise.pieces(2, 5).unwrap().step().unwrap();
        assert_eq!(logits.iter().map(Vec::len).collect::<Vec<_>>(), [4 * 11; 4]);
    }
}

#[test]
fn a_prompt_of_the_piece_itself_gives_the_rest_of_it() {
    let model = model(false);
    let branches = branches(&model, "calm piano", "", None);
    let whole = finish(&model, start(&model, &branches, greedy(3.0), &Codes::empty(4), 320));
    // Longer than what is heard at once.
    for known in [1, 2, 5, 255, 256, 300] {
        let prompt = Codes::from_fn(4, |codebook| whole.codebook(codebook)[..known].to_vec());
        assert_eq!(finish(&model, start(&model, &branches, greedy(3.0), &prompt, 320)), whole, "{known}");
    }
}

#[test]
fn pieces_made_together_are_as_if_made_alone() {
    let model = model(false);
    let calm = branches(&model, "calm", "", None);
    let loud = branches(&model, "loud piano", "calm", None);
    let nothing = branches(&model, "", "", None);
    let prompt = Codes::from_fn(4, |codebook| vec![codebook as u32; 9]);
    let sampled = Sampling { top_k: 5, ..Sampling::default() };
    let pieces = || {
        [
            start(&model, &calm, sampled, &Codes::empty(4), 12),
            start(&model, &loud, sampled, &prompt, 30),
            start(&model, &nothing, sampled, &Codes::empty(4), 7),
            start(&model, &calm, Sampling { guidance: 1.0, ..sampled }, &prompt, 10),
        ]
    };
    let alone = pieces().map(|state| finish(&model, state));
    let mut together = pieces();
    while together.iter().any(|state| !state.done()) {
        let failures = step_together(model.decoder(), &mut together.each_mut());
        assert!(failures.iter().all(Option::is_none), "{failures:?}");
    }
    assert_eq!(together.map(|state| state.codes()), alone);
}

#[test]
fn guidance_leads_away_from_the_negative_prompt() {
    let model = model(false);
    let plain = made(&model, &branches(&model, "calm piano", "", None), greedy(3.0));
    let negative = made(&model, &branches(&model, "calm piano", "loud", None), greedy(3.0));
    assert_ne!(negative, plain);
    // Away from itself is nowhere; without guidance nobody hears it.
    let unguided = made(&model, &branches(&model, "calm piano", " ", None), greedy(1.0));
    assert_eq!(made(&model, &branches(&model, "calm piano", "calm piano", None), greedy(3.0)), unguided);
    assert_eq!(made(&model, &branches(&model, "calm piano", "loud", None), greedy(1.0)), unguided);
    assert_ne!(unguided, plain);
}

#[test]
fn nothing_said_needs_no_second_branch() {
    for melody in [false, true] {
        let model = model(melody);
        assert!(branches(&model, " \n", "", None).second.is_none());
        assert!(branches(&model, "", "loud", None).second.is_some());
    }
}

#[test]
fn a_melody_is_heard_by_the_models_that_follow_one() {
    let text = model(false);
    let asked = text.branches(&Prompt { melody: Some(&[1]), ..Prompt::default() });
    assert!(matches!(asked, Err(ModelError::NoMelody)));

    let model = model(true);
    let of = |melody: Option<&[usize]>| branches(&model, "calm piano", "", melody);
    let lengths = [of(None), of(Some(&[3])), of(Some(&[3; 40]))]
        .map(|branches| (branches.first.prefix_len(), branches.second.map(|second| second.prefix_len())));
    assert_eq!(lengths, [(9, Some(9)); 3], "7 rows of chroma and 2 words");
    let made = |melody| made(&model, &of(melody), greedy(3.0));
    assert_ne!(made(Some(&[3])), made(None));
    assert_eq!(made(Some(&[0])), made(None), "the first pitch class throughout says nothing");
    assert_eq!(made(Some(&[3, 5])), made(Some(&[3, 5, 3, 5, 3, 5, 3, 9])), "repeated, and cut to 7");
    let refused = |melody| model.branches(&Prompt { melody: Some(melody), ..Prompt::default() }).unwrap_err();
    assert!(matches!(refused(&[12]), ModelError::PitchClass { class: 12, classes: 12 }));
    assert!(matches!(refused(&[]), ModelError::EmptyMelody));
}

#[test]
fn a_prompt_of_another_model_is_refused() {
    let model = model(false);
    let branches = branches(&model, "", "", None);
    let prompt = Codes::from_fn(4, |_| vec![11]);
    let piece = Piece { frames: 4, prompt: &prompt, branches: &branches, sampling: greedy(1.0) };
    let refused = State::new(model.decoder(), &piece, Random::new(1)).unwrap_err();
    assert!(matches!(refused, ModelError::Token { token: 11, vocabulary: 11 }));
}
