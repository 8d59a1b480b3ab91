//! The buffers of a rendering, handed on from track to track and from section to section: memory that was just used costs less
//! than fresh memory, which a system hands out page by page.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::track::Stereo;

/// Frames of two channels that are held while nothing is rendered, at most: 96 MiB.
const HELD: usize = 12 << 20;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Spares(Mutex<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    /// As long as a rendering.
    silent: Vec<Stereo>,
    used: Vec<Stereo>,
    /// Short.
    copies: Vec<Stereo>,
}

impl Spares {
    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Silence.
    pub(super) fn take(&self, frames: usize) -> Stereo {
        let (silent, used) = {
            let mut shelves = self.shelves();
            let silent = shelves.silent.pop();
            let used = if silent.is_none() { shelves.used.pop() } else { None };
            (silent, used)
        };
        let mut sound = silent.or_else(|| used.map(Stereo::cleared)).unwrap_or_else(|| Stereo::silence(0));
        if sound.left.capacity() < frames {
            return Stereo::silence(frames);
        }
        for side in [&mut sound.left, &mut sound.right] {
            side.resize(frames, 0.0);
        }
        sound
    }

    /// A buffer with room for some frames, with or without anything in it.
    pub(super) fn buffer(&self, frames: usize) -> Stereo {
        let used = self.shelves().used.pop();
        used.filter(|sound| sound.left.capacity() >= frames)
            .unwrap_or_else(|| Stereo { left: Vec::with_capacity(frames), right: Vec::with_capacity(frames) })
    }

    /// Takes back what has been used.
    pub(super) fn put(&self, sound: Stereo) {
        self.shelves().used.push(sound);
    }

    /// Takes back what is silent again.
    pub(super) fn put_silent(&self, sound: Stereo) {
        self.shelves().silent.push(sound);
    }

    /// A copy of a short stretch of sound, all of which are about as long.
    pub(super) fn copy(&self, sides: [&[f32]; 2]) -> Stereo {
        let copy = self.shelves().copies.pop();
        let mut copy = copy.unwrap_or_else(|| Stereo::silence(0));
        for (copy, side) in [&mut copy.left, &mut copy.right].into_iter().zip(sides) {
            copy.clear();
            copy.extend_from_slice(side);
        }
        copy
    }

    /// Takes back what was made by [`Self::copy`].
    pub(super) fn put_copies(&self, copies: impl IntoIterator<Item = Stereo>) {
        self.shelves().copies.extend(copies);
    }

    /// Lets go of what is more than is held until the next rendering.
    pub(super) fn shrink(&self) {
        let mut shelves = self.shelves();
        let Shelves { silent, used, copies } = &mut *shelves;
        let mut held = 0;
        for shelf in [silent, used, copies] {
            shelf.retain(|sound| {
                held += sound.left.capacity();
                held <= HELD
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_silent_and_as_long_as_asked() {
        let spares = Spares::default();
        spares.put_silent(Stereo::silence(100));
        for frames in [100, 50, 80, 200] {
            let mut sound = spares.take(frames);
            assert_eq!(sound, Stereo::silence(frames));
            sound.left.fill(1.0);
            spares.put(sound);
        }
    }

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let spares = Spares::default();
        for _ in 0..3 {
            spares.put(Stereo::silence(HELD / 2));
        }
        spares.shrink();
        assert_eq!(spares.shelves().used.len(), 2);
    }
}
