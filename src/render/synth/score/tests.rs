//! The composer: what a musician would check by ear, measured on the notes.

use super::{
    super::tests::{band, notes, planned, section, sketch, the},
    Duty, Note, Score, Tone, compose,
    scene::Scene,
    voicing::{Laid, parallels},
};
use crate::{
    plan::Plan,
    render::synth::{
        instrument::{Family, Instrument},
        style::{Book, Colour, Drum, Graces, Lift},
    },
    wire::{CompositionPlan, Density, Ending, Energy, Pulse, Role, Technique},
};

/// Intro, motif, chorus and outro of a style, 96 beats per minute.
fn piece(style: &str, seed: u64) -> CompositionPlan {
    let part = |role: Role, bars: f64, energy: Energy| {
        let mut part = section(role.name(), role, bars);
        part.energy = energy;
        part.seed = seed * 31 + bars as u64;
        part.orchestration = band(&["drums"], &["bass"], &["strings", "piano"], &["flute"], &[]);
        part
    };
    let sections = vec![
        part(Role::Intro, 4.0, Energy::Low),
        part(Role::Motif, 8.0, Energy::Medium),
        part(Role::Chorus, 8.0, Energy::High),
        part(Role::Outro, 9.0, Energy::Low),
    ];
    CompositionPlan { style: style.to_owned(), seed, tempo_bpm: 96.0, sections, ..sketch() }
}

fn score(plan: &Plan, index: usize) -> Score {
    compose(plan, Book::open().unwrap(), index, 0.0).unwrap()
}

fn scene(plan: &Plan, index: usize) -> Scene<'_> {
    let book = Book::open().unwrap();
    Scene::new(plan, book, book.style(&plan.style).unwrap(), index)
}

fn styles() -> impl Iterator<Item = &'static str> {
    Book::open().unwrap().names()
}

fn pitch(note: &Note) -> Option<i32> {
    match note.tone {
        Tone::Pitch(pitch) => Some(pitch),
        Tone::Hit(_) => None,
    }
}

/// The melody of an instrument: onsets, lengths and pitches, without octaves that double it.
fn melody(score: &Score, who: Instrument) -> Vec<(f64, f64, i32)> {
    let notes = score.parts.get(&(who, Duty::Melody)).map_or(&[][..], Vec::as_slice);
    notes.iter().filter_map(|note| Some((note.at, note.seconds, pitch(note)?))).collect()
}

/// Hits of a drum.
fn hits(score: &Score, drum: Drum) -> usize {
    score.notes().filter(|(_, note)| note.tone == Tone::Hit(drum)).count()
}

#[test]
fn strict_styles_have_no_parallel_fifths_or_octaves() {
    let book = Book::open().unwrap();
    let strict: Vec<&str> = styles().filter(|style| book.style(style).unwrap().strict).collect();
    assert!(strict.contains(&"classical") && strict.contains(&"baroque") && strict.contains(&"gospel"));
    for style in strict {
        for seed in 0..6 {
            let mut wire = piece(style, seed);
            wire.sections[1].energy = Energy::Low;
            wire.sections[1].orchestration = band(&[], &["bass"], &["strings"], &["flute"], &[]);
            let plan = planned(wire);
            let (scene, score) = (scene(&plan, 1), score(&plan, 1));
            let sounding = |who: &str, at: f64| -> Vec<i32> {
                let part = score.parts.get(&(the(who), Duty::Ground)).map_or(&[][..], Vec::as_slice);
                let here =
                    part.iter().filter(|note| note.at < at + 0.1 && at + 0.1 < note.at + note.seconds + 0.02);
                let mut pitches: Vec<i32> = here.filter_map(pitch).collect();
                pitches.sort_unstable();
                pitches
            };
            let mut before: Option<Laid> = None;
            for change in scene.harmony().changes() {
                let at = scene.at(change.bar, change.place);
                let laid =
                    Laid { voices: sounding("strings", at), bass: sounding("bass", at).first().copied() };
                if let Some(before) = &before {
                    let found = parallels(&laid.voices, laid.bass, before);
                    assert_eq!(found, 0, "{style} {seed}, bar {}: {before:?} to {laid:?}", change.bar);
                }
                before = Some(laid);
            }
        }
    }
}

