use std::f64::consts::PI;

use super::*;
use crate::{audio::Random, cancel::Never, wire::TransitionKind};

const RATE: SampleRate = SampleRate(48_000);
const MONO: Spec = Spec { rate: RATE, channels: 1 };
const STEREO: Spec = Spec { rate: RATE, channels: 2 };
/// Length of every test section.
const BAR: usize = 24_000;

/// Sections of one bar, joined as given; a crossfade has half a bar of lead.
fn slots(kinds: &[TransitionKind]) -> Vec<Slot> {
    let slot = |(index, &kind): (usize, &TransitionKind)| Slot {
        id: format!("s{index:02}"),
        kind,
        start: index * BAR,
        end: (index + 1) * BAR,
        lead: if kind == TransitionKind::Crossfade && index > 0 { BAR / 2 } else { 0 },
    };
    kinds.iter().enumerate().map(slot).collect()
}

/// A section that plays `sample(frame of the piece, channel)` from its lead to the end of its ring-out.
fn section(slot: &Slot, spec: Spec, ring: usize, mut sample: impl FnMut(usize, usize) -> f64) -> Rendered {
    let frames = slot.start - slot.lead..slot.end + ring;
    let planes = (0..spec.channels)
        .map(|channel| frames.clone().map(|frame| sample(frame, channel) as f32).collect())
        .collect();
    Rendered {
        sound: Pcm::new(spec, planes).unwrap(),
        lead_frames: slot.lead,
        stems: Vec::new(),
        played: None,
        tokens: None,
        tail: Vec::new(),
    }
}

fn sine(hz: f64, phase: f64) -> impl Fn(usize, usize) -> f64 {
    move |frame, _| 0.5 * (2.0 * PI * hz * RATE.seconds(frame) + phase).sin()
}

fn noise(seed: u64) -> impl FnMut(usize, usize) -> f64 {
    let mut random = Random::new(seed);
    move |_, _| random.between(-0.5, 0.5)
}

/// Three partials that beat against each other, struck again every eighth of a bar.
fn music(seed: usize) -> impl Fn(usize, usize) -> f64 {
    move |frame, channel| {
        let time = RATE.seconds(frame);
        let beat = (frame % (BAR / 8)) as f64 / RATE.hz();
        let attack = (beat / 0.004).min(1.0);
        let root = 110.0 + 37.0 * seed as f64 + channel as f64;
        let partials = [1.0, 2.01, 3.02].map(|n| (2.0 * PI * root * n * time).sin() / n);
        0.3 * partials.iter().sum::<f64>() * (0.4 + 0.6 * attack * (-beat * 8.0).exp())
    }
}

fn two(kind: TransitionKind, spec: Spec, old: Rendered, new: Rendered) -> Vec<f32> {
    let slots = slots(&[TransitionKind::Cut, kind]);
    place(&slots, vec![old, new], spec, &Never).unwrap().sound.into_planes().swap_remove(0)
}

/// RMS in dB over windows of `length` frames.
fn levels(plane: &[f32], length: usize) -> Vec<f64> {
    let power = |window: &[f32]| window.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / length as f64;
    plane.chunks_exact(length).map(|window| 10.0 * power(window).log10()).collect()
}

/// The click detector: the largest second difference of the samples, which a step or a kink makes large.
fn roughness(plane: &[f32]) -> f32 {
    plane.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max)
}

/// How much rougher the 10 ms around `frame` are than everything else.
fn click(plane: &[f32], frame: usize) -> f32 {
    let reach = 480;
    let elsewhere = roughness(&plane[..frame - reach]).max(roughness(&plane[frame + reach..]));
    roughness(&plane[frame - reach..frame + reach]) / elsewhere
}

#[test]
fn a_continued_sine_is_the_unsplit_sine() {
    let kinds = [TransitionKind::Cut, TransitionKind::Continue, TransitionKind::Continue];
    let slots = slots(&kinds);
    let sections = slots.iter().map(|slot| section(slot, STEREO, 0, sine(441.0, 0.3))).collect();
    let joined = place(&slots, sections, STEREO, &Never).unwrap().sound;
    let whole = Slot { end: 3 * BAR, ..slots[0].clone() };
    assert_eq!(joined, section(&whole, STEREO, 0, sine(441.0, 0.3)).sound);
}

