//! The one place where real things are chosen: which engines, which store, which shelf.

use std::{io, net::SocketAddr, sync::Arc};

use thiserror::Error;
use tokio::net::TcpListener;

#[cfg(feature = "musicgen")]
use crate::render::musicgen::MusicGens;
use crate::{
    artifact::{ArtifactError, Shelf, Uploads},
    config::{ConfigError, Export, Rendering, Service as ServiceSettings},
    http,
    job::{JobStore, MemoryStore, memory, retention, run::Pipeline},
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
    #[error("cannot keep finished pieces: {0}; --artifact-dir names another directory")]
    Shelf(#[from] ArtifactError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another --port, or 0 for any free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start threads: {0}")]
    Threads(#[source] io::Error),
}

/// The engines of this process.
///
/// # Errors
/// When a device was asked for that is not there.
pub fn engines(settings: &Rendering) -> Result<Arc<Engines>, ConfigError> {
    if let Some(processors) = settings.fewer_processors() {
        let threads = settings.threads;
        tracing::warn!(threads, processors, "more threads than processors make it slower");
    }
    let engines = Engines::new(Arc::new(Synth::new(settings.thread_count())));
    #[cfg(feature = "musicgen")]
    let engines = engines.with_models(Arc::new(MusicGens::new(settings.musicgen()?)));
    #[cfg(not(feature = "musicgen"))]
    settings.check()?;
    Ok(Arc::new(engines))
}

/// What the service says of the device that models compute on.
fn device(settings: &Rendering, engines: &Engines) -> DeviceInfo {
    let processor = settings.processor();
    match engines.device() {
        Some((kind, why)) if kind != processor.kind => {
            DeviceInfo { kind: kind.to_owned(), name: why, ..processor }
        }
        _ => processor,
    }
}

/// Runs the service until `interrupted` ends, then drains it. `ready` hears the address once it listens.
///
/// # Errors
/// When it cannot start.
pub async fn serve(
    settings: &ServiceSettings,
    rendering: &Rendering,
    export: &Export,
    ready: impl FnOnce(SocketAddr),
    interrupted: impl Future<Output = ()>,
) -> Result<(), AppError> {
    settings.check()?;
    let engines = engines(rendering)?;
    // A server that was started by mistake ends before it touches any file.
    let address = SocketAddr::new(settings.host, settings.port);
    let listener = TcpListener::bind(address).await.map_err(|source| AppError::Listen { address, source })?;
    let shelf = Arc::new(Shelf::open(&settings.artifact_dir)?);
    let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new(memory::Settings {
        capacity: settings.queue_capacity.get(),
        keep_finished: settings.keep_jobs.get(),
        workers: settings.workers.get(),
        ..memory::Settings::default()
    }));
    let uploads = Arc::new(Uploads::open(&shelf, settings.uploads())?);
    retention::reconcile(&*store, &shelf);
    let runner = Arc::new(Pipeline {
        engines: Arc::clone(&engines),
        shelf: Arc::clone(&shelf),
        uploads: Arc::clone(&uploads),
    });
    let previews = Arc::default();
    let bench = Bench {
        store: Arc::clone(&store),
        runner,
        previews: Arc::clone(&previews),
        shelf: Arc::clone(&shelf),
    };
    let workers = Workers::start(settings.workers(), &bench).map_err(AppError::Threads)?;
    let service = http::Service::new(http::Parts {
        store,
        shelf,
        device: device(rendering, &engines),
        uploads,
        previews,
        engines,
        defaults: export.defaults(),
        workers: settings.workers.get(),
        at_work: workers.at_work(),
    });
    ready(listener.local_addr().unwrap_or(address));
    let drained = async {
        interrupted.await;
        tracing::info!("draining");
        if let Err(error) = tokio::task::spawn_blocking(|| workers.drain()).await {
            tracing::error!(%error, "draining failed");
        }
    };
    http::serve(listener, service, http::Settings::default(), drained).await;
    Ok(())
}
