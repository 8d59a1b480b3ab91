//! The mix while its sections are still being made.
//!
//! ```text
//! section 1  |=========================|~~~~ what rings
//! section 2                    |=======|========
//!                              ^ lead  ^ bar line
//! given      |-----------------|
//! pending                      |-------|--------
//! ```
//!
//! A frame is given as soon as nothing changes it any more: before the reach of the next join, and before what a section that goes
//! on replaces.

use super::{
    seam::{self, Seam},
    slot::Slot,
};
use crate::{
    audio::{Pcm, Spec},
    plan::Plan,
    render::Rendered,
};

/// Frames that are taken in at once.
const STEP: usize = 1 << 13;

/// Joins sections as they come, in any order and piece by piece. What it gives is, one part after the other, what [`super::join`]
/// makes of them, at the engine's rate and channels.
///
/// Sections that [`super::join`] refuses give something else, or nothing.
#[derive(Debug)]
pub struct Growing {
    slots: Vec<Slot>,
    came: Vec<Came>,
    /// The section whose turn it is.
    turn: usize,
    /// Whether it has been joined to the one before.
    joined: bool,
    /// Frames of it that have been laid down.
    laid: usize,
    /// Ring-out of the section before.
    ring: usize,
    /// The frame of the piece with which `pending` begins.
    given: usize,
    /// What has been laid down and not given yet.
    pending: Pcm,
    /// Up to here sections change nothing any more.
    settled: usize,
}

/// What has come of a section.
#[derive(Debug)]
struct Came {
    lead: usize,
    /// Frames, those that are laid down included.
    frames: usize,
    /// Frames that nothing replaces.
    settled: usize,
    whole: bool,
    /// What is not laid down yet.
    waiting: Pcm,
}

impl Growing {
    /// The mix of a plan, of which nothing is there. `spec` is the engine's.
    pub fn new(plan: &Plan, spec: Spec) -> Self {
        Self::of(Slot::all(plan, spec.rate), spec)
    }

    pub(super) fn of(slots: Vec<Slot>, spec: Spec) -> Self {
        let nothing = || Pcm::silence(spec, 0);
        let came = slots.iter().map(|slot| Came {
            lead: slot.lead,
            frames: 0,
            settled: 0,
            whole: false,
            waiting: nothing(),
        });
        Self {
            came: came.collect(),
            slots,
            turn: 0,
            joined: false,
            laid: 0,
            ring: 0,
            given: 0,
            pending: nothing(),
            settled: 0,
        }
    }

    /// Rate and channels of what it gives.
    pub fn spec(&self) -> Spec {
        self.pending.spec()
    }

    /// Takes the next frames of a section, which are final ([`crate::render::Watch::sound`]). `give` gets what follows from them.
    pub fn sound(&mut self, section: usize, lead_frames: usize, more: &Pcm, give: &mut dyn FnMut(&Pcm)) {
        for from in (0..more.frames()).step_by(STEP) {
            self.take(section, lead_frames, more.part(from..from + STEP), true);
            self.advance(give);
        }
    }

    /// Takes what is left of a section. `give` gets what follows from it.
    pub fn whole(&mut self, section: usize, rendered: &Rendered, give: &mut dyn FnMut(&Pcm)) {
        let Some(came) = self.came.get(section) else { return };
        let settled = !self.is_replaced(section);
        for from in (came.frames..rendered.sound.frames()).step_by(STEP) {
            self.take(section, rendered.lead_frames, rendered.sound.part(from..from + STEP), settled);
            self.advance(give);
        }
        if let Some(came) = self.came.get_mut(section) {
            came.whole = true;
        }
        self.advance(give);
    }

    /// Whether the section after it may know better how it ends.
    fn is_replaced(&self, section: usize) -> bool {
        self.slots.get(section + 1).is_some_and(Slot::continues)
    }

    fn take(&mut self, section: usize, lead: usize, more: Pcm, settled: bool) {
        let spec = self.spec();
        let Some((came, slot)) = self.came.get_mut(section).zip(self.slots.get(section)) else { return };
        if more.spec() != spec || came.whole {
            return;
        }
        came.lead = if slot.continues() { lead } else { slot.lead };
        came.frames += more.frames();
        came.waiting.append(more);
        if settled {
            came.settled = came.frames;
        }
    }

    /// Lays down what can be, and gives what is settled by that.
    fn advance(&mut self, give: &mut dyn FnMut(&Pcm)) {
        while self.turn < self.slots.len() && (self.joined || self.join()) {
            self.lay();
            if !self.came[self.turn].whole {
                break;
            }
            self.close();
        }
        let end = match self.slots.get(self.turn + usize::from(self.joined)) {
            Some(next) => next.start.saturating_sub(seam::reach(next, &self.pending)),
            None => self.slots.last().map_or(0, |slot| slot.end),
        };
        let frames = self.settled.min(end).saturating_sub(self.given);
        if frames > 0 {
            self.pending.resize(self.pending.frames().max(frames));
            give(&self.pending.take_front(frames));
            self.given += frames;
        }
    }

    /// Joins the section whose turn it is to the one before; says whether enough of it has come for that.
    fn join(&mut self) -> bool {
        let (slot, came) = (&self.slots[self.turn], &mut self.came[self.turn]);
        if came.waiting.frames() < slot.lead.max(1) && !came.whole {
            return false;
        }
        let start = slot.start.saturating_sub(came.lead);
        // Where the section before ends early, the new one comes in over silence, as in the mix.
        let reached = (start + slot.lead).saturating_sub(self.given);
        self.pending.resize(self.pending.frames().max(reached));
        let (old, end) = ((&self.pending, self.given), self.given + self.pending.frames());
        if let Some(seam) = Seam::of(slot, start, old, self.ring, &came.waiting) {
            seam.close_old(&mut self.pending, self.given, end);
            seam.open_new(&mut came.waiting);
        }
        // From here on it is not only what rings that sounds.
        self.settled = self.settled.min(start);
        self.joined = true;
        true
    }

    fn lay(&mut self) {
        let came = &mut self.came[self.turn];
        let start = self.slots[self.turn].start.saturating_sub(came.lead);
        let (at, frames) = (start + self.laid, came.waiting.frames());
        let mut more = came.waiting.take_front(frames);
        self.laid += frames;
        self.settled = self.settled.max(start + self.laid.min(came.settled));
        // What was given is not changed, whatever an engine says.
        drop(more.take_front(self.given.saturating_sub(at)));
        let at = at.max(self.given) - self.given;
        if at == self.pending.frames() {
            return self.pending.append(more);
        }
        self.pending.resize(self.pending.frames().max(at + more.frames()));
        self.pending.add_at(at, &more);
    }

    /// The section whose turn it is has come to its end.
    fn close(&mut self) {
        let slot = &self.slots[self.turn];
        self.ring = self.laid.saturating_sub(self.came[self.turn].lead + slot.frames());
        if !self.is_replaced(self.turn) {
            // One that ends early ends in silence.
            self.settled = self.settled.max(slot.end);
        }
        self.turn += 1;
        (self.joined, self.laid) = (false, 0);
    }
}
