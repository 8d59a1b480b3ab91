//! What prompts mean: a table of them, each with facts about its plan.

use std::collections::BTreeMap;

use super::{Plan, plan};
use crate::{
    request::{Defaults, Request},
    wire::{GenerationRequest, Role},
};

/// Prompts, and what holds of their plans whatever the seed. After `@` stands a negative prompt.
///
/// `style:`, `metre:`, `key:`, `ending:`, `space:`, `era:`, `density:`, `pulse:`, `swing:` as in the plan; `mode:`, `bpm:` a number or
/// a range; `seconds:`; `mood:` one of the moods; `plays:` and `not:` players, with commas; `only:` exactly these; `tech:` a technique,
/// and after a slash of whom; `roles:` the sections; `form:` the start of a note on the form; `lost:` a word that was not understood;
/// `clear` all were; `warns` something cannot be made.
const EXAMPLES: &[(&str, &str)] = &[
    // Styles, and how they are written.
    (
        "dreamy piano over rain, 72 bpm, in D minor",
        "bpm:72 key:D_minor only:piano plays:rain mood:dreamy clear",
    ),
    ("lofi beats to study to", "style:lofi plays:dusty_drums,vinyl clear"),
    ("chill lo-fi hip-hop beat", "style:lofi mood:calm clear"),
    ("hip hop", "style:boom_bap clear"),
    ("old-school hip hop", "style:boom_bap clear"),
    ("DRUM'N'BASS", "style:drum_and_bass bpm:160..185 clear"),
    ("dnb", "style:drum_and_bass"),
    ("drum & bass", "style:drum_and_bass clear"),
    ("drum and bass without bass", "style:drum_and_bass not:reese_bass,sub_bass,bass clear"),
    ("edm", "style:house plays:electronic_drums"),
    ("grunge", "style:rock plays:distorted_guitar"),
    ("bluegrass", "style:country plays:banjo"),
    ("new age", "style:ambient"),
    ("video game music", "style:chiptune plays:chip_drums clear"),
    ("8-bit adventure", "style:chiptune clear"),
    ("heavy metal", "style:metal plays:distorted_guitar,picked_bass clear"),
    ("R&B slow jam", "style:soul lost:jam"),
    ("rock 'n' roll", "style:rock clear"),
    ("deep house with a saxophone", "style:deep_house plays:saxophone,electronic_drums clear"),
    ("house music for a cooking show", "style:house lost:cooking"),
    ("soul", "style:soul"),
    ("jazz waltz", "style:jazz metre:3/4 clear"),
    ("folk waltz", "style:folk metre:3/4 clear"),
    ("an irish jig", "style:celtic metre:6/8 clear"),
    ("polka with accordion", "metre:2/4 plays:accordion clear"),
    ("dark atmospheric techno", "style:techno mood:dark clear"),
    ("electronic ambient", "style:ambient clear"),
    ("acoustic", "style:folk"),
    ("celtic metal", "style:metal plays:whistle,distorted_guitar clear"),
    ("90s hip hop", "style:boom_bap clear"),
    ("trap with 808s", "style:trap plays:tr808 clear"),
    ("futuristic dubstep with a wobble bass", "style:dubstep plays:wobble_bass clear"),
    ("dance of the fairies, celesta", "not-style:house plays:celesta"),
    ("jazz house", "style:house plays:saxophone,electronic_drums clear"),
    // Instruments, families, ensembles.
    ("electric piano and strings", "only:electric_piano,strings clear"),
    ("rock organ", "style:rock plays:organ,drums clear"),
    ("funk guitar", "plays:clean_guitar clear"),
    ("flamenco with guitar", "style:flamenco plays:nylon_guitar not:guitar clear"),
    ("metal with a guitar", "plays:distorted_guitar not:guitar clear"),
    ("synthwave with drums and bass", "plays:gated_drums,synth_bass not:drums,bass clear"),
    ("a big bass drum", "plays:drums not:bass lost:big"),
    ("horn section", "plays:brass clear"),
    ("lead guitar", "plays:lead_guitar not:lead clear"),
    ("lead violin over soft pads", "plays:violin,pad not:lead clear"),
    ("solo piano", "only:piano clear"),
    ("solo cello", "only:cello clear"),
    ("sad solo violin in a cathedral", "only:violin mood:sad space:cathedral clear"),
    ("jazz, just piano", "only:piano style:jazz clear"),
    ("techno, drums only", "only:electronic_drums clear"),
    ("cinematic, starts with solo piano, then brass and choir", "plays:piano,brass,choir,taiko clear"),
    ("drone without melody", "style:drone plays:drone not:humming,bells clear"),
    (
        "happy children's song with xylophone and recorder",
        "style:pop mood:happy plays:xylophone,recorder clear",
    ),
    ("string quartet", "only:violin,viola,cello style:classical clear"),
    ("drum solo", "only:drums clear"),
    ("a cello solo", "only:cello clear"),
    ("renaissance lute", "only:lute era:medieval clear"),
    ("piano for sleeping", "style:ambient only:felt_piano clear"),
    ("house with a four on the floor kick, 124", "plays:electronic_drums not:drums bpm:124 clear"),
    ("techno, no kick", "plays:electronic_drums lost:no_kick"),
    ("string-free folk", "not:fiddle,strings clear"),
    ("guitar-driven indie", "plays:guitar style:pop clear"),
    ("big band", "style:jazz plays:brass,saxophone clear"),
    ("a piece for cello and piano in the style of a nocturne", "style:classical plays:cello,piano clear"),
    ("2 guitars and 3 violins", "plays:guitar,strings clear"),
    ("church bells and church organ", "plays:tubular_bells,church_organ not:bells clear"),
    ("thunderstorm", "plays:rain,thunder style:ambient clear"),
    ("waves, birds and a crackling fire", "plays:sea,birds,fire clear"),
    ("reggae with steel drums", "style:reggae plays:steel_drum,clean_guitar clear"),
    ("techno with bongos", "plays:electronic_drums,bongos clear"),
    ("kalimba", "only:kalimba"),
    // Negations.
    ("pop without drums", "style:pop not:drums,tambourine,electronic_drums plays:bass clear"),
    (
        "lo-fi hip hop without drums or bass, soft keys, no vocals but with rain",
        "not:dusty_drums,upright_bass plays:electric_piano,rain clear",
    ),
    ("jazz, no drums, bass or guitars", "not:brushes,drums,upright_bass,clean_guitar plays:piano clear"),
    ("rock with no guitar", "not:guitar,distorted_guitar,clean_guitar,lead_guitar clear"),
    ("orchestral, no strings", "not:strings,pizzicato_strings,violin clear"),
    ("lofi no piano", "not:electric_piano,piano,felt_piano clear"),
    ("not sad piano", "mood:happy plays:piano clear"),
    ("piano, not too fast", "plays:piano bpm:80..130 clear"),
    ("not happy, not sad", "not-mood:happy not-mood:sad clear"),
    ("in a jazz club", "style:jazz space:club clear"),
    ("Am, Dm, G, C", "lost:Am lost:Dm"),
    ("trap, 140 bpm", "bpm:140 pulse:half clear"),
    ("drum and bass at 87", "bpm:87 pulse:double clear"),
    ("dark but not sad strings", "mood:dark not-mood:happy plays:strings clear"),
    ("pop@sad, gloomy", "mood:happy not-mood:sad clear"),
    ("jazz@drums", "not:brushes,drums plays:upright_bass clear"),
    ("calm music, not ambient", "mood:calm not-style:ambient clear"),
    ("no dark pads please, just strings", "not:pad not-mood:happy plays:strings clear"),
    ("no drums and a soft piano", "not:drums plays:felt_piano clear"),
    ("no drums except a shaker, bossa nova", "style:bossa_nova plays:shaker not:percussion clear"),
    ("drum-free ambient", "style:ambient clear"),
    ("pop without reverb", "space:dry clear"),
    ("piano with no drums in D minor at 80", "key:D_minor bpm:80 only:piano clear"),
    ("not only piano but also strings", "plays:piano,strings clear"),
    ("non-stop techno", "style:techno mood:energetic clear"),
    ("not busy", "density:sparse clear"),
    ("ambient, no minor key", "mode:major clear"),
    ("strings without pizzicato", "plays:strings not:pizzicato_strings clear"),
    ("piano, not 90 bpm", "lost:90_bpm"),
    ("funk, not faster than 100 bpm", "bpm:40..100 clear"),
    // Tempo.
    ("piano at 72", "bpm:72 clear"),
    ("tempo 72, piano", "bpm:72 clear"),
    ("piano 90-100 bpm", "bpm:90..100 clear"),
    ("between 90 and 100 bpm, piano", "bpm:90..100 clear"),
    ("piano around 90 bpm", "bpm:87..93 clear"),
    ("jazz under 110 bpm", "bpm:40..110 clear"),
    ("slow piano, largo", "bpm:58..80"),
    ("prestissimo piano", "bpm:160..212 clear"),
    ("fast punk", "style:punk bpm:165..200 clear"),
    ("slow techno", "style:techno bpm:90..120 clear"),
    ("a slightly faster lofi", "style:lofi bpm:76..96 clear"),
    ("allegretto", "bpm:100..132 clear"),
    // Length.
    ("2 minutes of ambient", "seconds:120 clear"),
    ("a minute and a half of jazz", "seconds:90 clear"),
    ("ninety seconds of techno", "seconds:90 clear"),
    ("1:30 of folk", "seconds:90 clear"),
    ("90s house", "era:1990s seconds:120 style:house clear"),
    ("45s of rain", "seconds:45 plays:rain clear"),
    ("a 30 second jingle", "seconds:30 style:pop clear"),
    ("16 bars of blues at 60 bpm", "seconds:64 style:blues clear"),
    ("12 bar blues", "style:blues seconds:120 clear"),
    ("2 minutes 30 seconds of piano", "seconds:150 clear"),
    // Keys and metres.
    ("A sharp minor techno", "key:A#_minor clear"),
    ("e-flat major hymn", "key:Eb_major style:gospel clear"),
    ("Dm, 90 bpm", "key:D_minor clear"),
    ("C♯m pad", "key:C#_minor clear"),
    ("in the key of G", "key:G_major clear"),
    ("E aeolian guitar", "key:E_minor clear"),
    ("D ionian", "key:D_major clear"),
    ("piano in Bb", "key:Bb_major clear"),
    ("blues in A minor pentatonic", "key:A_minor warns clear"),
    ("piano in 3", "metre:3/4 clear"),
    ("in seven, techno", "metre:7/8 clear"),
    ("six-eight folk", "metre:6/8 clear"),
    ("a jazz piece in three parts", "metre:4/4"),
    ("house in waltz time", "style:house metre:3/4 clear"),
    ("piano in 9/8", "warns metre:4/4"),
    // Character.
    ("sparse minimal piano", "density:sparse clear"),
    ("lush strings", "density:dense plays:strings"),
    ("80s", "era:1980s style:synthwave clear"),
    ("80s rock", "era:1980s style:rock plays:gated_drums clear"),
    ("medieval tavern", "era:medieval style:folk clear"),
    ("50s rock", "style:rock era:1950s plays:upright_piano clear"),
    ("medieval folk", "not:upright_bass plays:lute clear"),
    ("medieval", "plays:lute,recorder,frame_drum"),
    ("futuristic", "era:futuristic"),
    ("strings in a big hall", "space:hall plays:strings clear"),
    ("dry drums, funk", "style:funk space:dry clear"),
    ("jazz in a small room", "space:room clear"),
    ("pizzicato strings", "only:pizzicato_strings tech:pizzicato/pizzicato_strings clear"),
    ("palm-muted guitar riffs, metal", "plays:muted_guitar tech:palm_muted/muted_guitar clear"),
    ("arpeggiated piano", "tech:arpeggiated/piano only:piano clear"),
    ("strummed guitar and staccato strings", "tech:strummed/guitar tech:staccato/strings clear"),
    ("jazz with brushed drums", "plays:brushes tech:brushed/brushes clear"),
    ("funk with slap bass", "plays:slap_bass clear"),
    ("legato", "tech:legato clear"),
    ("half-time drums, trap", "pulse:half style:trap clear"),
    ("swung house", "style:house swing:0.62 clear"),
    ("jazz with straight eighths", "style:jazz swing:0.5 clear"),
    ("swing", "style:jazz swing:0.62 clear"),
    ("haunted house, eerie bells", "mood:eerie not-style:house plays:bells clear"),
    ("epic heroic trailer music", "style:cinematic mood:majestic clear"),
    ("pop with vocals", "warns style:pop clear"),
    // Structure, on two minutes.
    ("techno that builds up", "form:energy_low clear"),
    ("ambient, builds up slowly", "form:energy_low bpm:50..80 clear"),
    ("trance, drops at half", "form:drop_from_bar clear"),
    ("dubstep, drop at 0:45", "form:drop_from_bar clear"),
    ("piano that ends softly", "form:ends_at_low clear"),
    ("folk, fade out", "ending:fade clear"),
    ("jazz, ends abruptly", "ending:stop clear"),
    ("ambient, no fade out", "ending:cadence clear"),
    ("rock, big ending", "form:ends_at_high clear"),
    ("pop, no intro", "roles:motif,chorus,outro clear"),
    ("pop, starts right away, no outro", "roles:motif,chorus clear"),
    ("pop with a key change", "form:_ clear"),
    ("a loopable lofi beat", "warns ending:stop style:lofi clear"),
    ("gospel with a breakdown", "form:bridge_from_bar clear"),
];

