//! The lowest voice.

use super::{
    Band, Note, Score, Tone, arrange, drums,
    grid::{Mark, Stretch},
    human::Human,
    scene::Scene,
};
use crate::{audio::Random, render::synth::instrument::Instrument, wire::Energy};

/// Lowest pitch of a bass root: E1.
const LOWEST: i32 = 28;
/// Highest pitch of a walking bass.
const WALKS_TO: i32 = 52;

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let first = arrange::first_bar_of_bass(scene, band);
    for (number, &instrument) in band.bass.iter().enumerate() {
        // A second bass would only blur the first: it holds roots.
        let energy = if number == 0 { scene.energy } else { Energy::Low };
        let mut marks = scene.marks("bass", &scene.style.bass, energy, Stretch::Repeat);
        lock(scene, band, &mut marks);
        marks.retain(|mark| mark.bar >= first);
        let mut human = Human::new(scene, &format!("{} bass", instrument.name()), scene.style.laid_back.bass);
        let walk = walk(scene, instrument, &marks, human.random());
        let mut walked = walk.into_iter();
        for mark in &marks {
            let step = if mark.glyph == b'w' { walked.next() } else { None };
            for (piece, (bar, place)) in pieces(scene, mark).into_iter().enumerate() {
                let glyph = if piece == 0 && !starts_chord(scene, mark) { mark.glyph } else { b'1' };
                let Some(pitch) = step.or_else(|| pitch(scene, instrument, bar, place, glyph)) else {
                    continue;
                };
                let at = scene.start + if piece == 0 { mark.at } else { scene.at(bar, place) - scene.start };
                let until = (scene.start + mark.until).min(if step.is_some() {
                    f64::MAX
                } else {
                    scene.chord_until(bar, place)
                });
                let velocity = match glyph {
                    b'g' => 0.3,
                    _ if scene.grid.is_stressed(place) => 0.78,
                    _ => 0.66,
                };
                let seconds = ((until - at) * 0.94).max(0.04);
                let mut note =
                    Note::new(human.at(at), seconds, Tone::Pitch(pitch), human.touch(velocity, at));
                if glyph == b'g' {
                    (note.mute, note.seconds) = (1.0, seconds.min(0.07));
                }
                score.add(instrument, note);
            }
        }
    }
}

/// Marks that go with the kick stay only where it falls, and last until the next note.
fn lock(scene: &Scene<'_>, band: &Band, marks: &mut Vec<Mark>) {
    if !marks.iter().any(|mark| mark.glyph == b'k') {
        return;
    }
    let kicks = drums::kicks(scene, band);
    // Without a kick to go with, the bass takes the beats.
    let falls = |mark: &Mark| {
        let near = |kick: &Mark| (kick.at - mark.at).abs() < 0.5 * scene.grid.step_seconds();
        if kicks.is_empty() {
            mark.place == 0.0 || mark.place == scene.grid.half()
        } else {
            kicks.iter().any(near)
        }
    };
    marks.retain(|mark| mark.glyph != b'k' || falls(mark));
    let end = scene.bars as f64 * scene.grid.bar_seconds();
    for number in 0..marks.len() {
        if marks[number].glyph == b'k' {
            let next = marks.get(number + 1).map_or(end, |next| next.at);
            marks[number].until = next.min(marks[number].at + scene.grid.bar_seconds());
        }
    }
}

/// Whether a chord starts with a mark inside a bar: whatever the pattern has there, it is the chord's own bass.
fn starts_chord(scene: &Scene<'_>, mark: &Mark) -> bool {
    let changes = scene.harmony().changes();
    let here =
        changes.iter().any(|change| change.bar == mark.bar && (change.place - mark.place).abs() < 0.01);
    here && mark.place > 0.0 && matches!(mark.glyph, b'2'..=b'7' | b't' | b'v')
}

/// Where a held note is played anew: at its own place and where the chord changes below it.
fn pieces(scene: &Scene<'_>, mark: &Mark) -> Vec<(usize, f64)> {
    let mut pieces = vec![(mark.bar, mark.place)];
    let mut at = (mark.bar, mark.place);
    while let Some(change) = scene.harmony().change_after(at.0, at.1) {
        at = (change.bar, change.place);
        if scene.at(at.0, at.1) > scene.start + mark.until - 0.5 * scene.grid.step_seconds() {
            break;
        }
        pieces.push(at);
    }
    if matches!(mark.glyph, b'd' | b'w') {
        pieces.truncate(1);
    }
    pieces
}

/// The bass note of the chord at a place in the octave from `lowest` up.
pub(super) fn root_from(scene: &Scene<'_>, bar: usize, place: f64, lowest: i32) -> i32 {
    let chord = scene.chord(bar, place);
    lowest + (scene.key.pitch_class() + chord.bass - lowest).rem_euclid(12)
}

/// The same in the octave of an instrument.
pub(super) fn root(scene: &Scene<'_>, instrument: Instrument, bar: usize, place: f64) -> i32 {
    root_from(scene, bar, place, lowest(instrument))
}

fn lowest(instrument: Instrument) -> i32 {
    instrument.play().range[0].max(LOWEST)
}

