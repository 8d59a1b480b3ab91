use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::server::{Answer, ID, Server, artifact, nobody, sha256, status};

fn timbrectl(server: &str, folder: &Path, line: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_timbrectl"))
        .args(line)
        .env("TIMBRE_SERVER", server)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn made(audio: &[u8]) -> Vec<Answer> {
    vec![
        Answer::json(202, &status("queued", 0.0)),
        Answer::json(200, &status("rendering", 0.5)),
        Answer::json(200, &status("succeeded", 1.0)),
        Answer::json(200, &artifact(audio)),
        Answer::json(200, &artifact(audio)),
        Answer::bytes(200, "audio/wav", audio),
    ]
}

#[test]
fn generate_makes_a_file_named_after_the_title_and_tells_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(made(b"sound"));
    let output = timbrectl(&server.url, folder.path(), &["generate", "--prompt", "rain", "--tempo", "72"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(std::fs::read(folder.path().join("dreamy-rain.wav")).unwrap(), b"sound");
    for part in ["dreamy-rain.wav\n", "-14.0 LUFS", "--seed 7", "no harp", "2 s, 96000 frames"] {
        assert!(stdout(&output).contains(part), "{part}: {}", stdout(&output));
    }
    for part in [ID, "rendering", "50 %", "section 1 of 1, intro", "succeeded"] {
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
    }
    assert_eq!(server.asked()[0].json(), json!({"prompt": "rain", "tempo_bpm": 72.0}));
}

#[test]
fn generate_json_is_one_document_and_quiet_is_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(made(b"sound"));
    let output = timbrectl(
        &server.url,
        folder.path(),
        &["--json", "-q", "generate", "--prompt", "rain", "-o", "a.wav"],
    );
    let document = document(&output);
    assert_eq!(document["file"], "a.wav");
    assert_eq!(document["artifact"]["audio"]["sha256"], sha256(b"sound"));
    assert_eq!(stderr(&output), "");
}

#[test]
fn quiet_generate_prints_the_path_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dreamy-rain.wav"), "mine").unwrap();
    let server = Server::start(made(b"sound"));
    let output = timbrectl(&server.url, folder.path(), &["generate", "--quiet", "--prompt", "rain"]);
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("dreamy-rain-2.wav\n", ""));
    assert_eq!(std::fs::read(folder.path().join("dreamy-rain.wav")).unwrap(), b"mine");
}

#[test]
fn generate_fetches_the_stems_that_were_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut with_stems = artifact(b"sound");
    with_stems["links"]["stems"] = "/s".into();
    let mut script = made(b"sound");
    script[3] = Answer::json(200, &with_stems);
    script.push(Answer::bytes(200, "application/zip", b"zip"));
    let server = Server::start(script);
    let output =
        timbrectl(&server.url, folder.path(), &["generate", "--prompt", "rain", "--stems", "--json"]);
    assert_eq!(document(&output)["stems_file"], "dreamy-rain-stems.zip");
    assert_eq!(names(folder.path()), ["dreamy-rain-stems.zip", "dreamy-rain.wav"]);
    let asked = server.asked();
    assert_eq!(asked[0].json()["output"], json!({"stems": true}));
    assert_eq!(asked[6].line, format!("GET /artifact/{ID}/stems.zip"));
}

#[test]
fn generate_fetches_the_notes_or_says_that_there_are_none() {
    let engines = |notes| {
        json!({"engines": [{"name": "synth", "available": true, "default": true, "reason": "built in", "sample_rate": 48000,
            "channels": 2, "stems": true, "notes": notes, "longest_section_seconds": null, "licence": null}]})
    };
    let line = ["generate", "--prompt", "rain", "--midi", "notes.mid", "--json"];
    let folder = tempfile::tempdir().unwrap();
    let mut script = made(b"sound");
    script.insert(0, Answer::json(200, &engines(true)));
    script.push(Answer::bytes(200, "audio/midi", b"MThd"));
    let server = Server::start(script);
    let output = timbrectl(&server.url, folder.path(), &line);
    assert_eq!(document(&output)["midi_file"], "notes.mid", "{output:?}");
    assert_eq!(names(folder.path()), ["dreamy-rain.wav", "notes.mid"]);
    assert_eq!(server.asked()[7].line, format!("GET /artifact/{ID}/midi"));
    assert_eq!(code(&timbrectl(&nobody(), folder.path(), &line)), 2, "the file exists");

    let empty = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Answer::json(200, &engines(false))]);
    let output = timbrectl(&server.url, empty.path(), &line);
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(stderr(&output).contains("--midi"), "{}", stderr(&output));
    assert_eq!(server.lines(), ["GET /engines"], "nothing was submitted");
}

