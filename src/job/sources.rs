//! The sounds that a request names: found before it is accepted, kept while it is needed, read when it runs.

use std::{collections::BTreeSet, path::PathBuf};

use thiserror::Error;

use super::{
    JobId, JobStore,
    store::{Filter, StoreError},
};
use crate::{
    artifact::{Held, Shelf, UploadError, Uploads},
    cancel::Cancel,
    render::Limits,
    request::Request,
    source::{self, Excerpt, Keep, SourceError, Sources},
    wire::{AudioSource, JobState},
};

/// How much of a sound to go on from is kept, in seconds before its end: as much as any engine hears. Counted in
/// [`crate::plan`]'s estimate of memory.
pub const HEARD_SECONDS: f64 = 30.0;

/// Why a sound that a request names cannot be used.
#[derive(Debug, Error)]
#[error("{field}: {fault}")]
pub struct SourcesError {
    /// The field of the request.
    pub field: &'static str,
    /// What is wrong with it.
    #[source]
    pub fault: SourceFault,
}

/// What is wrong with a sound.
#[derive(Debug, Error)]
pub enum SourceFault {
    /// It is not there (any more).
    #[error("the sound {0} is not here: upload it, and take the audio_id of the answer")]
    Missing(String),
    /// There is no such job, or it has no piece.
    #[error("the job {0} has no finished piece here")]
    NoPiece(String),
    /// The piece of the job is not the sound that is named beside it.
    #[error("the piece of the job is another sound than audio_id says: leave one of them out")]
    Differs,
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] SourceError),
    /// It cannot be kept.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the sounds that a request names, as far as an engine with these limits can use them. `find` gives the file of an id.
///
/// # Errors
/// When a sound is not there or cannot be read; [`SourceError::Cancelled`] within it is no fault.
pub fn read(
    request: &Request,
    limits: &Limits,
    find: &dyn Fn(&str) -> Option<PathBuf>,
    cancel: &dyn Cancel,
) -> Result<Sources, SourcesError> {
    let length = request.duration_seconds.or(request.plan.as_ref().map(|plan| plan.duration_seconds));
    let melody = Keep::First(length.unwrap_or(request.default_duration_seconds));
    let one = |field, source: &Option<AudioSource>, usable: bool, keep| {
        let Some(source) = source.as_ref().filter(|_| usable) else { return Ok(None) };
        let id = source.audio_id.as_deref().unwrap_or_default();
        let excerpt = Excerpt {
            start_seconds: source.start_seconds.unwrap_or(0.0),
            end_seconds: source.end_seconds,
            keep,
        };
        let path = find(id).ok_or_else(|| SourceFault::Missing(id.to_owned()));
        path.and_then(|path| Ok(source::read(&path, &excerpt, cancel)?))
            .map(Some)
            .map_err(|fault| SourcesError { field, fault })
    };
    Ok(Sources {
        continued: one("continue_from", &request.continue_from, limits.continues, Keep::Last(HEARD_SECONDS))?,
        melody: one("melody_from", &request.melody_from, limits.follows_melody, melody)?,
    })
}

/// Makes sure that every sound of a request is among the uploads, and writes its id into the request. The piece of another job is
/// taken in, so that it stays when that job is forgotten.
///
/// # Errors
/// When a sound is not there, or there is no place for it.
pub fn admit(
    request: &mut Request,
    store: &dyn JobStore,
    shelf: &Shelf,
    uploads: &Uploads,
    cancel: &dyn Cancel,
) -> Result<(), SourcesError> {
    let sources = [("continue_from", &mut request.continue_from), ("melody_from", &mut request.melody_from)];
    for (field, source) in sources {
        let Some(source) = source else { continue };
        admit_one(source, store, shelf, uploads, cancel).map_err(|fault| SourcesError { field, fault })?;
    }
    Ok(())
}

fn admit_one(
    source: &mut AudioSource,
    store: &dyn JobStore,
    shelf: &Shelf,
    uploads: &Uploads,
    cancel: &dyn Cancel,
) -> Result<(), SourceFault> {
    if source.audio_id.as_deref().is_some_and(|id| uploads.hold().touch(id)) {
        return Ok(());
    }
    let Some(job) = &source.job_id else {
        return Err(SourceFault::Missing(source.audio_id.clone().unwrap_or_default()));
    };
    let no_piece = || SourceFault::NoPiece(job.clone());
    let id: JobId = job.parse().map_err(|_no_uuid| no_piece())?;
    let piece = store
        .get(id)?
        .filter(|job| job.state == JobState::Succeeded)
        .and_then(|job| shelf.find(&job.id.to_string()))
        .ok_or_else(no_piece)?;
    let draft = uploads.copy(&piece.audio)?;
    let examined = uploads.examine(draft, cancel)?;
    if source.audio_id.as_ref().is_some_and(|id| *id != examined.info().audio_id) {
        return Err(SourceFault::Differs);
    }
    let mut held = uploads.hold();
    let used = in_use(store)?;
    source.audio_id = Some(held.add(examined, &used)?.audio_id);
    Ok(())
}

/// The sounds that jobs need which wait or run.
///
/// # Errors
/// When the store is out of reach.
pub fn in_use(store: &dyn JobStore) -> Result<BTreeSet<String>, StoreError> {
    let jobs = store.list(&Filter { state: None, before: None, limit: usize::MAX })?;
    let needed = jobs.iter().filter(|job| !job.state.is_final());
    let sources = needed.flat_map(|job| [&job.request.continue_from, &job.request.melody_from]);
    Ok(sources.flatten().filter_map(|source| source.audio_id.clone()).collect())
}

/// Whether every sound of a request is still among the uploads. Asked while they are held.
///
/// # Errors
/// When one is gone.
pub fn still_there(request: &Request, uploads: &Held<'_>) -> Result<(), SourcesError> {
    let sources = [("continue_from", &request.continue_from), ("melody_from", &request.melody_from)];
    for (field, source) in sources {
        let id = source.as_ref().and_then(|source| source.audio_id.as_deref());
        if let Some(id) = id.filter(|id| uploads.get(id).is_none()) {
            return Err(SourcesError { field, fault: SourceFault::Missing(id.to_owned()) });
        }
    }
    Ok(())
}
