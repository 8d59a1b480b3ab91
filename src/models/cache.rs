//! The cache of the Hugging Face hub on disk, in the layout that the hub's own Python library keeps.
//!
//! ```text
//! models--facebook--musicgen-small/
//!   refs/main                              the commit that the branch meant when it was fetched
//!   snapshots/{commit}/model.safetensors   a link to
//!   blobs/{tag}                            the bytes
//!   blobs/{tag}.incomplete                 bytes of a transfer that is not done
//! .locks/models--facebook--musicgen-small/{tag}.lock   held while a blob is written
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use crate::render::musicgen::store::HubId;

/// The files that a MusicGen cannot run without, besides its weights.
pub const REQUIRED: [&str; 2] = ["config.json", "tokenizer.json"];
/// The weights of a model that is not sharded, and the index of one that is.
pub const WEIGHTS: &str = "model.safetensors";
/// See [`WEIGHTS`].
pub const INDEX: &str = "model.safetensors.index.json";

/// A cache of models.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// A MusicGen in the cache, whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// Its name.
    pub id: HubId,
    /// Where everything of it lies.
    pub directory: PathBuf,
    /// Its versions that are there.
    pub snapshots: Vec<Snapshot>,
    /// Bytes that it takes, files shared by versions counted once, begun transfers included.
    pub bytes: u64,
    /// Bytes of begun transfers.
    pub begun_bytes: u64,
}

/// One version of a model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its commit.
    pub commit: String,
    /// The branches and tags that meant it when they were last fetched.
    pub refs: Vec<String>,
    /// Where its files are.
    pub directory: PathBuf,
    /// Whether every file that is needed is there.
    pub whole: bool,
}

/// The cache cannot be read or written.
#[derive(Debug, Error)]
pub enum CacheError {
    /// A file or directory cannot be used.
    #[error("cannot use {}: {source}; HF_HUB_CACHE names another place for models", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The model is not there.
    #[error("{id} is not in {}; `timbre models list` says what is", root.display())]
    Missing {
        /// The model.
        id: HubId,
        /// The cache.
        root: PathBuf,
    },
    /// The model is none of ours.
    #[error("{id} is no MusicGen but {kind}: another program has fetched it, remove it with that one")]
    Foreign {
        /// The model.
        id: HubId,
        /// Its `model_type`.
        kind: String,
    },
}

