//! The worker role: plain threads that claim jobs, run them and report.
//!
//! A job that panics fails alone, and a worker outlives whatever else panics, a log that cannot be written included.
//!
//! To shut down, [`Workers::drain`] first closes the store, so that nothing new begins, then lets running jobs finish for a
//! while, and then stops them; those fail with code `shut_down`.

use std::{
    any::Any,
    error::Error,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    artifact::Shelf,
    job::{
        Failure, JobStore, PlannedSection, Report,
        preview::{Preview, Previews},
        retention,
        run::{Progress, RunError, Runner},
        store::{Claim, StoreError, Verdict},
    },
    plan::Plan,
    wire::{JobState, Manifest},
};

/// How long an idle worker sleeps at most before it looks for jobs by itself.
const IDLE: Duration = Duration::from_secs(1);
/// How often a running job is reported, and with that how soon a cancel is heard.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// How long a job may take to stop once it was told to.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How many workers there are and how long they may take to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Jobs that run at the same time.
    pub workers: usize,
    /// How long running jobs may go on after a shutdown was asked for.
    pub drain_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { workers: 1, drain_timeout: Duration::from_secs(30) }
    }
}

/// What workers work with.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Where jobs come from.
    pub store: Arc<dyn JobStore>,
    /// What runs them.
    pub runner: Arc<dyn Runner>,
    /// Where jobs are heard while they run.
    pub previews: Arc<Previews>,
    /// Where the runner puts artifacts, and where those that nobody wants any more are taken from.
    pub shelf: Arc<Shelf>,
}

/// The running threads.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    bench: Bench,
    stop: Arc<AtomicBool>,
    drain_timeout: Duration,
    /// Disconnected once the last thread has ended.
    ended: Receiver<()>,
    at_work: Weak<()>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(settings: Settings, bench: &Bench) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (alive, ended) = mpsc::channel();
        let at_work = Arc::new(());
        let threads = (0..settings.workers.max(1))
            .map(|number| {
                let worker = Worker {
                    name: format!("worker-{number}"),
                    bench: bench.clone(),
                    stop: Arc::clone(&stop),
                    alive: alive.clone(),
                    at_work: Arc::clone(&at_work),
                };
                thread::Builder::new().name(worker.name.clone()).spawn(move || worker.work())
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            threads,
            bench: bench.clone(),
            stop,
            drain_timeout: settings.drain_timeout,
            ended,
            at_work: Arc::downgrade(&at_work),
        })
    }

    /// Held by every thread: its strong count is the number of workers that live.
    pub fn at_work(&self) -> Weak<()> {
        Weak::clone(&self.at_work)
    }

    /// Closes the store, waits for running jobs up to the drain timeout, then stops them. Says whether every thread has ended; one
    /// that has not is left behind with a warning, and its job is not finished.
    pub fn drain(self) -> bool {
        self.bench.store.close();
        if !self.all_ended(self.drain_timeout) {
            tracing::warn!("stopping the jobs that still run");
            self.stop.store(true, Ordering::Relaxed);
            if !self.all_ended(STOP_WITHIN) {
                tracing::warn!("a job did not stop and is left behind");
                return false;
            }
        }
        // A worker catches what its jobs throw, so that joining cannot fail in a way that matters here.
        self.threads.into_iter().all(|thread| thread.join().is_ok())
    }

    fn all_ended(&self, timeout: Duration) -> bool {
        self.ended.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected)
    }
}

/// One thread.
#[derive(Debug)]
struct Worker {
    name: String,
    bench: Bench,
    stop: Arc<AtomicBool>,
    /// Never sent through: dropped when the thread ends.
    alive: Sender<()>,
    at_work: Arc<()>,
}

