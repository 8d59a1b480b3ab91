//! What a section that is faded in plays before its bar line: its own instruments over the chords of the section before.

use super::{Band, Note, Score, Tone, accompany, bass, melody, scene::Scene, voicing::Laid};
use crate::render::synth::{
    instrument::{Family, Instrument},
    style::Drum,
};

pub(super) fn play(scene: &Scene<'_>, before: &Scene<'_>, band: &Band, lead_seconds: f64, score: &mut Score) {
    let from = scene.start - lead_seconds;
    let mut at = from;
    while at < scene.start - 1e-6 {
        let bar = before.bar_of(at);
        let until = before.bar(bar + 1).min(scene.start);
        if until <= at {
            break;
        }
        chord(scene, before, band, bar, (at, until), score);
        at = until;
    }
    for &instrument in &band.rhythm {
        let drum = if instrument.is_percussion() { Drum::Shaker } else { Drum::Swell };
        let beat = scene.plan.beat_seconds();
        if drum == Drum::Swell {
            let tone = Tone::Hit(drum);
            score.add(instrument, Note::new(from, lead_seconds, tone, 0.5));
        } else {
            let count = (lead_seconds / beat).ceil() as usize;
            for number in 0..count.max(1) {
                let at = (scene.start - (number + 1) as f64 * beat).max(from);
                score.add(instrument, Note::new(at, 0.0, Tone::Hit(drum), 0.5));
            }
        }
    }
    lead_in(scene, band, lead_seconds, score);
}

/// Everybody who has chords plays the one that sounds; without them the melody's first chair or the bass holds its root.
fn chord(
    scene: &Scene<'_>,
    before: &Scene<'_>,
    band: &Band,
    bar: usize,
    (at, until): (f64, f64),
    score: &mut Score,
) {
    let chord = before.chord(bar, 0.0);
    let key = before.key;
    let mut add = |instrument: Instrument, pitch: i32, velocity: f32| {
        score.add(instrument, Note::new(at, until - at, Tone::Pitch(pitch), velocity));
    };
    for &instrument in &band.harmony {
        for pitch in accompany::laid(before, band, (instrument, 0), &chord, &Laid::default()).voices {
            add(instrument, pitch, if instrument.family() == Family::Held { 0.5 } else { 0.42 });
        }
    }
    if !band.harmony.is_empty() {
        return;
    }
    if let Some(&instrument) = band.lead.first() {
        let root = chord.nearest_root(0);
        add(instrument, chord.pitch(key, root, melody::octave(scene, instrument)), 0.45);
    } else if let Some(&instrument) = band.bass.first() {
        add(instrument, bass::root(before, instrument, bar, 0.0), 0.5);
    }
}

/// Before the bar line of a section that fades in, where there is time.
fn lead_in(scene: &Scene<'_>, band: &Band, lead_seconds: f64, score: &mut Score) {
    if let Some(&instrument) = band.lead.first()
        && lead_seconds >= scene.plan.beat_seconds() * 1.5
    {
        upbeat(scene, instrument, scene.start, score);
    }
}

/// Two steps of the scale up to the first note of the melody, in the beat before a bar line.
pub(super) fn upbeat(scene: &Scene<'_>, instrument: Instrument, line: f64, score: &mut Score) {
    let beat = scene.plan.beat_seconds();
    let octave = melody::octave(scene, instrument);
    let Some(first) = scene.plan.theme.motif.first().and_then(|note| note.degree) else { return };
    for (step, degree) in [(0, first - 2), (1, first - 1)] {
        let at = line - beat * (1.0 - 0.5 * f64::from(step));
        let tone = Tone::Pitch(scene.key.pitch(degree, octave));
        score.sing(instrument, Note::new(at, beat * 0.48, tone, 0.5 + 0.06 * step as f32));
    }
}
