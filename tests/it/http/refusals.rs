//! Every way to be refused, and that each refusal has one form.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::server::Server;

#[test]
fn faulty_fields_are_named() {
    let server = Server::start();
    let cases: &[(Value, &str)] = &[
        (json!({}), "prompt"),
        (json!({"prompt": ""}), "prompt"),
        (json!({"prompt": "x".repeat(1001)}), "prompt"),
        (json!({"prompt": 5}), "prompt"),
        (json!({"prompt": "piano", "duration_seconds": 0.5}), "duration_seconds"),
        (json!({"prompt": "piano", "duration_seconds": 601}), "duration_seconds"),
        (json!({"prompt": "piano", "tempo_bpm": 300}), "tempo_bpm"),
        (json!({"prompt": "piano", "tempo": 90}), "tempo"),
        (json!({"prompt": "piano", "key": "H"}), "key"),
        (json!({"prompt": "piano", "engine": "piano"}), "engine"),
        (json!({"prompt": "piano", "time_signature": "9/4"}), "time_signature"),
        (json!({"prompt": "piano", "seed": -1}), "seed"),
        (json!({"prompt": "piano", "output": {"bit_depth": 24}}), "output.bit_depth"),
        (json!({"prompt": "piano", "output": {"sample_rate": 7999}}), "output.sample_rate"),
        (json!({"prompt": "piano", "output": {"colour": "red"}}), "output.colour"),
        (json!({"prompt": "piano", "output": {"format": "flac", "bit_depth": "32f"}}), "output.bit_depth"),
        (json!({"prompt": "piano", "sampling": {"top_p": 2}}), "sampling.top_p"),
        (json!({"prompt": "piano", "plan": {"sections": [{"bars": "four"}]}}), "plan.sections[0].bars"),
    ];
    for path in ["/generate", "/plan"] {
        for (body, field) in cases {
            let problem = server.post_json(path, body).problem(422, "invalid_request");
            assert_eq!(problem.instance, path);
            let fields: Vec<&str> = problem.errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(fields, [*field], "{body}: {problem:?}");
            assert!(problem.errors.iter().all(|error| !error.message.is_empty()));
        }
    }
    assert!(server.store_is_empty());
}

#[test]
fn impossible_engines_are_refused_at_once() {
    let server = Server::start();
    for (body, field) in [
        (json!({"prompt": "piano", "engine": "musicgen"}), "engine"),
        (json!({"prompt": "piano", "engine": "musicgen", "model": "no/model"}), "model"),
    ] {
        let problem = server.post_json("/generate", &body).problem(422, "engine_unavailable");
        assert_eq!(problem.errors[0].field, field);
    }
    let body = json!({"prompt": "piano", "engine": "synth", "sampling": {"top_k": 5}});
    let problem = server.post_json("/generate", &body).problem(422, "engine_unsupported");
    assert_eq!(problem.errors[0].field, "sampling");
}

#[test]
fn bodies_that_are_no_json_are_refused() {
    let server = Server::start();
    for body in ["", "{", "{\"prompt\": \"piano\"} x", "prompt=piano", "{\"prompt\": \"pi\u{1}ano\"}"] {
        let problem =
            server.post("/generate", "application/json", body.as_bytes()).problem(400, "malformed_json");
        assert!(problem.detail.contains("line 1 column"), "{body}: {}", problem.detail);
    }
    server.post("/generate", "application/json", b"{\"prompt\": \"\xff\"}").problem(400, "malformed_json");
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        server
            .post("/generate", content_type, b"{\"prompt\": \"piano\"}")
            .problem(415, "unsupported_media_type");
    }
    let large = format!("{{\"prompt\": \"{}\"}}", "x".repeat(256 * 1024));
    server.post("/plan", "application/json", large.as_bytes()).problem(413, "body_too_large");
    assert!(server.store_is_empty());
}

#[test]
fn a_body_without_a_type_is_refused() {
    let server = Server::start();
    let answer = raw(
        &server,
        "POST /generate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
    );
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    assert!(answer.contains("\"code\":\"unsupported_media_type\""), "{answer}");
}

#[test]
fn a_chunked_body_is_limited_too() {
    let server = Server::start();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(5);
    let head = "POST /generate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = raw(&server, &format!("{head}{chunk}0\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn unknown_ids_and_paths_are_not_found() {
    let server = Server::start();
    let ids = [
        "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
        "piano",
        "..%2f..",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..",
        "%00",
        "%ff",
        ".incoming",
        "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee%2f..",
    ];
    for id in ids {
        for path in
            ["status/{}", "status/{}/events", "artifact/{}", "artifact/{}/audio", "artifact/{}/manifest"]
        {
            server.get(&format!("/{}", path.replace("{}", id))).problem(404, "not_found");
        }
        server.delete(&format!("/jobs/{id}")).problem(404, "not_found");
    }
    for path in ["/", "/nothing", "/status", "/artifact/", "/docs/nothing.js", "/artifact/../status"] {
        let problem = server.get(path).problem(404, "not_found");
        assert_eq!(problem.instance, path);
    }
}

#[test]
fn wrong_methods_are_told_the_right_ones() {
    let server = Server::start();
    for (path, allowed) in [("/generate", "POST"), ("/plan", "POST"), ("/jobs/x", "DELETE")] {
        let answer = server.get(path);
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allowed);
    }
    let answer = server.delete("/status/x");
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[test]
fn queries_are_checked() {
    let server = Server::start();
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("state=done", "state"),
        ("before=1", "before"),
        ("page=2", "page"),
    ] {
        let problem = server.get(&format!("/jobs?{query}")).problem(422, "invalid_request");
        assert_eq!(problem.errors[0].field, field);
    }
}

/// Sends bytes as they are and reads until the server closes.
fn raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    // The server may answer and close before it has read everything.
    let _sent = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