impl CacheError {
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

impl Cache {
    /// The cache in a directory, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every MusicGen that is there, by name. Models of other kinds are left out.
    ///
    /// # Errors
    /// When the cache is there and cannot be read.
    pub fn models(&self) -> Result<Vec<Cached>, CacheError> {
        let mut models = Vec::new();
        for name in names(&self.root)? {
            let id = name.strip_prefix("models--").and_then(|name| HubId::new(&name.replacen("--", "/", 1)));
            let Some(id) = id else { continue };
            match self.model(&id) {
                Ok(cached) => models.push(cached),
                Err(CacheError::Foreign { .. } | CacheError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        models.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
        Ok(models)
    }

    /// What is there of a model.
    ///
    /// # Errors
    /// When nothing is, when it is no MusicGen, or the cache cannot be read.
    pub fn model(&self, id: &HubId) -> Result<Cached, CacheError> {
        let directory = self.folder(id);
        let refs = refs(&directory.join("refs"))?;
        let mut snapshots = Vec::new();
        for commit in names(&directory.join("snapshots"))? {
            let directory = directory.join("snapshots").join(&commit);
            if let Some(kind) = other_kind(&directory) {
                return Err(CacheError::Foreign { id: id.clone(), kind });
            }
            let refs =
                refs.iter().filter(|(_, meant)| **meant == commit).map(|(name, _)| name.clone()).collect();
            snapshots.push(Snapshot { commit, refs, whole: is_whole(&directory), directory });
        }
        let (bytes, begun_bytes) = sizes(&directory.join("blobs"))?;
        if snapshots.is_empty() && bytes == 0 {
            return Err(CacheError::Missing { id: id.clone(), root: self.root.clone() });
        }
        Ok(Cached { id: id.clone(), directory, snapshots, bytes, begun_bytes })
    }

    /// Removes all versions of a model. Gives the bytes that were freed.
    ///
    /// # Errors
    /// As [`Cache::model`], or when something cannot be removed; what is left then is no longer listed as whole.
    pub fn remove(&self, id: &HubId) -> Result<u64, CacheError> {
        let cached = self.model(id)?;
        // References first: a model that is half removed is not found by its name.
        let parts = ["refs", "snapshots", "blobs"].map(|part| cached.directory.join(part));
        let locks = self.root.join(".locks").join(id.folder());
        for part in parts.iter().chain([&cached.directory, &locks]) {
            match fs::remove_dir_all(part) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(CacheError::at(part)(error));
                }
                _ => {}
            }
        }
        Ok(cached.bytes)
    }

    /// Where the bytes of a tag belong.
    pub fn blob(&self, id: &HubId, tag: &str) -> PathBuf {
        self.folder(id).join("blobs").join(tag)
    }

    /// The file to be locked while a blob is written, created when missing.
    pub(super) fn lock_file(&self, id: &HubId, tag: &str) -> Result<File, CacheError> {
        let path = self.root.join(".locks").join(id.folder()).join(format!("{tag}.lock"));
        create_parent(&path)?;
        File::options().write(true).create(true).truncate(false).open(&path).map_err(CacheError::at(&path))
    }

    /// Makes a version out of blobs that are there: file names with their tags. `revision` means it from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish<'a>(
        &self,
        id: &HubId,
        revision: &str,
        commit: &str,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<PathBuf, CacheError> {
        let folder = self.folder(id);
        let snapshot = folder.join("snapshots").join(commit);
        fs::create_dir_all(&snapshot).map_err(CacheError::at(&snapshot))?;
        for (name, tag) in files {
            link(&folder, &snapshot.join(name), tag)?;
        }
        if revision != commit {
            let path = folder.join("refs").join(revision);
            create_parent(&path)?;
            fs::write(&path, commit).map_err(CacheError::at(&path))?;
        }
        Ok(snapshot)
    }

    fn folder(&self, id: &HubId) -> PathBuf {
        self.root.join(id.folder())
    }
}

pub(super) fn create_parent(path: &Path) -> Result<(), CacheError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(CacheError::at(parent))
}

/// Puts a file of a snapshot in its place, unless it is there.
fn link(folder: &Path, file: &Path, tag: &str) -> Result<(), CacheError> {
    let blob = folder.join("blobs").join(tag);
    let there = fs::canonicalize(file).ok().zip(fs::canonicalize(&blob).ok());
    if there.is_some_and(|(file, blob)| file == blob) {
        return Ok(());
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(CacheError::at(file)(error)),
        _ => {}
    }
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(Path::new("../../blobs").join(tag), file);
    // Symbolic links need a privilege there.
    #[cfg(not(unix))]
    let linked = fs::hard_link(&blob, file);
    linked.map_err(CacheError::at(file))
}

/// Names in a directory, sorted; none when it is not there.
fn names(directory: &Path) -> Result<Vec<String>, CacheError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(CacheError::at(directory))?,
    };
    let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok());
    let names: io::Result<Vec<_>> = entries.map(name).collect();
    let mut names: Vec<String> = names.map_err(CacheError::at(directory))?.into_iter().flatten().collect();
    names.sort();
    Ok(names)
}

/// The commit of each branch or tag; their names may have slashes.
fn refs(directory: &Path) -> Result<BTreeMap<String, String>, CacheError> {
    let mut found = BTreeMap::new();
    let mut open = vec![String::new()];
    while let Some(under) = open.pop() {
        for name in names(&directory.join(&under))? {
            let name = if under.is_empty() { name } else { format!("{under}/{name}") };
            let path = directory.join(&name);
            if path.is_dir() {
                open.push(name);
            } else {
                let commit = fs::read_to_string(&path).map_err(CacheError::at(&path))?;
                found.insert(name, commit.trim().to_owned());
            }
        }
    }
    Ok(found)
}

/// Bytes of all blobs, and of those that are not whole. A blob that is a link belongs to others and counts nothing.
fn sizes(blobs: &Path) -> Result<(u64, u64), CacheError> {
    let (mut all, mut begun) = (0, 0);
    for name in names(blobs)? {
        let path = blobs.join(&name);
        let metadata = fs::symlink_metadata(&path).map_err(CacheError::at(&path))?;
        if metadata.is_file() {
            all += metadata.len();
            if name.ends_with(".incomplete") {
                begun += metadata.len();
            }
        }
    }
    Ok((all, begun))
}

/// What a snapshot is instead of a MusicGen; `None` for a MusicGen, and where it cannot be told.
fn other_kind(snapshot: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Model {
        model_type: String,
    }
    let config = fs::read(snapshot.join("config.json")).ok()?;
    let kind = serde_json::from_slice::<Model>(&config)
        .map_or("of an unknown kind".to_owned(), |model| model.model_type);
    (!["musicgen", "musicgen_melody"].contains(&kind.as_str())).then_some(kind)
}

