//! MusicGen in the pipeline, in the program and in the service, with the small models of `tests/reference`.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempDir;
use timbre::{
    audio::{Pcm, SampleRate, Spec},
    cancel::Never,
    mix,
    plan::{Plan, plan},
    render::{
        self, Engine, EngineError, Rendered, SectionSpec, Watch,
        engines::Models,
        musicgen::{
            MusicGen, MusicGens, Settings,
            hardware::{Hardware, Kind},
            precision::Precision,
            store::Store,
            weights::Placement,
        },
    },
    request::{Defaults, Request},
    source::Sources,
    wire::{EngineChoice, GenerationRequest, OutputOptions, Sampling, Transition, TransitionKind},
};

fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/checkpoints").join(name)
}

fn engine(name: &str, threads: usize) -> Arc<dyn Engine> {
    let settings = Settings {
        store: Store::new("/nowhere"),
        default_model: None,
        hardware: Hardware::open(Some(Kind::Cpu)).unwrap(),
        precision: Precision::F32,
        codec_on_processor: false,
        threads,
    };
    MusicGens::new(settings).engine(Some(checkpoint(name).to_str().unwrap())).unwrap()
}

/// A piece in sections of four seconds that are joined like this, at the engine's own rate.
fn piece(engine: &dyn Engine, joins: &[TransitionKind]) -> (Request, Plan) {
    let Spec { rate, channels } = engine.limits().spec;
    let wish = |plan| {
        let wire = GenerationRequest {
            prompt: "calm piano, 120 bpm, 4/4".into(),
            duration_seconds: None,
            engine: Some(EngineChoice::Musicgen),
            seed: Some(3),
            sampling: Some(Sampling { top_k: Some(20), ..Sampling::default() }),
            output: Some(OutputOptions {
                sample_rate: Some(rate.0),
                channels: Some(channels as u16),
                ..OutputOptions::default()
            }),
            plan,
            ..GenerationRequest::default()
        };
        Request::new(wire, &Defaults { duration_seconds: 4.0, ..Defaults::default() }).unwrap()
    };
    let mut wire = plan(&wish(None)).unwrap().single();
    let first = wire.sections[0].clone();
    wire.sections = (0..)
        .zip(joins)
        .map(|(index, &kind)| {
            let mut section = first.clone();
            section.id = format!("s{index:02}");
            section.prompt = format!("{} {index}", section.prompt);
            section.seed += index;
            section.bars = 2.0;
            section.transition = Transition { kind, beats: f64::from(kind == TransitionKind::Crossfade) };
            section
        })
        .collect();
    let request = wish(Some(wire));
    let plan = plan(&request).unwrap();
    (request, plan)
}

fn render(engine: &dyn Engine, request: &Request, plan: &Plan) -> Vec<Rendered> {
    render::sections(engine, plan, request, &Sources::default(), &|_, _| ControlFlow::Continue(())).unwrap()
}

fn joined(sections: &[Rendered]) -> Vec<Vec<u32>> {
    let mut all: Vec<Vec<u32>> = sections[0].tokens.clone().unwrap();
    for section in &sections[1..] {
        for (codebook, more) in all.iter_mut().zip(section.tokens.as_ref().unwrap()) {
            codebook.extend(more);
        }
    }
    all
}

