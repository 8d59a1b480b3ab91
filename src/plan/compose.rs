//! Makes a plan from a prompt: every decision, and where it came from.

use crate::{
    audio::Random,
    music::{Key, Metre, Mode},
    plan::{
        Plan, PlanError,
        brief::{self, Brief, Said},
        ensemble, form, motif, prompt,
        vocabulary::{Layer, Style, Vocabulary, vocabulary},
    },
    request::{Request, TEMPO_BPM},
    wire::{
        CompositionPlan, Density, FieldError, Inference, Orchestration, PlanSection, Pulse, Source, Theme,
        Transition,
    },
};

/// Makes the plan of a request that brings none.
pub(super) fn compose(request: &Request) -> Result<Plan, PlanError> {
    let vocabulary = vocabulary();
    let brief = brief::read(&request.prompt, &request.negative_prompt, vocabulary);
    let decisions = Decisions::make(request, &brief, vocabulary)?;
    let mut warnings: Vec<String> = Vec::new();
    for words in &brief.impossible {
        warnings.push(format!("\"{words}\" is left out: Timbre makes instrumental music"));
    }
    let players = ensemble::players(&brief, decisions.style, vocabulary);
    if players.names().next().is_none() {
        let message = "leaves nobody to play; exclude less".to_owned();
        return Err(PlanError { errors: vec![FieldError { field: "negative_prompt".into(), message }] });
    }
    Plan::from_authored(decisions.into_plan(request, &brief, players, vocabulary), warnings)
}

/// What a piece is, before it is divided into sections.
struct Decisions<'v> {
    style: &'v Style,
    metre: Metre,
    key: Key,
    tempo_bpm: f64,
    seconds: f64,
    /// Mean energy of the moods, -1 to 1.
    energy: f64,
    inferred: Vec<Inference>,
}

impl<'v> Decisions<'v> {
    fn make(request: &Request, brief: &Brief<'v>, vocabulary: &'v Vocabulary) -> Result<Self, PlanError> {
        let mut inferred = Vec::new();
        let mut note = |field: &str, value: String, source: Source, because: Option<&str>| {
            inferred.push(Inference {
                field: field.into(),
                value,
                source,
                because: because.map(str::to_owned),
            });
        };

        let mood = brief.moods.first();
        let (style, source, because) = match (brief.styles.first(), mood) {
            (Some(said), _) => (said.value, Source::Prompt, Some(said.words.as_str())),
            (None, Some(mood)) => (
                vocabulary.style(&mood.value.style).unwrap_or(&vocabulary.styles[0]),
                Source::Prompt,
                Some(mood.words.as_str()),
            ),
            (None, None) if brief.instruments.is_empty() => {
                (&vocabulary.styles[0], Source::Style, Some("nothing says otherwise"))
            }
            (None, None) => fitting_style(brief, vocabulary),
        };
        note("style", style.name.clone(), source, because);

        let seconds = request.duration_seconds.unwrap_or(request.default_duration_seconds);
        let (source, because) = match request.duration_seconds {
            Some(_) => (Source::Request, None),
            None => (Source::Style, Some("the usual length here")),
        };
        note("duration_seconds", format!("{seconds}"), source, because);

        let (metre, source, because) = match (request.metre, &brief.metre) {
            (Some(metre), _) => (metre, Source::Request, None),
            (None, Some(said)) => (said.value, Source::Prompt, Some(said.words.as_str())),
            (None, None) => match brief.styles.iter().find(|said| said.value.metre != Metre::FourFour) {
                // A "folk waltz" is folk in the time of a waltz.
                Some(said) => (said.value.metre, Source::Prompt, Some(said.words.as_str())),
                None => (style.metre, Source::Style, None),
            },
        };
        note("time_signature", metre.to_string(), source, because);

        let (key, source, because) = key(request, brief, style);
        note("key", key.to_string(), source, because.as_deref());

        let (tempo_bpm, source, because) = tempo(request, brief, style, metre, seconds)?;
        note("tempo_bpm", format!("{}", (tempo_bpm * 100.0).round() / 100.0), source, because.as_deref());

        let moods = brief.moods.len().max(1) as f64;
        let energy = brief.moods.iter().map(|said| said.value.energy).sum::<f64>() / moods;
        Ok(Self { style, metre, key, tempo_bpm, seconds, energy, inferred })
    }

