//! The large buffers of a rendering, handed on from track to track: memory that was just used is cheaper than fresh memory.

use std::sync::{Mutex, PoisonError};

use super::track::Stereo;

/// Buffers that nobody uses at the moment, all of one length.
#[derive(Debug)]
pub(super) struct Spares {
    frames: usize,
    silent: Mutex<Vec<Stereo>>,
    used: Mutex<Vec<Stereo>>,
}

impl Spares {
    pub(super) fn new(frames: usize) -> Self {
        Self { frames, silent: Mutex::default(), used: Mutex::default() }
    }

    /// Silence.
    pub(super) fn take(&self) -> Stereo {
        let last = |of: &Mutex<Vec<Stereo>>| of.lock().unwrap_or_else(PoisonError::into_inner).pop();
        last(&self.silent).unwrap_or_else(|| match last(&self.used) {
            Some(mut sound) => {
                for side in sound.sides() {
                    side.fill(0.0);
                }
                sound
            }
            None => Stereo::silence(self.frames),
        })
    }

    /// Takes back what has been used.
    pub(super) fn put(&self, sound: Stereo) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).push(sound);
    }

    /// Takes back what is silent again.
    pub(super) fn put_silent(&self, sound: Stereo) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).push(sound);
    }
}
