//! `timbre models`, against a hub of our own.

mod hub;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use hub::{COMMIT, Hub, ID, tag};

const WEIGHTS: &str = "model.safetensors";

fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/checkpoints").join(name)
}

/// A machine of its own with the program, and a hub.
struct Machine {
    home: TempDir,
    hub: Hub,
}

/// How a run of the program ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Machine {
    fn new() -> Self {
        Self::with("mono")
    }

    fn with(name: &str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), hub: Hub::start(&checkpoint(name)) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_timbre"));
        command.env_clear().env("HF_HOME", self.home.path()).env("HF_ENDPOINT", self.hub.endpoint());
        command.current_dir(&self.home).stdin(Stdio::null()).arg("models").args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    fn good(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
        ended
    }

    /// Runs it, expects this exit code and these words on standard error.
    fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.err);
        for word in words {
            assert!(ended.err.contains(word), "{word} is not in {}", ended.err);
        }
        assert!(ended.out.is_empty());
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(&[arguments, &["--json"]].concat()).out).unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("hub/models--owner--tiny")
    }

    fn snapshot(&self) -> PathBuf {
        self.folder().join("snapshots").join(COMMIT)
    }

    fn blob(&self, name: &str) -> PathBuf {
        self.folder().join("blobs").join(tag(name, &self.hub.file(name)))
    }

    /// What has come of the weights so far.
    fn begun(&self) -> PathBuf {
        self.blob(WEIGHTS).with_extension("incomplete")
    }

    fn weights_are_whole(&self) -> bool {
        fs::read(self.snapshot().join(WEIGHTS)).is_ok_and(|bytes| bytes == self.hub.file(WEIGHTS))
    }

    /// What the list says of the model.
    fn listed(&self) -> Value {
        let models = self.json(&["list"])["models"].take();
        models.as_array().unwrap().iter().find(|model| model["id"] == ID).cloned().unwrap_or_default()
    }
}

fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_model_comes_in_the_layout_that_python_reads_and_goes_again() {
    let machine = Machine::new();
    let pulled = machine.good(&["pull", ID]);
    for words in ["CC-BY-NC-4.0: no commercial use", "fetching: 100 %"] {
        assert!(pulled.err.contains(words), "{}", pulled.err);
    }
    assert!(pulled.out.contains(machine.snapshot().to_str().unwrap()));
    assert_eq!(fs::read_to_string(machine.folder().join("refs/main")).unwrap(), COMMIT);
    let mut names: Vec<String> = fs::read_dir(machine.snapshot())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let needed = ["README.md", "config.json", "generation_config.json", WEIGHTS, "tokenizer.json"];
    assert_eq!(names, [&needed[..], &["tokenizer_config.json"]].concat(), "and nothing else");
    for name in names {
        let file = machine.snapshot().join(&name);
        assert_eq!(fs::read(&file).unwrap(), machine.hub.file(&name), "{name}");
        let link = Path::new("../../blobs").join(tag(&name, &machine.hub.file(&name)));
        assert_eq!(fs::read_link(&file).unwrap(), link);
    }

    machine.hub.asked();
    assert_eq!(machine.json(&["pull", ID])["fetched_bytes"], 0);
    assert!(machine.hub.asked().iter().all(|asked| !asked.line.contains("/store/")), "fetched again");

    let listed = machine.listed();
    assert_eq!((&listed["licence"], &listed["on_disk"]["state"]), (&"CC-BY-NC-4.0".into(), &"whole".into()));
    assert_eq!(listed["on_disk"]["versions"][0]["refs"][0], "main");
    let report = machine.json(&["check", ID]);
    assert_eq!((&report["channels"], &report["codebooks"]), (&1.into(), &4.into()));
    assert_eq!((&report["revision"], &report["melody"]), (&COMMIT.into(), &false.into()));

    machine.refused(&["rm", ID], 2, &["--yes"]);
    assert_eq!(machine.json(&["rm", ID, "--yes"])["freed_bytes"], listed["on_disk"]["bytes"]);
    assert!(!machine.folder().exists());
    machine.refused(&["rm", ID, "--yes"], 2, &["timbre models list"]);
    machine.refused(&["check", ID], 2, &["timbre models pull owner/tiny"]);
}