#[test]
fn a_target_that_cannot_be_written_is_refused_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wav"), "mine").unwrap();
    for target in ["a.wav", "no/such/folder.wav"] {
        let output = timbrectl(&nobody(), folder.path(), &["generate", "--prompt", "rain", "-o", target]);
        assert_eq!(code(&output), 2, "{output:?}");
    }
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[test]
fn every_way_to_end_has_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let field = json!({"errors": [{"field": "duration_seconds", "message": "1 to 600"}]});
    let submit: &[&str] = &["--json", "submit", "--prompt", "rain"];
    let watch: &[&str] = &["--json", "watch", ID];
    let refused = |status, more: &Value| vec![Answer::problem(status, "code", more)];
    let ended = |state| vec![Answer::json(200, &status(state, 0.5)), Answer::json(200, &status(state, 0.5))];
    for (script, line, expected, part) in [
        (refused(422, &field), submit, 2, "duration_seconds: 1 to 600"),
        (refused(404, &json!({})), watch, 2, "timbrectl list"),
        (refused(413, &json!({})), submit, 2, "HTTP 413"),
        (refused(429, &json!({"retry_after": 30})), submit, 6, "try again in 30 s"),
        (refused(503, &json!({})), submit, 6, "try again"),
        (refused(500, &json!({})), submit, 1, "HTTP 500"),
        (ended("failed"), watch, 4, "failed now"),
        (ended("cancelled"), watch, 5, "cancelled"),
    ] {
        let server = Server::start(script);
        let output = timbrectl(&server.url, folder.path(), line);
        assert_eq!(code(&output), expected, "{output:?}");
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
        let last: Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
        assert_eq!(last["error"]["exit_code"], expected);
        server.asked();
    }
    assert_eq!(code(&timbrectl(&nobody(), folder.path(), submit)), 3);
    assert_eq!(code(&timbrectl("nonsense", folder.path(), submit)), 2);
    assert_eq!(code(&timbrectl(&nobody(), folder.path(), &["status", "../health"])), 2);
    assert_eq!(code(&timbrectl(&nobody(), folder.path(), &["submit"])), 2);
    assert_eq!(code(&timbrectl(&nobody(), folder.path(), &["submit", "--prompt", "rain", "--key", "H"])), 2);
}

#[test]
fn a_damaged_download_ends_with_a_message_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(vec![
        Answer::json(200, &artifact(b"made")),
        Answer::json(200, &artifact(b"made")),
        Answer::bytes(200, "audio/wav", b"sent"),
    ]);
    let output = timbrectl(&server.url, folder.path(), &["fetch", ID]);
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(stderr(&output).contains("SHA-256"), "{}", stderr(&output));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn watch_json_writes_one_line_per_change_then_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = made(b"sound");
    script[0] = Answer::json(200, &status("queued", 0.0));
    let server = Server::start(script);
    let output = timbrectl(&server.url, folder.path(), &["watch", ID, "--json", "--fetch"]);
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&json!("rendering"), &json!("succeeded")));
    assert_eq!(lines[2]["file"], "dreamy-rain.wav");
}

#[test]
fn health_says_whether_a_job_would_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    let health = |ready| {
        let not_ready = if ready { Value::Null } else { "8 jobs are waiting".into() };
        json!({"status": "ok", "version": "0.1.0", "uptime_seconds": 61.0, "ready": ready, "not_ready": not_ready,
            "device": {"kind": "cpu", "name": "a processor", "threads": 2},
            "engines": [{"name": "synth", "available": true, "default": true, "reason": "built in", "sample_rate": 48000,
                "channels": 2, "stems": true, "notes": true, "continues": false, "follows_melody": false,
                "longest_section_seconds": null, "licence": null, "model": null, "dtype": null, "device": null, "loaded": false}],
            "queue": {"queued": 1, "running": 1, "capacity": 8, "workers": 1}, "store": "memory"})
    };
    for (ready, expected) in [(true, 0), (false, 6)] {
        let server =
            Server::start(vec![Answer::json(200, &health(ready)), Answer::json(200, &health(ready))]);
        let output = timbrectl(&server.url, folder.path(), &["health"]);
        assert_eq!(code(&output), expected, "{output:?}");
        assert!(stdout(&output).contains("1 of 8 waiting"), "{}", stdout(&output));
        assert_eq!(stderr(&output).contains("8 jobs are waiting"), !ready, "{}", stderr(&output));
        assert!(!stderr(&output).contains("hint"), "{}", stderr(&output));
        let output = timbrectl(&server.url, folder.path(), &["health", "--json"]);
        assert_eq!((code(&output), document(&output)), (expected, health(ready)));
    }
}

