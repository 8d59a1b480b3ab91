//! What a finished job has made, and how it is fetched.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use serde_json::json;
use timbre::{
    http,
    wire::{GenerationArtifact, GenerationStatus, Manifest},
};

use super::{
    fake::{SHA256, audio_bytes},
    server::{Answer, Server, Setup},
};

#[test]
fn an_artifact_is_described_and_its_links_lead_somewhere() {
    let server = Server::start();
    let body = json!({"prompt": "piano", "duration_seconds": 20, "output": {"stems": true}});
    let id = server.post_json("/generate", &body).json::<GenerationStatus>().job_id;
    server.until_final(&id);
    let answer = server.get(&format!("/artifact/{id}"));
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("vary"), "accept");
    let artifact: GenerationArtifact = answer.json();
    assert_eq!(artifact.job_id, id);
    assert_eq!(server.get(&artifact.links.audio).body, audio_bytes());
    let manifest = server.get(&artifact.links.manifest);
    assert_eq!(manifest.header("content-type"), "application/json");
    assert_eq!(manifest.json::<Manifest>().audio, artifact.audio);
    let picture = server.get(&artifact.links.picture);
    assert_eq!((picture.header("content-type"), picture.text()), ("image/png", "picture"));
    let midi = server.get(&artifact.links.midi.unwrap());
    assert_eq!((midi.header("content-type"), midi.text()), ("audio/midi", "notes"));
    assert_eq!(midi.header("etag"), format!("\"{SHA256}\""));
    assert!(midi.header("content-disposition").contains(".mid\""));
    let stems = server.get(&artifact.links.stems.unwrap());
    assert_eq!((stems.header("content-type"), stems.text()), ("application/zip", "stems"));
    assert!(stems.header("content-disposition").contains(" stems.zip\""));

    let plain = server.piece("piano");
    server.get(&format!("/artifact/{plain}/stems.zip")).problem(404, "no_stems");
    let artifact: GenerationArtifact = server.get(&format!("/artifact/{plain}")).json();
    assert_eq!(artifact.links.stems, None);

    let noise = server.piece("noise");
    let problem = server.get(&format!("/artifact/{noise}/midi")).problem(404, "no_midi");
    assert!(problem.detail.contains("synth"), "{}", problem.detail);
    let artifact: GenerationArtifact = server.get(&format!("/artifact/{noise}")).json();
    assert_eq!(artifact.links.midi, None);
}

#[test]
fn accept_chooses_the_form() {
    let server = Server::start();
    let path = format!("/artifact/{}", server.piece("piano"));
    let with = |accept: &str| server.get_with(&path, &[("accept", accept)]);
    for accept in ["audio/*", "audio/wav", "application/json;q=0.5, audio/x-wav"] {
        let answer = with(accept);
        assert_eq!((answer.status, answer.header("content-type")), (200, "audio/wav"), "{accept}");
        assert_eq!((answer.header("vary"), &answer.body), ("accept", &audio_bytes()));
    }
    for accept in ["*/*", "application/json", "text/html, */*;q=0.8", "audio/wav;q=0.1, application/json"] {
        assert_eq!(with(accept).header("content-type"), "application/json", "{accept}");
    }
    let problem = with("audio/flac").problem(406, "not_acceptable");
    assert!(problem.detail.contains("audio/wav"));
    let part = server.get_with(&path, &[("accept", "audio/*"), ("range", "bytes=10-19")]);
    assert_eq!((part.status, &part.body[..]), (206, &audio_bytes()[10..20]));
}

#[test]
fn ranges_are_byte_identical() {
    let server = Server::start();
    let path = format!("/artifact/{}/audio", server.piece("piano"));
    let bytes = audio_bytes();
    let len = bytes.len();
    let whole = server.get(&path);
    assert_eq!((whole.header("accept-ranges"), whole.header("content-length")), ("bytes", &*len.to_string()));
    let mut random = timbre::audio::Random::new(1);
    let mut ranges = vec![(0, 0), (0, len - 1), (len - 1, len - 1)];
    ranges.extend((0..100).map(|_| {
        let (a, b) = (random.below(len), random.below(len));
        (a.min(b), a.max(b))
    }));
    for (first, last) in ranges {
        let part = server.get_with(&path, &[("range", &format!("bytes={first}-{last}"))]);
        assert_eq!(part.status, 206);
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/{len}"));
        assert!(part.body == bytes[first..=last], "bytes {first} to {last}");
    }
    let tail = server.get_with(&path, &[("range", "bytes=-5")]);
    assert_eq!((tail.status, &tail.body[..]), (206, &bytes[len - 5..]));
    let rest = server.get_with(&path, &[("range", "bytes=100000-")]);
    assert_eq!((rest.status, &rest.body[..]), (206, &bytes[100_000..]));
    let outside = server.get_with(&path, &[("range", "bytes=200000-")]);
    outside.problem(416, "range_not_satisfiable");
    assert_eq!(outside.header("content-range"), format!("bytes */{len}"));
    let unknown = server.get_with(&path, &[("range", "items=0-3")]);
    assert_eq!((unknown.status, unknown.body.len()), (200, len), "an unknown unit is ignored");
    let several = server.get_with(&path, &[("range", "bytes=0-1,5-6")]);
    assert_eq!(
        (several.status, several.body.len()),
        (200, len),
        "several ranges are answered with the whole"
    );
}

