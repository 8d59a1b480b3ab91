//! The listening end: how connections come, how long they may be slow, and how they go.

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;

use super::{Service, router};

/// How long a caller may take to send the head of a request, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at the same time; more wait in the system's backlog.
const CONNECTIONS: usize = 1024;
/// How long open exchanges may go on after the shutdown.
const GOODBYE: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection, so that a lack of descriptors does not become a busy loop.
const REFUSED: Duration = Duration::from_millis(100);

/// How patient the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a caller may take no byte of an answer before its connection is cut.
    pub stalled: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { stalled: Duration::from_secs(30) }
    }
}

/// Serves until `shutdown` ends, then lets open exchanges finish for a few seconds.
///
/// Draining belongs into `shutdown`: as long as it waits for workers, status and artifacts are still served, `/readyz` says no,
/// and submissions are refused.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) {
    let router = router(service);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let mut stream = TimeoutStream::new(stream);
                stream.set_write_timeout(Some(settings.stalled));
                tokio::spawn(converse(stream, router.clone(), graceful.watcher(), place));
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                sleep(REFUSED).await;
            }
        }
    }
    drop(listener);
    if timeout(GOODBYE, graceful.shutdown()).await.is_err() {
        tracing::warn!("open connections are cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Small answers leave at once.
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn converse(
    stream: TimeoutStream<TcpStream>,
    router: Router,
    watcher: Watcher,
    place: OwnedSemaphorePermit,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
    }
    drop(place);
}
