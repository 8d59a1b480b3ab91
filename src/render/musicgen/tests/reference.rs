//! Every stage against the values that `transformers` computed for the checkpoints under `tests/reference`.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use crate::{
    audio::Random,
    cancel::Never,
    render::musicgen::{
        MusicGen,
        chroma::FollowedSound,
        codec::{Codec, Encoder},
        codes::Codes,
        condition::{Branches, Prompt},
        config::Config,
        decoder::{Condition, Feed},
        delay::Token,
        generate::{Piece, State},
        model::{LanguageModel, check},
        precision::{Kernels, Precision},
        sampling::{Sampler, Sampling},
        stream::Melody,
        weights::Placement,
    },
};

/// Of the largest value of what the reference has.
pub(super) const TOLERANCE: f32 = 1e-4;

/// A model with what the reference makes of it.
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) model: Arc<LanguageModel>,
    pub(super) codec: Codec,
    pub(super) encoder: Arc<Encoder>,
    pub(super) golden: HashMap<String, Tensor>,
    facts: Value,
}

impl Reference {
    pub(super) fn open(directory: &Path, precision: Precision, kernels: Kernels) -> Self {
        let placement = Placement { device: Device::Cpu, precision, kernels };
        let model = MusicGen::open(directory, &placement, &Device::Cpu, &Never).unwrap();
        let encoder = model.encoder(&Never).unwrap();
        let MusicGen { config, language: model, codec, .. } = model;
        let golden =
            candle_core::safetensors::load(directory.join("golden.safetensors"), &Device::Cpu).unwrap();
        let facts = serde_json::from_slice(&fs::read(directory.join("golden.json")).unwrap()).unwrap();
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, config, model, codec, encoder, golden, facts }
    }

    pub(super) fn fact(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap()
    }

    pub(super) fn codes(&self, name: &str) -> Codes {
        let tokens = self.golden[name].to_dtype(DType::U32).unwrap().to_vec2().unwrap();
        Codes::try_from(tokens).unwrap()
    }

    pub(super) fn branches(&self, text: &str) -> Branches {
        self.model.branches(&Prompt { text, ..Prompt::default() }).unwrap()
    }

    /// How far from the golden value at most, of its largest value.
    pub(super) fn distance(&self, stage: &str, found: &Tensor) -> f32 {
        let expected = &self.golden[stage];
        assert_eq!(found.dims(), expected.dims(), "{} {stage}", self.name);
        largest_difference(found, expected) / largest(expected)
    }

    /// Values in the shape of a golden one.
    pub(super) fn like(&self, stage: &str, values: Vec<f32>) -> Tensor {
        Tensor::from_vec(values, self.golden[stage].dims(), &Device::Cpu).unwrap()
    }

    fn assert_near(&self, stage: &str, found: &Tensor) {
        let worst = self.distance(stage, found);
        assert!(worst <= TOLERANCE, "{} {stage}: {worst:e} of the largest value", self.name);
    }
}

fn largest(tensor: &Tensor) -> f32 {
    tensor.abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    largest(&(a - b).unwrap())
}

fn directories() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/checkpoints");
    let mut found: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.join("golden.json").exists());
    found.sort();
    assert!(found.len() >= 2);
    found
}

/// Every checkpoint, with each kind of kernels.
pub(super) fn references() -> impl Iterator<Item = Reference> {
    let each = |directory: PathBuf| {
        [Kernels::Own, Kernels::Candle].map(|kernels| Reference::open(&directory, Precision::F32, kernels))
    };
    directories().into_iter().flat_map(each)
}

/// Those that take text through cross-attention.
fn text_models() -> impl Iterator<Item = Reference> {
    references().filter(|reference| reference.config.melody.is_none())
}

/// The logits behind every column of a grid, [K, columns, V], heard in parts of so many columns.
pub(super) fn logits(reference: &Reference, grid: &Tensor, condition: &Condition, at_once: usize) -> Tensor {
    let decoder = reference.model.decoder();
    let pad = decoder.config().pad_token();
    let token = |id: u32| if id == pad { Token::Pad } else { Token::Code(id) };
    let grid: Vec<Vec<u32>> = grid.t().unwrap().to_dtype(DType::U32).unwrap().to_vec2().unwrap();
    let columns: Vec<Vec<Token>> =
        grid.into_iter().map(|column| column.into_iter().map(token).collect()).collect();
    let behind = |column: usize| {
        let mut row = decoder.row(condition, column + 1).unwrap();
        let mut last = Vec::new();
        for columns in columns[..=column].chunks(at_once) {
            last = decoder.forward(&mut [Feed { row: &mut row, columns }]).unwrap().remove(0);
        }
        let shape = (reference.config.decoder.num_codebooks, pad as usize);
        Tensor::from_vec(last, shape, &Device::Cpu).unwrap()
    };
    let all: Vec<Tensor> = (0..columns.len()).map(behind).collect();
    Tensor::stack(&all, 1).unwrap()
}

