//! The notes of the sections on one timeline, cut where the joins cut the sound.

use super::slot::Slot;
use crate::{audio::SampleRate, render::Played};

/// Joins the notes of all sections, one per slot. Parts of the same name, group and sound become one, in the order in which they
/// first play. A note that a join or the end of the piece would silence ends there; the 5 ms of a cut's fade are not counted.
pub(super) fn join(slots: &[Slot], sections: Vec<Played>, rate: SampleRate) -> Played {
    let mut piece = Played::default();
    for (slot, section) in slots.iter().zip(sections) {
        if slot.silences() {
            stop(&mut piece, rate.seconds(slot.start));
        }
        piece.beats.extend(section.beats);
        for part in section.parts {
            let same = |known: &&mut crate::render::Part| {
                known.name == part.name && known.group == part.group && known.sound == part.sound
            };
            match piece.parts.iter_mut().find(same) {
                Some(known) => known.notes.extend(part.notes),
                None => piece.parts.push(part),
            }
        }
    }
    stop(&mut piece, slots.last().map_or(0.0, |slot| rate.seconds(slot.end)));
    for part in &mut piece.parts {
        // A pickup starts before the section before it ends.
        part.notes.sort_by(|a, b| a.at.total_cmp(&b.at));
    }
    piece.parts.retain(|part| !part.notes.is_empty());
    piece
}

/// Silences everything from `end` on.
fn stop(played: &mut Played, end: f64) {
    for part in &mut played.parts {
        part.notes.retain(|note| note.at < end);
        for note in &mut part.notes {
            note.seconds = note.seconds.min(end - note.at);
        }
    }
}
