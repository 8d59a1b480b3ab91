//! How far it is, on stderr: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use timbre::wire::GenerationStatus;
use timbre_client::{ClientError, Transfer};

use crate::output::{Output, printable, remark};
use crate::report::{clock, speed, status_line};

/// Steps of a bar that stands for a share of 1.
const STEPS: f64 = 1000.0;

/// Shows how far a job and a download are.
#[derive(Debug)]
pub(crate) enum Progress {
    Silent,
    Lines(Lines),
    Bars(Bars),
}

impl Progress {
    /// What suits the terminal.
    pub(crate) fn new(output: Output) -> Self {
        if output.quiet {
            Self::Silent
        } else if std::io::stderr().is_terminal() {
            Self::Bars(Bars::default())
        } else {
            Self::Lines(Lines::default())
        }
    }

    pub(crate) fn status(&mut self, status: &GenerationStatus) {
        match self {
            Self::Silent => {}
            Self::Lines(lines) => lines.status(status),
            Self::Bars(bars) => bars.status(status),
        }
    }

    pub(crate) fn retrying(&mut self, error: &ClientError, wait: Duration) {
        let text = format!("{error}; asking again in {:.1} s", wait.as_secs_f64());
        match self {
            Self::Silent => {}
            Self::Lines(_) => remark(&text),
            Self::Bars(bars) => bars.all.suspend(|| remark(&text)),
        }
    }

    pub(crate) fn transfer(&mut self, transfer: Transfer) {
        match self {
            Self::Silent => {}
            Self::Lines(lines) => lines.transfer(transfer),
            Self::Bars(bars) => bars.transfer(transfer),
        }
    }

    /// Clears the screen of bars.
    pub(crate) fn end(self) {
        if let Self::Bars(bars) = self {
            bars.clear();
        }
    }
}

/// One line per step worth telling.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    told: Option<Step>,
    resumed: u32,
}

/// What makes a status worth a line of its own.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    state: &'static str,
    tenths: u32,
    queue_position: Option<u64>,
    sections_done: usize,
}

impl Lines {
    fn status(&mut self, status: &GenerationStatus) {
        let step = Step {
            state: status.state.name(),
            tenths: (status.progress * 10.0) as u32,
            queue_position: status.queue_position,
            sections_done: status.sections.iter().filter(|section| section.progress >= 1.0).count(),
        };
        if self.told.as_ref() != Some(&step) {
            remark(&status_line(status));
            self.told = Some(step);
        }
    }

    fn transfer(&mut self, transfer: Transfer) {
        if transfer.resumed > self.resumed {
            remark(&format!("the transfer broke off; going on at {} bytes", transfer.done));
            self.resumed = transfer.resumed;
        }
    }
}

/// A bar for the job, one for each section, one for the download.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    all: MultiProgress,
    job: Option<ProgressBar>,
    sections: Vec<ProgressBar>,
    download: Option<ProgressBar>,
}

impl Bars {
    fn status(&mut self, status: &GenerationStatus) {
        let all = &self.all;
        let job = self.job.get_or_insert_with(|| share_bar(all));
        job.set_prefix(status.state.name());
        job.set_position((status.progress * STEPS) as u64);
        job.set_message(match (status.queue_position, status.eta_seconds) {
            (Some(before), _) => format!("{before} before this one"),
            (None, Some(eta)) => {
                let speed =
                    status.real_time_factor.map_or(String::new(), |factor| ", ".to_owned() + &speed(factor));
                format!("about {} left{speed}", clock(eta))
            }
            (None, None) => String::new(),
        });
        while self.sections.len() < status.sections.len() {
            self.sections.push(share_bar(all));
        }
        for (bar, section) in self.sections.iter().zip(&status.sections) {
            bar.set_prefix(format!("  {}", printable(&section.label)));
            bar.set_position((section.progress * STEPS) as u64);
            bar.set_message(match section.progress {
                1.0.. => "done",
                0.0 => "waits",
                _ => "",
            });
        }
    }

    fn transfer(&mut self, transfer: Transfer) {
        let all = &self.all;
        let bar = self.download.get_or_insert_with(|| {
            let template = "{prefix:<14} [{bar:30}] {bytes} of {total_bytes} {msg}";
            let bar = all.add(ProgressBar::no_length().with_style(style(template)));
            bar.set_prefix("download");
            bar
        });
        if let Some(total) = transfer.total {
            bar.set_length(total);
        }
        bar.set_position(transfer.done);
        if transfer.resumed > 0 {
            bar.set_message("(taken up again)");
        }
    }

    fn clear(self) {
        for bar in self.job.into_iter().chain(self.sections).chain(self.download) {
            bar.finish_and_clear();
        }
    }
}

fn share_bar(all: &MultiProgress) -> ProgressBar {
    all.add(ProgressBar::new(STEPS as u64).with_style(style("{prefix:<14} [{bar:30}] {percent:>3} %  {msg}")))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_wrong| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
