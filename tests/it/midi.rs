//! The MIDI file of a piece holds the notes of its sound.

use std::{fs, ops::ControlFlow, sync::Arc};

use jiff::Timestamp;
use midly::{MetaMessage, MidiMessage, Smf, TrackEventKind};
use timbre::{
    artifact::{Destination, Files},
    audio::Spec,
    cancel::Never,
    job::run::{Order, Progress, piece},
    mix,
    plan::{Plan, plan},
    render::{self, Played, engines::Engines, synth::Synth},
    request::{Defaults, Request},
    source::Sources,
    wire::{GenerationRequest, JobState},
};

struct Silent;

impl Progress for Silent {
    fn stage(&self, _: JobState) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn go_on(&self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn planned(&self, _: &Plan) {}

    fn rendered(&self, _: usize, _: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The MIDI file that the pipeline writes.
fn file(request: &Request) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let files = Files {
        audio: at("a.wav"),
        manifest: at("a.json"),
        picture: None,
        midi: Some(at("a.mid")),
        stems: None,
        overwrite: false,
    };
    let chosen = Engines::new(Arc::new(Synth::new(2))).choose(request).unwrap();
    let destination = Destination::Files(files);
    let created_at = Timestamp::UNIX_EPOCH;
    let sources = Sources::default();
    let order = Order {
        request,
        chosen: &chosen,
        sources: &sources,
        destination: &destination,
        raw: None,
        created_at,
    };
    piece(&order, &Silent).unwrap();
    fs::read(at("a.mid")).unwrap()
}

/// What the engine says it plays.
fn played(request: &Request, plan: &Plan) -> Played {
    let go_on = |_, _| ControlFlow::Continue(());
    let sections = render::sections(&Synth::new(2), plan, request, &Sources::default(), &go_on).unwrap();
    mix::join(plan, sections, Spec::stereo(plan.rate()), &Never).unwrap().played.unwrap()
}

/// Name, program (none for drums) and onsets of the track of a part, in ticks with their keys.
type PartRead = (String, Option<u8>, Vec<(u32, u8)>);

/// The track of each part, and the microseconds of a quarter at each tempo change.
struct Read {
    tracks: Vec<PartRead>,
    tempi: Vec<(u32, u32)>,
}

impl Read {
    fn new(bytes: &[u8]) -> Self {
        let mut read = Self { tracks: Vec::new(), tempi: Vec::new() };
        for track in Smf::parse(bytes).unwrap().tracks {
            let (mut tick, mut name, mut program, mut onsets) = (0, String::new(), None, Vec::new());
            for event in track {
                tick += u32::from(event.delta);
                match event.kind {
                    TrackEventKind::Meta(MetaMessage::TrackName(text)) => {
                        name = String::from_utf8(text.to_vec()).unwrap();
                    }
                    TrackEventKind::Meta(MetaMessage::Tempo(micros)) => {
                        read.tempi.push((tick, micros.into()));
                    }
                    TrackEventKind::Midi {
                        message: MidiMessage::ProgramChange { program: number }, ..
                    } => {
                        program = Some(number.into());
                    }
                    TrackEventKind::Midi { message: MidiMessage::NoteOn { key, .. }, .. } => {
                        onsets.push((tick, key.into()));
                    }
                    _ => {}
                }
            }
            read.tracks.push((name, program, onsets));
        }
        read
    }

    fn seconds(&self, tick: u32) -> f64 {
        let ends = self.tempi.iter().skip(1).map(|(at, _)| *at).chain([u32::MAX]);
        let spans = self.tempi.iter().zip(ends).take_while(|((from, _), _)| *from < tick);
        spans.map(|((from, micros), end)| f64::from(end.min(tick) - from) * f64::from(*micros) / 960e6).sum()
    }
}

#[test]
fn every_note_that_sounds_is_in_the_file_and_no_other() {
    for (prompt, seconds) in [
        ("jazz with trumpet and vibraphone, 137.3 bpm", 40.0),
        ("cheerful folk, 6/8, with flute and guitar", 33.0),
        ("techno, 7/8, 128.7 bpm, in F# minor", 30.0),
        ("epic cinematic", 45.0),
    ] {
        let wire = GenerationRequest {
            prompt: prompt.to_owned(),
            duration_seconds: Some(seconds),
            seed: Some(5),
            ..GenerationRequest::default()
        };
        let request = Request::new(wire, &Defaults::default()).unwrap();
        let plan = plan(&request).unwrap();
        let played = played(&request, &plan);
        let read = Read::new(&file(&request));
        assert_eq!(read.tracks.len(), 1 + played.parts.len(), "{prompt}");
        for (part, (name, _, onsets)) in played.parts.iter().zip(&read.tracks[1..]) {
            assert_eq!(name, &part.name, "{prompt}");
            // Two notes of one key that begin in one tick are one.
            let heard = |&(tick, key): &(u32, u8)| (read.seconds(tick), key);
            for note in &part.notes {
                let there =
                    onsets.iter().map(heard).any(|(at, key)| key == note.key && (at - note.at).abs() < 1e-3);
                assert!(there, "{prompt}: {name} lacks {note:?}");
            }
            for (at, key) in onsets.iter().map(heard) {
                let sounds = part.notes.iter().any(|note| note.key == key && (at - note.at).abs() < 1e-3);
                assert!(sounds, "{prompt}: {name} has {key} at {at} s too many");
            }
            assert!(onsets.len() * 100 >= part.notes.len() * 98, "{prompt}: {name} merges too much");
        }
        let bass = read.tracks.iter().find(|(name, ..)| name.ends_with("bass"));
        // General MIDI's basses, and the contrabass among its strings.
        let is_bass = |program: u8| (32..40).contains(&program) || program == 43;
        assert!(bass.is_none_or(|(_, program, _)| is_bass(program.unwrap())), "{prompt}");
    }
}
