//! What is heard of a piece while it is made is what the engine made.

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use timbre::{
    artifact::RawFiles,
    job::{
        preview::Preview,
        run::{Progress, raw},
    },
    plan::Plan,
    render::{engines::Engines, synth::Synth},
    request::{Defaults, Request},
    source::Sources,
    wire::{GenerationRequest, JobState},
};

/// Notes how much was heard when.
#[derive(Default)]
struct Listener {
    preview: Arc<Preview>,
    /// Bytes that were heard when a section became whole.
    heard: Mutex<Vec<usize>>,
}

impl Listener {
    /// The stream as far as it has come.
    fn bytes(&self) -> Vec<u8> {
        use std::task::{Context, Poll, Waker};
        let (mut reader, mut bytes) = (self.preview.read(), Vec::new());
        while let Poll::Ready(Some(Ok(block))) = reader.poll_next(&Context::from_waker(Waker::noop())) {
            bytes.extend(&*block);
        }
        bytes
    }
}

impl Progress for Listener {
    fn stage(&self, _: JobState) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn go_on(&self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn planned(&self, _: &Plan) {}

    fn rendered(&self, _: usize, done: f64) -> ControlFlow<()> {
        if done > 0.0 {
            self.heard.lock().unwrap().push(self.bytes().len());
        }
        ControlFlow::Continue(())
    }

    fn preview(&self) -> Option<&Preview> {
        Some(&self.preview)
    }
}

/// What was heard of a piece at which time, and what the engine made of it, both in frames.
fn heard(engines: &Engines, request: &Request) -> (Vec<usize>, Vec<i16>, Vec<f32>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("raw.wav");
    let files = RawFiles { sound: Some(path.clone()), ..RawFiles::default() };
    let (chosen, listener) = (engines.choose(request).unwrap(), Listener::default());
    raw(request, &chosen, &Sources::default(), &files, Timestamp::UNIX_EPOCH, &listener).unwrap();
    let mut stream = listener.bytes();
    let sizes = [stream.len() as u32 - 8, stream.len() as u32 - 44];
    stream[4..8].copy_from_slice(&sizes[0].to_le_bytes());
    stream[40..44].copy_from_slice(&sizes[1].to_le_bytes());
    let mut stream = hound::WavReader::new(stream.as_slice()).unwrap();
    let spec = chosen.engine.limits().spec;
    assert_eq!((stream.spec().sample_rate, stream.spec().channels), (spec.rate.0, spec.channels as u16));
    let sound = hound::WavReader::open(path).unwrap().into_samples::<f32>().map(Result::unwrap).collect();
    (listener.heard.into_inner().unwrap(), stream.samples().map(Result::unwrap).collect(), sound)
}

fn check(stream: &[i16], sound: &[f32], samples: usize) {
    assert_eq!(stream.len(), samples);
    let whole = sound.iter().copied().chain(std::iter::repeat(0.0));
    for (at, (&heard, made)) in stream.iter().zip(whole).enumerate() {
        let made = (made * 32_768.0).clamp(-32_768.0, 32_767.0);
        assert!((f32::from(heard) - made).abs() <= 0.5, "sample {at}: {heard}, not {made}");
    }
    assert!(stream.iter().any(|sample| sample.abs() > 1000));
}

#[test]
fn of_the_built_in_engine() {
    let wire = GenerationRequest {
        prompt: "calm piano and strings, 90 bpm".into(),
        duration_seconds: Some(40.0),
        seed: Some(5),
        ..GenerationRequest::default()
    };
    let request = Request::new(wire, &Defaults::default()).unwrap();
    let engines = Engines::new(Arc::new(Synth::new(2)));
    let (times, stream, sound) = heard(&engines, &request);
    check(&stream, &sound, 40 * 48_000 * 2);
    assert!(times.iter().any(|&bytes| (1_000_000..7_000_000).contains(&bytes)), "before all was rendered");
}

#[cfg(feature = "musicgen")]
#[test]
fn of_a_model() {
    use timbre::{
        render::musicgen::{
            MusicGens, Settings,
            hardware::{Hardware, Kind},
            precision::Precision,
            store::Store,
        },
        wire::{EngineChoice, Transition, TransitionKind},
    };
    let checkpoint = |name| -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "tests/reference/checkpoints", name].iter().collect()
    };
    for (name, joins) in [
        ("mono", [TransitionKind::Cut, TransitionKind::Continue, TransitionKind::Crossfade]),
        ("stereo", [TransitionKind::Cut, TransitionKind::Crossfade, TransitionKind::Continue]),
    ] {
        let settings = Settings {
            store: Store::new("/nowhere"),
            default_model: None,
            hardware: Hardware::open(Some(Kind::Cpu)).unwrap(),
            precision: Precision::F32,
            codec_on_processor: false,
            threads: 2,
        };
        let engines = Engines::new(Arc::new(Synth::new(1))).with_models(Arc::new(MusicGens::new(settings)));
        let wish = |plan| {
            let wire = GenerationRequest {
                prompt: "calm piano, 120 bpm, 4/4".into(),
                engine: Some(EngineChoice::Musicgen),
                model: Some(checkpoint(name).to_str().unwrap().to_owned()),
                seed: Some(3),
                plan,
                ..GenerationRequest::default()
            };
            Request::new(wire, &Defaults { duration_seconds: 4.0, ..Defaults::default() }).unwrap()
        };
        let mut wire = timbre::plan::plan(&wish(None)).unwrap().single();
        let first = wire.sections[0].clone();
        let section = |(index, kind): (usize, TransitionKind)| timbre::wire::PlanSection {
            id: format!("s{index:02}"),
            bars: 2.0,
            transition: Transition { kind, beats: f64::from(kind == TransitionKind::Crossfade) },
            ..first.clone()
        };
        wire.sections = joins.into_iter().enumerate().map(section).collect();
        let request = wish(Some(wire));
        let (times, stream, sound) = heard(&engines, &request);
        let channels = if name == "mono" { 1 } else { 2 };
        check(&stream, &sound, 12 * 32_000 * channels);
        let first_section = 4 * 64_000 * channels;
        let early = times.iter().filter(|bytes| (10_000..first_section / 2).contains(*bytes));
        assert!(early.count() > 2, "{name}: the first section is heard while it is rendered");
    }
}
