//! Room for one thing that takes long to load and much memory, shared by all who want it.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::cancel::{Cancel, Cancelled};

/// How often one who waits for another to load asks whether to go on.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Room for one `T` by its key. It stays until another one is wanted.
#[derive(Debug)]
pub(super) struct Slot<K, T> {
    held: Mutex<Held<K, T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Held<K, T> {
    Nothing,
    /// Somebody loads.
    Coming,
    Ready(K, Arc<T>),
}

impl<K, T> Default for Slot<K, T> {
    fn default() -> Self {
        Self { held: Mutex::new(Held::Nothing), changed: Condvar::new() }
    }
}

impl<K: Clone + PartialEq, T> Slot<K, T> {
    /// What belongs to a key: at once when it is there, otherwise loaded now. Two are never loaded at the same time: who comes
    /// while another loads waits for it, but hears a cancel. What was there before is given up before loading. A failure is not
    /// remembered.
    ///
    /// # Errors
    /// When loading fails, or the wait was cancelled.
    pub(super) fn get<E: From<Cancelled>>(
        &self,
        key: &K,
        cancel: &dyn Cancel,
        load: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut held = self.lock();
        while matches!(*held, Held::Coming) {
            let waited = self.changed.wait_timeout(held, ASK_EVERY);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            cancel.check()?;
            held = self.lock();
        }
        match &*held {
            Held::Ready(other, ready) if other == key => return Ok(Arc::clone(ready)),
            _ => *held = Held::Coming,
        }
        drop(held);
        let mut turn = Turn { slot: self, leaves: Held::Nothing };
        let ready = Arc::new(load()?);
        turn.leaves = Held::Ready(key.clone(), Arc::clone(&ready));
        Ok(ready)
    }

    /// Whether what belongs to a key is there.
    pub(super) fn has(&self, key: &K) -> bool {
        matches!(&*self.lock(), Held::Ready(other, _) if other == key)
    }
}

impl<K, T> Slot<K, T> {
    fn lock(&self) -> MutexGuard<'_, Held<K, T>> {
        // It is set in one step, so a panic elsewhere leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to load. However loading ends, others get theirs.
struct Turn<'a, K, T> {
    slot: &'a Slot<K, T>,
    /// What is there behind it.
    leaves: Held<K, T>,
}

impl<K, T> Drop for Turn<'_, K, T> {
    fn drop(&mut self) {
        *self.slot.lock() = mem::replace(&mut self.leaves, Held::Nothing);
        self.slot.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ops::ControlFlow,
        panic::{AssertUnwindSafe, catch_unwind},
        sync::{
            atomic::{AtomicBool, Ordering},
            mpsc,
        },
        thread,
    };

    use super::*;
    use crate::cancel::Never;

    struct Always;

    impl Cancel for Always {
        fn go_on(&self) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }

    #[test]
    fn who_waits_for_another_to_load_hears_a_cancel() {
        let slot: Slot<&str, u32> = Slot::default();
        let ((begun, begins), (end, ends)) = (mpsc::channel(), mpsc::channel());
        thread::scope(|scope| {
            let slot = &slot;
            let loads = scope.spawn(move || {
                slot.get::<Cancelled>(&"a", &Never, || {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                    Ok(1)
                })
            });
            begins.recv().unwrap();
            assert!(!slot.has(&"a"));
            // It would wait for ever: the other one goes on only after this.
            let cancelled = slot.get::<Cancelled>(&"a", &Always, || Ok(2));
            assert_eq!(cancelled.unwrap_err(), Cancelled);
            let waits = scope.spawn(move || slot.get::<Cancelled>(&"a", &Never, || Ok(3)));
            end.send(()).unwrap();
            let (loaded, waited) = (loads.join().unwrap().unwrap(), waits.join().unwrap().unwrap());
            assert!(Arc::ptr_eq(&loaded, &waited) && *waited == 1);
        });
        assert!(slot.has(&"a"));
    }

    #[test]
    fn two_are_never_loaded_at_the_same_time() {
        let (slot, loading): (Slot<usize, ()>, _) = (Slot::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            for first in 0..3 {
                let (slot, loading) = (&slot, &loading);
                scope.spawn(move || {
                    for key in first..first + 300 {
                        let loaded = slot.get::<Cancelled>(&(key % 3), &Never, || {
                            assert!(!loading.swap(true, Ordering::SeqCst), "another one is being loaded");
                            thread::yield_now();
                            loading.store(false, Ordering::SeqCst);
                            Ok(())
                        });
                        loaded.unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn one_is_kept_and_given_up_before_the_next_is_loaded() {
        let slot: Slot<&str, u32> = Slot::default();
        let first = slot.get::<Cancelled>(&"a", &Never, || Ok(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &slot.get::<Cancelled>(&"a", &Never, || Ok(2)).unwrap()));
        let first = Arc::downgrade(&{ first });
        let next = slot.get::<Cancelled>(&"b", &Never, || Ok(first.strong_count() as u32)).unwrap();
        assert_eq!((*next, slot.has(&"a"), slot.has(&"b")), (0, false, true));
    }

    #[test]
    fn a_load_that_fails_or_panics_leaves_room() {
        let slot: Slot<&str, u32> = Slot::default();
        assert!(slot.get(&"a", &Never, || Err(Cancelled)).is_err());
        let panicked =
            catch_unwind(AssertUnwindSafe(|| slot.get::<Cancelled>(&"a", &Never, || panic!("no"))));
        assert!(panicked.is_err() && !slot.has(&"a"));
        assert_eq!(*slot.get::<Cancelled>(&"a", &Never, || Ok(5)).unwrap(), 5);
    }
}
