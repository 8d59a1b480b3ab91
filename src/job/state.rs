//! The legal moves between job states, in one place.
//!
//! ```text
//! queued -> planning -> rendering -> mixing -> mastering -> succeeded
//!    \_________\___________\___________\___________\______-> failed | cancelled
//! ```

use thiserror::Error;

use crate::wire::JobState;

/// A move between states that no job may make. Always a fault of the program, never of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a job cannot go from {} to {}", .from.name(), .to.name())]
pub struct IllegalMove {
    /// Where the job is.
    pub from: JobState,
    /// Where it was to go.
    pub to: JobState,
}

/// Checks one move. Staying in a stage is no move and is refused too.
///
/// # Errors
/// When the move is not in the picture above. Nothing leads out of a final state.
pub fn check(from: JobState, to: JobState) -> Result<(), IllegalMove> {
    let legal = match to {
        JobState::Failed | JobState::Cancelled => !from.is_final(),
        _ => next(from) == Some(to),
    };
    if legal { Ok(()) } else { Err(IllegalMove { from, to }) }
}

/// The stage that follows when all goes well.
fn next(state: JobState) -> Option<JobState> {
    match state {
        JobState::Queued => Some(JobState::Planning),
        JobState::Planning => Some(JobState::Rendering),
        JobState::Rendering => Some(JobState::Mixing),
        JobState::Mixing => Some(JobState::Mastering),
        JobState::Mastering => Some(JobState::Succeeded),
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [JobState; 8] = [
        JobState::Queued,
        JobState::Planning,
        JobState::Rendering,
        JobState::Mixing,
        JobState::Mastering,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
    ];

    #[test]
    fn fifteen_moves_are_legal_and_no_other() {
        let mut legal = Vec::new();
        for (i, from) in ALL.into_iter().enumerate() {
            for (j, to) in ALL.into_iter().enumerate() {
                if check(from, to).is_ok() {
                    legal.push((i, j));
                }
            }
        }
        let mut expected = Vec::new();
        for from in 0..5 {
            expected.extend([(from, from + 1), (from, 6), (from, 7)]);
        }
        assert_eq!(legal, expected);
    }
}
