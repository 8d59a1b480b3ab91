//! What a prompt wants to happen in a piece, and what becomes of it.

use crate::{
    music::Key,
    plan::{
        brief::{Brief, Place, Said, Wish},
        form::{self, Division, Layout},
        vocabulary::{Hint, Style},
    },
    wire::{Ending, Energy, PlanSection, Role},
};

/// Semitones that a key change goes up.
const KEY_CHANGE: i32 = 2;

/// The wishes for a piece as a whole.
#[derive(Debug)]
pub(super) struct Shape {
    /// Which sections there are.
    pub(super) layout: Layout,
    curve: Curve,
    first: Option<Energy>,
    last: Option<Energy>,
    key_changes: bool,
}

/// How the energy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    /// By the roles of the sections.
    Usual,
    Rising,
    Falling,
    Even,
}

impl Default for Shape {
    fn default() -> Self {
        Self { layout: Layout::default(), curve: Curve::Usual, first: None, last: None, key_changes: false }
    }
}

impl Shape {
    /// The wishes of a prompt; of two that contradict each other the later one.
    pub(super) fn of(brief: &Brief) -> Self {
        let mut shape = Self::default();
        for Wish { hint, place } in brief.hints.iter().map(|said| said.value) {
            match hint {
                Hint::Builds => shape.curve = Curve::Rising,
                Hint::WindsDown => shape.curve = Curve::Falling,
                Hint::Even => shape.curve = Curve::Even,
                Hint::Drop => shape.layout.drop = Some(place.unwrap_or(Place::Share(0.5))),
                Hint::Breaks => shape.layout.breaks = Some(true),
                Hint::NoBreak => shape.layout.breaks = Some(false),
                Hint::StartsSoftly => shape.first = Some(Energy::Low),
                Hint::StartsBig => shape.first = Some(Energy::High),
                Hint::EndsSoftly => shape.last = Some(Energy::Low),
                Hint::EndsBig => shape.last = Some(Energy::High),
                Hint::Intro => shape.layout.intro = shape.layout.intro.max(1.0),
                Hint::NoIntro => shape.layout.intro = 0.0,
                Hint::ShortIntro => shape.layout.intro = 0.5,
                Hint::LongIntro => shape.layout.intro = 2.0,
                Hint::Outro => shape.layout.outro = shape.layout.outro.max(1.0),
                Hint::NoOutro => shape.layout.outro = 0.0,
                Hint::LongOutro => shape.layout.outro = 2.0,
                Hint::Loop => {
                    (shape.layout.intro, shape.layout.outro, shape.curve) = (0.0, 0.0, Curve::Even);
                }
                Hint::KeyChange => shape.key_changes = true,
                Hint::FadeOut | Hint::Ritardando | Hint::Cadence | Hint::Stop => {}
            }
        }
        shape
    }

    /// The energy of every section, by its role, the mood (-1 to 1) and the wishes.
    pub(super) fn energies(&self, division: &Division, mood: f64) -> Vec<Energy> {
        let count = division.sections.len();
        let mut energies: Vec<Energy> = (0..count)
            .map(|index| {
                let share = (index + 1) as f64 / count as f64;
                let role = division.sections[index].0;
                match self.curve {
                    Curve::Usual => form::energy(role, mood),
                    Curve::Rising => step(share),
                    Curve::Falling => step(1.0 + 1.0 / count as f64 - share),
                    Curve::Even => Energy::Medium,
                }
            })
            .collect();
        if self.layout.breaks == Some(true) {
            for (energy, (role, _)) in energies.iter_mut().zip(&division.sections) {
                if *role == Role::Bridge {
                    *energy = Energy::Low;
                }
            }
        }
        if let Some(drop) = division.drop {
            energies[drop] = Energy::High;
            let held =
                if division.sections[drop - 1].0 == Role::Motif { Energy::Medium } else { Energy::Low };
            energies[drop - 1] = energies[drop - 1].min(held);
        }
        if let (Some(first), Some(energy)) = (self.first, energies.first_mut()) {
            *energy = first;
        }
        if let (Some(last), true) = (self.last, count > 1 || self.first.is_none()) {
            energies[count - 1] = last;
        }
        energies
    }

