//! The service itself: health, engines, documents, request ids.

use std::fs;

use serde_json::Value;
use timbre::wire::{EngineList, Health};

use super::server::{Server, Setup};

impl Server {
    /// Whether no job was ever accepted.
    pub(crate) fn store_is_empty(&self) -> bool {
        self.get("/jobs").json::<Value>()["jobs"].as_array().is_some_and(Vec::is_empty)
    }
}

#[test]
fn health_tells_how_it_is() {
    let server = Server::start();
    let health: Health = server.get("/health").json();
    assert_eq!((health.status.as_str(), health.ready, health.store.as_str()), ("ok", true, "memory"));
    assert_eq!(health.not_ready, None);
    assert_eq!((health.queue.capacity, health.queue.queued, health.queue.running), (100, 0, 0));
    server.submit("hold");
    server.gate().until_held();
    server.submit("piano");
    let health: Health = server.get("/health").json();
    assert_eq!((health.queue.queued, health.queue.running), (1, 1));
    let engines: EngineList = server.get("/engines").json();
    assert_eq!(engines.engines, health.engines);
    assert!(engines.engines.iter().any(|engine| engine.available && engine.default));
    assert_eq!(server.get("/livez").text(), "ok\n");
    assert_eq!(server.get("/readyz").text(), "ok\n");
}

#[test]
fn without_workers_it_is_not_ready() {
    let server = Server::with(Setup { at_work: false, ..Setup::default() });
    let problem = server.get("/readyz").problem(503, "not_ready");
    let health: Health = server.get("/health").json();
    assert!(!health.ready);
    assert_eq!(health.not_ready, Some(problem.detail));
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn without_a_place_for_pieces_it_is_not_ready() {
    let server = Server::start();
    let incoming = server.directory.path().join(".incoming");
    fs::remove_dir_all(&incoming).unwrap();
    assert_eq!(server.get("/readyz").status, 200);
    fs::remove_dir_all(&incoming).unwrap();
    fs::write(&incoming, "").unwrap();
    server.get("/readyz").problem(503, "not_ready");
    assert!(!server.get("/health").json::<Health>().ready);
}

#[test]
fn every_answer_has_a_request_id_and_is_not_sniffed() {
    let server = Server::start();
    let own = server.get_with("/livez", &[("x-request-id", "my-id.1")]);
    assert_eq!(own.header("x-request-id"), "my-id.1");
    assert_eq!(own.header("x-content-type-options"), "nosniff");
    let long = "x".repeat(129);
    for strange in ["a b", "<script>", &long] {
        let answer = server.get_with("/nothing", &[("x-request-id", strange)]);
        assert_ne!(answer.header("x-request-id"), strange);
        answer.problem(404, "not_found");
    }
    assert_ne!(server.get("/livez").header("x-request-id"), server.get("/livez").header("x-request-id"));
    assert!(
        !server
            .get_with("/livez", &[("origin", "http://x")])
            .headers
            .contains_key("access-control-allow-origin")
    );
}

#[test]
fn the_document_names_every_route_and_error() {
    let server = Server::start();
    let document: Value = server.get("/openapi.json").json();
    assert_eq!(document, serde_json::to_value(timbre::http::openapi()).unwrap());
    let mut routes: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            routes.push(format!("{method} {path}"));
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
            }
        }
    }
    routes.sort();
    let expected = [
        "delete /audio/{audio_id}",
        "delete /jobs/{job_id}",
        "get /artifact/{job_id}",
        "get /artifact/{job_id}/audio",
        "get /artifact/{job_id}/manifest",
        "get /artifact/{job_id}/midi",
        "get /artifact/{job_id}/picture.png",
        "get /artifact/{job_id}/preview",
        "get /artifact/{job_id}/stems.zip",
        "get /audio/{audio_id}",
        "get /engines",
        "get /health",
        "get /jobs",
        "get /livez",
        "get /readyz",
        "get /status/{job_id}",
        "get /status/{job_id}/events",
        "post /audio",
        "post /generate",
        "post /plan",
    ];
    assert_eq!(routes, expected);
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not described");
    }
}

#[test]
fn the_api_page_needs_no_other_host() {
    let server = Server::start();
    let moved = server.get("/docs");
    assert_eq!((moved.status, moved.header("location")), (303, "/docs/"));
    let page = server.get("/docs/");
    assert_eq!(page.status, 200);
    let start = server.get("/docs/swagger-initializer.js");
    assert!(
        start.text().contains("/openapi.json") && start.text().contains("\"validatorUrl\": \"none\""),
        "{}",
        start.text()
    );
    for text in [page.text(), start.text()] {
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("\"//"), "{text}");
    }
    let is_file = |part: &&str| matches!(part.rsplit_once('.'), Some((_, "js" | "css")));
    for part in page.text().split(['"', '\'']).filter(is_file) {
        let path = format!("/docs/{}", part.trim_start_matches("./"));
        assert_eq!(server.get(&path).status, 200, "{path}");
    }
}
