//! Planar 32-bit float audio.

use std::ops::Range;

use thiserror::Error;

use super::SampleRate;

/// What samples need beside them to mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Frames per second.
    pub rate: SampleRate,
    /// Number of channels; 1 is mono, 2 is left and right.
    pub channels: usize,
}

impl Spec {
    /// Two channels at `rate`.
    pub fn stereo(rate: SampleRate) -> Self {
        Self { rate, channels: 2 }
    }
}

/// Audio as one plane of `f32` samples per channel, all of one length. Full scale is -1 to 1, values beyond it are allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Pcm {
    spec: Spec,
    planes: Vec<Vec<f32>>,
}

/// Why planes do not form audio.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PcmError {
    /// The number of planes is not the number of channels, or it is zero.
    #[error("{planes} planes for {channels} channels")]
    Channels {
        /// Planes given.
        planes: usize,
        /// Channels the spec names.
        channels: usize,
    },
    /// Two planes differ in length.
    #[error("channel {channel} has {frames} frames, the first has {expected}")]
    Ragged {
        /// The channel that differs.
        channel: usize,
        /// Its length.
        frames: usize,
        /// The length of the first channel.
        expected: usize,
    },
}

impl Pcm {
    /// Takes planes as audio.
    ///
    /// # Errors
    /// When there is not exactly one plane per channel, or their lengths differ.
    pub fn new(spec: Spec, planes: Vec<Vec<f32>>) -> Result<Self, PcmError> {
        if planes.is_empty() || planes.len() != spec.channels {
            return Err(PcmError::Channels { planes: planes.len(), channels: spec.channels });
        }
        let expected = planes[0].len();
        match planes.iter().position(|plane| plane.len() != expected) {
            Some(channel) => Err(PcmError::Ragged { channel, frames: planes[channel].len(), expected }),
            None => Ok(Self { spec, planes }),
        }
    }

    /// `frames` frames of digital silence. A spec without channels is taken as mono.
    pub fn silence(spec: Spec, frames: usize) -> Self {
        let spec = Spec { channels: spec.channels.max(1), ..spec };
        Self { spec, planes: vec![vec![0.0; frames]; spec.channels] }
    }

    /// Rate and channel count.
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// Frames per second.
    pub fn rate(&self) -> SampleRate {
        self.spec.rate
    }

    /// Length in frames.
    pub fn frames(&self) -> usize {
        self.planes[0].len()
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.spec.rate.seconds(self.frames())
    }

    /// The planes, in channel order.
    pub fn planes(&self) -> &[Vec<f32>] {
        &self.planes
    }

    /// The samples of every channel, to be changed in place.
    pub fn planes_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.planes.iter_mut().map(Vec::as_mut_slice)
    }

    /// Gives the planes back.
    pub fn into_planes(self) -> Vec<Vec<f32>> {
        self.planes
    }

    /// The largest absolute sample value, 0 for silence. NaN samples do not count.
    pub fn peak(&self) -> f32 {
        self.planes.iter().flatten().fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// Whether every sample is a finite number.
    pub fn is_finite(&self) -> bool {
        self.planes.iter().flatten().all(|sample| sample.is_finite())
    }

    /// Makes the audio exactly `frames` long: cuts the end, or appends silence.
    pub fn resize(&mut self, frames: usize) {
        for plane in &mut self.planes {
            plane.resize(frames, 0.0);
        }
    }

    /// Appends `more`. Channels are matched by number and must agree.
    pub fn append(&mut self, more: Self) {
        debug_assert_eq!(self.spec, more.spec, "audio of different specs cannot be joined");
        if self.frames() == 0 {
            *self = more;
            return;
        }
        for (mine, more) in self.planes.iter_mut().zip(&more.planes) {
            mine.extend_from_slice(more);
        }
    }

    /// A copy of some of its frames, as many of them as there are.
    #[must_use]
    pub fn part(&self, frames: Range<usize>) -> Self {
        let end = frames.end.min(self.frames());
        let planes = self.planes.iter().map(|plane| plane[frames.start.min(end)..end].to_vec()).collect();
        Self { spec: self.spec, planes }
    }

    /// Takes its first frames away, as many of them as there are.
    #[must_use]
    pub fn take_front(&mut self, frames: usize) -> Self {
        let take = |plane: &mut Vec<f32>| {
            let rest = plane.split_off(frames.min(plane.len()));
            std::mem::replace(plane, rest)
        };
        Self { spec: self.spec, planes: self.planes.iter_mut().map(take).collect() }
    }

    /// Adds `other` to this audio from frame `start` on; what reaches past the end is left out.
    /// Channels are matched by number and must agree.
    pub fn add_at(&mut self, start: usize, other: &Self) {
        debug_assert_eq!(self.spec, other.spec, "audio of different specs cannot be added");
        for (mine, theirs) in self.planes.iter_mut().zip(&other.planes) {
            for (sum, sample) in mine.iter_mut().skip(start).zip(theirs) {
                *sum += sample;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec = Spec { rate: SampleRate(48_000), channels: 2 };

    #[test]
    fn planes_must_match_the_spec() {
        assert_eq!(Pcm::new(SPEC, vec![vec![0.0]]), Err(PcmError::Channels { planes: 1, channels: 2 }));
        let ragged = Pcm::new(SPEC, vec![vec![0.0; 3], vec![0.0; 2]]);
        assert_eq!(ragged, Err(PcmError::Ragged { channel: 1, frames: 2, expected: 3 }));
    }

    #[test]
    fn adding_past_the_end_is_cut() {
        let mut base = Pcm::silence(SPEC, 4);
        let one = Pcm::new(SPEC, vec![vec![1.0; 3], vec![-1.0; 3]]).unwrap();
        base.add_at(2, &one);
        assert_eq!(base.planes()[0], [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(base.planes()[1], [0.0, 0.0, -1.0, -1.0]);
    }

    #[test]
    fn what_is_taken_apart_can_be_put_together() {
        let whole = Pcm::new(SPEC, vec![vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]).unwrap();
        let mut rest = whole.clone();
        let mut front = rest.take_front(2);
        assert_eq!((front.frames(), &rest), (2, &whole.part(2..9)));
        front.append(rest.take_front(5));
        assert_eq!((front, rest.frames()), (whole, 0));
    }
}
