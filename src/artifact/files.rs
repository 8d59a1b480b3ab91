//! A piece at paths that somebody chose.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    ArtifactError, Finished, flac, manifest, midi, picture,
    staging::{Draft, Staging, directory_of, temporary_file},
    stems,
    tags::Tags,
    wav,
};
use crate::{
    cancel::Cancel,
    render::Engine,
    wire::{BitDepth, Manifest, MidiFile, OutputFormat, StemFile},
};

/// The paths of a piece's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The mastered audio.
    pub audio: PathBuf,
    /// The manifest (JSON).
    pub manifest: PathBuf,
    /// Waveform and spectrogram (PNG), when wanted.
    pub picture: Option<PathBuf>,
    /// The notes (MIDI), when wanted.
    pub midi: Option<PathBuf>,
    /// The directory for the stems, when wanted. It may be new; its parent must be there.
    pub stems: Option<PathBuf>,
    /// Whether files that are there already are replaced.
    pub overwrite: bool,
}

impl Files {
    /// Whether the files could be written now: to be asked before the work of rendering. Changes nothing.
    ///
    /// # Errors
    /// When a path is no place for a file, its directory is missing or takes no files, two files have one path, or
    /// something is there already that must not be overwritten.
    pub fn check(&self) -> Result<(), ArtifactError> {
        let mut targets = Vec::new();
        let always = [&self.audio, &self.manifest];
        for path in always.into_iter().chain(&self.picture).chain(&self.midi) {
            let target = check_file(path, self.overwrite)?;
            if targets.contains(&target) {
                return Err(ArtifactError::SamePath(path.clone()));
            }
            targets.push(target);
        }
        self.stems.as_deref().map_or(Ok(()), |stems| self.check_stems(stems))
    }

    /// Whether an engine could give the notes that are wanted: to be asked before the work of rendering.
    ///
    /// # Errors
    /// [`ArtifactError::NoNotes`] when it does not know them.
    pub fn check_notes(&self, engine: &dyn Engine) -> Result<(), ArtifactError> {
        match &self.midi {
            Some(path) if !engine.limits().notes => {
                Err(ArtifactError::NoNotes { path: path.clone(), engine: engine.name().to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn check_stems(&self, path: &Path) -> Result<(), ArtifactError> {
        let mut entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return check_directory(directory_of(path)).map(|_| ());
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(ArtifactError::NotADirectory(path.to_owned()));
            }
            Err(source) => return Err(ArtifactError::NotWritable { path: path.to_owned(), source }),
        };
        if !self.overwrite && entries.next().is_some() {
            return Err(ArtifactError::Exists(path.to_owned()));
        }
        check_directory(path).map(|_| ())
    }

    pub(super) fn save(&self, finished: &Finished, cancel: &dyn Cancel) -> Result<Manifest, ArtifactError> {
        self.check()?;
        let earlier_stems = self.stems.as_deref().filter(|directory| stems::are_in(directory));
        let mut staging = Staging::new(self.overwrite, cancel);
        let audio = staging.write(&self.audio, |out| write_audio(out, finished))?;
        let mut written_stems = Vec::new();
        if let Some(directory) = &self.stems {
            staging.directory(directory)?;
            for part in stems::parts(finished) {
                let file = part.file_name();
                let written = staging.write(&directory.join(&file), |out| part.write(out, finished))?;
                written_stems.push(StemFile { name: part.name().to_owned(), file, sha256: written.sha256 });
            }
        }
        let midi = self.midi.as_deref().map(|path| write_notes(&mut staging, path, finished)).transpose()?;
        let name = self.audio.file_name().unwrap_or_default().to_string_lossy();
        let manifest = manifest::describe(finished, &name, audio, written_stems, midi);
        staging.write(&self.manifest, |out| manifest::write(out, &manifest))?;
        if let Some(path) = &self.picture {
            staging.write(path, |out| picture::write(out, finished))?;
        }
        staging.commit()?;
        if let Some(directory) = earlier_stems {
            stems::sweep(directory, &manifest.stems);
        }
        Ok(manifest)
    }
}

fn write_notes(
    staging: &mut Staging<'_>,
    path: &Path,
    finished: &Finished,
) -> Result<MidiFile, ArtifactError> {
    let played = finished
        .played
        .as_ref()
        .ok_or_else(|| ArtifactError::NoNotes { path: path.to_owned(), engine: finished.engine.clone() })?;
    let written = staging.write(path, |out| midi::write(out, finished, played))?;
    Ok(manifest::midi_file(&path.file_name().unwrap_or_default().to_string_lossy(), written))
}

/// Whether a file could be written at a path; gives the path without links in its directory.
pub(super) fn check_file(path: &Path, overwrite: bool) -> Result<PathBuf, ArtifactError> {
    let ends_in_separator = path.as_os_str().as_encoded_bytes().last().is_some_and(|&byte| byte == b'/');
    let name = path.file_name().filter(|_| !ends_in_separator);
    let name = name.ok_or_else(|| ArtifactError::NotAFile(path.to_owned()))?;
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(ArtifactError::NotAFile(path.to_owned())),
        Ok(_) if !overwrite => return Err(ArtifactError::Exists(path.to_owned())),
        Err(source) if source.kind() == io::ErrorKind::InvalidFilename => {
            return Err(ArtifactError::NotAFile(path.to_owned()));
        }
        // A directory that cannot be looked into is reported below.
        Ok(_) | Err(_) => {}
    }
    Ok(check_directory(directory_of(path))?.join(name))
}

/// Whether files can be made in a directory; gives its path without links.
fn check_directory(path: &Path) -> Result<PathBuf, ArtifactError> {
    let real = fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ArtifactError::NoDirectory(path.to_owned()),
        io::ErrorKind::NotADirectory => ArtifactError::NotADirectory(path.to_owned()),
        _ => ArtifactError::NotWritable { path: path.to_owned(), source: error },
    })?;
    if !real.is_dir() {
        return Err(ArtifactError::NotADirectory(path.to_owned()));
    }
    match temporary_file(&real) {
        Ok(_) => Ok(real),
        Err(source) => Err(ArtifactError::NotWritable { path: path.to_owned(), source }),
    }
}

