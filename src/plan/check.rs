//! Accepts a plan from outside: every limit is checked, everything derived is computed again.

use crate::{
    plan::{
        Plan, PlanError, brief, ensemble, form,
        vocabulary::{Layer, vocabulary},
    },
    request::{DURATION_SECONDS, PROMPT_CHARACTERS, Request, SEED_MAX, TEMPO_BPM},
    wire::{CompositionPlan, FieldError, Orchestration, PlanSection, TransitionKind},
};

/// Most sections of a plan.
const SECTIONS: usize = 64;
/// Longest section, in bars.
const BARS: f64 = 512.0;
/// Longest crossfade, in beats.
const CROSSFADE_BEATS: f64 = 8.0;
/// Most notes of a motif.
const MOTIF_NOTES: usize = 32;
/// Most ways of playing.
const TECHNIQUES: usize = 32;
/// Share of a pair that its first note may take.
const SWING: std::ops::RangeInclusive<f64> = 0.5..=0.75;
/// Derived times that differ by less than this are the same, in seconds.
const SAME_SECONDS: f64 = 1e-3;

/// Checks a plan that came with a request.
pub(super) fn accept(wire: &CompositionPlan, request: &Request) -> Result<Plan, PlanError> {
    let mut check = Check { errors: Vec::new() };
    check.plan(wire);
    check.agreement(wire, request);
    check.finish()?;
    let mut wire = wire.clone();
    let given = wire.clone();
    // A plan that was made for the same length keeps that length to the last digit.
    let total = derived_seconds(&wire);
    if (total - wire.duration_seconds).abs() > 1e-6 {
        wire.duration_seconds = total;
    }
    if let Some(asked) = request.duration_seconds {
        if (asked - wire.duration_seconds).abs() > SAME_SECONDS {
            let message = format!(
                "is {asked} s, but the sections of the plan last {:.3} s; leave it out, or change the bars",
                wire.duration_seconds
            );
            return Err(PlanError { errors: vec![FieldError { field: "duration_seconds".into(), message }] });
        }
        wire.duration_seconds = asked;
    }
    if !DURATION_SECONDS.contains(&wire.duration_seconds) {
        let (low, high) = (DURATION_SECONDS.start(), DURATION_SECONDS.end());
        let message = format!("last {:.3} s together, allowed are {low} to {high} s", wire.duration_seconds);
        return Err(PlanError { errors: vec![FieldError { field: "plan.sections".into(), message }] });
    }
    leave_out(&mut wire, &request.negative_prompt)?;
    let everybody = ensemble::together(wire.sections.iter().map(|section| &section.orchestration));
    wire.theme.instrumentation = ensemble::instruments(&everybody);
    wire.theme.textures = everybody.textures;
    wire.seed = request.seed;
    wire.sample_rate = request.output.rate.0;
    wire.theme.dynamic_curve =
        wire.sections.iter().map(|section| form::level(section.role, section.energy)).collect();
    let plan = Plan::from_authored(wire, Vec::new())?;
    let warnings = corrections(&given, &plan, request);
    Ok(Plan { warnings, ..plan })
}

/// Takes the instruments that a negative prompt names out of every section, as planning does.
fn leave_out(wire: &mut CompositionPlan, negative_prompt: &str) -> Result<(), PlanError> {
    let brief = brief::read("", negative_prompt);
    let excluded = brief.excluded();
    let played = wire.sections.iter().any(|section| section.orchestration.names().next().is_some());
    for section in &mut wire.sections {
        let Orchestration { rhythm, bass, harmony, lead, textures } = &mut section.orchestration;
        for layer in [rhythm, bass, harmony, lead, textures] {
            layer.retain(|name| !excluded.contains(&name.as_str()));
        }
    }
    if played && wire.sections.iter().all(|section| section.orchestration.names().next().is_none()) {
        let message = "leaves nobody of the plan to play; exclude less".to_owned();
        return Err(PlanError { errors: vec![FieldError { field: "negative_prompt".into(), message }] });
    }
    Ok(())
}

