//! Who plays in a piece.

use crate::{
    audio::Random,
    plan::{
        brief::{Brief, Said, Wanted},
        vocabulary::{Era, Instrument, Layer, Style, Technique, vocabulary},
    },
    wire::{self, Orchestration},
};

/// The most that one instrument says about the style: less than a mood, but two say more.
const RARE: f64 = 0.19;

/// Who plays in a piece, and how.
#[derive(Debug, Default)]
pub(super) struct Players {
    /// Everybody, the core of each layer first: whom the prompt names, then whom the style usually has.
    pub(super) everybody: Orchestration,
    /// Whom the prompt names, with the words.
    pub(super) named: Vec<Said<String>>,
    /// Why somebody is there who is neither named nor usual in the style: words of the prompt.
    pub(super) lent: Vec<Said<String>>,
    /// Ways of playing.
    pub(super) techniques: Vec<Said<wire::Technique>>,
}

/// Where the usual players come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources {
    /// The kind of music.
    pub(super) style: &'static Style,
    /// A second kind that the prompt names: it lends the tune and the core of the chords.
    pub(super) second: Option<&'static Style>,
    /// The age, and whether the style is its own.
    pub(super) era: Option<(&'static Era, bool)>,
    /// Whether the prompt names a kind of music, whose usual players join those who are named.
    pub(super) joins: bool,
    /// Whether the prompt names a kind of music in some way, in which "a guitar" is the one that is usual in it.
    pub(super) style_known: bool,
    /// Whether the piece is long enough for many players.
    pub(super) long: bool,
    pub(super) seed: u64,
}

/// The players of a piece: those the prompt names, and for what it leaves open those of the style.
///
/// A prompt that names instruments but no style is taken at its word: nothing is added but what a melody with chords needs. Nobody
/// at all joins a lone player.
pub(super) fn players(brief: &Brief, sources: &Sources) -> Players {
    let excluded = brief.excluded();
    let mut players = Players::default();
    let all_usual = usual(sources, &excluded, &mut players);
    let mut names: Vec<Option<&'static str>> = brief
        .wanted
        .iter()
        .map(|said| meant(brief, &said.value, sources.style_known.then_some(&all_usual), &excluded))
        .collect();
    let mut usual = trimmed(&all_usual, sources);
    techniques(brief, &excluded, &mut names, &mut usual, &mut players);

    let mut named = Orchestration::default();
    let mut leads: Vec<String> = Vec::new();
    let wanted = brief.wanted.iter().zip(&names).filter_map(|(said, name)| Some((said, (*name)?)));
    for (said, instrument) in wanted.filter_map(|(said, name)| Some((said, vocabulary().instrument(name)?))) {
        add(layer_of(&mut named, instrument.layer), &instrument.name);
        if said.value.leads && instrument.layer == Layer::Harmony {
            add(&mut leads, &instrument.name);
        }
        if !players.named.iter().any(|other| other.value == instrument.name) {
            players.named.push(Said { value: instrument.name.clone(), words: said.words.clone() });
        }
    }
    for joined in players.named.clone() {
        if let Some(instrument) = vocabulary().instrument(&joined.value) {
            add(layer_of(&mut named, instrument.layer), &instrument.name);
        }
    }
    leads.append(&mut named.lead);
    named.lead = leads;
    players.everybody = filled(named, &usual, brief.alone.is_some(), sources.joins);
    if brief.alone.is_none() {
        fill_up(&mut players.everybody, &excluded);
    }
    if brief.tuneless.is_some() && !players.everybody.harmony.is_empty() {
        players.everybody.lead.clear();
    }
    let everybody: Vec<String> = players.everybody.names().map(str::to_owned).collect();
    players.lent.retain(|said| everybody.contains(&said.value));
    players
}

