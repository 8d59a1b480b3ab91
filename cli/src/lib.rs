//! A blocking client for a Timbre server.
//!
//! It speaks the types of [`timbre::wire`] and needs nothing else of Timbre: no engine, no async runtime.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! use timbre::wire::GenerationRequest;
//! use timbre_client::{Client, Overwrite, Part, Watched};
//!
//! # fn main() -> Result<(), timbre_client::ClientError> {
//! let client = Client::new("http://127.0.0.1:8000")?;
//! let request = GenerationRequest { prompt: "dreamy piano over rain".into(), ..Default::default() };
//! let job = client.submit(&request)?;
//! let end = client.watch(&job.job_id, |event| {
//!     if let Watched::Status(status) = event {
//!         println!("{} {:.0} %", status.state.name(), status.progress * 100.0);
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! println!("{}", end.message);
//! client.download(&end.job_id, Part::Audio, Path::new("rain.wav"), Overwrite::Refuse, |_| ControlFlow::Continue(()))?;
//! # Ok(())
//! # }
//! ```

mod client;
mod download;
mod error;
mod listen;
mod watch;

pub use client::{Client, JobFilter};
pub use download::{Downloaded, Overwrite, Part, Transfer};
pub use error::ClientError;
pub use watch::Watched;
