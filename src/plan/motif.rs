//! The melody that holds a piece together: two bars of scale degrees, drawn from the seed.
//!
//! Rhythm and contour have a stream of the seed each. The rhythm is put together from cells: the one that opens the first bar opens
//! the second as well, and a long note ends it. The contour is the best of many that are drawn, by the rules of [`Contour::faults`].

use crate::{audio::Random, music::Metre, plan::vocabulary::Notes, wire::MotifNote};

/// How many contours are drawn for one to be chosen.
const CONTOURS: usize = 160;
/// A beat shorter than this takes no sixteenths, in seconds.
const SHORT_BEAT_SECONDS: f64 = 0.42;
/// A bar longer than this is a motif by itself, in seconds.
const LONG_BAR_SECONDS: f64 = 4.0;

/// How lively a melody is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveliness {
    /// 0 (on the beat) to 1 (against it).
    pub(super) syncopation: f64,
    pub(super) notes: Notes,
}

/// Draws a motif of two bars, one where bars are long: a rhythm with a cell that returns, a line with one peak that moves mostly by
/// step, whose leaps are answered by a step back, and that comes to rest on a long note of the tonic chord.
pub(super) fn draw(seed: u64, metre: Metre, tempo_bpm: f64, lively: Liveliness) -> Vec<MotifNote> {
    let mut random = Random::stream(seed, "plan/motif/rhythm");
    let rhythm = rhythm(&mut random, metre, tempo_bpm, lively);
    let mut random = Random::stream(seed, "plan/motif/contour");
    let lengths: Vec<f64> = rhythm.notes.iter().filter(|note| note.sounds).map(|note| note.beats).collect();
    let contour = Contour::best(&mut random, &lengths, rhythm.returning);
    let mut degrees = contour.degrees.into_iter();
    let sung = |note: Length| MotifNote {
        degree: if note.sounds { degrees.next() } else { None },
        beats: note.beats,
    };
    rhythm.notes.into_iter().map(sung).collect()
}

/// A note or rest without a pitch.
#[derive(Clone, Copy, Debug)]
struct Length {
    beats: f64,
    sounds: bool,
}

#[derive(Debug)]
struct Rhythm {
    notes: Vec<Length>,
    /// How many notes of the opening return, and from which note on.
    returning: (usize, usize),
}

/// Puts two bars together: opening, answer, opening again, goal.
fn rhythm(random: &mut Random, metre: Metre, tempo_bpm: f64, lively: Liveliness) -> Rhythm {
    let eighth = 1.0 / f64::from(metre.eighths_per_beat());
    let spans = spans(metre);
    let quick = 60.0 / tempo_bpm >= SHORT_BEAT_SECONDS;
    let one_bar = metre.bar_seconds(tempo_bpm) > LONG_BAR_SECONDS;
    let opening = cell(random, spans[0], lively, quick);
    // Now and then the tune sets in after the beat.
    let rests = random.chance(0.08 + 0.2 * lively.syncopation) && opening.len() > 2 && opening[0] <= 1.0;
    let mut notes: Vec<Length> = Vec::new();
    let mut push = |cell: &[f64], rests: bool| {
        let from = notes.iter().filter(|note| note.sounds).count();
        let lengths = cell
            .iter()
            .enumerate()
            .map(|(at, eighths)| Length { beats: eighths * eighth, sounds: !(rests && at == 0) });
        notes.extend(lengths);
        from
    };
    push(opening, rests);
    let middle = spans.len() - usize::from(one_bar);
    for span in &spans[1..middle.max(1)] {
        push(cell(random, *span, lively, quick), false);
    }
    let count = opening.len() - usize::from(rests);
    if one_bar && spans.len() > 1 {
        push(&[spans[spans.len() - 1]], false);
        return Rhythm { notes, returning: (0, 0) };
    }
    if spans.len() == 1 {
        push(&[spans[0]], false);
        return Rhythm { notes, returning: (0, 0) };
    }
    let from = push(opening, rests);
    push(&[spans[1..].iter().sum()], false);
    Rhythm { notes, returning: (count, from) }
}