fn derived_seconds(wire: &CompositionPlan) -> f64 {
    let bars: f64 = wire.sections.iter().map(|section| section.bars).sum();
    bars * wire.time_signature.bar_seconds(wire.tempo_bpm)
}

/// Derived values that were given and are not what they were said to be.
fn corrections(given: &CompositionPlan, plan: &Plan, request: &Request) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut compare = |field: String, said: f64, is: f64| {
        if said != 0.0 && (said - is).abs() > SAME_SECONDS {
            warnings.push(format!("{field} was {said} and is {is:.3}: it follows from bars and tempo"));
        }
    };
    compare("plan.duration_seconds".into(), given.duration_seconds, plan.duration_seconds);
    compare("plan.total_bars".into(), given.total_bars, plan.total_bars);
    for (index, (said, is)) in given.sections.iter().zip(&plan.sections).enumerate() {
        compare(format!("plan.sections[{index}].start_seconds"), said.start_seconds, is.start_seconds);
        compare(format!("plan.sections[{index}].length_seconds"), said.length_seconds, is.length_seconds);
    }
    if given.sample_rate == plan.sample_rate {
        let mut compare = |field: String, said: u64, is: u64| {
            if said != 0 && said != is {
                warnings.push(format!("{field} was {said} and is {is}: it follows from bars and tempo"));
            }
        };
        compare("plan.total_frames".into(), given.total_frames, plan.total_frames);
        for (index, (said, is)) in given.sections.iter().zip(&plan.sections).enumerate() {
            compare(format!("plan.sections[{index}].start_frame"), said.start_frame, is.start_frame);
            compare(format!("plan.sections[{index}].length_frames"), said.length_frames, is.length_frames);
        }
    }
    let (given_theme, theme) = (&given.theme, &plan.theme);
    if !given_theme.dynamic_curve.is_empty() && given_theme.dynamic_curve != theme.dynamic_curve {
        warnings.push(
            "plan.theme.dynamic_curve was computed again: it follows from the sections' energies".into(),
        );
    }
    if given.prompt != request.prompt {
        warnings.push("the plan says what is played; the new prompt is only written down".into());
    }
    if given.seed != plan.seed {
        warnings.push(format!(
            "seed {} is new, but motif and sections keep what the plan has: plan again for another tune",
            plan.seed
        ));
    }
    warnings
}

struct Check {
    errors: Vec<FieldError>,
}

impl Check {
    fn finish(self) -> Result<(), PlanError> {
        if self.errors.is_empty() { Ok(()) } else { Err(PlanError { errors: self.errors }) }
    }

