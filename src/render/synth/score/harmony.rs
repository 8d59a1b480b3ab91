//! Which chord sounds when: the progressions of a style laid over a section, its cadences, and the ways into other keys.

use super::{chord::Chord, grid::Grid};
use crate::{
    audio::Random,
    music::Key,
    plan::Plan,
    render::synth::style::{Book, Numeral, Progression, Style},
    wire::{Role, TransitionKind},
};

/// The chords of a section.
#[derive(Clone, Debug)]
pub(super) struct Harmony {
    /// In order; the first one starts with the section.
    changes: Vec<Change>,
    /// The chord that follows the last bar.
    next: Chord,
}

/// Where a chord starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) bar: usize,
    /// In sixteenths from the bar line.
    pub(super) place: f64,
    pub(super) chord: Chord,
}

/// The key of a section.
pub(super) fn key(plan: &Plan, index: usize) -> Key {
    plan.sections.get(index).and_then(|section| section.key).unwrap_or(plan.key)
}

impl Harmony {
    /// The chords of section `index`. `bars` counts those that are played in time, `ends` says that the last chord of the piece
    /// follows them.
    pub(super) fn compose(
        plan: &Plan,
        book: &Book,
        style: &Style,
        index: usize,
        (bars, ends): (usize, bool),
        grid: Grid,
    ) -> Self {
        let mode = key(plan, index).mode();
        let new = |numeral: Numeral| Chord::new(numeral, mode, style.colour);
        let home = new(style.home(mode));
        let next = if ends { home } else { opening(plan, book, style, index).unwrap_or(home) };
        let mut score: Vec<(Numeral, Option<Numeral>)> = Vec::with_capacity(bars);
        if let Some(progression) = progression(plan, book, style, index) {
            let per_chord = bars_per_chord(plan, style, index);
            score.extend((0..bars).map(|bar| progression.bar(bar / per_chord)));
        }
        score.resize(bars, (Numeral::tonic(mode.is_minor()), None));
        let leads = |progression: Option<&Progression>, score: &mut Vec<_>| {
            let Some(progression) = progression else { return };
            let count = progression.bars().min(bars / 2);
            for number in 0..count {
                score[bars - count + number] = progression.bar(progression.bars() - count + number);
            }
        };
        let elsewhere = key(plan, index + 1) != key(plan, index) && index + 1 < plan.sections.len();
        let goes_on =
            plan.sections.get(index + 1).is_some_and(|next| next.transition.kind != TransitionKind::Cut);
        if ends && bars >= 2 {
            leads(book.cadence(style, mode), &mut score);
        } else if elsewhere && bars > 0 {
            score[bars - 1].1 = Some(Numeral::dominant_of(next.root));
        } else if goes_on && bars >= 4 && next.root == 0 {
            leads(style.turnaround(mode), &mut score);
        }
        let pedal = Random::stream(plan.seed, &format!("pedal {index}")).chance(style.pedal);
        let free = if style.pedal >= 1.0 { bars } else { bars.saturating_sub(1) };
        let mut changes: Vec<Change> = Vec::new();
        for (bar, (first, second)) in score.into_iter().enumerate() {
            for (place, numeral) in [(0.0, Some(first)), (grid.half(), second)] {
                let Some(chord) = numeral.map(new) else { continue };
                let chord = if pedal && bar < free { chord.over(0) } else { chord };
                if changes.last().is_none_or(|last| last.chord != chord) {
                    changes.push(Change { bar, place, chord });
                }
            }
        }
        Self { changes, next }
    }

    /// The chord that sounds at a place; after the last bar the one that the next section or the end of the piece starts with.
    pub(super) fn at(&self, bar: usize, place: f64, bars: usize) -> Chord {
        if bar >= bars {
            return self.next;
        }
        self.changes[..self.following(bar, place)].last().map_or(self.next, |change| change.chord)
    }

