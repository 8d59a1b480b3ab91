//! Who plays in a piece, and who of them in each section.

use crate::{
    plan::{
        brief::Brief,
        vocabulary::{Layer, Style, Vocabulary},
    },
    wire::{Energy, Orchestration, Role},
};

/// The players of the whole piece: those the prompt names, and for what it leaves open those of the style.
///
/// A prompt that names instruments but no style is taken at its word: nothing is added but what a melody with chords needs.
pub(super) fn players(brief: &Brief<'_>, style: &Style, vocabulary: &Vocabulary) -> Orchestration {
    let mut named = Orchestration::default();
    for said in &brief.instruments {
        let instrument = said.value;
        let layer = match instrument.layer {
            Layer::Rhythm => &mut named.rhythm,
            Layer::Bass => &mut named.bass,
            Layer::Harmony => &mut named.harmony,
            Layer::Lead => &mut named.lead,
            Layer::Textures => &mut named.textures,
        };
        if !layer.contains(&instrument.name) {
            layer.push(instrument.name.clone());
        }
    }
    let names_players = !(named.rhythm.is_empty()
        && named.bass.is_empty()
        && named.harmony.is_empty()
        && named.lead.is_empty());
    let usual = allowed(&style.instruments, &brief.excluded);
    let mut players = named;
    if !names_players || !brief.styles.is_empty() {
        fill(&mut players.rhythm, &usual.rhythm);
        fill(&mut players.bass, &usual.bass);
        fill(&mut players.textures, &usual.textures);
    }
    // Chords and a melody there must be. Who plays the one can play the other.
    match (players.harmony.is_empty(), players.lead.is_empty()) {
        (true, true) => {
            fill(&mut players.harmony, &usual.harmony);
            fill(&mut players.lead, &usual.lead);
        }
        (true, false) if brief.styles.is_empty() => players.harmony.clone_from(&players.lead),
        (true, false) => fill(&mut players.harmony, &usual.harmony),
        (false, true) if names_players => {
            players.lead = players.harmony.first().cloned().into_iter().collect();
        }
        (false, true) => fill(&mut players.lead, &usual.lead),
        (false, false) => {}
    }
    // All of the usual ones may be excluded: then the first instrument that is not.
    for layer in [&mut players.harmony, &mut players.lead] {
        if layer.is_empty() {
            let free = vocabulary.instruments.iter().find(|item| {
                matches!(item.layer, Layer::Harmony | Layer::Lead) && !brief.excluded.contains(&item.name)
            });
            layer.extend(free.map(|item| item.name.clone()));
        }
    }
    players
}

fn fill(layer: &mut Vec<String>, usual: &[String]) {
    if layer.is_empty() {
        layer.extend_from_slice(usual);
    }
}

fn allowed(players: &Orchestration, excluded: &[String]) -> Orchestration {
    let keep = |names: &[String]| names.iter().filter(|name| !excluded.contains(name)).cloned().collect();
    Orchestration {
        rhythm: keep(&players.rhythm),
        bass: keep(&players.bass),
        harmony: keep(&players.harmony),
        lead: keep(&players.lead),
        textures: keep(&players.textures),
    }
}

/// Who of `players` plays in a section. Everybody does in the fullest sections and when there is only one.
pub(super) fn in_section(players: &Orchestration, role: Role, energy: Energy, only: bool) -> Orchestration {
    if only || energy == Energy::High {
        return players.clone();
    }
    let first = |names: &[String]| names.first().cloned().into_iter().collect::<Vec<_>>();
    let mut section = players.clone();
    match role {
        Role::Intro => {
            section.lead = Vec::new();
            if energy == Energy::Low {
                section.rhythm = Vec::new();
                section.bass = Vec::new();
                section.harmony = first(&players.harmony);
            }
        }
        Role::Bridge => section.rhythm = Vec::new(),
        Role::Outro => {
            section.rhythm = Vec::new();
            section.harmony = first(&players.harmony);
        }
        Role::Motif | Role::Verse | Role::Development if energy == Energy::Low => section.rhythm = Vec::new(),
        Role::Motif | Role::Verse | Role::Development | Role::Resolution | Role::Chorus => {}
    }
    section
}

/// Everybody who plays in any of the sections.
pub(super) fn together<'a>(sections: impl Iterator<Item = &'a Orchestration>) -> Orchestration {
    let mut all = Orchestration::default();
    for section in sections {
        for (layer, names) in [
            (&mut all.rhythm, &section.rhythm),
            (&mut all.bass, &section.bass),
            (&mut all.harmony, &section.harmony),
            (&mut all.lead, &section.lead),
            (&mut all.textures, &section.textures),
        ] {
            for name in names {
                if !layer.contains(name) {
                    layer.push(name.clone());
                }
            }
        }
    }
    all
}

/// Every instrument of an orchestration once, textures apart, in layer order.
pub(super) fn instruments(players: &Orchestration) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for layer in [&players.rhythm, &players.bass, &players.harmony, &players.lead] {
        for name in layer {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{brief, vocabulary::vocabulary};

    fn players_of(prompt: &str, style: &str) -> Orchestration {
        let vocabulary = vocabulary();
        let brief = brief::read(prompt, "", vocabulary);
        players(&brief, vocabulary.style(style).unwrap(), vocabulary)
    }

    #[test]
    fn a_prompt_that_names_players_is_taken_at_its_word() {
        let players = players_of("slow piano over rain", "ambient");
        assert_eq!(instruments(&players), ["piano"]);
        assert_eq!(
            (players.harmony, players.lead, players.textures),
            (vec!["piano".into()], vec!["piano".into()], vec!["rain".into()])
        );
    }

    #[test]
    fn a_style_fills_what_is_left_open() {
        let players = players_of("lofi with flute", "lofi");
        assert_eq!(instruments(&players), ["drums", "upright_bass", "electric_piano", "flute"]);
        let players = players_of("rain", "ambient");
        assert!(!players.harmony.is_empty() && players.textures == ["rain"]);
    }

    #[test]
    fn who_is_excluded_does_not_play() {
        let players = players_of("lofi without drums, no electric piano", "lofi");
        assert!(players.rhythm.is_empty() && !players.harmony.is_empty());
        assert!(!players.names().any(|name| name == "electric_piano"));
    }

    #[test]
    fn drums_and_bass_alone_get_a_tune() {
        let players = players_of("drums and bass", "pop");
        assert!(!players.harmony.is_empty() && !players.lead.is_empty());
        assert_eq!((players.rhythm, players.bass), (vec!["drums".into()], vec!["bass".into()]));
    }

    #[test]
    fn quiet_sections_have_fewer_players() {
        let players = players_of("pop", "pop");
        let intro = in_section(&players, Role::Intro, Energy::Low, false);
        assert!(intro.rhythm.is_empty() && intro.lead.is_empty() && intro.harmony.len() == 1);
        assert_eq!(in_section(&players, Role::Chorus, Energy::High, false), players);
    }
}
