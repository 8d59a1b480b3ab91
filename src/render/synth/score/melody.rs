//! The melody: the theme's motif stated, answered, varied and brought back, phrase by phrase, over the chords of the section.

use std::collections::BTreeMap;

use super::{
    Band, Note, Score, Tone, accompany, arrange,
    chord::Chord,
    human::Human,
    ornament,
    phrase::{self, Shape},
    pickup,
    scene::Scene,
    voicing,
};
use crate::{
    audio::Random,
    render::synth::{
        instrument::{Family, Instrument},
        style::Manner,
    },
    wire::{Energy, MotifNote, Role},
};

/// A note of a phrase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sung {
    pub(super) degree: i32,
    /// What it is raised by beside the scale.
    pub(super) semitones: i32,
    /// Beats from the first bar line of the phrase.
    pub(super) at: f64,
    pub(super) beats: f64,
    /// Whether it is leant on: it has to agree with the chord.
    pub(super) strong: bool,
    pub(super) velocity: f32,
}

/// A phrase in its place.
#[derive(Clone, Copy, Debug)]
struct Place<'s, 'a> {
    scene: &'s Scene<'a>,
    first_bar: usize,
    /// Beats that there are for it.
    room: f64,
    shape: Shape,
}

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let motif = &scene.plan.theme.motif;
    let beats: f64 = motif.iter().map(|note| note.beats).sum();
    if band.lead.is_empty() || beats <= 0.0 {
        return;
    }
    let bar_beats = scene.plan.time_signature.beats();
    let phrase_bars = ((beats / bar_beats - 1e-6).ceil() as usize).max(1);
    let upbeat = arrange::has_upbeat(scene);
    let from = arrange::first_bar_of_melody(scene, band);
    let count = scene.bars.div_ceil(phrase_bars);
    let shapes = phrase::shapes(scene, count, upbeat);
    // Where each voice has got to.
    let mut lasts: BTreeMap<Instrument, i32> = BTreeMap::new();
    for (number, &shape) in shapes.iter().enumerate() {
        let first_bar = number * phrase_bars;
        let mut random = scene.random(&format!("phrase {number}"));
        let room = phrase_bars.min(scene.bars - first_bar) as f64 * bar_beats;
        let place = Place { scene, first_bar, room, shape };
        let mut line =
            if shape == Shape::Arpeggio { place.arpeggio() } else { place.fitted(motif, &mut random) };
        // What has been heard plainly may be adorned; what is to be known again stays as it is.
        if !shape.is_literal() {
            let melody = scene.style.melody;
            let eighth = 1.0 / f64::from(scene.plan.time_signature.eighths_per_beat());
            ornament::syncopate(&mut line, melody.syncopation, eighth, &mut random);
            line = ornament::adorn(&line, melody, scene.plan.beat_seconds(), eighth, &mut random);
        }
        line.retain(|note| first_bar as f64 * bar_beats + note.at > from as f64 * bar_beats - 0.01);
        place.sing(band, number, &line, &mut lasts, score);
        if upbeat && number == 0 && count >= 4 {
            let line = scene.bar(phrase_bars);
            pickup::upbeat(scene, band.lead[0], line, score);
        }
    }
}

impl Place<'_, '_> {
    /// Bar and sixteenth of a beat of the phrase.
    fn bar_and_step(&self, beats: f64) -> (usize, f64) {
        let bar_beats = self.scene.plan.time_signature.beats();
        let bar = (beats / bar_beats + 1e-6).floor();
        let steps = (beats - bar * bar_beats).max(0.0) * self.scene.grid.steps_per_beat();
        (self.first_bar + bar as usize, steps)
    }

    fn seconds(&self, beats: f64) -> f64 {
        let (bar, steps) = self.bar_and_step(beats);
        self.scene.at(bar, steps)
    }

    /// The chord that a note is heard against: one that starts just before a change belongs to what follows.
    fn chord(&self, at: f64, beats: f64) -> Chord {
        let (bar, steps) = self.bar_and_step(at);
        let early = beats.min(0.5) * 0.99;
        let (later_bar, later) = self.bar_and_step(at + early);
        if beats > 0.6 { self.scene.chord(later_bar, later) } else { self.scene.chord(bar, steps) }
    }

    fn is_stressed(&self, beats: f64) -> bool {
        self.scene.grid.is_stressed(self.bar_and_step(beats).1)
    }

