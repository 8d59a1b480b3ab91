//! The rules that every entry keeps.

use std::collections::HashMap;

use super::*;
use crate::request::TEMPO_BPM;

fn phrase_is_written_as_it_is_matched(phrase: &str) {
    let plain = phrase.to_lowercase().replace(['-', '’', '&'], " ");
    assert!(
        phrase == plain || phrase.contains("r&b") || phrase.contains("d&b"),
        "{phrase:?} as it is matched"
    );
    assert_eq!(phrase.split_whitespace().collect::<Vec<_>>().join(" "), phrase);
    assert!(!phrase.is_empty() && !phrase.contains([',', ';', '!', '(', ')']), "{phrase:?}");
}

#[test]
fn the_files_parse() {
    let read = Vocabulary::read().unwrap();
    assert!(read.styles.len() >= 39 && read.instruments.len() >= 100, "the files are whole");
}

#[test]
fn no_phrase_means_two_things() {
    let mut seen: HashMap<&str, String> = HashMap::new();
    let mut twice = Vec::new();
    for (phrase, meaning) in vocabulary().phrases() {
        phrase_is_written_as_it_is_matched(phrase);
        let says = format!("{meaning:?}").chars().take(60).collect::<String>();
        if let Some(other) = seen.insert(phrase, says.clone()) {
            twice.push(format!("{phrase:?}: {other} and {says}"));
        }
    }
    assert!(twice.is_empty(), "{}", twice.join("\n"));
}

#[test]
fn names_are_given_once() {
    fn once<'a>(what: &str, names: impl Iterator<Item = &'a String>) {
        let mut seen: Vec<&String> = Vec::new();
        for name in names {
            assert!(!seen.contains(&name), "{what} {name} stands there twice");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            seen.push(name);
        }
    }
    let vocabulary = vocabulary();
    once("style", vocabulary.styles.iter().map(|item| &item.name));
    once("instrument", vocabulary.instruments.iter().map(|item| &item.name));
    once("mood", vocabulary.moods.iter().map(|item| &item.name));
    once("tempo", vocabulary.tempi.iter().map(|item| &item.name));
    once("technique", vocabulary.techniques.iter().map(|item| &item.name));
    once("space", vocabulary.spaces.iter().map(|item| &item.name));
    once("era", vocabulary.eras.iter().map(|item| &item.name));
}

#[test]
fn styles_have_players_and_a_tempo() {
    let vocabulary = vocabulary();
    for style in &vocabulary.styles {
        let name = &style.name;
        assert!(!style.modes.is_empty() && style.tempo[0] < style.tempo[1], "{name}");
        assert!(style.tempo.iter().all(|bpm| TEMPO_BPM.contains(bpm)), "{name}");
        assert!((0.0..=1.0).contains(&style.melody.syncopation), "{name}");
        players_fit(name, &style.instruments);
        assert!(!style.instruments.harmony.is_empty() && !style.instruments.lead.is_empty(), "{name}");
        let beat = !style.instruments.rhythm.is_empty() || !style.instruments.bass.is_empty();
        assert!(beat || !style.rhythmic, "{name}: nobody carries its beat");
    }
}

fn players_fit(name: &str, players: &crate::wire::Orchestration) {
    for (layer, names) in players.layers() {
        for player in names {
            let instrument = vocabulary().instrument(player).unwrap_or_else(|| panic!("{name}: {player}?"));
            assert!(instrument.layer.serves(layer), "{name}: {player} in {layer}");
        }
    }
}

#[test]
fn names_refer_to_what_exists() {
    let vocabulary = vocabulary();
    let style = |name: &String| assert!(vocabulary.style(name).is_some(), "style {name}?");
    let player = |name: &String| assert!(vocabulary.instrument(name).is_some(), "instrument {name}?");
    for family in &vocabulary.families {
        assert!(!family.plays.is_empty(), "{:?}", family.words);
        family.plays.iter().chain(&family.members).for_each(player);
    }
    for ensemble in &vocabulary.ensembles {
        ensemble.players.iter().for_each(player);
        ensemble.style.iter().for_each(style);
    }
    for mood in &vocabulary.moods {
        style(&mood.style);
        assert!(vocabulary.mood(&mood.opposite).is_some() && mood.opposite != mood.name, "{}", mood.name);
        assert!(mood.tempo.abs() <= 1.0 && mood.energy.abs() <= 1.0, "{}", mood.name);
    }
    for technique in &vocabulary.techniques {
        technique.instead.iter().for_each(|(from, to)| {
            player(from);
            player(to);
        });
        technique.adds.iter().for_each(player);
        let opposite = technique.opposite.as_ref();
        assert!(opposite.is_none_or(|name| vocabulary.technique(name).is_some()), "{}", technique.name);
    }
    for space in &vocabulary.spaces {
        assert!(
            vocabulary.space(&space.opposite).is_some() && space.opposite != space.name,
            "{}",
            space.name
        );
    }
    for era in &vocabulary.eras {
        style(&era.style);
        era.instruments.iter().for_each(|players| players_fit(&era.name, players));
        era.swap.iter().for_each(|(from, to)| {
            player(from);
            player(to);
        });
    }
    for word in &vocabulary.metres {
        word.style.iter().for_each(style);
    }
    for word in &vocabulary.swings {
        word.style.iter().for_each(style);
        assert!([word.share, word.negated].iter().all(|share| (0.5..=0.75).contains(share)));
    }
}