/// What the style leaves to nobody is played by whom it usually has.
fn filled(named: Orchestration, usual: &Orchestration, alone: bool, style_named: bool) -> Orchestration {
    let names_players = !(named.rhythm.is_empty()
        && named.bass.is_empty()
        && named.harmony.is_empty()
        && named.lead.is_empty());
    let joins = !alone && (!names_players || style_named);
    let mut players = named;
    if joins {
        // A kit and percussion do not stand for each other.
        let groups: Vec<&str> = players.rhythm.iter().map(|name| group(name)).collect();
        let mut rhythm: Vec<String> =
            usual.rhythm.iter().filter(|name| !groups.contains(&group(name))).cloned().collect();
        players.rhythm.append(&mut rhythm);
        players.rhythm.sort_by_key(|name| group(name) != "drums");
        fill(&mut players.bass, &usual.bass);
        usual.textures.iter().for_each(|name| add(&mut players.textures, name));
    }
    let tune = players.harmony.iter().find(|name| sings(name)).cloned();
    match (players.harmony.is_empty(), players.lead.is_empty()) {
        (true, true) if alone => {}
        (true, true) => {
            fill(&mut players.harmony, &usual.harmony);
            fill(&mut players.lead, &usual.lead);
        }
        (true, false) if joins => fill(&mut players.harmony, &usual.harmony),
        // A lone violin plays its tune; a lone vibraphone can play chords to it.
        (true, false) if alone && players.lead.iter().all(|name| one_note_at_a_time(name)) => {}
        (true, false) => players.harmony.clone_from(&players.lead),
        (false, true) if joins && names_players => {
            join_core(&mut players.harmony, &usual.harmony);
            match tune {
                Some(name) => players.lead.push(name),
                None => fill(&mut players.lead, &usual.lead),
            }
        }
        (false, true) if joins => fill(&mut players.lead, &usual.lead),
        (false, true) => players.lead.extend(tune.or_else(|| players.harmony.first().cloned())),
        (false, false) if joins => join_core(&mut players.harmony, &usual.harmony),
        (false, false) => {}
    }
    players
}

/// Chords and a melody there must be, whoever is excluded: then the first instrument that is not.
fn fill_up(players: &mut Orchestration, excluded: &[&str]) {
    for layer in [&mut players.harmony, &mut players.lead] {
        if layer.is_empty() {
            let free = vocabulary().instruments.iter().find(|item| {
                matches!(item.layer, Layer::Harmony | Layer::Lead) && !excluded.contains(&item.name.as_str())
            });
            layer.extend(free.map(|item| item.name.clone()));
        }
    }
}

/// The style's core instrument for the chords stays, unless one of its kind is named.
fn join_core(harmony: &mut Vec<String>, usual: &[String]) {
    if let Some(core) = usual.first()
        && !harmony.iter().any(|name| name == core || alike(name, core))
    {
        harmony.push(core.clone());
    }
}

/// Whether two instruments are of one family, as two guitars.
fn alike(a: &str, b: &str) -> bool {
    let both =
        |members: &[String]| members.iter().any(|name| name == a) && members.iter().any(|name| name == b);
    group(a) == group(b) || vocabulary().families.iter().any(|family| both(&family.plays))
}

fn group(name: &str) -> &str {
    vocabulary().instrument(name).map_or(name, |instrument| &instrument.group)
}

fn sings(name: &str) -> bool {
    vocabulary().instrument(name).is_none_or(|instrument| instrument.melody)
}

fn one_note_at_a_time(name: &str) -> bool {
    matches!(group(name), "winds" | "brass" | "strings" | "leads")
}

fn layer_of(players: &mut Orchestration, layer: Layer) -> &mut Vec<String> {
    match layer {
        Layer::Rhythm => &mut players.rhythm,
        Layer::Bass => &mut players.bass,
        Layer::Harmony => &mut players.harmony,
        Layer::Lead => &mut players.lead,
        Layer::Textures => &mut players.textures,
    }
}

fn add(layer: &mut Vec<String>, name: &str) {
    if !layer.iter().any(|other| other == name) {
        layer.push(name.to_owned());
    }
}

fn fill(layer: &mut Vec<String>, usual: &[String]) {
    if layer.is_empty() {
        layer.extend_from_slice(usual);
    }
}

