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
    audio::{Pcm, SampleRate, Spec},
    cancel::Never,
    convert::{remix, resample},
    job::{
        run::{Order, Progress, RunError, piece},
        sources,
    },
    plan::Plan,
    render::{
        Engine, EngineError, Limits, Rendered, SectionSpec, Watch,
        engines::{Chosen, Engines},
        synth::Synth,
    },
    request::{Defaults, Request},
    source::Sources,
    wire::{AudioSource, EngineChoice, GenerationRequest, JobState, Manifest, OutputOptions},
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
    Destination::Files(plain(directory))
}

fn plain(directory: &Path) -> Files {
    Files {
        audio: directory.join("piece.wav"),
        manifest: directory.join("piece.json"),
        picture: Some(directory.join("piece.png")),
        midi: Some(directory.join("piece.mid")),
        stems: Some(directory.join("stems")),
        overwrite: false,
    }
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

/// Notes what each section was given: the sound to go on from and the melody, at its own 32 kHz, mono.
#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Vec<(Option<Pcm>, Option<Pcm>)>>,
}

impl Engine for Ear {
    fn name(&self) -> &'static str {
        "ear"
    }

    fn limits(&self) -> Limits {
        Limits {
            spec: Spec { rate: SampleRate(32_000), channels: 1 },
            longest_section_seconds: None,
            at_once: 1,
            stems: false,
            notes: false,
            tokens: false,
            samples_a_model: true,
            memory_bytes: 0,
            continues: true,
            follows_melody: true,
            real_time_factor: None,
            licence: "none".to_owned(),
            model: None,
        }
    }

    fn render(
        &self,
        section: &SectionSpec<'_>,
        _: Option<&Rendered>,
        _: &dyn Watch,
    ) -> Result<Rendered, EngineError> {
        let spec = self.limits().spec;
        let own = |sound: &Pcm| {
            let frames = spec.rate.frames(sound.seconds());
            let mono = remix(sound.clone(), 1).unwrap();
            resample(mono, spec.rate, frames, &Never).unwrap()
        };
        self.heard.lock().unwrap().push((section.continued.map(own), section.melody.map(own)));
        Ok(Rendered {
            sound: Pcm::silence(spec, section.lead_frames + section.frames),
            lead_frames: section.lead_frames,
            stems: Vec::new(),
            played: None,
            tokens: None,
            tail: Vec::new(),
        })
    }
}

/// A stereo WAV of 40 s at 44.1 kHz whose sample, in both channels, tells where in the file it stands.
fn clock(path: &Path) {
    let head = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(path, head).unwrap();
    for frame in 0..40 * 44_100 {
        let seconds = frame as f32 / 44_100.0;
        writer.write_sample(seconds / 50.0).unwrap();
        writer.write_sample(seconds / 50.0).unwrap();
    }
    writer.finalize().unwrap();
}

/// The second of the file at which a sound stands in its middle.
fn middle(sound: &Pcm) -> f64 {
    f64::from(sound.planes()[0][sound.frames() / 2]) * 50.0
}

#[test]
fn an_engine_hears_the_sounds_of_the_request_cut_and_at_its_own_rate() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clock.wav");
    clock(&file);
    let id = "0".repeat(64);
    let part = |start, end| AudioSource {
        audio_id: Some(id.clone()),
        start_seconds: start,
        end_seconds: end,
        ..AudioSource::default()
    };
    let heard = |continued: AudioSource, melody: AudioSource| {
        let request = request(GenerationRequest {
            prompt: "calm piano, 90 bpm".to_owned(),
            duration_seconds: Some(20.0),
            continue_from: Some(continued),
            melody_from: Some(melody),
            ..GenerationRequest::default()
        });
        let ear = Arc::new(Ear::default());
        let find = |audio_id: &str| (audio_id == id).then(|| file.clone());
        let sources = sources::read(&request, &ear.limits(), &find, &Never).unwrap();
        let chosen = Chosen {
            engine: ear.clone(),
            name: EngineChoice::Musicgen,
            reason: "test".to_owned(),
            warnings: Vec::new(),
        };
        let to = tempfile::tempdir().unwrap();
        let order = Order {
            request: &request,
            chosen: &chosen,
            sources: &sources,
            destination: &Destination::Files(Files { stems: None, midi: None, ..plain(to.path()) }),
            raw: None,
            created_at: Timestamp::UNIX_EPOCH,
        };
        let manifest = piece(&order, &Listener::default()).unwrap();
        assert_eq!(manifest.request.continue_from, request.continue_from);
        assert_eq!(manifest.audio.duration_seconds, 20.0, "what is continued is no part of the piece");
        ear.heard.lock().unwrap().clone()
    };
    let sections = heard(part(Some(10.0), Some(25.0)), part(Some(5.0), None));
    assert!(sections.len() > 1);
    assert!(sections[1..].iter().all(|(continued, _)| continued.is_none()), "only the first goes on from it");
    let continued = sections[0].0.as_ref().unwrap();
    assert_eq!((continued.spec().rate.0, continued.frames()), (32_000, 15 * 32_000));
    assert!((middle(continued) - 17.5).abs() < 0.001, "{}", middle(continued));
    for (_, melody) in &sections {
        let melody = melody.as_ref().unwrap();
        assert_eq!(melody.frames(), 20 * 32_000, "as much as the piece lasts");
        assert!((middle(melody) - 15.0).abs() < 0.001);
    }
    let sections = heard(part(None, None), part(None, Some(2.0)));
    let continued = sections[0].0.as_ref().unwrap();
    assert_eq!(continued.frames(), 30 * 32_000, "the last seconds of a longer sound");
    assert!((middle(continued) - 25.0).abs() < 0.001);
    assert_eq!(sections[0].1.as_ref().unwrap().frames(), 2 * 32_000);
}

#[test]
fn a_sound_that_is_not_there_or_no_sound_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("words.wav");
    fs::write(&file, "piano").unwrap();
    let source = AudioSource { audio_id: Some("0".repeat(64)), ..AudioSource::default() };
    let request = request(GenerationRequest {
        prompt: "piano".to_owned(),
        melody_from: Some(source),
        ..GenerationRequest::default()
    });
    let read = |limits: &Limits, file: Option<&Path>| {
        sources::read(&request, limits, &|_| file.map(Path::to_owned), &Never)
    };
    let limits = Ear::default().limits();
    let missing = read(&limits, None).unwrap_err().to_string();
    assert!(missing.starts_with("melody_from: the sound 000"), "{missing}");
    let words = read(&limits, Some(&file)).unwrap_err().to_string();
    assert!(words.contains("no audio file"), "{words}");
    let deaf = Limits { follows_melody: false, ..limits };
    assert_eq!(read(&deaf, None).unwrap(), Sources::default(), "what the engine cannot use is not read");
}
