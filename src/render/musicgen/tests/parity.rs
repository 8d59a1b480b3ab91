//! The stages of every checkpoint in one table: how far from the reference, of its largest value.

use std::{ops::ControlFlow, path::Path};

use candle_core::{D, DType, Device, Tensor};

use super::reference::{Reference, TOLERANCE, generate, logits, melody_models, references};
use crate::{
    audio::{Pcm, Spec},
    render::musicgen::{
        codes::Codes,
        condition::{Branches, Prompt},
        precision::{Kernels, Precision},
    },
};

/// One checkpoint's line.
#[derive(Default)]
struct Line {
    /// By stage, the largest relative difference.
    differences: Vec<(&'static str, f32)>,
    /// By stage, frames whose tokens are all the same, and all frames.
    tokens: Vec<(&'static str, usize, usize)>,
}

impl Line {
    fn near(&mut self, stage: &'static str, difference: f32) {
        match self.differences.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, worst)) => *worst = worst.max(difference),
            None => self.differences.push((stage, difference)),
        }
    }

    fn same(&mut self, stage: &'static str, found: &Codes, expected: &Codes) {
        let frames = expected.frames();
        assert_eq!((found.codebooks(), found.frames()), (expected.codebooks(), frames), "{stage}");
        let alike = |frame: &usize| {
            (0..expected.codebooks())
                .all(|codebook| found.codebook(codebook)[*frame] == expected.codebook(codebook)[*frame])
        };
        self.tokens.push((stage, (0..frames).filter(alike).count(), frames));
    }

    fn text(&mut self, reference: &Reference) {
        let ids = reference.golden["text.ids"].to_dtype(DType::U32).unwrap().to_vec1().unwrap();
        let states = reference.model.conditioner.text.states(&ids);
        self.near("text", reference.distance("text.states", &reference.like("text.states", states)));
    }

    fn language(&mut self, reference: &Reference, branches: &Branches, stages: [&str; 2], greedy: &str) {
        let grid = &reference.golden["lm.input"];
        let rows = [(&branches.first, stages[0]), (branches.second.as_ref().unwrap(), stages[1])];
        for (condition, stage) in rows {
            let whole = logits(reference, grid, condition, 100);
            self.near("logits", reference.distance(stage, &whole));
            // Column by column through the caches.
            self.near("cached", reference.distance(stage, &logits(reference, grid, condition, 1)));
        }
        let expected = reference.codes(greedy);
        let none = Codes::empty(expected.codebooks());
        self.same("greedy", &generate(reference, branches, 3.0, &none, expected.frames()), &expected);
    }

    fn codec(&mut self, reference: &Reference) {
        let mut go = |_| ControlFlow::Continue(());
        let rate = reference.codec.config().rate();
        for name in reference.golden.keys() {
            let Some(case) = name.strip_suffix(".codes") else { continue };
            let codes = reference.codes(name);
            let audio = &reference.golden[&format!("{case}.audio")];
            let audio = audio.reshape(((), audio.dim(D::Minus1).unwrap())).unwrap();
            let channels = audio.dim(0).unwrap();
            if case.starts_with("encode") {
                let sound = Pcm::new(Spec { rate, channels }, audio.to_vec2().unwrap()).unwrap();
                let found = reference.encoder.encode(&sound, &mut go).unwrap();
                self.same("encode", &Codes::try_from(found).unwrap(), &codes);
            } else {
                let whole = reference.codec.decode(codes.as_slices(), channels, &mut go).unwrap();
                let mut decoder = reference.codec.decoder(channels).unwrap();
                let mut chunked = vec![Vec::new(); channels];
                for frame in 0..codes.frames() {
                    let frame: Vec<&[u32]> =
                        codes.as_slices().iter().map(|codebook| &codebook[frame..=frame]).collect();
                    append(&mut chunked, &decoder.push(&frame).unwrap());
                }
                append(&mut chunked, &decoder.finish().unwrap());
                let largest = whole.peak();
                let apart = chunked.iter().flatten().zip(whole.planes().iter().flatten());
                let apart = apart.map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max);
                self.near("chunked", apart);
                let whole = Tensor::new(whole.into_planes(), &Device::Cpu).unwrap();
                let shape = reference.golden[&format!("{case}.audio")].dims().to_vec();
                self.near(
                    "audio",
                    reference.distance(&format!("{case}.audio"), &whole.reshape(shape).unwrap()),
                );
            }
        }
    }

    fn print(&self, name: &str) {
        let near = self.differences.iter().map(|(stage, worst)| format!("{stage} {worst:.1e}"));
        let same = self.tokens.iter().map(|(stage, same, all)| format!("{stage} {same}/{all}"));
        let cells: Vec<String> = near.chain(same).collect();
        println!("{name:<9} {}", cells.join("  "));
        for (stage, worst) in &self.differences {
            let allowed = if *stage == "chunked" { 1e-5 } else { TOLERANCE };
            assert!(*worst <= allowed, "{name} {stage}: {worst:e}");
        }
        for (stage, same, all) in &self.tokens {
            assert_eq!(same, all, "{name} {stage}");
        }
    }
}

