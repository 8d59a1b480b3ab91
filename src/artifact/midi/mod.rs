//! The notes of a piece as a standard MIDI file: type 1, 960 ticks to a quarter note, General MIDI.
//!
//! - Track 0 has the title, where the piece comes from, metre, tempo, keys, and a marker where each section starts.
//! - Then comes one track per part, with its name, its program (none for drums) and its notes. Every track ends with the sound.
//! - Bar lines lie on exact multiples of a bar's ticks. A note starts within 1 ms of its sound at 40 bpm, nearer at higher tempi.
//! - A hit of a drum has no length; it is written as a thirty-second note.
//! - Two notes of one key on one channel never overlap, but for drums of two kits: the earlier ends where the later begins. Of two
//!   that begin together one is written, as long as the longer and as loud as the louder.
//! - Text is UTF-8.

mod channels;
mod clock;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use midly::{
    Format, Header, MetaMessage, MidiMessage, Smf, Timing, Track, TrackEvent, TrackEventKind,
    num::{u4, u7, u15, u24, u28},
};

use self::{
    channels::Seat,
    clock::{Clock, TICKS_PER_QUARTER},
};
use super::{Finished, tags::Tags};
use crate::{
    music::{Key, Metre},
    render::{MidiSound, Part, Played},
};

/// Length of a drum's hit in ticks.
const HIT_TICKS: u32 = TICKS_PER_QUARTER as u32 / 8;
/// MIDI clocks in a quarter note.
const CLOCKS_PER_QUARTER: u32 = 24;
/// How fast a key is let go where nobody says.
const RELEASE: u8 = 64;

/// Writes the notes of a piece.
///
/// # Errors
/// When writing fails.
pub(super) fn write(out: &mut impl Write, finished: &Finished, played: &Played) -> io::Result<()> {
    let plan = &finished.plan;
    let clock = Clock::new(plan.tempo_bpm, plan.time_signature, &played.beats);
    let end = clock.tick(finished.mastered.sound.seconds()).max(1);
    let texts = Texts::of(finished);
    let seats = channels::seats(&played.parts);
    let mut tracks = vec![track(conductor(finished, &texts, &clock, end), end)];
    let notes = notes(&played.parts, &seats, &clock, end);
    let shared: Vec<Option<String>> = seats.iter().map(|seat| note_of_sharing(seat, &played.parts)).collect();
    for (number, part) in played.parts.iter().enumerate() {
        let mut events = vec![(0, meta(MetaMessage::TrackName(part.name.as_bytes())))];
        events.extend(shared[number].iter().map(|text| (0, meta(MetaMessage::Text(text.as_bytes())))));
        let channel = seats[number].channel;
        if let (MidiSound::Program(program), None) = (part.sound, seats[number].plays_as) {
            events.push((0, midi(channel, MidiMessage::ProgramChange { program: u7::from(program) })));
        }
        let mut sounding: Vec<(u32, MidiMessage)> = Vec::new();
        for note in notes.iter().filter(|note| note.part == number) {
            let key = u7::from(note.key);
            sounding.push((note.on, MidiMessage::NoteOn { key, vel: u7::from(note.velocity) }));
            sounding.push((note.off, MidiMessage::NoteOff { key, vel: u7::from(RELEASE) }));
        }
        // At one tick what ends comes before what starts.
        sounding.sort_by_key(|(tick, message)| (*tick, matches!(message, MidiMessage::NoteOn { .. })));
        events.extend(sounding.into_iter().map(|(tick, message)| (tick, midi(channel, message))));
        tracks.push(track(events, end));
    }
    let timing = Timing::Metrical(u15::from(TICKS_PER_QUARTER));
    Smf { header: Header { format: Format::Parallel, timing }, tracks }.write_std(out)
}

/// Texts that stand in track 0.
struct Texts {
    title: String,
    origin: String,
    /// The key of each section in words: a signature alone tells no modes.
    keys: Vec<String>,
}

impl Texts {
    fn of(finished: &Finished) -> Self {
        let Tags { title, software, comment, .. } = Tags::of_notes(finished);
        let keys = finished.plan.sections.iter().map(|section| key_of(finished, section.key));
        let keys = keys.map(|key| format!("key: {key}")).collect();
        Self { title, origin: format!("{software}; {comment}"), keys }
    }
}

fn key_of(finished: &Finished, section: Option<Key>) -> Key {
    section.unwrap_or(finished.plan.key)
}

