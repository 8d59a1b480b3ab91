//! The tokens of a piece: what the language model writes and the codec reads.

use std::ops::Range;

/// Tokens, codebook by codebook, all equally long. A stereo model's codebooks are interleaved: left 0, right 0, left 1, ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes(Vec<Vec<u32>>);

impl Codes {
    /// Codebooks without frames.
    pub fn empty(codebooks: usize) -> Self {
        Self(vec![Vec::new(); codebooks])
    }

    /// Codebooks made one by one. They are cut to the shortest.
    pub fn from_fn(codebooks: usize, codebook: impl FnMut(usize) -> Vec<u32>) -> Self {
        let mut codes: Vec<Vec<u32>> = (0..codebooks).map(codebook).collect();
        let frames = codes.iter().map(Vec::len).min().unwrap_or_default();
        for codebook in &mut codes {
            codebook.truncate(frames);
        }
        Self(codes)
    }

    /// How many codebooks there are.
    pub fn codebooks(&self) -> usize {
        self.0.len()
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    /// The tokens of one codebook; none of one that there is not.
    pub fn codebook(&self, codebook: usize) -> &[u32] {
        self.0.get(codebook).map_or(&[], Vec::as_slice)
    }

    /// All codebooks, in the model's order.
    pub fn as_slices(&self) -> &[Vec<u32>] {
        &self.0
    }

    /// The frames from `first` on.
    #[must_use]
    pub fn from_frame(&self, first: usize) -> Self {
        self.part(first..self.frames())
    }

    /// Those of these frames that there are.
    #[must_use]
    pub fn part(&self, frames: Range<usize>) -> Self {
        let end = frames.end.min(self.frames());
        let start = frames.start.min(end);
        Self(self.0.iter().map(|codebook| codebook[start..end].to_vec()).collect())
    }

    /// The last `frames` frames, or all when there are fewer.
    #[must_use]
    pub fn last(&self, frames: usize) -> Self {
        self.from_frame(self.frames().saturating_sub(frames))
    }

    /// Puts frames of as many codebooks behind these.
    pub fn append(&mut self, more: &Self) {
        for (codebook, more) in self.0.iter_mut().zip(&more.0) {
            codebook.extend(more);
        }
    }

    /// The largest token, if there is any.
    pub fn largest(&self) -> Option<u32> {
        self.0.iter().flatten().max().copied()
    }
}

impl TryFrom<Vec<Vec<u32>>> for Codes {
    type Error = Ragged;

    fn try_from(codes: Vec<Vec<u32>>) -> Result<Self, Ragged> {
        if codes.windows(2).any(|pair| pair[0].len() != pair[1].len()) {
            Err(Ragged)
        } else {
            Ok(Self(codes))
        }
    }
}

impl From<Codes> for Vec<Vec<u32>> {
    fn from(codes: Codes) -> Self {
        codes.0
    }
}

/// Codebooks that are not equally long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the codebooks are not equally long")]
pub struct Ragged;