fn decoded(name: &str, tokens: &[Vec<u32>], channels: usize) -> Pcm {
    let placement = Placement::new(candle_core::Device::Cpu, Precision::F32);
    let model = MusicGen::open(&checkpoint(name), &placement, &candle_core::Device::Cpu, &Never).unwrap();
    model.codec.decode(tokens, channels, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The largest difference, as a share of the largest value.
fn apart(found: &Pcm, expected: &Pcm) -> f32 {
    assert_eq!((found.spec(), found.frames()), (expected.spec(), expected.frames()));
    let pairs = found.planes().iter().flatten().zip(expected.planes().iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / expected.peak()
}

#[test]
fn sections_of_one_stream_are_mixed_to_what_decoding_it_whole_gives() {
    use TransitionKind::{Continue, Cut};
    for name in ["mono", "stereo"] {
        let engine = engine(name, 1);
        let spec = engine.limits().spec;
        let (request, plan) = piece(&*engine, &[Cut, Continue, Continue]);
        let sections = render(&*engine, &request, &plan);
        assert!(sections[1..].iter().all(|section| section.lead_frames > 0));
        let tokens = joined(&sections);
        assert_eq!(tokens[0].len(), 600);
        let whole = decoded(name, &tokens, spec.channels);
        let mix = mix::join(&plan, sections, spec, &Never).unwrap();
        let apart = apart(&mix.sound, &whole);
        assert!(apart < 1e-5, "{name}: {apart:e}");
    }
}

#[test]
fn a_section_is_the_same_from_a_tail_that_was_kept() {
    use TransitionKind::{Continue, Cut};
    let (request, plan) = piece(&*engine("mono", 1), &[Cut, Continue]);
    let sections = render(&*engine("mono", 1), &request, &plan);
    assert!(sections[0].tail.len() < 100_000, "{}", sections[0].tail.len());
    let kept = Rendered {
        sound: Pcm::silence(sections[0].sound.spec(), 0),
        lead_frames: 0,
        stems: Vec::new(),
        played: None,
        tokens: None,
        tail: sections[0].tail.clone(),
    };
    // Another process would load its own model too.
    let other = engine("mono", 1);
    let rate = other.limits().spec.rate;
    let spec = SectionSpec {
        plan: &plan,
        index: 1,
        lead_frames: 0,
        frames: plan.start_at(2, rate) - plan.start_at(1, rate),
        negative_prompt: "",
        sampling: request.sampling,
        continued: None,
        melody: None,
        stems: false,
    };
    assert!(other.render(&spec, Some(&kept), &Go).unwrap() == sections[1]);
    let damaged = Rendered { tail: vec![1, 2, 3], ..kept };
    assert!(matches!(other.render(&spec, Some(&damaged), &Go), Err(EngineError::Failed { .. })));
}

#[test]
fn independent_sections_are_the_same_side_by_side() {
    use TransitionKind::{Continue, Crossfade, Cut};
    let joins = [Cut, Crossfade, Continue, Cut];
    let engine = engine("mono", 2);
    assert!(engine.limits().at_once > 1);
    let (request, plan) = piece(&*engine, &joins);
    let sections = render(&*engine, &request, &plan);
    for index in [0, 1, 3] {
        let rate = engine.limits().spec.rate;
        let spec = SectionSpec {
            plan: &plan,
            index,
            lead_frames: plan.lead_at(index, rate),
            frames: plan.start_at(index + 1, rate) - plan.start_at(index, rate),
            negative_prompt: "",
            sampling: request.sampling,
            continued: None,
            melody: None,
            stems: false,
        };
        assert!(engine.render(&spec, None, &Go).unwrap() == sections[index], "{index}");
    }
    // One beat of lead, and tokens up to the bar line at least.
    assert_eq!(sections[1].lead_frames, 16_000);
    for (index, section) in sections.iter().enumerate() {
        assert!(section.sound.frames() >= section.lead_frames + 128_000, "{index}");
    }
    let spec = engine.limits().spec;
    assert_eq!(mix::join(&plan, sections, spec, &Never).unwrap().sound.frames(), 512_000);
}

/// The piece goes on from a sound as from tokens of its own: with the sound's before it, it is one stream.
#[test]
fn a_piece_goes_on_from_a_sound() {
    let engine = engine("mono", 1);
    let Spec { rate, channels } = engine.limits().spec;
    let (request, plan) = piece(&*engine, &[TransitionKind::Cut, TransitionKind::Continue]);
    let tone = |frame: usize| (frame as f32 * 0.05).sin() * 0.3;
    // 20 s at another rate and in stereo; the model hears the last 12 s.
    let sound =
        Pcm::new(Spec::stereo(SampleRate(16_000)), vec![(0..320_000).map(tone).collect(); 2]).unwrap();
    let sources = Sources { continued: Some(sound), melody: None };
    let sections = |sources| {
        render::sections(&*engine, &plan, &request, sources, &|_, _| ControlFlow::Continue(())).unwrap()
    };
    let made = sections(&sources);
    let tokens = joined(&made);
    assert_eq!(tokens[0].len(), 400);
    assert!(tokens != joined(&sections(&Sources::default())), "the sound is not heard");
    let mix = mix::join(&plan, made, Spec { rate, channels }, &Never).unwrap();
    assert_eq!(mix.sound.frames(), 256_000);
    // Where the codec no longer hears the sound before, decoding the tokens alone gives nearly the same.
    let alone = decoded("mono", &tokens, channels);
    let apart = |range: std::ops::Range<usize>| {
        let pairs = mix.sound.planes()[0][range.clone()].iter().zip(&alone.planes()[0][range]);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / alone.peak()
    };
    assert!(apart(200_000..256_000) < 1e-3, "{}", apart(200_000..256_000));
    assert!(apart(0..1_000) > 1e-3, "the start does not join the sound: {}", apart(0..1_000));
}

#[test]
fn a_melody_is_followed_by_models_that_can() {
    assert!(!engine("mono", 1).limits().follows_melody);
    let engine = engine("melody", 1);
    assert!(engine.limits().follows_melody);
    let (request, plan) = piece(&*engine, &[TransitionKind::Cut, TransitionKind::Continue]);
    let tune = |hertz: f64| {
        let tone = |frame: usize| (std::f64::consts::TAU * hertz * frame as f64 / 48_000.0).sin() as f32;
        let sound =
            Pcm::new(Spec::stereo(SampleRate(48_000)), vec![(0..240_000).map(tone).collect(); 2]).unwrap();
        let sources = Sources { continued: None, melody: Some(sound) };
        let made = render::sections(&*engine, &plan, &request, &sources, &|_, _| ControlFlow::Continue(()));
        joined(&made.unwrap())
    };
    assert!(tune(440.0) == tune(440.0));
    assert!(tune(440.0) != tune(523.25), "another pitch class");
    assert!(tune(440.0) == tune(880.0), "the same pitch class in another octave");
}

struct Go;

impl Watch for Go {
    fn progress(&self, _: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[test]
fn a_cancel_is_heard_at_every_step_and_progress_never_falls() {
    use TransitionKind::{Continue, Crossfade, Cut};
    let engine = engine("mono", 2);
    let (request, plan) = piece(&*engine, &[Cut, Continue, Crossfade]);
    let heard = std::sync::Mutex::new(vec![Vec::new(); 3]);
    let hear = |section: usize, done| {
        heard.lock().unwrap()[section].push(done);
        ControlFlow::Continue(())
    };
    render::sections(&*engine, &plan, &request, &Sources::default(), &hear).unwrap();
    for shares in heard.into_inner().unwrap() {
        assert!(shares.is_sorted() && shares.last() == Some(&1.0));
        assert!(shares.len() > 200, "once for each column: {}", shares.len());
    }
    for last in [0, 1, 150, 600] {
        let asked = AtomicUsize::new(0);
        let stop = |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
            asked if asked >= last => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let stopped = render::sections(&*engine, &plan, &request, &Sources::default(), &stop);
        assert!(matches!(stopped, Err(EngineError::Cancelled)), "{last}");
        assert!(asked.into_inner() <= last + 2, "no step after the break but the one of the other stream");
    }
}

#[test]
fn a_cancel_is_heard_while_the_model_loads() {
    let engine = engine("mono", 1);
    let (request, plan) = piece(&*engine, &[TransitionKind::Cut]);
    let asked = AtomicUsize::new(0);
    let stop = |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0..20 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let stopped = render::sections(&*engine, &plan, &request, &Sources::default(), &stop);
    assert!(matches!(stopped, Err(EngineError::Cancelled)));
    // Each of the two threads that load asks once more at most.
    assert!(asked.into_inner() <= 22 && !engine.is_loaded());
    render(&*engine, &request, &plan);
    assert!(engine.is_loaded(), "a load that was ended is begun anew");
}

/// The program in a directory of its own, without models or settings from outside.
fn timbre(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_timbre"));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("TIMBRE_") || name.starts_with("HF_"))
    {
        command.env_remove(name);
    }
    command.env("HF_HUB_CACHE", directory.path().join("hub"));
    command.current_dir(directory).stdin(Stdio::null());
    command
}

fn run(directory: &TempDir, arguments: &[&str]) -> Output {
    timbre(directory).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Tensors of a golden file: tokens as they are, samples as f32.
fn golden(name: &str, tensor: &str) -> (Vec<usize>, Vec<f64>) {
    let bytes = fs::read(checkpoint(name).join("golden.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let view = tensors.tensor(tensor).unwrap();
    let values = match view.dtype() {
        safetensors::Dtype::I64 => {
            view.data().chunks_exact(8).map(|it| i64::from_le_bytes(it.try_into().unwrap()) as f64).collect()
        }
        _ => view
            .data()
            .chunks_exact(4)
            .map(|it| f64::from(f32::from_le_bytes(it.try_into().unwrap())))
            .collect(),
    };
    (view.shape().to_vec(), values)
}

fn golden_codes(name: &str, tensor: &str) -> Vec<Vec<u32>> {
    let (shape, values) = golden(name, tensor);
    values.chunks_exact(shape[1]).map(|row| row.iter().map(|it| *it as u32).collect()).collect()
}

fn codes(path: &Path) -> Vec<Vec<u32>> {
    let mut written: HashMap<String, Vec<Vec<u32>>> =
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(written.len(), 1);
    written.remove("codes").unwrap()
}

const PROMPT: &str = "warm lofi piano with brushed drums and a soft upright bass";

#[test]
fn the_program_gives_the_tokens_and_the_sound_of_the_reference() {
    for (name, guidance, stage, seconds) in [
        ("mono", "3", "greedy", "4.2"),
        ("mono", "1", "greedy_g1", "2"),
        ("stereo", "1", "greedy_g1", "2"),
        ("old-norm", "3", "greedy", "4.2"),
        ("sharded", "1", "greedy_g1", "2"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let output = timbre(&directory)
            .args([
                "generate", "--engine", "musicgen", "--single", "--raw", "out.wav", "--tokens", "out.json",
            ])
            .args(["--temperature", "0", "--guidance", guidance, "--dtype", "f32", "--prompt", PROMPT])
            .args(["--duration", seconds, "--device", "cpu", "--model"])
            .arg(checkpoint(name))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
        let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|it| it.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["out.json", "out.wav"]);
        let found = codes(&directory.path().join("out.json"));
        assert!(found == golden_codes(name, &format!("{stage}.tokens")), "{name} {stage}");
        let mut wav = hound::WavReader::open(directory.path().join("out.wav")).unwrap();
        let hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format } = wav.spec();
        assert_eq!((sample_rate, bits_per_sample, sample_format), (32_000, 32, hound::SampleFormat::Float));
        assert_eq!(wav.duration() as usize, found[0].len() * 640);
        if stage == "greedy_g1" {
            let samples: Vec<f64> = wav.samples::<f32>().map(|sample| f64::from(sample.unwrap())).collect();
            let (shape, expected) = golden(name, "greedy_g1.audio");
            let frames = shape[shape.len() - 1];
            assert_eq!(expected.len() / frames, usize::from(channels));
            let largest = expected.iter().fold(0.0_f64, |largest, sample| largest.max(sample.abs()));
            for (place, sample) in samples.iter().enumerate() {
                let (frame, channel) = (place / usize::from(channels), place % usize::from(channels));
                let apart = (sample - expected[channel * frames + frame]).abs() / largest;
                assert!(apart < 1e-4, "{name}, channel {channel}, frame {frame}: {apart:e}");
            }
        }
    }
}

#[test]
fn the_same_seed_is_the_same_piece_and_the_manifest_names_the_model() {
    let directory = tempfile::tempdir().unwrap();
    let model = checkpoint("mono");
    let make = |output: &str| {
        let made = timbre(&directory)
            .args([
                "generate",
                "--prompt",
                "calm piano",
                "--duration",
                "5",
                "--seed",
                "8",
                "-o",
                output,
                "--model",
            ])
            .arg(&model)
            .args(["--raw", &format!("raw-{output}")])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", said(&made));
        fs::read(directory.path().join(format!("raw-{output}"))).unwrap()
    };
    assert!(make("a.wav") == make("b.wav"));
    let manifest: Value =
        serde_json::from_slice(&fs::read(directory.path().join("a.json")).unwrap()).unwrap();
    let origin = &manifest["provenance"];
    let facts = ["engine", "model", "dtype", "device"].map(|name| origin[name].as_str().unwrap());
    assert_eq!(facts, ["musicgen", model.to_str().unwrap(), "q8_0", "cpu"]);
    assert!(origin["licence"].as_str().unwrap().starts_with("unknown"), "{origin}");
    assert!(origin["engine_reason"].as_str().unwrap().starts_with("auto: "), "{origin}");
}

#[test]
fn what_cannot_be_had_is_refused_before_anything_is_rendered() {
    let directory = tempfile::tempdir().unwrap();
    let mono = checkpoint("mono");
    let mono = mono.to_str().unwrap();
    let hub = "facebook/musicgen-small";
    for (arguments, why) in [
        (&["--engine", "musicgen"][..], "timbre models pull facebook/musicgen-small"),
        (&["--engine", "musicgen"], "--engine: engine musicgen is not available"),
        (&["--engine", "musicgen", "--model", hub], "facebook/musicgen-small is not on this machine"),
        (&["--engine", "musicgen", "--model", hub], "--model: engine musicgen is not available"),
        (
            &["--engine", "musicgen", "--model", "no such/model"],
            "neither a directory here nor a name on the hub",
        ),
        (
            &["--engine", "musicgen", "--model", mono, "--memory-limit", "100"],
            "GiB of memory, allowed are 0.1 GiB",
        ),
        (&["--engine", "musicgen", "--model", mono, "--stems", "stems"], "gives no stems"),
        (&["--engine", "synth", "--tokens", "a.json"], "makes no tokens"),
        (&["--device", "metal"], "computes on"),
    ] {
        if cfg!(feature = "metal") && arguments[0] == "--device" {
            continue;
        }
        let all = [&["generate", "--prompt", "piano", "--duration", "3"], arguments].concat();
        let refused = run(&directory, &all);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", said(&refused));
        assert!(said(&refused).contains(why), "{arguments:?}: {}", said(&refused));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }
}

#[test]
fn the_synthesiser_gives_its_raw_sound_too() {
    let directory = tempfile::tempdir().unwrap();
    let arguments =
        ["--engine", "synth", "--single", "--duration", "3", "--seed", "1", "--raw", "a.wav", "-o", "b.wav"];
    let made = run(&directory, &[&["generate", "--prompt", "slow piano"], &arguments[..]].concat());
    assert!(made.status.success(), "{}", said(&made));
    let wav = hound::WavReader::open(directory.path().join("a.wav")).unwrap();
    assert!(wav.spec().sample_format == hound::SampleFormat::Float && wav.duration() >= 144_000);
    let manifest: Value =
        serde_json::from_slice(&fs::read(directory.path().join("b.json")).unwrap()).unwrap();
    let sections = manifest["plan"]["sections"].as_array().unwrap();
    assert_eq!((sections.len(), &sections[0]["prompt"]), (1, &json!("slow piano")));
}

/// `timbre serve`, stopped when it goes.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn start(directory: &TempDir, model: &Path) -> Self {
        Self::with(directory, model, &[])
    }

    fn with(directory: &TempDir, model: &Path, options: &[&str]) -> Self {
        let mut child = timbre(directory)
            .args(["serve", "--port", "0", "--default-model"])
            .arg(model)
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("http://")).unwrap();
        let url = line[line.find("http://").unwrap()..].split_whitespace().next().unwrap();
        Self { url: url.trim_end_matches('/').to_owned(), child }
    }

    fn get(&self, path: &str) -> Value {
        let mut answer = ureq::get(format!("{}{path}", self.url)).call().unwrap();
        answer.body_mut().read_json().unwrap()
    }

    fn submit(&self, body: &Value) -> String {
        let mut answer = ureq::post(format!("{}/generate", self.url)).send_json(body).unwrap();
        let status: Value = answer.body_mut().read_json().unwrap();
        status["job_id"].as_str().unwrap().to_owned()
    }

    fn until(&self, job: &str, reached: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let status = self.get(&format!("/status/{job}"));
            if reached(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{status}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn is_final(status: &Value) -> bool {
    ["succeeded", "failed", "cancelled"].iter().any(|state| status["state"] == *state)
}

#[test]
fn the_service_renders_with_a_model_and_cancels_it() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(&directory, &checkpoint("stereo"));
    let engine = |service: &Service| service.get("/engines")["engines"][0].clone();
    let idle = engine(&service);
    assert_eq!(
        (&idle["available"], &idle["default"], &idle["loaded"]),
        (&json!(true), &json!(true), &json!(false))
    );
    assert_eq!(
        (&idle["dtype"], &idle["device"], &idle["channels"]),
        (&json!("q8_0"), &json!("cpu"), &json!(2))
    );
    let job = service.submit(&json!({"prompt": "calm piano", "duration_seconds": 2, "seed": 1}));
    let status = service.until(&job, is_final);
    assert_eq!(status["state"], "succeeded", "{status}");
    assert_eq!(engine(&service)["loaded"], true);
    assert_eq!(service.get("/health")["engines"][0]["loaded"], true);
    let origin = service.get(&format!("/artifact/{job}"))["provenance"].clone();
    assert_eq!((&origin["engine"], &origin["dtype"]), (&json!("musicgen"), &json!("q8_0")));

    let long =
        service.submit(&json!({"prompt": "endless piano", "duration_seconds": 600, "engine": "musicgen"}));
    service.until(&long, |status| status["progress"].as_f64().unwrap_or_default() > 0.0);
    ureq::delete(format!("{}/jobs/{long}", service.url)).call().unwrap();
    assert_eq!(service.until(&long, is_final)["state"], "cancelled");
    // The next job has its turn as soon as the engine has heard of it.
    let next = service.submit(&json!({"prompt": "short", "duration_seconds": 1, "engine": "synth"}));
    assert_eq!(service.until(&next, is_final)["state"], "succeeded");
}

#[test]
fn the_plan_is_that_of_the_engine_that_auto_takes() {
    let directory = tempfile::tempdir().unwrap();
    let joins = |model: &str| {
        let plan = ["plan", "--prompt", "calm piano", "--duration", "60", "--seed", "1", "--json"];
        let made = run(&directory, &[&plan[..], &["--default-model", model]].concat());
        assert!(made.status.success(), "{}", said(&made));
        let plan: Value = serde_json::from_slice(&made.stdout).unwrap();
        let sections = plan["sections"].as_array().unwrap().clone();
        sections[1..].iter().map(|section| section["transition"]["kind"].clone()).collect::<Vec<_>>()
    };
    let with_model = joins(checkpoint("mono").to_str().unwrap());
    assert!(!with_model.is_empty() && with_model.iter().all(|kind| *kind == "continue"), "{with_model:?}");
    assert_ne!(joins("facebook/not-here"), with_model);
}

/// Threads of a process by their names, without those of the HTTP service.
#[cfg(target_os = "linux")]
fn threads(process: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let name =
        |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.unwrap().path().join("comm")).ok();
    tasks.filter_map(name).filter(|name| !name.starts_with("tokio")).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn the_number_of_threads_binds_what_multiplies() {
    for (wanted, started) in [("1", 0..=1), ("3", 3..=3)] {
        let directory = tempfile::tempdir().unwrap();
        let service = Service::with(&directory, &checkpoint("mono"), &["--threads", wanted]);
        let before = threads(service.child.id()).len();
        let job = service.submit(&json!({"prompt": "calm piano", "duration_seconds": 2, "seed": 1}));
        assert_eq!(service.until(&job, is_final)["state"], "succeeded");
        let after = threads(service.child.id());
        assert!(started.contains(&(after.len() - before)), "{wanted}: {before}, then {after:?}");
    }
}

/// What stands beside the weights of `mono`, in a directory of this name.
fn beside_the_weights(directory: &TempDir, name: &str) -> PathBuf {
    let model = directory.path().join(name);
    fs::create_dir(&model).unwrap();
    for file in ["config.json", "generation_config.json", "tokenizer.json"] {
        fs::copy(checkpoint("mono").join(file), model.join(file)).unwrap();
    }
    model
}

#[test]
fn the_first_estimate_is_what_was_measured() {
    let directory = tempfile::tempdir().unwrap();
    let model = beside_the_weights(&directory, "model");
    fs::copy(checkpoint("mono").join("model.safetensors"), model.join("model.safetensors")).unwrap();
    let first = |threads: &str| {
        let service = Service::with(&directory, &model, &["--threads", threads]);
        let request = json!({"prompt": "calm piano", "duration_seconds": 2, "engine": "musicgen"});
        let mut answer = ureq::post(format!("{}/generate", service.url)).send_json(request).unwrap();
        let status: Value = answer.body_mut().read_json().unwrap();
        status["eta_seconds"].as_f64()
    };
    assert_eq!(first("1"), None, "nothing was measured");
    let bench = |model: &[&str]| {
        let on_one_thread =
            ["bench", "--json", "--threads", "1", "--device", "cpu", "--default-model", "model"];
        run(&directory, &[&on_one_thread[..], model].concat())
    };
    let other = bench(&["no-such-model"]);
    assert!(!other.status.success() && said(&other).contains("no-such-model"), "{}", said(&other));
    let bench = bench(&[]);
    assert!(bench.status.success(), "{}", said(&bench));
    let report: Value = serde_json::from_slice(&bench.stdout).unwrap();
    let kept = directory.path().join(report["kept"].as_str().unwrap());
    assert_eq!(kept, model.join("timbre-speed.json"));
    let factor = report["pieces"][0]["real_time_factor"].as_f64().unwrap();
    let eta = first("1").unwrap();
    assert!((1.9 * factor..2.1 * factor).contains(&eta), "{factor} seconds for one of music: {eta} s");
    assert_eq!(first("2"), None, "two threads were not measured");
}

/// `mono` with some of its tensors left out.
fn without(directory: &TempDir, part: &str) -> PathBuf {
    let damaged = beside_the_weights(directory, "damaged");
    let bytes = fs::read(checkpoint("mono").join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let kept = tensors.iter().filter(|(name, _)| !name.contains(part));
    fs::write(damaged.join("model.safetensors"), safetensors::serialize(kept, None).unwrap()).unwrap();
    damaged
}

#[test]
fn a_model_that_lacks_a_tensor_fails_its_jobs_and_says_which_one_to_those_who_may_know() {
    let directory = tempfile::tempdir().unwrap();
    // Of the codec, which the headers alone do not tell.
    let damaged = without(&directory, "quantizer.layers.2");
    let service = Service::start(&directory, &damaged);
    let job = service.submit(&json!({"prompt": "calm piano", "duration_seconds": 2, "engine": "musicgen"}));
    let status = service.until(&job, is_final);
    assert_eq!((&status["state"], &status["error_code"]), (&json!("failed"), &json!("model_unusable")));
    assert!(status["message"].as_str().unwrap().contains("timbre models check"), "{status}");
    let failed = timbre(&directory)
        .args(["generate", "--prompt", "piano", "--duration", "2", "--engine", "musicgen", "--model"])
        .arg(&damaged)
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(1));
    let tensor = "model.safetensors has no tensor audio_encoder.quantizer.layers.2.codebook.embed, expected with shape [64, 16]";
    assert!(said(&failed).contains(tensor), "{}", said(&failed));
}

/// The half of the codec that hears sounds is read only for pieces that need it.
#[test]
fn a_model_that_cannot_hear_plays_and_fails_only_what_goes_on_from_a_sound() {
    let directory = tempfile::tempdir().unwrap();
    let deaf = without(&directory, "audio_encoder.encoder.layers.0.conv.bias");
    let generate = |more: &[&str]| {
        let piece = ["generate", "--prompt", "piano", "--duration", "2", "--engine", "musicgen", "--model"];
        run(&directory, &[&piece[..], &[deaf.to_str().unwrap()], more].concat())
    };
    let plays = generate(&["--output", "first.wav"]);
    assert!(plays.status.success(), "{}", said(&plays));
    let check = run(&directory, &["models", "check", deaf.to_str().unwrap()]);
    for failed in [generate(&["--continue-from", "first.wav", "--output", "second.wav"]), check] {
        assert_eq!(failed.status.code(), Some(1));
        let tensor = "model.safetensors has no tensor audio_encoder.encoder.layers.0.conv.bias";
        assert!(said(&failed).contains(tensor), "{}", said(&failed));
    }
    assert!(!directory.path().join("second.wav").exists());
}