fn made(prompt: &str, seed: u64) -> Plan {
    let (prompt, negative) = prompt.split_once('@').unwrap_or((prompt, ""));
    let wire = GenerationRequest {
        prompt: prompt.into(),
        negative_prompt: Some(negative.into()),
        seed: Some(seed),
        ..GenerationRequest::default()
    };
    plan(&Request::new(wire, &Defaults::default()).unwrap()).unwrap()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.theme.instrumentation.iter().chain(&plan.theme.textures).map(String::as_str).collect()
}

/// Whether a fact holds.
fn holds(plan: &Plan, fact: &str) -> bool {
    let (what, value) = fact.split_once(':').unwrap_or((fact, ""));
    let value = &value.replace('_', " ");
    let raw = fact.split_once(':').map_or("", |(_, value)| value);
    let theme = &plan.theme;
    let range = |number: f64| match raw.split_once("..") {
        Some((low, high)) => (low.parse().unwrap()..=high.parse().unwrap()).contains(&number),
        None => (number - raw.parse::<f64>().unwrap()).abs() < 1e-6,
    };
    let wire = serde_json::to_value(plan.to_wire()).unwrap();
    match what {
        "style" => plan.style == raw,
        "not-style" => plan.style != raw,
        "metre" => plan.time_signature.to_string() == raw,
        "key" => plan.key.to_string() == *value,
        "mode" => plan.key.mode().name() == value,
        "bpm" => range(plan.tempo_bpm),
        "seconds" => range(plan.duration_seconds),
        "mood" => theme.moods.iter().any(|mood| mood == raw),
        "not-mood" => !theme.moods.iter().any(|mood| mood == raw),
        "plays" => raw.split(',').all(|name| names(plan).contains(&name)),
        "not" => !raw.split(',').any(|name| names(plan).contains(&name)),
        "only" => {
            let (mut said, mut is): (Vec<&str>, Vec<&str>) =
                (raw.split(',').collect(), theme.instrumentation.iter().map(String::as_str).collect());
            said.sort_unstable();
            is.sort_unstable();
            said == is
        }
        "tech" => {
            let (name, of) = raw.split_once('/').map_or((raw, None), |(name, of)| (name, Some(of)));
            theme.techniques.iter().any(|t| t.name == name && (of.is_none() || t.instrument.as_deref() == of))
        }
        "space" | "era" | "density" | "pulse" => wire["theme"][what] == raw,
        "swing" => range(theme.swing.unwrap_or(0.0)),
        "ending" => wire["ending"] == raw,
        "roles" => {
            let roles: Vec<&str> = plan.sections.iter().map(|section| section.role.name()).collect();
            roles.join(",") == raw
        }
        "form" => {
            plan.inferred.iter().any(|entry| entry.field == "form" && entry.value.starts_with(value.trim()))
        }
        "lost" => plan.not_understood.contains(value),
        "clear" => plan.not_understood.is_empty(),
        "warns" => !plan.warnings().is_empty(),
        other => panic!("no such fact: {other}"),
    }
}

