//! The engine as a whole: what is promised of the sound, measured.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    Synth,
    instrument::{Family, Instrument},
    score::{self, Note, Tone},
    style::{Book, Drum},
};
use crate::{
    audio::Pcm,
    music::{Key, Metre, Mode},
    plan::{self, Plan},
    render::{Engine, EngineError, MidiSound, Rendered, SectionSpec, Watch},
    request::{Defaults, Request},
    wire::{
        CompositionPlan, Energy, GenerationRequest, MotifNote, Orchestration, PlanSection, Role, Theme,
        Transition, TransitionKind,
    },
};

struct Silent;

impl Watch for Silent {
    fn progress(&self, _done: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// A plan under construction: two sections of four bars with a small band in A minor, 120 beats per minute.
pub(super) fn sketch() -> CompositionPlan {
    let note = |degree, beats| MotifNote { degree: Some(degree), beats };
    CompositionPlan {
        version: 1,
        title: "Sketch".to_owned(),
        prompt: "sketch".to_owned(),
        seed: 11,
        style: "pop".to_owned(),
        tempo_bpm: 120.0,
        time_signature: Metre::FourFour,
        key: "A minor".parse().unwrap(),
        total_bars: 0.0,
        duration_seconds: 0.0,
        sample_rate: 48_000,
        total_frames: 0,
        theme: Theme {
            motif: vec![note(0, 1.0), note(2, 0.5), note(3, 0.5), note(4, 1.0), note(2, 1.0)],
            ..Theme::default()
        },
        ending: None,
        sections: vec![section("a", Role::Motif, 4.0), section("b", Role::Outro, 4.0)],
        inferred: Vec::new(),
        not_understood: Vec::new(),
    }
}

pub(super) fn section(id: &str, role: Role, bars: f64) -> PlanSection {
    PlanSection {
        id: id.to_owned(),
        role,
        label: id.to_owned(),
        prompt: String::new(),
        bars,
        start_seconds: 0.0,
        length_seconds: 0.0,
        start_frame: 0,
        length_frames: 0,
        energy: Energy::Medium,
        key: None,
        transition: Transition { kind: TransitionKind::Continue, beats: 0.0 },
        seed: 3,
        orchestration: band(&["drums"], &["bass"], &["piano"], &["flute"], &[]),
    }
}

pub(super) fn band(
    rhythm: &[&str],
    bass: &[&str],
    harmony: &[&str],
    lead: &[&str],
    textures: &[&str],
) -> Orchestration {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Orchestration {
        rhythm: owned(rhythm),
        bass: owned(bass),
        harmony: owned(harmony),
        lead: owned(lead),
        textures: owned(textures),
    }
}

/// Fills in the derived fields as the planner does.
pub(super) fn planned(mut wire: CompositionPlan) -> Plan {
    wire.theme.instrumentation = wire
        .sections
        .iter()
        .flat_map(|section| section.orchestration.names().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // The planner may know fewer styles than can be played.
    let style = std::mem::replace(&mut wire.style, "pop".to_owned());
    let request =
        GenerationRequest { prompt: wire.prompt.clone(), plan: Some(wire), ..GenerationRequest::default() };
    let plan = plan::plan(&Request::new(request, &Defaults::default()).unwrap()).unwrap();
    Plan::from_wire_unchecked(CompositionPlan { style, ..plan.to_wire() })
}

/// A plan of one section.
fn alone(section: PlanSection) -> Plan {
    planned(CompositionPlan { sections: vec![section], ..sketch() })
}

fn spec(plan: &Plan, index: usize, stems: bool) -> SectionSpec<'_> {
    let rate = super::SPEC.rate;
    SectionSpec {
        plan,
        index,
        lead_frames: plan.lead_at(index, rate),
        frames: plan.start_at(index + 1, rate) - plan.start_at(index, rate),
        negative_prompt: "",
        sampling: None,
        continued: None,
        melody: None,
        stems,
    }
}

fn rendered(plan: &Plan, index: usize) -> Rendered {
    Synth::new(1).render(&spec(plan, index, false), None, &Silent).unwrap()
}

pub(super) fn notes(plan: &Plan, index: usize) -> Vec<(Instrument, Note)> {
    let score = score::compose(plan, Book::open().unwrap(), index, 0.0).unwrap();
    score.notes().map(|(instrument, note)| (instrument, *note)).collect()
}

/// The instrument of a name.
pub(super) fn the(name: &str) -> Instrument {
    Instrument::named(name).unwrap()
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

fn decibels(sound: &Pcm) -> f32 {
    20.0 * rms(&sound.planes().concat()).log10()
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let plan = planned(sketch());
    let render = |threads| Synth::new(threads).render(&spec(&plan, 0, false), None, &Silent).unwrap();
    let first = render(1);
    assert_eq!(first, render(2));
    assert_eq!(first, render(3));
}

#[test]
fn stems_sum_to_the_sound_and_do_not_change_it() {
    let mut wire = sketch();
    wire.sections[0].orchestration =
        band(&["drums", "percussion"], &["bass"], &["piano", "strings"], &["flute"], &["rain"]);
    let plan = planned(wire);
    let plain = rendered(&plan, 0);
    let with = Synth::new(2).render(&spec(&plan, 0, true), None, &Silent).unwrap();
    assert_eq!(plain.sound, with.sound);
    let names: Vec<&str> = with.stems.iter().map(|stem| stem.name.as_str()).collect();
    assert_eq!(names, ["drums", "percussion", "bass", "keys", "strings", "winds", "textures"]);
    let mut sum = Pcm::silence(with.sound.spec(), with.sound.frames());
    for stem in &with.stems {
        assert!(decibels(&stem.sound) > -60.0, "{} is silent", stem.name);
        sum.add_at(0, &stem.sound);
    }
    let apart = sum.planes().iter().flatten().zip(with.sound.planes().iter().flatten());
    let worst = apart.map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    assert!(worst < 1e-6, "stems are off by {worst}");
}

#[test]
fn every_style_plays_in_every_metre() {
    let styles: Vec<&str> = Book::open().unwrap().names().collect();
    for (number, style) in styles.iter().enumerate() {
        for (turn, metre) in Metre::ALL.into_iter().enumerate() {
            let mut wire = sketch();
            wire.style = (*style).to_owned();
            wire.time_signature = metre;
            wire.sections[0].energy = [Energy::Low, Energy::Medium, Energy::High][(number + turn) % 3];
            let plan = planned(wire);
            for index in 0..2 {
                let played = notes(&plan, index);
                let (start, end) =
                    (plan.start_at(index, super::SPEC.rate), plan.start_at(index + 1, super::SPEC.rate));
                for family in [Family::Kit, Family::Struck, Family::Held] {
                    let any = played.iter().any(|(instrument, _)| instrument.family() == family);
                    assert!(any, "{style} in {metre}: nothing from {family:?}");
                }
                for (instrument, note) in played {
                    let onset = super::SPEC.rate.frames(note.at);
                    assert!(
                        (start..end).contains(&onset),
                        "{style} in {metre}: {instrument:?} at {}",
                        note.at
                    );
                    assert!(note.velocity > 0.0 && note.velocity <= 1.0 && note.seconds >= 0.0);
                }
            }
        }
        // The sound of one of them: rendering all would take long.
        let mut wire = sketch();
        wire.style = (*style).to_owned();
        wire.time_signature = Metre::ALL[number % 7];
        wire.sections[0].bars = 1.0;
        let sound = rendered(&planned(wire), 0).sound;
        assert!(sound.is_finite() && decibels(&sound) > -45.0, "{style}: {} dB", decibels(&sound));
        assert!(sound.peak() < 1.0, "{style}: peak {}", sound.peak());
    }
}

#[test]
fn notes_stay_in_the_key() {
    for (style, key) in [("pop", "D minor"), ("house", "Bb"), ("techno", "F# minor"), ("ambient", "E dorian")]
    {
        let key: Key = key.parse().unwrap();
        let plan = planned(CompositionPlan { style: style.to_owned(), key, ..sketch() });
        let pitches: Vec<i32> = (0..2)
            .flat_map(|index| notes(&plan, index))
            .filter_map(|(_, note)| match note.tone {
                Tone::Pitch(pitch) => Some(pitch),
                Tone::Hit(_) => None,
            })
            .collect();
        let inside = pitches.iter().filter(|&&pitch| key.contains(pitch)).count();
        assert!(inside * 100 >= pitches.len() * 95, "{style} in {key}: {inside} of {}", pitches.len());
        let range = (pitches.iter().min().unwrap(), pitches.iter().max().unwrap());
        assert!(*range.0 >= 24 && *range.1 <= 100, "{style}: pitches {range:?}");
    }
}

/// Drums on a straight grid: every onset lies within the style's looseness of a sixteenth, from the first bar to the last.
#[test]
fn the_grid_is_the_tempo() {
    let mut wire = sketch();
    wire.tempo_bpm = 93.7;
    wire.style = "techno".to_owned();
    wire.sections[0].bars = 64.0;
    let plan = planned(wire);
    let sixteenth = 60.0 / 93.7 / 4.0;
    let mut late = 0.0;
    let drums: Vec<Note> =
        notes(&plan, 0).into_iter().filter(|(who, _)| *who == the("drums")).map(|(_, note)| note).collect();
    for note in &drums {
        let off = note.at - (note.at / sixteenth).round() * sixteenth;
        assert!(off.abs() < 0.0015, "{} s off the grid at {}", off, note.at);
        late += off;
    }
    assert!(drums.len() > 500 && (late / drums.len() as f64).abs() < 2e-4);
}

#[test]
fn a_bass_that_walks_leaves_no_beat_out() {
    for mode in Mode::ALL {
        for tonic in 0..12 {
            let mut wire = CompositionPlan { style: "classical".to_owned(), ..sketch() };
            wire.key = Key::from_pitch_class(tonic, mode);
            wire.seed = tonic as u64;
            wire.sections[0].energy = Energy::High;
            let played = notes(&planned(wire), 0);
            let bass = played.iter().filter(|(who, _)| *who == the("bass")).count();
            assert_eq!(bass, 16, "pitch class {tonic}, {}", mode.name());
        }
    }
}

#[test]
fn the_bass_leads_into_the_next_section() {
    for seed in 0..12 {
        let mut wire = CompositionPlan { style: "jazz".to_owned(), seed, ..sketch() };
        wire.key = "C".parse().unwrap();
        wire.sections[1].role = Role::Chorus;
        let plan = planned(wire);
        let bass = |index| -> Vec<i32> {
            notes(&plan, index)
                .into_iter()
                .filter_map(|(who, note)| match note.tone {
                    Tone::Pitch(pitch) if who == the("bass") => Some(pitch),
                    _ => None,
                })
                .collect()
        };
        let (before, after) = (bass(0), bass(1));
        // By step, or from its fifth.
        let apart = (before[15] - after[0]).rem_euclid(12);
        assert!(matches!(apart, 1 | 2 | 7 | 10 | 11), "seed {seed}: {} to {}", before[15], after[0]);
    }
}

#[test]
fn drums_play_only_when_they_are_asked_for() {
    let mut wire = sketch();
    wire.sections[1].orchestration.rhythm.clear();
    let plan = planned(wire);
    let hits =
        |index| notes(&plan, index).iter().filter(|(_, note)| matches!(note.tone, Tone::Hit(_))).count();
    assert!(hits(0) > 20);
    assert_eq!(hits(1), 0);
}

/// A section of a style with fills ends with one: it has hits that the bar two before has not.
#[test]
fn a_fill_fills() {
    for style in ["pop", "rock", "house", "funk", "metal", "country", "reggae", "drum_and_bass"] {
        let mut wire = CompositionPlan { style: style.to_owned(), ..sketch() };
        wire.sections[0].energy = Energy::High;
        wire.sections[0].bars = 8.0;
        let played = notes(&planned(wire), 0);
        let hits = |bar: f64| -> Vec<(Drum, i64)> {
            // A bar is two seconds, a sixteenth an eighth of one.
            let from = 2.0 * bar - 0.06;
            let inside = played.iter().filter(|(_, note)| (from..from + 2.0).contains(&note.at));
            inside
                .filter_map(|(_, note)| match note.tone {
                    Tone::Hit(drum) if note.velocity > 0.35 => Some((drum, ((note.at - from) * 8.0) as i64)),
                    _ => None,
                })
                .collect()
        };
        let (usual, last) = (hits(5.0), hits(7.0));
        let new = last.iter().filter(|hit| !usual.contains(hit) && hit.1 >= 8).count();
        assert!(new >= 2, "{style}: {usual:?} becomes {last:?}");
    }
}

#[test]
fn the_motif_is_stated_and_returns() {
    let plan = planned(sketch());
    let motif = [0, 2, 3, 4, 2].map(|degree| plan.key.pitch(degree, 72).rem_euclid(12));
    for index in 0..2 {
        let mut melody: Vec<(f64, i32)> = notes(&plan, index)
            .into_iter()
            .filter(|(who, _)| *who == the("flute"))
            .filter_map(|(_, note)| match note.tone {
                Tone::Pitch(pitch) => Some((note.at, pitch.rem_euclid(12))),
                Tone::Hit(_) => None,
            })
            .collect();
        melody.sort_by(|a, b| a.0.total_cmp(&b.0));
        let equal = |window: &[(f64, i32)]| {
            window.iter().zip(&motif).filter(|(note, degree)| note.1 == **degree).count()
        };
        // Strong notes bend to the chord, so one of five may differ.
        assert!(melody.windows(5).any(|window| equal(window) >= 4), "section {index}: {melody:?}");
    }
}

#[test]
fn roots_are_played_by_the_first_who_can() {
    for tonic in 0..12 {
        let mut part = section("a", Role::Motif, 4.0);
        let mut lowest = |harmony: &[&str], who: Instrument| {
            part.orchestration = band(&[], &[], harmony, &["flute"], &[]);
            let key = Key::from_pitch_class(tonic, Mode::Minor);
            let plan = planned(CompositionPlan { key, sections: vec![part.clone()], ..sketch() });
            let mut low = [i32::MAX; 2];
            for (_, note) in notes(&plan, 0).into_iter().filter(|(player, _)| *player == who) {
                if let Tone::Pitch(pitch) = note.tone {
                    let last = usize::from(note.at > 5.9);
                    low[last] = low[last].min(pitch);
                }
            }
            low
        };
        for pitch in lowest(&["guitar"], the("guitar")) {
            assert!((40..52).contains(&pitch), "guitar at {pitch}");
        }
        let struck = ["bells", "marimba", "piano"];
        for who in [the("bells"), the("marimba")] {
            assert!(lowest(&struck, who).iter().all(|&pitch| pitch > 46), "{who:?} plays roots");
        }
        for pitch in lowest(&struck, the("piano")) {
            assert!((34..46).contains(&pitch), "piano at {pitch}");
        }
    }
}

/// No statement of the motif is the copy of another.
#[test]
fn phrases_are_played_anew() {
    let played = notes(&planned(sketch()), 0);
    let touch = |bar: f64| -> Vec<f32> {
        let inside = |note: &Note| (-0.1..1.9).contains(&(note.at - 2.0 * bar));
        let phrase = played.iter().filter(|(who, note)| *who == the("flute") && inside(note));
        phrase.map(|(_, note)| note.velocity).collect()
    };
    let (first, third) = (touch(0.0), touch(2.0));
    assert_eq!((first.len(), third.len()), (5, 5));
    assert_ne!(first, third);
}

#[test]
fn only_a_soloist_plays_in_octaves() {
    let doubled = |lead: &[&str]| {
        let mut part = section("a", Role::Chorus, 4.0);
        part.energy = Energy::High;
        part.orchestration = band(&[], &[], &["pad"], lead, &[]);
        let mut onsets: Vec<u64> = notes(&alone(part), 0)
            .into_iter()
            .filter(|(who, _)| *who == the("piano"))
            .map(|(_, note)| note.at.to_bits())
            .collect();
        let all = onsets.len();
        onsets.dedup();
        all > onsets.len()
    };
    assert!(doubled(&["piano"]));
    assert!(!doubled(&["piano", "flute"]));
}

#[test]
fn the_end_is_the_tonic_and_dies_away() {
    let plan = planned(sketch());
    let last = notes(&plan, 1);
    let at = last.iter().map(|(_, note)| note.at).fold(0.0, f64::max);
    let tonic = plan.key.pitch_class();
    let lowest = last
        .iter()
        .filter(|(_, note)| at - note.at < 0.05)
        .filter_map(|(_, note)| match note.tone {
            Tone::Pitch(pitch) => Some(pitch),
            Tone::Hit(_) => None,
        })
        .min();
    assert_eq!(lowest.map(|pitch| pitch.rem_euclid(12)), Some(tonic));
    let sound = rendered(&plan, 1).sound;
    let left = &sound.planes()[0];
    assert!(rms(&left[left.len() - 480..]) < 1e-4, "the piece ends at {}", rms(&left[left.len() - 480..]));
    assert_eq!(sound.frames(), spec(&plan, 1, false).frames);
}

/// The last chord is rolled from its root to the melody, and struck together where there are drums.
#[test]
fn a_last_chord_without_drums_is_rolled() {
    for (drums, rolled) in [(&[][..], true), (&["drums"][..], false)] {
        let mut part = section("a", Role::Outro, 4.0);
        part.orchestration = band(drums, &["bass"], &["piano"], &["flute"], &[]);
        let played = notes(&alone(part), 0);
        let last = |who| {
            let mine = played.iter().filter(|(player, _)| *player == who);
            mine.map(|(_, note)| note.at).fold(0.0, f64::max)
        };
        let (root, chord, melody) = (last(the("bass")), last(the("piano")), last(the("flute")));
        assert_eq!(chord - root > 0.03 && melody - chord > 0.03, rolled, "{root} {chord} {melody}");
        assert_eq!(melody - root < 0.01, !rolled, "{root} {chord} {melody}");
    }
}

#[test]
fn the_shortest_pieces_are_music() {
    for (bars, tempo) in [(0.4, 96.0), (0.25, 60.0), (1.0, 120.0), (0.5, 40.0)] {
        let mut wire = CompositionPlan { tempo_bpm: tempo, ..sketch() };
        wire.sections = vec![section("a", Role::Motif, bars)];
        let plan = planned(wire);
        let sound = rendered(&plan, 0).sound;
        assert!(decibels(&sound) > -45.0, "{bars} bars: {} dB", decibels(&sound));
        let names: Vec<Instrument> = notes(&plan, 0).iter().map(|(who, _)| *who).collect();
        for who in [the("drums"), the("bass"), the("piano"), the("flute")] {
            assert!(names.contains(&who), "{bars} bars: {who:?} is missing");
        }
    }
}

/// What is heard before the bar line of a section that fades in starts with the first frames.
#[test]
fn a_pickup_sounds_from_its_start() {
    let kinds = [
        band(&[], &[], &["piano"], &[], &[]),
        band(&["drums"], &[], &[], &[], &[]),
        band(&[], &["bass"], &[], &[], &[]),
        band(&[], &[], &[], &["flute"], &[]),
        band(&[], &[], &[], &[], &["rain"]),
        band(&[], &[], &["pad", "strings"], &["lead"], &[]),
    ];
    for orchestration in kinds {
        let mut wire = sketch();
        wire.sections[1].transition = Transition { kind: TransitionKind::Crossfade, beats: 2.0 };
        wire.sections[1].orchestration = orchestration.clone();
        let sound = rendered(&planned(wire), 1);
        assert_eq!(sound.lead_frames, 48_000);
        for part in sound.sound.planes()[0][..48_000].chunks(12_000) {
            assert!(rms(part) > 5e-4, "silence in the pickup of {orchestration:?}");
        }
    }
}

/// What is told of the notes is what is heard: they start where the sound starts, pickup included, and end with it.
#[test]
fn the_notes_are_those_that_sound() {
    let mut wire = sketch();
    wire.sections[1].transition = Transition { kind: TransitionKind::Crossfade, beats: 2.0 };
    wire.sections[1].orchestration = band(&["drums"], &[], &["electric_piano"], &["piano"], &["rain"]);
    let plan = planned(wire);
    let played = rendered(&plan, 1).played.unwrap();
    let names: Vec<(&str, &str, MidiSound)> =
        played.parts.iter().map(|part| (part.name.as_str(), part.group.as_str(), part.sound)).collect();
    let expected = [
        ("drums", "drums", MidiSound::Drums),
        ("piano melody", "keys", MidiSound::Program(0)),
        ("electric_piano", "keys", MidiSound::Program(4)),
    ];
    assert_eq!(names, expected);
    let lead = plan.sections[1].start_seconds - 1.0;
    for part in &played.parts {
        assert!((part.notes[0].at - lead).abs() < 0.51, "{} has no pickup", part.name);
        assert!(part.notes.is_sorted_by(|a, b| a.at <= b.at));
        assert!(part.notes.iter().all(|note| note.at >= lead && note.at + note.seconds <= 16.0 + 1e-9));
    }
    let mut one = section("a", Role::Motif, 4.0);
    one.orchestration = band(&[], &[], &["piano"], &[], &[]);
    let alone = rendered(&alone(one), 0);
    let left = &alone.sound.planes()[0];
    let heard = left.iter().position(|sample| sample.abs() > 1e-5).unwrap() as f64 / 48_000.0;
    let told = alone.played.unwrap().parts[0].notes[0].at;
    assert!((0.0..0.01).contains(&(heard - told)), "heard at {heard} s, told {told} s");
}

#[test]
fn timpani_have_a_part_and_the_pitch_that_sounds() {
    let mut part = section("a", Role::Chorus, 4.0);
    part.energy = Energy::High;
    part.orchestration = band(&["timpani"], &[], &["strings"], &[], &[]);
    let plan = planned(CompositionPlan { style: "cinematic".to_owned(), sections: vec![part], ..sketch() });
    let played = rendered(&plan, 0).played.unwrap();
    let timpani = played.parts.iter().find(|part| part.name == "timpani").unwrap();
    assert_eq!((timpani.sound, timpani.group.as_str()), (MidiSound::Program(47), "percussion"));
    // The fifth of A minor: E2.
    assert!(timpani.notes.iter().all(|note| note.key == 40));
}

/// Rain through a join that goes on has no dip, no bump and no step in it.
#[test]
fn textures_run_through_joins() {
    let mut wire = sketch();
    for section in &mut wire.sections {
        section.orchestration = band(&[], &[], &[], &[], &["rain"]);
    }
    let plan = planned(wire);
    let (first, second) = (rendered(&plan, 0), rendered(&plan, 1));
    let frames = spec(&plan, 0, false).frames;
    let mut whole = Pcm::silence(first.sound.spec(), 2 * frames);
    whole.add_at(0, &first.sound);
    whole.add_at(frames, &second.sound);
    let left = &whole.planes()[0];
    let around = rms(&left[frames - 24_000..frames + 24_000]);
    for (offset, piece) in left[frames - 4800..frames + 4800].chunks(960).enumerate() {
        let ratio = rms(piece) / around;
        assert!((0.4..2.5).contains(&ratio), "{ratio} in window {offset}");
    }
    let step = (left[frames] - left[frames - 1]).abs();
    let usual = rms(&left[frames - 4800..frames].windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>());
    assert!(step < 5.0 * usual, "a step of {step} at the join, {usual} elsewhere");
}

#[test]
fn energy_is_heard() {
    let level = |energy| {
        let mut wire = sketch();
        wire.sections[0].energy = energy;
        let plan = planned(wire);
        (decibels(&rendered(&plan, 0).sound), notes(&plan, 0).len())
    };
    let (low, high) = (level(Energy::Low), level(Energy::High));
    assert!(high.0 > low.0 + 2.0, "{low:?} to {high:?}");
    assert!(high.1 * 2 > low.1 * 3, "{low:?} to {high:?}");
}

#[test]
fn it_stops_when_told_and_reports_on_the_way() {
    struct Stops(AtomicUsize, usize);
    impl Watch for Stops {
        fn progress(&self, done: f64) -> ControlFlow<()> {
            assert!((0.0..=1.0).contains(&done));
            if self.0.fetch_add(1, Ordering::Relaxed) >= self.1 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
    }
    let plan = planned(sketch());
    for after in [0, 3] {
        let result = Synth::new(2).render(&spec(&plan, 0, false), None, &Stops(AtomicUsize::new(0), after));
        assert!(matches!(result, Err(EngineError::Cancelled)), "after {after}");
    }
    let patient = Stops(AtomicUsize::new(0), usize::MAX);
    Synth::new(2).render(&spec(&plan, 0, false), None, &patient).unwrap();
    assert!(patient.0.load(Ordering::Relaxed) > 4);
}