/// Encodes the mastered samples in the form that was asked for.
pub(super) fn write_audio(out: &mut Draft<'_>, finished: &Finished) -> io::Result<()> {
    let tags = Tags::of_piece(finished);
    let sound = &finished.mastered.sound;
    match (finished.format(), finished.bit_depth()) {
        (OutputFormat::Wav, depth) => wav::write(out, sound, depth, &tags),
        (OutputFormat::Flac, BitDepth::Int16) => flac::write(out, sound, 16, &tags),
        (OutputFormat::Flac, BitDepth::Int24) => flac::write(out, sound, 24, &tags),
        (OutputFormat::Flac, BitDepth::Float32) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "FLAC holds no floats: ask for 16 or 24 bits, or for WAV",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        artifact::sample,
        cancel::Never,
        render::{EngineError, Limits, Rendered, SectionSpec, Watch, synth::Synth},
    };

    fn files(root: &Path) -> Files {
        Files {
            audio: root.join("piece.wav"),
            manifest: root.join("piece.json"),
            picture: Some(root.join("piece.png")),
            midi: Some(root.join("piece.mid")),
            stems: Some(root.join("stems")),
            overwrite: false,
        }
    }

    #[test]
    fn everything_is_written_and_the_manifest_describes_it() {
        let root = tempfile::tempdir().unwrap();
        let files = files(root.path());
        let manifest = files.save(&sample::piece_with_stems(), &Never).unwrap();
        let read: Manifest = serde_json::from_slice(&fs::read(&files.manifest).unwrap()).unwrap();
        assert_eq!(read, manifest);
        assert_eq!((manifest.file.as_str(), manifest.audio.frames), ("piece.wav", 4_001));
        assert_eq!(manifest.audio.bytes, fs::metadata(&files.audio).unwrap().len());
        let names: Vec<&str> = manifest.stems.iter().map(|stem| stem.file.as_str()).collect();
        assert_eq!(names, ["01-drums.wav", "02-electric-piano.wav", "unmastered-mix.wav"]);
        for name in names {
            assert!(hound::WavReader::open(root.path().join("stems").join(name)).is_ok(), "{name}");
        }
        assert!(files.picture.unwrap().is_file());
        let midi = manifest.midi.unwrap();
        let bytes = fs::read(files.midi.unwrap()).unwrap();
        assert_eq!((midi.file.as_str(), midi.bytes), ("piece.mid", bytes.len() as u64));
        assert_eq!(midly::Smf::parse(&bytes).unwrap().tracks.len(), 2);
    }

    #[test]
    fn the_same_piece_gives_the_same_bytes() {
        let root = tempfile::tempdir().unwrap();
        let mut files = files(root.path());
        let first = files.save(&sample::piece_with_stems(), &Never).unwrap();
        files.overwrite = true;
        assert_eq!(files.save(&sample::piece_with_stems(), &Never).unwrap(), first);
    }

    #[test]
    fn stems_of_an_earlier_piece_go_and_other_files_stay() {
        let root = tempfile::tempdir().unwrap();
        let files = Files { overwrite: true, ..files(root.path()) };
        let at = |name: &str| root.path().join("stems").join(name);
        let save = || files.save(&sample::piece_with_stems(), &Never).unwrap();
        fs::create_dir(root.path().join("stems")).unwrap();
        fs::write(at("01-kick.wav"), "mine").unwrap();
        save();
        assert!(at("01-kick.wav").exists(), "what lay there before any stems is no stem");
        fs::write(at("03-choir.wav"), "of an earlier piece").unwrap();
        fs::write(at("notes.txt"), "mine").unwrap();
        save();
        assert!(!at("03-choir.wav").exists() && at("notes.txt").exists() && at("01-drums.wav").exists());
    }

    #[test]
    fn what_cannot_be_written_is_refused_early() {
        let root = tempfile::tempdir().unwrap();
        let good = files(root.path());
        good.check().unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        let audio = |path: &str| Files { audio: root.path().join(path), ..good.clone() }.check();
        assert!(matches!(audio("missing/a.wav"), Err(ArtifactError::NoDirectory(_))));
        assert!(matches!(audio("piece.json"), Err(ArtifactError::SamePath(_))));
        assert!(matches!(audio("./piece.png"), Err(ArtifactError::SamePath(_))));
        assert!(matches!(audio("piece.mid"), Err(ArtifactError::SamePath(_))));
        assert!(matches!(audio("new/"), Err(ArtifactError::NotAFile(_))));
        assert!(matches!(audio(".."), Err(ArtifactError::NotAFile(_))));
        assert!(matches!(audio(""), Err(ArtifactError::NotAFile(_))));
        assert!(matches!(audio(&"long".repeat(100)), Err(ArtifactError::NotAFile(_))));
        fs::write(root.path().join("there"), "").unwrap();
        assert!(matches!(audio("there"), Err(ArtifactError::Exists(_))));
        assert!(matches!(audio("there/a.wav"), Err(ArtifactError::NotADirectory(_))));
        let stems = |path: &str| Files { stems: Some(root.path().join(path)), ..good.clone() }.check();
        assert!(matches!(stems("there"), Err(ArtifactError::NotADirectory(_))));
        assert!(matches!(stems("missing/stems"), Err(ArtifactError::NoDirectory(_))));
        assert!(matches!(stems("."), Err(ArtifactError::Exists(_))));
        let overwriting = Files { audio: root.path().join("there"), overwrite: true, ..good.clone() };
        overwriting.check().unwrap();
    }

    #[test]
    fn samples_that_do_not_fit_leave_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut piece = sample::piece_with_stems();
        piece.mastered.sound.planes_mut().for_each(|plane| plane[7] = 2.0);
        assert!(files(root.path()).save(&piece, &Never).is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    /// An engine that does not know what it plays.
    #[derive(Debug)]
    struct Noise;

    impl Engine for Noise {
        fn name(&self) -> &'static str {
            "noise"
        }

        fn limits(&self) -> Limits {
            Limits { notes: false, ..Synth::new(1).limits() }
        }

        fn render(
            &self,
            _: &SectionSpec<'_>,
            _: Option<&Rendered>,
            _: &dyn Watch,
        ) -> Result<Rendered, EngineError> {
            Err(EngineError::Cancelled)
        }
    }

    #[test]
    fn notes_that_nobody_knows_are_refused_and_leave_nothing() {
        let root = tempfile::tempdir().unwrap();
        let files = files(root.path());
        let refusal = files.check_notes(&Noise).unwrap_err();
        assert!(refusal.to_string().contains("the engine noise does not know"), "{refusal}");
        files.check_notes(&Synth::new(1)).unwrap();
        Files { midi: None, ..files.clone() }.check_notes(&Noise).unwrap();
        let piece = Finished { played: None, ..sample::piece_with_stems() };
        assert!(matches!(files.save(&piece, &Never), Err(ArtifactError::NoNotes { .. })));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
