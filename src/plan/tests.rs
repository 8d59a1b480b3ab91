//! Planning as a whole: exactness over the whole range, and plans from outside.

use proptest::prelude::*;

use super::*;
use crate::{
    music::Metre,
    request::Defaults,
    wire::{GenerationRequest, Orchestration, OutputOptions, Role, Source, Technique, TransitionKind},
};

fn request(wire: GenerationRequest) -> Request {
    Request::new(wire, &Defaults::default()).unwrap()
}

fn planned(prompt: &str, seconds: f64, seed: u64) -> Plan {
    plan(&request(GenerationRequest {
        prompt: prompt.into(),
        duration_seconds: Some(seconds),
        seed: Some(seed),
        ..GenerationRequest::default()
    }))
    .unwrap()
}

/// What holds of every plan, whatever it was made from.
fn assert_exact(plan: &Plan) {
    let rate = plan.rate();
    assert_eq!(plan.total_frames, rate.frames(plan.duration_seconds) as u64);
    let mut frame = 0;
    let mut bars = 0.0;
    for (index, section) in plan.sections.iter().enumerate() {
        assert_eq!(section.start_frame, frame, "sections touch");
        assert!(section.length_frames > 0);
        let on_bar_line = bars * plan.bar_seconds();
        assert_eq!(section.start_frame, rate.frames(on_bar_line) as u64, "starts on a bar line");
        if index + 1 < plan.sections.len() {
            assert!(section.bars.fract() == 0.0, "only the last section ends inside a bar");
        }
        frame += section.length_frames;
        bars += section.bars;
    }
    assert_eq!(frame, plan.total_frames, "sections add up to the piece");
    assert!((bars - plan.total_bars).abs() < 1e-6);
    if plan.sections.len() > 1 && plan.duration_seconds >= 90.0 {
        for section in &plan.sections {
            assert!(section.length_seconds >= 16.0 - 1e-6, "{} s", section.length_seconds);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sections_add_up_at_any_length_tempo_metre_and_rate(
        seconds in 1.0..=600.0_f64,
        tempo in proptest::option::of(40.0..=220.0_f64),
        metre in 0..Metre::ALL.len(),
        rate in 8_000..=192_000_u32,
        seed in 0..1_u64 << 53,
    ) {
        let wire = GenerationRequest {
            prompt: "something".into(),
            duration_seconds: Some(seconds),
            tempo_bpm: tempo,
            time_signature: Some(Metre::ALL[metre]),
            seed: Some(seed),
            output: Some(OutputOptions { sample_rate: Some(rate), ..OutputOptions::default() }),
            ..GenerationRequest::default()
        };
        let made = plan(&request(wire)).unwrap();
        assert_exact(&made);
        prop_assert_eq!(made.total_frames, SampleRate(rate).frames(seconds) as u64);
        if let Some(tempo) = tempo {
            prop_assert!((made.tempo_bpm - tempo).abs() < f64::EPSILON);
        } else if seconds >= 20.0 {
            prop_assert!(made.total_bars.fract() == 0.0, "an open tempo is moved to whole bars: {}", made.total_bars);
        }

        // What Timbre printed, Timbre reads, also through JSON, and it is the same plan.
        let json = serde_json::to_string(&made.to_wire()).unwrap();
        let again = Request { plan: Some(serde_json::from_str(&json).unwrap()), duration_seconds: None, ..request(GenerationRequest {
            prompt: "something".into(), seed: Some(seed),
            output: Some(OutputOptions { sample_rate: Some(rate), ..OutputOptions::default() }),
            ..GenerationRequest::default()
        }) };
        let again = plan(&again).unwrap();
        prop_assert_eq!(again.warnings(), &[] as &[String]);
        prop_assert_eq!(again.to_wire(), made.to_wire());
    }
}

#[test]
fn planning_is_pure_and_seeds_differ() {
    let first = planned("happy pop", 60.0, 1);
    assert_eq!(first, planned("happy pop", 60.0, 1));
    assert_ne!(first.theme.motif, planned("happy pop", 60.0, 2).theme.motif);
}

#[test]
fn says_where_each_decision_came_from() {
    let plan = planned("dreamy piano over rain, 72 bpm, in D minor", 45.0, 5);
    let source =
        |field: &str| plan.inferred.iter().find(|entry| entry.field == field).map(|entry| entry.source);
    assert_eq!(source("tempo_bpm"), Some(Source::Prompt));
    assert_eq!(source("key"), Some(Source::Prompt));
    assert_eq!(source("duration_seconds"), Some(Source::Request));
    assert_eq!(source("time_signature"), Some(Source::Style));
    assert_eq!((plan.tempo_bpm, plan.key.to_string().as_str()), (72.0, "D minor"));
    assert_eq!(plan.theme.instrumentation, ["piano"]);
    assert_eq!(plan.theme.textures, ["rain"]);
    assert_eq!(plan.title, "Dreamy Piano Over Rain");
    assert!((plan.total_bars - 13.5).abs() < 1e-9);
}

#[test]
fn an_impossible_tempo_in_the_prompt_is_refused() {
    let error = plan(&request(GenerationRequest {
        prompt: "gabber at 300 bpm".into(),
        ..GenerationRequest::default()
    }));
    assert!(error.unwrap_err().to_string().contains("40 to 220"));
}

#[test]
fn vocals_are_warned_of() {
    assert_eq!(planned("pop with vocals", 30.0, 1).warnings().len(), 1);
    assert!(planned("pop without vocals", 30.0, 1).warnings().is_empty());
}

fn edited(edit: impl FnOnce(&mut CompositionPlan)) -> Result<Plan, PlanError> {
    let mut wire = planned("lofi", 60.0, 3).to_wire();
    edit(&mut wire);
    let mut wanted = request(GenerationRequest { prompt: "lofi".into(), ..GenerationRequest::default() });
    wanted.plan = Some(wire);
    plan(&wanted)
}

fn faults(edit: impl FnOnce(&mut CompositionPlan)) -> Vec<String> {
    edited(edit).unwrap_err().errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn edited_bars_move_everything_that_follows() {
    let before = planned("lofi", 60.0, 3);
    let after = edited(|plan| plan.sections[0].bars += 2.0).unwrap();
    assert_exact(&after);
    assert!((after.duration_seconds - before.duration_seconds - 2.0 * before.bar_seconds()).abs() < 1e-9);
    assert!(
        after.warnings().iter().any(|warning| warning.starts_with("plan.duration_seconds")),
        "{:?}",
        after.warnings()
    );
}

#[test]
fn what_cannot_be_honoured_is_named_by_its_path() {
    assert_eq!(faults(|plan| plan.version = 2), ["plan.version"]);
    assert_eq!(faults(|plan| plan.tempo_bpm = 300.0), ["plan.tempo_bpm"]);
    assert_eq!(faults(|plan| plan.style = "polka".into()), ["plan.style"]);
    assert_eq!(faults(|plan| plan.sections[0].bars = 2.5), ["plan.sections[0].bars"]);
    assert_eq!(
        faults(|plan| plan.sections[1].bars = f64::NAN),
        ["plan.sections[1].bars", "plan.sections[1].bars"]
    );
    assert_eq!(faults(|plan| plan.sections[1].id = plan.sections[0].id.clone()), ["plan.sections[1].id"]);
    assert_eq!(faults(|plan| plan.sections[0].id = "../x".into()), ["plan.sections[0].id"]);
    assert_eq!(faults(|plan| plan.sections[1].transition.beats = 3.0), ["plan.sections[1].transition.beats"]);
    assert_eq!(
        faults(|plan| {
            plan.sections[1].transition.kind = TransitionKind::Crossfade;
            plan.sections[1].transition.beats = 9.0;
        }),
        ["plan.sections[1].transition.beats"]
    );
    assert_eq!(
        faults(|plan| plan.sections[0].orchestration.bass.push("kazoo".into())),
        ["plan.sections[0].orchestration.bass[0]"]
    );
    assert_eq!(faults(|plan| plan.sections.clear()), ["plan.sections"]);
    assert_eq!(faults(|plan| plan.theme.motif.clear()), ["plan.theme.motif"]);
    assert_eq!(faults(|plan| plan.theme.space = Some("attic".into())), ["plan.theme.space"]);
    assert_eq!(faults(|plan| plan.theme.era = Some("1066".into())), ["plan.theme.era"]);
    assert_eq!(faults(|plan| plan.theme.swing = Some(0.8)), ["plan.theme.swing"]);
    assert_eq!(
        faults(|plan| {
            let technique =
                |name: &str, of: &str| Technique { name: name.into(), instrument: Some(of.into()) };
            plan.theme.techniques = vec![technique("staccato", "piano"), technique("yodelled", "kazoo")];
        }),
        ["plan.theme.techniques[1].name", "plan.theme.techniques[1].instrument"]
    );
    assert_eq!(faults(|plan| plan.sections[0].bars = 500.0), ["plan.sections"]);
}

#[test]
fn a_request_may_not_contradict_its_plan() {
    let plan_wire = planned("lofi", 60.0, 3).to_wire();
    let contradiction = request(GenerationRequest {
        prompt: "lofi".into(),
        duration_seconds: Some(61.0),
        plan: Some(plan_wire.clone()),
        ..GenerationRequest::default()
    });
    assert_eq!(plan(&contradiction).unwrap_err().errors[0].field, "duration_seconds");
    let contradiction = request(GenerationRequest {
        prompt: "lofi".into(),
        tempo_bpm: Some(plan_wire.tempo_bpm + 1.0),
        plan: Some(plan_wire),
        ..GenerationRequest::default()
    });
    assert_eq!(plan(&contradiction).unwrap_err().errors[0].field, "tempo_bpm");
}

#[test]
fn long_pieces_end_with_an_outro() {
    for seconds in [90.0, 149.0, 150.0, 300.0, 600.0] {
        let plan = planned("epic orchestral", seconds, 9);
        assert_exact(&plan);
        assert_eq!(plan.sections[0].role, Role::Intro);
        assert_eq!(plan.sections.last().map(|section| section.role), Some(Role::Outro));
        assert_eq!(plan.sections.iter().any(|section| section.role == Role::Bridge), seconds >= 150.0);
    }
}

#[test]
fn a_negative_prompt_takes_players_out_of_a_plan() {
    let wire = planned("lofi", 60.0, 3).to_wire();
    let without = |negative: &str| {
        plan(&request(GenerationRequest {
            prompt: "lofi".into(),
            negative_prompt: Some(negative.into()),
            plan: Some(wire.clone()),
            ..GenerationRequest::default()
        }))
    };
    let plan = without("drums, vinyl").unwrap();
    let drums = |names: &[String]| names.iter().any(|name| name.contains("drums") || name == "vinyl");
    assert!(drums(&wire.theme.instrumentation) && !drums(&plan.theme.instrumentation));
    assert!(!drums(&plan.theme.textures));
    assert!(plan.sections.iter().all(|section| section.orchestration.rhythm.is_empty()));
    let everybody = wire.theme.instrumentation.join(", ").replace('_', " ") + ", vinyl, rain";
    assert_eq!(without(&everybody).unwrap_err().errors[0].field, "negative_prompt");
}

#[test]
fn what_follows_from_an_edited_plan_is_computed_again_and_said() {
    let plan = edited(|plan| {
        plan.total_frames = 5;
        plan.sections[1].start_frame = 1;
        for section in &mut plan.sections {
            section.orchestration =
                Orchestration { harmony: vec!["harp".into()], ..Orchestration::default() };
        }
        plan.theme.dynamic_curve = vec![0.1];
    })
    .unwrap();
    assert_eq!(plan.theme.instrumentation, ["harp"]);
    for field in ["plan.total_frames", "plan.sections[1].start_frame", "plan.theme.dynamic_curve"] {
        assert!(plan.warnings().iter().any(|warning| warning.starts_with(field)), "{:?}", plan.warnings());
    }
}

#[test]
fn crossfades_are_whole_beats_in_every_metre() {
    for metre in Metre::ALL {
        let made = planned(&format!("ambient in {metre}"), 40.0, 1);
        assert_eq!(made.time_signature, metre);
        for section in &made.sections {
            assert_eq!(section.transition.beats.fract(), 0.0, "{metre} {:?}", section.transition);
        }
    }
}

#[test]
fn the_beat_of_compound_time_is_slower() {
    for seed in 0..20 {
        let tempo = planned("pop in 6/8", 40.0, seed).tempo_bpm;
        assert!((60.0..=90.0).contains(&tempo), "{tempo} dotted quarters a minute");
    }
}

#[test]
fn textures_alone_get_no_band() {
    let made = planned("rain", 40.0, 1);
    assert_eq!((made.style.as_str(), made.theme.textures.join(" ").as_str()), ("ambient", "rain"));
    assert!(made.sections.iter().all(|section| section.orchestration.rhythm.is_empty()));
}

#[test]
fn what_a_plan_may_leave_out_may_be_left_out() {
    let wire = planned("staccato strings in a cathedral, swung, 1980s, fade out", 60.0, 3).to_wire();
    let mut json = serde_json::to_value(&wire).unwrap();
    json.as_object_mut().unwrap().remove("ending");
    for field in ["techniques", "space", "era", "density", "pulse", "swing"] {
        assert!(json["theme"].as_object_mut().unwrap().remove(field).is_some(), "{field} is in the plan");
    }
    for section in json["sections"].as_array_mut().unwrap() {
        section.as_object_mut().unwrap().remove("key");
    }
    let mut bare = request(GenerationRequest { prompt: wire.prompt.clone(), ..GenerationRequest::default() });
    bare.plan = Some(serde_json::from_value(json).unwrap());
    let made = plan(&bare).unwrap();
    assert_eq!((made.ending, made.theme.space.clone(), made.theme.swing), (None, None, None));
    assert_eq!(made.total_frames, wire.total_frames);
}

#[test]
fn pieces_of_every_form_are_exact_whatever_is_wished_for() {
    for wishes in [
        "drop at half",
        "drop at 0:20",
        "no intro, no outro",
        "long intro",
        "breakdown",
        "builds up, key change",
        "loop",
    ] {
        for seconds in [4.0, 11.9, 20.0, 47.3, 89.9, 90.0, 151.0, 600.0] {
            for style in ["house", "celtic jig", "waltz", "ambient at 41 bpm", "punk in 7/8"] {
                let made = planned(&format!("{style}, {wishes}"), seconds, 4);
                let bars: f64 = made.sections.iter().map(|section| section.bars).sum();
                assert!((bars - made.total_bars).abs() < 1e-6, "{style}, {wishes}, {seconds}");
                let last = made.sections.len() - 1;
                assert!(made.sections[..last].iter().all(|section| section.bars.fract() == 0.0));
                let frames: u64 = made.sections.iter().map(|section| section.length_frames).sum();
                assert_eq!(frames, made.total_frames, "{style}, {wishes}, {seconds}");
                let wanted = request(GenerationRequest {
                    prompt: made.prompt.clone(),
                    ..GenerationRequest::default()
                });
                let again = plan(&Request { plan: Some(made.to_wire()), seed: made.seed, ..wanted }).unwrap();
                assert_eq!(again.to_wire(), made.to_wire());
            }
        }
    }
}