/// Which instrument is meant: of a family the one that the named style usually has.
fn meant(
    brief: &Brief,
    wanted: &Wanted,
    usual: Option<&Orchestration>,
    excluded: &[&str],
) -> Option<&'static str> {
    let free: Vec<&'static str> =
        wanted.candidates.iter().copied().filter(|name| !excluded.contains(name)).collect();
    // "A four on the floor beat" is one kit.
    let kit = |name: &&'static str| {
        let rhythm =
            vocabulary().instrument(name).is_some_and(|instrument| instrument.layer == Layer::Rhythm);
        rhythm && free.len() > 1 && brief.wanted.iter().any(|said| said.value.candidates == [*name])
    };
    if let Some(kit) = free.iter().copied().find(kit) {
        return Some(kit);
    }
    let mut usual = usual.into_iter().flat_map(Orchestration::names);
    usual.find_map(|name| free.iter().find(|free| **free == name)).or(free.first()).copied()
}

/// Everybody whom the style usually has, changed by the age and the second style, without the excluded.
fn usual(sources: &Sources, excluded: &[&str], players: &mut Players) -> Orchestration {
    let mut usual = match sources.era {
        Some((era, true)) => era.instruments.as_ref().unwrap_or(&sources.style.instruments).clone(),
        _ => sources.style.instruments.clone(),
    };
    if let Some((era, false)) = sources.era {
        for layer in layers(&mut usual) {
            for name in layer.iter_mut() {
                if let Some(other) = era.swap.get(name) {
                    players.lent.push(Said { value: other.clone(), words: era.name.clone() });
                    name.clone_from(other);
                }
            }
            unique(layer);
        }
    }
    if let Some(second) = sources.second {
        let lends = [
            (&mut usual.lead, second.instruments.lead.first()),
            (&mut usual.harmony, second.instruments.harmony.first()),
        ];
        for (at, (layer, name)) in lends.into_iter().enumerate() {
            if let Some(name) = name.filter(|name| !layer.contains(name)) {
                players.lent.push(Said { value: name.clone(), words: second.name.clone() });
                // The tune goes to the second style, the core of the chords stays with the first.
                layer.insert(at.min(layer.len()), name.clone());
            }
        }
    }
    for layer in layers(&mut usual) {
        layer.retain(|name| !excluded.contains(&name.as_str()));
    }
    usual
}

fn layers(players: &mut Orchestration) -> [&mut Vec<String>; 5] {
    let Orchestration { rhythm, bass, harmony, lead, textures } = players;
    [rhythm, bass, harmony, lead, textures]
}

fn unique(names: &mut Vec<String>) {
    let mut seen: Vec<String> = Vec::new();
    names.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
}

/// As many as a piece of its length takes: two or three for the chords, one or two for the tune, the core and one of the others.
fn trimmed(usual: &Orchestration, sources: &Sources) -> Orchestration {
    let mut random = Random::stream(sources.seed, "plan/players");
    let mut usual = usual.clone();
    usual.harmony.truncate(if sources.long { 3 } else { 2 });
    let other = match usual.lead.get(1..) {
        Some(others) if sources.long => random.pick(others).cloned(),
        _ => None,
    };
    usual.lead.truncate(1);
    usual.lead.extend(other);
    usual
}

/// Ways of playing that are sounds of their own replace who would play so; the others are written down for the composer.
fn techniques(
    brief: &Brief,
    excluded: &[&str],
    names: &mut Vec<Option<&'static str>>,
    usual: &mut Orchestration,
    players: &mut Players,
) {
    for said in &brief.techniques {
        let technique = said.value.technique;
        let free = |name: Option<&'static str>| name.filter(|name| !excluded.contains(name));
        let instead = |name: &str| free(technique.instead.get(name).map(String::as_str));
        let mut of = said.value.of.and_then(|player| names.get(player).copied().flatten());
        if let (Some(player), Some(other)) = (said.value.of, of.and_then(instead)) {
            names[player] = Some(other);
            of = Some(other);
        } else if of.is_none() {
            of = replace_any(names, usual, &instead);
            if of.is_none()
                && let Some(joins) = joins(technique, brief, names, usual)
                && let Some(joins) = free(Some(joins))
            {
                players.named.push(Said { value: joins.to_owned(), words: said.words.clone() });
                of = Some(joins);
            }
        }
        let value = wire::Technique { name: technique.name.clone(), instrument: of.map(str::to_owned) };
        if !players.techniques.iter().any(|other| other.value == value) {
            players.techniques.push(Said { value, words: said.words.clone() });
        }
    }
}

