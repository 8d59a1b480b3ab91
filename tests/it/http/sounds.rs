//! `/audio`, and requests that name what was brought there.

use std::fs;

use serde_json::{Value, json};
use timbre::{
    artifact::{Shelf, UploadSettings, Uploads},
    job::memory,
    wire::{AudioInfo, GenerationStatus, JobState, Manifest},
};

use super::server::{Answer, Server, Setup};

/// A second of mono at 8 kHz.
fn sound(seed: i16) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let head = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(&mut bytes, head).unwrap();
    (0..8_000_i16).for_each(|n| writer.write_sample(n.wrapping_mul(seed)).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn bring(server: &Server, bytes: &[u8]) -> AudioInfo {
    let answer = server.post("/audio", "application/octet-stream", bytes);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let info: AudioInfo = answer.json();
    assert_eq!(answer.header("location"), format!("/audio/{}", info.audio_id));
    info
}

fn from(id: &str, prompt: &str) -> Value {
    json!({"prompt": prompt, "duration_seconds": 20, "seed": 7, "continue_from": {"audio_id": id, "start_seconds": 0.25}})
}

fn limited(uploads: UploadSettings) -> Server {
    Server::with(Setup { uploads, ..Setup::default() })
}

#[test]
fn a_sound_is_described_used_and_removed() {
    let server = Server::start();
    let info = bring(&server, &sound(1));
    assert_eq!((info.format.as_str(), info.seconds, info.sample_rate, info.channels), ("wav", 1.0, 8_000, 1));
    assert_eq!((info.audio_id.len(), info.bytes), (64, sound(1).len() as u64));
    let path = format!("/audio/{}", info.audio_id);
    assert_eq!(server.get(&path).json::<AudioInfo>(), info);
    assert_eq!(bring(&server, &sound(1)), info, "the same file is kept once");
    let answer = server.post_json("/generate", &from(&info.audio_id, "piano"));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let status: GenerationStatus = answer.json();
    assert!(status.warnings.iter().any(|warning| warning.starts_with("continue_from is not used")));
    assert_eq!(server.until_final(&status.job_id).state, JobState::Succeeded);
    let manifest: Manifest = server.get(&format!("/artifact/{}/manifest", status.job_id)).json();
    assert_eq!(manifest.request.continue_from.unwrap().audio_id.as_ref(), Some(&info.audio_id));
    assert_eq!(server.delete(&path).status, 204);
    server.delete(&path).problem(404, "not_found");
    server.get(&path).problem(404, "not_found");
    let problem =
        server.post_json("/generate", &from(&info.audio_id, "piano")).problem(422, "invalid_request");
    assert_eq!(problem.errors[0].field, "continue_from");
}

#[test]
fn what_is_no_sound_is_refused_with_the_reason() {
    let server = limited(UploadSettings { largest: 20_000, ..UploadSettings::default() });
    let send = |bytes: &[u8]| server.post("/audio", "audio/wav", bytes);
    let problem = send(b"piano").problem(415, "unsupported_audio");
    assert!(problem.detail.contains("WAV, FLAC, MP3 and OGG"), "{}", problem.detail);
    send(b"").problem(415, "unsupported_audio");
    let opus = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sounds/opus.ogg")).unwrap();
    let problem = send(&opus).problem(415, "unsupported_audio");
    assert!(problem.detail.contains("Vorbis"), "{}", problem.detail);
    let problem = send(&sound(1)[..10_000]).problem(422, "unreadable_audio");
    assert!(problem.detail.contains("cut off: it ends at 0.6 s"), "{}", problem.detail);
    send(&vec![0; 20_001]).problem(413, "body_too_large");
    // More than the system keeps for a reader that does not read: who sends it all first is answered nevertheless.
    let problem = send(&vec![0; 40_000_000]).problem(413, "body_too_large");
    assert!(problem.detail.contains("more than 20000 bytes"), "{}", problem.detail);
    let waiting = server.agent.post(server.url("/audio")).header("expect", "100-continue");
    Answer::read(waiting.send(&vec![0; 40_000_000][..]).unwrap()).problem(413, "body_too_large");
    let unused = server.post_json("/generate", &json!({"prompt": "x", "engine": "synth", "melody_from": {"audio_id": bring(&server, &sound(1)).audio_id}}));
    assert_eq!(unused.problem(422, "engine_unsupported").errors[0].field, "melody_from");
    let nothing = server.post_json("/generate", &json!({"prompt": "x", "melody_from": {}}));
    assert_eq!(nothing.problem(422, "invalid_request").errors[0].field, "melody_from");
    assert_eq!(fs::read_dir(server.directory.path().join(".incoming")).unwrap().count(), 0);
}

#[test]
fn a_sound_stays_while_a_job_needs_it() {
    let server = limited(UploadSettings { keep: 1, ..UploadSettings::default() });
    let info = bring(&server, &sound(1));
    let held: GenerationStatus = server.post_json("/generate", &from(&info.audio_id, "hold")).json();
    server.gate().until_held();
    let waiting: GenerationStatus = server.post_json("/generate", &from(&info.audio_id, "piano")).json();
    let path = format!("/audio/{}", info.audio_id);
    server.delete(&path).problem(409, "audio_in_use");
    server.post("/audio", "audio/wav", &sound(2)).problem(507, "no_space");
    assert_eq!(server.get(&path).status, 200);
    server.gate().open();
    for job in [held, waiting] {
        assert_eq!(server.until_final(&job.job_id).state, JobState::Succeeded);
    }
    bring(&server, &sound(2));
    server.get(&path).problem(404, "not_found");
}

/// The piece of a job is a sound too, and outlives its job.
#[test]
fn a_finished_piece_is_a_sound() {
    let store = memory::Settings { keep_finished: 1, ..memory::Settings::default() };
    let server = Server::with(Setup { store, ..Setup::default() });
    let first = server.piece("piano");
    let piece = server.directory.path().join(&first).join("audio.wav");
    // The fake's own pieces are no audio.
    fs::write(&piece, sound(3)).unwrap();
    let body = |job: &str| json!({"prompt": "hold", "duration_seconds": 20, "melody_from": {"job_id": job}});
    let answer = server.post_json("/generate", &body(&first));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let second: GenerationStatus = answer.json();
    server.gate().open();
    assert_eq!(server.until_final(&second.job_id).state, JobState::Succeeded);
    let manifest: Manifest = server.get(&format!("/artifact/{}/manifest", second.job_id)).json();
    let source = manifest.request.melody_from.unwrap();
    assert_eq!(source.job_id.as_ref(), Some(&first));
    server.piece("another");
    server.get(&format!("/status/{first}")).problem(404, "not_found");
    let audio_id = source.audio_id.unwrap();
    assert_eq!(server.get(&format!("/audio/{audio_id}")).json::<AudioInfo>().seconds, 1.0);
    let problem = server.post_json("/generate", &body(&first)).problem(422, "invalid_request");
    assert!(problem.detail.contains("no finished piece"), "{}", problem.detail);
}

#[test]
fn sounds_outlive_the_server() {
    let mut server = Server::start();
    let info = bring(&server, &sound(1));
    server.ask_to_stop();
    server.join();
    let directory = std::mem::replace(&mut server.directory, tempfile::tempdir().unwrap());
    drop(server);
    let shelf = Shelf::open(directory.path()).unwrap();
    let uploads = Uploads::open(&shelf, UploadSettings::default()).unwrap();
    assert_eq!(fs::read(uploads.path(&info.audio_id).unwrap()).unwrap(), sound(1));
}