#[test]
fn ring_out_sounds_on_under_all_that_follows_and_ends_with_the_piece() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Continue, TransitionKind::Continue]);
    let ones = |_: usize, _: usize| 1.0;
    let sections = vec![
        section(&slots[0], MONO, BAR + 100, ones),
        section(&slots[1], MONO, 50, ones),
        section(&slots[2], MONO, 999, ones),
    ];
    let plane = place(&slots, sections, MONO, &Never).unwrap().sound.into_planes().swap_remove(0);
    assert_eq!(plane.len(), 3 * BAR);
    let at = |frame: usize| plane[frame] as i32;
    assert_eq!(
        [at(0), at(BAR), at(2 * BAR - 1), at(2 * BAR), at(2 * BAR + 50), at(2 * BAR + 100)],
        [1, 2, 2, 3, 2, 1]
    );
}

/// Sines of any phase difference up to 120 degrees (correlation 1 to -0.5): within 0.1 dB over whole periods.
#[test]
fn a_crossfade_keeps_the_level_of_sines() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Crossfade]);
    for degrees in [0.0_f64, 30.0, 60.0, 90.0, 120.0] {
        let old = section(&slots[0], MONO, 1000, sine(480.0, 0.0));
        let new = section(&slots[1], MONO, 0, sine(480.0, degrees.to_radians()));
        let plane = two(TransitionKind::Crossfade, MONO, old, new);
        for (window, level) in levels(&plane, 800).into_iter().enumerate() {
            let expected = 20.0 * 0.5_f64.log10() - 3.0103;
            assert!((level - expected).abs() < 0.1, "{degrees} degrees, window {window}: {level} dB");
        }
        assert!(click(&plane, BAR) < 1.05 && click(&plane, BAR / 2) < 1.05, "{degrees} degrees");
    }
}

#[test]
fn a_crossfade_of_a_sound_into_itself_changes_nothing() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Crossfade]);
    let old = section(&slots[0], MONO, 0, music(1));
    let new = section(&slots[1], MONO, 0, music(1));
    let whole = section(&Slot { end: 2 * BAR, ..slots[0].clone() }, MONO, 0, music(1)).sound;
    let plane = two(TransitionKind::Crossfade, MONO, old, new);
    assert!(plane.iter().zip(&whole.planes()[0]).all(|(found, expected)| (found - expected).abs() < 1e-6));
}

/// Unrelated noise in windows of 50 ms: within 0.7 dB, of which 0.4 is the noise's own wavering.
#[test]
fn a_crossfade_keeps_the_level_of_noise() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Crossfade]);
    let plane = two(
        TransitionKind::Crossfade,
        MONO,
        section(&slots[0], MONO, 500, noise(1)),
        section(&slots[1], MONO, 0, noise(2)),
    );
    let expected = 10.0 * (0.25_f64 / 3.0).log10();
    for (window, level) in levels(&plane, 2400).into_iter().enumerate() {
        assert!((level - expected).abs() < 0.7, "window {window}: {level} dB, not {expected}");
    }
}

/// Different music over one beat grid: no window of an eighth of a bar is more than 1.5 dB beyond
/// those of either side (the correlation is one number for the whole overlap, and changes inside it).
#[test]
fn a_crossfade_keeps_the_level_of_music_without_a_click() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Crossfade]);
    for seed in 1..5 {
        let old = section(&slots[0], STEREO, 4000, music(0));
        let new = section(&slots[1], STEREO, 0, music(seed));
        let plane = two(TransitionKind::Crossfade, STEREO, old, new);
        let levels = levels(&plane, BAR / 8);
        let (inside, outside) = (&levels[4..8], [&levels[..4], &levels[8..]].concat());
        let lowest = outside.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = outside.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!(inside.iter().all(|level| (lowest - 1.5..highest + 1.5).contains(level)), "{levels:?}");
        assert!(click(&plane, BAR) < 1.1 && click(&plane, BAR / 2) < 1.1);
    }
}

#[test]
fn a_crossfade_ends_the_old_section_at_the_bar_line() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Crossfade]);
    let old = section(&slots[0], MONO, 9000, sine(300.0, 0.0));
    let new = section(&slots[1], MONO, 0, sine(500.0, 1.0));
    let alone = new.sound.planes()[0][BAR / 2..].to_vec();
    assert_eq!(two(TransitionKind::Crossfade, MONO, old, new)[BAR..], alone);
}

