//! What every job store has to do, as one suite that is run on each of them.

use std::{
    collections::BTreeSet,
    sync::{Barrier, mpsc},
    thread,
    time::Duration,
};

use super::{
    Failure, JobId, NewJob, PlannedSection, Report,
    memory::Settings,
    progress::Shares,
    store::{Cancelling, Claim, Filter, JobStore, StoreError, SubmitError, Verdict},
};
use crate::{
    request::{Defaults, Request},
    wire::{GenerationRequest, JobState},
};

type Make = fn(Settings) -> Box<dyn JobStore>;

/// Runs the whole suite.
pub(super) fn kept_by(make: Make) {
    first_come_first_served(make);
    the_queue_is_bounded(make);
    a_job_goes_its_way(make);
    illegal_moves_are_refused(make);
    progress_never_falls(make);
    the_fence_holds(make);
    cancelling(make);
    failing(make);
    listing(make);
    events_are_numbered(make);
    old_jobs_are_forgotten(make);
    closing(make);
    waiting_ends_with_a_job(make);
    no_job_is_handed_out_twice(make);
    the_end_is_estimated(make);
}

/// A job worth ten seconds of audio.
pub(crate) fn new_job() -> NewJob {
    let wire = GenerationRequest {
        prompt: "piano".to_owned(),
        duration_seconds: Some(10.0),
        ..GenerationRequest::default()
    };
    NewJob {
        request: Request::new(wire, &Defaults::default()).unwrap(),
        audio_seconds: 10.0,
        engine: "synth".to_owned(),
        engine_reason: "asked for".to_owned(),
        model: None,
        real_time_factor: None,
        warnings: Vec::new(),
    }
}

fn claimed(store: &dyn JobStore) -> Claim {
    store.submit(new_job()).unwrap();
    store.claim("worker").unwrap().unwrap()
}

fn stage(store: &dyn JobStore, claim: &Claim, state: JobState) {
    assert_eq!(store.report(claim.job, claim.attempt, Report::Stage(state)).unwrap(), Verdict::Go);
}

fn finish(store: &dyn JobStore, claim: &Claim) {
    for state in [JobState::Rendering, JobState::Mixing, JobState::Mastering] {
        stage(store, claim, state);
    }
    assert_eq!(store.complete(claim.job, claim.attempt, Vec::new()).unwrap(), Verdict::Go);
}

fn state(store: &dyn JobStore, id: JobId) -> JobState {
    store.get(id).unwrap().unwrap().state
}

fn failure() -> Failure {
    Failure { code: "internal".to_owned(), message: "broken".to_owned() }
}

fn first_come_first_served(make: Make) {
    let store = make(Settings::default());
    let ids: Vec<JobId> = (0..3).map(|_| store.submit(new_job()).unwrap().id).collect();
    assert!(ids.is_sorted(), "identifiers sort by the time of submission");
    for (position, id) in ids.iter().enumerate() {
        assert_eq!(store.get(*id).unwrap().unwrap().queue_position, Some(position as u64));
    }
    for id in ids {
        let claim = store.claim("worker").unwrap().unwrap();
        assert_eq!((claim.job, claim.attempt), (id, 1));
        assert_eq!(store.get(id).unwrap().unwrap().queue_position, None);
    }
    assert!(store.claim("worker").unwrap().is_none());
}

fn the_queue_is_bounded(make: Make) {
    let store = make(Settings { capacity: 2, ..Settings::default() });
    store.submit(new_job()).unwrap();
    store.submit(new_job()).unwrap();
    match store.submit(new_job()) {
        Err(SubmitError::QueueFull { capacity: 2, retry_after }) => {
            assert!(retry_after >= Duration::from_secs(1));
        }
        other => panic!("{other:?}"),
    }
    store.claim("worker").unwrap().unwrap();
    store.submit(new_job()).unwrap();
    let counts = store.counts().unwrap();
    assert_eq!((counts.queued, counts.running, counts.capacity), (2, 1, 2));
}