#[test]
fn ranges_are_ranges() {
    let vocabulary = vocabulary();
    for word in &vocabulary.tempi {
        assert!(
            word.bpm[0] < word.bpm[1] && word.bpm.iter().all(|bpm| TEMPO_BPM.contains(bpm)),
            "{}",
            word.name
        );
        let opposite = vocabulary.tempi.iter().find(|other| other.name == word.opposite);
        assert!(opposite.is_some_and(|other| other.bpm != word.bpm), "{}", word.name);
    }
    assert!(vocabulary.paces.iter().all(|pace| pace.by.abs() <= 1.0 && pace.opposite.abs() <= 1.0));
    assert!(vocabulary.places.iter().all(|place| (0.0..=1.0).contains(&place.at)));
}

#[test]
fn nothing_that_can_be_asked_for_is_without_a_word() {
    let vocabulary = vocabulary();
    let family = |name: &String| vocabulary.families.iter().any(|family| family.plays.contains(name));
    let techniques =
        |name: &String| vocabulary.techniques.iter().any(|t| t.instead.values().any(|to| to == name));
    for item in &vocabulary.instruments {
        assert!(!item.words.is_empty() || family(&item.name) || techniques(&item.name), "{}", item.name);
    }
    assert!(vocabulary.styles.iter().all(|style| !style.words.is_empty()));
}

/// The rows of the tables in docs/COMPOSITION.md, as the files say them.
fn rows() -> Vec<String> {
    let list = |names: &[String]| names.join(", ");
    let some = |words: &[String]| words.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let vocabulary = vocabulary();
    let styles = vocabulary.styles.iter().map(|style| {
        let mut modes: Vec<&str> = Vec::new();
        style.modes.iter().map(|mode| mode.name()).for_each(|mode| {
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        });
        let players: Vec<String> = style.instruments.layers().iter().map(|(_, names)| list(names)).collect();
        let players: Vec<&str> =
            players.iter().map(String::as_str).filter(|names| !names.is_empty()).collect();
        format!(
            "| `{}` | {} to {} | {} | {} | {} | {} |",
            style.name,
            style.tempo[0],
            style.tempo[1],
            style.metre,
            modes.join(", "),
            style.ending.name(),
            players.join("; ")
        )
    });
    let groups = vocabulary.instruments.iter().fold(Vec::<(&str, Vec<&str>)>::new(), |mut groups, item| {
        match groups.iter_mut().find(|(group, _)| *group == item.group) {
            Some((_, names)) => names.push(&item.name),
            None => groups.push((&item.group, vec![&item.name])),
        }
        groups
    });
    let groups = groups.into_iter().map(|(group, names)| format!("| `{group}` | {} |", names.join(", ")));
    let moods = vocabulary.moods.iter().map(|mood| {
        format!("| `{}` | {} | `{}` | `{}` |", mood.name, some(&mood.words), mood.opposite, mood.style)
    });
    let tempi = vocabulary
        .tempi
        .iter()
        .map(|word| format!("| {} | {} to {} |", some(&word.words), word.bpm[0], word.bpm[1]));
    let techniques = vocabulary.techniques.iter().map(|item| {
        let mut sounds: Vec<&str> = item.instead.values().map(String::as_str).collect();
        sounds.dedup();
        format!("| `{}` | {} | {} |", item.name, some(&item.words), sounds.join(", "))
    });
    let spaces = vocabulary.spaces.iter().map(|item| format!("| `{}` | {} |", item.name, some(&item.words)));
    let eras = vocabulary
        .eras
        .iter()
        .map(|item| format!("| `{}` | {} | `{}` |", item.name, some(&item.words), item.style));
    styles.chain(groups).chain(moods).chain(tempi).chain(techniques).chain(spaces).chain(eras).collect()
}

#[test]
fn the_documentation_says_what_the_files_say() {
    let page = include_str!("../../../docs/COMPOSITION.md");
    let missing: Vec<String> = rows().into_iter().filter(|row| !page.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/COMPOSITION.md lacks:\n{}", missing.join("\n"));
}
