//! The timeline on which sections are laid one after the other.

use super::{Mix, seam::Seam, slot::Slot};
use crate::{
    audio::{Pcm, Spec},
    render::{Rendered, Stem},
};

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
        let seam = Seam::of(slot, start, (&self.mix.sound, 0), self.ring, &section.sound);
        if self.with_stems {
            self.add_missing_stems(&section.stems);
            if let Some(seam) = &seam {
                for track in &mut self.mix.stems {
                    seam.close_old(&mut track.sound, 0, self.sounding_end);
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
            seam.close_old(&mut self.mix.sound, 0, self.sounding_end);
            self.sounding_end = seam.end();
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
}

fn lay(track: &mut Pcm, start: usize, mut new: Pcm, seam: Option<&Seam>) {
    if let Some(seam) = seam {
        seam.open_new(&mut new);
    }
    track.add_at(start, &new);
}
