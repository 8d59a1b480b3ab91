//! How long a job will still take, from the speed that was measured on this machine.

use std::time::Duration;

use super::progress::{RENDERING, STAGES, Shares};

/// Jobs that the mean remembers: older ones fade, so that a faster or slower machine is noticed.
const MEMORY: u32 = 16;
/// Share of a job in which its own speed shows itself.
const SHARE_TO_TRUST: f64 = 0.25;
/// A while in which the speed of a job that takes minutes shows itself, in seconds.
const SECONDS_TO_TRUST: f64 = 25.0;
/// How far a job's own speed must be trusted when there is nothing else.
const LEAST_TRUST: f64 = 0.4;
/// Least that is said to remain of a job that runs, in seconds.
const LEAST: f64 = 1.0;

/// Seconds of computing per second of audio of one engine, stage by stage: a running mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    stages: [f64; STAGES],
    seen: u32,
}

impl Pace {
    /// What was measured before any job: seconds of work for a second of music, nearly all of it rendering. The first job replaces it.
    pub fn measured(real_time_factor: f64) -> Self {
        let mut stages = [0.0; STAGES];
        stages[RENDERING] = real_time_factor;
        Self { stages, seen: 0 }
    }

    /// Learns from a finished job how long its stages took.
    pub fn learn(&mut self, stages: [Duration; STAGES], audio_seconds: f64) {
        if audio_seconds > 0.0 {
            self.seen = (self.seen + 1).min(MEMORY);
            for (mean, stage) in self.stages.iter_mut().zip(stages) {
                *mean += (stage.as_secs_f64() / audio_seconds - *mean) / f64::from(self.seen);
            }
        }
    }

    /// Seconds that a piece of this length takes. `None` when nothing was measured and there was no job.
    pub fn seconds_for(&self, audio_seconds: f64) -> Option<f64> {
        let seconds: f64 = self.stages.iter().sum();
        (self.seen > 0 || seconds > 0.0).then_some(seconds * audio_seconds)
    }

    /// Where the stages begin. `None` before the first job.
    pub(crate) fn shares(&self) -> Option<Shares> {
        (self.seen > 0).then(|| Shares::of(self.stages))
    }
}

/// How a job moves, from when it first did: to load a model, or to listen to a sound, is no part of its speed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Course {
    /// Time since its start, and progress then.
    first: Option<(Duration, f64)>,
    last: (Duration, f64),
}

impl Course {
    /// Notes how far it has come, 0 to 1, `elapsed` after its start.
    pub fn note(&mut self, elapsed: Duration, progress: f64) {
        self.first.get_or_insert((elapsed, progress));
        self.last = (elapsed, progress);
    }

    /// Progress since it first moved, and the seconds of that.
    pub fn moved(&self) -> (f64, f64) {
        let (begun, from) = self.first.unwrap_or_default();
        (self.last.1 - from, self.last.0.saturating_sub(begun).as_secs_f64())
    }

    /// Seconds that the entire job takes at this speed, and how far that is to be trusted, 0 to 1. `None` before it moves.
    fn whole(&self) -> Option<(f64, f64)> {
        let (moved, seconds) = self.moved();
        let (elapsed, progress) = self.last;
        let whole = elapsed.as_secs_f64() + seconds * (1.0 - progress) / moved;
        let trust = (moved / SHARE_TO_TRUST).max(seconds / SECONDS_TO_TRUST).min(1.0);
        (moved > 0.0).then_some((whole, trust))
    }
}

