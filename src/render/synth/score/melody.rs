//! The melody: the theme's motif stated, moved, broken up, turned over and brought to rest, phrase by phrase.

use super::{Band, Note, Score, Tone, arrange, human::Human, scene::Scene};
use crate::{
    audio::Random,
    render::synth::instrument::Instrument,
    wire::{Energy, MotifNote, Role},
};

/// What a phrase makes of the motif.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// As it is.
    Statement,
    /// Moved up or down the scale.
    Sequence,
    /// Its first half, twice.
    Fragment,
    /// Rises where it fell.
    Inversion,
    /// Twice as slow.
    Augmentation,
    /// As it is, coming to rest on the chord.
    Close,
    /// Silence.
    Rest,
}

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let motif = &scene.plan.theme.motif;
    let beats: f64 = motif.iter().map(|note| note.beats).sum();
    if band.lead.is_empty() || beats <= 0.0 {
        return;
    }
    let bar_beats = scene.plan.time_signature.beats();
    let phrase_bars = ((beats / bar_beats - 1e-6).ceil() as usize).max(1);
    let together = scene.role == Role::Chorus || scene.energy == Energy::High;
    // At the climax, an instrument that sings alone does it in octaves.
    let doubled = scene.energy == Energy::High && band.lead.len() == 1;
    for (number, first_bar) in
        (arrange::first_bar_of_melody(scene, band)..scene.bars).step_by(phrase_bars).enumerate()
    {
        let shape = shape(scene.role, scene.energy, number);
        let mut random = scene.random(&format!("phrase {number}"));
        let room = phrase_bars.min(scene.bars - first_bar) as f64 * bar_beats;
        let line = shaped(motif, shape, room, &mut random);
        let phrase = fitted(scene, &line, first_bar, room, shape);
        for (chair, &instrument) in band.lead.iter().enumerate() {
            if together || chair == number % band.lead.len() {
                let softer = if chair > 0 && together { 0.85 } else { 1.0 };
                let purpose = format!("{} melody {first_bar}", instrument.name());
                let mut human = Human::new(scene, &purpose, scene.style.laid_back.melody);
                sing(scene, instrument, &phrase, softer, doubled, &mut human, score);
            }
        }
    }
}

fn shape(role: Role, energy: Energy, number: usize) -> Shape {
    use Shape::{Augmentation, Close, Fragment, Inversion, Rest, Sequence, Statement};
    let shapes: [Shape; 4] = match role {
        Role::Intro => [Fragment, Rest, Statement, Rest],
        Role::Motif | Role::Chorus => [Statement, Sequence, Statement, Close],
        Role::Verse => [Statement, Rest, Sequence, Close],
        Role::Development => [Fragment, Inversion, Sequence, Fragment],
        Role::Bridge => [Inversion, Rest, Augmentation, Sequence],
        Role::Resolution | Role::Outro => [Statement, Close, Fragment, Close],
    };
    match (shapes[number % 4], energy) {
        (Rest, Energy::High) => Fragment,
        (Sequence, Energy::Low) if number % 4 == 1 => Rest,
        (shape, _) => shape,
    }
}

/// The motif in a shape, at most `room` beats long.
fn shaped(motif: &[MotifNote], shape: Shape, room: f64, random: &mut Random) -> Vec<MotifNote> {
    let moved = |notes: &[MotifNote], by: i32| -> Vec<MotifNote> {
        notes
            .iter()
            .map(|note| MotifNote { degree: note.degree.map(|degree| degree + by), ..*note })
            .collect()
    };
    match shape {
        Shape::Rest => Vec::new(),
        Shape::Statement | Shape::Close => motif.to_vec(),
        Shape::Sequence => moved(motif, random.pick(&[1, 2, -1, -2]).copied().unwrap_or(1)),
        Shape::Inversion => {
            let axis = motif.iter().find_map(|note| note.degree).unwrap_or(0);
            motif
                .iter()
                .map(|note| MotifNote { degree: note.degree.map(|d| 2 * axis - d), ..*note })
                .collect()
        }
        Shape::Augmentation => {
            motif.iter().map(|note| MotifNote { beats: note.beats * 2.0, ..*note }).collect()
        }
        Shape::Fragment => {
            let half: f64 = motif.iter().map(|note| note.beats).sum::<f64>() / 2.0;
            let mut passed = 0.0;
            let head: Vec<MotifNote> = motif
                .iter()
                .take_while(|note| {
                    passed += note.beats;
                    passed <= half + 1e-6
                })
                .copied()
                .collect();
            let length: f64 = head.iter().map(|note| note.beats).sum();
            let pause = MotifNote { degree: None, beats: (room / 2.0 - length).max(0.0) };
            let again = moved(&head, if random.chance(0.5) { 1 } else { -1 });
            [head, vec![pause], again].concat()
        }
    }
}

/// A note of a phrase: where it starts, in beats from the first bar line of the phrase.
#[derive(Clone, Copy, Debug)]
struct Sung {
    degree: i32,
    at: f64,
    seconds: f64,
    bar: usize,
    place: f64,
    velocity: f32,
}

