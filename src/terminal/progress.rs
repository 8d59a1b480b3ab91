//! Progress of a piece in the terminal: a bar per section, or plain lines where there is no terminal.

use std::{
    io::IsTerminal,
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::{say, table::speed};
use crate::{
    job::{
        LOADING,
        pace::{self, Course},
        preview::Preview,
        run::Progress,
    },
    plan::Plan,
    wire::JobState,
};

/// Steps of a bar.
const STEPS: u64 = 1000;
/// Plain lines are written at these shares of a section.
const LINES: f64 = 4.0;
/// In seconds: a piece that takes less is not worth a word on its speed.
const WORTH_A_WORD: f64 = 2.0;
/// What is said of a section that nothing has come of.
const WAITING: &str = "waiting";

/// Shows progress on standard error, and stops the job once it was interrupted.
#[derive(Debug)]
pub(super) struct TerminalProgress<'a> {
    interrupted: &'a AtomicBool,
    view: View,
    describe: fn(&Plan) -> String,
    /// Seconds of work for a second of music, where the engine was measured.
    real_time_factor: Option<f64>,
    preview: Option<&'a Preview>,
}

#[derive(Debug)]
enum View {
    Bars(Mutex<Bars>),
    Lines(Mutex<Lines>),
    Silent,
}

#[derive(Debug, Default)]
struct Bars {
    all: MultiProgress,
    sections: Vec<ProgressBar>,
    rendered: Option<Rendered>,
    /// Over all sections; then the stage at work.
    whole: Option<ProgressBar>,
}

#[derive(Debug, Default)]
struct Lines {
    labels: Vec<String>,
    rendered: Option<Rendered>,
    /// Lines written of each section.
    reached: Vec<f64>,
}

/// How much of a piece is rendered, in how much time.
#[derive(Debug)]
struct Rendered {
    began: Instant,
    /// Length of each section in seconds, and the share of it that is rendered.
    sections: Vec<(f64, f64)>,
    course: Course,
    /// Seconds that rendering takes, where the engine was measured.
    measured: Option<f64>,
}

impl Rendered {
    fn begin(plan: &Plan, real_time_factor: Option<f64>) -> Self {
        let sections = plan.sections.iter().map(|section| (section.length_seconds, 0.0)).collect();
        let measured = real_time_factor.map(|factor| factor * plan.duration_seconds);
        Self { began: Instant::now(), sections, course: Course::default(), measured }
    }

    fn note(&mut self, section: usize, share: f64, elapsed: Duration) {
        if let Some((_, rendered)) = self.sections.get_mut(section) {
            *rendered = share;
        }
        let (done, all) = self.seconds();
        if done > 0.0 {
            self.course.note(elapsed, done / all);
        }
    }

    /// Seconds that are rendered, and seconds of the whole piece.
    fn seconds(&self) -> (f64, f64) {
        self.sections
            .iter()
            .fold((0.0, 0.0), |(done, all), (length, share)| (done + length * share, all + length))
    }

    /// What follows from that: `about 445 s left, 0.12 times real time`. Nothing when it is too early to say, or all is done.
    fn outlook(&self, elapsed: Duration) -> String {
        let ((done, all), (moved, seconds)) = (self.seconds(), self.course.moved());
        match pace::remaining(elapsed, self.measured, &self.course) {
            Some(left) if seconds >= WORTH_A_WORD && done < all => {
                format!("about {:.0} s left, {}", left.ceil(), speed(moved * all, seconds))
            }
            _ => String::new(),
        }
    }
}

impl<'a> TerminalProgress<'a> {
    /// Bars when standard error is a terminal, otherwise lines. `describe` says what is printed of the plan before the bars.
    pub(super) fn new(interrupted: &'a AtomicBool, quiet: bool, describe: fn(&Plan) -> String) -> Self {
        let view = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => View::Silent,
            (false, true) => View::Bars(Mutex::default()),
            (false, false) => View::Lines(Mutex::default()),
        };
        Self { interrupted, view, describe, real_time_factor: None, preview: None }
    }

    /// Estimates start from what was measured: seconds of work for a second of music.
    pub(super) fn measured(self, real_time_factor: Option<f64>) -> Self {
        Self { real_time_factor, ..self }
    }

    /// The piece is heard there too.
    pub(super) fn heard_in(self, preview: Option<&'a Preview>) -> Self {
        Self { preview, ..self }
    }

    /// Leaves the terminal as it should be when the piece is done or given up.
    pub(super) fn finish(&self) {
        if let View::Bars(bars) = &self.view {
            let bars = lock(bars);
            if let Some(whole) = &bars.whole {
                whole.finish_and_clear();
            }
        }
    }
}

