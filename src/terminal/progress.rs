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
    job::{preview::Preview, run::Progress},
    plan::Plan,
    wire::JobState,
};

/// Steps of a bar.
const STEPS: u64 = 1000;
/// Plain lines are written at these shares of a section.
const LINES: f64 = 4.0;
/// A piece that takes less is not worth a word on its speed.
const WORTH_A_WORD: Duration = Duration::from_secs(2);

/// Shows progress on standard error, and stops the job once it was interrupted.
#[derive(Debug)]
pub(super) struct TerminalProgress<'a> {
    interrupted: &'a AtomicBool,
    view: View,
    describe: fn(&Plan) -> String,
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
}

impl Rendered {
    fn begin(plan: &Plan) -> Self {
        let sections = plan.sections.iter().map(|section| (section.length_seconds, 0.0)).collect();
        Self { began: Instant::now(), sections }
    }

    fn note(&mut self, section: usize, share: f64) {
        if let Some((_, rendered)) = self.sections.get_mut(section) {
            *rendered = share;
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
        let ((done, all), elapsed) = (self.seconds(), elapsed.as_secs_f64());
        if done <= 0.0 || done >= all || elapsed < WORTH_A_WORD.as_secs_f64() {
            return String::new();
        }
        let left = elapsed / done * (all - done);
        format!("about {:.0} s left, {}", left.ceil(), speed(done, elapsed))
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
        Self { interrupted, view, describe, preview: None }
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
                lines.rendered = Some(Rendered::begin(plan));
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
                                .with_prefix(format!("{label:width$}")),
                        )
                    })
                    .collect();
                bars.rendered = Some(Rendered::begin(plan));
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
                    rendered.note(section, done);
                    rendered.outlook(rendered.began.elapsed())
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
                if let Some(bar) = sections.get(section) {
                    bar.set_position((done * STEPS as f64) as u64);
                    if done >= 1.0 && !bar.is_finished() {
                        bar.finish();
                    }
                }
                if let (Some(rendered), Some(bar)) = (rendered, whole.as_ref().or(sections.first())) {
                    rendered.note(section, done);
                    let (seconds, all) = rendered.seconds();
                    bar.set_position((seconds / all * STEPS as f64) as u64);
                    bar.set_message(rendered.outlook(rendered.began.elapsed()));
                }
            }
        }
        self.go_on()
    }

    fn preview(&self) -> Option<&Preview> {
        self.preview
    }
}

fn style() -> ProgressStyle {
    let state = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let shown = match state.pos() {
            0 => write!(text, "waiting"),
            done if Some(done) == state.len() => write!(text, "done"),
            _ => Ok(()),
        };
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
        let mut rendered = Rendered { began: Instant::now(), sections: vec![(20.0, 0.0), (40.0, 0.0)] };
        let after = Duration::from_secs;
        assert_eq!(rendered.outlook(after(60)), "");
        rendered.note(1, 0.25);
        assert_eq!(rendered.outlook(after(100)), "about 500 s left, 0.10 times real time");
        assert_eq!(rendered.outlook(after(1)), "");
        rendered.note(0, 1.0);
        rendered.note(1, 1.0);
        assert_eq!(rendered.outlook(after(100)), "");
    }
}
