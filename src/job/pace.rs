//! How long a job will still take, from the speed that was measured on this machine.

use std::time::Duration;

/// Jobs that the mean remembers: older ones fade, so that a faster or slower machine is noticed.
const MEMORY: u32 = 16;
/// Share of a job after which its own speed says more than that of others.
const OWN_SPEED_FROM: f64 = 0.1;

/// Seconds of computing per second of audio of one engine: a running mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    mean: f64,
    seen: u32,
}

impl Pace {
    /// Learns from a finished job.
    pub fn learn(&mut self, computing: Duration, audio_seconds: f64) {
        if audio_seconds > 0.0 {
            self.seen = (self.seen + 1).min(MEMORY);
            self.mean += (computing.as_secs_f64() / audio_seconds - self.mean) / f64::from(self.seen);
        }
    }

    /// Seconds that a piece of this length takes. `None` before the first job.
    pub fn seconds_for(&self, audio_seconds: f64) -> Option<f64> {
        (self.seen > 0).then_some(self.mean * audio_seconds)
    }
}

/// Seconds that a running job still needs. `whole` is what its pace says of the entire job.
pub fn remaining(elapsed: Duration, progress: f64, whole: Option<f64>) -> Option<f64> {
    let elapsed = elapsed.as_secs_f64();
    if progress >= OWN_SPEED_FROM {
        Some(elapsed * (1.0 - progress).max(0.0) / progress)
    } else {
        whole.map(|whole| (whole - elapsed).max(0.0))
    }
}

/// Seconds until a waiting job ends: the work before it, shared by the workers, then its own. `None` as soon as one part is
/// unknown.
pub fn until_done(
    running: impl Iterator<Item = Option<f64>>,
    ahead: impl Iterator<Item = Option<f64>>,
    own: Option<f64>,
    workers: usize,
) -> Option<f64> {
    let own = own?;
    let before: Vec<f64> = running.chain(ahead).collect::<Option<_>>()?;
    let wait = if before.len() < workers { 0.0 } else { before.iter().sum::<f64>() / workers.max(1) as f64 };
    Some(wait + own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_learns_and_forgets() {
        let mut pace = Pace::default();
        assert_eq!(pace.seconds_for(10.0), None);
        pace.learn(Duration::from_secs(5), 10.0);
        pace.learn(Duration::from_secs(15), 10.0);
        assert_eq!(pace.seconds_for(10.0), Some(10.0));
        for _ in 0..200 {
            pace.learn(Duration::from_secs(30), 10.0);
        }
        assert!((pace.seconds_for(10.0).unwrap() - 30.0).abs() < 0.01);
    }

    #[test]
    fn a_running_job_is_judged_by_itself_once_it_is_under_way() {
        assert_eq!(remaining(Duration::from_secs(5), 0.0, None), None);
        assert_eq!(remaining(Duration::from_secs(5), 0.05, Some(20.0)), Some(15.0));
        assert_eq!(remaining(Duration::from_secs(30), 0.05, Some(20.0)), Some(0.0));
        assert_eq!(remaining(Duration::from_secs(5), 0.5, Some(20.0)), Some(5.0));
    }

    #[test]
    fn a_waiting_job_waits_for_what_is_before_it() {
        let some = |seconds: &[f64]| seconds.iter().copied().map(Some).collect::<Vec<_>>().into_iter();
        assert_eq!(until_done(some(&[4.0]), some(&[6.0]), Some(3.0), 1), Some(13.0));
        assert_eq!(until_done(some(&[4.0]), some(&[6.0]), Some(3.0), 2), Some(8.0));
        assert_eq!(until_done(some(&[4.0]), some(&[]), Some(3.0), 2), Some(3.0));
        assert_eq!(until_done([None].into_iter(), some(&[]), Some(3.0), 1), None);
        assert_eq!(until_done(some(&[]), some(&[]), None, 1), None);
    }
}
