//! Jobs in memory: bounded in every direction, gone with the process.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Failure, Job, JobId, NewJob, Report,
    pace::{self, Pace},
    store::{Cancelling, Claim, Counts, Event, Filter, JobStore, StoreError, SubmitError, Verdict},
};
use crate::wire::JobState;

/// What a caller is told to wait when nothing is known of the speed yet.
const RETRY_AFTER_UNKNOWN: f64 = 10.0;
/// Longest that a caller is told to wait.
const RETRY_AFTER_MAX: f64 = 600.0;

/// Bounds of a [`MemoryStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most jobs that wait; one more is refused.
    pub capacity: usize,
    /// Finished jobs that are remembered; the oldest go first.
    pub keep_finished: usize,
    /// Events that are remembered of each job; the oldest go first. Of a job that has ended only the last is.
    pub keep_events: usize,
    /// Jobs that run at the same time; only used to estimate when a job ends.
    pub workers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { capacity: 100, keep_finished: 200, keep_events: 32, workers: 1 }
    }
}

/// Jobs in memory.
#[derive(Debug)]
pub struct MemoryStore {
    settings: Settings,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: BTreeMap<JobId, Entry>,
    /// Who waits, first come first served.
    queue: VecDeque<JobId>,
    /// Who is finished, in the order of finishing.
    finished: VecDeque<JobId>,
    /// How fast each engine is with each model.
    paces: HashMap<Player, Pace>,
    closed: bool,
}

/// An engine with its model: what jobs of the same speed have in common.
type Player = (String, Option<String>);

fn player(job: &Job) -> Player {
    (job.engine.clone(), job.model.clone())
}