#[test]
fn stressed_notes_of_a_melody_agree_with_the_chords() {
    for style in styles() {
        let (mut calm, mut clashes, mut all) = (0, 0, 0);
        for seed in 0..5 {
            let plan = planned(piece(style, seed));
            for index in 1..3 {
                let scene = scene(&plan, index);
                for (at, seconds, pitch) in melody(&score(&plan, index), the("flute")) {
                    let bar = scene.bar_of(at + 0.03);
                    if (at - scene.bar(bar)).abs() > 0.03 || seconds < 0.4 * plan.beat_seconds() {
                        continue;
                    }
                    let friction = scene.chord(bar, 0.0).friction(scene.key, pitch);
                    all += 1;
                    calm += usize::from(friction <= 1);
                    clashes += usize::from(friction >= 4);
                }
            }
        }
        assert!(all > 20 && calm * 10 >= all * 8, "{style}: {calm} of {all} agree");
        assert!(clashes * 25 <= all, "{style}: {clashes} of {all} clash");
    }
}

#[test]
fn the_motif_is_known_again_in_chorus_and_ending() {
    for style in styles() {
        for seed in 0..4 {
            let plan = planned(piece(style, seed));
            let motif = &plan.theme.motif;
            let beat = plan.beat_seconds();
            for index in [2, 3] {
                let sung = melody(&score(&plan, index), the("flute"));
                let alike = |window: &[(f64, f64, i32)]| {
                    window.windows(2).zip(motif.windows(2)).all(|(sung, meant)| {
                        let gap = (sung[1].0 - sung[0].0) / beat;
                        (gap - meant[0].beats).abs() < 0.2
                    })
                };
                let intervals = |window: &[(f64, f64, i32)]| {
                    let key = plan.key;
                    let right = window.windows(2).zip(motif.windows(2)).filter(|(sung, meant)| {
                        let degree = |note: usize| key.pitch(meant[note].degree.unwrap(), 60);
                        ((sung[1].2 - sung[0].2) - (degree(1) - degree(0))).abs() <= 1
                    });
                    right.count()
                };
                // A bent note spoils two intervals.
                let found =
                    sung.windows(motif.len()).any(|w| alike(w) && intervals(w) + 2 >= motif.len() - 1);
                assert!(found, "{style} {seed}, section {index}: {sung:?}");
            }
        }
    }
}

#[test]
fn melodies_stay_in_key_range_and_reach() {
    let book = Book::open().unwrap();
    for style in styles() {
        let (mut inside, mut all) = (0, 0);
        for seed in 0..4 {
            let plan = planned(piece(style, seed));
            for index in 0..4 {
                let sung = melody(&score(&plan, index), the("flute"));
                let [low, high] = the("flute").play().range;
                for pair in sung.windows(2).filter(|pair| pair[1].0 - pair[0].0 - pair[0].1 < 0.1) {
                    let leap = (pair[1].2 - pair[0].2).abs();
                    assert!(leap <= 16, "{style} {seed}, section {index}: a leap of {leap}");
                }
                for (_, _, pitch) in sung {
                    assert!((low..=high).contains(&pitch), "{style}: {pitch}");
                    all += 1;
                    inside += usize::from(plan.key.contains(pitch));
                }
            }
        }
        // Blue notes and the approaches of jazz are foreign on purpose.
        let graces = book.style(style).unwrap().melody.graces;
        let share = if matches!(graces, Graces::Blues | Graces::Jazz) { 75 } else { 90 };
        assert!(inside * 100 >= all * share, "{style}: {inside} of {all} in the scale");
    }
}

#[test]
fn a_walking_bass_never_repeats_a_note() {
    for seed in 0..12 {
        let mut wire = piece("jazz", seed);
        wire.key = "Bb".parse().unwrap();
        let plan = planned(wire);
        let score = score(&plan, 1);
        let line: Vec<i32> = score.parts[&(the("bass"), Duty::Ground)].iter().filter_map(pitch).collect();
        assert_eq!(line.len(), 32, "four to the bar");
        assert!(
            line.windows(2).all(|pair| pair[0] != pair[1] && (pair[0] - pair[1]).abs() <= 12),
            "{line:?}"
        );
    }
}

#[test]
fn a_bass_that_goes_with_the_kick_plays_where_it_falls() {
    let mut wire = piece("trap", 1);
    wire.sections[2].orchestration.harmony.clear();
    for seed in 0..8 {
        wire.seed = seed;
        let plan = planned(wire.clone());
        let score = score(&plan, 2);
        let at = |who: &str| -> Vec<f64> {
            let part = &score.parts[&(the(who), Duty::Ground)];
            let low = part.iter().filter(|note| matches!(note.tone, Tone::Hit(Drum::Kick) | Tone::Pitch(_)));
            low.map(|note| note.at).collect()
        };
        let (kicks, bass) = (at("drums"), at("bass"));
        let together = bass.iter().filter(|at| kicks.iter().any(|kick| (kick - *at).abs() < 0.02)).count();
        assert!(together * 10 >= bass.len() * 6, "seed {seed}: {together} of {}", bass.len());
    }
}