/// Gives the first player who has another sound for a technique that sound.
fn replace_any(
    names: &mut [Option<&'static str>],
    usual: &mut Orchestration,
    instead: &impl Fn(&str) -> Option<&'static str>,
) -> Option<&'static str> {
    for name in names.iter_mut() {
        if let Some(other) = name.and_then(instead) {
            *name = Some(other);
            return Some(other);
        }
    }
    let mut replaced = None;
    for layer in layers(usual) {
        for name in layer.iter_mut() {
            if let Some(other) = instead(name) {
                other.clone_into(name);
                replaced = Some(other);
            }
        }
        unique(layer);
    }
    replaced
}

/// Who joins for a technique that nobody there has.
fn joins(
    technique: &'static Technique,
    brief: &Brief,
    names: &[Option<&'static str>],
    usual: &Orchestration,
) -> Option<&'static str> {
    let adds = technique.adds.as_deref().filter(|_| brief.alone.is_none())?;
    let there =
        names.iter().flatten().copied().chain(usual.names()).any(|name| match technique.instead.len() {
            0 => group(name) == group(adds),
            _ => name == adds,
        });
    (!there).then_some(adds)
}

/// Everybody who plays in any of the sections.
pub(super) fn together<'a>(sections: impl Iterator<Item = &'a Orchestration>) -> Orchestration {
    let mut all = Orchestration::default();
    for section in sections {
        for (layer, (_, names)) in layers(&mut all).into_iter().zip(section.layers()) {
            for name in names {
                add(layer, name);
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
            add(&mut names, name);
        }
    }
    names
}

/// How much a style has to do with the instruments that a prompt names: rare ones say more than common ones.
pub(super) fn kinship(brief: &Brief, style: &Style) -> f64 {
    let has = |style: &Style, name: &str| style.instruments.names().any(|usual| usual == name);
    let one = |wanted: &Wanted| match wanted.candidates.as_slice() {
        [name] => {
            let styles = vocabulary().styles.iter().filter(|style| has(style, name)).count().max(1);
            if has(style, name) { (1.0 / styles as f64).min(RARE) } else { 0.0 }
        }
        [first, ..] if has(style, first) => {
            let core =
                style.instruments.layers().iter().any(|(_, names)| names.first().is_some_and(|n| n == first));
            if core { 0.12 } else { 0.1 }
        }
        others if others.iter().any(|name| has(style, name)) => 0.05,
        _ => 0.0,
    };
    let said: Vec<&Wanted> = brief.wanted.iter().map(|said| &said.value).collect();
    let layer = |wanted: &&&Wanted, layers: &[Layer]| {
        let instrument = wanted.candidates.first().and_then(|name| vocabulary().instrument(name));
        instrument.is_some_and(|instrument: &Instrument| layers.contains(&instrument.layer))
    };
    let beatless = !said.iter().any(|wanted| layer(&wanted, &[Layer::Rhythm, Layer::Bass]));
    let kin: f64 = said.iter().map(|wanted| one(wanted)).sum();
    if kin > 0.0 && beatless && !style.rhythmic { kin + 0.1 } else { kin }
}

/// Whether nothing but textures is named.
pub(super) fn only_textures(brief: &Brief) -> bool {
    let texture = |name: &&'static str| {
        vocabulary().instrument(name).is_some_and(|instrument| instrument.layer == Layer::Textures)
    };
    !brief.wanted.is_empty() && brief.wanted.iter().all(|said| said.value.candidates.iter().all(texture))
}
