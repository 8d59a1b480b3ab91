//! Who of the players plays in each section: not always everybody, and nobody in vain.

use crate::{
    plan::ensemble::Players,
    wire::{Ending, Energy, Orchestration, Role},
};

/// A section that is to be given players.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    pub(super) role: Role,
    pub(super) energy: Energy,
    pub(super) bars: f64,
}

/// The players of every section.
///
/// The fullest sections have everybody. The others leave out doublings, change the colour of chords and tune by their role, and
/// thin out at low energy. Whoever is named plays at least once.
pub(super) fn arrange(
    players: &Players,
    scenes: &[Scene],
    ending: Ending,
    rhythmic: bool,
) -> Vec<Orchestration> {
    let everybody = &players.everybody;
    let mut sections: Vec<Orchestration> = match scenes {
        [only] if only.energy != Energy::High => vec![core(players)],
        _ => scenes
            .iter()
            .map(|scene| {
                let beat_goes_on = rhythmic && matches!(ending, Ending::Fade | Ending::Stop);
                let section = in_section(everybody, *scene, beat_goes_on);
                if section.names().next().is_some() { section } else { everybody.clone() }
            })
            .collect(),
    };
    let fullest = (0..scenes.len()).max_by(|&a, &b| {
        let size = |index: usize| (scenes[index].energy, scenes[index].bars);
        size(a).partial_cmp(&size(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let Some(fullest) = fullest else { return sections };
    for said in &players.named {
        if !sections.iter().any(|section| section.names().any(|name| name == said.value)) {
            join(&mut sections[fullest], everybody, &said.value);
        }
    }
    sections
}

/// Puts somebody into a section, where they are among everybody.
fn join(section: &mut Orchestration, everybody: &Orchestration, name: &str) {
    let Orchestration { rhythm, bass, harmony, lead, textures } = section;
    for (layer, (_, names)) in [rhythm, bass, harmony, lead, textures].into_iter().zip(everybody.layers()) {
        if names.iter().any(|other| other == name) {
            layer.push(name.to_owned());
        }
    }
}

/// Whom the prompt names, and for the rest two for the chords and one for the tune.
fn core(players: &Players) -> Orchestration {
    let named = |name: &String| players.named.iter().any(|said| said.value == *name);
    let some = |names: &[String], most: usize| -> Vec<String> {
        names
            .iter()
            .enumerate()
            .filter(|(at, name)| *at < most || named(name))
            .map(|(_, name)| name.clone())
            .collect()
    };
    let all = &players.everybody;
    Orchestration {
        rhythm: some(&all.rhythm, 1),
        bass: some(&all.bass, 1),
        harmony: some(&all.harmony, 2),
        lead: some(&all.lead, 1),
        textures: all.textures.clone(),
    }
}

fn in_section(all: &Orchestration, scene: Scene, beat_goes_on: bool) -> Orchestration {
    let first = |names: &[String], most: usize| names[..most.min(names.len())].to_vec();
    let last = |names: &[String]| names.last().cloned().into_iter().collect::<Vec<_>>();
    // Everybody but the core; the core where there is nobody else.
    let colour = |names: &[String]| if names.len() > 1 { names[1..].to_vec() } else { names.to_vec() };
    let mut section = Orchestration { textures: all.textures.clone(), ..Orchestration::default() };
    match (scene.role, scene.energy) {
        (_, Energy::High) => return all.clone(),
        (Role::Intro, energy) => {
            section.harmony = first(&all.harmony, 1);
            if energy == Energy::Medium {
                section.rhythm = first(&all.rhythm, 1);
                section.bass.clone_from(&all.bass);
            }
        }
        (Role::Chorus | Role::Resolution, Energy::Medium) => {
            section.rhythm.clone_from(&all.rhythm);
            section.bass.clone_from(&all.bass);
            section.harmony = first(&all.harmony, 2);
            section.lead = first(&all.lead, 1);
        }
        (Role::Motif | Role::Outro, Energy::Medium) => {
            section.rhythm = first(&all.rhythm, 1);
            section.bass.clone_from(&all.bass);
            section.harmony = first(&all.harmony, 2);
            section.lead = first(&all.lead, 1);
        }
        (Role::Verse, Energy::Medium) => {
            section.rhythm = first(&all.rhythm, 1);
            section.bass.clone_from(&all.bass);
            section.harmony = first(&all.harmony, 1);
            section.lead = last(&all.lead);
        }
        (Role::Development, Energy::Medium) => {
            section.rhythm = first(&all.rhythm, 1);
            section.bass.clone_from(&all.bass);
            section.harmony = colour(&all.harmony);
            section.lead.clone_from(&all.lead);
        }
        (Role::Bridge, Energy::Medium) => {
            section.rhythm = all.rhythm.get(1..).unwrap_or_default().to_vec();
            section.bass.clone_from(&all.bass);
            section.harmony = colour(&all.harmony);
            section.lead = last(&all.lead);
        }
        (Role::Bridge | Role::Development, Energy::Low) => {
            section.harmony = colour(&all.harmony);
            section.lead = last(&all.lead);
        }
        (Role::Outro, Energy::Low) => {
            section.rhythm = if beat_goes_on { first(&all.rhythm, 1) } else { Vec::new() };
            section.bass.clone_from(&all.bass);
            section.harmony = first(&all.harmony, 1);
            section.lead = first(&all.lead, 1);
        }
        (Role::Motif | Role::Verse | Role::Chorus | Role::Resolution, Energy::Low) => {
            section.bass.clone_from(&all.bass);
            section.harmony = first(&all.harmony, 1);
            section.lead = first(&all.lead, 1);
        }
    }
    // Without chords the tune never rests; without both the rhythm does not.
    if section.harmony.is_empty() && section.lead.is_empty() {
        section.lead = first(&all.lead, 1);
    }
    if section.harmony.is_empty() && section.lead.is_empty() {
        section.rhythm.clone_from(&all.rhythm);
        section.bass.clone_from(&all.bass);
    }
    section
}