#[test]
fn endings_end_as_asked() {
    let ended = |ending| {
        let mut wire = piece("pop", 3);
        wire.ending = Some(ending);
        let plan = planned(wire);
        let score = score(&plan, 3);
        let end = plan.duration_seconds;
        let last = score.notes().map(|(_, note)| note.at).fold(0.0, f64::max);
        let sounds = score.notes().map(|(_, note)| note.at + note.seconds).fold(0.0, f64::max);
        (score.beats.clone(), score.fade_seconds, end - last, end - sounds)
    };
    let (beats, fade, after, _) = ended(Ending::Cadence);
    assert!(beats.is_empty() && fade.is_none() && after > 1.4, "cadence: {after}");
    let (_, _, after, silence) = ended(Ending::Stop);
    assert!(after > 0.7 && silence > 0.4, "stop: {after} {silence}");
    let (_, fade, after, _) = ended(Ending::Fade);
    assert!(fade.is_some_and(|seconds| seconds > 3.9) && after < 0.7, "fade: {after}");
    let (beats, _, after, _) = ended(Ending::Ritardando);
    let lengths: Vec<f64> = beats.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(lengths.len() == 8 && lengths.windows(2).all(|pair| pair[1] > pair[0]), "{lengths:?}");
    assert!((0.626..0.72).contains(&lengths[0]) && lengths[7] > 0.75, "{lengths:?}");
    assert!(beats.windows(2).all(|pair| (pair[1].beat - pair[0].beat - 1.0).abs() < 1e-9));
    assert!(after > 1.4, "ritardando: {after}");
}

#[test]
fn pulse_moves_the_backbeat_and_leaves_the_hats() {
    let played = |pulse| {
        let mut wire = piece("pop", 2);
        wire.theme.pulse = pulse;
        wire.sections[1].bars = 8.0;
        let score = score(&planned(wire), 1);
        // Ghosts and fills aside.
        let loud =
            score.notes().filter(|(_, note)| note.tone == Tone::Hit(Drum::Snare) && note.velocity > 0.75);
        (loud.count(), hits(&score, Drum::Hat))
    };
    let (normal, half, double) = (played(Pulse::Normal), played(Pulse::Half), played(Pulse::Double));
    assert!(
        (14..=18).contains(&normal.0) && (6..=10).contains(&half.0) && (28..=36).contains(&double.0),
        "{normal:?} {half:?} {double:?}"
    );
    assert!(normal.1 == half.1 && normal.1 == double.1, "{normal:?} {half:?} {double:?}");
}

#[test]
fn density_thins_and_thickens() {
    for style in ["pop", "folk", "funk", "jazz", "house"] {
        let count = |density| {
            let mut wire = piece(style, 2);
            wire.theme.density = density;
            let plan = planned(wire);
            (0..3).map(|index| notes(&plan, index).len()).sum::<usize>()
        };
        let (sparse, usual, dense) = (count(Density::Sparse), count(Density::Usual), count(Density::Dense));
        assert!(sparse * 10 < usual * 9 && usual * 21 < dense * 20, "{style}: {sparse} {usual} {dense}");
    }
}

#[test]
fn techniques_are_heard() {
    let played = |technique: &str, instrument: Option<&str>| {
        let mut wire = piece("pop", 2);
        let instrument = instrument.map(str::to_owned);
        wire.theme.techniques = vec![Technique { name: technique.to_owned(), instrument }];
        let score = score(&planned(wire), 1);
        let strings = score.parts[&(the("strings"), Duty::Ground)].clone();
        let longest = strings.iter().map(|note| note.seconds).fold(0.0, f64::max);
        let together = strings.windows(2).filter(|pair| pair[1].at - pair[0].at < 0.05).count();
        (longest, together, strings.len())
    };
    let plain = played("sustained", None);
    assert!(plain.0 > 2.0 && plain.1 > plain.2 / 2, "{plain:?}");
    assert!(played("staccato", None).0 < 0.5);
    assert!(played("staccato", Some("piano")).0 > 2.0);
    let broken = played("arpeggiated", None);
    assert!(broken.1 * 4 < broken.2, "{broken:?}");
}

