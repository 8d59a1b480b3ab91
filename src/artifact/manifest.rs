//! The manifest: all that is known of a piece, and enough to make it again.

use std::io::{self, Write};

use super::{Finished, staging::Written};
use crate::wire::{ArtifactFile, Manifest, MidiFile, Provenance, SectionMark, StemFile};

/// Program and version.
pub(super) const SOFTWARE: &str = concat!("timbre ", env!("CARGO_PKG_VERSION"));

/// Describes a piece whose audio was written as `file`.
pub(super) fn describe(
    finished: &Finished,
    file: &str,
    audio: Written,
    stems: Vec<StemFile>,
    midi: Option<MidiFile>,
) -> Manifest {
    let sound = &finished.mastered.sound;
    let mut request = finished.request.clone();
    // `plan` below is the one that was rendered; a second copy could only disagree with it.
    request.plan = None;
    Manifest {
        version: 1,
        request,
        plan: finished.plan.to_wire(),
        file: file.to_owned(),
        audio: ArtifactFile {
            format: finished.format(),
            sample_rate: sound.rate().0,
            bit_depth: finished.bit_depth(),
            channels: sound.spec().channels as u16,
            frames: sound.frames() as u64,
            duration_seconds: sound.seconds(),
            bytes: audio.bytes,
            sha256: audio.sha256,
        },
        loudness: finished.mastered.loudness.clone(),
        provenance: provenance(finished),
        sections: marks(finished),
        stems,
        midi,
        warnings: finished.warnings.clone(),
    }
}

/// What was written as `file`.
pub(super) fn midi_file(file: &str, written: Written) -> MidiFile {
    MidiFile { file: file.to_owned(), bytes: written.bytes, sha256: written.sha256 }
}

/// Where a piece comes from.
pub(super) fn provenance(finished: &Finished) -> Provenance {
    Provenance {
        software: SOFTWARE.to_owned(),
        engine: finished.engine.clone(),
        engine_reason: finished.engine_reason.clone(),
        model: finished.model.as_ref().map(|model| model.title.clone()),
        dtype: finished.model.as_ref().map(|model| model.dtype.clone()),
        device: finished.model.as_ref().map(|model| model.device.clone()),
        licence: finished.licence.clone(),
        seed: finished.request.seed.unwrap_or(finished.plan.seed),
        plan_sha256: finished.plan.sha256(),
        machine_made: true,
        created_at: finished.created_at,
    }
}

/// Where the sections start in the finished file. No mark lies past its end.
pub(super) fn marks(finished: &Finished) -> Vec<SectionMark> {
    let sound = &finished.mastered.sound;
    let sections = finished.plan.sections.iter().enumerate();
    sections
        .map(|(index, section)| {
            let start = finished.plan.start_at(index, sound.rate()).min(sound.frames());
            SectionMark {
                id: section.id.clone(),
                label: section.label.clone(),
                start_frame: start as u64,
                start_seconds: sound.rate().seconds(start),
            }
        })
        .collect()
}

/// Writes a manifest as JSON with line breaks, ending in one.
pub(super) fn write(out: &mut impl Write, manifest: &Manifest) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, manifest)?;
    out.write_all(b"\n")
}
