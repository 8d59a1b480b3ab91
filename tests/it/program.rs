//! The program `timbre` as somebody runs it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// The program in a directory of its own, without settings from outside.
fn timbre(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_timbre"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIMBRE_")) {
        command.env_remove(name);
    }
    // No models from outside either.
    command.env("HF_HUB_CACHE", directory.path().join("hub"));
    command.current_dir(directory).stdin(Stdio::null());
    command
}

fn run(directory: &TempDir, arguments: &[&str]) -> Output {
    timbre(directory).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs it, expects success, and gives standard output.
fn good(directory: &TempDir, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// Runs it, expects exit code 2 and no file, and gives standard error.
fn refused(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&directory, arguments);
    let error = text(&output.stderr).to_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert_eq!(names(directory.path()), [""; 0], "{arguments:?}");
    assert!(output.stdout.is_empty());
    error
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const SHORT: [&str; 7] = ["generate", "--prompt", "slow piano, 60 bpm", "--duration", "3", "--seed", "4"];

fn short<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SHORT, more].concat()
}

#[test]
fn generate_writes_audio_and_manifest_and_says_what_it_did() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&directory, &SHORT);
    assert!(output.status.success());
    let said = text(&output.stdout);
    for fact in ["slow-piano-4.wav", "LUFS", "dBTP", "seed", "synth", "timbre generate --from"] {
        assert!(said.contains(fact), "{fact} is not in {said}");
    }
    assert!(text(&output.stderr).contains("100 %"), "plain progress lines where there is no terminal");
    assert_eq!(names(directory.path()), ["slow-piano-4.json", "slow-piano-4.wav"]);
    let audio = hound::WavReader::open(directory.path().join("slow-piano-4.wav")).unwrap();
    assert_eq!(
        (audio.duration(), audio.spec().sample_rate, audio.spec().bits_per_sample),
        (144_000, 48_000, 24)
    );
}

#[test]
fn json_is_one_document_that_agrees_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&directory, &short(&["--json", "--output", "a.wav"]));
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let report = json(text(&output.stdout));
    assert_eq!((&report["audio"], &report["manifest"]), (&"a.wav".into(), &"a.json".into()));
    let manifest = json(&fs::read_to_string(directory.path().join("a.json")).unwrap());
    assert_eq!(report["piece"], manifest);
    assert_eq!(manifest["audio"]["bytes"], fs::metadata(directory.path().join("a.wav")).unwrap().len());
}

#[test]
fn rendering_a_manifest_again_gives_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    good(&directory, &short(&["--output", "a.flac", "--format", "flac", "--tempo", "97"]));
    good(&directory, &["generate", "--from", "a.json", "--output", "b.flac"]);
    let bytes = |name: &str| fs::read(directory.path().join(name)).unwrap();
    assert!(bytes("a.flac") == bytes("b.flac"));
    good(&directory, &["generate", "--from", "a.json", "--seed", "5", "--tempo", "60", "--output", "c.wav"]);
    let manifest = |name: &str| json(&fs::read_to_string(directory.path().join(name)).unwrap());
    let (before, after) = (manifest("a.json"), manifest("c.json"));
    assert_ne!(before["plan"]["theme"]["motif"], after["plan"]["theme"]["motif"], "planned anew");
    assert_eq!(
        (after["plan"]["tempo_bpm"].as_f64(), after["audio"]["format"].as_str()),
        (Some(60.0), Some("wav"))
    );
}

#[test]
fn stems_sum_to_the_unmastered_mix() {
    let directory = tempfile::tempdir().unwrap();
    good(&directory, &short(&["--stems", "stems", "--picture", "a.png", "--output", "a.wav"]));
    let mut stems = names(&directory.path().join("stems"));
    let mix = stems.pop().unwrap();
    assert_eq!(mix, "unmastered-mix.wav");
    let samples = |name: &String| -> Vec<f32> {
        let path = directory.path().join("stems").join(name);
        hound::WavReader::open(path).unwrap().samples::<f32>().map(Result::unwrap).collect()
    };
    let mut rest = samples(&mix);
    assert!(rest.iter().any(|sample| sample.abs() > 0.01));
    for stem in &stems {
        rest.iter_mut().zip(samples(stem)).for_each(|(rest, sample)| *rest -= sample);
    }
    assert!(rest.iter().all(|rest| rest.abs() <= 1e-6));
    assert_eq!(fs::read(directory.path().join("a.png")).unwrap()[..4], *b"\x89PNG");
}