impl Worker {
    fn work(self) {
        while !self.stop.load(Ordering::Relaxed) {
            match catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(payload) => {
                    // It may be the log that panics.
                    let _unheard = catch_unwind(AssertUnwindSafe(|| {
                        let panic = panic_text(payload.as_ref());
                        tracing::error!(worker = self.name, panic, "the worker panicked and goes on");
                    }));
                    thread::sleep(IDLE);
                }
            }
        }
        drop((self.at_work, self.alive));
    }

    /// Runs the next job, or waits for one. Breaks when there will be none.
    fn turn(&self) -> ControlFlow<()> {
        match self.bench.store.claim(&self.name) {
            Ok(Some(claim)) => self.run(&claim),
            Ok(None) if self.bench.store.is_closed() => return ControlFlow::Break(()),
            Ok(None) => self.bench.store.wait(IDLE),
            Err(error) => {
                tracing::error!(worker = self.name, error = &error as &dyn Error, "cannot claim a job");
                thread::sleep(IDLE);
            }
        }
        ControlFlow::Continue(())
    }

    /// Runs one job to its end, whatever happens in it. The store hears of the end before the log does.
    fn run(&self, claim: &Claim) {
        let _span = tracing::info_span!("job", id = %claim.job, attempt = claim.attempt).entered();
        let start = Instant::now();
        let line = Line::new(self, claim);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            tracing::info!(worker = self.name, engine = claim.engine, "started");
            self.bench.runner.run(claim.job, &claim.request, &line)
        }));
        let verdict = match outcome {
            Ok(Ok(manifest)) => {
                let verdict = self.complete(claim, manifest);
                if matches!(verdict, Ok(Verdict::Go)) {
                    line.preview.complete();
                }
                verdict
            }
            Ok(Err(error)) => self.fail(claim, &error),
            Err(payload) => {
                let message = "something broke inside the server; its log says what";
                let verdict = self.fail_with(claim, "internal", message.to_owned());
                tracing::error!(panic = panic_text(payload.as_ref()), "the job panicked");
                verdict
            }
        };
        match verdict {
            Ok(verdict) => {
                tracing::info!(?verdict, milliseconds = start.elapsed().as_millis() as u64, "ended");
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "the end of the job could not be reported");
            }
        }
        retention::sweep(&*self.bench.store, &self.bench.shelf);
    }

    fn complete(&self, claim: &Claim, manifest: Manifest) -> Result<Verdict, StoreError> {
        let verdict = self.bench.store.complete(claim.job, claim.attempt, manifest.warnings);
        let unwanted = match &verdict {
            Ok(Verdict::Go) | Err(_) => false,
            Ok(Verdict::Cancelled) => true,
            // Another attempt may own the place on the shelf; nobody does when the job is forgotten.
            Ok(Verdict::Lost) => matches!(self.bench.store.get(claim.job), Ok(None)),
        };
        if unwanted {
            retention::discard(&self.bench.shelf, claim.job);
        }
        verdict
    }

    fn fail(&self, claim: &Claim, error: &RunError) -> Result<Verdict, StoreError> {
        if !error.is_cancelled() {
            let verdict = self.fail_with(claim, error.code(), error.outside());
            tracing::error!(code = error.code(), error = error as &dyn Error, "failed");
            return verdict;
        }
        // Of a job that was cancelled neither changes anything: it is final already.
        if self.stop.load(Ordering::Relaxed) {
            let message = "the server was shut down before the piece was done; send the request again";
            return self.fail_with(claim, "shut_down", message.to_owned());
        }
        self.fail_with(
            claim,
            "internal",
            "the engine gave up without being told to; the log may say why".to_owned(),
        )
    }

    fn fail_with(&self, claim: &Claim, code: &str, message: String) -> Result<Verdict, StoreError> {
        self.bench.store.fail(claim.job, claim.attempt, Failure { code: code.to_owned(), message })
    }
}

/// The line from a running job to the store. Once it was told to stop, every answer is to stop.
struct Line<'a> {
    worker: &'a Worker,
    claim: &'a Claim,
    /// When anything was last reported.
    reported: Mutex<Option<Instant>>,
    stopped: AtomicBool,
    preview: Arc<Preview>,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.preview.break_off();
    }
}

impl<'a> Line<'a> {
    fn new(worker: &'a Worker, claim: &'a Claim) -> Self {
        let preview = worker.bench.previews.of(claim.job);
        Self { worker, claim, reported: Mutex::new(None), stopped: AtomicBool::new(false), preview }
    }

