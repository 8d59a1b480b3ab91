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
    Played { parts, beats: Vec::new() }
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
            Self::Pitched => MidiSound::Program(program(instrument)),
            Self::Kit => MidiSound::Drums,
            Self::Timpani => MidiSound::Program(TIMPANI),
        }
    }
}

fn name(instrument: Instrument, duty: Duty, voice: Voice) -> String {
    let name = instrument.name().replace('_', " ");
    match (voice, duty) {
        (Voice::Timpani, _) => "timpani".to_owned(),
        (_, Duty::Ground) => name,
        (_, Duty::Melody) => format!("{name} melody"),
    }
}

/// From 0 to 1 to 1 to 127, in proportion, rounded to the nearest.
fn velocity(velocity: f32) -> u8 {
    (127.0 * velocity).round().clamp(1.0, 127.0) as u8
}

/// The program of a pitched instrument, counted from 0.
fn program(instrument: Instrument) -> u8 {
    match instrument {
        Instrument::Bass => 33,
        Instrument::UprightBass => 32,
        Instrument::SynthBass => 38,
        Instrument::ElectricPiano => 4,
        Instrument::Organ => 16,
        Instrument::Strings => 48,
        Instrument::Guitar => 25,
        Instrument::Harp => 46,
        Instrument::Brass => 61,
        Instrument::Flute => 73,
        Instrument::Pad => 89,
        Instrument::Choir => 52,
        Instrument::Lead => 81,
        Instrument::Bells => 14,
        Instrument::Marimba => 12,
        // Kits and textures have no pitched notes.
        Instrument::Piano
        | Instrument::Drums
        | Instrument::Brushes
        | Instrument::ElectronicDrums
        | Instrument::Percussion
        | Instrument::Rain
        | Instrument::Wind
        | Instrument::Sea
        | Instrument::Vinyl => 0,
    }
}

/// The place of a drum in the drum map; none for a drum that has a pitch.
fn drum_key(drum: Drum) -> Option<u8> {
    Some(match drum {
        Drum::Timpani => return None,
        Drum::Kick => 36,
        Drum::Rim => 37,
        Drum::Snare => 38,
        Drum::Clap => 39,
        Drum::Hat => 42,
        Drum::Pedal => 44,
        Drum::Open => 46,
        // The low-mid tom.
        Drum::Tom => 47,
        Drum::Crash => 49,
        Drum::Ride => 51,
        Drum::Tambourine => 54,
        // The second crash cymbal: the map has no roll.
        Drum::Swell => 57,
        Drum::Conga => 64,
        // The maracas: the map has no shaker.
        Drum::Shaker => 70,
    })
}
