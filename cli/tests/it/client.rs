use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use timbre::wire::{GenerationRequest, JobState};
use timbre_client::{Client, ClientError, JobFilter, Overwrite, Part, Transfer, Watched};

use crate::server::{Answer, ID, Server, artifact, nobody, status};

fn client(server: &Server) -> Client {
    Client::new(&server.url).unwrap()
}

fn go_on(_: Transfer) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}

#[test]
fn a_submitted_request_is_the_one_that_arrives() {
    let server = Server::start(vec![Answer::json(202, &status("queued", 0.0))]);
    let request =
        GenerationRequest { prompt: "rain".into(), duration_seconds: Some(45.5), ..Default::default() };
    let job = client(&server).submit(&request).unwrap();
    assert_eq!((job.job_id.as_str(), job.state), (ID, JobState::Queued));
    let asked = server.asked().remove(0);
    assert_eq!(asked.line, "POST /generate");
    assert_eq!(asked.json(), json!({"prompt": "rain", "duration_seconds": 45.5}));
    assert!(asked.headers.iter().any(|line| line.starts_with("content-type: application/json")), "{asked:?}");
}

#[test]
fn a_sound_arrives_as_it_is() {
    let info = json!({"audio_id": "0".repeat(64), "format": "wav", "seconds": 1.0, "sample_rate": 8000, "channels": 1,
        "bytes": 70_000, "uploaded_at": "2026-01-01T00:00:00Z"});
    let server = Server::start(vec![Answer::json(201, &info)]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![7; 70_000]).unwrap();
    assert_eq!(client(&server).upload(file.path()).unwrap().audio_id, "0".repeat(64));
    let asked = server.asked().remove(0);
    assert_eq!((asked.line.as_str(), asked.body), ("POST /audio", vec![7; 70_000]));
    let missing = Client::new("http://127.0.0.1:9").unwrap().upload("no such file".as_ref()).unwrap_err();
    assert!(matches!(missing, ClientError::Read { .. }), "{missing}");
}

#[test]
fn a_refusal_keeps_its_fields() {
    let errors = json!({"errors": [{"field": "tempo_bpm", "message": "40 to 220"}]});
    let server = Server::start(vec![Answer::problem(422, "invalid_request", &errors)]);
    let Err(ClientError::Problem(problem)) = client(&server).submit(&GenerationRequest::default()) else {
        panic!("not a problem")
    };
    assert_eq!((problem.status, problem.code.as_str()), (422, "invalid_request"));
    assert_eq!(problem.errors[0].field, "tempo_bpm");
}

#[test]
fn what_is_no_timbre_server_is_told_from_one_that_is_not_there() {
    let server = Server::start(vec![
        Answer::bytes(404, "text/html", b"<h1>no</h1>"),
        Answer::bytes(200, "text/html", b"<h1>hello</h1>"),
        Answer::bytes(301, "text/html", b"").header("Location", "https://elsewhere.example/"),
    ]);
    let client = client(&server);
    assert!(matches!(client.health(), Err(ClientError::Status { status: 404, .. })));
    assert!(matches!(client.health(), Err(ClientError::Protocol { .. })));
    let moved = client.health().unwrap_err().to_string();
    assert!(moved.contains("https://elsewhere.example/"), "{moved}");
    server.asked();
    let error = Client::new(&nobody()).unwrap().health().unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }) && error.is_transient(), "{error:?}");
}