/// What track 0 tells of all others: title, metre, tempo, keys, sections. Sorted by time.
fn conductor<'a>(
    finished: &'a Finished,
    texts: &'a Texts,
    clock: &Clock,
    end: u32,
) -> Vec<(u32, TrackEventKind<'a>)> {
    let mut events = vec![
        (0, meta(MetaMessage::TrackName(texts.title.as_bytes()))),
        (0, meta(MetaMessage::Text(texts.origin.as_bytes()))),
        (0, meta(time_signature(finished.plan.time_signature))),
    ];
    let tempi = clock.tempi(end).into_iter();
    events.extend(
        tempi.map(|tempo| (tempo.tick, meta(MetaMessage::Tempo(u24::from(tempo.micros_per_quarter))))),
    );
    let mut sounding = None;
    for (section, text) in finished.plan.sections.iter().zip(&texts.keys) {
        let tick = clock.tick(section.start_seconds).min(end);
        let key = key_of(finished, section.key);
        if sounding.replace(key) != Some(key) {
            events.push((tick, meta(MetaMessage::KeySignature(key.signature(), key.mode().is_minor()))));
            events.push((tick, meta(MetaMessage::Text(text.as_bytes()))));
        }
        events.push((tick, meta(MetaMessage::Marker(section.label.as_bytes()))));
    }
    events.sort_by_key(|(tick, _)| *tick);
    events
}

/// A click is a beat: the quarter, the dotted quarter in 6/8 and 12/8; in 7/8, whose beats are uneven, the eighth.
fn time_signature(metre: Metre) -> MetaMessage<'static> {
    let (over, under, click_eighths) = match metre {
        Metre::SevenEight => (metre.eighths(), 3, 1),
        metre if metre.is_compound() => (metre.eighths(), 3, metre.eighths_per_beat()),
        metre => (metre.eighths() / 2, 2, 2),
    };
    MetaMessage::TimeSignature(over as u8, under, (CLOCKS_PER_QUARTER * click_eighths / 2) as u8, 8)
}

/// What a track says when its part cannot have the channel for itself.
fn note_of_sharing(seat: &Seat, parts: &[Part]) -> Option<String> {
    let other = &parts.get(seat.plays_as?)?.name;
    Some(format!(
        "there are no more channels: this part shares channel {} and its program with {other}",
        seat.channel + 1
    ))
}

/// A note in ticks.
struct TickNote {
    part: usize,
    drum: bool,
    channel: u8,
    key: u8,
    velocity: u8,
    on: u32,
    off: u32,
}

/// Every note, none overlapping another of its key on its channel; a drum, none of its own part.
fn notes(parts: &[Part], seats: &[Seat], clock: &Clock, end: u32) -> Vec<TickNote> {
    let mut notes: Vec<TickNote> = Vec::new();
    for (number, (part, seat)) in parts.iter().zip(seats).enumerate() {
        notes.extend(part.notes.iter().map(|note| {
            let on = clock.tick(note.at).min(end - 1);
            let off = match part.sound {
                MidiSound::Drums => on + HIT_TICKS,
                MidiSound::Program(_) => clock.tick(note.at + note.seconds),
            };
            let off = off.clamp(on + 1, end);
            TickNote {
                part: number,
                drum: part.sound == MidiSound::Drums,
                channel: seat.channel,
                key: note.key,
                velocity: note.velocity,
                on,
                off,
            }
        }));
    }
    // Kits share a channel, and two may strike the same drum.
    let line = |note: &TickNote| (note.channel, if note.drum { note.part } else { 0 }, note.key);
    notes.sort_by_key(|note| (line(note), note.on));
    notes.dedup_by(|later, first| {
        let together = (line(first), first.on) == (line(later), later.on);
        if together {
            first.velocity = first.velocity.max(later.velocity);
            first.off = first.off.max(later.off);
        }
        together
    });
    for at in 1..notes.len() {
        let (next, on) = (line(&notes[at]), notes[at].on);
        let note = &mut notes[at - 1];
        if line(note) == next {
            note.off = note.off.min(on);
        }
    }
    notes
}

fn meta(message: MetaMessage<'_>) -> TrackEventKind<'_> {
    TrackEventKind::Meta(message)
}

fn midi(channel: u8, message: MidiMessage) -> TrackEventKind<'static> {
    TrackEventKind::Midi { channel: u4::from(channel), message }
}

/// Events in order as a track that ends at `end`.
fn track(events: Vec<(u32, TrackEventKind<'_>)>, end: u32) -> Track<'_> {
    let mut now = 0;
    let last = (end, meta(MetaMessage::EndOfTrack));
    let timed = events.into_iter().chain([last]).map(|(tick, kind)| {
        let delta = u28::from(tick - now);
        now = tick;
        TrackEvent { delta, kind }
    });
    timed.collect()
}