#[derive(Debug)]
struct Entry {
    job: Job,
    events: VecDeque<Event>,
    last_event: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(settings: Settings) -> Self {
        Self { settings, inner: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No call leaves the data half changed, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The job as it is read: with its place in the queue and its estimated end.
    fn read(&self, id: JobId, now: Timestamp, workers: usize) -> Option<Job> {
        let mut job = self.jobs.get(&id)?.job.clone();
        if job.state == JobState::Queued {
            let position = self.queue.iter().position(|waiting| *waiting == id)?;
            job.queue_position = Some(position as u64);
            let ahead = self.queue.iter().take(position).filter_map(|id| self.jobs.get(id));
            job.eta_seconds = pace::until_done(
                self.running().map(|job| self.remaining(job, now)),
                ahead.map(|entry| self.whole(&entry.job)),
                self.whole(&job),
                workers,
            );
        } else if !job.state.is_final() {
            job.eta_seconds = self.remaining(&job, now);
        }
        Some(job)
    }

    fn running(&self) -> impl Iterator<Item = &Job> {
        self.jobs
            .values()
            .map(|entry| &entry.job)
            .filter(|job| job.state != JobState::Queued && !job.state.is_final())
    }

    /// Seconds that the whole job takes.
    fn whole(&self, job: &Job) -> Option<f64> {
        self.paces.get(&player(job))?.seconds_for(job.audio_seconds)
    }

    /// Seconds that a running job still needs.
    fn remaining(&self, job: &Job, now: Timestamp) -> Option<f64> {
        pace::remaining(job.computing(now), self.whole(job), &job.course)
    }

    /// Writes down that a job changed.
    fn record(&mut self, id: JobId, now: Timestamp, settings: &Settings) {
        let Some(status) = self.read(id, now, settings.workers).map(|job| job.status()) else { return };
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        entry.last_event += 1;
        entry.events.push_back(Event { number: entry.last_event, status });
        let keep = if entry.job.state.is_final() { 1 } else { settings.keep_events.max(1) };
        while entry.events.len() > keep {
            entry.events.pop_front();
        }
    }

    /// The job that `attempt` may change, or what its holder has to hear instead.
    fn held(&mut self, id: JobId, attempt: u32) -> Result<&mut Job, Verdict> {
        match self.jobs.get_mut(&id) {
            Some(entry) if entry.job.attempt != attempt => Err(Verdict::Lost),
            Some(entry) if entry.job.state == JobState::Cancelled => Err(Verdict::Cancelled),
            Some(entry) if !entry.job.state.is_final() && entry.job.state != JobState::Queued => {
                Ok(&mut entry.job)
            }
            _ => Err(Verdict::Lost),
        }
    }

    /// When a place in the queue is likely to be free.
    fn next_place(&self, now: Timestamp) -> Duration {
        let seconds = self
            .running()
            .filter_map(|job| self.remaining(job, now))
            .reduce(f64::min)
            .unwrap_or(RETRY_AFTER_UNKNOWN);
        Duration::from_secs_f64(seconds.ceil().clamp(1.0, RETRY_AFTER_MAX))
    }
}

impl JobStore for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn submit(&self, job: NewJob) -> Result<Job, SubmitError> {
        let mut inner = self.lock();
        let now = Timestamp::now();
        if inner.closed {
            return Err(SubmitError::Closed);
        }
        let capacity = self.settings.capacity;
        if inner.queue.len() >= capacity {
            return Err(SubmitError::QueueFull { capacity, retry_after: inner.next_place(now) });
        }
        let measured = job.real_time_factor;
        let job = Job::accepted(job, now);
        let id = job.id;
        if let Some(measured) = measured {
            inner.paces.entry(player(&job)).or_insert_with(|| Pace::measured(measured));
        }
        inner.jobs.insert(id, Entry { job: job.clone(), events: VecDeque::new(), last_event: 0 });
        inner.queue.push_back(id);
        inner.record(id, now, &self.settings);
        self.changed.notify_one();
        Ok(inner.read(id, now, self.settings.workers).unwrap_or(job))
    }

    fn claim(&self, _: &str) -> Result<Option<Claim>, StoreError> {
        let mut inner = self.lock();
        let now = Timestamp::now();
        if inner.closed {
            return Ok(None);
        }
        let Some(id) = inner.queue.pop_front() else { return Ok(None) };
        let Inner { jobs, paces, .. } = &mut *inner;
        let Some(entry) = jobs.get_mut(&id) else { return Ok(None) };
        if let Some(shares) = paces.get(&player(&entry.job)).and_then(Pace::shares) {
            entry.job.shares = shares;
        }
        entry.job.go(JobState::Planning, now)?;
        entry.job.attempt += 1;
        entry.job.started_at = Some(now);
        let claim = Claim {
            job: id,
            attempt: entry.job.attempt,
            request: Arc::clone(&entry.job.request),
            engine: entry.job.engine.clone(),
        };
        inner.record(id, now, &self.settings);
        Ok(Some(claim))
    }

    fn wait(&self, timeout: Duration) {
        // Whether the time was up or not: the caller looks for itself.
        drop(
            self.changed
                .wait_timeout_while(self.lock(), timeout, |inner| !inner.closed && inner.queue.is_empty()),
        );
    }

    fn report(&self, job: JobId, attempt: u32, report: Report) -> Result<Verdict, StoreError> {
        let mut inner = self.lock();
        let now = Timestamp::now();
        match inner.held(job, attempt) {
            Err(verdict) => Ok(verdict),
            Ok(held) => {
                if held.take(report, now)? {
                    inner.record(job, now, &self.settings);
                }
                Ok(Verdict::Go)
            }
        }
    }

    fn complete(&self, job: JobId, attempt: u32, warnings: Vec<String>) -> Result<Verdict, StoreError> {
        let mut inner = self.lock();
        let now = Timestamp::now();
        match inner.held(job, attempt) {
            Err(verdict) => Ok(verdict),
            Ok(held) => {
                held.go(JobState::Succeeded, now)?;
                for section in &mut held.sections {
                    section.progress = 1.0;
                }
                for warning in warnings {
                    held.warn(warning);
                }
                if let Some(stages) = held.stage_times() {
                    let (player, seconds) = (player(held), held.audio_seconds);
                    inner.paces.entry(player).or_default().learn(stages, seconds);
                }
                inner.finished.push_back(job);
                inner.record(job, now, &self.settings);
                Ok(Verdict::Go)
            }
        }
    }

    fn fail(&self, job: JobId, attempt: u32, failure: Failure) -> Result<Verdict, StoreError> {
        let mut inner = self.lock();
        let now = Timestamp::now();
        match inner.held(job, attempt) {
            Err(verdict) => Ok(verdict),
            Ok(held) => {
                held.go(JobState::Failed, now)?;
                held.error_code = Some(failure.code);
                held.message = failure.message;
                inner.finished.push_back(job);
                inner.record(job, now, &self.settings);
                Ok(Verdict::Go)
            }
        }
    }

    fn cancel(&self, id: JobId) -> Result<Cancelling, StoreError> {
        let mut inner = self.lock();
        let now = Timestamp::now();
        let Some(entry) = inner.jobs.get_mut(&id) else { return Ok(Cancelling::Unknown) };
        match entry.job.state {
            JobState::Cancelled => return Ok(Cancelling::Cancelled(entry.job.clone())),
            JobState::Succeeded | JobState::Failed => return Ok(Cancelling::Finished(entry.job.clone())),
            _ => entry.job.go(JobState::Cancelled, now)?,
        }
        let job = entry.job.clone();
        inner.queue.retain(|waiting| *waiting != id);
        inner.finished.push_back(id);
        inner.record(id, now, &self.settings);
        Ok(Cancelling::Cancelled(job))
    }

    fn get(&self, job: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.lock().read(job, Timestamp::now(), self.settings.workers))
    }