/// The parts of a bar that cells fill, in eighths: half bars, or what comes near to them.
fn spans(metre: Metre) -> Vec<f64> {
    match metre {
        Metre::TwoFour => vec![4.0],
        Metre::ThreeFour => vec![2.0, 4.0],
        Metre::FourFour => vec![4.0, 4.0],
        Metre::FiveFour => vec![6.0, 4.0],
        Metre::SixEight => vec![3.0, 3.0],
        Metre::SevenEight => vec![4.0, 3.0],
        Metre::TwelveEight => vec![6.0, 6.0],
    }
}

/// A cell, in eighths: how many notes it has, and whether it is against the beat, follow from its lengths.
type Cell = &'static [f64];

const TWO: [Cell; 4] = [&[2.0], &[1.0, 1.0], &[1.5, 0.5], &[0.5, 1.5]];
const THREE: [Cell; 6] =
    [&[3.0], &[2.0, 1.0], &[1.0, 1.0, 1.0], &[1.5, 0.5, 1.0], &[1.0, 2.0], &[2.0, 0.5, 0.5]];
const FOUR: [Cell; 13] = [
    &[2.0, 2.0],
    &[3.0, 1.0],
    &[2.0, 1.0, 1.0],
    &[1.0, 1.0, 2.0],
    &[1.5, 0.5, 2.0],
    &[2.0, 1.5, 0.5],
    &[1.0, 1.0, 1.0, 1.0],
    &[1.5, 0.5, 1.0, 1.0],
    &[1.0, 2.0, 1.0],
    &[1.0, 3.0],
    &[1.5, 1.5, 1.0],
    &[0.5, 1.0, 0.5, 2.0],
    &[1.0, 0.5, 0.5, 1.0, 1.0],
];
const SIX: [Cell; 10] = [
    &[4.0, 2.0],
    &[3.0, 3.0],
    &[2.0, 2.0, 2.0],
    &[3.0, 1.0, 2.0],
    &[2.0, 1.0, 3.0],
    &[2.0, 1.0, 2.0, 1.0],
    &[1.0, 1.0, 1.0, 3.0],
    &[1.5, 0.5, 1.0, 3.0],
    &[1.0, 2.0, 3.0],
    &[1.0, 1.0, 1.0, 2.0, 1.0],
];

/// Draws a cell for a span, those likelier that suit how lively the melody is.
fn cell(random: &mut Random, span: f64, lively: Liveliness, quick: bool) -> Cell {
    let cells: &[Cell] = match span as u32 {
        2 => &TWO,
        3 => &THREE,
        6 => &SIX,
        _ => &FOUR,
    };
    let weight = |cell: &Cell| {
        let wanted = match lively.notes {
            Notes::Few => 0.45,
            Notes::Usual => 0.7,
            Notes::Many => 1.0,
        };
        let fullness = cell.len() as f64 / span * if span <= 3.0 { 1.0 } else { 1.15 };
        let suits = (-((fullness - wanted) / 0.22).powi(2)).exp() + 0.02;
        let against = if off_beat(cell, span) { lively.syncopation } else { 1.0 - 0.75 * lively.syncopation };
        let short = match lively.notes {
            _ if !cell.iter().any(|eighths| *eighths < 1.0) => 1.0,
            _ if !quick => 0.0,
            Notes::Few => 0.1,
            Notes::Usual => 0.2 + 0.5 * lively.syncopation,
            Notes::Many => 0.8,
        };
        suits * against * short
    };
    let total: f64 = cells.iter().map(weight).sum();
    let mut left = random.between(0.0, total);
    for cell in cells {
        left -= weight(cell);
        if left < 0.0 {
            return cell;
        }
    }
    cells[0]
}

/// Whether a note is struck off the beat, or between two eighths, and held over the next one.
fn off_beat(cell: &[f64], span: f64) -> bool {
    let beat = if span % 3.0 == 0.0 { 3.0 } else { 2.0 };
    let mut at = 0.0;
    cell.iter().any(|eighths| {
        let start = at;
        at += eighths;
        let over = |unit: f64| start % unit > 0.0 && at > (start / unit).ceil() * unit;
        over(beat) || over(1.0)
    })
}

/// A line of scale degrees.
#[derive(Clone, Debug)]
struct Contour {
    degrees: Vec<i32>,
}

