//! The stems: one unmastered 32-bit float WAV per instrument group, and the mix that they sum to.

use std::{
    fs,
    io::{self, Seek, Write},
    path::Path,
};

use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{
    Finished,
    staging::{Written, fill},
    tags::Tags,
    wav,
};
use crate::{
    audio::Pcm,
    cancel::Cancel,
    wire::{BitDepth, StemFile},
};

/// Name of the mix among the stems.
const MIX: &str = "unmastered-mix";
/// Entries beyond this size get 64-bit sizes in the archive.
const ZIP32_MAX: u64 = u32::MAX as u64;

/// A stem, or the unmastered mix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    /// Its number from 1 on; none for the mix.
    number: Option<usize>,
    name: &'a str,
    sound: &'a Pcm,
}

/// The stems in their order, then the mix.
pub(super) fn parts(finished: &Finished) -> impl Iterator<Item = Part<'_>> {
    let stems = finished.stems.iter().zip(1..);
    let stems =
        stems.map(|(stem, number)| Part { number: Some(number), name: &stem.name, sound: &stem.sound });
    stems.chain(finished.unmastered.iter().map(|sound| Part { number: None, name: MIX, sound }))
}

impl Part<'_> {
    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// As `03-electric-piano.wav`: lower-case ASCII letters, digits and `-` only.
    pub(super) fn file_name(&self) -> String {
        let plain: String =
            self.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let plain = plain.to_ascii_lowercase();
        match self.number {
            Some(number) => format!("{number:02}-{plain}.wav"),
            None => format!("{plain}.wav"),
        }
    }

    pub(super) fn write<W: Write + Seek>(&self, out: W, finished: &Finished) -> io::Result<()> {
        wav::write(out, self.sound, BitDepth::Float32, &Tags::of_part(finished, self.name))
    }
}

/// Whether a directory holds stems.
pub(super) fn are_in(directory: &Path) -> bool {
    directory.join(format!("{MIX}.wav")).is_file()
}

/// Deletes the stems of an earlier piece from a directory that now holds `current`: together they would be no piece. What is
/// not named like a stem stays. A file that cannot be deleted is reported in the log.
pub(super) fn sweep(directory: &Path, current: &[StemFile]) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            let path = directory.display();
            return tracing::warn!(%path, %error, "stems of an earlier piece may still be there");
        }
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let numbered = name
            .as_bytes()
            .get(..3)
            .is_some_and(|start| start[0].is_ascii_digit() && start[1].is_ascii_digit() && start[2] == b'-');
        let stale = numbered && name.ends_with(".wav") && current.iter().all(|stem| stem.file != name);
        if stale && let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "a stem of an earlier piece is still there");
        }
    }
}

/// Writes all parts into a ZIP archive, stored as they are and dated 1980-01-01, so that equal stems give equal bytes.
/// One part at a time passes through a temporary file in `scratch`.
pub(super) fn write_archive<W: Write + Seek>(
    out: W,
    finished: &Finished,
    scratch: &Path,
    cancel: &dyn Cancel,
) -> io::Result<Vec<StemFile>> {
    let mut archive = ZipWriter::new(out);
    let mut files = Vec::new();
    for part in parts(finished) {
        let mut wav = tempfile::tempfile_in(scratch)?;
        let Written { bytes, sha256 } = fill(&mut wav, cancel, |out| part.write(out, finished))?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o644)
            .large_file(bytes > ZIP32_MAX);
        let file = part.file_name();
        archive.start_file(file.as_str(), options)?;
        wav.rewind()?;
        io::copy(&mut wav, &mut archive)?;
        files.push(StemFile { name: part.name.to_owned(), file, sha256 });
    }
    archive.finish()?.flush()?;
    Ok(files)
}
