//! A piece while it is made, from outside.

use std::{io::Read, thread, time::Duration};

use ureq::{Body, http::Response};

use super::{
    fake::{SUNG, sung},
    server::{Answer, Server, Setup},
};
use timbre::wire::JobState;

fn open(server: &Server, id: &str) -> Response<Body> {
    let response = server.agent.get(server.url(&format!("/artifact/{id}/preview"))).call().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "audio/wav");
    assert!(!response.headers().contains_key("content-length"));
    response
}

fn first(response: &mut Response<Body>, bytes: usize) -> Vec<u8> {
    let mut begun = vec![0; bytes];
    response.body_mut().as_reader().read_exact(&mut begun).unwrap();
    begun
}

/// The rest, and whether it came to its end.
fn rest(mut response: Response<Body>) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let whole = response.body_mut().as_reader().read_to_end(&mut bytes).is_ok();
    (bytes, whole)
}

#[test]
fn a_piece_is_heard_while_it_is_made_and_from_the_start_by_who_comes_late() {
    let server = Server::start();
    let id = server.submit("sing and hold");
    server.gate().until_held();
    let (mut early, mut late) = (open(&server, &id), open(&server, &id));
    let expected = sung();
    let held = 44 + 2 * SUNG;
    assert_eq!(first(&mut early, held), expected[..held]);
    assert_eq!(server.status(&id).state, JobState::Rendering);
    let mut heard = first(&mut late, 1000);
    server.gate().open();
    assert_eq!(rest(early), (expected[held..].to_vec(), true));
    server.until_final(&id);
    let (more, whole) = rest(late);
    heard.extend(more);
    assert!(whole && heard == expected, "who reads slowly gets the same, even when the job has ended");
}

#[test]
fn a_piece_that_waits_is_heard_when_it_begins() {
    let server = Server::start();
    server.submit("hold");
    server.gate().until_held();
    let id = server.submit("sing");
    let response = open(&server, &id);
    server.gate().open();
    assert_eq!(rest(response), (sung(), true));
}

#[test]
fn of_a_job_that_does_not_end_well_the_transfer_breaks() {
    let server = Server::start();
    let running = server.submit("sing and hold");
    server.gate().until_held();
    let waiting = server.submit("sing");
    let failing = open(&server, &server.submit("sing and fail"));
    let spoilt = open(&server, &server.submit("sing and spoil it"));
    let (mut heard, unheard) = (open(&server, &running), open(&server, &waiting));
    first(&mut heard, 44 + 2 * SUNG);
    server.delete(&format!("/jobs/{waiting}"));
    assert_eq!(rest(unheard), (Vec::new(), false), "cancelled before it ran");
    server.delete(&format!("/jobs/{running}"));
    assert_eq!(rest(heard), (Vec::new(), false), "cancelled while it ran");
    // What came last may be lost with the connection.
    let (begun, whole) = rest(failing);
    assert!(sung()[..44 + 2 * SUNG].starts_with(&begun) && !whole, "failed after it was heard");
    let (begun, whole) = rest(spoilt);
    assert!(sung().starts_with(&begun) && !whole, "failed after all of it was heard");
}

#[test]
fn a_shutdown_ends_it() {
    let mut server = Server::with(Setup { drain_timeout: Duration::ZERO, ..Setup::default() });
    let id = server.submit("sing and hold");
    let waiting = server.submit("sing");
    server.gate().until_held();
    let responses = [open(&server, &id), open(&server, &waiting)];
    server.ask_to_stop();
    for response in responses {
        assert!(!rest(response).1);
    }
    server.join();
}

#[test]
fn who_does_not_read_holds_nothing_up() {
    let server = Server::start();
    server.gate().open();
    let id = server.submit("sing and hold for long");
    let unread: Vec<_> = (0..3).map_while(|_| reader(&server, &id)).collect();
    assert_eq!(server.until_final(&id).state, JobState::Succeeded);
    drop(unread);
}

/// One who asks and reads nothing; `None` when the job has ended already.
fn reader(server: &Server, id: &str) -> Option<Response<Body>> {
    let response = server.agent.get(server.url(&format!("/artifact/{id}/preview"))).call().unwrap();
    (response.status() == 200).then_some(response)
}

#[test]
fn a_job_that_is_over_answers_with_what_there_is() {
    let server = Server::start();
    let id = server.piece("sing");
    let path = format!("/artifact/{id}/preview");
    let answer = server.get(&path);
    assert_eq!((answer.status, answer.header("location")), (303, &*format!("/artifact/{id}/audio")));
    let head = Answer::read(server.agent.head(server.url(&path)).call().unwrap());
    assert_eq!((head.status, head.header("location")), (303, &*format!("/artifact/{id}/audio")));
    server.post(&path, "text/plain", b"").problem(405, "method_not_allowed");
    let failed = server.submit("fail");
    server.until_final(&failed);
    server.get(&format!("/artifact/{failed}/preview")).problem(409, "job_failed");
    server.get("/artifact/01938b7e-7a1c-7000-8000-000000000000/preview").problem(404, "not_found");
    std::fs::remove_dir_all(server.directory.path().join(&id)).unwrap();
    server.get(&path).problem(410, "artifact_gone");
    let held = server.submit("sing and hold");
    server.gate().until_held();
    let head = server.agent.head(server.url(&format!("/artifact/{held}/preview"))).call().unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-type"]),
        (200, &"audio/wav".parse().unwrap())
    );
    server.delete(&format!("/jobs/{held}"));
    server.get(&format!("/artifact/{held}/preview")).problem(409, "job_cancelled");
    // A listener that has gone away is no job's business.
    thread::sleep(Duration::from_millis(10));
    server.piece("sing");
}