    /// Lays the shape of the motif over the bars and makes it agree with the chords.
    fn fitted(&self, motif: &[MotifNote], random: &mut Random) -> Vec<Sung> {
        let line = phrase::shaped(motif, self.shape, self.room, |beats| self.is_stressed(beats), random);
        let mut sung = self.placed(&line);
        if sung.is_empty() {
            return sung;
        }
        if self.shape.may_move() {
            let by = self.best_move(&sung);
            for note in &mut sung {
                note.degree += by;
            }
        }
        self.bend(&mut sung);
        match self.shape {
            Shape::Answer => self.end(&mut sung, false),
            Shape::Close | Shape::Response => self.end(&mut sung, true),
            _ => {}
        }
        if !self.shape.is_literal() {
            approach(&mut sung);
        }
        sung
    }

    fn placed(&self, line: &[MotifNote]) -> Vec<Sung> {
        // A phrase takes breath before the next one.
        let breath = self.room - 0.5_f64.min(self.room * 0.1);
        let mut sung: Vec<Sung> = Vec::with_capacity(line.len());
        let mut before = 0.0;
        for (index, note) in line.iter().enumerate() {
            let from = before;
            before += note.beats;
            let Some(degree) = note.degree else { continue };
            if from > breath - 0.2 {
                break;
            }
            let last = !line[index + 1..].iter().any(|next| next.degree.is_some());
            let rings = last && !matches!(self.shape, Shape::Fragment | Shape::Arpeggio);
            let to = if rings { breath.min(before + 2.0) } else { before.min(breath) };
            let (_, steps) = self.bar_and_step(from);
            let stressed = self.scene.grid.is_stressed(steps);
            let strong = steps < 0.01
                || (stressed && note.beats >= 1.0)
                || note.beats >= 1.5
                || (last && matches!(self.shape, Shape::Close | Shape::Answer | Shape::Response));
            let arch = (std::f64::consts::PI * from / self.room.max(1.0)).sin() as f32;
            let velocity = 0.6 + 0.12 * arch + if stressed { 0.06 } else { 0.0 };
            sung.push(Sung { degree, semitones: 0, at: from, beats: to - from, strong, velocity });
        }
        sung
    }

    /// How many steps of the scale a line is moved so that it agrees with its chords: mostly none.
    fn best_move(&self, line: &[Sung]) -> i32 {
        let (moves, dear): (&[i32], i32) = match self.shape {
            // The summit lies above everything else.
            Shape::Climax => (&[2, 3, 4, 1], 1),
            Shape::Statement => (&[0, -1, 1, -2, 2, -3, 3], 4),
            _ => (&[0, -1, 1, -2, 2], 2),
        };
        let cost = |by: i32| {
            let (mut sum, mut before) = (0, None);
            for (number, note) in line.iter().enumerate().filter(|(_, note)| note.strong) {
                let chord = self.chord(note.at, note.beats);
                let pitch = chord.pitch(self.scene.key, note.degree + by, 60);
                // The first note says most.
                let weight = if number == 0 { 6 } else { 4 };
                sum += weight * chord.friction(self.scene.key, pitch);
                sum += 8 * i32::from(self.parallel_to_bass(before, (chord.bass, pitch)));
                before = Some((chord.bass, pitch));
            }
            sum
        };
        let rank = |(number, by): &(usize, &i32)| cost(**by) + dear * *number as i32;
        moves.iter().enumerate().min_by_key(rank).map_or(0, |(_, by)| *by)
    }

    /// Whether bass and melody would go on in parallel fifths or octaves, where that is avoided.
    fn parallel_to_bass(&self, before: Option<(i32, i32)>, now: (i32, i32)) -> bool {
        let Some(before) = before.filter(|_| self.scene.style.strict) else { return false };
        let tonic = self.scene.key.pitch_class();
        voicing::parallel((before.0 + tonic, now.0 + tonic), (before.1, now.1))
    }

    /// Bends strong notes to the chords, in the way that the melody moves; in what is to be known again only those that clash.
    fn bend(&self, line: &mut [Sung]) {
        let key = self.scene.key;
        // The degree before as it is written, and as it is sung.
        let mut previous: Option<(i32, i32)> = None;
        let mut strong_before: Option<(i32, i32)> = None;
        for note in line {
            let written = note.degree;
            let chord = self.chord(note.at, note.beats);
            let pitch = |degree: i32| chord.pitch(key, degree, 60);
            let bearable = if self.shape.is_literal() { 3 } else { 0 };
            let parallel = |degree: i32| self.parallel_to_bass(strong_before, (chord.bass, pitch(degree)));
            if note.strong {
                let clashes = chord.friction(key, pitch(written)) > bearable;
                let mut sung = match previous {
                    _ if !clashes => written,
                    Some((was, sung)) => chord.bent(written, written - was, sung),
                    None => chord.nearest_member(written, written),
                };
                if parallel(sung) && !self.shape.is_literal() {
                    let others = (sung - 3..=sung + 3)
                        .filter(|&other| chord.friction(key, pitch(other)) == 0 && !parallel(other));
                    sung = others.min_by_key(|other| (other - sung).abs()).unwrap_or(sung);
                }
                note.degree = sung;
                strong_before = Some((chord.bass, pitch(sung)));
            }
            previous = Some((written, note.degree));
        }
    }