    fn require(&mut self, holds: bool, field: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.errors.push(FieldError { field: format!("plan.{field}"), message: message() });
        }
    }

    fn plan(&mut self, plan: &CompositionPlan) {
        let vocabulary = vocabulary();
        self.require(plan.version == 1, "version", || {
            format!("is {}, this version of Timbre reads 1", plan.version)
        });
        self.text("title", &plan.title, 200);
        self.text("prompt", &plan.prompt, PROMPT_CHARACTERS);
        self.require(plan.seed <= SEED_MAX, "seed", || format!("must be at most {SEED_MAX} (2^53 - 1)"));
        self.require(vocabulary.style(&plan.style).is_some(), "style", || {
            let known: Vec<&str> = vocabulary.styles.iter().map(|style| style.name.as_str()).collect();
            format!("{:?} is unknown; known are {}", plan.style, known.join(", "))
        });
        self.require(TEMPO_BPM.contains(&plan.tempo_bpm), "tempo_bpm", || {
            format!(
                "{} is outside {} to {} beats per minute",
                plan.tempo_bpm,
                TEMPO_BPM.start(),
                TEMPO_BPM.end()
            )
        });
        let notes = plan.theme.motif.len();
        self.require((1..=MOTIF_NOTES).contains(&notes), "theme.motif", || {
            format!("has {notes} notes, allowed are 1 to {MOTIF_NOTES}")
        });
        for (index, note) in plan.theme.motif.iter().enumerate() {
            self.require(
                note.beats > 0.0 && note.beats <= 16.0,
                &format!("theme.motif[{index}].beats"),
                || format!("{} is outside 0 (not included) to 16", note.beats),
            );
            let in_range = note.degree.is_none_or(|degree| (-14..=14).contains(&degree));
            self.require(in_range, &format!("theme.motif[{index}].degree"), || "is outside -14 to 14".into());
        }
        for level in &plan.theme.dynamic_curve {
            self.require((0.0..=1.0).contains(level), "theme.dynamic_curve", || {
                format!("{level} is outside 0 to 1")
            });
        }
        for mood in &plan.theme.moods {
            self.require(vocabulary.mood(mood).is_some(), "theme.moods", || format!("{mood:?} is unknown"));
        }
        for (field, names) in
            [("theme.instrumentation", &plan.theme.instrumentation), ("theme.textures", &plan.theme.textures)]
        {
            for name in names {
                self.require(vocabulary.instrument(name).is_some(), field, || format!("{name:?} is unknown"));
            }
        }
        self.manner(plan);
        let count = plan.sections.len();
        self.require((1..=SECTIONS).contains(&count), "sections", || {
            format!("has {count}, allowed are 1 to {SECTIONS}")
        });
        for index in 0..count {
            self.section(plan, index);
        }
    }

    /// How it is played, and where.
    fn manner(&mut self, plan: &CompositionPlan) {
        let vocabulary = vocabulary();
        let theme = &plan.theme;
        let count = theme.techniques.len();
        self.require(count <= TECHNIQUES, "theme.techniques", || {
            format!("has {count}, at most {TECHNIQUES} are allowed")
        });
        for (index, technique) in theme.techniques.iter().enumerate() {
            let known = || vocabulary.techniques.iter().map(|known| known.name.as_str()).collect::<Vec<_>>();
            let path = format!("theme.techniques[{index}]");
            self.require(vocabulary.technique(&technique.name).is_some(), &format!("{path}.name"), || {
                format!("{:?} is unknown; known are {}", technique.name, known().join(", "))
            });
            let of = technique.instrument.as_deref();
            self.require(
                of.is_none_or(|name| vocabulary.instrument(name).is_some()),
                &format!("{path}.instrument"),
                || format!("{:?} is unknown", of.unwrap_or_default()),
            );
        }
        if let Some(space) = &theme.space {
            let known = || vocabulary.spaces.iter().map(|known| known.name.as_str()).collect::<Vec<_>>();
            self.require(vocabulary.space(space).is_some(), "theme.space", || {
                format!("{space:?} is unknown; known are {}", known().join(", "))
            });
        }
        if let Some(era) = &theme.era {
            let known = || vocabulary.eras.iter().map(|known| known.name.as_str()).collect::<Vec<_>>();
            self.require(vocabulary.era(era).is_some(), "theme.era", || {
                format!("{era:?} is unknown; known are {}", known().join(", "))
            });
        }
        let swing = theme.swing.unwrap_or(*SWING.start());
        self.require(SWING.contains(&swing), "theme.swing", || {
            format!("{swing} is outside {} to {}", SWING.start(), SWING.end())
        });
    }

    fn section(&mut self, plan: &CompositionPlan, index: usize) {
        let section = &plan.sections[index];
        let path = |field: &str| format!("sections[{index}].{field}");
        let id_fits = (1..=32).contains(&section.id.len())
            && section.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        self.require(id_fits, &path("id"), || "must be 1 to 32 letters, digits, - and _".into());
        let repeated = plan.sections[..index].iter().any(|other| other.id == section.id);
        self.require(!repeated, &path("id"), || format!("{:?} is the id of two sections", section.id));
        self.require(!section.label.trim().is_empty(), &path("label"), || "is empty".into());
        self.text(&path("label"), &section.label, 64);
        self.text(&path("prompt"), &section.prompt, PROMPT_CHARACTERS);
        self.require(section.seed <= SEED_MAX, &path("seed"), || {
            format!("must be at most {SEED_MAX} (2^53 - 1)")
        });
        let bars = section.bars;
        self.require(bars > 0.0 && bars <= BARS, &path("bars"), || {
            format!("{bars} is outside 0 (not included) to {BARS}")
        });
        let last = index + 1 == plan.sections.len();
        self.require(last || bars.fract() == 0.0, &path("bars"), || {
            format!("{bars} is no whole number; only the last section may end inside a bar")
        });
        let before = index.checked_sub(1).map(|before| &plan.sections[before]);
        self.transition(plan, section, before, &path);
        self.orchestration(&section.orchestration, &path);
    }

    fn transition(
        &mut self,
        plan: &CompositionPlan,
        section: &PlanSection,
        before: Option<&PlanSection>,
        path: &impl Fn(&str) -> String,
    ) {
        let beats = section.transition.beats;
        let field = path("transition.beats");
        match (section.transition.kind, before) {
            (TransitionKind::Crossfade, Some(before)) => {
                self.require(beats > 0.0 && beats <= CROSSFADE_BEATS, &field, || {
                    format!("{beats} is outside 0 (not included) to {CROSSFADE_BEATS} for a crossfade")
                });
                let room = before.bars * plan.time_signature.beats();
                self.require(beats <= room, &field, || {
                    format!("{beats} beats do not fit into the section before, which has {room}")
                });
            }
            (TransitionKind::Crossfade, None) => {
                self.require(false, &path("transition.kind"), || {
                    "the first section has nothing to fade from".into()
                });
            }
            _ => self
                .require(beats == 0.0, &field, || format!("is {beats}, but only a crossfade has a length")),
        }
    }

    fn orchestration(&mut self, orchestration: &Orchestration, path: &impl Fn(&str) -> String) {
        let vocabulary = vocabulary();
        for (layer, names) in orchestration.layers() {
            for (index, name) in names.iter().enumerate() {
                let field = path(&format!("orchestration.{layer}[{index}]"));
                let fits = |instrument: Layer| instrument.serves(layer);
                let known: Vec<&str> = vocabulary
                    .instruments
                    .iter()
                    .filter(|item| fits(item.layer))
                    .map(|item| item.name.as_str())
                    .collect();
                self.require(known.contains(&name.as_str()), &field, || {
                    format!("{name:?} does not play {layer}; known are {}", known.join(", "))
                });
                let twice = names[..index].contains(name);
                self.require(!twice, &field, || format!("{name:?} stands there twice"));
            }
        }
    }

    fn text(&mut self, field: &str, text: &str, most: usize) {
        let characters = text.chars().count();
        self.require(characters <= most, field, || {
            format!("has {characters} characters, at most {most} are allowed")
        });
        self.require(!text.chars().any(char::is_control), field, || "contains control characters".into());
    }

    /// What the request says beside its plan must not contradict it.
    fn agreement(&mut self, plan: &CompositionPlan, request: &Request) {
        let mut differ = |field: &str, asked: String, planned: String| {
            let message =
                format!("is {asked}, but the plan says {planned}; leave it out, or change the plan");
            self.errors.push(FieldError { field: field.into(), message });
        };
        if let Some(tempo) = request.tempo_bpm.filter(|tempo| (tempo - plan.tempo_bpm).abs() > 1e-6) {
            differ("tempo_bpm", tempo.to_string(), plan.tempo_bpm.to_string());
        }
        if let Some(key) = request.key.filter(|key| *key != plan.key) {
            differ("key", key.to_string(), plan.key.to_string());
        }
        if let Some(metre) = request.metre.filter(|metre| *metre != plan.time_signature) {
            differ("time_signature", metre.to_string(), plan.time_signature.to_string());
        }
    }
}
