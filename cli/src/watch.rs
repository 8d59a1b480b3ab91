//! Following a job to its end.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use timbre::wire::GenerationStatus;

use crate::{Client, ClientError};

const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often the callback is asked whether to go on while nothing happens.
const TICK: Duration = Duration::from_millis(50);

/// What [`Client::watch`] tells its callback.
#[derive(Debug)]
pub enum Watched<'a> {
    /// The job's status, at first and whenever anything in it changed.
    Status(&'a GenerationStatus),
    /// The server is out of reach; it will be asked again.
    Retrying {
        /// Why.
        error: &'a ClientError,
        /// How long until then.
        wait: Duration,
    },
    /// Nothing new. Comes about every 50 ms, so that a callback can stop the wait.
    Idle,
}

impl Client {
    /// Follows a job until it ends and returns its final status; `succeeded`, `failed` and `cancelled` are all `Ok`.
    ///
    /// Asks every 0.2 s while things change, and more and more seldom, up to 2 s, while they do not. A server that is out of reach
    /// or too busy is asked again until [`Client::patience`] runs out.
    ///
    /// # Errors
    /// [`ClientError::Stopped`] when the callback breaks; otherwise what [`Client::status`] returns.
    pub fn watch(
        &self,
        id: &str,
        mut callback: impl FnMut(Watched<'_>) -> ControlFlow<()>,
    ) -> Result<GenerationStatus, ClientError> {
        let mut last: Option<GenerationStatus> = None;
        let mut wait = SHORTEST_WAIT;
        let mut lost_since: Option<Instant> = None;
        loop {
            match self.status(id) {
                Ok(status) => {
                    lost_since = None;
                    let changed = last.as_ref() != Some(&status);
                    if changed && callback(Watched::Status(&status)).is_break() {
                        return Err(ClientError::Stopped);
                    }
                    if status.state.is_final() {
                        return Ok(status);
                    }
                    wait = if changed { SHORTEST_WAIT } else { longer(wait) };
                    last = Some(status);
                }
                Err(error) if error.is_transient() => {
                    let lost = lost_since.get_or_insert_with(Instant::now).elapsed();
                    let Some(left) = self.patience.checked_sub(lost).filter(|left| !left.is_zero()) else {
                        return Err(error);
                    };
                    wait = asked_wait(&error).unwrap_or_else(|| longer(wait)).min(left);
                    if callback(Watched::Retrying { error: &error, wait }).is_break() {
                        return Err(ClientError::Stopped);
                    }
                }
                Err(error) => return Err(error),
            }
            pause(wait, &mut callback)?;
        }
    }
}

fn longer(wait: Duration) -> Duration {
    (wait * 3 / 2).min(LONGEST_WAIT)
}

/// The wait that a busy server asks for.
fn asked_wait(error: &ClientError) -> Option<Duration> {
    match error {
        ClientError::Problem(problem) => problem.retry_after.map(Duration::from_secs),
        _ => None,
    }
}

fn pause(
    wait: Duration,
    callback: &mut impl FnMut(Watched<'_>) -> ControlFlow<()>,
) -> Result<(), ClientError> {
    let end = Instant::now() + wait;
    loop {
        if callback(Watched::Idle).is_break() {
            return Err(ClientError::Stopped);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(TICK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_two_seconds_and_no_further() {
        let waits: Vec<_> =
            std::iter::successors(Some(SHORTEST_WAIT), |wait| Some(longer(*wait))).take(9).collect();
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert_eq!(waits[1], Duration::from_millis(300));
        assert_eq!(waits[8], LONGEST_WAIT);
    }
}
