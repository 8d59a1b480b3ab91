//! What the routes work with.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ApiError, Code};
use crate::{
    artifact::{Shelf, Uploads},
    job::{JobStore, preview::Previews, store::SubmitError},
    render::engines::Engines,
    request::Defaults,
    wire::DeviceInfo,
};

/// Sounds that may arrive at the same time.
const ARRIVALS: usize = 8;

/// The parts that the service is put together from.
#[derive(Debug)]
pub struct Parts {
    /// Where jobs are kept.
    pub store: Arc<dyn JobStore>,
    /// Where artifacts lie.
    pub shelf: Arc<Shelf>,
    /// The sounds that callers have brought.
    pub uploads: Arc<Uploads>,
    /// Where jobs are heard while they run.
    pub previews: Arc<Previews>,
    /// Who renders.
    pub engines: Arc<Engines>,
    /// What requests may leave open.
    pub defaults: Defaults,
    /// What engines compute on.
    pub device: DeviceInfo,
    /// Jobs that run at the same time.
    pub workers: usize,
    /// Its strong count is the number of workers that live.
    pub at_work: Weak<()>,
}

impl Parts {
    /// Whether a job that is accepted now will be run, or why not.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if self.store.is_closed() {
            return Err(SubmitError::Closed.into());
        }
        if self.at_work.strong_count() == 0 {
            return Err(ApiError::new(Code::NotReady, "no worker is there to run jobs; the log may say why"));
        }
        self.shelf.check().map_err(|cause| ApiError {
            cause: Some(Arc::new(cause)),
            ..ApiError::new(Code::NotReady, "finished pieces cannot be written to the disk; the log says why")
        })
    }
}

/// The state of all routes; cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    parts: Arc<Parts>,
    started: Instant,
    arrivals: Arc<Semaphore>,
}

impl Service {
    /// The service made of these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), started: Instant::now(), arrivals: Arc::new(Semaphore::new(ARRIVALS)) }
    }

    /// When it was started.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// A place for a sound that arrives; `None` when as many arrive as may.
    pub(super) fn arrival(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.arrivals).try_acquire_owned().ok()
    }

    /// Runs something that may block (store, shelf, planning) where blocking is allowed.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let parts = Arc::clone(&self.parts);
        tokio::task::spawn_blocking(move || work(&parts))
            .await
            // A panic in there is this request's alone.
            .unwrap_or_else(|error| Err(ApiError::internal(error)))
    }
}
