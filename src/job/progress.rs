//! How far a job is, as one number: each stage has the share of the whole that it had in earlier jobs of the engine. Rendering
//! moves through its share, sections weighted by their length; mixing and mastering, which report nothing, move with time, at the
//! speed that the job had until then.

use std::time::Duration;

use crate::wire::JobState;

/// The stages that take time: planning, rendering, mixing, mastering (with writing the files).
pub(super) const STAGES: usize = 4;
/// Which of them is rendering.
pub(super) const RENDERING: usize = 1;
/// No more is done before the end.
const LATEST: f64 = 0.99;

/// Where the stages begin, as shares of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shares {
    rendering: f64,
    mixing: f64,
    mastering: f64,
}

impl Default for Shares {
    /// Measured with the built-in engine on two cores: 120 s of music take 1.9 s of rendering, 0.1 s of mixing, and 3.3 s of
    /// mastering and writing.
    fn default() -> Self {
        Self { rendering: 0.01, mixing: 0.36, mastering: 0.38 }
    }
}

impl Shares {
    /// What is taken before the first job of an engine has ended: with a model rendering is all but all of it.
    pub(super) fn before_any(plays_a_model: bool) -> Self {
        if plays_a_model {
            Self { rendering: 0.002, mixing: 0.98, mastering: 0.981 }
        } else {
            Self::default()
        }
    }

    /// The shares of stages that take this long.
    pub(super) fn of(stages: [f64; STAGES]) -> Self {
        let whole: f64 = stages.iter().sum();
        if whole <= 0.0 {
            return Self::default();
        }
        let begin = |stage: usize| (stages[..stage].iter().sum::<f64>() / whole).min(LATEST);
        Self { rendering: begin(1), mixing: begin(2), mastering: begin(3) }
    }

    /// What is done on entering `state`. `None` for a job that failed or was cancelled: it stays where it was.
    pub(super) fn on_entering(&self, state: JobState) -> Option<f64> {
        match state {
            JobState::Queued | JobState::Planning => Some(0.0),
            JobState::Rendering => Some(self.rendering),
            JobState::Mixing => Some(self.mixing),
            JobState::Mastering => Some(self.mastering),
            JobState::Succeeded => Some(1.0),
            JobState::Failed | JobState::Cancelled => None,
        }
    }

    /// What is done of a stage that reports nothing, which began `before` after the start, now that `elapsed` has passed since the
    /// start. `None` in stages that do report.
    pub(super) fn by_time(&self, state: JobState, before: Duration, elapsed: Duration) -> Option<f64> {
        let (begin, end) = match state {
            JobState::Mixing => (self.mixing, self.mastering),
            JobState::Mastering => (self.mastering, LATEST),
            _ => return None,
        };
        let share = elapsed.as_secs_f64() / before.as_secs_f64() * begin;
        share.is_finite().then_some(share.min(end))
    }

    /// What is done while rendering, from pairs of a section's length and its rendered share.
    pub(super) fn while_rendering(&self, sections: impl Iterator<Item = (u64, f64)>) -> f64 {
        let (done, whole) = sections.fold((0.0, 0.0), |(done, whole), (frames, share)| {
            (done + frames as f64 * share, whole + frames as f64)
        });
        let rendered = if whole > 0.0 { (done / whole).clamp(0.0, 1.0) } else { 0.0 };
        self.rendering + (self.mixing - self.rendering) * rendered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn with_a_model_rendering_is_nearly_all() {
        let rendered = |model| Shares::before_any(model).while_rendering([(1, 1.0)].into_iter());
        assert!(rendered(true) > 0.95 && rendered(false) < 0.5);
    }

    #[test]
    fn sections_count_by_their_length() {
        let shares = Shares::of([0.2, 8.8, 0.4, 0.6]);
        assert!(close(shares.while_rendering([(100, 0.0), (300, 0.0)].into_iter()), 0.02));
        assert!(close(shares.while_rendering([(100, 1.0), (300, 0.0)].into_iter()), 0.02 + 0.88 / 4.0));
        assert!(close(shares.while_rendering([(100, 1.0), (300, 1.0)].into_iter()), 0.90));
        assert!(close(shares.while_rendering(std::iter::empty()), 0.02));
    }

    #[test]
    fn stages_that_report_nothing_move_with_time() {
        let shares = Shares::of([0.0, 1.9, 0.1, 3.0]);
        let after = Duration::from_secs_f64;
        let mastering = |elapsed| shares.by_time(JobState::Mastering, after(4.0), after(elapsed)).unwrap();
        assert!(close(mastering(4.0), 0.4) && close(mastering(7.0), 0.7));
        assert_eq!((mastering(9.9), mastering(100.0)), (LATEST, LATEST));
        assert_eq!(shares.by_time(JobState::Mixing, after(3.8), after(60.0)), Some(shares.mastering));
        assert_eq!(shares.by_time(JobState::Mastering, after(0.0), after(1.0)), None);
        assert_eq!(shares.by_time(JobState::Rendering, after(1.0), after(2.0)), None);
    }

    #[test]
    fn stages_count_by_their_time() {
        let shares = Shares::of([0.0, 1.9, 0.1, 3.0]);
        assert!(close(shares.on_entering(JobState::Mixing).unwrap(), 0.38));
        assert!(close(shares.on_entering(JobState::Mastering).unwrap(), 0.40));
        assert_eq!(Shares::of([0.0, 1.0, 0.0, 0.0]).on_entering(JobState::Mastering), Some(LATEST));
        assert_eq!(Shares::of([0.0; STAGES]), Shares::default());
    }
}