    /// The chord after the one that sounds at a place.
    pub(super) fn after(&self, bar: usize, place: f64) -> Chord {
        self.changes.get(self.following(bar, place)).map_or(self.next, |change| change.chord)
    }

    /// Where the next change after a place is, if there is one in this section.
    pub(super) fn change_after(&self, bar: usize, place: f64) -> Option<Change> {
        self.changes.get(self.following(bar, place)).copied()
    }

    /// Every change, in order.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// How many changes lie at or before a place.
    fn following(&self, bar: usize, place: f64) -> usize {
        self.changes.partition_point(|change| (change.bar, change.place) <= (bar, place + 0.01))
    }
}

/// The first chord of the section after `index`, relative to the tonic of `index`.
fn opening(plan: &Plan, book: &Book, style: &Style, index: usize) -> Option<Chord> {
    plan.sections.get(index + 1)?;
    let next = key(plan, index + 1);
    let (first, _) = progression(plan, book, style, index + 1)?.bar(0);
    let apart = (next.pitch_class() - key(plan, index).pitch_class()).rem_euclid(12);
    Some(Chord::new(first, next.mode(), style.colour).moved(apart))
}

/// Bars of a section as planned, with the one that the last chord of the piece is part of.
fn planned_bars(plan: &Plan, index: usize) -> usize {
    plan.sections.get(index).map_or(0, |section| section.bars.round() as usize).max(1)
}

fn bars_per_chord(plan: &Plan, style: &Style, index: usize) -> usize {
    if planned_bars(plan, index) >= 4 * style.chord_bars { style.chord_bars } else { 1 }
}

/// The progression of a section: one for the piece, others where the form has contrasts; of several the first in the order of
/// the seed that comes out even.
fn progression<'a>(plan: &Plan, book: &'a Book, style: &'a Style, index: usize) -> Option<&'a Progression> {
    let bars = planned_bars(plan, index);
    let mode = key(plan, index).mode();
    let usual = book.progressions(style, mode);
    let role = plan.sections.get(index).map(|section| section.role);
    let own = match role {
        Some(Role::Chorus) => Book::contrasts(style, mode, true),
        Some(Role::Bridge | Role::Development) => Book::contrasts(style, mode, false),
        _ => None,
    };
    let list = own.unwrap_or(usual);
    let mut random = Random::stream(plan.seed, "progressions");
    let main = random.below(usual.len());
    let chorus = if random.chance(0.5) { main } else { random.below(usual.len()) };
    let contrast = main + 1 + random.below(usual.len().max(2) - 1);
    let own_first = random.below(list.len());
    let first = match role {
        _ if own.is_some() => own_first,
        Some(Role::Chorus) => chorus,
        Some(Role::Bridge | Role::Development) => contrast,
        _ => main,
    };
    let per_chord = bars_per_chord(plan, style, index);
    let order = || (0..list.len()).map(|number| &list[(first + number) % list.len()]);
    let length = |progression: &Progression| progression.bars() * per_chord;
    order()
        .find(|progression| bars.is_multiple_of(length(progression)))
        .or_else(|| order().find(|progression| length(progression) <= bars))
        .or_else(|| order().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_progression_of_the_book_grinds_in_its_mode() {
        use crate::music::Mode;
        let book = Book::open().unwrap();
        for name in book.names() {
            let style = book.style(name).unwrap();
            for mode in Mode::ALL {
                for progression in book.progressions(style, mode) {
                    for bar in 0..progression.bars() {
                        let (first, second) = progression.bar(bar);
                        for numeral in [Some(first), second].into_iter().flatten() {
                            let chord = Chord::new(numeral, mode, style.colour);
                            let members = chord.members();
                            let says = numeral.quality.is_some();
                            let minor_ninth = |a: i32, b: i32| matches!(b - a, 1 | 13);
                            let grinds = members.iter().any(|&a| members.iter().any(|&b| minor_ninth(a, b)));
                            assert!(says || !grinds, "{name}, {}: {numeral:?} is {members:?}", mode.name());
                        }
                    }
                }
            }
        }
    }
}