fn a_job_goes_its_way(make: Make) {
    let store = make(Settings::default());
    let claim = claimed(&*store);
    let id = claim.job;
    assert_eq!(state(&*store, id), JobState::Planning);
    let planned = Report::Planned {
        sections: vec![
            PlannedSection { id: "s00".into(), label: "Intro".into(), frames: 100 },
            PlannedSection { id: "s01".into(), label: "Motif".into(), frames: 300 },
        ],
        warnings: vec!["set right".into()],
    };
    store.report(id, 1, planned).unwrap();
    stage(&*store, &claim, JobState::Rendering);
    let message = || store.get(id).unwrap().unwrap().message;
    store.report(id, 1, Report::Loading).unwrap();
    assert_eq!(message(), "loading the model");
    store.report(id, 1, Report::Rendered { section: 1, done: 0.5 }).unwrap();
    assert_eq!(message(), "rendering section 2 of 2: Motif");
    let job = store.get(id).unwrap().unwrap();
    assert!(
        (job.progress - Shares::default().while_rendering([(400, 150.0 / 400.0)].into_iter())).abs() < 1e-9,
        "{}",
        job.progress
    );
    assert_eq!(job.sections[1].progress, 0.5);
    stage(&*store, &claim, JobState::Mixing);
    stage(&*store, &claim, JobState::Mastering);
    assert_eq!(store.complete(id, 1, vec!["quiet".into()]).unwrap(), Verdict::Go);
    let job = store.get(id).unwrap().unwrap();
    assert_eq!((job.state, job.progress), (JobState::Succeeded, 1.0));
    assert_eq!(job.warnings, ["set right", "quiet"]);
    assert!(job.sections.iter().all(|section| section.progress == 1.0));
    assert!(job.started_at.is_some() && job.finished_at.is_some());
    assert_eq!(store.counts().unwrap().running, 0);
}

fn illegal_moves_are_refused(make: Make) {
    let store = make(Settings::default());
    let claim = claimed(&*store);
    let report = store.report(claim.job, 1, Report::Stage(JobState::Mastering));
    assert!(matches!(report, Err(StoreError::Illegal(_))), "{report:?}");
    assert!(matches!(store.complete(claim.job, 1, Vec::new()), Err(StoreError::Illegal(_))));
    assert_eq!(state(&*store, claim.job), JobState::Planning);
    stage(&*store, &claim, JobState::Rendering);
    let events = store.events(claim.job, 0).unwrap().unwrap().len();
    stage(&*store, &claim, JobState::Rendering);
    assert_eq!(store.events(claim.job, 0).unwrap().unwrap().len(), events, "to go on is no change");
    assert!(store.report(claim.job, 1, Report::Stage(JobState::Planning)).is_err());
}

fn progress_never_falls(make: Make) {
    let store = make(Settings::default());
    let claim = claimed(&*store);
    let sections = vec![PlannedSection { id: "s00".into(), label: "Intro".into(), frames: 100 }];
    store.report(claim.job, 1, Report::Planned { sections, warnings: Vec::new() }).unwrap();
    stage(&*store, &claim, JobState::Rendering);
    let mut last = 0.0;
    for done in [0.1, 0.9, 0.3, f64::NAN, -1.0, 0.95, 7.0, 0.0] {
        store.report(claim.job, 1, Report::Rendered { section: 0, done }).unwrap();
        let now = store.get(claim.job).unwrap().unwrap().progress;
        assert!(now >= last && now < 1.0, "{last} then {now}");
        last = now;
    }
    assert!(last > 0.3, "the whole section counts: {last}");
    // A section that the plan has not.
    assert_eq!(store.report(claim.job, 1, Report::Rendered { section: 9, done: 1.0 }).unwrap(), Verdict::Go);
    store.fail(claim.job, 1, failure()).unwrap();
    assert_eq!(store.get(claim.job).unwrap().unwrap().progress, last);
}

fn the_fence_holds(make: Make) {
    let store = make(Settings::default());
    let claim = claimed(&*store);
    let id = claim.job;
    assert_eq!(store.report(id, 2, Report::Stage(JobState::Rendering)).unwrap(), Verdict::Lost);
    assert_eq!(store.complete(id, 0, Vec::new()).unwrap(), Verdict::Lost);
    assert_eq!(store.fail(id, 2, failure()).unwrap(), Verdict::Lost);
    assert_eq!(store.fail(JobId::fresh(), 1, failure()).unwrap(), Verdict::Lost);
    assert_eq!(state(&*store, id), JobState::Planning);
    finish(&*store, &claim);
    assert_eq!(store.fail(id, 1, failure()).unwrap(), Verdict::Lost);
    assert_eq!(store.complete(id, 1, Vec::new()).unwrap(), Verdict::Lost);
    assert_eq!(state(&*store, id), JobState::Succeeded);
    // A job that nobody has claimed is in nobody's hands.
    let waiting = store.submit(new_job()).unwrap().id;
    assert_eq!(store.fail(waiting, 0, failure()).unwrap(), Verdict::Lost);
}

