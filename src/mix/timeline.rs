//! The timeline on which sections are laid one after the other.

use std::f64::consts::PI;

use super::{Mix, crossfade, slot::Slot};
use crate::{
    audio::{Pcm, Spec},
    render::{Rendered, Stem},
    wire::TransitionKind,
};

/// How long a section that is cut off takes to be silent.
const CUT_SECONDS: f64 = 0.005;

/// What has been laid down so far. Past the bar line of the next section it holds nothing but ring-out.
#[derive(Debug)]
pub(super) struct Timeline {
    mix: Mix,
    with_stems: bool,
    /// Ring-out of the newest section.
    ring: usize,
    /// One past the last frame that may sound.
    sounding_end: usize,
}

/// What a join does to the old sound and to the lead of the new one. The same for the sound and every stem.
struct Seam {
    /// First frame of the timeline that is changed.
    start: usize,
    /// Gains from `start` on; whatever sounds after them is silenced.
    old: Vec<f32>,
    /// Gains of the new section from its first frame on; 1 after them.
    new: Vec<f32>,
}

impl Timeline {
    /// An empty timeline.
    pub(super) fn new(spec: Spec, frames: usize, with_stems: bool) -> Self {
        let mix = Mix { sound: Pcm::silence(spec, frames), stems: Vec::new(), played: None };
        Self { mix, with_stems, ring: 0, sounding_end: 0 }
    }

    /// Lays down the next section. It must have passed [`Slot::check`].
    pub(super) fn place(&mut self, slot: &Slot, section: Rendered) {
        let lead = slot.lead_of(&section);
        let start = slot.start.saturating_sub(lead);
        let seam = self.seam(slot, start, &section.sound);
        if self.with_stems {
            self.add_missing_stems(&section.stems);
            if let Some(seam) = &seam {
                for track in &mut self.mix.stems {
                    seam.close_old(&mut track.sound, self.sounding_end);
                }
            }
            for new in section.stems {
                if let Some(track) = self.mix.stems.iter_mut().find(|track| track.name == new.name) {
                    lay(&mut track.sound, start, new.sound, seam.as_ref());
                }
            }
        }
        let frames = section.sound.frames();
        if let Some(seam) = &seam {
            seam.close_old(&mut self.mix.sound, self.sounding_end);
            self.sounding_end = seam.start + seam.old.len();
        }
        lay(&mut self.mix.sound, start, section.sound, seam.as_ref());
        self.ring = frames.saturating_sub(lead + slot.frames());
        self.sounding_end = self.sounding_end.max(start + frames).min(self.mix.sound.frames());
    }

    /// The finished timeline.
    pub(super) fn into_mix(self) -> Mix {
        self.mix
    }

    /// Instrument groups may come and go between sections.
    fn add_missing_stems(&mut self, stems: &[Stem]) {
        for stem in stems {
            if self.mix.stems.iter().all(|track| track.name != stem.name) {
                let sound = Pcm::silence(self.mix.sound.spec(), self.mix.sound.frames());
                self.mix.stems.push(Stem { name: stem.name.clone(), sound });
            }
        }
    }

    /// What joins a section whose sound begins at `start`.
    fn seam(&self, slot: &Slot, start: usize, new: &Pcm) -> Option<Seam> {
        match slot.kind {
            // The new sound knows better how the old one ends: they are equal where they meet.
            _ if slot.continues() && start < slot.start => {
                Some(Seam { start, old: Vec::new(), new: Vec::new() })
            }
            _ if !slot.silences() => None,
            TransitionKind::Crossfade if slot.lead > 0 => {
                let (old, new) = crossfade::gains(&self.mix.sound, start, new, slot.lead);
                Some(Seam { start, old, new })
            }
            TransitionKind::Crossfade | TransitionKind::Cut | TransitionKind::Continue => {
                let fade = self.mix.sound.rate().frames(CUT_SECONDS).max(1);
                // The fade ends where the sound ends, but no later than `fade` after the bar line.
                let end = slot.start + self.ring.min(fade);
                let old = (0..fade).map(|k| {
                    let position = (k as f64 + 0.5) / fade as f64;
                    (0.5 + 0.5 * (PI * position).cos()) as f32
                });
                Some(Seam { start: end.saturating_sub(fade), old: old.collect(), new: Vec::new() })
            }
        }
    }
}

impl Seam {
    fn close_old(&self, track: &mut Pcm, sounding_end: usize) {
        for plane in track.planes_mut() {
            for (sample, gain) in plane.iter_mut().skip(self.start).zip(&self.old) {
                *sample *= gain;
            }
            let silent_from = self.start + self.old.len();
            if let Some(rest) = plane.get_mut(silent_from..sounding_end.max(silent_from)) {
                rest.fill(0.0);
            }
        }
    }
}

fn lay(track: &mut Pcm, start: usize, mut new: Pcm, seam: Option<&Seam>) {
    if let Some(seam) = seam {
        for plane in new.planes_mut() {
            for (sample, gain) in plane.iter_mut().zip(&seam.new) {
                *sample *= gain;
            }
        }
    }
    track.add_at(start, &new);
}
