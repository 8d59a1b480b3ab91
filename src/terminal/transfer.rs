//! Progress of work on a model: a bar on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::say;
use crate::models::{fetch, hub::RemoteFile, pull, size};

/// Plain lines are written at these shares.
const LINES: f64 = 4.0;

/// Shows on standard error how bytes come or are read.
#[derive(Debug)]
pub(super) struct Transfer {
    what: &'static str,
    total: u64,
    view: View,
    /// Bytes of files before the one at work.
    before: AtomicU64,
    /// Length of the file at work.
    file: AtomicU64,
}

#[derive(Debug)]
enum View {
    Bar(ProgressBar),
    /// Lines written.
    Lines(Mutex<f64>),
    Silent,
}

impl Transfer {
    /// For as many bytes.
    pub(super) fn new(what: &'static str, total: u64, quiet: bool) -> Self {
        let view = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => View::Silent,
            (false, true) => View::Bar(ProgressBar::new(total).with_style(style()).with_prefix(what)),
            (false, false) => View::Lines(Mutex::default()),
        };
        Self { what, total, view, before: AtomicU64::default(), file: AtomicU64::default() }
    }

    /// So many of all bytes are done.
    pub(super) fn done(&self, bytes: u64) {
        match &self.view {
            View::Silent => {}
            View::Bar(bar) => bar.set_position(bytes),
            View::Lines(reached) => {
                let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
                let quarter = (bytes as f64 / self.total.max(1) as f64 * LINES).floor();
                if quarter > *reached {
                    *reached = quarter;
                    say(&format!("{}: {:.0} % of {}", self.what, quarter / LINES * 100.0, size(self.total)));
                }
            }
        }
    }

    /// Leaves the terminal as it should be.
    pub(super) fn finish(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    fn note(&self, text: &str) {
        match &self.view {
            View::Silent => {}
            View::Bar(bar) => bar.suspend(|| say(text)),
            View::Lines(_) => say(text),
        }
    }
}

impl fetch::Watch for Transfer {
    fn here(&self, bytes: u64) {
        self.done(self.before.load(Ordering::Relaxed) + bytes);
    }

    fn again(&self, pause: Duration) {
        self.note(&format!("the transfer broke off; going on in {:.1} s", pause.as_secs_f64()));
    }

    fn busy(&self) {
        self.note("another program fetches the same file; waiting for it");
    }
}

impl pull::Watch for Transfer {
    fn begins(&self, file: &RemoteFile) {
        let last = self.file.swap(file.size, Ordering::Relaxed);
        self.before.fetch_add(last, Ordering::Relaxed);
        if let View::Bar(bar) = &self.view {
            bar.set_message(file.name.clone());
        }
    }
}

fn style() -> ProgressStyle {
    let template =
        "  {prefix} [{bar:32}] {percent:>3} %  {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left  {msg}";
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("#>-")
}