#[test]
fn the_notes_are_written_beside_the_sound() {
    let directory = tempfile::tempdir().unwrap();
    let said = good(&directory, &short(&["--midi", "a.mid", "--output", "a.wav"]));
    assert!(said.contains("a.mid"), "{said}");
    assert_eq!(names(directory.path()), ["a.json", "a.mid", "a.wav"]);
    let bytes = fs::read(directory.path().join("a.mid")).unwrap();
    let manifest = json(&fs::read_to_string(directory.path().join("a.json")).unwrap());
    assert_eq!(
        (manifest["midi"]["file"].as_str(), manifest["midi"]["bytes"].as_u64()),
        (Some("a.mid"), Some(bytes.len() as u64))
    );
    assert!(midly::Smf::parse(&bytes).unwrap().tracks.len() > 1);
    let again =
        good(&directory, &["generate", "--from", "a.json", "--output", "b.wav", "--midi", "b.mid", "--json"]);
    assert_eq!(json(&again)["midi"], "b.mid");
    assert_eq!(fs::read(directory.path().join("b.mid")).unwrap(), bytes, "the same piece, the same bytes");
    let output = run(&directory, &short(&["--midi", "a.mid", "--output", "c.wav"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(!directory.path().join("c.wav").exists());
}

#[test]
fn a_plan_can_be_edited_and_rendered() {
    let directory = tempfile::tempdir().unwrap();
    let table = good(&directory, &["plan", "--prompt", "folk waltz", "--duration", "40", "--seed", "9"]);
    assert!(table.contains("3/4") && table.contains("bars"), "{table}");
    let mut plan = json(&good(
        &directory,
        &["plan", "--prompt", "folk waltz", "--duration", "40", "--seed", "9", "--json"],
    ));
    plan["sections"][0]["label"] = "The lake".into();
    fs::write(directory.path().join("plan.json"), plan.to_string()).unwrap();
    good(&directory, &["generate", "--plan", "plan.json", "--output", "a.wav"]);
    let manifest = json(&fs::read_to_string(directory.path().join("a.json")).unwrap());
    assert_eq!(manifest["sections"][0]["label"], "The lake");
    plan["sections"][1]["bars"] = 4000.into();
    fs::write(directory.path().join("plan.json"), plan.to_string()).unwrap();
    let output = run(&directory, &["generate", "--plan", "plan.json", "--output", "b.wav"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("plan.sections[1].bars"), "{}", text(&output.stderr));
}

#[test]
fn the_name_of_the_file_decides_the_format() {
    let directory = tempfile::tempdir().unwrap();
    good(&directory, &short(&["--output", "a.flac"]));
    assert_eq!(fs::read(directory.path().join("a.flac")).unwrap()[..4], *b"fLaC");
    for arguments in [&["--output", "b.wav", "--format", "flac"][..], &["--output", "b.mp3"]] {
        let error = refused(&short(arguments));
        assert!(error.contains("--output") && error.contains(".wav or .flac"), "{error}");
    }
}

#[test]
fn a_long_title_makes_a_name_that_fits() {
    let directory = tempfile::tempdir().unwrap();
    let mut plan = json(&good(&directory, &["plan", "-p", "calm pad", "-d", "2", "-s", "1", "--json"]));
    plan["title"] = "雨".repeat(200).into();
    fs::write(directory.path().join("plan.json"), plan.to_string()).unwrap();
    good(&directory, &["generate", "--plan", "plan.json"]);
    fs::write(directory.path().join("plan.json"), plan.to_string() + "{").unwrap();
    let output = run(&directory, &["generate", "--plan", "plan.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("trailing characters"), "{}", text(&output.stderr));
}

/// The samples of a stream, which must be one from its first byte to its last.
fn streamed(bytes: &[u8]) -> Vec<i16> {
    let mut file = bytes.to_vec();
    assert_eq!(
        (&file[..8], &file[36..44]),
        (b"RIFF\xff\xff\xff\xff".as_slice(), b"data\xff\xff\xff\xff".as_slice())
    );
    let sizes = [file.len() as u32 - 8, file.len() as u32 - 44];
    file[4..8].copy_from_slice(&sizes[0].to_le_bytes());
    file[40..44].copy_from_slice(&sizes[1].to_le_bytes());
    hound::WavReader::new(file.as_slice()).unwrap().into_samples().map(Result::unwrap).collect()
}

#[test]
fn a_stream_has_standard_output_for_itself_and_changes_no_file() {
    let directory = tempfile::tempdir().unwrap();
    good(&directory, &short(&["--output", "a.wav", "--raw", "raw.wav"]));
    let again = ["generate", "--from", "a.json", "--output", "b.wav", "--stream"];
    let output = run(&directory, &again);
    assert!(output.status.success() && text(&output.stderr).contains("b.wav"), "{}", text(&output.stderr));
    let bytes = |name: &str| fs::read(directory.path().join(name)).unwrap();
    assert!(bytes("a.wav") == bytes("b.wav"));
    let heard = streamed(&output.stdout);
    let raw = hound::WavReader::open(directory.path().join("raw.wav")).unwrap().into_samples::<f32>();
    let made: Vec<f32> = raw.map(|sample| sample.unwrap() * 32_768.0).collect();
    assert_eq!(heard.len(), 2 * 144_000);
    assert!(heard.iter().zip(&made).all(|(&heard, made)| (f32::from(heard) - made).abs() <= 0.5));
    let json = good(&directory, &short(&["--output", "c.wav", "--stream", "heard.wav", "--json"]));
    assert_eq!(self::json(&json)["stream"], "heard.wav");
    // A file has the sizes that a stream cannot have, so that everything reads it, as a sound to go on from too.
    let mut file = hound::WavReader::open(directory.path().join("heard.wav")).unwrap();
    assert!(file.samples::<i16>().map(Result::unwrap).eq(heard));
    let raw = run(&directory, &short(&["--raw", "again.wav", "--stream", "-"]));
    assert!(raw.stdout == output.stdout && bytes("again.wav") == bytes("raw.wav"));
}

#[test]
fn a_stream_that_nobody_reads_on_fails_no_piece() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = timbre(&directory)
        .args(short(&["--output", "a.wav", "--stream", "-"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success() && said.matches("nobody reads the stream").count() == 1, "{said}");
    assert_eq!(names(directory.path()), ["a.json", "a.wav"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_that_cannot_be_written_is_a_failure_and_the_piece_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&directory, &short(&["--output", "a.wav", "--stream", "/dev/full"]));
    let said = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && said.contains("the piece is written, but not its stream"),
        "{said}"
    );
    assert_eq!(names(directory.path()), ["a.json", "a.wav"]);
}

#[cfg(unix)]
#[test]
fn a_stream_into_a_fifo_waits_for_its_reader_and_the_piece_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut child = timbre(&directory)
        .args(short(&["--output", "a.wav", "--quiet", "--stream", "fifo"]))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !directory.path().join("a.wav").exists() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(streamed(&fs::read(fifo).unwrap()).len(), 2 * 144_000);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_stream_that_cannot_be_is_refused() {
    for (arguments, said) in [
        (&["--json", "--stream"][..], "--json and --stream"),
        (&["--json", "--stream", "-"], "--json and --stream"),
        (&["--output", "a.wav", "--stream", "./a.wav"], "a.wav"),
        (&["--stream", "missing/heard.wav"], "--stream: missing/heard.wav"),
        (&["--stream", "."], "--stream: ."),
    ] {
        let error = refused(&short(arguments));
        assert!(error.contains(said), "{error}");
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("heard.wav"), "mine").unwrap();
    let output = run(&directory, &short(&["--stream", "heard.wav"]));
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("--force"));
    assert_eq!(fs::read(directory.path().join("heard.wav")).unwrap(), b"mine");
}

/// Nobody reads what is said on the side: that is no reason not to do the work.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_or_full_standard_error_changes_nothing() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let done =
        timbre(&directory).args(short(&["--output", "a.wav", "--log", "trace"])).stderr(full()).status();
    assert!(done.unwrap().success());
    let wrong = timbre(&directory).args(["generate", "--prompt", ""]).stderr(full()).status();
    assert_eq!(wrong.unwrap().code(), Some(2));
    let unsaid = timbre(&directory).args(["engines"]).stdout(full()).output().unwrap();
    assert_eq!(unsaid.status.code(), Some(1));
    assert!(text(&unsaid.stderr).contains("standard output"));
}

#[test]
fn a_plan_comes_in_on_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let plan = good(&directory, &["plan", "--prompt", "calm pad", "--duration", "2", "--json"]);
    let mut child = timbre(&directory)
        .args(["generate", "--plan", "-", "--output", "a.wav", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(plan.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(names(directory.path()), ["a.json", "a.wav"]);
}

#[test]
fn wrong_input_is_refused_with_the_option_and_the_range() {
    for (arguments, said) in [
        (vec!["generate"], vec!["--prompt"]),
        (vec!["generate", "--prompt", " "], vec!["--prompt", "1 to 1000"]),
        (vec!["generate", "--prompt", &"la ".repeat(400)], vec!["--prompt", "1000"]),
        (vec!["generate", "-p", "x", "-d", "0.5"], vec!["--duration", "600"]),
        (vec!["generate", "-p", "x", "-d", "601"], vec!["--duration", "1", "600"]),
        (vec!["generate", "-p", "x", "-d", "NaN"], vec!["--duration", "600"]),
        (vec!["generate", "-p", "x", "-t", "39"], vec!["--tempo", "40", "220"]),
        (vec!["generate", "-p", "x", "-k", "H moll"], vec!["--key", "H moll"]),
        (vec!["generate", "-p", "x", "--time-signature", "9/16"], vec!["--time-signature", "7/8"]),
        (vec!["generate", "-p", "x", "--sample-rate", "7999"], vec!["--sample-rate", "8000", "192000"]),
        (vec!["generate", "-p", "x", "--bit-depth", "20"], vec!["--bit-depth", "16, 24 or 32f"]),
        (vec!["generate", "-p", "x", "--format", "flac", "--bit-depth", "32f"], vec!["FLAC"]),
        (vec!["generate", "-p", "x", "--engine", "musicgen"], vec!["--engine", "musicgen"]),
        (vec!["generate", "-p", "x", "--output", "missing/a.wav"], vec!["missing", "create it"]),
        (vec!["generate", "-p", "x", "--output", "."], vec!["directory"]),
        (vec!["generate", "-p", "x", "--plan", "missing.json"], vec!["missing.json"]),
        (vec!["generate", "-p", "x", "--device", "cuda"], vec!["cuda", "--device"]),
        (vec!["plan", "-p", "x", "-d", "0"], vec!["--duration"]),
        (vec!["schema", "Nonsense"], vec!["GenerationRequest"]),
        (vec!["serve", "--host", "0.0.0.0"], vec!["--insecure"]),
    ] {
        let error = refused(&arguments);
        for part in said {
            assert!(error.contains(part), "{part:?} is not in the answer to {arguments:?}: {error}");
        }
    }
}

#[test]
fn an_existing_file_is_kept_unless_forced() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.wav"), "mine").unwrap();
    let output = run(&directory, &short(&["--output", "a.wav"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--force"), "{}", text(&output.stderr));
    assert_eq!(fs::read(directory.path().join("a.wav")).unwrap(), b"mine");
    good(&directory, &short(&["--output", "a.wav", "--force"]));
    assert_eq!(names(directory.path()), ["a.json", "a.wav"]);
}

/// An interrupt while sections are rendered, and one while the file is mastered and written.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_and_exits_with_130() {
    for line in ["rendering", "mastering"] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = timbre(&directory)
            .args([
                "generate",
                "--prompt",
                "techno with many instruments",
                "--duration",
                "300",
                "--stems",
                "s",
                "--stream",
                "heard.wav",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|said| said.starts_with(line)), "never {line}");
        assert!(
            Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success()
        );
        let rest: Vec<String> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
        assert!(rest.last().unwrap().contains("interrupted"), "{rest:?}");
        assert_eq!(names(directory.path()), [""; 0]);
    }
}

#[test]
fn settings_come_from_the_environment_and_flags_win() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = timbre(&directory);
    command.env("TIMBRE_EXPORT_SAMPLE_RATE", "44100").env("TIMBRE_EXPORT_BIT_DEPTH", "16");
    assert!(command.args(short(&["--output", "a.wav", "--bit-depth", "32f"])).status().unwrap().success());
    let spec = hound::WavReader::open(directory.path().join("a.wav")).unwrap().spec();
    assert_eq!((spec.sample_rate, spec.bits_per_sample), (44_100, 32));
    let mut command = timbre(&directory);
    let output = command.env("TIMBRE_EXPORT_SAMPLE_RATE", "1").args(SHORT).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("8000"), "{}", text(&output.stderr));
}

#[test]
fn schemas_engines_and_completions_are_printed() {
    let directory = tempfile::tempdir().unwrap();
    let openapi = json(&good(&directory, &["schema", "openapi"]));
    assert!(openapi["paths"]["/generate"]["post"].is_object());
    assert_eq!(json(&good(&directory, &["schema", "GenerationRequest"]))["title"], "GenerationRequest");
    let engines = json(&good(&directory, &["engines", "--json"]));
    assert!(
        engines["engines"].as_array().unwrap().iter().any(|e| e["name"] == "synth" && e["available"] == true)
    );
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(good(&directory, &["completions", shell]).contains("timbre"), "{shell}");
    }
}

/// A server that is asked to stop does so, and tells where it listened.
#[cfg(unix)]
#[test]
fn serve_says_where_it_listens_and_stops_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let (old, foreign) = ("0198c1f2-7d3a-7c4e-9b1a-3f6f0a2d5e77", "0198c1f2-7d3a-7c4e-9b1a-3f6f0a2d5e78");
    let shelf = directory.path().join("timbre-artifacts");
    for file in ["audio.wav", "manifest.json", "picture.png"] {
        fs::create_dir_all(shelf.join(old)).unwrap();
        fs::write(shelf.join(old).join(file), "of a job that was forgotten").unwrap();
    }
    fs::create_dir_all(shelf.join(foreign)).unwrap();
    let mut child = timbre(&directory).args(["serve", "--port", "0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| Some(line[line.find("http://")?..].trim().to_owned())).unwrap();
    let url = url.split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
    assert_eq!(names(&shelf), [".incoming", ".lock", foreign, "uploads"]);
    let second = run(&directory, &["serve", "--port", "0"]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(text(&second.stderr).contains("--artifact-dir"), "{}", text(&second.stderr));
    let mut ready = ureq::get(format!("{url}/readyz"))
        .config()
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .call()
        .unwrap();
    assert_eq!(ready.status(), 200);
    assert!(!ready.body_mut().read_to_string().unwrap().is_empty());
    assert!(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

fn riff(directory: &TempDir, name: &str) {
    let head = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(directory.path().join(name), head).unwrap();
    (0..16_000_i16).for_each(|n| writer.write_sample(n).unwrap());
    writer.finalize().unwrap();
}

#[test]
fn sounds_are_recorded_and_asked_for_again() {
    let directory = tempfile::tempdir().unwrap();
    riff(&directory, "riff.wav");
    good(&directory, &short(&["--continue-from", "riff.wav@0.5-1.5", "--output", "a.wav"]));
    let manifest = json(&fs::read_to_string(directory.path().join("a.json")).unwrap());
    let source = &manifest["request"]["continue_from"];
    assert_eq!((&source["name"], &source["start_seconds"]), (&"riff.wav".into(), &0.5.into()));
    assert!(manifest["warnings"][0].as_str().unwrap().starts_with("continue_from is not used"));
    let id = source["audio_id"].as_str().unwrap();
    let output = run(&directory, &["generate", "--from", "a.json", "--output", "b.wav"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("riff.wav") && error.contains(id) && error.contains("--continue-from"), "{error}");
    good(&directory, &["generate", "--from", "a.json", "--continue-from", "riff.wav", "--output", "b.wav"]);
    let bytes = |name: &str| fs::read(directory.path().join(name)).unwrap();
    assert!(bytes("a.wav") == bytes("b.wav"));
    let again = json(&fs::read_to_string(directory.path().join("b.json")).unwrap());
    assert_eq!(again["request"], manifest["request"], "the trims are those of the manifest");
}

#[test]
fn sounds_that_cannot_be_used_are_refused() {
    let error = refused(&short(&["--melody-from", "nothing.wav"]));
    assert!(error.contains("cannot read nothing.wav"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    riff(&directory, "riff.wav");
    for (options, said) in [
        (["--engine", "synth", "--continue-from", "riff.wav"], "--continue-from"),
        (["--engine", "auto", "--melody-from", "riff.wav@5-2"], "must lie after the start"),
    ] {
        let output = run(&directory, &short(&options));
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(names(directory.path()), ["riff.wav"]);
}
