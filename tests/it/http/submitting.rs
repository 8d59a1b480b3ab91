//! `POST /generate` and `POST /plan`.

use std::{collections::BTreeSet, thread};

use serde_json::json;
use timbre::{
    job::memory,
    wire::{CompositionPlan, GenerationStatus, JobState},
};

use super::server::{Server, Setup};

#[test]
fn a_submission_becomes_a_piece() {
    let server = Server::start();
    let answer = server.post_json(
        "/generate",
        &json!({"prompt": "slow piano in D minor", "duration_seconds": 20, "seed": 5}),
    );
    assert_eq!(answer.status, 202);
    let accepted: GenerationStatus = answer.json();
    assert_eq!(answer.header("location"), format!("/status/{}", accepted.job_id));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!((accepted.state, accepted.seed, accepted.engine.as_str()), (JobState::Queued, 5, "synth"));
    assert!(accepted.engine_reason.contains("auto"), "why this engine: {}", accepted.engine_reason);

    let done = server.until_final(&accepted.job_id);
    assert_eq!((done.state, done.progress), (JobState::Succeeded, 1.0));
    assert!(!done.sections.is_empty() && done.sections.iter().all(|section| section.progress == 1.0));
    assert_eq!(done.warnings, ["made by a fake"]);
    assert_eq!((done.queue_position, done.eta_seconds, done.error_code), (None, None, None));
    assert!(done.created_at <= done.started_at.unwrap() && done.started_at <= done.finished_at);
}

#[test]
fn a_plan_is_given_and_taken_back() {
    let server = Server::start();
    let request = json!({"prompt": "slow piano", "duration_seconds": 20, "seed": 5});
    let answer = server.post_json("/plan", &request);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, server.post_json("/plan", &request).body, "planning is pure");
    let mut plan: CompositionPlan = answer.json();
    assert_eq!(plan.duration_seconds, 20.0);
    let accepted = server.post_json("/generate", &json!({"prompt": "slow piano", "plan": plan}));
    assert_eq!(accepted.status, 202, "{}", accepted.text());

    plan.sections[0].bars = -1.0;
    let problem = server
        .post_json("/plan", &json!({"prompt": "slow piano", "plan": plan}))
        .problem(422, "invalid_plan");
    assert!(problem.errors.iter().any(|error| error.field == "plan.sections[0].bars"), "{problem:?}");
    server
        .post_json("/generate", &json!({"prompt": "slow piano", "plan": plan}))
        .problem(422, "invalid_plan");
}

#[test]
fn a_full_queue_refuses() {
    let server = Server::with(Setup {
        store: memory::Settings { capacity: 1, ..memory::Settings::default() },
        drain_timeout: std::time::Duration::ZERO,
        ..Setup::default()
    });
    server.submit("hold");
    server.gate().until_held();
    let waiting = server.submit("piano");
    assert_eq!(server.status(&waiting).queue_position, Some(0));
    let answer = server.post_json("/generate", &json!({"prompt": "piano"}));
    let problem = answer.problem(429, "queue_full");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!(wait >= 1 && problem.retry_after == Some(wait));
    server.gate().open();
    server.until_final(&waiting);
    server.piece("piano");
}

#[test]
fn many_submit_at_once() {
    let server = Server::with(Setup {
        store: memory::Settings { workers: 3, ..memory::Settings::default() },
        drain_timeout: std::time::Duration::ZERO,
        ..Setup::default()
    });
    let ids: Vec<String> = thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..4).map(|_| server.submit("piano")).collect::<Vec<_>>()))
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 32);
    for id in &ids {
        assert_eq!(server.until_final(id).state, JobState::Succeeded);
    }
}
