//! A model from the hub into the cache.
//!
//! First the hub is asked what the model is and how large ([`Offer`]); then its files are fetched one by one, and last the
//! version is published, so that a model that is found under its name is whole.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{
    cache::{Cache, CacheError, INDEX, Index, REQUIRED, WEIGHTS},
    fetch::{self, FetchError, fetch},
    hub::{Hub, HubError, RemoteFile},
    size,
};
use crate::render::musicgen::{
    catalogue,
    config::{Config, ConfigError},
    store::HubId,
};

/// Files that are fetched where a model has them, besides those that it must have.
const OPTIONAL: [&str; 5] = [
    "README.md",
    "generation_config.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
];

/// What would be fetched.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The model.
    pub id: HubId,
    /// The branch, tag or commit that was asked for.
    pub revision: String,
    /// The commit that it means now.
    pub commit: String,
    /// The licence, as far as it is known.
    pub licence: Option<String>,
    /// Its files that are needed, the small ones first.
    pub files: Vec<RemoteFile>,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes of them that are in the cache already.
    pub here: u64,
}

/// Why a model could not be fetched.
#[derive(Debug, Error)]
pub enum PullError {
    /// The hub does not give it.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// It is none that can be run.
    #[error("{id} is no MusicGen that Timbre can run: its {source}; nothing was fetched")]
    Kind {
        /// The model.
        id: HubId,
        /// What its configuration says.
        #[source]
        source: ConfigError,
    },
    /// It lacks a file.
    #[error("{id} at {commit} has no {missing}, without which a MusicGen cannot run; nothing was fetched")]
    Incomplete {
        /// The model.
        id: HubId,
        /// Its commit.
        commit: String,
        /// What is missing.
        missing: String,
    },
    /// It does not fit.
    #[error(
        "{id} needs {} more, {} has {} free: make room, or set HF_HUB_CACHE to a directory on another disk",
        size(*needed), path.display(), size(*free)
    )]
    Space {
        /// The model.
        id: HubId,
        /// Bytes that have yet to come.
        needed: u64,
        /// Where they should go.
        path: PathBuf,
        /// Bytes that are free there.
        free: u64,
    },
}

/// Hears how the files come.
pub trait Watch: fetch::Watch {
    /// A file begins; the one before is done.
    fn begins(&self, file: &RemoteFile);
}

impl Offer {
    /// Asks the hub for a model at a branch, tag or commit, and looks what of it is here.
    ///
    /// # Errors
    /// When the hub fails, or the model is none that can be run.
    pub fn ask(hub: &Hub, cache: &Cache, id: &HubId, revision: &str) -> Result<Self, PullError> {
        let listing = hub.model(id, revision)?;
        let commit = &listing.commit;
        let has = |name: &str| listing.files.iter().any(|file| file == name);
        let missing = |missing: &str| PullError::Incomplete {
            id: id.clone(),
            commit: commit.clone(),
            missing: missing.to_owned(),
        };
        if has("config.json") {
            let config = hub.document(id, commit, "config.json")?;
            Config::from_json(&config, &serde_json::Value::Null)
                .map_err(|source| PullError::Kind { id: id.clone(), source })?;
        }
        let mut names: Vec<String> = REQUIRED.map(str::to_owned).to_vec();
        names.extend(OPTIONAL.into_iter().filter(|name| has(name)).map(str::to_owned));
        if has(WEIGHTS) {
            names.push(WEIGHTS.to_owned());
        } else if has(INDEX) {
            names.push(INDEX.to_owned());
            let index: Index = hub.document(id, commit, INDEX)?;
            names.extend(index.shards().into_iter().map(str::to_owned));
        } else {
            return Err(missing("weights as safetensors"));
        }
        let absent =
            names.iter().find(|name| !has(name) || Path::new(name).file_name() != Some(name.as_ref()));
        if let Some(absent) = absent {
            return Err(missing(absent));
        }
        let files = names.iter().map(|name| hub.file(id, commit, name));
        let files = files.collect::<Result<Vec<RemoteFile>, HubError>>()?;
        let known = catalogue::entry(id).map(|_| catalogue::LICENCE.to_owned());
        Ok(Self {
            id: id.clone(),
            revision: revision.to_owned(),
            commit: commit.clone(),
            licence: listing.licence.map(|licence| licence.to_uppercase()).or(known),
            bytes: files.iter().map(|file| file.size).sum(),
            here: files.iter().map(|file| fetch::here(cache, id, file)).sum(),
            files,
        })
    }

    /// Checks that what has yet to come fits on the disk.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_space(&self, cache: &Cache) -> Result<(), PullError> {
        let needed = self.bytes - self.here;
        let Some(path) = cache.root().ancestors().find(|path| path.is_dir()) else { return Ok(()) };
        match fs4::available_space(path) {
            Ok(free) if free < needed => {
                Err(PullError::Space { id: self.id.clone(), needed, path: path.to_owned(), free })
            }
            // A file system that does not tell will say so when it is full.
            _ => Ok(()),
        }
    }

    /// Fetches what is not here. Gives the directory of the model.
    ///
    /// # Errors
    /// When the hub or the cache fails; what came stays and is gone on from the next time.
    pub fn fetch(&self, hub: &Hub, cache: &Cache, watch: &dyn Watch) -> Result<PathBuf, PullError> {
        for file in &self.files {
            watch.begins(file);
            fetch(hub, cache, &self.id, file, watch)?;
        }
        let files = self.files.iter().map(|file| (file.name.as_str(), file.tag.as_str()));
        Ok(cache.publish(&self.id, &self.revision, &self.commit, files)?)
    }

    /// Files that the hub gives no checksum for, though they are large; of them only the length is checked.
    pub fn unchecked(&self) -> impl Iterator<Item = &RemoteFile> {
        self.files.iter().filter(|file| file.name.ends_with(".safetensors") && file.sha256().is_none())
    }
}