    /// Whether a report is due, now or for the time that has passed.
    fn due(&self, now: bool) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now || reported.is_none_or(|last| last.elapsed() >= REPORT_EVERY);
        if due {
            *reported = Some(Instant::now());
        }
        due
    }

    /// Reports now, or when it is time again.
    fn report(&self, now: bool, report: impl FnOnce() -> Report) -> ControlFlow<()> {
        if !self.stopped.load(Ordering::Relaxed) && self.due(now) && self.send(report()).is_break() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        if self.stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn send(&self, report: Report) -> ControlFlow<()> {
        if self.worker.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        match self.worker.bench.store.report(self.claim.job, self.claim.attempt, report) {
            Ok(Verdict::Go) => ControlFlow::Continue(()),
            Ok(Verdict::Cancelled | Verdict::Lost) => ControlFlow::Break(()),
            Err(error) => {
                // Progress is not worth a job: the next report may get through.
                tracing::warn!(error = &error as &dyn Error, "a report was not taken in");
                ControlFlow::Continue(())
            }
        }
    }
}

impl Progress for Line<'_> {
    fn stage(&self, state: JobState) -> ControlFlow<()> {
        tracing::info!(stage = state.name(), "stage");
        self.report(true, || Report::Stage(state))
    }

    fn go_on(&self) -> ControlFlow<()> {
        self.report(false, || Report::Alive)
    }

    fn planned(&self, plan: &Plan) {
        let planned = || Report::Planned {
            sections: plan
                .sections
                .iter()
                .map(|section| PlannedSection {
                    id: section.id.clone(),
                    label: section.label.clone(),
                    frames: section.length_frames,
                })
                .collect(),
            warnings: plan.warnings().to_vec(),
        };
        // A cancel is heard at the next stage.
        let _: ControlFlow<()> = self.report(true, planned);
    }

    fn loading(&self) {
        // A cancel is heard while it does.
        let _: ControlFlow<()> = self.report(true, || Report::Loading);
    }

    fn rendered(&self, section: usize, done: f64) -> ControlFlow<()> {
        self.report(done >= 1.0, || Report::Rendered { section, done })
    }

    fn preview(&self) -> Option<&Preview> {
        Some(&self.preview)
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tracing::{Event, Metadata, Subscriber, span, subscriber};

    use super::*;
    use crate::{
        job::{JobId, MemoryStore, contract::new_job, memory},
        request::Request,
    };

    /// A runner that stops at once.
    #[derive(Debug)]
    struct Idle;

    impl Runner for Idle {
        fn run(&self, _: JobId, _: &Request, _: &dyn Progress) -> Result<Manifest, RunError> {
            Err(RunError::Cancelled)
        }
    }

    fn worker(directory: &TempDir) -> Worker {
        let bench = Bench {
            store: Arc::new(MemoryStore::new(memory::Settings::default())),
            runner: Arc::new(Idle),
            previews: Arc::default(),
            shelf: Arc::new(Shelf::open(directory.path()).unwrap()),
        };
        let (alive, _) = mpsc::channel();
        let stop = Arc::default();
        Worker { name: "worker".to_owned(), bench, stop, alive, at_work: Arc::default() }
    }

    /// A log that cannot be written to.
    struct Broken;

    impl Subscriber for Broken {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn event(&self, _: &Event<'_>) {
            panic!("broken pipe");
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn what_was_told_to_stop_stays_so() {
        let directory = tempfile::tempdir().unwrap();
        let worker = worker(&directory);
        let store = &worker.bench.store;
        let job = store.submit(new_job()).unwrap().id;
        let claim = store.claim("worker").unwrap().unwrap();
        let line = Line::new(&worker, &claim);
        assert!(line.go_on().is_continue());
        store.cancel(job).unwrap();
        assert!(line.rendered(0, 1.0).is_break());
        assert!(line.go_on().is_break() && line.go_on().is_break());
        assert!(line.rendered(0, 0.5).is_break() && line.stage(JobState::Mixing).is_break());
    }

    #[test]
    fn a_log_that_panics_ends_no_worker() {
        let directory = tempfile::tempdir().unwrap();
        let worker = worker(&directory);
        let store = Arc::clone(&worker.bench.store);
        let jobs = [store.submit(new_job()).unwrap().id, store.submit(new_job()).unwrap().id];
        let thread = thread::spawn(|| subscriber::with_default(Broken, || worker.work()));
        let deadline = Instant::now() + Duration::from_secs(30);
        for job in jobs {
            while store.get(job).unwrap().unwrap().state != JobState::Failed {
                assert!(Instant::now() < deadline && !thread.is_finished(), "the worker is gone");
                thread::sleep(Duration::from_millis(5));
            }
        }
        store.close();
        thread.join().unwrap();
    }
}