    fn into_plan(
        mut self,
        request: &Request,
        brief: &Brief<'_>,
        players: Orchestration,
        vocabulary: &Vocabulary,
    ) -> CompositionPlan {
        self.note_players(brief, &players);
        let bar_seconds = self.metre.bar_seconds(self.tempo_bpm);
        let division = form::sections(self.seconds, bar_seconds);
        let only = division.len() == 1;
        let mut sections: Vec<PlanSection> = Vec::with_capacity(division.len());
        let mut choruses = 0;
        for (index, (role, bars)) in division.iter().copied().enumerate() {
            let energy = form::energy(role, self.energy);
            let orchestration = ensemble::in_section(&players, role, energy, only);
            let bars_before = index.checked_sub(1).map_or(0.0, |before| division[before].1);
            let (kind, beats) = match index {
                0 => (crate::wire::TransitionKind::Cut, 0.0),
                _ => form::transition(role, self.style.joins, self.metre.beats(), bars_before),
            };
            choruses += usize::from(role == crate::wire::Role::Chorus);
            let numbers = (self.tempo_bpm, self.key, self.metre);
            sections.push(PlanSection {
                id: format!("s{index:02}"),
                role,
                label: label(role, choruses),
                prompt: prompt::for_section(
                    &request.prompt,
                    (role, energy),
                    &orchestration,
                    numbers,
                    vocabulary,
                ),
                bars,
                start_seconds: 0.0,
                length_seconds: 0.0,
                start_frame: 0,
                length_frames: 0,
                energy,
                key: None,
                transition: Transition { kind, beats },
                seed: Random::stream(request.seed, &format!("plan/section/{index}")).bits()
                    & crate::request::SEED_MAX,
                orchestration,
            });
        }
        CompositionPlan {
            version: 1,
            title: title(&request.prompt),
            prompt: request.prompt.clone(),
            seed: request.seed,
            style: self.style.name.clone(),
            tempo_bpm: self.tempo_bpm,
            time_signature: self.metre,
            key: self.key,
            total_bars: 0.0,
            duration_seconds: self.seconds,
            sample_rate: request.output.rate.0,
            total_frames: 0,
            theme: Theme {
                motif: motif::draw(request.seed, self.metre, self.tempo_bpm),
                instrumentation: ensemble::instruments(&players),
                textures: players.textures,
                techniques: Vec::new(),
                space: None,
                era: None,
                density: Density::Usual,
                pulse: Pulse::Normal,
                swing: None,
                moods: unique(brief.moods.iter().map(|said| said.value.name.clone())),
                dynamic_curve: sections
                    .iter()
                    .map(|section| form::level(section.role, section.energy))
                    .collect(),
            },
            ending: None,
            sections,
            inferred: self.inferred,
            not_understood: brief.not_understood.clone(),
        }
    }

    fn note_players(&mut self, brief: &Brief<'_>, players: &Orchestration) {
        let said = |name: &str| brief.instruments.iter().find(|said| said.value.name == name);
        for (field, names) in
            [("instrumentation", ensemble::instruments(players)), ("textures", players.textures.clone())]
        {
            for name in names {
                let (source, because) = match said(&name) {
                    Some(said) => (Source::Prompt, Some(said.words.clone())),
                    None => (Source::Style, Some(self.style.name.clone())),
                };
                self.inferred.push(Inference {
                    field: format!("theme.{field}"),
                    value: name,
                    source,
                    because,
                });
            }
        }
        for mood in &brief.moods {
            let because = Some(mood.words.clone());
            let value = mood.value.name.clone();
            self.inferred.push(Inference {
                field: "theme.moods".into(),
                value,
                source: Source::Prompt,
                because,
            });
        }
        if !brief.excluded.is_empty() {
            let value = unique(brief.excluded.iter().cloned()).join(", ");
            let because = Some("excluded".to_owned());
            self.inferred.push(Inference { field: "without".into(), value, source: Source::Prompt, because });
        }
    }
}

/// When instruments are named but neither style nor mood: the style whose usual players are most like them, the first of equals.
/// Textures alone are no reason for a band: they get ambient.
fn fitting_style<'v>(
    brief: &Brief<'v>,
    vocabulary: &'v Vocabulary,
) -> (&'v Style, Source, Option<&'static str>) {
    let ambient = vocabulary.style("ambient");
    if let Some(style) =
        ambient.filter(|_| brief.instruments.iter().all(|said| said.value.layer == Layer::Textures))
    {
        return (style, Source::Style, Some("suits the textures named"));
    }
    let shared = |style: &&Style| {
        let usual: Vec<&str> = style.instruments.names().collect();
        brief.instruments.iter().filter(|said| usual.contains(&said.value.name.as_str())).count()
    };
    let most = vocabulary.styles.iter().map(|style| shared(&style)).max().unwrap_or(0);
    let style = vocabulary.styles.iter().find(|style| shared(style) == most).unwrap_or(&vocabulary.styles[0]);
    (style, Source::Style, Some("suits the instruments named"))
}

