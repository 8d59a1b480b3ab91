//! Where a download is written.

use std::path::{Path, PathBuf};

use timbre::wire::GenerationArtifact;
use timbre_client::{ClientError, Overwrite, Part};

use crate::args::Target;
use crate::exit::Failure;

/// Longest file name made from a title, in characters, without its extension.
const LONGEST_NAME: usize = 60;

impl Target {
    /// Refuses a target that cannot be written, before any work is done for it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(path) = &self.output else { return Ok(()) };
        if path.is_dir() {
            return Ok(());
        }
        if !self.force && path.symlink_metadata().is_ok() {
            return Err(ClientError::Exists { path: path.clone() }.into());
        }
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => Err(Failure::Usage(
                format!("cannot write {}: the folder {} does not exist", path.display(), folder.display()),
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn overwrite(&self) -> Overwrite {
        if self.force { Overwrite::Replace } else { Overwrite::Refuse }
    }

    /// The file for a part: as given, or named after the title in the folder given or the current one, with a number if taken.
    pub(crate) fn file(&self, part: Part, artifact: &GenerationArtifact) -> PathBuf {
        let folder = match &self.output {
            Some(path) if path.is_dir() => path.as_path(),
            Some(path) => return path.clone(),
            None => Path::new(""),
        };
        let name = slug(&artifact.title).unwrap_or_else(|| artifact.job_id.clone());
        let (suffix, extension) = match part {
            Part::Audio => ("", artifact.audio.format.extension()),
            Part::Manifest => ("", "json"),
            Part::Picture => ("", "png"),
            Part::Midi => ("", "mid"),
            Part::Stems => ("-stems", "zip"),
        };
        let wanted = folder.join(format!("{name}{suffix}.{extension}"));
        if self.force { wanted } else { free(wanted, extension) }
    }

    /// The same way of writing, to another place.
    pub(crate) fn at(&self, place: &Path) -> Self {
        Self { output: Some(place.to_owned()), force: self.force }
    }

    /// The stems' archive beside an audio file, with a number if that name is taken.
    pub(crate) fn stems_beside(&self, audio: &Path) -> PathBuf {
        let name = audio.file_stem().unwrap_or_default().to_string_lossy();
        let wanted = audio.with_file_name(format!("{name}-stems.zip"));
        if self.force { wanted } else { free(wanted, "zip") }
    }
}

/// The path itself, or with the first number that makes it new.
fn free(path: PathBuf, extension: &str) -> PathBuf {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = (2..).map(|number: u32| path.with_file_name(format!("{name}-{number}.{extension}")));
    std::iter::once(path.clone())
        .chain(numbered)
        .find(|candidate| candidate.symlink_metadata().is_err())
        .unwrap_or(path)
}

/// A title as a file name: words of lower-case letters and digits, joined by hyphens. None when nothing is left.
fn slug(title: &str) -> Option<String> {
    let kept: String =
        title.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let joined: String =
        kept.split_whitespace().collect::<Vec<_>>().join("-").chars().take(LONGEST_NAME).collect();
    let name = joined.trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_harmless_file_name() {
        assert_eq!(slug("Dreamy Piano: Rain & Sea"), Some("dreamy-piano-rain-sea".into()));
        assert_eq!(slug("../../etc/passwd"), Some("etc-passwd".into()));
        assert_eq!(slug("Café №1"), Some("café-1".into()));
        assert_eq!(slug("?!/"), None);
        assert_eq!(slug(&"la ".repeat(100)).unwrap().chars().count(), 59);
    }

    #[test]
    fn a_taken_name_gets_the_next_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rain.wav");
        assert_eq!(free(path.clone(), "wav"), path);
        std::fs::write(&path, "").unwrap();
        std::fs::write(folder.path().join("rain-2.wav"), "").unwrap();
        assert_eq!(free(path, "wav"), folder.path().join("rain-3.wav"));
    }

    #[test]
    fn a_target_is_checked_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there.wav");
        std::fs::write(&there, "").unwrap();
        let target = |path: &Path, force| Target { output: Some(path.to_owned()), force };
        assert_eq!(target(&there, false).check().unwrap_err().code(), 2);
        assert!(target(&there, true).check().is_ok());
        assert!(target(folder.path(), false).check().is_ok());
        let message = target(&folder.path().join("no/rain.wav"), false).check().unwrap_err().to_string();
        assert!(message.contains("does not exist"), "{message}");
    }

    #[test]
    fn stems_lie_beside_the_audio() {
        let target = Target { output: None, force: false };
        assert_eq!(target.stems_beside(Path::new("a/rain.wav")), Path::new("a/rain-stems.zip"));
    }
}
