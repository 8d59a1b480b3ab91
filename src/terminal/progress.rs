//! Progress of a piece in the terminal: a bar per section, or plain lines where there is no terminal.

use std::{
    io::IsTerminal,
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::say;
use crate::{job::run::Progress, plan::Plan, wire::JobState};

/// Steps of a bar.
const STEPS: u64 = 1000;
/// Plain lines are written at these shares of a section.
const LINES: f64 = 4.0;

/// Shows progress on standard error, and stops the job once it was interrupted.
#[derive(Debug)]
pub(super) struct TerminalProgress<'a> {
    interrupted: &'a AtomicBool,
    view: View,
    describe: fn(&Plan) -> String,
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
    /// Frames of each section, and how many are rendered.
    frames: Vec<(u64, u64)>,
    /// Over all sections, in frames; then the stage at work.
    whole: Option<ProgressBar>,
}

#[derive(Debug, Default)]
struct Lines {
    labels: Vec<String>,
    /// Lines written of each section.
    reached: Vec<f64>,
}

impl<'a> TerminalProgress<'a> {
    /// Bars when standard error is a terminal, otherwise lines. `describe` says what is printed of the plan before the bars.
    pub(super) fn new(interrupted: &'a AtomicBool, quiet: bool, describe: fn(&Plan) -> String) -> Self {
        let view = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => View::Silent,
            (false, true) => View::Bars(Mutex::default()),
            (false, false) => View::Lines(Mutex::default()),
        };
        Self { interrupted, view, describe }
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
                bars.frames = plan.sections.iter().map(|section| (section.length_frames, 0)).collect();
                if bars.sections.len() > 1 {
                    let whole = ProgressBar::new(plan.total_frames)
                        .with_style(style())
                        .with_prefix(format!("{:width$}", "all"));
                    bars.whole = Some(bars.all.add(whole));
                }
            }
        }
    }

    fn rendered(&self, section: usize, done: f64) -> ControlFlow<()> {
        match &self.view {
            View::Silent => {}
            View::Lines(lines) => {
                let mut lines = lock(lines);
                let label = lines.labels.get(section).cloned().unwrap_or_default();
                if let Some(reached) = lines.reached.get_mut(section)
                    && (done * LINES).floor() > *reached
                {
                    *reached = (done * LINES).floor();
                    say(&format!("rendering {label}: {:.0} %", *reached / LINES * 100.0));
                }
            }
            View::Bars(bars) => {
                let mut bars = lock(bars);
                if let Some((frames, rendered)) = bars.frames.get_mut(section) {
                    *rendered = (done * *frames as f64) as u64;
                }
                let rendered = bars.frames.iter().map(|(_, rendered)| rendered).sum();
                if let Some(bar) = bars.sections.get(section) {
                    if bar.position() == 0 {
                        bar.reset_elapsed();
                        bar.reset_eta();
                    }
                    bar.set_position((done * STEPS as f64) as u64);
                    if done >= 1.0 && !bar.is_finished() {
                        bar.finish();
                    }
                }
                if let Some(whole) = &bars.whole {
                    whole.set_position(rendered);
                }
            }
        }
        self.go_on()
    }
}

fn style() -> ProgressStyle {
    let eta = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // A bar that has not begun has no estimate, one that has ended needs none.
        let shown = match state.pos() {
            0 => write!(text, "waiting"),
            done if Some(done) == state.len() => write!(text, "done"),
            _ => write!(text, "{:.0} s left", state.eta().as_secs_f64().ceil()),
        };
        debug_assert!(shown.is_ok(), "writing to a string does not fail");
    };
    let template = "  {prefix} [{bar:32}] {percent:>3} %  {left}";
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("left", eta)
        .progress_chars("#>-")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