/// The old section is a loud sine, the new one silent: the cut itself must not click, with any length of ring-out.
#[test]
fn a_cut_does_not_click() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Cut]);
    for ring in [0, 1, 100, 239, 240, 5000] {
        let old = section(&slots[0], MONO, ring, sine(443.0, 0.7));
        let plane = two(TransitionKind::Cut, MONO, old, section(&slots[1], MONO, 0, |_, _| 0.0));
        assert!(click(&plane, BAR) < 1.5, "ring-out of {ring}: {}", click(&plane, BAR));
        assert!(plane[BAR + 240..].iter().all(|sample| *sample == 0.0), "5 ms after the bar line it is over");
    }
    let hard = section(&slots[0], MONO, 0, sine(443.0, 0.7)).sound.into_planes().swap_remove(0);
    let hard = [hard, vec![0.0; BAR]].concat();
    assert!(click(&hard, BAR) > 10.0, "the detector hears a hard cut: {}", click(&hard, BAR));
}

#[test]
fn a_cut_leaves_the_new_section_as_it_is() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Cut]);
    let old = section(&slots[0], MONO, 0, noise(1));
    let new = section(&slots[1], MONO, 0, noise(2));
    let alone = new.sound.planes()[0].clone();
    assert_eq!(two(TransitionKind::Cut, MONO, old, new)[BAR..], alone);
}

/// Random stems through every kind of join, down to mono or up in rate: they still sum to the sound.
#[test]
fn stems_sum_to_the_sound() {
    use TransitionKind::{Continue, Crossfade, Cut};
    let slots = slots(&[Cut, Crossfade, Continue, Cut, Crossfade]);
    let groups = ["drums", "bass", "harmony", "lead"];
    let sections = || -> Vec<Rendered> {
        let rendered = |(index, slot): (usize, &Slot)| {
            // The second section has no bass.
            let names = groups.iter().filter(|name| index != 1 || **name != "bass");
            let stems: Vec<Stem> = names
                .enumerate()
                .map(|(k, name)| {
                    let mut noise = noise((index * 10 + k) as u64);
                    let sound = section(slot, STEREO, 700 * index, |f, c| 0.5 * noise(f, c)).sound;
                    Stem { name: (*name).to_owned(), sound }
                })
                .collect();
            let mut sound = Pcm::silence(STEREO, stems[0].sound.frames());
            for stem in &stems {
                sound.add_at(0, &stem.sound);
            }
            Rendered { sound, lead_frames: slot.lead, stems, played: None, tokens: None, tail: Vec::new() }
        };
        slots.iter().enumerate().map(rendered).collect()
    };
    for (rate, channels) in [(48_000, 2), (44_100, 1), (22_050, 2), (96_000, 1)] {
        let output = Spec { rate: SampleRate(rate), channels };
        let frames = 5 * rate as usize / 2;
        let mix =
            convert(place(&slots, sections(), STEREO, &Never).unwrap(), output, frames, &Never).unwrap();
        assert_eq!((mix.sound.frames(), mix.sound.spec(), mix.stems.len()), (frames, output, 4));
        let mut rest = mix.sound.clone();
        for stem in &mix.stems {
            for (rest, stem) in rest.planes_mut().zip(stem.sound.planes()) {
                rest.iter_mut().zip(stem).for_each(|(rest, stem)| *rest -= stem);
            }
        }
        assert!(rest.peak() < 1e-6, "{output:?}: {}", rest.peak());
        let plain: Vec<_> = sections().into_iter().map(|s| Rendered { stems: Vec::new(), ..s }).collect();
        let plain = convert(place(&slots, plain, STEREO, &Never).unwrap(), output, frames, &Never).unwrap();
        assert_eq!(plain.sound, mix.sound, "asking for stems must not change the sound");
    }
}

#[test]
fn sections_that_do_not_fit_are_named() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Crossfade]);
    let good = || vec![section(&slots[0], MONO, 0, noise(1)), section(&slots[1], MONO, 0, noise(2))];
    assert!(place(&slots, good(), MONO, &Never).is_ok());
    let refused = |change: &dyn Fn(&mut Rendered)| {
        let mut sections = good();
        change(&mut sections[1]);
        place(&slots, sections, MONO, &Never).unwrap_err()
    };
    let id = || "s01".to_owned();
    assert_eq!(refused(&|s| s.lead_frames = 7), MixError::Lead { section: id(), found: 7, planned: BAR / 2 });
    let short = refused(&|s| s.sound.resize(BAR));
    assert_eq!(short, MixError::Short { section: id(), frames: BAR, needed: BAR + BAR / 2 });
    for value in [f32::NAN, f32::INFINITY] {
        let spoil = |s: &mut Rendered| s.sound.planes_mut().for_each(|plane| plane[123] = value);
        assert_eq!(refused(&spoil), MixError::NotFinite { section: id(), channel: 0, frame: 123 });
    }
    let stem =
        |s: &mut Rendered| s.stems = vec![Stem { name: "bass".to_owned(), sound: Pcm::silence(MONO, 5) }];
    assert!(matches!(refused(&stem), MixError::StemLength { frames: 5, .. }));
    let other = |s: &mut Rendered| s.sound = Pcm::silence(STEREO, 2 * BAR);
    assert!(matches!(refused(&other), MixError::Spec { .. }));
}

