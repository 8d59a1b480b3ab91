//! Threads that stay awake between the parts of a long piece of work.
//!
//! A step of the decoder is some two hundred products, one after the other, of some ten microseconds each. To send a thread to sleep
//! and wake it again takes as long as one of them, so those that help wait awake. Nobody waits for a thread that has not come: each
//! takes the next part that nobody has begun, and a thread that is alone does all of them.
#![allow(
    unsafe_code,
    reason = "what threads share for a while lives no longer than that; see `Shared::take`"
)]

use std::{
    any::Any,
    hint,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

/// The right to give a crew something to do.
#[derive(Debug)]
pub(super) struct Crew<'a>(&'a Shared);

/// What the threads of a crew know.
#[derive(Debug, Default)]
struct Shared {
    /// The number of the task in the upper half, and in the lower how many of its parts nobody has begun.
    left: AtomicU64,
    task: AtomicPtr<Task<'static>>,
    /// Parts of the task that are done.
    done: AtomicUsize,
    over: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// What is to be done with the number of each part.
struct Task<'a>(&'a (dyn Fn(usize) + Sync));

/// Does some work with a crew of all threads of the pool that have nothing else to do.
pub(super) fn with_crew<T: Send>(work: impl FnOnce(&mut Crew<'_>) -> T + Send) -> T {
    let crew = Shared::default();
    rayon::scope(|scope| {
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(|_| crew.help());
        }
        // Panics too let the others go.
        let _over = Over(&crew);
        work(&mut Crew(&crew))
    })
}

struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}

impl Crew<'_> {
    /// Does something with each chunk of some values; the last one may be shorter. Chunks are counted from 0.
    pub(super) fn each_chunk<T: Send>(
        &mut self,
        values: &mut [T],
        size: usize,
        work: impl Fn(usize, &mut [T]) + Sync,
    ) {
        if (1..=size).contains(&values.len()) {
            // Of a single one nobody else has to hear.
            return work(0, values);
        }
        let chunks: Vec<Mutex<&mut [T]>> = values.chunks_mut(size.max(1)).map(Mutex::new).collect();
        self.0.each(chunks.len(), &|part| {
            work(part, &mut chunks[part].lock().unwrap_or_else(PoisonError::into_inner));
        });
    }
}

impl Shared {
    /// Does each of so many parts once. For one thread at a time, which [`Crew`] sees to.
    fn each(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
        let task = Task(part);
        self.done.store(0, Ordering::Relaxed);
        self.task.store(ptr::from_ref(&task).cast_mut().cast(), Ordering::Relaxed);
        let number = (self.left.load(Ordering::Relaxed) >> 32) + 1;
        self.left.store(number << 32 | parts as u64, Ordering::Release);
        while self.take() {}
        let mut turns = 0;
        // From here on nobody knows of the task any more.
        while self.done.load(Ordering::Acquire) < parts {
            wait(&mut turns);
        }
        if let Some(panic) = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(panic);
        }
    }

    /// Does one more part, if there is one.
    fn take(&self) -> bool {
        let left = self.left.load(Ordering::Acquire);
        if left as u32 == 0 {
            return false;
        }
        let task = self.task.load(Ordering::Relaxed);
        if self.left.compare_exchange(left, left - 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            // Somebody else was faster.
            return true;
        }
        // SAFETY: one part of the task with this number is ours now, and not done. `each` does not return, and so its task lives and no
        // other takes its place, before all parts are done. It was stored before the number, which we have seen.
        let Task(part) = unsafe { &*task };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| part(left as u32 as usize - 1))) {
            *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
        self.done.fetch_add(1, Ordering::Release);
        true
    }

    fn help(&self) {
        let mut turns = 0;
        while !self.over.load(Ordering::Acquire) {
            if self.take() {
                turns = 0;
            } else {
                wait(&mut turns);
            }
        }
    }
}

/// Waits some nanoseconds, or longer after many turns.
fn wait(turns: &mut usize) {
    *turns += 1;
    if turns.is_multiple_of(4096) {
        thread::yield_now();
    } else {
        hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_worked_on_once_by_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut values = vec![0_usize; 1003];
            pool.install(|| {
                with_crew(|crew| {
                    for round in 0..2000 {
                        crew.each_chunk(&mut values, 1 + round % 90, |chunk, values| {
                            let first = chunk * (1 + round % 90);
                            for (place, value) in values.iter_mut().enumerate() {
                                *value += first + place;
                            }
                        });
                    }
                });
            });
            assert!(values.iter().enumerate().all(|(place, value)| *value == 2000 * place), "{threads}");
        }
    }

    #[test]
    fn a_panic_in_a_part_is_one_of_the_whole() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        for _ in 0..50 {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                pool.install(|| {
                    with_crew(|crew| {
                        crew.each_chunk(&mut [0; 40], 1, |part, _| {
                            // Without the report that a panic prints.
                            if part == 7 {
                                resume_unwind(Box::new("seven"));
                            }
                        });
                    });
                });
            }));
            assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"seven"));
        }
        assert_eq!(pool.install(|| with_crew(|_| 5)), 5);
    }
}