#[test]
fn validators_save_and_protect_downloads() {
    let server = Server::start();
    let path = format!("/artifact/{}/audio", server.piece("piano"));
    let etag = format!("\"{SHA256}\"");
    let with = |headers: &[(&str, &str)]| server.get_with(&path, headers);
    let whole = with(&[]);
    assert_eq!(whole.header("etag"), etag);
    assert!(whole.header("cache-control").contains("immutable"));
    let modified = whole.header("last-modified").to_owned();

    let same = with(&[("if-none-match", &etag)]);
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, etag.as_str()));
    assert_eq!(with(&[("if-none-match", "\"other\"")]).status, 200);
    assert_eq!(with(&[("if-modified-since", &modified)]).status, 304);
    assert_eq!(with(&[("if-none-match", "\"other\""), ("if-modified-since", &modified)]).status, 200);
    assert_eq!(with(&[("if-match", &etag)]).status, 200);
    with(&[("if-match", "\"other\"")]).problem(412, "precondition_failed");
    with(&[("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT")]).problem(412, "precondition_failed");

    assert_eq!(with(&[("range", "bytes=0-9"), ("if-range", &etag)]).status, 206);
    let changed = with(&[("range", "bytes=0-9"), ("if-range", "\"other\"")]);
    assert_eq!((changed.status, changed.body.len()), (200, audio_bytes().len()));
}

#[test]
fn every_file_is_resumed_by_its_own_tag() {
    let server = Server::start();
    let body = json!({"prompt": "piano", "duration_seconds": 20, "output": {"stems": true}});
    let id = server.post_json("/generate", &body).json::<GenerationStatus>().job_id;
    server.until_final(&id);
    for part in ["audio", "stems.zip", "picture.png", "midi", "manifest"] {
        let path = format!("/artifact/{id}/{part}");
        let whole = server.get(&path);
        let etag = whole.header("etag");
        assert!(etag.starts_with('"'), "{part}: {etag} is no strong tag");
        assert_eq!(server.get(&path).header("etag"), etag);
        let rest = server.get_with(&path, &[("range", "bytes=2-"), ("if-range", etag)]);
        assert_eq!((rest.status, &rest.body[..]), (206, &whole.body[2..]), "{part}");
        assert_eq!(server.get_with(&path, &[("range", "bytes=2-"), ("if-range", "\"old\"")]).status, 200);
        assert_eq!(server.get_with(&path, &[("if-none-match", etag)]).status, 304);
    }
}

#[test]
fn head_tells_without_sending() {
    let server = Server::start();
    let id = server.piece("piano");
    let head = |path: &str| Answer::read(server.agent.head(server.url(path)).call().unwrap());
    let audio = head(&format!("/artifact/{id}/audio"));
    assert_eq!((audio.status, audio.body.len()), (200, 0));
    assert_eq!(audio.header("content-length"), audio_bytes().len().to_string());
    assert_eq!(audio.header("content-type"), "audio/wav");
    assert_eq!(head(&format!("/status/{id}")).status, 200);
    let missing = head("/status/x");
    assert_eq!((missing.status, missing.body.len()), (404, 0));
}

#[test]
fn downloads_have_a_safe_name() {
    let server = Server::start();
    let id = server.piece("piano");
    let manifest: Manifest = server.get(&format!("/artifact/{id}/manifest")).json();
    let name = server.get(&format!("/artifact/{id}/audio")).header("content-disposition").to_owned();
    assert!(name.starts_with("attachment; filename=\""), "{name}");
    assert!(name.contains(&format!("{}.wav", manifest.plan.title)), "{name} of {:?}", manifest.plan.title);
}

#[test]
fn an_artifact_that_was_removed_is_gone() {
    let server = Server::start();
    let id = server.piece("piano");
    fs::remove_dir_all(server.directory.path().join(&id)).unwrap();
    server.get(&format!("/artifact/{id}")).problem(410, "artifact_gone");
    server.get(&format!("/artifact/{id}/audio")).problem(410, "artifact_gone");
}

#[test]
fn a_broken_manifest_is_an_inside_matter() {
    let server = Server::start();
    let id = server.piece("piano");
    fs::write(server.directory.path().join(&id).join("manifest.json"), "{").unwrap();
    let problem = server.get(&format!("/artifact/{id}")).problem(500, "internal");
    assert!(!problem.detail.contains("EOF"), "{}", problem.detail);
}

#[test]
fn a_caller_that_takes_nothing_is_cut_off() {
    const BYTES: u64 = 64 << 20;
    let http = http::Settings { stalled: Duration::from_millis(100) };
    let server = Server::with(Setup { http, ..Setup::default() });
    let id = server.piece("piano");
    let audio = server.directory.path().join(&id).join("audio.wav");
    fs::File::options().write(true).open(audio).unwrap().set_len(BYTES).unwrap();
    let path = format!("/artifact/{id}/audio");
    // Who reads gets it all, however long it takes.
    let whole = server.agent.get(server.url(&path)).call().unwrap();
    assert_eq!(io::copy(&mut whole.into_body().into_reader(), &mut io::sink()).unwrap(), BYTES);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    thread::sleep(Duration::from_secs(2));
    let mut got = Vec::new();
    let _cut = stream.read_to_end(&mut got);
    assert!((got.len() as u64) < BYTES, "all of it came");
}
