//! What an engine that reads text is asked for in one section.

use crate::{
    music::{Key, Metre},
    plan::vocabulary::Vocabulary,
    request::PROMPT_CHARACTERS,
    wire::{Energy, Orchestration, Role},
};

/// The text for one section: the whole prompt, then who plays, how, and the numbers. Cut to the longest prompt allowed.
pub(super) fn for_section(
    prompt: &str,
    (role, energy): (Role, Energy),
    players: &Orchestration,
    (tempo_bpm, key, metre): (f64, Key, Metre),
    vocabulary: &Vocabulary,
) -> String {
    let scene = match role {
        Role::Intro => "opening",
        Role::Motif => "main theme",
        Role::Verse => "verse",
        Role::Chorus => "chorus, main theme at its fullest",
        Role::Development => "variation of the theme",
        Role::Bridge => "contrasting bridge",
        Role::Resolution => "return of the theme, final cadence",
        Role::Outro => "ending, final cadence",
    };
    let manner = match energy {
        Energy::Low => "sparse and quiet",
        Energy::Medium => "moderate",
        Energy::High => "full and strong",
    };
    let mut names: Vec<&str> = Vec::new();
    for name in players.names().filter_map(|name| vocabulary.instrument(name)).map(|item| item.says.as_str())
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let tempo = tempo_bpm.round();
    let facts = format!("; {scene}, {manner}; {}; {tempo} bpm, {key}, {metre}", names.join(", "));
    let room = PROMPT_CHARACTERS.saturating_sub(facts.chars().count());
    prompt.chars().take(room).collect::<String>() + &facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::vocabulary::vocabulary;

    #[test]
    fn says_who_plays_and_never_too_much() {
        let players = Orchestration {
            harmony: vec!["piano".into()],
            textures: vec!["rain".into()],
            ..Orchestration::default()
        };
        let numbers = (72.4, "D minor".parse().unwrap(), Metre::FourFour);
        let say =
            |prompt: &str| for_section(prompt, (Role::Intro, Energy::Low), &players, numbers, vocabulary());
        assert_eq!(say("calm"), "calm; opening, sparse and quiet; piano, rain; 72 bpm, D minor, 4/4");
        assert_eq!(say(&"x".repeat(1000)).chars().count(), 1000);
    }
}
