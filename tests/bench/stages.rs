//! Throughput of the stages at 48 kHz stereo. An element is a millisecond of music: 50 Kelem/s are 50 times real time.

use std::{error::Error, hint::black_box, ops::ControlFlow, time::Duration};

use criterion::{BatchSize, Criterion, SamplingMode, Throughput};
use timbre::{
    audio::{Decibels, Lufs, Pcm, Random, SampleRate, Spec},
    cancel::Never,
    master::{Target, master},
    mix,
    plan::{
        Plan, plan,
        vocabulary::{Style, vocabulary},
    },
    render::{self, Rendered, synth::Synth},
    request::{Defaults, Request, RequestError},
    source::Sources,
    wire::{BitDepth, Energy, GenerationRequest, Role},
};

const RATE: SampleRate = SampleRate(48_000);

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    render_styles(&mut criterion)?;
    join_sections(&mut criterion)?;
    master_a_minute(&mut criterion);
    criterion.final_summary();
    Ok(())
}

/// A full arrangement in every style, by the built-in engine on one thread.
fn render_styles(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let engine = Synth::new(1);
    let mut group = criterion.benchmark_group("render");
    // There are many styles, and each takes nearly the same time in every turn.
    group.sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for style in &vocabulary().styles {
        let (request, plan) = full_arrangement(style)?;
        group.throughput(milliseconds(plan.duration_seconds));
        group.bench_function(&style.name, |bencher| {
            bencher.iter(|| {
                render::sections(&engine, &plan, &request, &Sources::default(), &|_, _| {
                    ControlFlow::Continue(())
                })
            });
        });
    }
    group.finish();
    Ok(())
}

/// Sixteen bars of chorus at high energy, in which everybody plays who belongs to the style.
fn full_arrangement(style: &Style) -> Result<(Request, Plan), Box<dyn Error>> {
    let words = style.words.first().ok_or("a style that no word names")?;
    let mut wire = plan(&request(words, 60.0)?)?.to_wire();
    wire.sections.truncate(1);
    for section in &mut wire.sections {
        section.bars = 16.0;
        section.role = Role::Chorus;
        section.energy = Energy::High;
        section.orchestration = style.instruments.clone();
    }
    let wire = GenerationRequest { prompt: words.clone(), plan: Some(wire), ..GenerationRequest::default() };
    let request = Request::new(wire, &Defaults::default())?;
    let plan = plan(&request)?;
    Ok((request, plan))
}

fn milliseconds(seconds: f64) -> Throughput {
    Throughput::Elements((seconds * 1000.0).round() as u64)
}

fn request(prompt: &str, seconds: f64) -> Result<Request, RequestError> {
    let wire = GenerationRequest {
        prompt: prompt.to_owned(),
        duration_seconds: Some(seconds),
        seed: Some(1),
        ..GenerationRequest::default()
    };
    Request::new(wire, &Defaults::default())
}

/// A minute that needs some limiting: noise with a hard hit twice a second.
fn master_a_minute(criterion: &mut Criterion) {
    let mut random = Random::new(1);
    let frames = RATE.frames(60.0);
    let mut plane = || -> Vec<f32> {
        let frame = |n| 0.1 * random.bipolar() * (1.0 + 6.0 * (-((n % 24_000) as f32) / 2000.0).exp());
        (0..frames).map(frame).collect()
    };
    let mut mix = Pcm::silence(Spec::stereo(RATE), frames);
    for channel in mix.planes_mut() {
        channel.copy_from_slice(&plane());
    }
    let target =
        Target { loudness: Lufs(-14.0), true_peak: Decibels(-1.0), bit_depth: BitDepth::Int24, seed: 1 };
    let mut group = criterion.benchmark_group("master");
    group.throughput(milliseconds(RATE.seconds(frames)));
    group.bench_function("60 s stereo", |bencher| {
        bencher.iter_batched(
            || mix.clone(),
            |mix| black_box(master(mix, &target, &Never)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// The sections of a long piece, rendered at 32 kHz as MusicGen does, joined and brought to 48 kHz.
fn join_sections(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let request = request("dreamy piano over rain, 72 bpm", 100.0)?;
    let plan = plan(&request)?;
    let mut group = criterion.benchmark_group("mix");
    group.throughput(milliseconds(plan.duration_seconds));
    group.bench_function(format!("join {} sections from 32 kHz", plan.sections.len()), |bencher| {
        let output = Spec::stereo(plan.rate());
        bencher.iter_batched(
            || sections(&plan, SampleRate(32_000)),
            |sections| black_box(mix::join(&plan, sections, output, &Never)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    Ok(())
}

/// Noise in every section, with a second of ring-out.
fn sections(plan: &Plan, rate: SampleRate) -> Vec<Rendered> {
    let mut random = Random::new(2);
    let mut section = |index| {
        let lead_frames = plan.lead_at(index, rate);
        let frames = plan.start_at(index + 1, rate) - plan.start_at(index, rate);
        let mut sound = Pcm::silence(Spec::stereo(rate), lead_frames + frames + rate.frames(1.0));
        for plane in sound.planes_mut() {
            plane.fill_with(|| random.bipolar());
        }
        Rendered { sound, lead_frames, stems: Vec::new(), played: None, tokens: None, tail: Vec::new() }
    };
    (0..plan.sections.len()).map(&mut section).collect()
}
