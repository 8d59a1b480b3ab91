//! Room for one thing that takes long to load and much memory, shared by all who want it.

use std::{
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
            cancel.check()?;
            let waited = self.changed.wait_timeout(held, ASK_EVERY);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        match &*held {
            Held::Ready(other, ready) if other == key => return Ok(Arc::clone(ready)),
            _ => *held = Held::Coming,
        }
        drop(held);
        let turn = Turn(self);
        let ready = Arc::new(load()?);
        turn.0.put(Held::Ready(key.clone(), Arc::clone(&ready)));
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

    fn put(&self, now: Held<K, T>) {
        *self.lock() = now;
        self.changed.notify_all();
    }
}

/// The right to load. However loading ends, others get theirs.
struct Turn<'a, K, T>(&'a Slot<K, T>);

impl<K, T> Drop for Turn<'_, K, T> {
    fn drop(&mut self) {
        if matches!(*self.0.lock(), Held::Coming) {
            self.0.put(Held::Nothing);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ops::ControlFlow,
        panic::{AssertUnwindSafe, catch_unwind},
        sync::mpsc,
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
