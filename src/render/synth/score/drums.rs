//! Drums and percussion: grooves, fills, and what leads into the next section.

use super::{
    Band, Note, Score, Tone, arrange,
    grid::{Mark, Stretch},
    human::Human,
    scene::Scene,
};
use crate::{
    render::synth::{
        instrument::Instrument,
        style::{Drum, Fills, LaidBack, Lanes, Lift, Pattern},
    },
    wire::{Density, Energy, Pulse, Role},
};

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let kit = band.rhythm.iter().position(|instrument| !instrument.is_percussion());
    for (number, &instrument) in band.rhythm.iter().enumerate() {
        let Some((lanes, own)) = lanes(scene, instrument) else { continue };
        let fills = fills(scene, instrument);
        for (&drum, pattern) in lanes {
            let purpose = format!("{} {drum:?}", instrument.name());
            let mut human = Human::new(scene, &purpose, stands(drum, &scene.style.laid_back));
            let first = arrange::first_bar_of_drum(scene, band, instrument, drum, number);
            for mark in paced(scene, drum, pattern, own) {
                let filled = !drum.keeps_time()
                    && fills.iter().any(|fill| fill.bar == mark.bar && mark.place > fill.from - 0.01);
                // Ghost notes come and go.
                let gone = mark.glyph == b'g' && !drum.keeps_time() && human.random().chance(0.2);
                if mark.bar >= first && !filled && !gone {
                    strike(scene, instrument, drum, &mark, &mut human, score);
                }
            }
        }
        for fill in &fills {
            fill.play(scene, instrument, score);
        }
        if kit == Some(number) || (kit.is_none() && number == 0 && !fills.is_empty()) {
            lift(scene, instrument, score);
        }
    }
}

/// What a rhythm instrument plays in this section, and whether it was written for its metre.
fn lanes<'a>(scene: &Scene<'a>, instrument: Instrument) -> Option<(&'a Lanes, bool)> {
    let groove = if instrument.is_percussion() {
        scene.book.percussion(scene.style, instrument.name())?
    } else {
        &scene.style.drums
    };
    let (choice, own) = groove.of(scene.energy, scene.plan.time_signature);
    let what = if instrument.is_percussion() { instrument.name() } else { "drums" };
    Some((&choice[scene.chosen(what, choice)?], own))
}

/// Where the kick falls in this section, for a bass that goes with it.
pub(super) fn kicks(scene: &Scene<'_>, band: &Band) -> Vec<Mark> {
    let Some(&kit) = band.rhythm.iter().find(|instrument| !instrument.is_percussion()) else {
        return Vec::new();
    };
    let Some((lanes, own)) = lanes(scene, kit) else { return Vec::new() };
    let kicks = [Drum::Kick, Drum::LowKick];
    let mut marks: Vec<Mark> = kicks
        .iter()
        .filter_map(|drum| lanes.get(drum).map(|pattern| paced(scene, *drum, pattern, own)))
        .flatten()
        .collect();
    marks.sort_by(|a, b| a.at.total_cmp(&b.at));
    marks
}

fn stands(drum: Drum, laid_back: &LaidBack) -> f64 {
    match drum {
        Drum::Snare | Drum::Clap | Drum::Rim | Drum::Snap => laid_back.snare,
        drum if drum.keeps_time() => laid_back.hats,
        _ => 0.0,
    }
}

