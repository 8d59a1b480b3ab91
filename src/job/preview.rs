//! What can be heard of a piece while it is being made: its mix before mastering, in 16 bits, as a WAV stream.
//!
//! Who makes a piece writes into a [`Preview`] and never waits; any number of readers follow, each at its own speed and from the
//! start, because what has come is kept until the last of them is gone.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use thiserror::Error;

use super::JobId;
use crate::{
    artifact::{stream_head, stream_samples},
    audio::{Pcm, Spec},
};

/// The preview of one piece. It takes two bytes a sample, 11 MB for a minute of the built-in engine.
#[derive(Default)]
pub struct Preview {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The stream as far as it has come, in pieces of any length.
    blocks: Vec<Arc<[u8]>>,
    end: Option<End>,
    /// Of readers that wait, by their numbers.
    wakers: HashMap<u64, Waker>,
    /// Readers that there have been.
    readers: u64,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Broken,
}

/// The piece was given up before all of it was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the piece was not made to its end")]
pub struct Broken;

impl Preview {
    /// It begins: what follows has this rate and these channels.
    pub fn begin(&self, spec: Spec) {
        self.write(stream_head(spec));
    }

    /// The sound goes on.
    pub fn sound(&self, more: &Pcm) {
        self.write(stream_samples(more));
    }

    /// All of it is there.
    pub fn complete(&self) {
        self.finish(End::Complete);
    }

    /// Nothing more will come. Changes nothing when it is complete.
    pub fn break_off(&self) {
        self.finish(End::Broken);
    }

    /// Follows it from the start.
    pub fn read(self: &Arc<Self>) -> Reader {
        let mut state = self.lock();
        state.readers += 1;
        Reader { preview: Arc::clone(self), number: state.readers, next: 0 }
    }

    fn write(&self, bytes: Vec<u8>) {
        let block = bytes.into();
        self.change(|state| state.blocks.push(block));
    }

    fn finish(&self, end: End) {
        self.change(|state| {
            state.end.get_or_insert(end);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        if state.end.is_none() {
            change(&mut state);
        }
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Preview").field("blocks", &state.blocks.len()).field("end", &state.end).finish()
    }
}

impl State {
    /// What a reader gets that has read `next` blocks, of which one may have been that it broke off.
    fn after(&self, next: usize) -> Poll<Option<Block>> {
        match (self.blocks.get(next), self.end) {
            (Some(block), _) => Poll::Ready(Some(Ok(Arc::clone(block)))),
            (None, None) => Poll::Pending,
            (None, Some(End::Broken)) if next == self.blocks.len() => Poll::Ready(Some(Err(Broken))),
            (None, Some(_)) => Poll::Ready(None),
        }
    }
}

/// One who follows a [`Preview`]. Iterating waits for more; it ends behind the whole piece, or behind [`Broken`].
#[derive(Debug)]
pub struct Reader {
    preview: Arc<Preview>,
    number: u64,
    next: usize,
}

/// A stretch of the stream.
type Block = Result<Arc<[u8]>, Broken>;

impl Reader {
    /// The next stretch of the stream, without waiting: the task is woken when there is more.
    pub fn poll_next(&mut self, context: &Context<'_>) -> Poll<Option<Block>> {
        let mut state = self.preview.lock();
        if let Poll::Ready(found) = state.after(self.next) {
            self.next += 1;
            return Poll::Ready(found);
        }
        state.wakers.insert(self.number, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Its waker keeps a task in memory.
        self.preview.lock().wakers.remove(&self.number);
    }
}

impl Iterator for Reader {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let mut state = self.preview.lock();
        loop {
            if let Poll::Ready(found) = state.after(self.next) {
                self.next += 1;
                return found;
            }
            state = self.preview.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The previews of all jobs, each as long as anybody writes or reads it.
#[derive(Debug, Default)]
pub struct Previews {
    jobs: Mutex<HashMap<JobId, Weak<Preview>>>,
}

impl Previews {
    /// That of a job; one that nothing has come of, when nobody has it yet.
    pub fn of(&self, job: JobId) -> Arc<Preview> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(preview) = jobs.get(&job).and_then(Weak::upgrade) {
            return preview;
        }
        jobs.retain(|_, preview| preview.strong_count() > 0);
        let preview = Arc::default();
        jobs.insert(job, Arc::downgrade(&preview));
        preview
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
        thread,
    };

    use super::*;
    use crate::audio::SampleRate;

    const SPEC: Spec = Spec { rate: SampleRate(8000), channels: 1 };

    fn sound(value: f32) -> Pcm {
        Pcm::new(SPEC, vec![vec![value; 10]]).unwrap()
    }

    fn all(reader: Reader) -> (Vec<u8>, Option<Broken>) {
        let (mut bytes, mut broken) = (Vec::new(), None);
        for block in reader {
            match block {
                Ok(block) => bytes.extend(&*block),
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        (bytes, broken)
    }

    #[test]
    fn who_comes_late_hears_the_same() {
        let preview = Arc::new(Preview::default());
        let early = thread::spawn({
            let reader = preview.read();
            move || all(reader)
        });
        preview.begin(SPEC);
        preview.sound(&sound(0.5));
        let late = preview.read();
        preview.sound(&sound(-0.5));
        preview.complete();
        preview.break_off();
        preview.sound(&sound(0.1));
        let (bytes, broken) = early.join().unwrap();
        assert_eq!((bytes.len(), broken), (44 + 40, None));
        assert!(all(late) == (bytes.clone(), None) && all(preview.read()) == (bytes, None));
    }

    #[test]
    fn what_is_given_up_ends_so_behind_all_that_came() {
        let preview = Arc::new(Preview::default());
        let reader = preview.read();
        preview.begin(SPEC);
        preview.break_off();
        let (bytes, broken) = all(reader);
        assert_eq!((bytes.len(), broken), (44, Some(Broken)));
        let told: Vec<bool> = preview.read().map(|block| block.is_ok()).collect();
        assert_eq!(told, [true, false], "it is told once");
    }

    #[test]
    fn a_task_is_woken_once_for_each_change() {
        #[derive(Default)]
        struct Woken(AtomicUsize);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (preview, woken) = (Arc::new(Preview::default()), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let (mut reader, context) = (preview.read(), Context::from_waker(&waker));
        assert!(reader.poll_next(&context).is_pending() && reader.poll_next(&context).is_pending());
        preview.begin(SPEC);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(matches!(reader.poll_next(&context), Poll::Ready(Some(Ok(_)))));
        assert!(reader.poll_next(&context).is_pending());
        preview.complete();
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(reader.poll_next(&context), Poll::Ready(None));
    }

    #[test]
    fn a_reader_that_is_gone_keeps_no_task() {
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let (preview, task) = (Arc::new(Preview::default()), Arc::new(Task));
        let mut reader = preview.read();
        assert!(reader.poll_next(&Context::from_waker(&Waker::from(Arc::clone(&task)))).is_pending());
        assert_eq!(Arc::strong_count(&task), 2);
        drop(reader);
        assert_eq!(Arc::strong_count(&task), 1);
    }

    #[test]
    fn a_preview_is_shared_as_long_as_somebody_has_it() {
        let (previews, job) = (Previews::default(), JobId::fresh());
        let preview = previews.of(job);
        preview.begin(SPEC);
        assert!(Arc::ptr_eq(&preview, &previews.of(job)));
        drop(preview);
        assert_eq!(previews.of(job).lock().blocks.len(), 0);
        drop(previews.of(JobId::fresh()));
        assert_eq!(previews.jobs.lock().unwrap().len(), 1);
    }
}
