//! Where jobs are kept: the contract that every store keeps.
//!
//! Each call is one transaction, and what it answers is durable as far as the store is durable at all. Calls may block for a
//! short while (a disk write), so an async caller moves them to a blocking thread. Time is the store's own clock.
//!
//! A claim is fenced by `attempt`: whoever reports with an attempt that is no longer current hears [`Verdict::Lost`] and has
//! changed nothing. A cancelled job is final at once; its worker hears [`Verdict::Cancelled`] with its next report.
//!
//! One suite (`contract.rs`) is run on every store.

use std::{error::Error, fmt::Debug, sync::Arc, time::Duration};

use thiserror::Error;

use super::{Failure, IllegalMove, Job, JobId, NewJob, Report};
use crate::{
    request::Request,
    wire::{GenerationStatus, JobState},
};

/// Keeps jobs, hands them out, and remembers what became of them.
pub trait JobStore: Send + Sync + Debug {
    /// What it is, as `memory`.
    fn name(&self) -> &'static str;

    /// Accepts a job: queued, behind all that wait.
    ///
    /// # Errors
    /// When the queue is full, the store closed or out of reach.
    fn submit(&self, job: NewJob) -> Result<Job, SubmitError>;

    /// Hands out the job that has waited longest; it is then in `planning` and its attempt one higher. `None` when none waits or
    /// the store is closed.
    ///
    /// # Errors
    /// When the store is out of reach.
    fn claim(&self, worker: &str) -> Result<Option<Claim>, StoreError>;

    /// Blocks until a job may be there to claim, the store is closed, or `timeout` has passed.
    fn wait(&self, timeout: Duration);

    /// Takes in how far a claimed job is.
    ///
    /// # Errors
    /// When the report is of an illegal move (nothing is changed), or the store out of reach.
    fn report(&self, job: JobId, attempt: u32, report: Report) -> Result<Verdict, StoreError>;

    /// A claimed job has its artifact.
    ///
    /// # Errors
    /// When the job is not in its last stage (nothing is changed), or the store out of reach.
    fn complete(&self, job: JobId, attempt: u32, warnings: Vec<String>) -> Result<Verdict, StoreError>;

    /// A claimed job failed for good.
    ///
    /// # Errors
    /// When the store is out of reach.
    fn fail(&self, job: JobId, attempt: u32, failure: Failure) -> Result<Verdict, StoreError>;

    /// Cancels a job, waiting or running.
    ///
    /// # Errors
    /// When the store is out of reach.
    fn cancel(&self, job: JobId) -> Result<Cancelling, StoreError>;

    /// Reads one job.
    ///
    /// # Errors
    /// When the store is out of reach.
    fn get(&self, job: JobId) -> Result<Option<Job>, StoreError>;

    /// Reads jobs, newest first.
    ///
    /// # Errors
    /// When the store is out of reach.
    fn list(&self, filter: &Filter) -> Result<Vec<Job>, StoreError>;

    /// The events of a job with numbers above `after`, oldest first. Numbers start at 1 and only grow. Each event holds the whole
    /// status, so a store may drop old ones, but never the last. An `after` beyond the last comes from elsewhere and counts as 0.
    /// `None` when the job is unknown.
    ///
    /// # Errors
    /// When the store is out of reach.
    fn events(&self, job: JobId, after: u64) -> Result<Option<Vec<Event>>, StoreError>;

    /// How many jobs there are.
    ///
    /// # Errors
    /// When the store is out of reach.
    fn counts(&self) -> Result<Counts, StoreError>;

    /// Forgets the finished jobs that are past the store's retention and names them, so that the caller removes their artifacts.
    ///
    /// # Errors
    /// When the store is out of reach.
    fn forget(&self) -> Result<Vec<JobId>, StoreError>;

    /// Accepts and hands out nothing from now on, and wakes all who wait. What is claimed may still be reported. A store that does
    /// not outlive the process fails the jobs that wait.
    fn close(&self);

    /// Whether it was closed.
    fn is_closed(&self) -> bool;
}

/// A job in the hands of a worker.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The fence: belongs into every report.
    pub attempt: u32,
    /// What is to be made.
    pub request: Arc<Request>,
    /// Name of the engine that was chosen when it was submitted.
    pub engine: String,
}

/// The answer to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken in; go on.
    Go,
    /// The job was cancelled: stop, and throw away what was made.
    Cancelled,
    /// The job is in other hands, finished or forgotten: stop, and touch nothing.
    Lost,
}

/// What came of cancelling.
#[derive(Clone, Debug)]
pub enum Cancelling {
    /// It is cancelled, now or since earlier.
    Cancelled(Job),
    /// It had already succeeded or failed, and stays so.
    Finished(Job),
    /// There is no such job.
    Unknown,
}

/// Which jobs to list.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only those submitted before this one.
    pub before: Option<JobId>,
    /// At most so many.
    pub limit: usize,
}

/// A change of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number within the job.
    pub number: u64,
    /// The job after the change.
    pub status: GenerationStatus,
}

/// How many jobs there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs that run.
    pub running: usize,
    /// Most that may wait.
    pub capacity: usize,
}

/// Why a store could not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A worker reported a move that no job can make.
    #[error("a report was refused")]
    Illegal(#[from] IllegalMove),
    /// The store cannot be reached; trying again may help.
    #[error("the job store cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// Why a job was not accepted.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// As many jobs wait as may wait.
    #[error("{capacity} jobs are waiting, which is the limit")]
    QueueFull {
        /// The limit.
        capacity: usize,
        /// When a place is likely to be free.
        retry_after: Duration,
    },
    /// The store is closed: the server is shutting down.
    #[error("the server is shutting down and accepts no more jobs")]
    Closed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