impl Contour {
    /// The best of many lines for notes of these lengths, the opening of which may return.
    fn best(random: &mut Random, lengths: &[f64], returning: (usize, usize)) -> Self {
        let mut best = Self::drawn(random, lengths.len(), returning);
        let mut least = best.faults(lengths);
        for _ in 1..CONTOURS {
            let contour = Self::drawn(random, lengths.len(), returning);
            let faults = contour.faults(lengths);
            if faults < least {
                (best, least) = (contour, faults);
            }
        }
        best
    }

    fn drawn(random: &mut Random, count: usize, (same, from): (usize, usize)) -> Self {
        let mut degree = random.pick(&[0, 0, 2, 4, 4, -3]).copied().unwrap_or(0);
        let mut degrees = vec![degree];
        // The opening returns as it was, or moved.
        let returns = same > 1 && random.chance(0.75);
        for index in 1..count {
            let step = match random.below(20) {
                0..=6 => 1,
                7..=12 => -1,
                13..=14 => 0,
                15 => 2,
                16 => -2,
                17 => 3,
                18 => 4,
                _ => -3,
            };
            let repeats = returns && index > from && index < from + same;
            degree += if repeats { degrees[index - from] - degrees[index - from - 1] } else { step };
            degrees.push(degree);
        }
        Self { degrees }
    }

    /// How far a line is from a good tune; 0 is none.
    fn faults(&self, lengths: &[f64]) -> f64 {
        let degrees = &self.degrees;
        let last = degrees.len() - 1;
        let (low, high) = degrees
            .iter()
            .fold((i32::MAX, i32::MIN), |(low, high), &degree| (low.min(degree), high.max(degree)));
        let steps: Vec<i32> = degrees.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mut faults = 0.0;
        // A range that can be sung: a fifth to an octave.
        faults += f64::from((4 - (high - low)).max(0) + 3 * ((high - low) - 7).max(0));
        faults += 4.0 * f64::from((-4 - low).max(0) + (high - 9).max(0));
        // One peak, neither at the very start nor at the end.
        let peaks = degrees.windows(2).filter(|pair| pair[1] == high && pair[0] != high).count()
            + usize::from(degrees[0] == high);
        let peak = degrees.iter().position(|degree| *degree == high).unwrap_or(0);
        let before: f64 = lengths[..peak].iter().sum();
        let share = before / lengths.iter().sum::<f64>();
        faults += 2.0 * (peaks - 1) as f64;
        faults += if (0.25..=0.8).contains(&share) { 0.0 } else { 2.0 };
        // Mostly steps; one or two leaps, each answered by a step back.
        let leaps = steps.iter().filter(|step| step.abs() >= 3).count();
        faults += match leaps {
            1 | 2 => 0.0,
            0 => 0.7,
            more => 2.0 * (more - 2) as f64,
        };
        for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.abs() >= 3) {
            let answered =
                steps.get(index + 1).is_some_and(|next| next.signum() == -step.signum() && next.abs() <= 2);
            faults += if answered { 0.0 } else { 2.5 };
        }
        let skips = steps.iter().filter(|step| step.abs() == 2).count();
        faults += 0.5 * skips.saturating_sub(2) as f64;
        // No note thrice, no going to and fro.
        faults += 2.0 * steps.windows(2).filter(|pair| pair == &[0, 0]).count() as f64;
        faults += steps.windows(3).filter(|s| s[0] != 0 && s[0] == -s[1] && s[1] == -s[2]).count() as f64;
        faults += steps.iter().filter(|step| **step == 0).count().saturating_sub(1) as f64 * 0.5;
        // It comes to rest on a tone of the tonic chord, by step, below the peak.
        faults += if matches!(degrees[last].rem_euclid(7), 0 | 2 | 4) { 0.0 } else { 6.0 };
        faults += if steps.last().is_some_and(|step| step.abs() <= 2 && *step != 0) { 0.0 } else { 1.5 };
        faults += if degrees[last] < high { 0.0 } else { 2.0 };
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lively(syncopation: f64, notes: Notes) -> Liveliness {
        Liveliness { syncopation, notes }
    }

