//! The one place where real things are chosen: which engines, which store, which shelf.

use std::{io, sync::Arc};

use thiserror::Error;

use crate::{
    artifact::{ArtifactError, Shelf},
    config::{ConfigError, Export, Rendering, Service as ServiceSettings},
    job::{memory::MemoryStore, run::Pipeline},
    render::{engines::Engines, synth::Synth},
    wire::DeviceInfo,
    worker::{Bench, Workers},
};

/// Why the program cannot start.
#[derive(Debug, Error)]
pub enum AppError {
    /// A setting cannot be met here.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The shelf cannot be used.
    #[error("cannot keep finished pieces: {0}")]
    Shelf(#[from] ArtifactError),
    /// The system gives no thread.
    #[error("cannot start a worker thread")]
    Thread(#[source] io::Error),
}