pub(super) fn generate(
    reference: &Reference,
    branches: &Branches,
    guidance: f64,
    prompt: &Codes,
    frames: usize,
) -> Codes {
    let sampling = Sampling { guidance, temperature: 0.0, ..Sampling::default() };
    let decoder = reference.model.decoder();
    let piece = Piece { frames, prompt, branches, sampling };
    let mut state = State::new(decoder, &piece, Random::new(0)).unwrap();
    while !state.done() {
        state.step(decoder).unwrap();
    }
    state.codes()
}

#[test]
fn texts_become_the_same_word_pieces() {
    for reference in references() {
        let tokenizer = reference.model.conditioner.text.tokenizer();
        let samples = reference.facts["tokenization"].as_array().unwrap();
        assert!(!samples.is_empty());
        for sample in samples {
            let text = sample["text"].as_str().unwrap();
            let expected: Vec<u32> = serde_json::from_value(sample["ids"].clone()).unwrap();
            assert_eq!(tokenizer.ids(text).unwrap(), expected, "{}: {text:?}", reference.name);
        }
    }
}

#[test]
fn texts_become_the_same_states() {
    for reference in references() {
        let conditioner = &reference.model.conditioner;
        for (prompt, stage) in [("prompt", "text"), ("long_prompt", "text.long")] {
            let ids = conditioner.text.tokenizer().ids(reference.fact(prompt)).unwrap();
            let expected = reference.golden[&format!("{stage}.ids")].to_dtype(DType::U32).unwrap();
            assert_eq!(ids, expected.to_vec1::<u32>().unwrap());
            let stage = format!("{stage}.states");
            reference.assert_near(&stage, &reference.like(&stage, conditioner.text.states(&ids)));
        }
        let projected = conditioner.said(reference.fact("prompt")).unwrap().unwrap();
        reference.assert_near("text.projected", &reference.like("text.projected", projected));
    }
}

#[test]
fn columns_give_the_same_logits_at_once_and_one_by_one() {
    for reference in text_models() {
        let Branches { first, second } = reference.branches(reference.fact("prompt"));
        let grid = &reference.golden["lm.input"];
        for at_once in [1, 5, 100] {
            let found = logits(&reference, grid, &first, at_once);
            reference.assert_near("lm.logits_conditional", &found);
        }
        let found = logits(&reference, grid, &second.unwrap(), 100);
        reference.assert_near("lm.logits_unconditional", &found);
    }
}

#[test]
fn greedy_pieces_are_the_same_token_by_token() {
    for reference in text_models() {
        let branches = reference.branches(reference.fact("prompt"));
        let none = Codes::empty(reference.config.decoder.num_codebooks);
        let null = reference.branches("");
        let guidance = reference.facts["guidance"].as_f64().unwrap();
        for (stage, branches, guidance) in [
            ("greedy.tokens", &branches, guidance),
            ("greedy_g1.tokens", &branches, 1.0),
            ("greedy_null.tokens", &null, 1.0),
        ] {
            let expected = reference.codes(stage);
            let found = generate(&reference, branches, guidance, &none, expected.frames());
            assert_eq!(found, expected, "{} {stage}", reference.name);
        }
        assert!(reference.codes("greedy.tokens").frames() >= 200);
    }
}

#[test]
fn pieces_go_on_from_a_prompt_in_the_same_way() {
    for reference in text_models() {
        let branches = reference.branches(reference.fact("prompt"));
        for stage in ["continue", "continue.short"] {
            let expected = reference.codes(&format!("{stage}.tokens"));
            let prompt = reference.codes(&format!("{stage}.prompt"));
            let found = generate(&reference, &branches, 3.0, &prompt, expected.frames());
            assert_eq!(found, expected, "{} {stage}", reference.name);
        }
    }
}

/// The melody models, each with the pitch classes that its goldens were made with.
pub(super) fn melody_models() -> impl Iterator<Item = (Reference, Vec<usize>)> {
    references().filter(|reference| reference.config.melody.is_some()).map(|reference| {
        let features: Vec<Vec<f32>> = reference.golden["chroma.features"].to_vec2().unwrap();
        let class = |row: &Vec<f32>| row.iter().position(|value| *value == 1.0).unwrap();
        let classes = features.iter().map(class).collect();
        (reference, classes)
    })
}

