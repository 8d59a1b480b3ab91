//! How the program ends: exit codes, messages, advice.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use timbre::wire::GenerationStatus;
use timbre_client::ClientError;

use crate::output::{self, Output, remark};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Usage(String),
    #[error("{option} {}: {reason}", path.display())]
    Input { option: &'static str, path: PathBuf, reason: String },
    #[error("the job failed: {}", .0.message)]
    JobFailed(Box<GenerationStatus>),
    #[error("the job was cancelled")]
    JobCancelled(Box<GenerationStatus>),
    #[error("the server is not ready for a job now: {0}")]
    NotReady(String),
    #[error("interrupted; job {id} goes on at the server")]
    Detached { id: String },
    #[error("interrupted; job {id} is being cancelled")]
    CancelledOnInterrupt { id: String },
    #[error("interrupted")]
    Interrupted,
    #[error("cannot react to Ctrl-C: {0}")]
    Signals(#[from] ctrlc::Error),
    #[error("cannot write to stdout: {0}")]
    Stdout(#[from] io::Error),
}

impl Failure {
    /// As documented in `--help`.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Client(error) => client_code(error),
            Self::Usage(_) | Self::Input { .. } => 2,
            Self::JobFailed(_) => 4,
            Self::JobCancelled(_) => 5,
            Self::NotReady(_) => 6,
            Self::Detached { .. } | Self::CancelledOnInterrupt { .. } | Self::Interrupted => 130,
            Self::Signals(_) | Self::Stdout(_) => 1,
        }
    }

    /// What the person at the keyboard can do about it.
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Client(ClientError::Unreachable { .. }) => {
                "is it running (`timbre serve`)? Name another with --server URL or TIMBRE_SERVER".to_owned()
            }
            Self::Client(ClientError::InvalidServer { .. }) => {
                "set it with --server URL or TIMBRE_SERVER".to_owned()
            }
            Self::Client(ClientError::InvalidId { .. }) => "`timbrectl list` shows the jobs".to_owned(),
            Self::Client(ClientError::Exists { .. }) => {
                "--force replaces it; --output PATH names another".to_owned()
            }
            Self::Client(ClientError::Damaged { .. }) => {
                "nothing was kept; try `timbrectl fetch` again".to_owned()
            }
            Self::Client(ClientError::Problem(problem)) => match (problem.retry_after, problem.status) {
                (Some(seconds), _) => format!("try again in {seconds} s"),
                (None, 429 | 503) => "try again in a moment".to_owned(),
                (None, 404) => "`timbrectl list` shows the jobs".to_owned(),
                (None, 409) => "`timbrectl status ID` says where it stands".to_owned(),
                _ => return None,
            },
            Self::JobFailed(status) => format!("`timbrectl status {}` shows it again", status.job_id),
            Self::Detached { id } => {
                format!("`timbrectl watch {id} --fetch` takes it up again, `timbrectl cancel {id}` stops it")
            }
            _ => return None,
        };
        Some(hint)
    }

    /// Says what happened, on stderr and, with `--json`, as a document on stdout.
    pub(crate) fn report(&self, output: Output) -> ExitCode {
        if matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        let mut text = format!("timbrectl: {self}");
        if let Self::Client(ClientError::Problem(problem)) = self {
            text = format!("{text} ({}, HTTP {})", problem.code, problem.status);
            for error in &problem.errors {
                text = format!("{text}\n  {}: {}", error.field, error.message);
            }
        }
        if let Some(hint) = self.hint() {
            text = format!("{text}\n  hint: {hint}");
        }
        remark(&text);
        // `health` has written its document already; not being ready is an answer.
        if output.json && !matches!(self, Self::NotReady(_)) {
            // The exit code stands whether or not anybody reads stdout.
            output::document_line(&self.document()).ok();
        }
        ExitCode::from(self.code())
    }

    fn document(&self) -> serde_json::Value {
        let mut error = json!({"message": self.to_string(), "exit_code": self.code()});
        if let Some(hint) = self.hint() {
            error["hint"] = hint.into();
        }
        match self {
            Self::Client(ClientError::Problem(problem)) => error["problem"] = json!(problem),
            Self::JobFailed(status) | Self::JobCancelled(status) => error["status"] = json!(status),
            Self::Detached { id } | Self::CancelledOnInterrupt { id } => error["job_id"] = json!(id),
            _ => {}
        }
        json!({"error": error})
    }
}

/// What clap has to say: help and version as they are, wrong use on stderr and, with `--json`, as a document on stdout.
pub(crate) fn wrong_use(error: &clap::Error) -> ExitCode {
    // Whoever closed the stream does not want to hear it.
    error.print().ok();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if json {
        let text = error.to_string();
        // What follows the first paragraph is advice for people.
        let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        output::document_line(&Failure::Usage(message.to_owned()).document()).ok();
    }
    ExitCode::from(2)
}

fn client_code(error: &ClientError) -> u8 {
    match error {
        ClientError::Unreachable { .. } => 3,
        ClientError::InvalidServer { .. }
        | ClientError::InvalidId { .. }
        | ClientError::Exists { .. }
        | ClientError::Read { .. } => 2,
        ClientError::Stopped => 130,
        other => match other.status() {
            Some(400 | 404 | 413 | 415 | 422) => 2,
            Some(429 | 503) => 6,
            Some(502 | 504) => 3,
            _ => 1,
        },
    }
}
