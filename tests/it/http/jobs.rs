//! Jobs from outside: following, listing, cancelling, failing.

use std::{
    io::{BufRead, BufReader},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use timbre::{
    job::{JobStore, memory},
    wire::{GenerationStatus, JobList, JobState},
};

use super::server::{Server, Setup};

/// One server-sent event.
#[derive(Debug)]
struct Sent {
    id: u64,
    status: GenerationStatus,
}

/// Reads events as they come, until the stream ends.
fn events(server: &Server, id: &str, last: Option<u64>) -> impl Iterator<Item = Sent> + use<> {
    let mut request = server.agent.get(server.url(&format!("/status/{id}/events")));
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    let response = request.call().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut lines = BufReader::new(response.into_body().into_reader()).lines().map(Result::unwrap);
    std::iter::from_fn(move || {
        let (mut number, mut data) = (None, None);
        for line in lines.by_ref() {
            match line.split_once(": ") {
                Some(("id", value)) => number = Some(value.parse().unwrap()),
                Some(("event", value)) => assert_eq!(value, "status"),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                _ if line.is_empty() && data.is_some() => {
                    return Some(Sent { id: number.unwrap(), status: data.unwrap() });
                }
                _ => {}
            }
        }
        None
    })
}

#[test]
fn a_job_can_be_followed_from_anywhere() {
    let server = Server::start();
    let id = server.submit("hold");
    server.gate().until_held();
    let mut live = events(&server, &id, None);
    let mut all = vec![live.next().unwrap()];
    assert_eq!(all[0].status.state, JobState::Queued);
    server.gate().open();
    all.extend(live);
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert!(all.windows(2).all(|pair| pair[0].status.progress <= pair[1].status.progress));
    // Older events may be skipped, the last never is.
    assert_eq!(all.last().unwrap().status.state, JobState::Succeeded);
    let again: Vec<u64> = events(&server, &id, Some(all[0].id)).map(|event| event.id).collect();
    assert_eq!(again.last(), all.last().map(|event| &event.id));
    let elsewhere: Vec<Sent> = events(&server, &id, Some(9_999)).collect();
    assert_eq!(elsewhere.last().unwrap().status.state, JobState::Succeeded);
    let path = format!("/status/{id}/events");
    let last = all.last().unwrap().id.to_string();
    assert_eq!(server.get_with(&path, &[("last-event-id", &last)]).status, 204);
    server.get_with(&path, &[("last-event-id", "first")]).problem(422, "invalid_request");
}

#[test]
fn a_waiting_job_is_cancelled_without_ever_running() {
    let server = Server::start();
    server.submit("hold");
    server.gate().until_held();
    let id = server.submit("panic");
    let status: GenerationStatus = server.delete(&format!("/jobs/{id}")).json();
    assert_eq!(status.state, JobState::Cancelled);
    server.gate().open();
    server.piece("piano");
    let status = server.status(&id);
    assert_eq!((status.state, status.started_at), (JobState::Cancelled, None));
    let again = server.delete(&format!("/jobs/{id}"));
    assert_eq!((again.status, again.json::<GenerationStatus>().state), (200, JobState::Cancelled));
    server.get(&format!("/artifact/{id}")).problem(409, "job_cancelled");
}

#[test]
fn a_running_job_is_cancelled_and_stops() {
    let server = Server::start();
    let id = server.submit("hold");
    server.gate().until_held();
    server.get(&format!("/artifact/{id}")).problem(409, "not_finished");
    assert_eq!(server.delete(&format!("/jobs/{id}")).status, 200);
    server.gate().until_stopped();
    assert_eq!(server.status(&id).state, JobState::Cancelled);
    let last = events(&server, &id, None).last().unwrap();
    assert_eq!(last.status.state, JobState::Cancelled);
    server.piece("the worker goes on");
    assert!(!server.directory.path().join(&id).exists());
}

#[test]
fn what_is_finished_cannot_be_cancelled() {
    let server = Server::start();
    let id = server.piece("piano");
    server.delete(&format!("/jobs/{id}")).problem(409, "already_finished");
    assert_eq!(server.status(&id).state, JobState::Succeeded);
}

#[test]
fn a_failing_job_says_what_the_caller_may_know() {
    let server = Server::start();
    let id = server.submit("fail");
    let status = server.until_final(&id);
    assert_eq!((status.state, status.error_code.as_deref()), (JobState::Failed, Some("engine_failed")));
    assert!(status.message.contains("s00") && !status.message.contains("the inside"), "{}", status.message);
    assert!(status.progress < 1.0);
    let problem = server.get(&format!("/artifact/{id}")).problem(409, "job_failed");
    assert!(problem.detail.contains("s00"));
}

#[test]
fn a_panicking_job_fails_alone() {
    let server = Server::start();
    let id = server.submit("panic");
    let status = server.until_final(&id);
    assert_eq!((status.state, status.error_code.as_deref()), (JobState::Failed, Some("internal")));
    assert!(!status.message.contains("as the prompt says"));
    server.piece("piano");
}

#[test]
fn jobs_are_listed_in_pages() {
    let server = Server::start();
    let ids: Vec<String> = (0..5).map(|_| server.piece("piano")).collect();
    let failed = server.submit("fail");
    server.until_final(&failed);
    let mut seen = Vec::new();
    let mut path = "/jobs?limit=2&state=succeeded".to_owned();
    loop {
        let page: JobList = server.get(&path).json();
        assert!(page.jobs.len() <= 2);
        seen.extend(page.jobs.into_iter().map(|job| job.job_id));
        match page.next_before {
            Some(before) => path = format!("/jobs?limit=2&state=succeeded&before={before}"),
            None => break,
        }
    }
    assert_eq!(seen, ids.into_iter().rev().collect::<Vec<_>>());
    let page: JobList = server.get("/jobs?state=failed").json();
    assert_eq!(page.jobs.len(), 1);
    assert_eq!(server.get("/jobs").json::<JobList>().jobs.len(), 6);
}

#[test]
fn old_jobs_are_forgotten_with_their_artifacts() {
    let settings = memory::Settings { keep_finished: 2, ..memory::Settings::default() };
    let server = Server::with(Setup { store: settings, drain_timeout: Duration::ZERO, ..Setup::default() });
    let ids: Vec<String> = (0..4).map(|_| server.piece("piano")).collect();
    // A submission sweeps before it is accepted.
    server.submit("hold");
    for id in &ids[..2] {
        server.get(&format!("/status/{id}")).problem(404, "not_found");
        // The worker may be about to remove what it forgot.
        let deadline = Instant::now() + Duration::from_secs(30);
        while server.directory.path().join(id).exists() {
            assert!(Instant::now() < deadline, "{id} stays");
            thread::sleep(Duration::from_millis(5));
        }
    }
    assert_eq!(server.get(&format!("/artifact/{}", ids[3])).status, 200);
}

#[test]
fn draining_refuses_submissions_and_serves_the_rest() {
    let server = Server::start();
    let id = server.piece("piano");
    assert_eq!(server.get("/readyz").status, 200);
    server.store.close();
    let answer = server.get("/readyz");
    answer.problem(503, "draining");
    assert_eq!(answer.header("retry-after"), "10");
    server.post_json("/generate", &json!({"prompt": "piano"})).problem(503, "draining");
    assert_eq!(server.get("/livez").status, 200);
    assert_eq!(server.get("/health").json::<serde_json::Value>()["status"], "draining");
    assert_eq!(server.get(&format!("/artifact/{id}/audio")).status, 200);
}

#[test]
fn a_shutdown_stops_what_does_not_end_by_itself() {
    let mut server = Server::with(Setup { drain_timeout: Duration::ZERO, ..Setup::default() });
    let running = server.submit("hold");
    let waiting = server.submit("piano");
    server.gate().until_held();
    let followed = events(&server, &running, None);
    server.ask_to_stop();
    let last = followed.last().unwrap().status;
    assert_eq!((last.state, last.error_code.as_deref()), (JobState::Failed, Some("shut_down")));
    server.gate().until_stopped();
    server.join();
    let waiting = server.store.get(waiting.parse().unwrap()).unwrap().unwrap();
    assert_eq!((waiting.state, waiting.error_code.as_deref()), (JobState::Failed, Some("shut_down")));
}