#[test]
fn sounds_have_the_same_leading_pitch_classes() {
    for (reference, classes) in melody_models() {
        let pitch_classes = reference.config.melody.unwrap().num_chroma;
        let rate = reference.config.codec.rate().0 as usize;
        let followed = |stage: &str| {
            let samples = reference.golden[stage].to_vec1().unwrap();
            FollowedSound::new(samples, rate, reference.config.codec.hop(), pitch_classes).classes(0)
        };
        assert_eq!(followed("chroma.audio"), classes);
        let short: Vec<Vec<f32>> = reference.golden["chroma.short.features"].to_vec2().unwrap();
        for (row, class) in short.iter().zip(followed("chroma.short.audio")) {
            assert_eq!(row[class], 1.0);
        }
    }
}

#[test]
fn melodies_give_the_same_logits_and_tokens() {
    for (reference, classes) in melody_models() {
        let text = reference.fact("prompt");
        let prompt = Prompt { text, negative: "", melody: Some(&classes) };
        let with_melody = reference.model.branches(&prompt).unwrap();
        let grid = &reference.golden["lm.input"];
        for at_once in [1, 7, 100] {
            let found = logits(&reference, grid, &with_melody.first, at_once);
            reference.assert_near("melody.logits_conditional", &found);
        }
        let found = logits(&reference, grid, with_melody.second.as_ref().unwrap(), 100);
        reference.assert_near("melody.logits_unconditional", &found);
        let none = Codes::empty(reference.config.decoder.num_codebooks);
        for (stage, branches, guidance) in [
            ("melody.greedy.tokens", &with_melody, 3.0),
            ("melody.greedy_g1.tokens", &with_melody, 1.0),
            ("melody.text_only.tokens", &reference.branches(text), 3.0),
        ] {
            let expected = reference.codes(stage);
            let found = generate(&reference, branches, guidance, &none, expected.frames());
            assert_eq!(found, expected, "{} {stage}", reference.name);
        }
    }
}

#[test]
fn tokens_are_drawn_with_the_same_probabilities() {
    for reference in text_models() {
        let logits: Vec<f32> = reference.golden["sampling.logits"].to_vec1().unwrap();
        let settings = &reference.facts["sampling"];
        let temperature = settings["temperature"].as_f64().unwrap();
        let top_k = settings["top_k"].as_u64().unwrap() as usize;
        let top_p = settings["top_p"].as_f64().unwrap();
        for (stage, top_k, top_p) in [("sampling.top_k", top_k, 0.0), ("sampling.top_p", 0, top_p)] {
            let sampler = Sampler::new(Sampling { guidance: 3.0, temperature, top_k, top_p }, Random::new(0));
            let mut found = vec![0.0_f32; logits.len()];
            let candidates = sampler.candidates(&logits);
            let sum: f64 = candidates.iter().map(|(_, weight)| weight).sum();
            for (token, weight) in candidates {
                found[token as usize] = (weight / sum) as f32;
            }
            reference.assert_near(stage, &Tensor::new(found, &Device::Cpu).unwrap());
        }
    }
}

#[test]
fn files_that_are_whole_pass_the_check() {
    for directory in directories() {
        let extent = check(&directory, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        assert!(extent.tensors > 50 && extent.values > 10_000, "{extent:?}");
    }
}

/// Roughly: lower precisions change numbers, not the model.
#[test]
fn lower_precisions_stay_near() {
    let directory = &directories()[0];
    let exact = Reference::open(directory, Precision::F32, Kernels::Own);
    let grid = exact.golden["lm.input"].narrow(1, 0, 6).unwrap();
    let logits_of = |reference: &Reference| {
        logits(reference, &grid, &reference.branches(reference.fact("prompt")).first, 100)
    };
    let expected = logits_of(&exact);
    for (precision, least, most) in [
        (Precision::Bf16, 1e-4, 0.1),
        (Precision::F16, 1e-5, 0.01),
        (Precision::Q8_0, 1e-4, 0.1),
        (Precision::Q6_0, 1e-3, 0.2),
        (Precision::Q4_0, 1e-2, 0.6),
    ] {
        let own = precision == Precision::Q6_0;
        for kernels in [Kernels::Own, Kernels::Candle].into_iter().take(if own { 1 } else { 2 }) {
            let found = logits_of(&Reference::open(directory, precision, kernels));
            let worst = largest_difference(&found, &expected) / largest(&expected);
            assert!((least..most).contains(&worst), "{precision} {kernels:?}: {worst}");
        }
    }
}
