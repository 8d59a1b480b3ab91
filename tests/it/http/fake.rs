//! A runner that obeys the words of the prompt.

use std::{
    fs,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Condvar, Mutex},
    time::Duration,
};

use timbre::{
    audio::{Pcm, SampleRate, Spec},
    job::{
        JobId,
        run::{Progress, RunError, Runner},
    },
    plan::plan,
    render::EngineError,
    request::Request,
    wire::{ArtifactFile, JobState, LoudnessReport, Manifest, MidiFile, Provenance},
};

/// The bytes that every piece consists of.
pub(crate) fn audio_bytes() -> Vec<u8> {
    (0..100_003_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// What the tests call the hash of those bytes; nothing here computes it.
pub(crate) const SHA256: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Frames of each of the two sounds that are heard of what is sung.
pub(crate) const SUNG: usize = 5_000;

const SONG: Spec = Spec { rate: SampleRate(8_000), channels: 1 };

/// The whole preview of what is sung.
pub(crate) fn sung() -> Vec<u8> {
    let mut bytes = timbre::artifact::stream_head(SONG);
    bytes.extend((0..2).flat_map(|half| timbre::artifact::stream_samples(&song(half, SUNG))));
    bytes
}

fn song(half: usize, frames: usize) -> Pcm {
    let samples = (0..frames).map(|frame| (frame % 100 + 100 * half) as f32 / 256.0);
    Pcm::new(SONG, vec![samples.collect()]).unwrap()
}

/// Writes a small artifact, unless the prompt says `fail`, `panic` or `hold`. Of `noise` nobody knows the notes. What is to `sing` is
/// heard, one half before it is held and one behind, the second `for long` when the prompt says so.
#[derive(Debug)]
pub(crate) struct FakeRunner {
    pub(crate) root: PathBuf,
    pub(crate) gate: Gate,
}

/// Where jobs with `hold` in their prompt wait.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    held: usize,
    stopped: usize,
}

impl Gate {
    /// Lets every job go on, now and later.
    pub(crate) fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.changed.notify_all();
    }

    /// Waits until a job is held.
    pub(crate) fn until_held(&self) {
        self.until(|state| state.held > 0);
    }

    /// Waits until a held job has heard that it is to stop.
    pub(crate) fn until_stopped(&self) {
        self.until(|state| state.stopped > 0);
    }

    fn until(&self, condition: impl Fn(&GateState) -> bool) {
        let state = self.state.lock().unwrap();
        let wait = self.changed.wait_timeout_while(state, Duration::from_secs(30), |state| !condition(state));
        assert!(!wait.unwrap().1.timed_out(), "nothing happened");
    }

    /// Holds the caller until the gate opens, asking `go_on` meanwhile.
    fn hold(&self, go_on: impl Fn() -> ControlFlow<()>) -> Result<(), RunError> {
        let mut state = self.state.lock().unwrap();
        state.held += 1;
        self.changed.notify_all();
        while !state.open {
            state = self.changed.wait_timeout(state, Duration::from_millis(10)).unwrap().0;
            if go_on().is_break() {
                state.stopped += 1;
                self.changed.notify_all();
                return Err(RunError::Cancelled);
            }
        }
        Ok(())
    }
}

fn check(flow: ControlFlow<()>) -> Result<(), RunError> {
    if flow.is_break() { Err(RunError::Cancelled) } else { Ok(()) }
}

impl Runner for FakeRunner {
    fn run(&self, job: JobId, request: &Request, progress: &dyn Progress) -> Result<Manifest, RunError> {
        check(progress.stage(JobState::Planning))?;
        let plan = plan(request)?;
        progress.planned(&plan);
        check(progress.stage(JobState::Rendering))?;
        assert!(!request.prompt.contains("panic"), "as the prompt says");
        let preview = progress.preview().filter(|_| request.prompt.contains("sing"));
        if let Some(preview) = preview {
            preview.begin(SONG);
            preview.sound(&song(0, SUNG));
        }
        if request.prompt.contains("fail") {
            let source = "the inside".into();
            return Err(EngineError::Failed { engine: "synth".into(), section: "s00".into(), source }.into());
        }
        if request.prompt.contains("hold") {
            self.gate.hold(|| progress.rendered(0, 0.5))?;
        }
        if let Some(preview) = preview {
            // More than any system keeps for one who does not read.
            let frames = if request.prompt.contains("for long") { 20_000_000 } else { SUNG };
            preview.sound(&song(1, frames));
        }
        for section in 0..plan.sections.len() {
            check(progress.rendered(section, 1.0))?;
        }
        check(progress.stage(JobState::Mixing))?;
        check(progress.stage(JobState::Mastering))?;
        if request.prompt.contains("spoil") {
            let source = "the last stage".into();
            return Err(EngineError::Failed { engine: "synth".into(), section: "s00".into(), source }.into());
        }
        let manifest = manifest(request, &plan);
        let directory = self.root.join(job.to_string());
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("audio.wav"), audio_bytes()).unwrap();
        fs::write(directory.join("picture.png"), b"picture").unwrap();
        if manifest.midi.is_some() {
            fs::write(directory.join("notes.mid"), b"notes").unwrap();
        }
        if request.output.stems {
            fs::write(directory.join("stems.zip"), b"stems").unwrap();
        }
        fs::write(directory.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
        Ok(manifest)
    }
}

fn manifest(request: &Request, plan: &timbre::plan::Plan) -> Manifest {
    Manifest {
        version: 1,
        request: request.to_wire(),
        plan: plan.to_wire(),
        file: "audio.wav".into(),
        audio: ArtifactFile {
            format: request.output.format,
            sample_rate: request.output.rate.0,
            bit_depth: request.output.bit_depth,
            channels: 2,
            frames: plan.total_frames,
            duration_seconds: plan.duration_seconds,
            bytes: audio_bytes().len() as u64,
            sha256: SHA256.into(),
        },
        loudness: LoudnessReport {
            target_lufs: -14.0,
            ceiling_dbtp: -1.0,
            integrated_lufs: Some(-14.0),
            range_lu: None,
            true_peak_dbtp: None,
            max_short_term_lufs: None,
            gain_db: 0.0,
            limited_db: 0.0,
            on_target: true,
            note: None,
        },
        provenance: Provenance {
            software: "timbre test".into(),
            engine: "synth".into(),
            engine_reason: "asked for".into(),
            model: None,
            dtype: None,
            device: None,
            licence: "none".into(),
            seed: request.seed,
            plan_sha256: plan.sha256(),
            machine_made: true,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        },
        sections: Vec::new(),
        stems: Vec::new(),
        midi: (!request.prompt.contains("noise")).then(|| MidiFile {
            file: "notes.mid".into(),
            bytes: 5,
            sha256: SHA256.into(),
        }),
        warnings: vec!["made by a fake".into()],
    }
}
