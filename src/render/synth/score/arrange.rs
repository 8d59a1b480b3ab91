//! Who plays when: players enter one after the other, and fall silent before a drop.

use super::{Band, Score, Tone, accompany, scene::Scene};
use crate::{
    render::synth::{
        instrument::{Family, Instrument},
        style::{Drum, Lift, Opening},
    },
    wire::{Energy, Role},
};

/// The first bar in which a chair of the chords plays.
pub(super) fn first_bar_of_chords(scene: &Scene<'_>, band: &Band, chair: usize) -> usize {
    let builds = matches!(scene.role, Role::Intro | Role::Motif) && chair > 0 && scene.energy < Energy::High;
    if builds { later(scene) } else { opened(scene, band) }
}

/// The first bar in which the bass plays.
pub(super) fn first_bar_of_bass(scene: &Scene<'_>, band: &Band) -> usize {
    let builds = scene.role == Role::Intro && !band.harmony.is_empty() && !band.rhythm.is_empty();
    if builds { later(scene) } else { opened(scene, band) }
}

/// The first bar in which a drum plays: in an introduction whatever counts time comes first.
pub(super) fn first_bar_of_drum(
    scene: &Scene<'_>,
    band: &Band,
    instrument: Instrument,
    drum: Drum,
    chair: usize,
) -> usize {
    let alone = band.harmony.is_empty() && band.lead.is_empty();
    let builds = match scene.role {
        Role::Intro => !alone && !instrument.is_percussion() && !drum.keeps_time(),
        Role::Motif => chair > 0 && scene.energy < Energy::High,
        _ => false,
    };
    if builds { later(scene) } else { 0 }
}

/// The first bar in which the melody is sung.
pub(super) fn first_bar_of_melody(scene: &Scene<'_>, band: &Band) -> usize {
    opened(scene, band)
}

/// The middle of a section, where there is room for one.
fn later(scene: &Scene<'_>) -> usize {
    if scene.bars >= 4 { scene.bars / 4 * 2 } else { 0 }
}

/// Bars at the very beginning that others have for themselves.
fn opened(scene: &Scene<'_>, band: &Band) -> usize {
    let kit = band.rhythm.iter().any(|instrument| !instrument.is_percussion());
    let alone = scene.index == 0 && scene.bars >= 4 && scene.style.opening == Opening::Fill && kit;
    usize::from(alone && scene.energy > Energy::Low)
}

/// Whether the piece begins with chords alone, and an upbeat that leads into the melody.
pub(super) fn has_upbeat(scene: &Scene<'_>) -> bool {
    scene.index == 0 && scene.bars >= 8 && scene.style.opening == Opening::Pickup
}

/// Ways of playing that were asked for and change how long notes are.
pub(super) fn articulate(scene: &Scene<'_>, score: &mut Score) {
    for (&(instrument, _), notes) in &mut score.parts {
        if instrument.family() == Family::Kit {
            continue;
        }
        if accompany::asked(scene, instrument, "staccato") {
            for note in notes.iter_mut() {
                note.seconds = (note.seconds * 0.45).clamp(0.05, 0.4);
                (note.legato, note.accent) = (false, note.velocity > 0.6);
            }
        } else if accompany::asked(scene, instrument, "legato") {
            notes.sort_by(|a, b| a.at.total_cmp(&b.at));
            for number in 0..notes.len() {
                let next =
                    notes[number + 1..].iter().map(|next| next.at).find(|at| *at > notes[number].at + 0.08);
                let gap = next.map_or(f64::MAX, |next| next - notes[number].at - notes[number].seconds);
                if gap < scene.plan.beat_seconds() {
                    notes[number].seconds += gap.max(0.0) + 0.03;
                }
            }
        }
    }
}

/// Silence on the last beat before a drop: notes that reach into it are cut, those that start in it are left out.
pub(super) fn hush(scene: &Scene<'_>, score: &mut Score) {
    let drops = scene.style.lift == Lift::Riser
        && scene.bars >= 4
        && scene.energy_after().is_some_and(|after| after == Energy::High && after > scene.energy);
    if !drops {
        return;
    }
    let end = scene.bar(scene.bars);
    let from = end - scene.plan.beat_seconds();
    for notes in score.parts.values_mut() {
        notes.retain(|note| note.at < from - 0.03 || note.tone == Tone::Hit(Drum::Riser));
        for note in notes.iter_mut().filter(|note| note.tone != Tone::Hit(Drum::Riser)) {
            note.seconds = note.seconds.min((from - note.at).max(0.02));
        }
    }
}