#[test]
fn prompts_mean_what_they_say() {
    let mut wrong: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (prompt, facts) in EXAMPLES {
        for seed in [1, 2, 3] {
            let plan = made(prompt, seed);
            for fact in facts.split(' ').filter(|fact| !holds(&plan, fact)) {
                let faults = wrong.entry(prompt).or_default();
                if !faults.contains(&fact) {
                    faults.push(fact);
                }
            }
        }
    }
    let report: Vec<String> = wrong
        .iter()
        .map(|(prompt, facts)| {
            let plan = made(prompt, 1);
            format!(
                "{prompt:?}: {}; style {}, {:.1} bpm, {}, moods {:?}, {}, lost {:?}, {:?}",
                facts.join(" "),
                plan.style,
                plan.tempo_bpm,
                plan.key,
                plan.theme.moods,
                names(&plan).join(" "),
                plan.not_understood,
                plan.inferred.iter().filter(|e| e.field == "form").map(|e| &e.value).collect::<Vec<_>>()
            )
        })
        .collect();
    assert!(report.is_empty(), "{} of {}:\n{}", report.len(), EXAMPLES.len(), report.join("\n"));
}

#[test]
fn every_word_of_the_table_of_styles_names_its_style() {
    for style in &super::vocabulary::vocabulary().styles {
        for word in &style.words {
            assert_eq!(made(word, 1).style, style.name, "{word}");
        }
    }
}

