//! What a join does to the sound before it and to the sound that it brings.

use std::f64::consts::PI;

use super::{crossfade, slot::Slot};
use crate::{audio::Pcm, wire::TransitionKind};

/// How long a section that is cut off takes to be silent.
const CUT_SECONDS: f64 = 0.005;

/// The gains of a join. The same for the sound and every stem.
#[derive(Debug)]
pub(super) struct Seam {
    /// First frame of the timeline that is changed.
    pub(super) start: usize,
    /// Gains from `start` on; whatever sounds after them is silenced.
    old: Vec<f32>,
    /// Gains of the new section from its first frame on; 1 after them.
    new: Vec<f32>,
}

impl Seam {
    /// What joins a section whose sound begins at frame `start` of the timeline. `old` is the timeline from frame `from` on, `ring`
    /// what the section before has after its end.
    pub(super) fn of(
        slot: &Slot,
        start: usize,
        (old, from): (&Pcm, usize),
        ring: usize,
        new: &Pcm,
    ) -> Option<Self> {
        match slot.kind {
            // The new sound knows better how the old one ends: they are equal where they meet.
            _ if slot.continues() && start < slot.start => {
                Some(Self { start, old: Vec::new(), new: Vec::new() })
            }
            _ if !slot.silences() => None,
            TransitionKind::Crossfade if slot.lead > 0 => {
                let (old, new) = crossfade::gains(old, start.saturating_sub(from), new, slot.lead);
                Some(Self { start, old, new })
            }
            TransitionKind::Crossfade | TransitionKind::Cut | TransitionKind::Continue => {
                let fade = cut_frames(old);
                // The fade ends where the sound ends, but no later than `fade` after the bar line.
                let end = slot.start + ring.min(fade);
                let old = (0..fade).map(|k| {
                    let position = (k as f64 + 0.5) / fade as f64;
                    (0.5 + 0.5 * (PI * position).cos()) as f32
                });
                Some(Self { start: end.saturating_sub(fade), old: old.collect(), new: Vec::new() })
            }
        }
    }

    /// One past the last frame of the old sound that is heard.
    pub(super) fn end(&self) -> usize {
        self.start + self.old.len()
    }

    /// Ends the old sound in a track that is the timeline from frame `from` on.
    pub(super) fn close_old(&self, track: &mut Pcm, from: usize, sounding_end: usize) {
        let (start, silent) = (self.start.saturating_sub(from), self.end().saturating_sub(from));
        let sounding_end = sounding_end.saturating_sub(from);
        for plane in track.planes_mut() {
            for (sample, gain) in plane.iter_mut().skip(start).zip(&self.old) {
                *sample *= gain;
            }
            if let Some(rest) = plane.get_mut(silent..sounding_end.max(silent)) {
                rest.fill(0.0);
            }
        }
    }

    /// Fades the new sound in.
    pub(super) fn open_new(&self, new: &mut Pcm) {
        for plane in new.planes_mut() {
            for (sample, gain) in plane.iter_mut().zip(&self.new) {
                *sample *= gain;
            }
        }
    }
}

/// Frames before a section's bar line that its join may change, of sound at the rate of `old`.
pub(super) fn reach(slot: &Slot, old: &Pcm) -> usize {
    match slot.kind {
        _ if !slot.silences() => 0,
        TransitionKind::Crossfade if slot.lead > 0 => slot.lead,
        TransitionKind::Crossfade | TransitionKind::Cut | TransitionKind::Continue => cut_frames(old),
    }
}

fn cut_frames(old: &Pcm) -> usize {
    old.rate().frames(CUT_SECONDS).max(1)
}
