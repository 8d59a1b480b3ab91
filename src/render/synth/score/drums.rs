//! Drums and hand percussion.

use super::{Band, Note, Score, Tone, grid::Stretch, scene::Scene};
use crate::{
    render::synth::{
        instrument::Instrument,
        style::{Drum, Lanes},
    },
    wire::{Energy, Role},
};

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    for &instrument in &band.rhythm {
        let lanes = if instrument.is_percussion() {
            scene.book.percussion.of(scene.energy)
        } else {
            scene.style.drums.of(scene.energy)
        };
        for bar in 0..scene.bars {
            play_bar(scene, instrument, lanes, bar, score);
        }
        // The first beat of a full section.
        let opens = matches!(scene.role, Role::Chorus | Role::Development) || scene.energy == Energy::High;
        if opens && !instrument.is_percussion() && scene.bars > 0 {
            let velocity = if scene.energy == Energy::High { 0.75 } else { 0.5 };
            score.add(instrument, hit(scene.start, Drum::Crash, velocity));
        }
    }
}

fn hit(at: f64, drum: Drum, velocity: f32) -> Note {
    Note { at, seconds: 0.0, tone: Tone::Hit(drum), velocity }
}

fn play_bar(scene: &Scene<'_>, instrument: Instrument, lanes: &Lanes, bar: usize, score: &mut Score) {
    let mut random = scene.random(&format!("{} {bar}", instrument.name()));
    let steps = scene.grid.steps();
    // The last bar leads over, except into the final chord of a quiet piece.
    let leads_over =
        bar + 1 == scene.bars && scene.bars >= 4 && scene.energy > Energy::Low && !instrument.is_percussion();
    let fill = if leads_over { fill(lanes) } else { &[] };
    let fill_from = if fill.is_empty() { steps } else { steps - steps / 4 };
    for (&drum, pattern) in lanes {
        for (step, &mark) in scene.grid.spread(pattern.bar(bar), Stretch::Repeat).iter().enumerate() {
            let velocity = match mark {
                b'X' => 0.95,
                b'x' => 0.75,
                b'o' => 0.4,
                _ => continue,
            };
            let keeps_time = matches!(drum, Drum::Kick | Drum::Hat | Drum::Pedal | Drum::Ride | Drum::Shaker);
            if step >= fill_from && !keeps_time {
                continue;
            }
            let at = scene.bar(bar) + scene.grid.seconds(step as f64);
            let at = scene.played(at, &mut random);
            score.add(instrument, hit(at, drum, scene.touch(velocity, &mut random)));
        }
    }
    for step in fill_from..steps {
        if scene.energy == Energy::Medium && random.chance(0.35) {
            continue;
        }
        let along = (step - fill_from) as f32 / (steps - fill_from) as f32;
        let drum = fill[((along * fill.len() as f32) as usize).min(fill.len() - 1)];
        let at = scene.played(scene.bar(bar) + scene.grid.seconds(step as f64), &mut random);
        score.add(instrument, hit(at, drum, scene.touch(0.5 + 0.3 * along, &mut random)));
    }
}

/// What a fill goes through, from its first hit to its last; nothing where there is no kit to play one on.
fn fill(lanes: &Lanes) -> &'static [Drum] {
    let has = |drums: &[Drum]| drums.iter().any(|drum| lanes.contains_key(drum));
    if has(&[Drum::Timpani]) {
        &[Drum::Timpani]
    } else if has(&[Drum::Snare, Drum::Clap]) {
        &[Drum::Snare, Drum::Snare, Drum::Tom, Drum::Tom]
    } else if has(&[Drum::Rim]) && has(&[Drum::Hat, Drum::Ride]) {
        &[Drum::Rim, Drum::Rim, Drum::Tom, Drum::Tom]
    } else {
        &[]
    }
}