#[test]
fn sections_differ_as_their_energy_says() {
    for style in styles() {
        for seed in 0..3 {
            let plan = planned(piece(style, seed));
            let power = |index: usize| {
                let squares: f32 =
                    notes(&plan, index).iter().map(|(_, note)| note.velocity * note.velocity).sum();
                f64::from(squares) / plan.sections[index].length_seconds
            };
            let [intro, motif, chorus, outro] = [0, 1, 2, 3].map(power);
            assert!(
                intro * 1.1 < motif && motif * 1.1 < chorus && outro * 1.1 < chorus,
                "{style} {seed}: {intro:.1} {motif:.1} {chorus:.1} {outro:.1}"
            );
        }
    }
}

#[test]
fn a_section_in_another_key_is_led_into_and_played_there() {
    let mut wire = piece("pop", 4);
    wire.key = "C".parse().unwrap();
    wire.sections[2].key = Some("D".parse().unwrap());
    let plan = planned(wire);
    let before = scene(&plan, 1);
    let (leading, after) = (before.chord(before.bars - 1, 12.0), before.chord(before.bars, 0.0));
    assert_eq!((leading.root - after.root).rem_euclid(12), 7, "{leading:?} leads to {after:?}");
    let there = notes(&plan, 2);
    let pitches: Vec<i32> = there.iter().filter_map(|(_, note)| pitch(note)).collect();
    let inside = pitches.iter().filter(|&&pitch| plan.sections[2].key.unwrap().contains(pitch)).count();
    assert!(inside * 100 >= pitches.len() * 95, "{inside} of {}", pitches.len());
}

#[test]
fn a_drop_comes_out_of_silence() {
    let book = Book::open().unwrap();
    for style in styles().filter(|style| book.style(style).unwrap().lift == Lift::Riser) {
        let plan = planned(piece(style, 1));
        let end = plan.sections[2].start_seconds;
        let build = score(&plan, 1);
        let last = build.notes().filter(|(_, note)| note.tone != Tone::Hit(Drum::Riser));
        let sounds = last.map(|(_, note)| note.at + note.seconds).fold(0.0, f64::max);
        assert!(sounds < end - 0.9 * plan.beat_seconds(), "{style}: sounds until {sounds}, drop at {end}");
        assert_eq!((hits(&build, Drum::Riser), hits(&score(&plan, 2), Drum::Impact)), (1, 1), "{style}");
    }
}

#[test]
fn every_percussion_instrument_has_patterns_of_its_own() {
    let book = Book::open().unwrap();
    let pop = book.style("pop").unwrap();
    for instrument in Instrument::all().filter(|instrument| instrument.family() == Family::Kit) {
        if instrument.is_percussion() {
            let groove = book.percussion(pop, instrument.name()).unwrap();
            let hand = book.percussion(pop, "percussion").unwrap();
            let own = instrument.name() == "percussion" || !std::ptr::eq(groove, hand);
            assert!(own, "{} plays what hand percussion does", instrument.name());
        }
    }
}

#[test]
fn no_bar_is_played_like_a_machine() {
    for style in ["pop", "funk", "jazz", "classical"] {
        let played = score(&planned(piece(style, 5)), 2);
        let scene_bar = 2.5;
        let start = 12.0 * scene_bar;
        let bar = |number: f64| -> Vec<(i64, i64)> {
            let from = start + number * scene_bar;
            let inside =
                played.notes().filter(|(_, note)| (from - 0.02..from + scene_bar - 0.02).contains(&note.at));
            inside.map(|(_, note)| (((note.at - from) * 1e4) as i64, (note.velocity * 1e4) as i64)).collect()
        };
        assert_ne!(bar(0.0), bar(4.0), "{style}");
    }
}

#[test]
fn power_chords_have_no_third_on_what_is_driven() {
    let book = Book::open().unwrap();
    assert_eq!(book.style("rock").unwrap().colour, Colour::Power);
    let mut wire = piece("rock", 1);
    wire.sections[2].orchestration.harmony = vec!["guitar".to_owned()];
    let plan = planned(wire);
    let scene = scene(&plan, 2);
    for (who, note) in score(&plan, 2).notes().filter(|(who, _)| *who == the("guitar")) {
        let bar = scene.bar_of(note.at + 0.03);
        let place = (note.at + 0.03 - scene.bar(bar)) / scene.grid.step_seconds();
        let chord = scene.chord(bar, place);
        let above = (pitch(note).unwrap() - chord.class(scene.key, 0)).rem_euclid(12);
        assert!(matches!(above, 0 | 7), "{who:?} plays {above} above the root");
    }
}