    /// Gives a line its end: the tonic, or a tone that wants to go on; the note before leads there by step.
    fn end(&self, line: &mut [Sung], closed: bool) {
        let key = self.scene.key;
        let Some(last) = line.last().copied() else { return };
        let chord = self.chord(last.at, last.beats);
        let rank = |degree: i32| {
            let friction = chord.friction(key, chord.pitch(key, degree, 60));
            let wanted = match (closed, degree.rem_euclid(7)) {
                (true, 0) | (false, 1 | 4 | 6) => 0,
                (true, 2 | 4) => 2,
                (true, _) | (false, 0) => 4,
                (false, _) => 1,
            };
            // A close is a close even over a chord that the tonic merely colours.
            4 * friction + wanted + (degree - last.degree).abs()
        };
        let degree =
            (last.degree - 4..=last.degree + 4).min_by_key(|&degree| rank(degree)).unwrap_or(last.degree);
        let count = line.len();
        line[count - 1].degree = degree;
        if count >= 2 && !line[count - 2].strong && line[count - 2].beats <= 1.0 {
            let from = if count >= 3 { line[count - 3].degree } else { line[count - 2].degree };
            line[count - 2].degree = degree + if from > degree { 1 } else { -1 };
        }
    }

    /// The chord note by note in eighths, up and down.
    fn arpeggio(&self) -> Vec<Sung> {
        let eighth = 1.0 / f64::from(self.scene.plan.time_signature.eighths_per_beat());
        let count = ((self.room - 0.5) / eighth).floor().max(0.0) as usize;
        let figure = [0, 2, 4, 7, 4, 2];
        let mut root = 0;
        (0..count)
            .map(|number| {
                let at = number as f64 * eighth;
                root = self.chord(at, eighth).nearest_root(root / 2);
                let velocity = if self.is_stressed(at) { 0.58 } else { 0.5 };
                let degree = root + figure[number % 6];
                Sung { degree, semitones: 0, at, beats: eighth, strong: false, velocity }
            })
            .collect()
    }

    /// Hands a line to those who sing it.
    fn sing(
        &self,
        band: &Band,
        number: usize,
        line: &[Sung],
        lasts: &mut BTreeMap<Instrument, i32>,
        score: &mut Score,
    ) {
        let scene = self.scene;
        let together = scene.role == Role::Chorus || scene.energy == Energy::High;
        let calls = scene.style.melody.manner == Manner::Call;
        let chairs = band.lead.len();
        let turn = match (calls, self.shape) {
            (true, Shape::Response) => 1 % chairs,
            (true, _) => 0,
            (false, _) => number % chairs,
        };
        // At the climax, an instrument that sings alone does it in octaves.
        let doubled = scene.energy == Energy::High && chairs == 1;
        for (chair, &instrument) in band.lead.iter().enumerate() {
            let plays = if together && !(calls && self.shape == Shape::Response) {
                !(chair == 1 && scene.style.counter)
            } else {
                chair == turn
            };
            if !plays {
                continue;
            }
            let second = together && chair == 1 && chair != turn;
            let line = if second { self.below(line) } else { line.to_vec() };
            let softer = if chair > 0 && together { 0.85 } else { 1.0 };
            // Nobody to answer: the same voice, an octave lower.
            let lower = calls && self.shape == Shape::Response && chairs == 1;
            let octaves = (doubled, lower);
            let last = self.voice(instrument, &line, softer, octaves, lasts.get(&instrument).copied(), score);
            lasts.extend(last.map(|last| (instrument, last)));
        }
    }

    /// A second voice a third or more below.
    fn below(&self, line: &[Sung]) -> Vec<Sung> {
        let under = |note: &Sung| {
            let chord = self.chord(note.at, note.beats);
            let degree = if note.strong {
                chord.nearest_member(note.degree - 3, note.degree)
            } else {
                note.degree - 2
            };
            Sung { degree: degree.min(note.degree - 2), semitones: 0, ..*note }
        };
        line.iter().map(under).collect()
    }