/// Lays a line over the bars and bends its strong notes to the chords.
fn fitted(scene: &Scene<'_>, line: &[MotifNote], first_bar: usize, room: f64, shape: Shape) -> Vec<Sung> {
    let bar_beats = scene.plan.time_signature.beats();
    // A phrase takes breath before the next one.
    let breath = room - 0.5_f64.min(room * 0.1);
    let mut sung: Vec<Sung> = Vec::with_capacity(line.len());
    let mut before = 0.0;
    // The degree before as it is written, and as it is sung.
    let mut previous: Option<(i32, i32)> = None;
    for (index, note) in line.iter().enumerate() {
        let from = before;
        before += note.beats;
        let Some(degree) = note.degree else { continue };
        if from > breath - 0.25 {
            break;
        }
        let last = !line[index + 1..].iter().any(|next| next.degree.is_some());
        let to = if last && shape != Shape::Fragment { breath.min(before + 2.0) } else { before.min(breath) };
        let time = |beats: f64| {
            let bar = (beats / bar_beats + 1e-9).floor();
            let steps = (beats - bar * bar_beats).max(0.0) * scene.grid.steps_per_beat();
            (first_bar + bar as usize, steps)
        };
        let (bar, steps) = time(from);
        let (until_bar, until_steps) = time(to);
        let at = scene.bar(bar) + scene.grid.seconds(steps);
        let until = scene.bar(until_bar) + scene.grid.seconds(until_steps);
        let stressed = scene.grid.is_stressed(steps);
        let chord = scene.chord(bar, steps);
        let strong = steps < 0.01
            || (stressed && note.beats >= 1.0)
            || note.beats >= 1.5
            || (last && shape == Shape::Close);
        let bent = match previous {
            _ if !strong => degree,
            Some((was, sung)) => chord.bent(degree, degree - was, sung),
            None => chord.nearest_member(degree, degree),
        };
        previous = Some((degree, bent));
        let arch = (std::f64::consts::PI * from / room.max(1.0)).sin() as f32;
        let velocity = 0.62 + 0.1 * arch + if stressed { 0.07 } else { 0.0 };
        sung.push(Sung { degree: bent, at, seconds: (until - at) * 0.97, bar, place: steps, velocity });
    }
    sung
}

/// Plays a phrase; `doubled`, instruments that can play two notes at once do so an octave below as well.
fn sing(
    scene: &Scene<'_>,
    instrument: Instrument,
    phrase: &[Sung],
    softer: f32,
    doubled: bool,
    human: &mut Human,
    score: &mut Score,
) {
    let octave = octave(scene, instrument);
    let doubled = doubled && instrument.play().octaves;
    for sung in phrase {
        let chord = scene.chord(sung.bar, sung.place);
        let mut pitch = chord.pitch(scene.key, sung.degree, octave);
        let centre = instrument.play().melody;
        while pitch > centre + 16 {
            pitch -= 12;
        }
        while pitch < centre - 16 {
            pitch += 12;
        }
        let velocity = human.touch(sung.velocity * softer, sung.at);
        let note = Note::new(human.at(sung.at), sung.seconds, Tone::Pitch(pitch), velocity);
        score.sing(instrument, note);
        if doubled {
            score.sing(
                instrument,
                Note { tone: Tone::Pitch(pitch - 12), velocity: note.velocity * 0.7, ..note },
            );
        }
    }
}

/// The octave, as a MIDI C, in which an instrument plays the motif nearest to its best range.
pub(super) fn octave(scene: &Scene<'_>, instrument: Instrument) -> i32 {
    let pitches: Vec<i32> =
        scene.plan.theme.motif.iter().filter_map(|note| note.degree).map(|d| scene.key.pitch(d, 0)).collect();
    let mean = pitches.iter().sum::<i32>() / pitches.len().max(1) as i32;
    12 * (f64::from(instrument.play().melody - mean) / 12.0).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motif(degrees: &[i32]) -> Vec<MotifNote> {
        degrees.iter().map(|&degree| MotifNote { degree: Some(degree), beats: 1.0 }).collect()
    }

    fn degrees(notes: &[MotifNote]) -> Vec<Option<i32>> {
        notes.iter().map(|note| note.degree).collect()
    }

    #[test]
    fn energy_fills_rests_and_thins_sequences() {
        assert_eq!(shape(Role::Verse, Energy::High, 1), Shape::Fragment);
        assert_eq!(shape(Role::Motif, Energy::Low, 1), Shape::Rest);
        // The rest before it is enough.
        assert_eq!(shape(Role::Verse, Energy::Low, 2), Shape::Sequence);
    }

    #[test]
    fn shapes_keep_what_makes_the_motif() {
        let mut random = Random::new(1);
        let theme = motif(&[0, 2, 4, 3]);
        let inverted = shaped(&theme, Shape::Inversion, 4.0, &mut random);
        assert_eq!(degrees(&inverted), [Some(0), Some(-2), Some(-4), Some(-3)]);
        let moved = shaped(&theme, Shape::Sequence, 4.0, &mut random);
        let by = moved[0].degree.unwrap();
        assert_eq!(degrees(&moved), [by, by + 2, by + 4, by + 3].map(Some));
        let fragment = shaped(&theme, Shape::Fragment, 8.0, &mut random);
        assert_eq!(degrees(&fragment)[..3], [Some(0), Some(2), None]);
        assert!((fragment[2].beats - 2.0).abs() < 1e-9);
        assert!(shaped(&theme, Shape::Rest, 4.0, &mut random).is_empty());
    }
}
