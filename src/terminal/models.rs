//! `timbre models`.

use std::{
    io::{self, BufRead, IsTerminal},
    ops::ControlFlow,
    path::Path,
};

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use thiserror::Error;

use super::{Failure, failure::chain, print, print_json, say, table::table, transfer::Transfer};
use crate::{
    config::{HuggingFace, Rendering},
    models::{
        cache::{Cache, CacheError, Cached},
        check::{self, Report},
        hub::{Hub, HubError},
        pull::{Offer, PullError},
        size,
    },
    render::musicgen::{
        ModelError,
        catalogue::{self, KNOWN, Known, LICENCE},
        store::{HubId, NotFound, Store},
    },
};

/// What to do with models.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Models {
    /// List the published models and those on disk.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model from the Hugging Face hub; goes on where a broken transfer ended.
    Pull {
        /// Its name, as facebook/musicgen-small.
        id: String,
        /// Branch, tag or commit.
        #[arg(long, value_name = "REVISION", default_value = "main")]
        revision: String,
        /// Print one JSON document on standard output instead of text.
        #[arg(long)]
        json: bool,
        /// Show no progress.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Read every tensor of a model and say what would run.
    Check {
        /// Its name, or its directory.
        #[arg(value_name = "ID|DIR")]
        model: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Show no progress.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Remove a model from the disk, all versions of it.
    Rm {
        /// Its name, as facebook/musicgen-small.
        id: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Why a command on models did not do what it should.
#[derive(Debug, Error)]
pub(super) enum ModelsError {
    #[error("{0:?} is no name of a model: write OWNER/NAME, as facebook/musicgen-small")]
    Id(String),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error("{name} cannot be run: {}", chain(source))]
    Unsound { name: String, source: Box<ModelError> },
    #[error("{0} is none of the published models; `timbre models list` shows them")]
    Unpublished(String),
    #[error("only the processor is measured, not {0}; say --device cpu")]
    NotMeasured(&'static str),
    #[error("nothing was removed: say --yes where there is no terminal to ask on")]
    Unasked,
    #[error("nothing was removed")]
    Declined,
}

impl ModelsError {
    pub(super) fn unsound(model: &str, error: ModelError) -> Self {
        Self::Unsound { name: model.to_owned(), source: Box::new(error) }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Id(_)
            | Self::NotFound(_)
            | Self::Unpublished(_)
            | Self::NotMeasured(_)
            | Self::Unasked
            | Self::Hub(HubError::Endpoint { .. } | HubError::Offline)
            | Self::Cache(CacheError::Missing { .. } | CacheError::Foreign { .. })
            | Self::Pull(
                PullError::Hub(HubError::NotFound { .. })
                | PullError::Kind { .. }
                | PullError::Incomplete { .. },
            ) => 2,
            _ => 1,
        }
    }
}

impl Models {
    pub(super) fn run(self, rendering: &Rendering) -> Result<(), Failure> {
        let cache = Cache::new(rendering.hub_cache());
        match self {
            Self::List { json } => list(&cache, json),
            Self::Pull { id, revision, json, quiet } => {
                let hub = Hub::new(&HuggingFace::from_env().hub).map_err(ModelsError::from)?;
                pull(&hub, &cache, &named(&id)?, &revision, Output { json, quiet })
            }
            Self::Check { model, json, quiet } => check(&cache, &model, Output { json, quiet }),
            Self::Rm { id, yes, json } => remove(&cache, &named(&id)?, yes, json),
        }
    }
}

#[derive(Clone, Copy)]
struct Output {
    json: bool,
    quiet: bool,
}

fn named(id: &str) -> Result<HubId, ModelsError> {
    HubId::new(id).ok_or_else(|| ModelsError::Id(id.to_owned()))
}

/// A row of the list.
#[derive(Serialize)]
struct Entry {
    id: String,
    about: Option<&'static str>,
    licence: Option<String>,
    /// What the weights take at 32 bits a value; an estimate.
    estimated_bytes: Option<u64>,
    on_disk: Option<OnDisk>,
}

#[derive(Serialize)]
struct OnDisk {
    state: &'static str,
    bytes: u64,
    begun_bytes: u64,
    versions: Vec<serde_json::Value>,
}

fn list(cache: &Cache, json: bool) -> Result<(), Failure> {
    let cached = cache.models().map_err(ModelsError::from)?;
    let on_disk = |id: &str| cached.iter().find(|cached| cached.id.as_str() == id);
    let entry = |id: &str, known: Option<&Known>| Entry {
        id: id.to_owned(),
        about: known.map(|known| known.about),
        licence: known.map(|_| LICENCE.to_owned()).or_else(|| licence(cache, id)),
        estimated_bytes: known.map(Known::bytes),
        on_disk: on_disk(id).map(describe),
    };
    let known = KNOWN.iter().map(|known| entry(known.id, Some(known)));
    let others = cached.iter().filter(|cached| catalogue::entry(&cached.id).is_none());
    let entries: Vec<Entry> = known.chain(others.map(|cached| entry(cached.id.as_str(), None))).collect();
    if json {
        return print_json(&json!({ "cache": cache.root(), "models": entries }));
    }
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let head = ["model", "size", "licence", "on disk", "what it is"];
    let text = format!(
        "{}\n  Sizes of models that are not here are estimates; `timbre models pull` says the exact one first.\n  \
         {LICENCE} allows no commercial use. Models are kept in {}\n",
        table(&head, &rows, &[1]),
        cache.root().display()
    );
    print(&text)
}

fn row(entry: &Entry) -> Vec<String> {
    let on_disk = match &entry.on_disk {
        None => "no".to_owned(),
        Some(here) if here.state == "whole" => size(here.bytes),
        Some(here) => format!("{}, {}", size(here.bytes), here.state),
    };
    vec![
        entry.id.clone(),
        entry.estimated_bytes.map_or(String::new(), |bytes| format!("~ {}", size(bytes))),
        entry.licence.clone().unwrap_or_else(|| "unknown".to_owned()),
        on_disk,
        entry.about.unwrap_or("found in the cache").to_owned(),
    ]
}

fn describe(cached: &Cached) -> OnDisk {
    let state = match () {
        () if cached.snapshots.iter().any(|snapshot| snapshot.whole) => "whole",
        () if cached.begun_bytes > 0 => "begun",
        () => "incomplete",
    };
    let version = |snapshot: &crate::models::cache::Snapshot| {
        json!({
            "commit": snapshot.commit, "refs": snapshot.refs, "directory": snapshot.directory, "whole": snapshot.whole,
        })
    };
    OnDisk {
        state,
        bytes: cached.bytes,
        begun_bytes: cached.begun_bytes,
        versions: cached.snapshots.iter().map(version).collect(),
    }
}

/// The licence that the card of a model on disk names.
fn licence(cache: &Cache, id: &str) -> Option<String> {
    let found = Store::new(cache.root()).find(id).ok()?;
    found.card_licence()
}

fn pull(hub: &Hub, cache: &Cache, id: &HubId, revision: &str, output: Output) -> Result<(), Failure> {
    end_when_interrupted("interrupted; what has come is kept, run it again to go on")?;
    let offer = Offer::ask(hub, cache, id, revision).map_err(ModelsError::from)?;
    let quiet = output.json || output.quiet;
    if !output.json {
        say(&offered(&offer, cache));
    }
    offer.check_space(cache).map_err(ModelsError::from)?;
    let transfer = Transfer::new("fetching", offer.bytes, quiet);
    let fetched = offer.fetch(hub, cache, &transfer);
    transfer.finish();
    let directory = fetched.map_err(ModelsError::from)?;
    for file in offer.unchecked() {
        say(&format!("warning: the hub gives no SHA-256 of {}, only its length was checked", file.name));
    }
    if output.json {
        return print_json(&json!({
            "id": offer.id.as_str(), "revision": offer.revision, "commit": offer.commit, "licence": offer.licence,
            "directory": directory, "bytes": offer.bytes, "fetched_bytes": offer.bytes - offer.here,
            "files": offer.files.iter().map(|file| json!({
                "name": file.name, "bytes": file.size, "sha256": file.sha256(),
            })).collect::<Vec<_>>(),
        }));
    }
    let fetched = if offer.here == offer.bytes { "was here already" } else { "is here" };
    print(&format!("{id} {fetched}: {}\n", directory.display()))
}

fn offered(offer: &Offer, cache: &Cache) -> String {
    let licence = match &offer.licence {
        Some(licence) if licence.contains("-NC") => {
            format!("{licence}: no commercial use of the model or of what it makes")
        }
        Some(licence) => licence.clone(),
        None => "the model's card names none; ask its owner what you may do with it".to_owned(),
    };
    let here = match offer.here {
        0 => String::new(),
        here => format!(", of which {} are here", size(here)),
    };
    format!(
        "{} at {} ({})\n  licence  {licence}\n  size     {} in {} files{here}\n  goes to  {}",
        offer.id,
        offer.revision,
        offer.commit.get(..10).unwrap_or(&offer.commit),
        size(offer.bytes),
        offer.files.len(),
        cache.root().display()
    )
}

fn check(cache: &Cache, model: &str, output: Output) -> Result<(), Failure> {
    let found = Store::new(cache.root()).find(model).map_err(ModelsError::from)?;
    end_when_interrupted("interrupted")?;
    let unsound = |source| ModelsError::Unsound { name: model.to_owned(), source: Box::new(source) };
    let bytes = check::weights_bytes(&found.directory);
    let transfer = Transfer::new("reading", bytes, output.json || output.quiet);
    let report = check::check(&found, &mut |share| {
        transfer.done((share * bytes as f64) as u64);
        ControlFlow::Continue(())
    });
    transfer.finish();
    let report = report.map_err(unsound)?;
    if output.json { print_json(&report) } else { print(&checked(&report)) }
}

fn checked(report: &Report) -> String {
    let kind = match (report.channels, report.melody) {
        (1, false) => "mono",
        (1, true) => "mono, follows a melody",
        (_, false) => "stereo",
        (_, true) => "stereo, follows a melody",
    };
    let types: Vec<&str> = report.stored_as.keys().map(String::as_str).collect();
    let memory = report.memory.iter().map(|(precision, bytes)| format!("{} in {precision}", size(*bytes)));
    let facts = [
        (
            "runs",
            format!(
                "{kind}, {} Hz, {} codebooks at {} frames a second",
                report.sample_rate, report.codebooks, report.frame_rate
            ),
        ),
        (
            "decoder",
            format!("{} layers of width {}, {} heads", report.layers, report.hidden_size, report.heads),
        ),
        (
            "on disk",
            format!(
                "{} in {} tensors, {:.1} M values stored as {}",
                size(report.bytes),
                report.tensors,
                report.parameters as f64 / 1e6,
                types.join(" and ")
            ),
        ),
        ("memory", format!("{} (estimated, one piece at a time)", memory.collect::<Vec<_>>().join(", "))),
        ("licence", report.licence.clone()),
        ("revision", report.revision.clone().unwrap_or_else(|| "a directory".to_owned())),
    ];
    let rows = facts.iter().map(|(name, value)| format!("  {name:<9} {value}\n"));
    format!("{} is sound: every tensor was read\n{}", report.name, rows.collect::<String>())
}

fn remove(cache: &Cache, id: &HubId, yes: bool, json: bool) -> Result<(), Failure> {
    let cached = cache.model(id).map_err(ModelsError::from)?;
    if !yes && !confirmed(&cached)? {
        return Err(ModelsError::Declined.into());
    }
    let freed = cache.remove(id).map_err(ModelsError::from)?;
    if json {
        return print_json(
            &json!({ "id": id.as_str(), "directory": cached.directory, "freed_bytes": freed }),
        );
    }
    print(&format!("{id} was removed, {} are free\n", size(freed)))
}

fn confirmed(cached: &Cached) -> Result<bool, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(ModelsError::Unasked.into());
    }
    let directory: &Path = &cached.directory;
    say(&format!("Remove {} ({}) from {}? [y/N]", cached.id, size(cached.bytes), directory.display()));
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(Failure::Setup)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// Ends the process at the first interrupt: reading leaves nothing behind, and what has been fetched is in order at every moment.
fn end_when_interrupted(said: &'static str) -> Result<(), Failure> {
    let end = move || {
        say(&format!("\n{said}"));
        #[expect(clippy::exit, reason = "a read that waits for the network hears nothing else")]
        std::process::exit(130);
    };
    ctrlc::set_handler(end).map_err(|error| Failure::Setup(io::Error::other(error)))
}
