//! The log of the program, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Log, LogFormat};

/// Starts logging.
pub(super) fn start(settings: &Log) -> Result<(), ConfigError> {
    let wrong = |reason: String| ConfigError::Log { filter: settings.log.clone(), reason };
    let filter = EnvFilter::builder().parse(&settings.log).map_err(|error| wrong(error.to_string()))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    let started = match settings.log_format {
        LogFormat::Human => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| wrong(error.to_string()))
}