#[test]
fn a_watched_job_survives_a_lost_connection_and_a_busy_server() {
    let server = Server::start(vec![
        Answer::json(200, &status("queued", 0.0)),
        Answer::json(200, &status("queued", 0.0)),
        Answer::json(200, &status("rendering", 0.5)).cut_after(20),
        Answer::problem(503, "draining", &json!({"retry_after": 0})),
        Answer::json(200, &status("succeeded", 1.0)),
    ]);
    let (mut states, mut retries, mut idle) = (Vec::new(), 0, 0);
    let end = client(&server)
        .watch(ID, |event| {
            match event {
                Watched::Status(status) => states.push(status.state),
                Watched::Retrying { .. } => retries += 1,
                Watched::Idle => idle += 1,
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(end.state, JobState::Succeeded);
    assert_eq!(states, [JobState::Queued, JobState::Succeeded], "an unchanged status is told once");
    assert_eq!(retries, 2);
    assert!(idle > 0);
    assert_eq!(server.lines(), vec![format!("GET /status/{ID}"); 5]);
}

#[test]
fn watching_ends_when_patience_does_and_when_the_caller_says_so() {
    let patience = Duration::from_millis(100);
    let alone = Client::new(&nobody()).unwrap().patience(patience);
    let end = alone.watch(ID, |_| ControlFlow::Continue(()));
    assert!(matches!(end, Err(ClientError::Unreachable { .. })));
    let server = Server::start(vec![Answer::json(200, &status("queued", 0.0))]);
    assert!(matches!(client(&server).watch(ID, |_| ControlFlow::Break(())), Err(ClientError::Stopped)));
}

#[test]
fn a_broken_transfer_is_taken_up_where_it_broke() {
    let audio: Vec<u8> = (0..200_000_u32).map(|n| (n * 7) as u8).collect();
    let server = Server::start(vec![
        Answer::json(200, &artifact(&audio)),
        Answer::bytes(200, "audio/wav", &audio).header("ETag", "\"v1\"").cut_after(150_000),
        Answer::bytes(206, "audio/wav", &audio[150_000..])
            .header("Content-Range", "bytes 150000-199999/200000"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rain.wav");
    let mut last = None;
    let done = client(&server)
        .download(ID, Part::Audio, &path, Overwrite::Refuse, |transfer| {
            last = Some(transfer);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), audio);
    assert_eq!(done.bytes, 200_000);
    assert_eq!(last, Some(Transfer { done: 200_000, total: Some(200_000), resumed: 1 }));
    let asked = server.asked();
    assert_eq!(asked[1].line, format!("GET /artifact/{ID}/audio"));
    for header in ["range: bytes=150000-", "if-range: \"v1\""] {
        assert!(asked[2].headers.iter().any(|line| line == header), "{header}: {:?}", asked[2]);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_server_without_ranges_sends_the_whole_again() {
    let server = Server::start(vec![
        Answer::bytes(200, "image/png", b"old bytes").header("ETag", "\"v1\"").cut_after(5),
        Answer::bytes(200, "image/png", b"new picture").header("ETag", "\"v2\""),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.png");
    client(&server).download(ID, Part::Picture, &path, Overwrite::Refuse, go_on).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"new picture");
    assert_eq!(server.lines(), vec![format!("GET /artifact/{ID}/picture.png"); 2]);
}

#[test]
fn damaged_stopped_and_lost_downloads_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rain.wav");
    let damaged = Server::start(vec![
        Answer::json(200, &artifact(b"what was made")),
        Answer::bytes(200, "audio/wav", b"what arrived!"),
    ]);
    let error = client(&damaged).download(ID, Part::Audio, &path, Overwrite::Refuse, go_on).unwrap_err();
    assert!(matches!(error, ClientError::Damaged { .. }), "{error:?}");
    let stopped = Server::start(vec![Answer::bytes(200, "application/zip", b"zip")]);
    let error = client(&stopped)
        .download(ID, Part::Stems, &path, Overwrite::Refuse, |_| ControlFlow::Break(()))
        .unwrap_err();
    assert!(matches!(error, ClientError::Stopped), "{error:?}");
    let lost = Server::start(vec![Answer::bytes(200, "application/json", b"{}").cut_after(1)]);
    let error = client(&lost).download(ID, Part::Manifest, &path, Overwrite::Refuse, go_on).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(is_empty(folder.path()));
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.json");
    std::fs::write(&path, "mine").unwrap();
    let server = Server::start(vec![Answer::bytes(200, "application/json", b"{}")]);
    let client = client(&server);
    let refused = client.download(ID, Part::Manifest, &path, Overwrite::Refuse, go_on);
    assert!(matches!(refused, Err(ClientError::Exists { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    client.download(ID, Part::Manifest, &path, Overwrite::Replace, go_on).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"{}");
}

#[cfg(unix)]
#[test]
fn a_download_has_the_rights_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, plain) = (folder.path().join("m.json"), folder.path().join("plain"));
    std::fs::write(&plain, "").unwrap();
    let server = Server::start(vec![Answer::bytes(200, "application/json", b"{}")]);
    client(&server).download(ID, Part::Manifest, &path, Overwrite::Refuse, go_on).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}

#[test]
fn jobs_are_filtered_by_query_and_cancelled_by_delete() {
    let server = Server::start(vec![
        Answer::json(200, &json!({"jobs": [status("failed", 0.1)], "next_before": null})),
        Answer::json(202, &status("cancelled", 0.1)),
        Answer::bytes(204, "text/plain", b""),
        Answer::json(200, &status("cancelled", 0.1)),
    ]);
    let client = client(&server);
    let filter = JobFilter { state: Some(JobState::Failed), limit: Some(5), before: Some(ID.into()) };
    assert_eq!(client.jobs(&filter).unwrap().jobs.len(), 1);
    for _ in 0..2 {
        assert_eq!(client.cancel(ID).unwrap().state, JobState::Cancelled);
    }
    assert_eq!(
        server.lines(),
        [
            format!("GET /jobs?state=failed&limit=5&before={ID}"),
            format!("DELETE /jobs/{ID}"),
            format!("DELETE /jobs/{ID}"),
            format!("GET /status/{ID}"),
        ]
    );
}
