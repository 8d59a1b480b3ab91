//! Makes a plan from a prompt: puts the decisions together, section by section.

use crate::{
    audio::Random,
    plan::{
        Plan, PlanError,
        arrangement::{self, Scene},
        brief::{self, Brief},
        decide::{Decisions, entry},
        ensemble::{self, Players, Sources},
        form::{self, Division},
        motif, prompt,
        shape::{self, Shape},
        vocabulary::{Notes, vocabulary},
    },
    request::{Request, SEED_MAX},
    wire::{
        CompositionPlan, Density, Ending, EngineChoice, FieldError, Inference, PlanSection, Role, Source,
        Theme, Transition, TransitionKind,
    },
};

/// Pieces from this length on have players that come and go, in seconds.
const LONG_SECONDS: f64 = 90.0;

/// Makes the plan of a request that brings none.
pub(super) fn compose(request: &Request) -> Result<Plan, PlanError> {
    let brief = brief::read(&request.prompt, &request.negative_prompt);
    let decisions = Decisions::make(request, &brief)?;
    let sources = Sources {
        style: decisions.style,
        second: decisions.second,
        era: decisions.era,
        joins: !brief.styles.is_empty() || !brief.implied_styles.is_empty(),
        style_known: ![&brief.styles, &brief.implied_styles, &brief.hinted_styles]
            .iter()
            .all(|said| said.is_empty())
            || brief.era.is_some(),
        long: decisions.seconds >= LONG_SECONDS,
        seed: request.seed,
    };
    let players = ensemble::players(&brief, &sources);
    if players.everybody.names().next().is_none() {
        let message = "leaves nobody to play; exclude less".to_owned();
        return Err(PlanError { errors: vec![FieldError { field: "negative_prompt".into(), message }] });
    }
    Draft { request, brief: &brief, decisions, players }.plan()
}

/// Everything that a plan is made from.
struct Draft<'a> {
    request: &'a Request,
    brief: &'a Brief,
    decisions: Decisions,
    players: Players,
}