#[test]
fn shards_are_fetched_by_their_index_and_a_tag_names_a_version() {
    let machine = Machine::with("sharded");
    let pulled = machine.json(&["pull", ID, "--revision", "v1.0"]);
    assert_eq!(fs::read_to_string(machine.folder().join("refs/v1.0")).unwrap(), COMMIT);
    let shards = pulled["files"].as_array().unwrap().iter().filter(|file| file["sha256"].is_string());
    assert_eq!(shards.count(), 4, "three shards and the tokenizer");
    let report = machine.json(&["check", ID]);
    assert!(report["stored_as"]["F16"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn a_transfer_that_breaks_goes_on_by_itself() {
    let machine = Machine::new();
    machine.hub.set(|hub| hub.breaks = vec![1000, 500]);
    let pulled = machine.good(&["pull", ID]);
    assert!(pulled.err.contains("broke off"), "{}", pulled.err);
    assert_eq!(machine.hub.ranges_asked(), ["", "bytes=1000-", "bytes=1500-"]);
    assert!(machine.weights_are_whole());
}

#[test]
fn a_transfer_that_cannot_go_on_is_taken_up_by_the_next_run() {
    let machine = Machine::new();
    machine.hub.set(|hub| hub.breaks = [vec![1000], vec![0; 9]].concat());
    machine.refused(&["pull", ID], 1, &["1.00 kB of", "run it again to go on"]);
    assert_eq!(fs::read(machine.begun()).unwrap(), machine.hub.file(WEIGHTS)[..1000]);
    assert!(!machine.snapshot().exists(), "a model that is not whole is not published");
    assert_eq!(machine.listed()["on_disk"]["state"], "begun");
    machine.hub.ranges_asked();

    machine.hub.set(|hub| hub.breaks.clear());
    let pulled = machine.json(&["pull", ID]);
    assert_eq!(machine.hub.ranges_asked(), ["bytes=1000-"]);
    assert!(pulled["fetched_bytes"].as_u64() < pulled["bytes"].as_u64());
    assert!(machine.weights_are_whole() && !machine.begun().exists());
}

#[test]
fn without_ranges_a_file_comes_anew() {
    let machine = Machine::new();
    machine.hub.set(|hub| (hub.breaks, hub.ranges) = (vec![1000], false));
    machine.good(&["pull", ID]);
    assert!(machine.weights_are_whole());
}

#[test]
fn an_interrupt_leaves_what_has_come() {
    let machine = Machine::new();
    machine.hub.set(|hub| (hub.breaks, hub.hangs) = (vec![1000], true));
    let child = machine.command(&["pull", ID]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while fs::metadata(machine.begun()).map_or(0, |metadata| metadata.len()) < 1000 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing came");
        thread::sleep(Duration::from_millis(20));
    }
    let interrupt = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    assert!(ended.err.contains("run it again to go on"), "{}", ended.err);
    machine.hub.ranges_asked();
    machine.good(&["pull", ID]);
    assert_eq!(machine.hub.ranges_asked(), ["bytes=1000-"]);
    assert!(machine.weights_are_whole());
}

#[test]
fn damage_is_seen_and_does_not_stay() {
    let machine = Machine::new();
    machine.hub.set(|hub| hub.damages = true);
    machine.refused(&["pull", ID], 1, &["model.safetensors came damaged", "SHA-256", "run it again"]);
    assert!(!machine.begun().exists() && !machine.blob(WEIGHTS).exists() && !machine.snapshot().exists());
    machine.hub.set(|hub| hub.damages = false);
    machine.good(&["pull", ID]);
    assert!(machine.weights_are_whole());
}

#[test]
fn a_token_opens_the_hub_and_goes_nowhere_else() {
    let machine = Machine::new();
    machine.hub.set(|hub| hub.token = Some("hf_right"));
    machine.refused(&["pull", ID], 1, &["401", "HF_TOKEN"]);
    let wrong = ended(machine.command(&["pull", ID]).env("HF_TOKEN", "hf_wrong").output().unwrap());
    assert!(wrong.err.contains("the token is not valid") && !wrong.err.contains("hf_wrong"), "{}", wrong.err);
    fs::write(machine.home.path().join("token"), "hf_right\n").unwrap();
    machine.hub.asked();
    machine.good(&["pull", ID]);
    let (store, own): (Vec<_>, Vec<_>) =
        machine.hub.asked().into_iter().partition(|asked| asked.line.contains("/store/"));
    assert!(!store.is_empty() && store.iter().all(|asked| asked.token.is_none()), "{store:?}");
    assert!(own.iter().all(|asked| asked.token.as_deref() == Some("Bearer hf_right")), "{own:?}");
}

#[test]
fn what_the_hub_does_not_have_is_named() {
    let machine = Machine::new();
    machine.refused(&["pull", "owner/none"], 2, &["owner/none", "timbre models list"]);
    machine.refused(&["pull", ID, "--revision", "nope"], 2, &["owner/tiny at revision nope"]);
    machine.refused(&["pull", ID, "--revision", "../../main"], 2, &["at revision ../../main"]);
    machine.refused(&["pull", "tiny"], 2, &["OWNER/NAME"]);
    machine.hub.set(|hub| {
        hub.files.remove(WEIGHTS);
    });
    machine.refused(&["pull", ID], 2, &["no weights as safetensors"]);
    machine.hub.set(|hub| {
        hub.files.insert("config.json".into(), br#"{"model_type": "bert"}"#.to_vec());
    });
    machine.refused(&["pull", ID], 2, &["no MusicGen", "model_type is bert"]);
    assert!(!machine.folder().exists());
}

#[test]
fn without_a_network_it_says_so_and_asks_nobody() {
    let machine = Machine::new();
    let offline = ended(machine.command(&["pull", ID]).env("HF_HUB_OFFLINE", "1").output().unwrap());
    assert_eq!(offline.code, Some(2));
    assert!(offline.err.contains("HF_HUB_OFFLINE is set"), "{}", offline.err);
    assert_eq!(machine.hub.asked(), []);
    let nobody = "http://127.0.0.1:9";
    let alone = ended(machine.command(&["pull", ID]).env("HF_ENDPOINT", nobody).output().unwrap());
    assert_eq!(alone.code, Some(1));
    assert!(alone.err.contains(&format!("cannot reach {nobody}")), "{}", alone.err);
}

#[test]
fn a_model_that_does_not_fit_is_not_begun() {
    let machine = Machine::new();
    machine.hub.set(|hub| hub.claims = Some(1 << 60));
    machine.refused(&["pull", ID], 1, &["needs 1152921504.6 GB", "free", "HF_HUB_CACHE"]);
    assert!(!machine.folder().exists());
}

#[test]
fn a_directory_is_checked_and_faults_are_named() {
    let machine = Machine::new();
    let stereo = checkpoint("stereo");
    let report = machine.json(&["check", stereo.to_str().unwrap()]);
    assert_eq!((&report["channels"], &report["codebooks"]), (&2.into(), &8.into()));
    let melody = machine.good(&["check", checkpoint("melody").to_str().unwrap()]).out;
    assert!(melody.contains("follows a melody"), "{melody}");

    let copy = machine.home.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["config.json", "tokenizer.json", WEIGHTS] {
        fs::write(copy.join(name), machine.hub.file(name)).unwrap();
    }
    let weights = fs::File::options().write(true).open(copy.join(WEIGHTS)).unwrap();
    weights.set_len(weights.metadata().unwrap().len() - 4).unwrap();
    machine.refused(&["check", "./copy"], 1, &["./copy cannot be run", "cut off in tensor"]);
    machine.refused(&["check", "nowhere"], 2, &["neither a directory"]);
}

#[test]
fn the_list_tells_what_is_known_and_where_it_goes() {
    let machine = Machine::new();
    let list = machine.good(&["list"]).out;
    for words in ["facebook/musicgen-small", "~ 2.36 GB", "stereo", "CC-BY-NC-4.0 allows no commercial use"] {
        assert!(list.contains(words), "{words} is not in {list}");
    }
    assert!(list.contains(machine.home.path().join("hub").to_str().unwrap()));
    assert_eq!(machine.json(&["list"])["models"].as_array().unwrap().len(), 8);
    assert_eq!(machine.hub.asked(), []);
}
