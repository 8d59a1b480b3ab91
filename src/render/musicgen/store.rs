//! Models on disk: by hub id in the cache that all Hugging Face tools share, or in a directory of their own.
//!
//! ```text
//! <cache>/models--facebook--musicgen-small/refs/main              the revision, 40 hexadecimal digits
//!                                         /snapshots/<revision>/  its files, often links into blobs/
//! ```
//!
//! Nothing is fetched here.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{
    ModelError, catalogue,
    checkpoint::Checkpoint,
    config::Config,
    tensors::{stored_name, tensors},
    text::TextTokenizer,
};

/// A model's name on the hub: `facebook/musicgen-small`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubId(String);

impl HubId {
    /// Takes a text as a hub id: two names with a slash between them, of letters, digits, `-`, `_` and `.`. `None` when it is
    /// none.
    pub fn new(text: &str) -> Option<Self> {
        let name = |name: &str| {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            plain && !name.is_empty() && !name.starts_with('.') && !name.contains("--")
        };
        let (owner, model) = text.split_once('/')?;
        (text.len() <= 96 && name(owner) && name(model)).then(|| Self(text.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The model's directory inside a cache: `models--facebook--musicgen-small`.
    pub fn folder(&self) -> String {
        format!("models--{}", self.0.replace('/', "--"))
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cache of downloaded models. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    cache: PathBuf,
}

/// A model on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Hub id or directory, as it was asked for.
    pub name: String,
    /// Whether it was found by hub id.
    pub from_hub: bool,
    /// Where its files are.
    pub directory: PathBuf,
    /// Its revision on the hub; a directory has none.
    pub revision: Option<String>,
}

/// Why a model is not on disk.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotFound {
    /// It is a hub id that the cache does not have.
    #[error("{id} is not on this machine; `timbre models pull {id}` fetches it")]
    Hub {
        /// The id.
        id: HubId,
    },
    /// It is neither a directory nor a hub id.
    #[error("{name} is neither a directory here nor a name on the hub, as facebook/musicgen-small")]
    Neither {
        /// What was asked for.
        name: String,
    },
}

impl Store {
    /// The cache at this path.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self { cache: cache.into() }
    }

    /// Its path.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// A model by directory or hub id. A directory wins when both could be meant; whether its files are whole is another
    /// question: see [`Found::look`].
    ///
    /// # Errors
    /// When there is neither.
    pub fn find(&self, name: &str) -> Result<Found, NotFound> {
        let directory = Path::new(name);
        if directory.join("config.json").is_file() || (directory.is_dir() && HubId::new(name).is_none()) {
            return Ok(Found {
                name: name.to_owned(),
                from_hub: false,
                directory: directory.to_owned(),
                revision: None,
            });
        }
        let id = HubId::new(name).ok_or_else(|| NotFound::Neither { name: name.to_owned() })?;
        self.in_cache(&id).ok_or(NotFound::Hub { id })
    }

    /// The snapshot of a model that `refs/main` names, or the only one.
    pub fn in_cache(&self, id: &HubId) -> Option<Found> {
        let folder = self.cache.join(id.folder());
        let snapshots = folder.join("snapshots");
        let revision = match fs::read_to_string(folder.join("refs").join("main")) {
            Ok(revision) => revision.trim().to_owned(),
            Err(_) => only_entry(&snapshots)?,
        };
        let plain = !revision.is_empty() && revision.chars().all(|c| c.is_ascii_alphanumeric());
        let directory = snapshots.join(&revision);
        (plain && directory.is_dir()).then(|| Found {
            name: id.to_string(),
            from_hub: true,
            directory,
            revision: Some(revision),
        })
    }

    /// The known models that are on disk, in the order of [`catalogue::KNOWN`].
    pub fn known(&self) -> impl Iterator<Item = Found> {
        catalogue::KNOWN.iter().filter_map(|known| HubId::new(known.id)).filter_map(|id| self.in_cache(&id))
    }
}

impl Found {
    /// Whether the files are all there and fit the configuration, as far as their headers tell; fast. [`check`] reads every
    /// value.
    ///
    /// [`check`]: super::model::check
    ///
    /// # Errors
    /// The first fault that is found.
    pub fn look(&self) -> Result<(Config, Checkpoint), ModelError> {
        let config = Config::open(&self.directory)?;
        let checkpoint = Checkpoint::open(&self.directory)?;
        for wanted in tensors(&config) {
            checkpoint.expect(stored_name(&checkpoint, &wanted.name), &wanted.shape)?;
        }
        TextTokenizer::find(&self.directory)?;
        Ok((config, checkpoint))
    }

