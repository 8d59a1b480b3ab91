//! `timbre serve`.

use super::{Failure, say};
use crate::{
    app::{self, AppError},
    config::{Export, Rendering, Service},
};

pub(super) fn run(service: &Service, rendering: &Rendering, export: &Export) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(AppError::Threads)?;
    let ready = |address| {
        say(&format!(
            "Timbre listens on http://{address} (documentation: http://{address}/docs); Ctrl-C stops it"
        ));
    };
    runtime.block_on(app::serve(service, rendering, export, ready, interrupted()))?;
    Ok(())
}

/// Ends at the first interrupt or termination; the second one ends the process at once.
async fn interrupted() {
    signal().await;
    say("stopping: running jobs may finish; once more stops at once");
    tokio::spawn(async {
        signal().await;
        #[expect(clippy::exit, reason = "the second signal asks for just that")]
        std::process::exit(130);
    });
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return interrupt().await };
    tokio::select! {
        _ = terminate.recv() => {}
        () = interrupt() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    interrupt().await;
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler there is nothing to wait for: the system's own handling stays.
        std::future::pending::<()>().await;
    }
}