/// The marks of a lane at the pace of the piece: in half time the beat is spread over two bars, in double time it comes twice
/// in one, while whatever counts time goes on.
fn paced(scene: &Scene<'_>, drum: Drum, pattern: &Pattern, own: bool) -> Vec<Mark> {
    let grid = scene.grid;
    let steps = grid.steps() as f64;
    let pace = match scene.plan.theme.pulse {
        Pulse::Half if !drum.keeps_time() => 2.0,
        Pulse::Double if !drum.keeps_time() => 0.5,
        _ => 1.0,
    };
    let bars = (scene.bars as f64 / pace).ceil() as usize;
    let mut marks = grid.marks(pattern, own, bars, Stretch::Repeat);
    if pace != 1.0 {
        for mark in &mut marks {
            let place = (mark.bar as f64 * steps + mark.place) * pace;
            let length = mark.until - mark.at;
            mark.bar = (place / steps + 1e-9) as usize;
            mark.place = place - mark.bar as f64 * steps;
            mark.at = mark.bar as f64 * grid.bar_seconds() + grid.seconds(mark.place);
            mark.until = mark.at + length * pace.min(1.0);
        }
        marks.retain(|mark| mark.bar < scene.bars);
    }
    match scene.plan.theme.density {
        Density::Sparse => marks.retain(|mark| {
            !matches!(mark.glyph, b'g' | b'2' | b'3') && (mark.glyph != b'o' || grid.is_stressed(mark.place))
        }),
        Density::Dense if drum.keeps_time() && drum != Drum::Open => denser(scene, &mut marks),
        _ => {}
    }
    marks
}

/// Soft sixteenths where a lane has room for them.
fn denser(scene: &Scene<'_>, marks: &mut Vec<Mark>) {
    let grid = scene.grid;
    let between: Vec<Mark> = marks
        .iter()
        .filter(|mark| mark.place % 2.0 < 0.01 && (mark.place as usize) + 1 < grid.steps())
        .map(|mark| {
            let place = mark.place + 1.0;
            let at = mark.bar as f64 * grid.bar_seconds() + grid.seconds(place);
            Mark { glyph: b'g', place, at, until: at + grid.step_seconds(), ..*mark }
        })
        .filter(|new| !marks.iter().any(|mark| (mark.at - new.at).abs() < 0.02))
        .collect();
    marks.extend(between);
    marks.sort_by(|a, b| a.at.total_cmp(&b.at));
}

fn strike(
    scene: &Scene<'_>,
    instrument: Instrument,
    drum: Drum,
    mark: &Mark,
    human: &mut Human,
    score: &mut Score,
) {
    let velocity = match mark.glyph {
        b'X' | b'f' => 0.95,
        b'x' => 0.75,
        b'2' | b'3' => 0.55,
        b'o' => 0.42,
        _ => 0.2,
    };
    let times = if mark.glyph.is_ascii_digit() { usize::from(mark.glyph - b'0') } else { 1 };
    let at = human.at(scene.start + mark.at);
    let length = mark.until - mark.at;
    if mark.glyph == b'f' {
        let grace = hit((at - 0.028).max(scene.start), drum, human.touch(0.4, at));
        score.add(instrument, grace);
    }
    for number in 0..times {
        // A roll grows.
        let velocity = velocity + 0.08 * number as f32;
        let at = at + length * number as f64 / times as f64;
        score.add(instrument, hit(at, drum, human.touch(velocity, at)));
    }
}

fn hit(at: f64, drum: Drum, velocity: f32) -> Note {
    Note::new(at, 0.0, Tone::Hit(drum), velocity)
}

/// A fill in its place.
#[derive(Debug)]
struct Fill<'a> {
    bar: usize,
    /// Where it starts, in sixteenths from the bar line.
    from: f64,
    lanes: &'a Lanes,
}

/// The fills of an instrument in a section: small ones at the ends of phrases, a big one at the end of the section.
fn fills<'a>(scene: &Scene<'a>, instrument: Instrument) -> Vec<Fill<'a>> {
    let fills: Option<&Fills> = if instrument.is_percussion() {
        scene.book.fills_of(instrument.name())
    } else {
        scene.book.fills(scene.style)
    };
    let Some(fills) = fills.filter(|_| scene.bars >= 2) else { return Vec::new() };
    let rises = scene.energy_after().is_some_and(|after| after > scene.energy);
    let mut random = scene.random(&format!("{} fills", instrument.name()));
    let starts: Vec<f64> = scene.grid.starts().collect();
    let mut found = Vec::new();
    for bar in 0..scene.bars {
        let last = bar + 1 == scene.bars;
        let phrase = (bar + 1).is_multiple_of(scene.style.fill_every);
        let kind = match (last && scene.bars >= 4, scene.energy) {
            (true, Energy::Low) if !(rises && scene.style.lift == Lift::Fill) => continue,
            (true, Energy::Low) => &fills.small,
            // A drop has its own way in.
            (true, _) if rises && scene.style.lift == Lift::Riser => continue,
            (true, _) => &fills.big,
            (false, energy) if phrase && energy > Energy::Low && random.chance(0.75) => &fills.small,
            (false, _) => continue,
        };
        let Some(lanes) = random.pick(kind) else { continue };
        let cells = lanes.values().map(|pattern| pattern.bar(0).len()).max().unwrap_or(0);
        let Some(&from) = starts.len().checked_sub(cells.max(1)).and_then(|first| starts.get(first)) else {
            continue;
        };
        found.push(Fill { bar, from, lanes });
    }
    found
}