fn pitch(scene: &Scene<'_>, instrument: Instrument, bar: usize, place: f64, glyph: u8) -> Option<i32> {
    let chord = scene.chord(bar, place);
    let here = root(scene, instrument, bar, place);
    let above = |member: i32| {
        let class = chord.class(scene.key, member);
        here + (class - here).rem_euclid(12)
    };
    let below = |pitch: i32| if pitch - 12 >= instrument.play().range[0] { pitch - 12 } else { pitch };
    match glyph {
        b'1' | b'k' | b'g' => Some(here),
        b'2' => Some(above(2)),
        b'3' => Some(above(chord.third())),
        b'4' => Some(above(5)),
        b'5' => Some(above(chord.fifth())),
        b'6' => Some(above(9)),
        b'7' => Some(above(chord.seventh())),
        b'8' => Some(here + 12),
        b't' => Some(below(above(chord.seventh()))),
        b'v' => Some(below(above(chord.fifth()))),
        b'd' => Some(here + (scene.key.pitch_class() - here).rem_euclid(12)),
        b'a' => {
            let next = next_root(scene, instrument, bar, place);
            // The step of the scale below or above the next root, whichever is nearer to this one.
            let step =
                |by: i32| (1..=3).map(|size| next + by * size).find(|&pitch| scene.key.contains(pitch));
            if next == here { Some(above(chord.fifth())) } else { step(if next > here { -1 } else { 1 }) }
        }
        _ => None,
    }
}

/// The root that follows: of the next chord in this bar, else of the chord that the next bar starts with.
fn next_root(scene: &Scene<'_>, instrument: Instrument, bar: usize, place: f64) -> i32 {
    match scene.harmony().change_after(bar, place) {
        Some(change) if change.bar == bar => root(scene, instrument, bar, change.place),
        _ => root(scene, instrument, bar + 1, 0.0),
    }
}

/// A walking line for the marks that ask for one: roots where chords start, chord tones on the way, and a step into the next
/// root; never the same pitch twice.
fn walk(scene: &Scene<'_>, instrument: Instrument, marks: &[Mark], random: &mut Random) -> Vec<i32> {
    let marks: Vec<&Mark> = marks.iter().filter(|mark| mark.glyph == b'w').collect();
    let bottom = lowest(instrument);
    let near = |class: i32, to: i32| {
        let low = bottom + (class - bottom).rem_euclid(12);
        [low, low + 12]
            .into_iter()
            .filter(|&pitch| pitch <= WALKS_TO)
            .min_by_key(|pitch| (pitch - to).abs())
            .unwrap_or(low)
    };
    let class = |bar, place| scene.key.pitch_class() + scene.chord(bar, place).bass;
    let mut line: Vec<i32> = Vec::with_capacity(marks.len());
    for (number, mark) in marks.iter().enumerate() {
        let until = scene.chord_until(mark.bar, mark.place);
        let next = marks.get(number + 1);
        let leads = next.is_none_or(|next| scene.start + next.at > until - 0.02);
        let before = line.last().copied();
        // To go back to where it just came from is no walking.
        let again = |pitch: i32| f64::from(u8::from(line.len() >= 2 && line[line.len() - 2] == pitch)) * 1.5;
        let starts = number == 0 || {
            let change = scene
                .harmony()
                .changes()
                .iter()
                .rev()
                .find(|change| (change.bar, change.place) <= (mark.bar, mark.place + 0.01));
            change.is_some_and(|change| {
                scene.at(change.bar, change.place) > scene.start + marks[number - 1].at + 0.02
            })
        };
        let chord = scene.chord(mark.bar, mark.place);
        let from = before.unwrap_or(bottom + 8);
        let target = match next {
            Some(next) if leads => near(class(next.bar, next.place), from),
            _ if leads => near(scene.key.pitch_class() + scene.chord(scene.bars, 0.0).bass, from),
            _ => near(scene.key.pitch_class() + scene.harmony().after(mark.bar, mark.place).bass, from),
        };
        let free = |pitch: i32| {
            (bottom - 2..=WALKS_TO + 2).contains(&pitch)
                && pitch >= instrument.play().range[0]
                && Some(pitch) != before
        };
        let root = near(class(mark.bar, mark.place), from);
        let cost = |pitch: i32, random: &mut Random| {
            let leap = (pitch - from).abs();
            let member = chord.friction(scene.key, pitch) == 0;
            let ahead = (pitch - target).abs();
            f64::from(leap) * 0.35
                + f64::from(ahead) * 0.12
                + if member { 0.0 } else { 1.6 }
                + random.between(0.0, 1.4)
        };
        let pitch = if starts && free(root) {
            root
        } else if leads {
            let steps = [target - 1, target + 1, target - 2, target + 2, target + 7, target - 5];
            let wanted = steps.into_iter().filter(|&pitch| free(pitch) && pitch != target);
            let ranked = wanted.enumerate().map(|(rank, pitch)| {
                let leap = f64::from((pitch - from).abs());
                let foreign = if scene.key.contains(pitch) { 0.0 } else { 0.4 };
                (pitch, leap * 0.3 + foreign + rank as f64 * 0.15 + again(pitch) + random.between(0.0, 0.8))
            });
            ranked.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(root, |(pitch, _)| pitch)
        } else {
            let around = (from - 7..=from + 7).filter(|&pitch| {
                free(pitch)
                    && (chord.friction(scene.key, pitch) == 0
                        || (scene.key.contains(pitch) && (pitch - from).abs() <= 2))
            });
            let ranked: Vec<(i32, f64)> = around.map(|pitch| (pitch, cost(pitch, random))).collect();
            ranked.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(root, |(pitch, _)| pitch)
        };
        line.push(pitch);
    }
    line
}
