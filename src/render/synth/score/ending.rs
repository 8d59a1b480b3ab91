//! The end of the piece: the tonic chord, held by everybody and left to ring.

use super::{
    Band, Duty, Note, Score, Tone, accompany, bass,
    harmony::{self, Chord},
    melody,
    scene::Scene,
};
use crate::{
    render::synth::{instrument::Instrument, style::Drum},
    wire::Energy,
};

/// Time between the root, the chord and the melody of a rolled last chord.
const ROLL_SECONDS: f64 = 0.06;

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let Some(at) = scene.finale else { return };
    let held = (scene.end - at) * 0.88;
    // With no drums to be together with, the last chord is rolled: root, chord, melody.
    let roll = if band.rhythm.is_empty() { ROLL_SECONDS.min(held / 4.0) } else { 0.0 };
    for &instrument in &band.harmony {
        let kind = harmony::kind_for(instrument, scene.style);
        let before = last_pitches(score, instrument, Duty::Ground, scene);
        let chord = Chord::TONIC.voicing(scene.plan.key, kind, instrument.play().harmony, &before);
        let chord = accompany::opened(instrument, chord);
        let velocity = scene.touch(0.58, &mut scene.random("final chord"));
        accompany::strum(scene, instrument, &chord, at + roll, held - roll, velocity, score);
    }
    let mut root = |instrument: Instrument, pitch: i32, velocity: f32| {
        let velocity = scene.touch(velocity, &mut scene.random("final root"));
        score.add(instrument, Note { at, seconds: held, tone: Tone::Pitch(pitch), velocity });
    };
    for &instrument in &band.bass {
        root(instrument, bass::root(scene, scene.bars), 0.7);
    }
    if let Some((instrument, lowest)) = accompany::left_hand(band) {
        root(instrument, bass::root_from(scene, scene.bars, lowest), 0.6);
    }
    for &instrument in &band.lead {
        rest(scene, instrument, at + 2.0 * roll, held - 2.0 * roll, score);
    }
    for &instrument in &band.rhythm {
        let velocity = if scene.energy == Energy::Low { 0.4 } else { 0.7 };
        let mut hit = |drum, velocity| {
            score.add(instrument, Note { at, seconds: 0.0, tone: Tone::Hit(drum), velocity });
        };
        if instrument.is_percussion() {
            hit(Drum::Conga, velocity);
            hit(Drum::Shaker, velocity);
        } else {
            hit(Drum::Kick, velocity);
            hit(Drum::Crash, velocity * 0.8);
        }
    }
}

/// The melody comes home. In a piece too short for a bar, the motif's first notes lead there.
fn rest(scene: &Scene<'_>, instrument: Instrument, at: f64, held: f64, score: &mut Score) {
    let key = scene.plan.key;
    let octave = melody::octave(scene, instrument);
    let mut random = scene.random(&format!("{} rest", instrument.name()));
    let before = last_pitches(score, instrument, Duty::Melody, scene).last().copied();
    let near = before.unwrap_or(key.pitch(2, octave));
    let tonic = (-1..=1)
        .map(|up| key.pitch(7 * up, octave))
        .min_by_key(|pitch| (pitch - near).abs())
        .unwrap_or(key.pitch(0, octave));
    let mut home = at;
    if scene.bars == 0 {
        let mut spent = 0.0;
        for note in scene.plan.theme.motif.iter().take(4) {
            let seconds = note.beats * scene.plan.beat_seconds();
            if spent + seconds > 0.5 * (scene.end - at) {
                break;
            }
            if let Some(degree) = note.degree {
                let pitch = key.pitch(Chord::TONIC.nearest_member(degree, 0), octave);
                let velocity = scene.touch(0.62, &mut random);
                score.sing(instrument, Note { at: at + spent, seconds, tone: Tone::Pitch(pitch), velocity });
            }
            spent += seconds;
        }
        home += spent;
    }
    let seconds = (held - (home - at)).max(0.2);
    let velocity = scene.touch(0.66, &mut random);
    score.sing(instrument, Note { at: home, seconds, tone: Tone::Pitch(tonic), velocity });
}

/// The pitches that an instrument struck last together, lowest first.
fn last_pitches(score: &Score, instrument: Instrument, duty: Duty, scene: &Scene<'_>) -> Vec<i32> {
    let notes = score.parts.get(&(instrument, duty)).map_or(&[][..], Vec::as_slice);
    let last = notes.iter().map(|note| note.at).fold(f64::NEG_INFINITY, f64::max);
    let mut pitches: Vec<i32> = notes
        .iter()
        .filter(|note| last - note.at < scene.grid.step_seconds() * 0.5)
        .filter_map(|note| match note.tone {
            Tone::Pitch(pitch) => Some(pitch),
            Tone::Hit(_) => None,
        })
        .collect();
    pitches.sort_unstable();
    pitches
}
