//! The lowest voice.

use super::{Band, Note, Score, Tone, grid::Stretch, scene::Scene};
use crate::wire::Energy;

/// Lowest pitch of a bass root: E1.
const LOWEST: i32 = 28;

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    for (number, &instrument) in band.bass.iter().enumerate() {
        // A second bass would only blur the first: it holds roots.
        let energy = if number == 0 { scene.energy } else { Energy::Low };
        let pattern = scene.style.bass.of(energy);
        for bar in 0..scene.bars {
            let mut random = scene.random(&format!("{} bass {bar}", instrument.name()));
            let steps = scene.grid.spread(pattern.bar(bar), Stretch::Repeat);
            for (step, &mark) in steps.iter().enumerate() {
                let Some(pitch) = pitch(scene, bar, mark) else { continue };
                let held = 1 + steps[step + 1..].iter().take_while(|&&next| next == b'-').count();
                let place = step as f64;
                let at = scene.bar(bar) + scene.grid.seconds(place);
                let until = scene.bar(bar) + scene.grid.seconds(place + held as f64);
                let velocity = if scene.grid.is_stressed(place) { 0.78 } else { 0.66 };
                let note = Note {
                    at: scene.played(at, &mut random),
                    seconds: (until - at) * 0.94,
                    tone: Tone::Pitch(pitch),
                    velocity: scene.touch(velocity, &mut random),
                };
                score.add(instrument, note);
            }
        }
    }
}

/// The root of a chord in the bass's octave.
pub(super) fn root(scene: &Scene<'_>, bar: usize) -> i32 {
    root_from(scene, bar, LOWEST)
}

/// The root of a chord in the octave from `lowest` up.
pub(super) fn root_from(scene: &Scene<'_>, bar: usize, lowest: i32) -> i32 {
    let chord = scene.chord(bar);
    lowest + (chord.pitch(scene.plan.key, chord.root, 0) - lowest).rem_euclid(12)
}

fn pitch(scene: &Scene<'_>, bar: usize, mark: u8) -> Option<i32> {
    let chord = scene.chord(bar);
    let key = scene.plan.key;
    let above = |degrees: i32| {
        root(scene, bar) + chord.pitch(key, chord.root + degrees, 0) - chord.pitch(key, chord.root, 0)
    };
    match mark {
        b'1' => Some(above(0)),
        b'3' => Some(above(2)),
        b'5' => Some(above(4)),
        b'7' => Some(above(6) - 12),
        b'8' => Some(above(0) + 12),
        b'a' => {
            // The step of the scale below or above the next root, whichever is nearer to this one.
            let next = root(scene, bar + 1);
            let here = above(0);
            let step = |by: i32| (1..=3).map(|size| next + by * size).find(|&pitch| key.contains(pitch));
            if next == here { Some(above(4)) } else { step(if next > here { -1 } else { 1 }) }
        }
        _ => None,
    }
}