fn append(planes: &mut [Vec<f32>], more: &Pcm) {
    for (plane, more) in planes.iter_mut().zip(more.planes()) {
        plane.extend(more);
    }
}

/// Logits of a text model, with and without text.
const LOGITS: [&str; 2] = ["lm.logits_conditional", "lm.logits_unconditional"];

#[test]
#[ignore = "takes minutes, and 2.4 GB that tests/reference/full.py has made"]
fn every_stage_of_a_model_of_full_size_is_that_of_the_reference() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/reference/full");
    let reference = Reference::open(&directory, Precision::F32, Kernels::Own);
    let mut line = Line::default();
    line.text(&reference);
    line.language(&reference, &reference.branches(reference.fact("prompt")), LOGITS, "greedy.tokens");
    line.codec(&reference);
    line.print(&reference.name);
}

/// What a precision loses: by how much logits are off, the root of the mean square as a share of that of the logits; and how many
/// decisions it takes otherwise when every column is given.
fn loss(reference: &Reference) -> (f32, f32) {
    let branches = reference.branches(reference.fact("prompt"));
    let found = logits(reference, &reference.golden["lm.input"], &branches.first, 100);
    let expected = &reference.golden[LOGITS[0]];
    let power = |tensor: &Tensor| tensor.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
    let off = (power(&(&found - expected).unwrap()) / power(expected)).sqrt();
    let decisions = |logits: &Tensor| logits.argmax(D::Minus1).unwrap();
    let other = decisions(&found).ne(&decisions(expected)).unwrap().to_dtype(DType::F32).unwrap();
    (off, other.mean_all().unwrap().to_scalar().unwrap())
}

/// Prints what every precision loses; the limits are a little above what was measured.
fn print_losses(directory: &Path, limits: &[(Precision, f32, f32)]) {
    for &(precision, most_off, most_other) in limits {
        let reference = Reference::open(directory, precision, Kernels::Own);
        let (off, other) = loss(&reference);
        println!(
            "{:<9} {precision:<5} logits off by {off:.1e}, other decisions {:.1} %",
            reference.name,
            100.0 * other
        );
        assert!(off <= most_off && other <= most_other, "{} {precision}: {off:e} {other}", reference.name);
    }
}

#[test]
fn lower_precisions_lose_little() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/checkpoints");
    for name in ["mono", "stereo", "wide"] {
        let limits = [
            (Precision::Bf16, 0.01, 0.05),
            (Precision::F16, 0.002, 0.02),
            (Precision::Q8_0, 0.03, 0.06),
            (Precision::Q6_0, 0.1, 0.15),
            (Precision::Q4_0, 0.4, 0.5),
        ];
        print_losses(&root.join(name), &limits);
    }
}

#[test]
#[ignore = "takes minutes, and 2.4 GB that tests/reference/full.py has made"]
fn lower_precisions_lose_little_at_full_size() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/reference/full");
    print_losses(
        &directory,
        &[
            (Precision::Bf16, 0.02, 0.1),
            (Precision::F16, 0.02, 0.1),
            (Precision::Q8_0, 0.05, 0.15),
            (Precision::Q6_0, 0.1, 0.2),
            (Precision::Q4_0, 0.3, 0.5),
        ],
    );
}

/// `cargo test --lib musicgen::tests::parity -- --nocapture` shows the table.
#[test]
fn every_stage_of_every_checkpoint_is_that_of_the_reference() {
    let mut seen = Vec::new();
    let melodies: Vec<(Reference, Vec<usize>)> = melody_models().collect();
    for reference in references() {
        let mut line = Line::default();
        let prompt = reference.fact("prompt");
        line.text(&reference);
        if let Some((_, classes)) = melodies.iter().find(|(melody, _)| melody.name == reference.name) {
            let prompt = Prompt { text: prompt, negative: "", melody: Some(classes) };
            let branches = reference.model.branches(&prompt).unwrap();
            let stages = ["melody.logits_conditional", "melody.logits_unconditional"];
            line.language(&reference, &branches, stages, "melody.greedy.tokens");
        } else {
            let branches = reference.branches(prompt);
            line.language(&reference, &branches, LOGITS, "greedy.tokens");
            for stage in ["continue", "continue.short"] {
                let expected = reference.codes(&format!("{stage}.tokens"));
                let known = reference.codes(&format!("{stage}.prompt"));
                line.same(
                    "continue",
                    &generate(&reference, &branches, 3.0, &known, expected.frames()),
                    &expected,
                );
            }
        }
        line.codec(&reference);
        line.print(&reference.name);
        seen.push(reference.name);
    }
    // Each with both kinds of kernels.
    assert_eq!(seen.len(), 12);
    seen.dedup();
    assert_eq!(seen, ["melody", "mono", "old-norm", "sharded", "stereo", "wide"]);
}
