//! Keeping the shelf in step with the store: what no job names any more is taken away.

use std::error::Error;

use super::{JobId, JobStore};
use crate::artifact::Shelf;

/// Takes the artifacts of jobs off the shelf that the store has forgotten. First the job goes, then the file: a reader finds
/// either both or a job whose artifact is gone. What cannot be removed is logged and left.
pub fn sweep(store: &dyn JobStore, shelf: &Shelf) {
    match store.forget() {
        Ok(gone) => gone.into_iter().for_each(|job| discard(shelf, job)),
        Err(error) => tracing::error!(error = &error as &dyn Error, "old jobs could not be forgotten"),
    }
}

/// Takes one artifact off the shelf. When that fails it is logged and left.
pub fn discard(shelf: &Shelf, job: JobId) {
    if let Err(error) = shelf.remove(&job.to_string()) {
        tracing::error!(%job, error = &error as &dyn Error, "an artifact could not be removed");
    }
}