impl Fill<'_> {
    fn play(&self, scene: &Scene<'_>, instrument: Instrument, score: &mut Score) {
        let grid = scene.grid;
        let ends: Vec<f64> = grid.starts().skip(1).chain([grid.steps() as f64]).collect();
        let mut human = Human::new(scene, &format!("{} fill {}", instrument.name(), self.bar), 0.0);
        for (&drum, pattern) in self.lanes {
            let cells = pattern.bar(0);
            let first = ends.len() - cells.len();
            let mut start = self.from;
            for (cell, &end) in cells.iter().zip(&ends[first..]) {
                let size = (end - start) / cell.len() as f64;
                for (number, &glyph) in cell.iter().enumerate().filter(|(_, glyph)| **glyph != b'.') {
                    let place = start + number as f64 * size;
                    // Only sixteenths are swung.
                    let swings = (size - 1.0).abs() < 0.01;
                    let seconds = if swings { grid.seconds(place) } else { place * grid.step_seconds() };
                    let at = self.bar as f64 * grid.bar_seconds() + seconds;
                    let mark =
                        Mark { glyph, bar: self.bar, place, at, until: at + size * grid.step_seconds() };
                    strike(scene, instrument, drum, &mark, &mut human, score);
                }
                start = end;
            }
        }
    }
}

/// What leads into a section of higher energy, and its first beat.
fn lift(scene: &Scene<'_>, instrument: Instrument, score: &mut Score) {
    let lift = scene.style.lift;
    let full = matches!(scene.role, Role::Chorus | Role::Development) || scene.energy == Energy::High;
    let risen = scene.energy_before().is_some_and(|before| before < scene.energy);
    if scene.bars > 0 && lift != Lift::None && (full || (risen && scene.energy > Energy::Low)) {
        let velocity = if scene.energy == Energy::High { 0.75 } else { 0.5 };
        score.add(instrument, hit(scene.start, Drum::Crash, velocity));
        if lift == Lift::Riser && risen {
            score.add(instrument, hit(scene.start, Drum::Impact, 0.7));
        }
    }
    if scene.energy_after().is_none_or(|after| after <= scene.energy) || scene.bars < 4 {
        return;
    }
    let end = scene.bar(scene.bars);
    match lift {
        Lift::None | Lift::Crash | Lift::Fill => {}
        Lift::Swell => {
            let length = scene.grid.bar_seconds();
            score.add(instrument, Note::new(end - length, length, Tone::Hit(Drum::Swell), 0.6));
        }
        Lift::Riser => {
            let bars = if scene.bars >= 8 { 4 } else { 2 };
            let length = f64::from(bars) * scene.grid.bar_seconds();
            score.add(instrument, Note::new(end - length, length, Tone::Hit(Drum::Riser), 0.6));
            roll(scene, instrument, score);
        }
    }
}

/// A roll that grows and quickens over two bars: eighths, then sixteenths.
fn roll(scene: &Scene<'_>, instrument: Instrument, score: &mut Score) {
    let mut human = Human::new(scene, "roll", 0.0);
    let steps = scene.grid.steps();
    for step in 0..2 * steps {
        if step < steps && step % 2 == 1 {
            continue;
        }
        let along = step as f32 / (2 * steps) as f32;
        let at = scene.at(scene.bars - 2 + step / steps, (step % steps) as f64);
        score.add(instrument, hit(human.at(at), Drum::Snare, human.touch(0.25 + 0.55 * along, at)));
    }
}