    /// Plays a line; `doubled` adds the octave below where an instrument can, `lower` puts it an octave down. `last` is the pitch
    /// that the voice has got to, and so is what comes back.
    fn voice(
        &self,
        instrument: Instrument,
        line: &[Sung],
        softer: f32,
        (doubled, lower): (bool, bool),
        last: Option<i32>,
        score: &mut Score,
    ) -> Option<i32> {
        let scene = self.scene;
        let play = instrument.play();
        let doubled = doubled && play.octaves;
        let pitches = in_range(scene, instrument, line, |note| self.chord(note.at, note.beats), lower, last);
        let purpose = format!("{} melody {}", instrument.name(), self.first_bar);
        let mut human = Human::new(scene, &purpose, scene.style.laid_back.melody);
        let slurs = instrument.family() == Family::Held
            && (scene.style.melody.manner == Manner::Long || accompany::asked(scene, instrument, "legato"));
        let mut before: Option<(f64, i32)> = None;
        for (note, &pitch) in line.iter().zip(&pitches) {
            let (at, until) = (self.seconds(note.at), self.seconds(note.at + note.beats));
            let velocity = human.touch(note.velocity * softer, at);
            let mut sounding = Note::new(human.at(at), (until - at) * 0.97, Tone::Pitch(pitch), velocity);
            sounding.legato =
                slurs && before.is_some_and(|(end, was)| at - end < 0.02 && (pitch - was).abs() <= 7);
            before = Some((until, pitch));
            score.sing(instrument, sounding);
            if doubled {
                let octave = Note { tone: Tone::Pitch(pitch - 12), velocity: velocity * 0.7, ..sounding };
                score.sing(instrument, octave);
            }
        }
        pitches.last().copied()
    }
}

/// A short weak note that would leap into a strong one steps there instead.
fn approach(line: &mut [Sung]) {
    for number in 1..line.len().saturating_sub(1) {
        let (before, note, next) = (line[number - 1], line[number], line[number + 1]);
        let far = (next.degree - note.degree).abs() > 3;
        if !note.strong && next.strong && note.beats <= 0.5 && far {
            line[number].degree = next.degree + if before.degree > next.degree { 1 } else { -1 };
        }
    }
}

/// The pitches of a line on an instrument: the whole line in the octave that fits, single notes folded where nothing else helps, and
/// no leap of more than an octave.
fn in_range(
    scene: &Scene<'_>,
    instrument: Instrument,
    line: &[Sung],
    chord: impl Fn(&Sung) -> Chord,
    lower: bool,
    last: Option<i32>,
) -> Vec<i32> {
    let play = instrument.play();
    let octave = octave(scene, instrument) - if lower { 12 } else { 0 };
    let mut pitches: Vec<i32> =
        line.iter().map(|note| chord(note).pitch(scene.key, note.degree, octave) + note.semitones).collect();
    let (Some(&least), Some(&most)) = (pitches.iter().min(), pitches.iter().max()) else { return pitches };
    let strain = |shift: i32| {
        let outside = (play.range[0] - least - shift).max(0) + (most + shift - play.range[1]).max(0);
        let far = (play.melody - 15 - least - shift).max(0) + (most + shift - play.melody - 17).max(0);
        let leap = last.map_or(0, |last| ((pitches[0] + shift - last).abs() - 9).max(0));
        20 * outside + 3 * far + 4 * leap + shift.abs() / 3
    };
    let shift = [0, -12, 12].into_iter().min_by_key(|&shift| strain(shift)).unwrap_or(0);
    let mut before: Option<i32> = None;
    for pitch in &mut pitches {
        *pitch += shift;
        while *pitch > play.range[1] {
            *pitch -= 12;
        }
        while *pitch < play.range[0] {
            *pitch += 12;
        }
        if let Some(before) = before {
            let nearer = *pitch - 12 * (*pitch - before).signum();
            let fits = (play.range[0]..=play.range[1]).contains(&nearer);
            if (*pitch - before).abs() > 12 && fits {
                *pitch = nearer;
            }
        }
        before = Some(*pitch);
    }
    pitches
}

/// The octave, as a MIDI C, in which an instrument plays the motif nearest to its best range.
pub(super) fn octave(scene: &Scene<'_>, instrument: Instrument) -> i32 {
    let motif = scene.plan.theme.motif.iter().filter_map(|note| note.degree);
    let pitches: Vec<i32> = motif.map(|degree| scene.plan.key.pitch(degree, 0)).collect();
    let mean = pitches.iter().sum::<i32>() / pitches.len().max(1) as i32;
    12 * (f64::from(instrument.play().melody - mean) / 12.0).round() as i32
}