fn cancelling(make: Make) {
    let store = make(Settings::default());
    let running = claimed(&*store);
    let waiting = store.submit(new_job()).unwrap().id;
    let behind = store.submit(new_job()).unwrap().id;
    assert!(matches!(store.cancel(waiting).unwrap(), Cancelling::Cancelled(_)));
    assert!(
        matches!(store.cancel(waiting).unwrap(), Cancelling::Cancelled(_)),
        "cancelling twice is no fault"
    );
    assert_eq!(store.get(behind).unwrap().unwrap().queue_position, Some(0));
    match store.cancel(running.job).unwrap() {
        Cancelling::Cancelled(job) => assert_eq!(job.state, JobState::Cancelled),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.report(running.job, 1, Report::Stage(JobState::Rendering)).unwrap(), Verdict::Cancelled);
    assert_eq!(store.complete(running.job, 1, Vec::new()).unwrap(), Verdict::Cancelled);
    assert_eq!(state(&*store, running.job), JobState::Cancelled);
    let claim = store.claim("worker").unwrap().unwrap();
    assert_eq!(claim.job, behind);
    finish(&*store, &claim);
    assert!(matches!(store.cancel(behind).unwrap(), Cancelling::Finished(_)));
    assert_eq!(state(&*store, behind), JobState::Succeeded);
    assert!(matches!(store.cancel(JobId::fresh()).unwrap(), Cancelling::Unknown));
}

fn failing(make: Make) {
    let store = make(Settings::default());
    let claim = claimed(&*store);
    assert_eq!(store.fail(claim.job, 1, failure()).unwrap(), Verdict::Go);
    let job = store.get(claim.job).unwrap().unwrap();
    assert_eq!((job.state, job.message.as_str()), (JobState::Failed, "broken"));
    assert_eq!(job.error_code.as_deref(), Some("internal"));
    assert!(matches!(store.cancel(claim.job).unwrap(), Cancelling::Finished(_)));
}

fn listing(make: Make) {
    let store = make(Settings::default());
    let ids: Vec<JobId> = (0..5).map(|_| store.submit(new_job()).unwrap().id).collect();
    let list = |state, before, limit| {
        let jobs = store.list(&Filter { state, before, limit }).unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 2), [ids[4], ids[3]]);
    assert_eq!(list(None, Some(ids[3]), 2), [ids[2], ids[1]]);
    assert_eq!(list(None, Some(ids[1]), 2), [ids[0]]);
    store.claim("worker").unwrap();
    assert_eq!(list(Some(JobState::Planning), None, 9), [ids[0]]);
    assert_eq!(list(Some(JobState::Queued), None, 9), [ids[4], ids[3], ids[2], ids[1]]);
    assert!(list(Some(JobState::Failed), None, 9).is_empty());
}

fn events_are_numbered(make: Make) {
    let store = make(Settings::default());
    let claim = claimed(&*store);
    for state in [JobState::Rendering, JobState::Mixing, JobState::Mastering] {
        stage(&*store, &claim, state);
    }
    let events = store.events(claim.job, 0).unwrap().unwrap();
    let seen: Vec<(u64, JobState)> = events.iter().map(|event| (event.number, event.status.state)).collect();
    let expected = [
        (1, JobState::Queued),
        (2, JobState::Planning),
        (3, JobState::Rendering),
        (4, JobState::Mixing),
        (5, JobState::Mastering),
    ];
    assert_eq!(seen, expected);
    assert_eq!(store.events(claim.job, 4).unwrap().unwrap(), events[4..]);
    assert!(store.events(claim.job, 5).unwrap().unwrap().is_empty());
    assert_eq!(store.events(claim.job, 6).unwrap().unwrap(), events, "no event has that number yet");
    store.complete(claim.job, 1, Vec::new()).unwrap();
    for after in [0, 5, 7] {
        let last = store.events(claim.job, after).unwrap().unwrap().pop().unwrap();
        assert_eq!((last.number, last.status.state), (6, JobState::Succeeded));
    }
    assert!(store.events(claim.job, 6).unwrap().unwrap().is_empty());
    assert!(store.events(JobId::fresh(), 0).unwrap().is_none());
}