impl Progress for TerminalProgress<'_> {
    fn stage(&self, state: JobState) -> ControlFlow<()> {
        let later = matches!(state, JobState::Mixing | JobState::Mastering);
        match &self.view {
            View::Bars(bars) if later => {
                let mut bars = lock(bars);
                if let Some(previous) = bars.whole.take() {
                    previous.finish_and_clear();
                }
                let spinner = bars.all.add(ProgressBar::new_spinner().with_message(state.name()));
                spinner.enable_steady_tick(Duration::from_millis(120));
                bars.whole = Some(spinner);
            }
            View::Lines(_) if later => say(state.name()),
            View::Bars(_) | View::Lines(_) | View::Silent => {}
        }
        self.go_on()
    }

    fn go_on(&self) -> ControlFlow<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn planned(&self, plan: &Plan) {
        let labels = plan.sections.iter().map(|section| section.label.clone());
        match &self.view {
            View::Silent => {}
            View::Lines(lines) => {
                say(&(self.describe)(plan));
                let mut lines = lock(lines);
                lines.labels = labels.collect();
                lines.reached = vec![0.0; plan.sections.len()];
                lines.rendered = Some(Rendered::begin(plan, self.real_time_factor));
            }
            View::Bars(bars) => {
                say(&(self.describe)(plan));
                let width =
                    plan.sections.iter().map(|section| section.label.chars().count()).max().unwrap_or(0);
                let mut bars = lock(bars);
                bars.sections = labels
                    .map(|label| {
                        bars.all.add(
                            ProgressBar::new(STEPS)
                                .with_style(style())
                                .with_prefix(format!("{label:width$}"))
                                .with_message(WAITING),
                        )
                    })
                    .collect();
                bars.rendered = Some(Rendered::begin(plan, self.real_time_factor));
                if bars.sections.len() > 1 {
                    let whole =
                        ProgressBar::new(STEPS).with_style(style()).with_prefix(format!("{:width$}", "all"));
                    bars.whole = Some(bars.all.add(whole));
                }
            }
        }
    }

    fn rendered(&self, section: usize, done: f64) -> ControlFlow<()> {
        match &self.view {
            View::Silent => {}
            View::Lines(lines) => {
                let Lines { labels, rendered, reached } = &mut *lock(lines);
                let outlook = rendered.as_mut().map_or_else(String::new, |rendered| {
                    let elapsed = rendered.began.elapsed();
                    rendered.note(section, done, elapsed);
                    rendered.outlook(elapsed)
                });
                if let (Some(label), Some(reached)) = (labels.get(section), reached.get_mut(section))
                    && (done * LINES).floor() > *reached
                {
                    *reached = (done * LINES).floor();
                    let comma = if outlook.is_empty() { "" } else { ", " };
                    say(&format!("rendering {label}: {:.0} %{comma}{outlook}", *reached / LINES * 100.0));
                }
            }
            View::Bars(bars) => {
                let Bars { sections, rendered, whole, .. } = &mut *lock(bars);
                let outlook = rendered.as_mut().map_or_else(String::new, |rendered| {
                    let elapsed = rendered.began.elapsed();
                    rendered.note(section, done, elapsed);
                    rendered.outlook(elapsed)
                });
                // The message first: with the position the bar is drawn.
                if let Some(bar) = sections.get(section).filter(|_| done > 0.0) {
                    bar.set_message(if whole.is_none() { outlook.clone() } else { String::new() });
                    bar.set_position((done * STEPS as f64) as u64);
                    if done >= 1.0 && !bar.is_finished() {
                        bar.finish();
                    }
                }
                if let (Some(rendered), Some(bar)) = (rendered, whole) {
                    let (seconds, all) = rendered.seconds();
                    bar.set_message(outlook);
                    bar.set_position((seconds / all * STEPS as f64) as u64);
                }
            }
        }
        self.go_on()
    }

    fn loading(&self) {
        match &self.view {
            View::Silent => {}
            View::Lines(_) => say(LOADING),
            View::Bars(bars) => {
                if let Some(bar) = lock(bars).sections.first() {
                    bar.set_message(LOADING);
                    bar.tick();
                }
            }
        }
    }

    fn preview(&self) -> Option<&Preview> {
        self.preview
    }
}

fn style() -> ProgressStyle {
    let state = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let done = Some(state.pos()) == state.len();
        let shown = if done { write!(text, "done") } else { Ok(()) };
        debug_assert!(shown.is_ok(), "writing to a string does not fail");
    };
    let template = "  {prefix} [{bar:32}] {percent:>3} %  {state}{msg}";
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("state", state)
        .progress_chars("#>-")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_is_rendered() {
        let sections = vec![(20.0, 0.0), (40.0, 0.0)];
        let (course, after) = (Course::default(), Duration::from_secs);
        let mut rendered = Rendered { began: Instant::now(), sections, course, measured: None };
        assert_eq!(rendered.outlook(after(60)), "");
        // To load a model took a minute, a second of music takes ten.
        rendered.note(1, 0.05, after(60));
        assert_eq!(rendered.outlook(after(60)), "");
        rendered.note(1, 0.25, after(140));
        assert_eq!(rendered.outlook(after(140)), "about 500 s left, 0.10 times real time");
        rendered.note(0, 1.0, after(340));
        rendered.note(1, 1.0, after(640));
        assert_eq!(rendered.outlook(after(640)), "");
    }
}