    fn list(&self, filter: &Filter) -> Result<Vec<Job>, StoreError> {
        let inner = self.lock();
        let now = Timestamp::now();
        Ok(inner
            .jobs
            .iter()
            .rev()
            .filter(|(id, entry)| {
                filter.before.is_none_or(|before| **id < before)
                    && filter.state.is_none_or(|state| entry.job.state == state)
            })
            .take(filter.limit)
            .filter_map(|(id, _)| inner.read(*id, now, self.settings.workers))
            .collect())
    }

    fn events(&self, job: JobId, after: u64) -> Result<Option<Vec<Event>>, StoreError> {
        Ok(self.lock().jobs.get(&job).map(|entry| {
            let after = if after > entry.last_event { 0 } else { after };
            entry.events.iter().filter(|event| event.number > after).cloned().collect()
        }))
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        let inner = self.lock();
        Ok(Counts {
            queued: inner.queue.len(),
            running: inner.running().count(),
            capacity: self.settings.capacity,
        })
    }

    fn forget(&self) -> Result<Vec<JobId>, StoreError> {
        let mut inner = self.lock();
        let surplus = inner.finished.len().saturating_sub(self.settings.keep_finished);
        let gone: Vec<JobId> = inner.finished.drain(..surplus).collect();
        for id in &gone {
            inner.jobs.remove(id);
        }
        Ok(gone)
    }

    fn close(&self) {
        let mut inner = self.lock();
        let now = Timestamp::now();
        inner.closed = true;
        for id in std::mem::take(&mut inner.queue) {
            if let Some(entry) = inner.jobs.get_mut(&id)
                && entry.job.go(JobState::Failed, now).is_ok()
            {
                entry.job.error_code = Some("shut_down".to_owned());
                "the server was shut down before this job had its turn; send the request again"
                    .clone_into(&mut entry.job.message);
                inner.finished.push_back(id);
                inner.record(id, now, &self.settings);
            }
        }
        self.changed.notify_all();
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::contract::{self, new_job};

    #[test]
    fn keeps_the_contract() {
        contract::kept_by(|settings| Box::new(MemoryStore::new(settings)));
    }

    #[test]
    fn closing_fails_what_waits() {
        let store = MemoryStore::new(Settings::default());
        let job = store.submit(new_job()).unwrap();
        store.close();
        let job = store.get(job.id).unwrap().unwrap();
        assert_eq!(job.state, JobState::Failed);
        assert_eq!(job.error_code.as_deref(), Some("shut_down"));
    }

    #[test]
    fn events_of_a_job_are_bounded_and_their_numbers_go_on() {
        let store = MemoryStore::new(Settings { keep_events: 3, ..Settings::default() });
        let id = store.submit(new_job()).unwrap().id;
        let claim = store.claim("w").unwrap().unwrap();
        for state in [JobState::Rendering, JobState::Mixing, JobState::Mastering] {
            store.report(id, claim.attempt, Report::Stage(state)).unwrap();
        }
        let numbers: Vec<u64> =
            store.events(id, 0).unwrap().unwrap().iter().map(|event| event.number).collect();
        assert_eq!(numbers, [3, 4, 5]);
        store.complete(id, claim.attempt, Vec::new()).unwrap();
        let last = store.events(id, 0).unwrap().unwrap();
        assert_eq!((last.len(), last[0].number, last[0].status.state), (1, 6, JobState::Succeeded));
    }
}
