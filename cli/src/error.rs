//! Why a call to a server did not succeed.

use std::io;
use std::path::PathBuf;

use timbre::wire::Problem;

/// Why a call to a server did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address of the server cannot be used.
    #[error("{server:?} is not the address of a server: {reason}")]
    InvalidServer {
        /// The address that was given.
        server: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A job id that no server gives out; nothing was sent.
    #[error("{id:?} is not a job id: 1 to 64 letters, digits and hyphens are expected")]
    InvalidId {
        /// The id that was given.
        id: String,
    },
    /// No connection, or it was lost. May be tried again.
    #[error("cannot reach {url}: {source}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network said.
        source: Box<ureq::Error>,
    },
    /// The server refused, and says why.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// An error status without a problem document: from a proxy, or from something that is no Timbre server.
    #[error("{url} answered HTTP {status} without saying why; is this a Timbre server?")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that a Timbre server of this version does not give.
    #[error("{url} gave an answer that was not understood: {reason}")]
    Protocol {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A downloaded file is not what the server made. Nothing was kept.
    #[error("{url} arrived damaged: its SHA-256 is {found}, the server says {expected}")]
    Damaged {
        /// What was downloaded.
        url: String,
        /// 64 hexadecimal digits from the artifact.
        expected: String,
        /// 64 hexadecimal digits of what arrived.
        found: String,
    },
    /// The file to write is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller's callback asked to stop.
    #[error("stopped")]
    Stopped,
}

impl ClientError {
    /// Whether the same call may succeed a little later: no connection, a busy server, a gateway without one.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => is_transient_status(problem.status),
            Self::Status { status, .. } => is_transient_status(*status),
            _ => false,
        }
    }

    /// The HTTP status of a refusal, where there is one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// A connection that broke in the middle of an answer.
    pub fn lost(url: &str, source: io::Error) -> Self {
        Self::Unreachable { url: url.to_owned(), source: Box::new(source.into()) }
    }

    /// Sorts a failed exchange: the network's fault or the answer's.
    pub(crate) fn from_exchange(url: &str, error: ureq::Error) -> Self {
        use ureq::Error as E;
        let url = url.to_owned();
        match error {
            E::Io(_)
            | E::Timeout(_)
            | E::HostNotFound
            | E::ConnectionFailed
            | E::ConnectProxyFailed(_)
            | E::InvalidProxyUrl
            | E::Tls(_)
            | E::Rustls(_) => Self::Unreachable { url, source: Box::new(error) },
            other => Self::Protocol { url, reason: other.to_string() },
        }
    }
}

fn is_transient_status(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}