    /// From which section on the key is a tone higher: the last chorus, or the last section.
    pub(super) fn key_change(&self, division: &Division, key: Key) -> Option<(usize, Key)> {
        let last = division.sections.len() - 1;
        let chorus = division.sections.iter().rposition(|(role, _)| *role == Role::Chorus);
        let at = chorus.filter(|&chorus| chorus > 0).unwrap_or(last);
        let raised = Key::from_pitch_class(key.pitch_class() + KEY_CHANGE, key.mode());
        (self.key_changes && at > 0).then_some((at, raised))
    }
}

/// Energy on the way up, at a share of the way.
fn step(share: f64) -> Energy {
    match share {
        share if share < 0.4 => Energy::Low,
        share if share < 0.75 => Energy::Medium,
        _ => Energy::High,
    }
}

/// How a piece ends, and the words that say so.
pub(super) fn ending(brief: &Brief, style: &Style) -> (Ending, Option<String>) {
    let said = brief.hints.iter().rev().find_map(|said| {
        let ending = match said.value.hint {
            Hint::FadeOut => Ending::Fade,
            Hint::Ritardando => Ending::Ritardando,
            Hint::Cadence => Ending::Cadence,
            Hint::Stop | Hint::Loop => Ending::Stop,
            // What ends softly does not break off, and what ends big is not faded out.
            Hint::EndsSoftly if style.ending == Ending::Stop => Ending::Cadence,
            Hint::EndsBig | Hint::NoOutro if style.ending == Ending::Fade => Ending::Cadence,
            _ => return None,
        };
        Some((ending, Some(said.words.clone())))
    });
    said.unwrap_or((style.ending, None))
}

/// What became of a wish: what was done, or why it was not. `None` where the ending says it already.
pub(super) fn outcome(
    wish: &Said<Wish>,
    division: &Division,
    sections: &[PlanSection],
) -> Option<Result<String, String>> {
    let bar = |index: usize| 1.0 + division.sections[..index].iter().map(|(_, bars)| bars).sum::<f64>();
    let at = |index: usize| format!("from bar {}", bar(index));
    let of = |role: Role| sections.iter().position(|section| section.role == role);
    let energies = || sections.iter().map(|section| section.energy.name()).collect::<Vec<_>>().join(", ");
    let several = sections.len() > 1;
    let needs = |holds: bool, done: String, why: &str| if holds { Ok(done) } else { Err(why.to_owned()) };
    let one_level = "the piece is too short for more than one section";
    Some(match wish.value.hint {
        Hint::Builds | Hint::WindsDown => needs(several, format!("energy {}", energies()), one_level),
        Hint::Even => Ok(format!("energy {}", energies())),
        Hint::Drop => match division.drop {
            Some(drop) => Ok(format!("drop {}", at(drop))),
            None => Err("the piece is too short for a drop there".to_owned()),
        },
        Hint::Breaks => match of(Role::Bridge) {
            Some(bridge) => Ok(format!("bridge {}", at(bridge))),
            None => Err("the piece is too short for a section apart".to_owned()),
        },
        Hint::NoBreak => Ok("no bridge".to_owned()),
        Hint::StartsSoftly => Ok("starts at low energy".to_owned()),
        Hint::StartsBig => Ok("starts at high energy".to_owned()),
        Hint::EndsSoftly => Ok("ends at low energy".to_owned()),
        Hint::EndsBig => Ok("ends at high energy".to_owned()),
        Hint::Intro | Hint::ShortIntro | Hint::LongIntro => match of(Role::Intro) {
            Some(intro) => Ok(format!("intro of {} bars", division.sections[intro].1)),
            None => Err("the piece is too short for an intro".to_owned()),
        },
        Hint::NoIntro => Ok("no intro".to_owned()),
        Hint::Outro | Hint::LongOutro => match of(Role::Outro).or_else(|| of(Role::Resolution)) {
            Some(outro) => Ok(format!("{} {}", sections[outro].role.name(), at(outro))),
            None => Err("the piece is too short for an outro".to_owned()),
        },
        Hint::NoOutro => Ok("no outro".to_owned()),
        Hint::Loop => Ok("no intro, no outro, even energy".to_owned()),
        Hint::KeyChange => match sections.iter().position(|section| section.key.is_some()) {
            Some(index) => Ok(format!(
                "{} {}",
                sections[index].key.map_or(String::new(), |key| key.to_string()),
                at(index)
            )),
            None => Err("the piece is too short for a second key".to_owned()),
        },
        Hint::FadeOut | Hint::Ritardando | Hint::Cadence | Hint::Stop => return None,
    })
}
