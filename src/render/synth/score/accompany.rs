//! Chords: held by those who can hold, comped or broken by those who strike.

use super::{Band, Note, Score, Tone, bass, grid::Stretch, harmony, scene::Scene};
use crate::{
    render::synth::instrument::{Family, Instrument},
    wire::Energy,
};

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let mut strikers = 0;
    for &instrument in &band.harmony {
        let voicings = voicings(scene, instrument);
        if instrument.family() == Family::Held {
            hold(scene, instrument, &voicings, score);
        } else {
            // A second striker leaves the pattern to the first.
            let energy = if strikers == 0 { scene.energy } else { Energy::Low };
            strike(scene, instrument, energy, &voicings, score);
            strikers += 1;
        }
    }
    if let Some((instrument, lowest)) = left_hand(band) {
        roots(scene, instrument, lowest, score);
    }
}

/// Who plays the roots where nobody plays bass, and how low: the first who can.
pub(super) fn left_hand(band: &Band) -> Option<(Instrument, i32)> {
    let mut able = band.harmony.iter().filter_map(|&instrument| Some((instrument, instrument.play().root?)));
    if band.bass.is_empty() { able.next() } else { None }
}

/// The chord of each bar as an instrument plays it.
pub(super) fn voicings(scene: &Scene<'_>, instrument: Instrument) -> Vec<Vec<i32>> {
    let kind = harmony::kind_for(instrument, scene.style);
    let mut before = Vec::new();
    (0..scene.bars)
        .map(|bar| {
            let close = scene.chord(bar).voicing(scene.plan.key, kind, instrument.play().harmony, &before);
            before.clone_from(&close);
            opened(instrument, close)
        })
        .collect()
}

/// Spreads a chord for those who sound better in open position: the second voice from the top an octave down.
pub(super) fn opened(instrument: Instrument, mut voices: Vec<i32>) -> Vec<i32> {
    if instrument.play().open && voices.len() >= 3 {
        let second = voices.len() - 2;
        voices[second] -= 12;
        voices.sort_unstable();
    }
    voices
}

fn hold(scene: &Scene<'_>, instrument: Instrument, voicings: &[Vec<i32>], score: &mut Score) {
    let mut random = scene.random(&format!("{} chords", instrument.name()));
    let mut bar = 0;
    while bar < scene.bars {
        let same =
            (bar..scene.bars).take_while(|&next| scene.chord(next) == scene.chord(bar)).count().clamp(1, 4);
        let (at, until) = (scene.bar(bar), scene.bar(bar + same));
        for &pitch in &voicings[bar] {
            let note = Note {
                at: scene.played(at, &mut random),
                seconds: (until - at) * 0.98,
                tone: Tone::Pitch(pitch),
                velocity: scene.touch(0.56, &mut random),
            };
            score.add(instrument, note);
        }
        bar += same;
    }
}

fn strike(
    scene: &Scene<'_>,
    instrument: Instrument,
    energy: Energy,
    voicings: &[Vec<i32>],
    score: &mut Score,
) {
    let pattern = scene.style.comp.of(energy);
    for (bar, voices) in voicings.iter().enumerate() {
        let mut random = scene.random(&format!("{} chords {bar}", instrument.name()));
        let steps = scene.grid.spread(pattern.bar(bar), Stretch::Roll);
        for (step, &mark) in steps.iter().enumerate() {
            let (tones, velocity): (Vec<i32>, f32) = match mark {
                b'x' => (voices.clone(), 0.56),
                b'X' => (voices.clone(), 0.68),
                b'o' => (voices.clone(), 0.4),
                b'0'..=b'7' => (vec![tone(voices, usize::from(mark - b'0'))], 0.55),
                _ => continue,
            };
            let held = 1 + steps[step + 1..].iter().take_while(|&&next| next == b'-').count();
            let place = step as f64;
            let at = scene.bar(bar) + scene.grid.seconds(place);
            let until = scene.bar(bar) + scene.grid.seconds(place + held as f64);
            // A broken chord rings on under the hand or the pedal.
            let seconds = if mark.is_ascii_digit() {
                (scene.bar(bar + 1) - at).min(3.0 * (until - at))
            } else {
                until - at
            };
            let velocity = if scene.grid.is_stressed(place) { velocity * 1.08 } else { velocity };
            strum(scene, instrument, &tones, at, seconds * 0.96, scene.touch(velocity, &mut random), score);
        }
    }
}

/// A tone of a chord by number, going on in the octave above.
fn tone(voices: &[i32], number: usize) -> i32 {
    voices[number % voices.len()] + 12 * (number / voices.len()) as i32
}

/// All tones of a chord, one after the other as the instrument asks for.
pub(super) fn strum(
    scene: &Scene<'_>,
    instrument: Instrument,
    pitches: &[i32],
    at: f64,
    seconds: f64,
    velocity: f32,
    score: &mut Score,
) {
    let spread = instrument.play().strum_ms.max(2.0) / 1000.0;
    let mut random = scene.random(&format!("{} strum {at:.3}", instrument.name()));
    let first = scene.played(at, &mut random);
    for (number, &pitch) in pitches.iter().enumerate() {
        let delay = spread * number as f64;
        let note = Note {
            at: (first + delay).min((scene.end - 1e-4).max(scene.start)),
            seconds: (seconds - delay).max(0.03),
            tone: Tone::Pitch(pitch),
            velocity: (velocity + 0.03 * random.bipolar()).clamp(0.05, 1.0),
        };
        score.add(instrument, note);
    }
}

fn roots(scene: &Scene<'_>, instrument: Instrument, lowest: i32, score: &mut Score) {
    for bar in 0..scene.bars {
        let mut random = scene.random(&format!("left hand {bar}"));
        let at = scene.bar(bar);
        let pitch = bass::root_from(scene, bar, lowest);
        let mut add = |at: f64, pitch: i32, until: f64, velocity: f32| {
            let note = Note {
                at: scene.played(at, &mut random),
                seconds: (until - at) * 0.96,
                tone: Tone::Pitch(pitch),
                velocity: scene.touch(velocity, &mut random),
            };
            score.add(instrument, note);
        };
        add(at, pitch, scene.bar(bar + 1), 0.6);
        if scene.energy == Energy::High {
            let half = at + scene.grid.seconds((scene.grid.steps() / 4 * 2) as f64);
            add(half, pitch + 12, scene.bar(bar + 1), 0.5);
        }
    }
}