/// Notes end where the joins cut the sound, and the parts of all sections are one.
#[test]
fn notes_are_cut_where_the_sound_is() {
    use crate::render::{BeatMark, MidiSound, Part, PlayedNote};

    let kinds =
        [TransitionKind::Cut, TransitionKind::Continue, TransitionKind::Crossfade, TransitionKind::Cut];
    let slots = slots(&kinds);
    let note = |at: f64, seconds: f64| PlayedNote { at, seconds, key: 60, velocity: 1 };
    let part = |name: &str, notes| Part {
        name: name.to_owned(),
        group: "keys".to_owned(),
        sound: MidiSound::Program(0),
        notes,
    };
    // A bar is half a second. The third section has a quarter of a second of lead.
    let parts = [
        vec![part("piano", vec![note(0.1, 5.0)])],
        vec![part("piano", vec![note(0.6, 0.1), note(0.9, 5.0)]), part("flute", vec![note(0.99, 0.1)])],
        vec![part("flute", vec![note(0.8, 5.0)]), part("harp", vec![note(1.5, 1.0)])],
        vec![part("piano", vec![note(1.5, 5.0)])],
    ];
    let sections = slots.iter().zip(parts).map(|(slot, parts)| {
        let beats = vec![BeatMark { at: slot.start as f64 / 48_000.0, beat: 0.0 }];
        Rendered { played: Some(Played { parts, beats }), ..section(slot, MONO, 0, |_, _| 0.0) }
    });
    let mut sections: Vec<Rendered> = sections.collect();
    let played = place(&slots, sections.clone(), MONO, &Never).unwrap().played.unwrap();
    let told: Vec<(&str, Vec<(f64, f64)>)> = played
        .parts
        .iter()
        .map(|part| {
            (part.name.as_str(), part.notes.iter().map(|note| (note.at, note.at + note.seconds)).collect())
        })
        .collect();
    let expected = [
        ("piano", vec![(0.1, 1.0), (0.6, 0.7), (0.9, 1.0), (1.5, 2.0)]),
        ("flute", vec![(0.8, 1.5), (0.99, 1.0)]),
    ];
    assert_eq!(told, expected);
    assert_eq!(played.beats.len(), 4);
    sections[2].played = None;
    assert_eq!(place(&slots, sections, MONO, &Never).unwrap().played, None, "half of the notes is no piece");
}

/// A stream in three sections: each one ends as if nothing more came, and the next brings the real end with it.
#[test]
fn a_section_that_continues_with_a_lead_replaces_the_end_of_the_one_before() {
    let mut slots = slots(&[TransitionKind::Cut, TransitionKind::Continue, TransitionKind::Continue]);
    let whole = music(1);
    // The lead may reach into the section before the one before.
    let leads = [0, 1300, BAR + 70];
    let mut sections = Vec::new();
    for (index, (slot, lead)) in slots.iter_mut().zip(leads).enumerate() {
        slot.lead = lead;
        let settled = slot.end.saturating_sub(leads.get(index + 1).copied().unwrap_or_default());
        let of_stream = |frame, channel| if frame < settled { whole(frame, channel) } else { 0.7 };
        sections.push(section(slot, STEREO, 0, of_stream));
        slot.lead = 0;
    }
    let mix = place(&slots, sections, STEREO, &Never).unwrap();
    for (channel, plane) in mix.sound.planes().iter().enumerate() {
        let expected: Vec<f32> = (0..3 * BAR).map(|frame| whole(frame, channel) as f32).collect();
        assert!(*plane == expected);
    }
}

