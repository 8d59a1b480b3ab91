//! How players differ from clocks: they wander slowly, stray a little from note to note, and stand where their style stands.

use super::scene::Scene;
use crate::{audio::Random, wire::Energy};

/// One player in one section.
#[derive(Clone, Debug)]
pub(super) struct Human {
    random: Random,
    /// Where the player has wandered to at each beat, -1 to 1: in time and in touch.
    drift: Vec<[f32; 2]>,
    beat: f64,
    start: f64,
    end: f64,
    /// Farthest from the grid, in seconds.
    reach: f64,
    /// Where the player stands beside the beat, in seconds.
    stands: f64,
    touch: f32,
}

impl Human {
    /// A player of a section; `laid_back_ms` is where he stands after the beat.
    pub(super) fn new(scene: &Scene<'_>, purpose: &str, laid_back_ms: f64) -> Self {
        let mut random = scene.random(purpose);
        let beat = scene.plan.beat_seconds();
        let beats = ((scene.end - scene.start) / beat).ceil() as usize + 2;
        let energy = match scene.energy {
            Energy::Low => 0.78,
            Energy::Medium => 0.92,
            Energy::High => 1.1,
        };
        let drift = drift(&mut random, beats);
        Self {
            random,
            drift,
            beat,
            start: scene.start,
            end: scene.end,
            reach: scene.style.late_ms / 2000.0,
            stands: laid_back_ms / 1000.0,
            touch: energy * scene.mood.touch,
        }
    }

    /// A time as it is hit: never before the section and never after it.
    pub(super) fn at(&mut self, at: f64) -> f64 {
        let [wander, _] = self.wandered(at);
        let stray = f64::from(0.65 * wander + 0.35 * self.random.bipolar()) * self.reach;
        (at + stray + self.stands).clamp(self.start, (self.end - 1e-4).max(self.start))
    }

    /// A velocity as it is struck at a time.
    pub(super) fn touch(&mut self, velocity: f32, at: f64) -> f32 {
        let [_, wander] = self.wandered(at);
        let stray = 0.03 * wander + 0.02 * self.random.bipolar();
        ((velocity + stray) * self.touch).clamp(0.05, 1.0)
    }

    /// Numbers for whatever else this player decides.
    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn wandered(&self, at: f64) -> [f32; 2] {
        let beats = ((at - self.start) / self.beat).max(0.0);
        let number = (beats as usize).min(self.drift.len().saturating_sub(2));
        let share = (beats - number as f64).clamp(0.0, 1.0) as f32;
        let (from, to) = (self.drift[number], self.drift[number + 1]);
        [0, 1].map(|of| from[of] + share * (to[of] - from[of]))
    }
}

/// Two walks of one value per beat, within -1 to 1, that change slowly and more slowly still: nearly 1/f.
fn drift(random: &mut Random, beats: usize) -> Vec<[f32; 2]> {
    /// Beats in which each component forgets where it was.
    const MEMORIES: [f32; 3] = [2.0, 8.0, 32.0];
    let mut state = [[0.0_f32; 2]; 3];
    (0..beats.max(2))
        .map(|_| {
            let mut sum = [0.0; 2];
            for (component, memory) in state.iter_mut().zip(MEMORIES) {
                let keeps = (-1.0 / memory).exp();
                for (value, sum) in component.iter_mut().zip(&mut sum) {
                    *value = keeps * *value + (1.0 - keeps * keeps).sqrt() * random.bipolar();
                    *sum += *value / 2.0;
                }
            }
            sum.map(|value| value.clamp(-1.0, 1.0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_wander_slowly_and_stay_near() {
        let walk = drift(&mut Random::new(5), 4000);
        let of = |number: usize| walk.iter().map(|step| step[number]).collect::<Vec<f32>>();
        for values in [of(0), of(1)] {
            let square = values.iter().map(|value| value * value).sum::<f32>();
            let next = values.windows(2).map(|pair| pair[0] * pair[1]).sum::<f32>();
            assert!((0.5..0.97).contains(&(next / square)), "correlation {}", next / square);
            assert!(values.iter().all(|value| value.abs() <= 1.0));
            assert!((square / values.len() as f32).sqrt() > 0.2, "it does not wander");
        }
    }
}
