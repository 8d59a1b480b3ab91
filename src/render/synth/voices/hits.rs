//! Hits of drums, each played a few times and from then on mixed from what was kept, as a sampler does.

use std::collections::BTreeMap;

use super::{Canvas, Cue, Voice, signal::frames};
use crate::{audio::Random, render::synth::style::Drum};

/// Forces that are told apart; between them only the level differs.
const FORCES: f32 = 12.0;
/// How many hits of each force are kept. Which of them sounds is drawn.
const VARIATIONS: usize = 4;

/// What one player has hit so far. A hit depends on `seed`, its drum, its force and its variation, not on those before it.
#[derive(Debug)]
pub(in crate::render::synth) struct Hits {
    seed: u64,
    kept: BTreeMap<(Drum, u8, usize), [Vec<f32>; 2]>,
}

impl Hits {
    pub(in crate::render::synth) fn new(seed: u64) -> Self {
        Self { seed, kept: BTreeMap::new() }
    }

    /// Adds one hit to the canvas. All cues of a player differ in velocity and length alone.
    pub(in crate::render::synth) fn play(
        &mut self,
        voice: &Voice,
        drum: Drum,
        cue: &Cue,
        random: &mut Random,
        canvas: &mut Canvas<'_>,
    ) {
        // What grows over the whole of a note is made for it.
        let Some(seconds) = voice.hit_seconds(drum) else {
            return voice.hit(drum, cue, random, canvas);
        };
        let force = (cue.velocity * FORCES).round().max(1.0);
        let variation = random.below(VARIATIONS);
        let [left, right] = self.kept.entry((drum, force as u8, variation)).or_insert_with(|| {
            let mut random = Random::stream(self.seed, &format!("{drum:?} {force} {variation}"));
            let (mut left, mut right) = (vec![0.0; frames(seconds)], vec![0.0; frames(seconds)]);
            let mut canvas = Canvas { left: &mut left, right: &mut right };
            voice.hit(drum, &Cue { velocity: force / FORCES, ..*cue }, &mut random, &mut canvas);
            let sounds =
                |side: &[f32]| side.iter().rposition(|sample| *sample != 0.0).map_or(0, |last| last + 1);
            let end = sounds(&left).max(sounds(&right));
            [left, right].map(|side| side[..end].to_vec())
        });
        let gain = (cue.velocity * FORCES / force).powf(1.3);
        for (side, kept) in [(&mut *canvas.left, left), (&mut *canvas.right, right)] {
            for (sample, kept) in side.iter_mut().zip(kept) {
                *sample += gain * *kept;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::synth::instrument::Instrument;

    fn hit(hits: &mut Hits, velocity: f32, seed: u64) -> Vec<f32> {
        let kit = Instrument::named("drums").unwrap();
        let (mut left, mut right) = (vec![0.0; 24_000], vec![0.0; 24_000]);
        let cue = Cue::plain(73.4, 0.1, velocity);
        let mut canvas = Canvas { left: &mut left, right: &mut right };
        hits.play(kit.voice(), Drum::Snare, &cue, &mut Random::new(seed), &mut canvas);
        left
    }

    #[test]
    fn no_hit_depends_on_those_before_it() {
        let mut warm = Hits::new(7);
        for seed in 0..20 {
            hit(&mut warm, 0.3 + 0.03 * seed as f32, seed);
        }
        assert_eq!(hit(&mut warm, 0.7, 3), hit(&mut Hits::new(7), 0.7, 3));
    }

    #[test]
    fn hits_differ_and_force_is_heard() {
        let mut hits = Hits::new(7);
        let mut alike: Vec<Vec<f32>> = (0..40).map(|seed| hit(&mut hits, 0.7, seed)).collect();
        alike.sort_by(|a, b| a.partial_cmp(b).unwrap());
        alike.dedup();
        assert_eq!(alike.len(), VARIATIONS);
        let peak = |side: Vec<f32>| side.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let rising: Vec<f32> = (0..8).map(|n| peak(hit(&mut hits, 0.25 + 0.1 * n as f32, 3))).collect();
        assert!(rising[7] > 2.5 * rising[0], "{rising:?}");
    }
}
