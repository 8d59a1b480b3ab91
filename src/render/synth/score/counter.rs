//! A slow second line under the melody: guide tones that move little, and against it.

use super::{Band, Duty, Note, Score, Tone, human::Human, scene::Scene, voicing};
use crate::{
    render::synth::instrument::{Family, GROUPS, Instrument},
    wire::{Energy, Role},
};

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let full = scene.energy == Energy::High || (scene.role == Role::Chorus && scene.energy > Energy::Low);
    let Some((instrument, duty)) = singer(band).filter(|_| full && scene.style.counter) else { return };
    let Some(&first) = band.lead.first() else { return };
    let melody = melody(score, first);
    let play = instrument.play();
    let centre = if duty == Duty::Melody { play.melody - 5 } else { (play.harmony + 7).min(play.melody) };
    let range = (centre - 9).max(play.range[0])..=(centre + 9).min(play.range[1]);
    let mut human =
        Human::new(scene, &format!("{} counter-line", instrument.name()), scene.style.laid_back.melody);
    let mut before: Option<Step> = None;
    for (bar, place, until) in moments(scene) {
        let chord = scene.chord(bar, place);
        let at = scene.at(bar, place);
        let above = sounding(&melody, at + 0.02);
        let bass = scene.key.pitch_class() + chord.bass;
        let cost = |pitch: i32| {
            let guide =
                chord.guides().iter().any(|&guide| chord.class(scene.key, guide) == pitch.rem_euclid(12));
            let from = before.as_ref().map_or(centre, |step| step.pitch);
            let with = |step: &Step| {
                let rises = (pitch - step.pitch).signum();
                let same = above
                    .zip(step.above)
                    .is_some_and(|(now, then)| (now - then).signum() == rises && rises != 0);
                let hollow = above
                    .zip(step.above)
                    .is_some_and(|(now, then)| voicing::parallel((step.pitch, pitch), (then, now)))
                    || voicing::parallel((step.bass, bass), (step.pitch, pitch));
                2 * i32::from(same) + 12 * i32::from(hollow)
            };
            let doubles = above.is_some_and(|above| (above - pitch).rem_euclid(12) == 0);
            let rubs = above.is_some_and(|above| matches!((above - pitch).abs(), 1 | 2) || above < pitch);
            2 * (pitch - from).abs()
                + if guide { 0 } else { 3 }
                + if doubles { 5 } else { 0 }
                + if rubs { 8 } else { 0 }
                + before.as_ref().map_or(0, with)
                + i32::from(before.as_ref().is_some_and(|step| step.pitch == pitch && step.repeats > 1)) * 6
        };
        let members = range.clone().filter(|&pitch| chord.friction(scene.key, pitch) == 0);
        let Some(pitch) = members.min_by_key(|&pitch| cost(pitch)) else { continue };
        let velocity = human.touch(0.5, at);
        let mut note = Note::new(human.at(at), (until - at) * 0.98, Tone::Pitch(pitch), velocity);
        note.legato = instrument.family() == Family::Held && before.is_some();
        match duty {
            Duty::Melody => score.sing(instrument, note),
            Duty::Ground => score.add(instrument, note),
        }
        let repeats = before.filter(|step| step.pitch == pitch).map_or(0, |step| step.repeats + 1);
        before = Some(Step { pitch, above, bass, repeats });
    }
}

/// What was sung last, and between what.
#[derive(Clone, Copy, Debug)]
struct Step {
    pitch: i32,
    above: Option<i32>,
    bass: i32,
    repeats: u32,
}

/// Who sings it: the second lead, or a bowed instrument among the chords.
fn singer(band: &Band) -> Option<(Instrument, Duty)> {
    let second = band.lead.get(1).map(|&instrument| (instrument, Duty::Melody));
    let bowed = |instrument: &&Instrument| {
        instrument.family() == Family::Held && GROUPS[instrument.group()] == "strings"
    };
    second.or_else(|| band.harmony.iter().find(bowed).map(|&instrument| (instrument, Duty::Ground)))
}

/// Where it moves: with every chord, and half-way through those that last longer than a bar.
fn moments(scene: &Scene<'_>) -> Vec<(usize, f64, f64)> {
    let mut starts: Vec<(usize, f64)> = Vec::new();
    for bar in 0..scene.bars {
        for place in [0.0, scene.grid.half()] {
            let changes = scene.harmony().changes();
            let moves = changes.iter().any(|change| change.bar == bar && (change.place - place).abs() < 0.01);
            if moves || place == 0.0 {
                starts.push((bar, place));
            }
        }
    }
    let end = scene.bar(scene.bars);
    let ends = starts.iter().skip(1).map(|&(bar, place)| scene.at(bar, place)).chain([end]);
    starts.iter().zip(ends).map(|(&(bar, place), until)| (bar, place, until)).collect()
}

/// The melody as spans of time with pitches.
fn melody(score: &Score, instrument: Instrument) -> Vec<(f64, f64, i32)> {
    let notes = score.parts.get(&(instrument, Duty::Melody)).map_or(&[][..], Vec::as_slice);
    let pitched = notes.iter().filter_map(|note| match note.tone {
        Tone::Pitch(pitch) => Some((note.at, note.at + note.seconds, pitch)),
        Tone::Hit(_) => None,
    });
    pitched.collect()
}

fn sounding(melody: &[(f64, f64, i32)], at: f64) -> Option<i32> {
    melody.iter().rev().find(|(from, to, _)| *from <= at && at < *to).map(|(_, _, pitch)| *pitch)
}