    /// The licence of its weights, for people. It holds for what is made with them too.
    pub fn licence(&self) -> String {
        match self.card_licence() {
            Some(licence) => format!("{licence} (the model's weights, as its card says)"),
            None if self.from_hub && HubId::new(&self.name).as_ref().and_then(catalogue::entry).is_some() => {
                format!("{} (the model's weights: no commercial use)", catalogue::LICENCE)
            }
            None => "unknown: the model says nothing of its licence".to_owned(),
        }
    }

    /// The licence that its card names.
    pub fn card_licence(&self) -> Option<String> {
        let card = fs::read_to_string(self.directory.join("README.md")).ok()?;
        licence_in_card(&card).map(str::to_uppercase)
    }

    /// Name and revision, for manifests.
    pub fn title(&self) -> String {
        match &self.revision {
            Some(revision) => format!("{}@{revision}", self.name),
            None => self.name.clone(),
        }
    }
}

/// The licence that a model card's front matter names.
fn licence_in_card(card: &str) -> Option<&str> {
    let mut lines = card.lines();
    let front = lines.next()?.trim() == "---";
    let value =
        lines.take_while(|line| line.trim() != "---").find_map(|line| line.strip_prefix("license:"))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (front && !value.is_empty()).then_some(value)
}

/// The name of the only entry of a directory.
fn only_entry(directory: &Path) -> Option<String> {
    let mut entries = fs::read_dir(directory).ok()?;
    let only = entries.next()?.ok()?;
    entries.next().is_none().then(|| only.file_name().into_string().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn snapshot(cache: &TempDir, id: &str, revision: &str) -> PathBuf {
        let folder = cache.path().join(HubId::new(id).unwrap().folder());
        let directory = folder.join("snapshots").join(revision);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn a_hub_id_is_two_plain_names() {
        assert_eq!(
            HubId::new("facebook/musicgen-small").unwrap().folder(),
            "models--facebook--musicgen-small"
        );
        for wrong in ["", "musicgen", "a/b/c", "../b", "a/..", "a b/c", "/c", "a/", "a--b/c"] {
            assert_eq!(HubId::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_snapshot_of_main_is_found() {
        let cache = TempDir::new().unwrap();
        let store = Store::new(cache.path());
        let id = "facebook/musicgen-small";
        assert!(matches!(store.find(id), Err(NotFound::Hub { .. })));
        let old = snapshot(&cache, id, "a1");
        assert_eq!(store.find(id).unwrap().directory, old, "the only one");
        let new = snapshot(&cache, id, "b2");
        assert!(store.find(id).is_err(), "two, and no word of which");
        fs::create_dir_all(cache.path().join("models--facebook--musicgen-small/refs")).unwrap();
        let main = cache.path().join("models--facebook--musicgen-small/refs/main");
        fs::write(&main, "b2\n").unwrap();
        let found = store.find(id).unwrap();
        assert_eq!(
            (found.directory.as_path(), found.title().as_str()),
            (new.as_path(), "facebook/musicgen-small@b2")
        );
        assert!(found.licence().starts_with("CC-BY-NC-4.0"));
        assert_eq!(store.known().map(|found| found.name).collect::<Vec<_>>(), [id]);
        fs::write(&main, "../../..").unwrap();
        assert!(store.find(id).is_err());
    }

    #[test]
    fn a_directory_is_a_model_whatever_its_name() {
        let directory = TempDir::new().unwrap();
        let store = Store::new("/nowhere");
        let name = directory.path().to_str().unwrap();
        let found = store.find(name).unwrap();
        assert_eq!((found.title().as_str(), found.revision.as_deref()), (name, None));
        assert!(found.licence().starts_with("unknown"));
        fs::write(
            directory.path().join("README.md"),
            "---\ntags: [a]\nlicense: cc-by-nc-4.0\n---\n# Model\n",
        )
        .unwrap();
        assert!(found.licence().starts_with("CC-BY-NC-4.0"));
        assert!(found.look().unwrap_err().to_string().contains("configuration"));
        assert!(matches!(store.find("no such/thing"), Err(NotFound::Neither { .. })));
    }
}