    fn every_motif(mut check: impl FnMut(&str, &[MotifNote], f64)) {
        for metre in Metre::ALL {
            for (tempo, syncopation, notes) in [
                (120.0, 0.5, Notes::Usual),
                (70.0, 0.9, Notes::Many),
                (172.0, 0.2, Notes::Few),
                (44.0, 0.0, Notes::Few),
            ] {
                for seed in 0..60 {
                    let motif = draw(seed, metre, tempo, lively(syncopation, notes));
                    let bars = if metre.bar_seconds(tempo) > LONG_BAR_SECONDS && spans(metre).len() > 1 {
                        1.0
                    } else {
                        2.0
                    };
                    check(&format!("{metre} {tempo} {seed}"), &motif, bars * metre.beats());
                }
            }
        }
    }

    fn degrees(motif: &[MotifNote]) -> Vec<i32> {
        motif.iter().filter_map(|note| note.degree).collect()
    }

    #[test]
    fn fills_its_bars_and_comes_to_rest_on_a_long_note() {
        every_motif(|name, motif, beats| {
            let sum: f64 = motif.iter().map(|note| note.beats).sum();
            assert!((sum - beats).abs() < 1e-9, "{name}: {sum} of {beats} beats");
            let degrees = degrees(motif);
            assert!(degrees.len() >= 2 && motif.len() <= 32, "{name}: {motif:?}");
            assert!(
                matches!(degrees.last().map(|d| d.rem_euclid(7)), Some(0 | 2 | 4)),
                "{name}: {degrees:?}"
            );
            let longest = motif.iter().map(|note| note.beats).fold(0.0, f64::max);
            assert!(motif.last().is_some_and(|note| note.beats >= longest * 0.6), "{name}: {motif:?}");
        });
    }

    #[test]
    fn is_singable_nearly_always() {
        let (mut all, mut leaps, mut unanswered, mut peaks, mut wide) = (0, 0, 0, 0, 0);
        every_motif(|_, motif, _| {
            let degrees = degrees(motif);
            let steps: Vec<i32> = degrees.windows(2).map(|pair| pair[1] - pair[0]).collect();
            all += 1;
            leaps += usize::from(steps.iter().filter(|step| step.abs() >= 3).count() > 2);
            let back = |index: usize| steps.get(index + 1).is_some_and(|next| next * steps[index] < 0);
            let leaping = (0..steps.len()).filter(|&index| steps[index].abs() >= 3);
            unanswered += usize::from(leaping.filter(|&index| !back(index)).count() > 0);
            let high = degrees.iter().max().copied().unwrap_or(0);
            let ups = degrees.windows(2).filter(|pair| pair[1] == high && pair[0] != high).count();
            peaks += usize::from(ups + usize::from(degrees[0] == high) > 1);
            let low = degrees.iter().min().copied().unwrap_or(0);
            wide += usize::from(high - low > 8);
        });
        for (fault, count) in [("leaps", leaps), ("unanswered", unanswered), ("peaks", peaks), ("wide", wide)]
        {
            assert!(count * 20 <= all, "{fault}: {count} of {all}");
        }
    }

    #[test]
    fn liveliness_is_heard() {
        let notes = |notes, syncopation| -> usize {
            (0..60).map(|seed| draw(seed, Metre::FourFour, 100.0, lively(syncopation, notes)).len()).sum()
        };
        assert!(notes(Notes::Few, 0.3) < notes(Notes::Usual, 0.3));
        assert!(notes(Notes::Usual, 0.3) < notes(Notes::Many, 0.3));
        let against = |syncopation| {
            let motifs =
                (0..100).map(|seed| draw(seed, Metre::FourFour, 100.0, lively(syncopation, Notes::Usual)));
            motifs
                .filter(|motif| {
                    let mut at = 0.0;
                    motif.iter().any(|note| {
                        let start: f64 = at;
                        at += note.beats;
                        start.fract() > 0.0 && at > start.ceil() && note.degree.is_some()
                    })
                })
                .count()
        };
        assert!(against(0.0) < 10 && against(0.9) > 60, "{} {}", against(0.0), against(0.9));
    }

    #[test]
    fn seeds_give_different_motifs_and_one_seed_the_same() {
        let draw = |seed| draw(seed, Metre::FourFour, 100.0, lively(0.4, Notes::Usual));
        let motifs: Vec<_> = (0..40).map(draw).collect();
        assert_eq!(motifs[3], draw(3));
        let same = motifs.iter().filter(|motif| **motif == motifs[0]).count();
        assert!(same <= 2, "{same} of 40 are alike");
    }
}