#[test]
fn a_section_may_end_a_little_early_but_not_begin_before_the_piece() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Continue]);
    let cut = |short: usize| {
        let mut section = section(&slots[0], MONO, 0, sine(100.0, 0.0));
        section.sound.resize(BAR - short);
        slots[0].check(&section, MONO)
    };
    assert_eq!(cut(960), Ok(()));
    assert!(matches!(cut(961), Err(MixError::Short { .. })));
    let mut early = section(&slots[1], MONO, BAR + 1, sine(100.0, 0.0));
    early.lead_frames = BAR + 1;
    assert!(matches!(slots[1].check(&early, MONO), Err(MixError::Lead { .. })));
}

/// What [`Growing`] gives when the sections come like this: in turns of random length, those of `settled` frames as final sound.
fn grown(slots: &[Slot], sections: &[Rendered], settled: &[usize], spec: Spec, seed: u64) -> Pcm {
    let mut random = Random::new(seed);
    let mut growing = Growing::of(slots.to_vec(), spec);
    let mut given = Pcm::silence(spec, 0);
    let mut told = vec![0; sections.len()];
    let mut left: Vec<usize> = (0..sections.len()).collect();
    while !left.is_empty() {
        let turn = random.below(left.len());
        let (section, mut give) = (left[turn], |more: &Pcm| given.append(more.clone()));
        let (rendered, from) = (&sections[section], told[section]);
        let to = (from + 1 + random.below(BAR / 3)).min(settled[section]);
        if from < to {
            told[section] = to;
            growing.sound(section, rendered.lead_frames, &rendered.sound.part(from..to), &mut give);
        } else {
            growing.whole(section, rendered, &mut give);
            left.remove(turn);
        }
    }
    given
}

#[test]
fn a_mix_that_grows_becomes_the_mix() {
    use TransitionKind::{Continue, Crossfade, Cut};
    let mut random = Random::new(1);
    for seed in 0..60 {
        let kinds: Vec<TransitionKind> =
            (0..5).map(|_| [Cut, Crossfade, Continue][random.below(3)]).collect();
        let slots = slots(&kinds);
        let rings: Vec<usize> = slots.iter().map(|_| random.below(3) * random.below(BAR)).collect();
        let mut sections: Vec<Rendered> = slots
            .iter()
            .zip(rings)
            .map(|(slot, ring)| section(slot, STEREO, ring, music(slot.start / BAR)))
            .collect();
        // Some end as early as they may.
        for section in &mut sections {
            let short = random.below(2) * random.below(961);
            section.sound.resize(section.sound.frames() - short);
        }
        let settled: Vec<usize> =
            sections.iter().map(|section| [0, BAR / 2, section.sound.frames()][random.below(3)]).collect();
        let expected = place(&slots, sections.clone(), STEREO, &Never).unwrap().sound;
        assert!(grown(&slots, &sections, &settled, STEREO, seed) == expected, "{seed}: {kinds:?}");
    }
}

#[test]
fn what_a_section_replaces_was_not_given_before() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Continue]);
    let first = section(&slots[0], MONO, 0, |frame, _| if frame < BAR - 700 { 0.5 } else { -0.5 });
    let early = Slot { lead: 700, ..slots[1].clone() };
    let sections = [first, section(&early, MONO, 0, |_, _| 0.5)];
    for seed in 0..10 {
        let given = grown(&slots, &sections, &[BAR - 700, BAR], MONO, seed);
        assert!(given.frames() == 2 * BAR && given.planes()[0].iter().all(|&sample| sample == 0.5));
    }
}

#[test]
fn a_mix_grows_with_its_first_section() {
    let slots = slots(&[TransitionKind::Cut, TransitionKind::Crossfade]);
    let sections = [section(&slots[0], MONO, 0, music(0)), section(&slots[1], MONO, 0, music(1))];
    let mut growing = Growing::of(slots, MONO);
    let mut given = 0;
    let mut sound = |growing: &mut Growing, index: usize, frames| {
        let lead = sections[index].lead_frames;
        growing.sound(index, lead, &sections[index].sound.part(frames), &mut |more| given += more.frames());
        given
    };
    assert_eq!(sound(&mut growing, 0, 0..100), 100);
    assert_eq!(sound(&mut growing, 0, 100..BAR), BAR / 2, "the crossfade waits for the next section");
    assert_eq!(sound(&mut growing, 1, 0..BAR / 2 - 1), BAR / 2);
    assert_eq!(sound(&mut growing, 1, BAR / 2 - 1..BAR), BAR / 2, "the first may still ring");
}
