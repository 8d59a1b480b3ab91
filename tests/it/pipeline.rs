//! The six stages in one go, on the built-in engine.

use std::{
    fs,
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use timbre::{
    artifact::{Destination, Files, Shelf},
    job::run::{Order, Progress, RunError, piece},
    plan::Plan,
    render::{engines::Engines, synth::Synth},
    request::{Defaults, Request},
    source::Sources,
    wire::{GenerationRequest, JobState, Manifest, OutputOptions},
};

/// Breaks at the given question of the given stage, and notes what it heard.
#[derive(Default)]
struct Listener {
    stop_at: Option<(JobState, usize)>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    stages: Vec<JobState>,
    questions: usize,
    rendered: Vec<Vec<f64>>,
}

impl Listener {
    fn question(&self) -> ControlFlow<()> {
        let mut heard = self.heard.lock().unwrap();
        heard.questions += 1;
        match self.stop_at {
            Some((stage, question)) if heard.stages.last() == Some(&stage) && heard.questions >= question => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Progress for Listener {
    fn stage(&self, state: JobState) -> ControlFlow<()> {
        {
            let mut heard = self.heard.lock().unwrap();
            heard.stages.push(state);
            heard.questions = 0;
        }
        self.question()
    }

    fn go_on(&self) -> ControlFlow<()> {
        self.question()
    }

    fn planned(&self, plan: &Plan) {
        self.heard.lock().unwrap().rendered = vec![Vec::new(); plan.sections.len()];
    }

    fn rendered(&self, section: usize, done: f64) -> ControlFlow<()> {
        self.heard.lock().unwrap().rendered[section].push(done);
        self.question()
    }
}

fn request(wire: GenerationRequest) -> Request {
    let wire = GenerationRequest { seed: Some(5), ..wire };
    Request::new(wire, &Defaults::default()).unwrap()
}

fn short() -> Request {
    request(GenerationRequest {
        prompt: "calm piano and strings, 90 bpm".to_owned(),
        duration_seconds: Some(12.5),
        output: Some(OutputOptions {
            stems: Some(true),
            sample_rate: Some(44_100),
            ..OutputOptions::default()
        }),
        ..GenerationRequest::default()
    })
}

fn make(
    request: &Request,
    threads: usize,
    to: &Destination,
    listener: &Listener,
) -> Result<Manifest, RunError> {
    let engines = Engines::new(Arc::new(Synth::new(threads)));
    let chosen = engines.choose(request).unwrap();
    let created_at = Timestamp::UNIX_EPOCH;
    let sources = Sources::default();
    let order = Order { request, chosen: &chosen, sources: &sources, destination: to, raw: None, created_at };
    piece(&order, listener)
}

fn files(directory: &Path) -> Destination {
    Destination::Files(Files {
        audio: directory.join("piece.wav"),
        manifest: directory.join("piece.json"),
        picture: Some(directory.join("piece.png")),
        midi: Some(directory.join("piece.mid")),
        stems: Some(directory.join("stems")),
        overwrite: false,
    })
}

#[test]
fn stages_come_in_order_and_progress_never_falls() {
    let directory = tempfile::tempdir().unwrap();
    let listener = Listener::default();
    let manifest = make(&short(), 1, &files(directory.path()), &listener).unwrap();
    assert_eq!(manifest.audio.frames, 551_250);
    let heard = listener.heard.into_inner().unwrap();
    assert_eq!(
        heard.stages,
        [JobState::Planning, JobState::Rendering, JobState::Mixing, JobState::Mastering]
    );
    for shares in heard.rendered {
        assert!(shares.is_sorted() && shares.last() == Some(&1.0), "{shares:?}");
    }
}

#[test]
fn a_cancel_is_heard_in_every_stage_and_leaves_nothing() {
    let mut questions = 0;
    for stage in [JobState::Planning, JobState::Rendering, JobState::Mixing, JobState::Mastering] {
        for question in [1, 2, 30, 300] {
            let directory = tempfile::tempdir().unwrap();
            let listener = Listener { stop_at: Some((stage, question)), ..Listener::default() };
            match make(&short(), 1, &files(directory.path()), &listener) {
                Err(RunError::Cancelled) => {
                    questions += 1;
                    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{stage:?} {question}");
                }
                // The stage asked less often than that.
                Ok(_) => assert!(question > 1, "{stage:?} cannot be cancelled"),
                Err(error) => panic!("{error}"),
            }
        }
    }
    // Once in planning, which is short, and often in the long stages.
    assert!(questions >= 10, "{questions}");
}

#[test]
fn a_cancel_leaves_nothing_on_the_shelf_either() {
    let directory = tempfile::tempdir().unwrap();
    let job_id = "0198c1f2-7d3a-7c4e-9b1a-3f6f0a2d5e77".to_owned();
    let shelf = Shelf::open(directory.path()).unwrap();
    let to = Destination::Shelf { shelf: shelf.clone(), job_id: job_id.clone() };
    let listener = Listener { stop_at: Some((JobState::Mastering, 300)), ..Listener::default() };
    assert!(matches!(make(&short(), 1, &to, &listener), Err(RunError::Cancelled)));
    assert_eq!(shelf.find(&job_id), None);
    assert_eq!(fs::read_dir(directory.path().join(".incoming")).unwrap().count(), 0);
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let made: Vec<(Vec<u8>, Manifest)> = [1, 3]
        .into_iter()
        .map(|threads| {
            let directory = tempfile::tempdir().unwrap();
            let manifest = make(&short(), threads, &files(directory.path()), &Listener::default()).unwrap();
            (fs::read(directory.path().join("piece.wav")).unwrap(), manifest)
        })
        .collect();
    assert!(made[0] == made[1]);
}

#[test]
fn every_length_rate_and_depth_is_met_to_the_sample() {
    for (seconds, rate, frames) in [(1.0, 8_000, 8_000), (3.3, 22_050, 72_765), (2.000_1, 96_000, 192_010)] {
        let request = request(GenerationRequest {
            prompt: "techno, 7/8".to_owned(),
            duration_seconds: Some(seconds),
            output: Some(OutputOptions {
                sample_rate: Some(rate),
                channels: Some(1),
                ..OutputOptions::default()
            }),
            ..GenerationRequest::default()
        });
        let directory = tempfile::tempdir().unwrap();
        let manifest = make(&request, 1, &files(directory.path()), &Listener::default()).unwrap();
        let reader = hound::WavReader::open(directory.path().join("piece.wav")).unwrap();
        assert_eq!((reader.duration(), manifest.audio.frames), (frames, u64::from(frames)));
        assert_eq!((reader.spec().sample_rate, reader.spec().channels), (rate, 1));
    }
}
