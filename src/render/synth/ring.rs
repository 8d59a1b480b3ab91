//! A ring of past samples, written a block at a time and read from anywhere: what delays are made of.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

/// Frames that are written at a time; no delay is shorter.
pub(super) const BLOCK: usize = 64;
/// Frames that are read at a time, at most.
const AHEAD: usize = 2 * BLOCK;

pub(super) type Frames = [f32; BLOCK];

/// The ring.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// The past, and behind its end once more what it begins with, so that no reading falls apart.
    past: Vec<f32>,
    frames: usize,
    at: usize,
}

impl Ring {
    /// Silence that reaches back `frames` frames.
    pub(super) fn new(frames: usize) -> Self {
        let frames = frames.next_multiple_of(BLOCK).max(AHEAD);
        Self { past: vec![0.0; frames + AHEAD], frames, at: 0 }
    }

    /// Writes what comes next.
    #[inline(always)]
    pub(super) fn push(&mut self, block: &Frames) {
        self.past[self.at..self.at + BLOCK].copy_from_slice(block);
        if self.at < AHEAD {
            let again = self.frames + self.at;
            self.past[again..again + BLOCK].copy_from_slice(block);
        }
        self.at = if self.at + BLOCK == self.frames { 0 } else { self.at + BLOCK };
    }

    /// `COUNT` frames, from `back` frames before the next one on.
    #[inline(always)]
    pub(super) fn read<const COUNT: usize>(&self, back: usize) -> [f32; COUNT] {
        const { assert!(COUNT <= AHEAD) };
        let from = if back <= self.at { self.at - back } else { self.at + self.frames - back };
        let read = &self.past[from..from + COUNT];
        std::array::from_fn(|i| read[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_from_anywhere() {
        let mut ring = Ring::new(300);
        for block in 0..20 {
            ring.push(&std::array::from_fn(|i| (block * BLOCK + i) as f32));
            let next = (block + 1) * BLOCK;
            for back in [64, 65, 127, 128, 250, 300] {
                let read: [f32; 64] = ring.read(back);
                let expected = |i: usize| (next + i).checked_sub(back).map_or(0.0, |frame| frame as f32);
                assert_eq!(read, std::array::from_fn(expected), "{back} back from {next}");
            }
        }
    }
}
