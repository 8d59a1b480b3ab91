//! Finished pieces for tests: short, exact, cheap.

use jiff::Timestamp;

use super::Finished;
use crate::{
    audio::{Pcm, Random, SampleRate, Spec},
    master::Mastered,
    plan::Plan,
    render::{MidiSound, Part, Played, PlayedNote, Stem},
    wire::{
        BitDepth, CompositionPlan, Energy, GenerationRequest, LoudnessReport, Orchestration, OutputFormat,
        OutputOptions, PlanSection, Role, Theme, Transition, TransitionKind,
    },
};

/// Noise that fills the whole range, exactly on the grid of `depth`, both ends of the range included.
pub(super) fn noise(spec: Spec, frames: usize, depth: BitDepth) -> Pcm {
    let steps = match depth {
        BitDepth::Int16 => 32_768.0,
        BitDepth::Int24 => 8_388_608.0,
        BitDepth::Float32 => f32::MAX,
    };
    let mut random = Random::new(9);
    let planes = (0..spec.channels).map(|_| {
        let mut plane: Vec<f32> = (0..frames)
            .map(|_| {
                if depth == BitDepth::Float32 {
                    random.bipolar()
                } else {
                    (random.bipolar() * steps).floor() / steps
                }
            })
            .collect();
        plane[0] = -1.0;
        plane[frames - 1] = if depth == BitDepth::Float32 { 1.5 } else { (steps - 1.0) / steps };
        plane
    });
    Pcm::new(spec, planes.collect()).unwrap()
}

/// A piece of `sound` in three sections.
pub(super) fn piece(sound: Pcm, format: OutputFormat, depth: BitDepth) -> Finished {
    let labels = ["Intro", "Motif – Ä", "Resolution"];
    let thirds = sound.frames() / labels.len();
    let section = |index: usize| PlanSection {
        id: format!("s{index:02}"),
        role: Role::Motif,
        label: labels[index].to_owned(),
        prompt: "slow piano".to_owned(),
        bars: 4.0,
        start_seconds: sound.rate().seconds(index * thirds),
        length_seconds: sound.rate().seconds(thirds),
        start_frame: (index * thirds) as u64,
        length_frames: thirds as u64,
        energy: Energy::Medium,
        key: None,
        transition: Transition { kind: TransitionKind::Continue, beats: 0.0 },
        seed: 1,
        orchestration: Orchestration::default(),
    };
    let plan = CompositionPlan {
        version: 1,
        title: "Dreamy piano over rain".to_owned(),
        prompt: "dreamy piano over rain".to_owned(),
        seed: 7,
        style: "ambient".to_owned(),
        tempo_bpm: 72.0,
        time_signature: crate::music::Metre::FourFour,
        key: "D minor".parse().unwrap(),
        total_bars: 12.0,
        duration_seconds: sound.seconds(),
        sample_rate: sound.rate().0,
        total_frames: sound.frames() as u64,
        theme: Theme::default(),
        ending: None,
        sections: (0..labels.len()).map(section).collect(),
        inferred: Vec::new(),
        not_understood: Vec::new(),
    };
    let output = OutputOptions { format: Some(format), bit_depth: Some(depth), ..OutputOptions::default() };
    Finished {
        request: GenerationRequest {
            prompt: "dreamy piano over rain".to_owned(),
            seed: Some(7),
            output: Some(output),
            ..GenerationRequest::default()
        },
        plan: Plan::from_wire_unchecked(plan),
        mastered: Mastered {
            loudness: LoudnessReport {
                target_lufs: -14.0,
                ceiling_dbtp: -1.0,
                integrated_lufs: Some(-14.03),
                range_lu: Some(5.2),
                true_peak_dbtp: Some(-1.04),
                max_short_term_lufs: Some(-11.0),
                gain_db: 3.0,
                limited_db: 0.5,
                on_target: true,
                note: None,
            },
            sound,
        },
        unmastered: None,
        stems: Vec::new(),
        played: None,
        engine: "synth".to_owned(),
        engine_reason: "asked for".to_owned(),
        model: None,
        licence: "no restriction".to_owned(),
        warnings: vec!["nothing to warn of".to_owned()],
        created_at: "2026-11-21T02:03:04Z".parse::<Timestamp>().unwrap(),
    }
}

/// A short stereo WAV of 24 bits with two stems and one note.
pub(super) fn piece_with_stems() -> Finished {
    let spec = Spec::stereo(SampleRate(8_000));
    let sound = noise(spec, 4_001, BitDepth::Int24);
    let stem = |name: &str| Stem { name: name.to_owned(), sound: noise(spec, 4_001, BitDepth::Float32) };
    let note = PlayedNote { at: 0.1, seconds: 0.2, key: 60, velocity: 64 };
    let piano = Part {
        name: "piano".to_owned(),
        group: "keys".to_owned(),
        sound: MidiSound::Program(0),
        notes: vec![note],
    };
    Finished {
        played: Some(Played { parts: vec![piano], beats: Vec::new() }),
        unmastered: Some(noise(spec, 4_001, BitDepth::Float32)),
        stems: vec![stem("drums"), stem("electric piano")],
        ..piece(sound, OutputFormat::Wav, BitDepth::Int24)
    }
}