/// Seconds that a running job still needs, `elapsed` after its start. `learned` is what the entire job takes by the speed of earlier
/// ones; it gives way to the job's own speed as that shows itself. `None` when there were none and it is too early to say.
pub fn remaining(elapsed: Duration, learned: Option<f64>, course: &Course) -> Option<f64> {
    let elapsed = elapsed.as_secs_f64();
    let whole = match (learned, course.whole()) {
        (Some(learned), Some((own, trust))) => {
            let both = learned + (own - learned) * trust;
            if elapsed < both { both } else { own }
        }
        (None, Some((own, trust))) if trust >= LEAST_TRUST => own,
        (learned, _) => learned?,
    };
    Some((whole - elapsed).max(LEAST))
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
    use jiff::Timestamp;

    use super::*;
    use crate::{
        job::{Job, PlannedSection, Report, contract::new_job},
        wire::JobState,
    };

    fn seconds(stages: [f64; STAGES]) -> [Duration; STAGES] {
        stages.map(Duration::from_secs_f64)
    }

    #[test]
    fn the_mean_learns_and_forgets() {
        let mut pace = Pace::default();
        assert_eq!(pace.seconds_for(10.0), None);
        pace.learn(seconds([0.0, 2.0, 1.0, 2.0]), 10.0);
        pace.learn(seconds([0.0, 8.0, 1.0, 6.0]), 10.0);
        assert_eq!(pace.seconds_for(10.0), Some(10.0));
        for _ in 0..200 {
            pace.learn(seconds([1.0, 20.0, 2.0, 7.0]), 10.0);
        }
        assert!((pace.seconds_for(10.0).unwrap() - 30.0).abs() < 0.01);
    }

    #[test]
    fn the_first_job_replaces_what_was_measured() {
        let mut pace = Pace::measured(1.5);
        assert_eq!((pace.seconds_for(10.0), pace.shares()), (Some(15.0), None));
        pace.learn(seconds([0.0, 20.0, 1.0, 2.0]), 10.0);
        assert!((pace.seconds_for(10.0).unwrap() - 23.0).abs() < 1e-9);
    }

    fn after(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A job of 4 s before it moves and 16 s of moving, so far.
    fn course(elapsed: f64) -> Course {
        let mut course = Course::default();
        for quarter in 16..=(4.0 * elapsed) as u32 {
            let elapsed = f64::from(quarter) / 4.0;
            course.note(after(elapsed), (elapsed - 4.0) / 16.0);
        }
        course
    }

    #[test]
    fn a_job_without_earlier_ones_is_estimated_when_its_own_speed_shows() {
        for (elapsed, left) in
            [(3.0, None), (4.0, None), (5.0, None), (6.0, Some(14.0)), (19.75, Some(LEAST))]
        {
            assert_eq!(remaining(after(elapsed), None, &course(elapsed)), left, "{elapsed}");
        }
        // One that takes minutes shows it by time.
        let mut slow = Course::default();
        slow.note(after(1.0), 0.0);
        slow.note(after(9.0), 0.01);
        assert_eq!(remaining(after(9.0), None, &slow), None);
        slow.note(after(11.0), 0.01);
        assert_eq!(remaining(after(11.0), None, &slow), Some(990.0));
    }

    #[test]
    fn earlier_jobs_count_until_a_job_shows_its_own_speed() {
        assert_eq!(remaining(after(5.0), Some(20.0), &Course::default()), Some(15.0));
        assert_eq!(remaining(after(19.5), Some(20.0), &Course::default()), Some(LEAST));
        assert_eq!(remaining(after(21.0), Some(20.0), &Course::default()), Some(LEAST));
        for learned in [4.0, 20.0, 100.0] {
            assert_eq!(remaining(after(3.0), Some(learned), &course(3.0)), Some(learned - 3.0));
            for quarter in 32..76 {
                let elapsed = f64::from(quarter) / 4.0;
                let left = remaining(after(elapsed), Some(learned), &course(elapsed)).unwrap();
                assert!((left - (20.0 - elapsed)).abs() < 1e-9, "{learned}, {elapsed}: {left}");
            }
        }
    }

    /// A job as it was measured, at twenty looks a second: pairs of progress and seconds left. It teaches `pace`.
    fn measured(pace: &mut Pace) -> Vec<(f64, Option<f64>)> {
        let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap();
        let mut job = Job::accepted(new_job(), at(0));
        job.shares = pace.shares().unwrap_or_default();
        job.started_at = Some(at(0));
        job.go(JobState::Planning, at(0)).unwrap();
        let section = PlannedSection { id: "s00".into(), label: "Intro".into(), frames: 1 };
        let mut seen = Vec::new();
        for ms in (0..5_300).step_by(50) {
            let report = match ms {
                0 => Report::Planned { sections: vec![section.clone()], warnings: Vec::new() },
                50 => Report::Stage(JobState::Rendering),
                1_900 => Report::Stage(JobState::Mixing),
                2_000 => Report::Stage(JobState::Mastering),
                ..1_900 => Report::Rendered { section: 0, done: ms as f64 / 1_900.0 },
                _ => Report::Alive,
            };
            job.take(report, at(ms)).unwrap();
            let left = remaining(job.computing(at(ms)), pace.seconds_for(job.audio_seconds), &job.course);
            seen.push((job.progress, left));
        }
        // 1.85 of 1.9 parts of its 10 s were rendered in 1.85 s.
        let factor = job.status().real_time_factor;
        assert!(factor.is_some_and(|factor| (factor - 0.19).abs() < 1e-9), "{factor:?}");
        job.go(JobState::Succeeded, at(5_300)).unwrap();
        pace.learn(job.stage_times().unwrap(), job.audio_seconds);
        seen
    }

    #[test]
    fn progress_is_in_step_with_time_and_what_is_left_never_rises() {
        let mut pace = Pace::default();
        for learned in [false, true] {
            let seen = measured(&mut pace);
            let left: Vec<f64> = seen.iter().filter_map(|(_, left)| *left).collect();
            assert!(left.len() == seen.len() || !learned);
            assert!(left.len() > 80 && left.is_sorted_by(|a, b| *a >= b - 1e-9), "{left:?}");
            assert!(left[0] < 6.0 && *left.last().unwrap() <= LEAST, "{left:?}");
            // When mastering begins, 2.0 of 5.3 s have passed.
            assert!((seen[40].0 - 2.0 / 5.3).abs() < 0.01, "{:?}", seen[40]);
        }
        assert!((pace.seconds_for(10.0).unwrap() - 5.3).abs() < 1e-9);
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