#[test]
fn every_instrument_can_be_asked_for_and_left_out() {
    for instrument in &super::vocabulary::vocabulary().instruments {
        let Some(word) = instrument.words.first() else { continue };
        let plan = made(word, 1);
        assert!(names(&plan).contains(&instrument.name.as_str()), "{word}: {:?}", names(&plan));
        let heard =
            |section: &crate::wire::PlanSection| section.orchestration.names().any(|n| n == instrument.name);
        assert!(plan.sections.iter().any(heard), "{word} plays nowhere");
        let without = made(&format!("cinematic rock without {word}"), 1);
        assert!(!names(&without).contains(&instrument.name.as_str()), "without {word}");
        assert!(without.not_understood.is_empty(), "without {word}: {:?}", without.not_understood);
    }
}

#[test]
fn whoever_is_named_plays_in_some_section_of_any_form() {
    let prompts = [
        "pop with piano, guitar, organ, strings, harp, flute, oboe and trumpet",
        "orchestral with timpani, celesta, tuba and choir",
        "techno with bongos, congas and a shaker, drop at half",
    ];
    for prompt in prompts {
        for seconds in ["5 seconds", "30 seconds", "100 seconds", "4 minutes"] {
            let plan = made(&format!("{prompt}, {seconds}"), 3);
            let named = plan.inferred.iter().filter(|entry| {
                entry.field == "theme.instrumentation" && entry.source == crate::wire::Source::Prompt
            });
            for entry in named {
                let plays =
                    |s: &crate::wire::PlanSection| s.orchestration.names().any(|name| name == entry.value);
                assert!(plan.sections.iter().any(plays), "{} in {prompt}, {seconds}", entry.value);
            }
            assert!(plan.sections.iter().all(|s| s.orchestration.names().next().is_some()), "{prompt}");
        }
    }
}