impl Draft<'_> {
    fn plan(mut self) -> Result<Plan, PlanError> {
        let shape = Shape::of(self.brief);
        let bar_seconds = self.decisions.metre.bar_seconds(self.decisions.tempo_bpm);
        let division = form::divide(self.decisions.seconds, bar_seconds, &shape.layout);
        let (ending, ending_words) = shape::ending(self.brief, self.decisions.style);
        let sections = self.sections(&shape, &division, ending);
        let source = if ending_words.is_some() { Source::Prompt } else { Source::Style };
        let because = ending_words.or_else(|| Some(self.decisions.style.name.clone()));
        self.note(entry("ending", ending.name().to_owned(), source, because));
        self.note_theme();
        let warnings = self.note_wishes(&division, &sections);
        Plan::from_authored(self.into_wire(sections, ending), warnings)
    }

    fn sections(&self, shape: &Shape, division: &Division, ending: Ending) -> Vec<PlanSection> {
        let Decisions { style, metre, key, tempo_bpm, .. } = self.decisions;
        let energies = shape.energies(division, self.decisions.energy);
        let scenes: Vec<Scene> = division
            .sections
            .iter()
            .zip(&energies)
            .map(|(&(role, bars), &energy)| Scene { role, energy, bars })
            .collect();
        let orchestrations = arrangement::arrange(&self.players, &scenes, ending, style.rhythmic);
        let raised = shape.key_change(division, key);
        let mut sections: Vec<PlanSection> = Vec::with_capacity(scenes.len());
        let mut choruses = 0;
        for (index, (scene, orchestration)) in scenes.iter().zip(orchestrations).enumerate() {
            let Scene { role, energy, bars } = *scene;
            let (kind, beats) = match index.checked_sub(1) {
                None => (TransitionKind::Cut, 0.0),
                // A model plays one stream in which the text changes.
                Some(_) if self.request.engine == EngineChoice::Musicgen => (TransitionKind::Continue, 0.0),
                Some(before) => form::transition(role, style.joins, metre.beats(), scenes[before].bars),
            };
            choruses += usize::from(role == Role::Chorus);
            let section_key = raised.filter(|(from, _)| index >= *from).map(|(_, key)| key);
            let numbers = (tempo_bpm, section_key.unwrap_or(key), metre);
            let dropped = division.drop == Some(index);
            sections.push(PlanSection {
                id: format!("s{index:02}"),
                role,
                label: if dropped { "Drop".to_owned() } else { label(role, choruses) },
                prompt: prompt::for_section(
                    &self.request.prompt,
                    (role, energy),
                    &orchestration,
                    numbers,
                    vocabulary(),
                ),
                bars,
                start_seconds: 0.0,
                length_seconds: 0.0,
                start_frame: 0,
                length_frames: 0,
                energy,
                key: section_key,
                transition: Transition { kind, beats },
                seed: Random::stream(self.request.seed, &format!("plan/section/{index}")).bits() & SEED_MAX,
                orchestration,
            });
        }
        sections
    }

    fn into_wire(self, sections: Vec<PlanSection>, ending: Ending) -> CompositionPlan {
        let Self { request, brief, decisions, players } = self;
        let everybody = ensemble::together(sections.iter().map(|section| &section.orchestration));
        let density = brief.density.as_ref().map_or(Density::Usual, |said| said.value);
        let melody = motif::Liveliness {
            syncopation: decisions.style.melody.syncopation,
            notes: liveliness(decisions.style.melody.notes, decisions.energy, density),
        };
        CompositionPlan {
            version: 1,
            title: title(&request.prompt),
            prompt: request.prompt.clone(),
            seed: request.seed,
            style: decisions.style.name.clone(),
            tempo_bpm: decisions.tempo_bpm,
            time_signature: decisions.metre,
            key: decisions.key,
            total_bars: 0.0,
            duration_seconds: decisions.seconds,
            sample_rate: request.output.rate.0,
            total_frames: 0,
            theme: Theme {
                motif: motif::draw(request.seed, decisions.metre, decisions.tempo_bpm, melody),
                instrumentation: ensemble::instruments(&everybody),
                textures: everybody.textures,
                techniques: players.techniques.into_iter().map(|said| said.value).collect(),
                space: brief.space.as_ref().map(|said| said.value.name.clone()),
                era: brief.era.as_ref().map(|said| said.value.name.clone()),
                density,
                pulse: decisions.pulse,
                swing: brief.swing.as_ref().map(|said| said.value),
                moods: unique(brief.moods.iter().map(|said| said.value.name.clone())),
                dynamic_curve: sections
                    .iter()
                    .map(|section| form::level(section.role, section.energy))
                    .collect(),
            },
            ending: Some(ending),
            sections,
            inferred: decisions.inferred,
            not_understood: brief.not_understood.clone(),
        }
    }

    fn note(&mut self, entry: Inference) {
        self.decisions.inferred.push(entry);
    }

    /// Writes down who plays and how, and why.
    fn note_theme(&mut self) {
        let style = &self.decisions.style.name;
        let mut entries: Vec<Inference> = Vec::new();
        let everybody = &self.players.everybody;
        for (field, names) in [
            ("theme.instrumentation", ensemble::instruments(everybody)),
            ("theme.textures", everybody.textures.clone()),
        ] {
            for name in names {
                let said = self.players.named.iter().find(|said| said.value == name);
                let lent = self.players.lent.iter().find(|said| said.value == name);
                let (source, because) = match (said, lent) {
                    (Some(said), _) => (Source::Prompt, said.words.clone()),
                    (None, Some(lent)) => (Source::Prompt, lent.words.clone()),
                    (None, None) => (Source::Style, style.clone()),
                };
                entries.push(entry(field, name, source, Some(because)));
            }
        }
        let brief = self.brief;
        let mut said = |field: &str, value: String, words: &str| {
            entries.push(entry(field, value, Source::Prompt, Some(words.to_owned())));
        };
        if let Some(words) = &brief.alone {
            said("theme.instrumentation", "nobody else".to_owned(), words);
        }
        for technique in &self.players.techniques {
            let wire = &technique.value;
            let of = wire.instrument.as_ref().map_or(String::new(), |name| format!(" ({name})"));
            said("theme.techniques", format!("{}{of}", wire.name), &technique.words);
        }
        for mood in &brief.moods {
            said("theme.moods", mood.value.name.clone(), &mood.words);
        }
        if let Some(space) = &brief.space {
            said("theme.space", space.value.name.clone(), &space.words);
        }
        if let Some(era) = &brief.era {
            said("theme.era", era.value.name.clone(), &era.words);
        }
        if let Some(density) = &brief.density {
            said("theme.density", density.value.name().to_owned(), &density.words);
        }
        if let Some(swing) = &brief.swing {
            said("theme.swing", format!("{}", swing.value), &swing.words);
        }
        for left_out in &brief.left_out {
            said("without", left_out.words.clone(), "left out");
        }
        if let Some(words) = &brief.tuneless {
            said("without", words.clone(), "left out");
        }
        for words in &brief.avoided_words {
            said("without", words.clone(), "not done");
        }
        self.decisions.inferred.append(&mut entries);
    }

    /// Writes down what became of the wishes for the form; returns what cannot be done.
    fn note_wishes(&mut self, division: &Division, sections: &[PlanSection]) -> Vec<String> {
        let brief = self.brief;
        let mut warnings: Vec<String> = Vec::new();
        for said in &brief.impossible {
            warnings.push(format!("\"{}\" is left out: {}", said.words, said.value));
        }
        for wish in &brief.hints {
            match shape::outcome(wish, division, sections) {
                Some(Ok(done)) => {
                    self.note(entry("form", done, Source::Prompt, Some(wish.words.clone())));
                }
                Some(Err(why)) => warnings.push(format!("\"{}\" is left out: {why}", wish.words)),
                None => {}
            }
            if wish.value.hint == crate::plan::vocabulary::Hint::Loop {
                warnings.push(format!(
                    "\"{}\": planned without intro and outro, but the piece ends with a last chord, so it does not repeat \
                     without a seam",
                    wish.words
                ));
            }
        }
        warnings
    }
}

/// How many notes a melody has: as in the style, fewer or more by mood and density.
fn liveliness(usual: Notes, energy: f64, density: Density) -> Notes {
    let by = i32::from(energy >= 0.6) - i32::from(energy <= -0.6) + i32::from(density == Density::Dense)
        - i32::from(density == Density::Sparse);
    match usual as i32 + by {
        ..=0 => Notes::Few,
        1 => Notes::Usual,
        _ => Notes::Many,
    }
}

fn label(role: Role, choruses: usize) -> String {
    let mut name = role.name().to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if role == Role::Chorus && choruses > 1 { format!("{name} {choruses}") } else { name }
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
