//! Pieces of different sections and jobs, stepped together: each weight is read once for all of them.
//!
//! ```text
//! step      1    2    3    4    5    6    7    8
//! piece A   o----o----o----o----o                     done: its place is free
//! piece B             o----o----o----o----o----o
//! piece C                            o----o----o      came when all places were taken
//! ```
//!
//! A piece joins and leaves between two steps; every one that is in gets a column in every step. What it becomes does not depend on
//! the others. One that nobody wants any more is dropped before the next step, whether it has a place or not.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use super::{
    ModelError,
    codes::Codes,
    generate::{State, step_together},
    model::LanguageModel,
};

/// How often one who waits for tokens asks whether to go on.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The pieces of one model that are on their way.
#[derive(Debug)]
pub(super) struct Batch {
    /// Pieces that are stepped together; at least one.
    places: usize,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    /// In the order in which they came.
    waiting: VecDeque<Entry>,
    /// Whether a thread steps.
    running: bool,
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// Frames that were told of.
    told: usize,
    news: Sender<News>,
    wanted: Weak<()>,
}

/// What becomes of a piece.
#[derive(Debug)]
pub(super) enum News {
    /// More of it: the frames behind those that were told of before, its prompt not counted.
    Frames(Codes),
    /// All of it.
    Done(Box<State>),
    /// It cannot go on.
    Failed(ModelError),
}

/// A piece that is on its way; dropping it takes it out of the batch.
#[derive(Debug)]
pub(super) struct Going {
    news: Receiver<News>,
    /// Alive as long as somebody waits.
    _wanted: Arc<()>,
}

impl Batch {
    /// With room for so many pieces at the same time.
    pub(super) fn new(places: usize) -> Self {
        Self { places: places.max(1), queue: Arc::default() }
    }

    /// Lets a piece of this model take part from the next step on that has a place for it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn join(&self, model: &Arc<LanguageModel>, state: State) -> Result<Going, ModelError> {
        let (send, news) = mpsc::channel();
        let wanted = Arc::new(());
        let told = state.known();
        let entry = Entry { state, told, news: send, wanted: Arc::downgrade(&wanted) };
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(entry);
        if !queue.running {
            let steps = Steps { queue: Arc::clone(&self.queue), places: self.places, given_up: false };
            let model = Arc::clone(model);
            let thread = thread::Builder::new().name("musicgen".to_owned());
            // Before it starts, so that no second one does.
            queue.running = true;
            drop(queue);
            thread.spawn(move || steps.run(&model)).map_err(ModelError::Thread)?;
        }
        Ok(Going { news, _wanted: wanted })
    }

    /// Pieces that wait for a place.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).waiting.len()
    }
}

impl Going {
    /// What is new; `None` when nothing came for a while, so that one can ask whether to wait on.
    ///
    /// # Errors
    /// When the others of the batch, or a fault of this program, took the piece down with them.
    pub(super) fn news(&self) -> Result<Option<News>, ModelError> {
        match self.news.recv_timeout(ASK_EVERY) {
            Ok(news) => Ok(Some(news)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(ModelError::Abandoned),
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // It is changed in single steps, so a panic elsewhere leaves it whole.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to step.
struct Steps {
    queue: Arc<Mutex<Queue>>,
    places: usize,
    given_up: bool,
}

impl Drop for Steps {
    /// When it was not given up, because there is no thread or it panicked, those that wait are let down, so that they say so.
    fn drop(&mut self) {
        if !self.given_up {
            let mut queue = lock(&self.queue);
            queue.running = false;
            queue.waiting.clear();
        }
    }
}

impl Steps {
    /// Steps until there is nothing to step.
    fn run(mut self, model: &LanguageModel) {
        let mut entries: Vec<Entry> = Vec::new();
        while self.admit(&mut entries) {
            let mut states: Vec<&mut State> = entries.iter_mut().map(|entry| &mut entry.state).collect();
            let failures = step_together(model.decoder(), &mut states);
            entries = entries
                .into_iter()
                .zip(failures)
                .filter_map(|(entry, failure)| match failure {
                    None => entry.tell(),
                    Some(error) => {
                        entry.news.send(News::Failed(error)).ok();
                        None
                    }
                })
                .collect();
        }
    }

    /// Drops what nobody wants, and fills the places that are free. Whether there is anything to step; if not, the right to step is given up.
    fn admit(&mut self, entries: &mut Vec<Entry>) -> bool {
        let wanted = |entry: &Entry| entry.wanted.strong_count() > 0;
        entries.retain(wanted);
        let mut queue = lock(&self.queue);
        queue.waiting.retain(wanted);
        let free = self.places.saturating_sub(entries.len()).min(queue.waiting.len());
        entries.extend(queue.waiting.drain(..free));
        queue.running = !entries.is_empty();
        self.given_up = entries.is_empty();
        !self.given_up
    }
}

impl Entry {
    /// Tells what is new. `None` when it is done, or nobody waits for it.
    fn tell(mut self) -> Option<Self> {
        let ready = self.state.ready();
        if ready > self.told {
            let frames = self.state.codes_from(self.told);
            self.told = ready;
            self.news.send(News::Frames(frames)).ok()?;
        }
        if self.state.done() {
            self.news.send(News::Done(Box::new(self.state))).ok();
            return None;
        }
        Some(self)
    }
}
