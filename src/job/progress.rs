//! How far a job is, as one number.
//!
//! | stage     | share of the whole |
//! |-----------|--------------------|
//! | queued    | 0                  |
//! | planning  | 0 to 0.02          |
//! | rendering | 0.02 to 0.90, sections weighted by their length |
//! | mixing    | 0.90 to 0.94       |
//! | mastering | 0.94 to below 1    |
//! | succeeded | 1                  |
//!
//! Rendering takes nearly all of the time with every engine; the other shares only have to be large enough to be seen.

use crate::wire::JobState;

/// Where rendering begins.
const RENDERING: f64 = 0.02;
/// Where mixing begins.
const MIXING: f64 = 0.90;
/// Where mastering begins.
const MASTERING: f64 = 0.94;

/// The share of the whole that is done on entering `state`. `None` for a job that failed or was cancelled: it stays where it was.
pub(super) fn on_entering(state: JobState) -> Option<f64> {
    match state {
        JobState::Queued | JobState::Planning => Some(0.0),
        JobState::Rendering => Some(RENDERING),
        JobState::Mixing => Some(MIXING),
        JobState::Mastering => Some(MASTERING),
        JobState::Succeeded => Some(1.0),
        JobState::Failed | JobState::Cancelled => None,
    }
}

/// The share of the whole that is done while rendering, from pairs of a section's length and its rendered share.
pub(super) fn while_rendering(sections: impl Iterator<Item = (u64, f64)>) -> f64 {
    let (done, whole) = sections.fold((0.0, 0.0), |(done, whole), (frames, share)| {
        (done + frames as f64 * share, whole + frames as f64)
    });
    if whole > 0.0 { RENDERING + (MIXING - RENDERING) * (done / whole).clamp(0.0, 1.0) } else { RENDERING }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_count_by_their_length() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(while_rendering([(100, 0.0), (300, 0.0)].into_iter()), 0.02));
        assert!(close(while_rendering([(100, 1.0), (300, 0.0)].into_iter()), 0.02 + 0.88 / 4.0));
        assert!(close(while_rendering([(100, 1.0), (300, 1.0)].into_iter()), 0.90));
        assert!(close(while_rendering(std::iter::empty()), 0.02));
    }
}