#[test]
fn lists_are_tables_for_people_and_text_cannot_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = status("failed", 0.25);
    job["message"] = "\u{1b}[2Jgone".into();
    let server = Server::start(vec![Answer::json(200, &json!({"jobs": [job], "next_before": ID}))]);
    let output = timbrectl(&server.url, folder.path(), &["list", "--limit", "1"]);
    let text = stdout(&output);
    assert!(
        text.starts_with("ID ") && text.contains("25 %") && text.contains(&format!("--before {ID}")),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_following_and_says_how_to_go_on_or_cancels() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let folder = tempfile::tempdir().unwrap();
    for (option, part) in [(None, "timbrectl watch"), (Some("--cancel-on-interrupt"), "being cancelled")] {
        // The long wait that the server asks for is when the signal comes.
        let busy = Answer::problem(503, "busy", &json!({"retry_after": 50}));
        let mut script = vec![Answer::json(202, &status("queued", 0.0)), busy];
        script.extend(option.map(|_| Answer::json(202, &status("cancelled", 0.0))));
        let server = Server::start(script);
        let mut child = Command::new(env!("CARGO_BIN_EXE_timbrectl"))
            .args(["--server", &server.url, "generate", "--prompt", "rain"])
            .args(option)
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        while !lines.next().unwrap().unwrap().contains("asking again in 50.0 s") {}
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let rest: String = lines.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(rest.contains(part), "{rest}");
        if option.is_some() {
            assert_eq!(server.lines()[2], format!("DELETE /jobs/{ID}"));
        }
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn help_documents_the_exit_codes_and_completions_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let help = timbrectl(&nobody(), folder.path(), &["--help"]);
    assert!(stdout(&help).contains("3  the server cannot be reached"), "{}", stdout(&help));
    let script = timbrectl("nonsense", folder.path(), &["completions", "bash"]);
    assert_eq!(code(&script), 0);
    assert!(stdout(&script).contains("_timbrectl"));
}

#[test]
fn wrong_use_is_a_document_too() {
    let folder = tempfile::tempdir().unwrap();
    for (line, part) in [
        (vec!["--json", "submit", "--prompt", "rain", "--duration", "long"], "'long'"),
        (vec!["status", "--json"], "<ID>"),
        (vec!["--json"], "subcommand"),
        (vec!["--json", "play"], "'play'"),
    ] {
        let output = timbrectl(&nobody(), folder.path(), &line);
        let error = &document(&output)["error"];
        assert_eq!((code(&output), &error["exit_code"]), (2, &json!(2)), "{line:?}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(part) && !message.contains("Usage"), "{message}");
        assert!(stderr(&output).contains("--help"), "{}", stderr(&output));
    }
    assert_eq!(stdout(&timbrectl(&nobody(), folder.path(), &["play", "--", "--json"])), "");
    let version = timbrectl(&nobody(), folder.path(), &["--json", "--version"]);
    assert!(code(&version) == 0 && stdout(&version).starts_with("timbrectl "), "{version:?}");
}

#[test]
fn sounds_are_uploaded_before_the_request_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("riff.wav"), b"riff").unwrap();
    let info = json!({"audio_id": sha256(b"riff"), "format": "wav", "seconds": 1.0, "sample_rate": 8000, "channels": 1,
        "bytes": 4, "uploaded_at": "2026-01-01T00:00:00Z"});
    let server = Server::start(vec![Answer::json(201, &info), Answer::json(202, &status("queued", 0.0))]);
    let output = timbrectl(
        &server.url,
        folder.path(),
        &["submit", "--prompt", "rain", "--continue-from", "riff.wav@0.5-1"],
    );
    assert_eq!(code(&output), 0, "{output:?}");
    let asked = server.asked();
    assert_eq!((asked[0].line.as_str(), asked[0].body.as_slice()), ("POST /audio", b"riff".as_slice()));
    let source =
        json!({"audio_id": sha256(b"riff"), "name": "riff.wav", "start_seconds": 0.5, "end_seconds": 1.0});
    assert_eq!(asked[1].json(), json!({"prompt": "rain", "continue_from": source}));
}

#[test]
fn listen_has_stdout_for_the_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("/artifact/{ID}/preview");
    let sound = vec![7; 100_000];
    let server = Server::start(vec![Answer::bytes(200, "audio/wav", &sound)]);
    let output = timbrectl(&server.url, folder.path(), &["listen", ID]);
    assert!(code(&output) == 0 && output.stdout == sound && output.stderr.is_empty(), "{}", stderr(&output));
    assert_eq!(server.lines(), [format!("GET {path}")]);

    let audio = format!("/artifact/{ID}/audio");
    let made = Answer::bytes(303, "text/plain", b"").header("Location", &audio);
    let server = Server::start(vec![made, Answer::bytes(200, "audio/wav", &sound)]);
    let output = timbrectl(&server.url, folder.path(), &["listen", ID]);
    assert!(code(&output) == 0 && output.stdout == sound, "{}", stderr(&output));
    assert_eq!(server.lines(), [format!("GET {path}"), format!("GET {audio}")]);

    let begun = || Answer::bytes(200, "audio/wav", &sound).cut_after(50_000);
    for (state, expected) in [("failed", 4), ("cancelled", 5), ("rendering", 3)] {
        let server = Server::start(vec![begun(), Answer::json(200, &status(state, 0.5))]);
        let output = timbrectl(&server.url, folder.path(), &["listen", ID]);
        assert_eq!((code(&output), output.stdout.len()), (expected, 50_000), "{state}: {}", stderr(&output));
    }
    assert_eq!(code(&timbrectl(&nobody(), folder.path(), &["listen", ID, "--json"])), 2);
}
