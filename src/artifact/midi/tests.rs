use midly::Smf;

use super::*;
use crate::{
    artifact::sample,
    audio::{Pcm, Random, SampleRate, Spec},
    plan::{self, Plan},
    render::{BeatMark, PlayedNote},
    request::{Defaults, Request},
    wire::{BitDepth, CompositionPlan, GenerationRequest, OutputFormat},
};

/// A file as a player reads it: events at ticks, and the time of every tick.
struct Read<'a> {
    smf: Smf<'a>,
    /// Where each tempo starts, and its microseconds of a quarter note.
    tempi: Vec<(u32, f64)>,
}

/// A note as it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ReadNote {
    seconds: f64,
    channel: u8,
    key: u8,
    velocity: u8,
    ticks: u32,
}

impl<'a> Read<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut read = Self { smf: Smf::parse(bytes).unwrap(), tempi: Vec::new() };
        read.tempi = read.metas(0, |message| match message {
            MetaMessage::Tempo(micros) => Some(f64::from(u32::from(micros))),
            _ => None,
        });
        read
    }

    /// The events of a track with their ticks.
    fn events(&self, track: usize) -> Vec<(u32, TrackEventKind<'a>)> {
        let mut tick = 0;
        let timed = self.smf.tracks[track].iter().map(|event| {
            tick += u32::from(event.delta);
            (tick, event.kind)
        });
        timed.collect()
    }

    /// What a filter finds among the meta events of a track, with its tick.
    fn metas<T>(&self, track: usize, find: impl Fn(MetaMessage<'a>) -> Option<T>) -> Vec<(u32, T)> {
        let events = self.events(track).into_iter();
        events
            .filter_map(|(tick, kind)| match kind {
                TrackEventKind::Meta(message) => Some((tick, find(message)?)),
                _ => None,
            })
            .collect()
    }

    fn seconds(&self, tick: u32) -> f64 {
        let ends = self.tempi.iter().skip(1).map(|(at, _)| *at).chain([u32::MAX]);
        let spans = self.tempi.iter().zip(ends).take_while(|((from, _), _)| *from < tick);
        spans.map(|((from, micros), end)| f64::from(end.min(tick) - from) * micros / 960.0 / 1e6).sum()
    }

    /// The notes of all tracks in order of time. Every note that is started is ended, and only then started again.
    fn notes(&self) -> Vec<ReadNote> {
        let mut messages: Vec<(u32, usize, u8, MidiMessage)> = Vec::new();
        for track in 1..self.smf.tracks.len() {
            for (tick, kind) in self.events(track) {
                if let TrackEventKind::Midi { channel, message } = kind {
                    messages.push((tick, track, channel.into(), message));
                }
            }
        }
        messages.sort_by_key(|(tick, .., message)| (*tick, matches!(message, MidiMessage::NoteOn { .. })));
        let mut open: Vec<(u32, ReadNote)> = Vec::new();
        let mut notes = Vec::new();
        for (tick, _, channel, message) in messages {
            let position =
                |key| open.iter().position(|(_, note)| (note.channel, u8::from(key)) == (channel, note.key));
            match message {
                MidiMessage::NoteOn { key, vel } => {
                    assert_eq!(position(key), None, "key {key} is pressed while it is down");
                    let (key, velocity) = (key.into(), vel.into());
                    let seconds = self.seconds(tick);
                    open.push((tick, ReadNote { seconds, channel, key, velocity, ticks: 0 }));
                }
                MidiMessage::NoteOff { key, .. } => {
                    let (on, note) = open.remove(position(key).expect("a key that is let go is down"));
                    assert!(tick > on, "a note of no length");
                    notes.push(ReadNote { ticks: tick - on, ..note });
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
        notes.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        notes
    }
}

/// A plan as the planner makes it.
fn planned(prompt: &str, seconds: f64) -> CompositionPlan {
    let wire = GenerationRequest {
        prompt: prompt.to_owned(),
        duration_seconds: Some(seconds),
        seed: Some(3),
        ..GenerationRequest::default()
    };
    plan::plan(&Request::new(wire, &Defaults::default()).unwrap()).unwrap().to_wire()
}

/// A piece of that plan. Its sound is silence at a low rate.
fn piece(plan: CompositionPlan) -> Finished {
    let rate = SampleRate(8_000);
    let sound = Pcm::silence(Spec::stereo(rate), rate.frames(plan.duration_seconds));
    let plan = Plan::from_wire_unchecked(plan);
    Finished { plan, ..sample::piece(sound, OutputFormat::Wav, BitDepth::Int24) }
}

fn written(finished: &Finished, played: &Played) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, finished, played).unwrap();
    bytes
}

fn part(name: &str, sound: MidiSound, notes: Vec<PlayedNote>) -> Part {
    Part { name: name.to_owned(), group: "keys".to_owned(), sound, notes }
}

fn parts(parts: Vec<Part>) -> Played {
    Played { parts, beats: Vec::new() }
}

fn note(at: f64, seconds: f64, key: u8) -> PlayedNote {
    PlayedNote { at, seconds, key, velocity: 80 }
}

#[test]
fn metre_tempo_keys_and_sections_are_where_they_are_heard() {
    for (prompt, metre, click) in [
        ("folk, 6/8, 61 bpm, in D dorian", (6, 3), 36),
        ("techno, 7/8, 133.3 bpm, in F# minor", (7, 3), 12),
        ("jazz, 5/4, in Bb", (5, 2), 24),
        ("waltz, in E minor", (3, 2), 24),
        ("blues, 12/8, 50 bpm, in A mixolydian", (12, 3), 36),
    ] {
        let mut plan = planned(prompt, 500.0);
        let other: Key = "Eb minor".parse().unwrap();
        plan.sections[1].key = Some(other);
        let finished = piece(plan);
        let bytes = written(&finished, &parts(Vec::new()));
        let read = Read::new(&bytes);
        let plan = &finished.plan;

        assert_eq!(read.smf.header.format, Format::Parallel);
        let signature = |message| match message {
            MetaMessage::TimeSignature(over, under, clocks, 8) => Some(((over, under), clocks)),
            _ => None,
        };
        assert_eq!(read.metas(0, signature), [(0, (metre, click))], "{prompt}");

        let markers = read.metas(0, |message| match message {
            MetaMessage::Marker(text) => Some(std::str::from_utf8(text).unwrap().to_owned()),
            _ => None,
        });
        let bar = plan.time_signature.eighths() * u32::from(TICKS_PER_QUARTER) / 2;
        let mut bars = 0.0;
        for ((tick, text), section) in markers.iter().zip(&plan.sections) {
            assert_eq!((*tick, text), ((bars * f64::from(bar)) as u32, &section.label), "{prompt}");
            assert!((read.seconds(*tick) - section.start_seconds).abs() < 2e-4, "{prompt}");
            bars += section.bars;
        }
        assert_eq!(markers.len(), plan.sections.len());

        let keys = read.metas(0, |message| match message {
            MetaMessage::KeySignature(sharps, minor) => Some((sharps, minor)),
            _ => None,
        });
        let own = (plan.key.signature(), plan.key.mode().is_minor());
        assert_eq!(keys, [(0, own), (markers[1].0, (-6, true)), (markers[2].0, own)], "{prompt}");

        let end = *read.events(0).iter().map(|(tick, _)| tick).max().unwrap();
        assert!((read.seconds(end) - 500.0).abs() < 1e-3, "{prompt}: {}", read.seconds(end));
    }
}

#[test]
fn every_note_is_there_when_it_sounds() {
    for prompt in ["pop, 220 bpm", "ambient, 40.7 bpm", "folk, 6/8, 47.3 bpm", "techno, 7/8, 131.9 bpm"] {
        let finished = piece(planned(prompt, 600.0));
        let mut random = Random::new(4);
        let mut draw = |at: f64| PlayedNote {
            at,
            seconds: random.between(0.01, 0.06),
            key: 30 + random.below(60) as u8,
            velocity: 1 + random.below(127) as u8,
        };
        let every = |step: f64, draw: &mut dyn FnMut(f64) -> PlayedNote| -> Vec<PlayedNote> {
            (0..(599.0 / step) as usize).map(|number| draw(number as f64 * step)).collect()
        };
        let played = parts(vec![
            part("piano", MidiSound::Program(0), every(0.0713, &mut draw)),
            part("flute melody", MidiSound::Program(73), every(0.311, &mut draw)),
            part("drums", MidiSound::Drums, every(0.077, &mut draw)),
        ]);
        let bytes = written(&finished, &played);
        let read = Read::new(&bytes);
        let heard = read.notes();
        assert_eq!(heard.len(), played.parts.iter().map(|part| part.notes.len()).sum::<usize>());
        for (part, channel) in played.parts.iter().zip([0, 1, 9]) {
            let mine = heard.iter().filter(|note| note.channel == channel);
            for (heard, note) in mine.zip(&part.notes) {
                let off = heard.seconds - note.at;
                assert!(off.abs() < 1e-3, "{prompt}: {off} s at {}", note.at);
                assert_eq!((heard.key, heard.velocity), (note.key, note.velocity));
            }
        }
        let programs: Vec<(usize, u8)> = (1..4)
            .filter_map(|track| {
                read.events(track).into_iter().find_map(|(_, kind)| match kind {
                    TrackEventKind::Midi { message: MidiMessage::ProgramChange { program }, .. } => {
                        Some((track, program.into()))
                    }
                    _ => None,
                })
            })
            .collect();
        assert_eq!(programs, [(1, 0), (2, 73)]);
    }
}

#[test]
fn notes_of_one_key_do_not_overlap() {
    let finished = piece(planned("pop, 120 bpm", 60.0));
    let held = vec![note(1.0, 3.0, 60), note(2.0, 0.0, 60), note(2.0, 1.0, 60), note(59.9, 5.0, 60)];
    let hits = vec![note(1.0, 0.0, 36), note(1.01, 0.0, 36)];
    let played =
        parts(vec![part("piano", MidiSound::Program(0), held), part("drums", MidiSound::Drums, hits)]);
    let bytes = written(&finished, &played);
    let lengths: Vec<(u8, u32)> =
        Read::new(&bytes).notes().iter().map(|note| (note.channel, note.ticks)).collect();
    // A second has 1920 ticks; the last note ends with the sound.
    assert_eq!(lengths, [(9, 19), (0, 1920), (9, 120), (0, 1920), (0, 192)]);
}

#[test]
fn a_ritardando_reaches_the_tempo_map() {
    let finished = piece(planned("classical, 120 bpm, 4/4", 30.0));
    let beats = (0..=8).map(f64::from);
    let beats: Vec<BeatMark> = beats
        .map(|number| BeatMark { at: 20.0 + 0.5 * number + 0.02 * number * number, beat: 40.0 + number })
        .collect();
    let notes = beats.iter().map(|mark| note(mark.at, 0.1, 60)).collect();
    let played = Played { parts: vec![part("piano", MidiSound::Program(0), notes)], beats: beats.clone() };
    let bytes = written(&finished, &played);
    let read = Read::new(&bytes);
    for (heard, mark) in read.notes().iter().zip(&beats) {
        assert!((heard.seconds - mark.at).abs() < 1e-5, "{heard:?} {mark:?}");
    }
    let ons: Vec<u32> = read
        .events(1)
        .into_iter()
        .filter_map(|(tick, kind)| match kind {
            TrackEventKind::Midi { message: MidiMessage::NoteOn { .. }, .. } => Some(tick),
            _ => None,
        })
        .collect();
    assert_eq!(ons, (40..=48).map(|beat| beat * 960).collect::<Vec<u32>>());
}

#[test]
fn a_crowd_of_parts_says_what_it_shares() {
    let finished = piece(planned("pop, 120 bpm", 60.0));
    let crowd = (0..17).map(|program| {
        part(&format!("part {program}"), MidiSound::Program(program), vec![note(1.0, 1.0, 60)])
    });
    let bytes = written(&finished, &parts(crowd.collect()));
    let read = Read::new(&bytes);
    let says = |track| {
        read.metas(track, |message| match message {
            MetaMessage::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            _ => None,
        })
    };
    assert!(says(15).is_empty());
    assert!(says(16)[0].1.contains("channel 1") && says(16)[0].1.ends_with("part 0"), "{:?}", says(16));
}
