//! What a file says about itself, whatever its container.

use serde::Serialize;

use super::{Finished, manifest};
use crate::wire::{LoudnessReport, Provenance, SectionMark};

/// The texts and marks that go into an audio file.
#[derive(Clone, Debug)]
pub(super) struct Tags {
    pub(super) title: String,
    pub(super) software: String,
    /// Day of rendering, UTC, as 2026-11-21.
    pub(super) date: String,
    pub(super) style: String,
    /// The main facts for people, as `key=value; key=value`.
    pub(super) comment: String,
    /// All facts for programs: a JSON object.
    pub(super) provenance: String,
    pub(super) marks: Vec<SectionMark>,
}

/// The JSON object in [`Tags::provenance`].
#[derive(Serialize)]
struct Origin<'a> {
    title: &'a str,
    prompt: &'a str,
    #[serde(flatten)]
    provenance: &'a Provenance,
    #[serde(skip_serializing_if = "Option::is_none")]
    loudness: Option<&'a LoudnessReport>,
}

impl Tags {
    /// Of the mastered piece.
    pub(super) fn of_piece(finished: &Finished) -> Self {
        Self::new(finished, finished.plan.title.clone(), Some(&finished.mastered.loudness))
    }

    /// Of a file that goes into the piece: `part` says which. It is unmastered, so the loudness is left out.
    pub(super) fn of_part(finished: &Finished, part: &str) -> Self {
        Self::new(finished, format!("{} ({part})", finished.plan.title), None)
    }

    /// Of the notes, which have no loudness.
    pub(super) fn of_notes(finished: &Finished) -> Self {
        Self::new(finished, finished.plan.title.clone(), None)
    }

    fn new(finished: &Finished, title: String, loudness: Option<&LoudnessReport>) -> Self {
        let provenance = manifest::provenance(finished);
        let origin =
            Origin { title: &title, prompt: &finished.request.prompt, provenance: &provenance, loudness };
        let mut comment = format!("prompt={}; engine={}", finished.request.prompt, provenance.engine);
        let mut add = |key: &str, value: &str| {
            for part in ["; ", key, "=", value] {
                comment.push_str(part);
            }
        };
        if let Some(model) = &provenance.model {
            add("model", model);
        }
        add("licence", &provenance.licence);
        add("seed", &provenance.seed.to_string());
        add("plan_sha256", &provenance.plan_sha256);
        if let Some(lufs) = loudness.and_then(|loudness| loudness.integrated_lufs) {
            add("loudness", &format!("{lufs:.1} LUFS"));
        }
        if let Some(peak) = loudness.and_then(|loudness| loudness.true_peak_dbtp) {
            add("true_peak", &format!("{peak:.1} dBTP"));
        }
        add("machine_made", "true");
        Self {
            software: provenance.software.clone(),
            date: finished.created_at.strftime("%Y-%m-%d").to_string(),
            style: finished.plan.style.clone(),
            comment,
            provenance: serde_json::to_string(&origin).unwrap_or_default(),
            marks: manifest::marks(finished),
            title,
        }
    }
}