fn key(request: &Request, brief: &Brief<'_>, style: &Style) -> (Key, Source, Option<String>) {
    if let Some(key) = request.key {
        return (key, Source::Request, None);
    }
    if let Some(Said { value, words }) = &brief.key {
        return (*value, Source::Prompt, Some(words.clone()));
    }
    let mut random = Random::stream(request.seed, "plan/key");
    let tonic = random.below(12) as i32;
    let mood_modes = brief.moods.iter().find(|said| !said.value.modes.is_empty());
    let mode = |random: &mut Random, modes: &[Mode]| random.pick(modes).copied().unwrap_or(Mode::Major);
    match (&brief.mode, mood_modes) {
        (Some(said), _) => {
            (Key::from_pitch_class(tonic, said.value), Source::Prompt, Some(said.words.clone()))
        }
        (None, Some(said)) => {
            let mode = mode(&mut random, &said.value.modes);
            (Key::from_pitch_class(tonic, mode), Source::Prompt, Some(said.words.clone()))
        }
        (None, None) => {
            let mode = mode(&mut random, &style.modes);
            (
                Key::from_pitch_class(tonic, mode),
                Source::Seed,
                Some(format!("among the modes of {}", style.name)),
            )
        }
    }
}

fn tempo(
    request: &Request,
    brief: &Brief<'_>,
    style: &Style,
    metre: Metre,
    seconds: f64,
) -> Result<(f64, Source, Option<String>), PlanError> {
    if let Some(tempo) = request.tempo_bpm {
        return Ok((tempo, Source::Request, None));
    }
    if let Some(Said { value, words }) = &brief.tempo {
        if !TEMPO_BPM.contains(value) {
            let (low, high) = (TEMPO_BPM.start(), TEMPO_BPM.end());
            let message = format!("asks for {words:?}; Timbre plays {low} to {high} beats per minute");
            return Err(PlanError { errors: vec![FieldError { field: "prompt".into(), message }] });
        }
        return Ok((*value, Source::Prompt, Some(words.clone())));
    }
    let moods = brief.moods.len().max(1) as f64;
    let mood = brief.moods.iter().map(|said| said.value.tempo).sum::<f64>() / moods;
    let ([low, high], source, because) = match &brief.tempo_range {
        Some(said) => (said.value, Source::Prompt, said.words.clone()),
        // Styles count quarters; in compound time the beat is as long as one and a half of them.
        None if metre.eighths_per_beat() == 3 => {
            let slower = |bpm: f64| (bpm / 1.5).max(*TEMPO_BPM.start());
            (style.tempo.map(slower), Source::Style, format!("usual in {}, in dotted quarters", style.name))
        }
        None => (style.tempo, Source::Style, format!("usual in {}", style.name)),
    };
    let at =
        (0.5 + 0.4 * mood + Random::stream(request.seed, "plan/tempo").between(-0.3, 0.3)).clamp(0.0, 1.0);
    let guess = (low + (high - low) * at).round();
    Ok(match form::fitting_tempo(guess, seconds, metre) {
        Some(tempo) => (tempo, source, Some(format!("{because}, moved to whole bars"))),
        None => (guess, source, Some(because)),
    })
}

fn label(role: crate::wire::Role, choruses: usize) -> String {
    let mut name = role.name().to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if role == crate::wire::Role::Chorus && choruses > 1 { format!("{name} {choruses}") } else { name }
}

/// A title from the first clause of the prompt, in title case, at most 60 characters.
fn title(prompt: &str) -> String {
    let clause =
        prompt.split([',', '.', ';', ':', '\n', '!', '?']).map(str::trim).find(|clause| !clause.is_empty());
    let mut title = String::new();
    for word in clause.unwrap_or("Untitled").split_whitespace() {
        let length = title.chars().count() + word.chars().count();
        if length > 60 && !title.is_empty() {
            break;
        }
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(&first);
        title.extend(letters.take(60));
    }
    title
}

fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}