fn old_jobs_are_forgotten(make: Make) {
    let store = make(Settings { keep_finished: 2, ..Settings::default() });
    let mut ids = Vec::new();
    for _ in 0..4 {
        let claim = claimed(&*store);
        finish(&*store, &claim);
        ids.push(claim.job);
    }
    let waiting = store.submit(new_job()).unwrap().id;
    assert_eq!(store.forget().unwrap(), ids[..2]);
    assert!(store.forget().unwrap().is_empty());
    assert!(store.get(ids[1]).unwrap().is_none());
    assert!(store.get(ids[2]).unwrap().is_some() && store.get(waiting).unwrap().is_some());
}

fn closing(make: Make) {
    let store = make(Settings::default());
    let claim = claimed(&*store);
    store.submit(new_job()).unwrap();
    assert!(!store.is_closed());
    store.close();
    assert!(store.is_closed());
    assert!(matches!(store.submit(new_job()), Err(SubmitError::Closed)));
    assert!(store.claim("worker").unwrap().is_none());
    finish(&*store, &claim);
    assert_eq!(state(&*store, claim.job), JobState::Succeeded);
}

fn waiting_ends_with_a_job(make: Make) {
    let store = make(Settings::default());
    thread::scope(|scope| {
        let (sender, woken) = mpsc::channel();
        let store = &store;
        scope.spawn(move || {
            store.wait(Duration::from_secs(60));
            sender.send(store.claim("worker").unwrap().is_some()).unwrap();
        });
        store.submit(new_job()).unwrap();
        assert!(woken.recv_timeout(Duration::from_secs(30)).unwrap());
    });
    thread::scope(|scope| {
        let (sender, woken) = mpsc::channel();
        let store = &store;
        scope.spawn(move || {
            store.wait(Duration::from_secs(60));
            sender.send(()).unwrap();
        });
        store.close();
        woken.recv_timeout(Duration::from_secs(30)).unwrap();
    });
}

fn no_job_is_handed_out_twice(make: Make) {
    let store = make(Settings::default());
    let submitted: BTreeSet<JobId> = (0..64).map(|_| store.submit(new_job()).unwrap().id).collect();
    let barrier = Barrier::new(8);
    let claimed: Vec<JobId> = thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    std::iter::from_fn(|| store.claim("worker").unwrap().map(|claim| claim.job))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(claimed.len(), 64);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), submitted);
}

fn the_end_is_estimated(make: Make) {
    let store = make(Settings::default());
    let claim = claimed(&*store);
    let waiting = store.submit(new_job()).unwrap();
    assert_eq!(waiting.eta_seconds, None, "nothing is known yet");
    finish(&*store, &claim);
    let job = store.get(waiting.id).unwrap().unwrap();
    assert!(job.eta_seconds.is_some_and(|seconds| (0.0..30.0).contains(&seconds)), "{:?}", job.eta_seconds);
    assert_eq!(store.get(claim.job).unwrap().unwrap().eta_seconds, None, "it has ended");

    let measured = |real_time_factor| NewJob {
        model: Some("a model".to_owned()),
        real_time_factor: Some(real_time_factor),
        ..new_job()
    };
    let store = make(Settings::default());
    assert_eq!(store.submit(measured(3.0)).unwrap().eta_seconds, Some(30.0), "measured before any job");
    assert_eq!(store.submit(measured(3.0)).unwrap().eta_seconds, Some(60.0), "it waits for the first one");
    let claim = store.claim("worker").unwrap().unwrap();
    let running = store.get(claim.job).unwrap().unwrap().eta_seconds;
    assert!(running.is_some_and(|seconds| (25.0..=30.0).contains(&seconds)), "{running:?}");
    finish(&*store, &claim);
    let learned = store.submit(measured(3.0)).unwrap().eta_seconds;
    assert!(
        learned.is_some_and(|seconds| seconds < 10.0),
        "jobs count more than what was measured: {learned:?}"
    );
}
