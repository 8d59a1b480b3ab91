//! What every player of a section needs to know: where its bars are, what chord sounds, how it ends.

use super::{
    grid::Grid,
    harmony::{self, Chord},
};
use crate::{
    audio::Random,
    plan::Plan,
    render::synth::style::{Book, Mood, Style},
    wire::{Energy, PlanSection, Role},
};

/// One section, laid out in bars.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) plan: &'a Plan,
    pub(super) book: &'a Book,
    pub(super) style: &'a Style,
    pub(super) grid: Grid,
    /// Where the section starts.
    pub(super) start: f64,
    /// Where it ends.
    pub(super) end: f64,
    /// Bars that are played in time.
    pub(super) bars: usize,
    /// Where the final chord of the piece starts, in the last section: after the last of the bars.
    pub(super) finale: Option<f64>,
    pub(super) energy: Energy,
    pub(super) role: Role,
    mood: Mood,
    seed: u64,
    bar_seconds: f64,
    chords: Vec<Chord>,
    /// The chord that follows the last bar.
    next: Chord,
}

impl<'a> Scene<'a> {
    pub(super) fn new(plan: &'a Plan, book: &'a Book, style: &'a Style, index: usize) -> Self {
        let section: Option<&PlanSection> = plan.sections.get(index);
        let start = section.map_or(0.0, |section| section.start_seconds);
        let seconds = section.map_or(0.0, |section| section.length_seconds);
        let bar_seconds = plan.bar_seconds();
        let bars = bars_in_time(plan, index);
        let finale = ends(plan, index).then_some(start + bars as f64 * bar_seconds);
        let chords =
            |index| harmony::chords(plan, book, style, index, bars_in_time(plan, index), ends(plan, index));
        Self {
            plan,
            book,
            style,
            grid: Grid::new(plan.time_signature, plan.tempo_bpm, style.swing, style.swing_unit),
            start,
            end: start + seconds,
            bars,
            finale,
            energy: section.map_or(Energy::Medium, |section| section.energy),
            role: section.map_or(Role::Motif, |section| section.role),
            mood: book.mood(&plan.theme.moods),
            seed: section.map_or(plan.seed, |section| section.seed),
            bar_seconds,
            chords: chords(index),
            next: chords(index + 1).first().copied().unwrap_or(Chord::TONIC),
        }
    }

    /// Where a bar starts.
    pub(super) fn bar(&self, number: usize) -> f64 {
        self.start + number as f64 * self.bar_seconds
    }

    /// The chord of a bar; of the bar after the last, the one that the next section or the end of the piece starts with.
    pub(super) fn chord(&self, bar: usize) -> Chord {
        self.chords.get(bar).copied().unwrap_or(self.next)
    }

    /// The bar, counted from the section's start, in which a time lies.
    pub(super) fn bar_of(&self, at: f64) -> usize {
        ((at - self.start) / self.bar_seconds + 1e-6).max(0.0) as usize
    }

    /// The random numbers of one player, or one bar of a player, in this section.
    pub(super) fn random(&self, purpose: &str) -> Random {
        Random::stream(self.seed, purpose)
    }

    /// A time as a player would hit it: at most the style's `late_ms` off, never before the section and never after it.
    pub(super) fn played(&self, at: f64, random: &mut Random) -> f64 {
        let stray = f64::from(random.bipolar()) * self.style.late_ms / 2000.0;
        (at + stray).clamp(self.start, (self.end - 1e-4).max(self.start))
    }

    /// A velocity as a player would strike it in this section.
    pub(super) fn touch(&self, velocity: f32, random: &mut Random) -> f32 {
        let energy = match self.energy {
            Energy::Low => 0.86,
            Energy::Medium => 0.95,
            Energy::High => 1.1,
        };
        ((velocity * energy + 0.035 * random.bipolar()) * self.mood.touch).clamp(0.05, 1.0)
    }
}

/// Whether the piece ends with a section.
fn ends(plan: &Plan, index: usize) -> bool {
    index + 1 == plan.sections.len()
}

/// Bars of a section that are played in time.
fn bars_in_time(plan: &Plan, index: usize) -> usize {
    let seconds = plan.sections.get(index).map_or(0.0, |section| section.length_seconds);
    if ends(plan, index) {
        bars_before_the_end(seconds, plan.bar_seconds())
    } else {
        (seconds / plan.bar_seconds()).round() as usize
    }
}

/// Whole bars before the final chord, which gets the rest: at least six tenths of a bar and one and a half seconds, unless
/// there is not as much.
fn bars_before_the_end(seconds: f64, bar_seconds: f64) -> usize {
    let room = (0.6 * bar_seconds).max(1.5);
    (((seconds - room) / bar_seconds + 1e-6).floor().max(0.0)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_chord_has_room() {
        assert_eq!(bars_before_the_end(8.0, 2.0), 3);
        assert_eq!(bars_before_the_end(9.0, 2.0), 3);
        assert_eq!(bars_before_the_end(9.6, 2.0), 4);
        assert_eq!(bars_before_the_end(9.6, 4.0), 1);
        assert_eq!(bars_before_the_end(1.0, 2.0), 0);
    }
}
