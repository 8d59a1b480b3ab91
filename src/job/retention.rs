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

/// Takes the artifacts off the shelf that belong to no job of the store: those of an earlier process whose store did not outlive
/// it. For the start, before jobs are accepted. What cannot be removed is logged and left.
pub fn reconcile(store: &dyn JobStore, shelf: &Shelf) {
    let jobs = match shelf.jobs() {
        Ok(jobs) => jobs.into_iter().map(JobId::from),
        Err(error) => {
            return tracing::error!(error = &error as &dyn Error, "old artifacts were not looked for");
        }
    };
    for job in jobs {
        match store.get(job) {
            Ok(Some(_)) => {}
            Ok(None) => discard(shelf, job),
            Err(error) => tracing::error!(%job, error = &error as &dyn Error, "a job could not be looked up"),
        }
    }
}

/// Takes one artifact off the shelf. When that fails it is logged and left.
pub fn discard(shelf: &Shelf, job: JobId) {
    if let Err(error) = shelf.remove(&job.to_string()) {
        tracing::error!(%job, error = &error as &dyn Error, "an artifact could not be removed");
    }
}
