//! What every player of a section needs to know: where its bars are, what chord sounds, how it ends.

use super::{
    chord::Chord,
    ending::Layout,
    grid::{Grid, Mark, Stretch},
    harmony::{self, Harmony},
};
use crate::{
    audio::Random,
    music::Key,
    plan::Plan,
    render::synth::style::{Book, Groove, Mood, Pattern, Style},
    wire::{Density, Energy, PlanSection, Role},
};

/// One section, laid out in bars. Its times are nominal: where the piece slows down, they are stretched afterwards.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) plan: &'a Plan,
    pub(super) book: &'a Book,
    pub(super) style: &'a Style,
    pub(super) index: usize,
    pub(super) grid: Grid,
    pub(super) key: Key,
    /// Where the section starts.
    pub(super) start: f64,
    /// Where it ends.
    pub(super) end: f64,
    /// Bars that are played in time.
    pub(super) bars: usize,
    pub(super) layout: Layout,
    pub(super) energy: Energy,
    pub(super) role: Role,
    pub(super) mood: Mood,
    harmony: Harmony,
    seed: u64,
}

impl<'a> Scene<'a> {
    pub(super) fn new(plan: &'a Plan, book: &'a Book, style: &'a Style, index: usize) -> Self {
        let section: Option<&PlanSection> = plan.sections.get(index);
        let start = section.map_or(0.0, |section| section.start_seconds);
        let seconds = section.map_or(0.0, |section| section.length_seconds);
        let layout = Layout::of(plan, style, index);
        let swing = plan.theme.swing.unwrap_or(style.swing);
        let grid = Grid::new(plan.time_signature, plan.tempo_bpm, swing, style.swing_unit);
        let ends = layout.finale.is_some();
        Self {
            plan,
            book,
            style,
            index,
            grid,
            key: harmony::key(plan, index),
            start,
            end: start + seconds,
            bars: layout.bars,
            energy: section.map_or(Energy::Medium, |section| section.energy),
            role: section.map_or(Role::Motif, |section| section.role),
            mood: book.mood(&plan.theme.moods),
            harmony: Harmony::compose(plan, book, style, index, (layout.bars, ends), grid),
            seed: section.map_or(plan.seed, |section| section.seed),
            layout,
        }
    }

    /// Where a bar starts.
    pub(super) fn bar(&self, number: usize) -> f64 {
        self.start + number as f64 * self.grid.bar_seconds()
    }

    /// Where a place in a bar is, in sixteenths from its line.
    pub(super) fn at(&self, bar: usize, place: f64) -> f64 {
        self.bar(bar) + self.grid.seconds(place)
    }

    /// The chord at a place of a bar; of the bar after the last, the one that the next section or the end of the piece starts
    /// with.
    pub(super) fn chord(&self, bar: usize, place: f64) -> Chord {
        self.harmony.at(bar, place, self.bars)
    }

    /// The chords of the section.
    pub(super) fn harmony(&self) -> &Harmony {
        &self.harmony
    }

    /// Where the chord that sounds at a place ends.
    pub(super) fn chord_until(&self, bar: usize, place: f64) -> f64 {
        let change = self.harmony.change_after(bar, place);
        change.map_or(self.bar(self.bars), |change| self.at(change.bar, change.place))
    }

    /// The bar, counted from the section's start, in which a time lies.
    pub(super) fn bar_of(&self, at: f64) -> usize {
        ((at - self.start) / self.grid.bar_seconds() + 1e-6).max(0.0) as usize
    }

    /// The random numbers of one player in this section.
    pub(super) fn random(&self, purpose: &str) -> Random {
        Random::stream(self.seed, purpose)
    }

    /// What a groove has for this section: of several the one that the piece has chosen, and another one in the last bar of a
    /// phrase. The marks lie in the section's bars.
    pub(super) fn marks(
        &self,
        what: &str,
        groove: &Groove<Pattern>,
        energy: Energy,
        stretch: Stretch,
    ) -> Vec<Mark> {
        let (choice, own) = groove.of(energy, self.plan.time_signature);
        let Some(chosen) = self.chosen(what, choice) else { return Vec::new() };
        let usual = self.grid.marks(&choice[chosen], own, self.bars, stretch);
        if choice.len() == 1 {
            return usual;
        }
        let varies = |mark: &Mark| mark.bar % 4 == 3;
        let other = self.grid.marks(&choice[(chosen + 1) % choice.len()], own, self.bars, stretch);
        let mut marks: Vec<Mark> = usual.into_iter().filter(|mark| !varies(mark)).collect();
        marks.extend(other.into_iter().filter(varies));
        marks.sort_by(|a, b| a.at.total_cmp(&b.at));
        marks
    }

    /// Which of several the seed of the piece chooses; `None` where there is nothing to choose from.
    pub(super) fn chosen<T>(&self, what: &str, choice: &[T]) -> Option<usize> {
        let mut random = Random::stream(self.plan.seed, &format!("{what} {}", self.energy.name()));
        (!choice.is_empty()).then(|| random.below(choice.len()))
    }

    /// How much the chords are to do: those who like many notes play as if more happened.
    pub(super) fn busy(&self) -> Energy {
        match (self.plan.theme.density, self.energy) {
            (Density::Dense, Energy::Low) | (Density::Sparse, Energy::High) => Energy::Medium,
            (Density::Dense, _) => Energy::High,
            (_, energy) => energy,
        }
    }

    /// The energy of the section after this one.
    pub(super) fn energy_after(&self) -> Option<Energy> {
        self.plan.sections.get(self.index + 1).map(|section| section.energy)
    }

    /// The energy of the section before this one.
    pub(super) fn energy_before(&self) -> Option<Energy> {
        self.plan.sections.get(self.index.checked_sub(1)?).map(|section| section.energy)
    }
}
