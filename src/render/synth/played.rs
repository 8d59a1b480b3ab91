//! What a score is as notes of General MIDI (RP-003): programs, the drum map, velocities.

use std::collections::BTreeMap;

use super::{
    instrument::{GROUPS, Instrument},
    score::{Duty, Score, Tone},
    style::Drum,
    track::Span,
    voices::RATE,
};
use crate::render::{MidiSound, Part, Played, PlayedNote};

/// Program of a kettle drum, which has a pitch and so no place in the drum map.
const TIMPANI: u8 = 47;

/// The notes of a score that sound in `span`: none that would start after it, and none that is held on past it.
/// `timpani` is the MIDI pitch that tuned drums have.
pub(super) fn played(score: &Score, span: Span, timpani: u8) -> Played {
    let seconds = |frame: i64| frame as f64 / f64::from(RATE);
    let (start, end) = (seconds(span.start), seconds(span.start + span.total as i64));
    let mut parts: Vec<Part> = Vec::new();
    for (&(instrument, duty), notes) in &score.parts {
        let mut voices: BTreeMap<Voice, Vec<PlayedNote>> = BTreeMap::new();
        for note in notes.iter().filter(|note| note.at < end) {
            let (voice, key) = match note.tone {
                Tone::Pitch(pitch) => (Voice::Pitched, pitch.clamp(0, 127) as u8),
                Tone::Hit(drum) => drum_key(drum).map_or((Voice::Timpani, timpani), |key| (Voice::Kit, key)),
            };
            let at = note.at.max(start);
            let seconds = (note.at + note.seconds).min(end) - at;
            let note = PlayedNote { at, seconds: seconds.max(0.0), key, velocity: velocity(note.velocity) };
            voices.entry(voice).or_default().push(note);
        }
        let group = GROUPS[instrument.group()].to_owned();
        parts.extend(voices.into_iter().map(|(voice, notes)| Part {
            name: name(instrument, duty, voice),
            group: group.clone(),
            sound: voice.sound(instrument),
            notes,
        }));
    }
    Played { parts, beats: score.beats.clone() }
}

/// What of General MIDI plays a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Voice {
    Pitched,
    Kit,
    Timpani,
}

impl Voice {
    fn sound(self, instrument: Instrument) -> MidiSound {
        match self {
            Self::Pitched => MidiSound::Program(instrument.program().unwrap_or_default()),
            Self::Kit => MidiSound::Drums,
            Self::Timpani => MidiSound::Program(TIMPANI),
        }
    }
}

fn name(instrument: Instrument, duty: Duty, voice: Voice) -> String {
    match (voice, duty) {
        (Voice::Timpani, _) => "timpani".to_owned(),
        (_, Duty::Ground) => instrument.name().to_owned(),
        (_, Duty::Melody) => format!("{} melody", instrument.name()),
    }
}

/// From 0 to 1 to 1 to 127, in proportion, rounded to the nearest.
fn velocity(velocity: f32) -> u8 {
    (127.0 * velocity).round().clamp(1.0, 127.0) as u8
}

/// The place of a drum in the drum map; none for a drum that has a pitch. What the map does not have takes the place of what
/// sounds nearest; castanets and surdos stand in the map of General MIDI 2.
fn drum_key(drum: Drum) -> Option<u8> {
    Some(match drum {
        Drum::Timpani => return None,
        Drum::LowKick | Drum::ConcertBass => 35,
        Drum::Kick => 36,
        Drum::Rim => 37,
        Drum::Snare => 38,
        Drum::Clap | Drum::Snap => 39,
        Drum::FieldSnare => 40,
        Drum::Taiko => 41,
        Drum::Hat => 42,
        Drum::HighTaiko => 43,
        Drum::Pedal => 44,
        Drum::LowTom => 45,
        Drum::Open => 46,
        Drum::Tom => 47,
        Drum::Crash | Drum::Impact => 49,
        Drum::HighTom => 50,
        Drum::Ride => 51,
        Drum::China => 52,
        Drum::RideBell => 53,
        Drum::Tambourine => 54,
        Drum::Riser => 55,
        Drum::Cowbell => 56,
        Drum::Swell => 57,
        Drum::HighBongo => 60,
        Drum::Bongo => 61,
        Drum::HighCajon => 62,
        Drum::HighConga => 63,
        Drum::Conga | Drum::Cajon => 64,
        Drum::HighFrame | Drum::Tamborim => 65,
        Drum::Frame => 66,
        Drum::HighAgogo => 67,
        Drum::Agogo => 68,
        Drum::Shaker => 70,
        Drum::Guiro => 73,
        Drum::Claves => 75,
        Drum::Woodblock => 76,
        Drum::Triangle => 81,
        Drum::Castanets => 85,
        Drum::HighSurdo => 86,
        Drum::Surdo => 87,
    })
}