#[test]
fn sections_differ_in_who_plays() {
    for style in ["pop", "rock", "jazz", "house", "cinematic", "funk", "celtic"] {
        let plan = made(&format!("{style}, 3 minutes"), 5);
        let of =
            |role: Role| plan.sections.iter().find(|section| section.role == role).map(|s| &s.orchestration);
        let size = |role: Role| of(role).map_or(0, |players| players.names().count());
        assert!(size(Role::Intro) < size(Role::Motif) && size(Role::Motif) < size(Role::Chorus), "{style}");
        assert_ne!(of(Role::Bridge), of(Role::Motif), "{style}");
    }
}

#[test]
fn a_drop_is_where_it_was_asked_for() {
    let plan = made("house, drop at 0:45, 2 minutes", 1);
    let drop = plan.sections.iter().find(|section| section.label == "Drop").unwrap();
    assert!((drop.start_seconds - 45.0).abs() <= plan.bar_seconds() / 2.0 + 1e-9, "{}", drop.start_seconds);
    assert_eq!(drop.energy, crate::wire::Energy::High);
}

#[test]
fn a_key_change_is_planned_only_when_asked_for() {
    let plan = made("pop in C major with a key change", 1);
    let keys: Vec<Option<String>> = plan.sections.iter().map(|s| s.key.map(|key| key.to_string())).collect();
    assert!(keys[0].is_none() && keys.last().unwrap().as_deref() == Some("D major"), "{keys:?}");
    assert!(made("pop in C major", 1).sections.iter().all(|section| section.key.is_none()));
    assert!(made("pop, key change, 5 seconds", 1).warnings().iter().any(|w| w.contains("too short")));
}

#[test]
fn lengths_and_tempi_outside_the_limits_are_refused() {
    for prompt in
        ["an hour of rain", "20 minutes of jazz", "gabber at 300 bpm", "200 bars of ambient", "piano, 20 bpm"]
    {
        let wire = GenerationRequest { prompt: prompt.into(), ..GenerationRequest::default() };
        let refused = plan(&Request::new(wire, &Defaults::default()).unwrap()).unwrap_err();
        assert_eq!(refused.errors[0].field, "prompt", "{prompt}");
    }
}

#[test]
fn the_request_overrules_the_prompt() {
    let wire = GenerationRequest {
        prompt: "2 minutes of slow piano in D minor".into(),
        duration_seconds: Some(30.0),
        tempo_bpm: Some(150.0),
        key: "E major".parse().ok(),
        ..GenerationRequest::default()
    };
    let made = plan(&Request::new(wire, &Defaults::default()).unwrap()).unwrap();
    assert_eq!((made.duration_seconds, made.tempo_bpm), (30.0, 150.0));
    assert_eq!(made.key.to_string(), "E major");
}