/// Whether a directory has every file that is needed; a link into nothing does not count.
fn is_whole(directory: &Path) -> bool {
    let has = |name: &str| directory.join(name).is_file();
    REQUIRED.iter().all(|name| has(name))
        && (has(WEIGHTS)
            || fs::read(directory.join(INDEX))
                .ok()
                .and_then(|index| serde_json::from_slice::<Index>(&index).ok())
                .is_some_and(|index| index.shards().iter().all(|shard| has(shard))))
}

/// The file that says which shard has which tensor.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    /// The shards, each once.
    pub(super) fn shards(&self) -> Vec<&str> {
        let mut shards: Vec<&str> = self.weight_map.values().map(String::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789012345678901234567890123456789";

    fn named(id: &str) -> HubId {
        HubId::new(id).unwrap()
    }

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        create_parent(&path).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What the Python library leaves, down to relative links.
    fn fetched(root: &Path, id: &str, kind: &str) -> Cache {
        let folder = format!("models--{}", id.replace('/', "--"));
        put(root, &format!("{folder}/blobs/a"), &format!("{{\"model_type\": \"{kind}\"}}"));
        put(root, &format!("{folder}/blobs/b"), "weights");
        let cache = Cache::new(root.to_owned());
        let files = [("config.json", "a"), ("tokenizer.json", "a"), (WEIGHTS, "b")];
        cache.publish(&named(id), "refs/pr/1", COMMIT, files).unwrap();
        cache
    }

    #[test]
    fn musicgens_are_found_and_others_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fetched(root.path(), "owner/one", "musicgen");
        let cache = fetched(root.path(), "other/bert", "bert");
        put(root.path(), "datasets--owner--one/blobs/a", "");
        let models = cache.models().unwrap();
        assert_eq!(models.len(), 1);
        let one = &models[0];
        assert_eq!((one.id.as_str(), one.bytes, one.begun_bytes), ("owner/one", 33, 0));
        let snapshot = &one.snapshots[0];
        assert_eq!((snapshot.commit.as_str(), snapshot.whole), (COMMIT, true));
        assert_eq!(snapshot.refs, ["refs/pr/1"]);
        assert_eq!(fs::read_to_string(snapshot.directory.join(WEIGHTS)).unwrap(), "weights");
        let bert = named("other/bert");
        assert!(matches!(cache.remove(&bert), Err(CacheError::Foreign { kind, .. }) if kind == "bert"));
    }

    #[test]
    fn a_model_is_whole_when_nothing_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let cache = fetched(root.path(), "owner/one", "musicgen");
        let id = named("owner/one");
        let whole = || cache.model(&id).unwrap().snapshots[0].whole;
        fs::remove_file(cache.blob(&id, "b")).unwrap();
        assert!(!whole(), "a link into nothing");
        let snapshot = cache.model(&id).unwrap().snapshots[0].directory.clone();
        put(
            &snapshot,
            INDEX,
            r#"{"weight_map": {"x": "1.safetensors", "y": "2.safetensors", "z": "1.safetensors"}}"#,
        );
        put(&snapshot, "1.safetensors", "");
        assert!(!whole(), "a shard is missing");
        put(&snapshot, "2.safetensors", "");
        assert!(whole());
    }

    #[test]
    fn removing_frees_what_was_counted_and_leaves_others() {
        let root = tempfile::tempdir().unwrap();
        fetched(root.path(), "owner/one", "musicgen");
        let cache = fetched(root.path(), "owner/two", "musicgen_melody");
        let (one, two) = (named("owner/one"), named("owner/two"));
        put(&cache.folder(&one), "blobs/c.incomplete", "half");
        cache.lock_file(&one, "c").unwrap();
        assert_eq!(cache.model(&one).unwrap().begun_bytes, 4);
        assert_eq!(cache.remove(&one).unwrap(), 37);
        assert!(matches!(cache.remove(&one), Err(CacheError::Missing { .. })));
        assert!(cache.model(&two).unwrap().snapshots[0].whole);
    }

    #[test]
    fn a_new_version_takes_the_name_and_shares_files() {
        let root = tempfile::tempdir().unwrap();
        let cache = fetched(root.path(), "owner/one", "musicgen");
        let id = named("owner/one");
        let newer = COMMIT.replace('0', "f");
        let files = [("config.json", "a"), ("tokenizer.json", "a"), (WEIGHTS, "b")];
        let directory = cache.publish(&id, "refs/pr/1", &newer, files).unwrap();
        cache.publish(&id, &newer, &newer, files).unwrap();
        let cached = cache.model(&id).unwrap();
        assert_eq!((cached.snapshots.len(), cached.bytes), (2, 33));
        let named: Vec<_> = cached.snapshots.iter().filter(|snapshot| !snapshot.refs.is_empty()).collect();
        assert_eq!(named.len(), 1);
        assert_eq!((&named[0].directory, named[0].whole), (&directory, true));
    }
}
