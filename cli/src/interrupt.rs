//! Ctrl-C: once to stop in good order, twice to stop at once.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Failure;

/// Whether somebody pressed Ctrl-C (or sent SIGTERM or SIGHUP).
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on the program is told of Ctrl-C instead of being killed by it; the second one ends it at once.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        let pressed = Arc::clone(&flag);
        ctrlc::set_handler(move || {
            if pressed.swap(true, Ordering::Relaxed) {
                // Asked twice, nobody wants to wait for good order.
                std::process::exit(130);
            }
        })?;
        Ok(Self(flag))
    }

    /// What a callback answers.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.0.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
