//! `GET /artifact/{job_id}/preview`: a piece while it is made.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::time::timeout;

use super::{
    Service,
    artifact::shelved,
    error::{ApiError, Code, documented},
    extract::JobRef,
};
use crate::job::{
    JobId,
    preview::{Broken, Reader},
};

/// How long nothing may come before the job is asked for. One that never runs breaks nothing off by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The piece while it is made.
///
/// A WAV stream of 16 bits without a length, at the rate and with the channels of the engine: the mix before mastering, so neither its
/// loudness nor its peaks are those of the artifact. It starts with the first sound of the first section, always from the beginning,
/// follows the rendering, and ends when the artifact is there. Of a job that fails or is cancelled the transfer breaks. A job that has succeeded sends the
/// caller on to its audio.
#[utoipa::path(
    get,
    path = "/artifact/{job_id}/preview",
    tag = "artifacts",
    params(("job_id" = String, Path, description = "The job (UUID).")),
    responses(
        (status = 200, description = "The sound, as it comes.", body = Vec<u8>, content_type = "audio/wav"),
        (status = 303, description = "The piece is made.", headers(
            ("Location" = String, description = "Path of its audio."),
        )),
        documented::Preview,
    )
)]
pub(super) async fn preview(
    State(service): State<Service>,
    JobRef(id): JobRef,
) -> Result<Response, ApiError> {
    let reader = service
        .blocking(move |parts| {
            // The preview first: of a job that ends after this it is complete, or broken off.
            let preview = parts.previews.of(id);
            match shelved(parts, id) {
                Ok(_) => Ok(None),
                Err(error) if error.code == Code::NotFinished => Ok(Some(preview.read())),
                Err(error) => Err(error),
            }
        })
        .await?;
    let Some(reader) = reader else {
        let location = [(header::LOCATION, format!("/artifact/{id}/audio"))];
        return Ok((StatusCode::SEE_OTHER, location).into_response());
    };
    let sound = stream::unfold(Some(Listener { service, id, reader }), |listener| async {
        let mut listener = listener?;
        match listener.next().await? {
            Ok(bytes) => Some((Ok(bytes), Some(listener))),
            Err(broken) => Some((Err(io::Error::other(broken)), None)),
        }
    });
    let headers = [(header::CONTENT_TYPE, "audio/wav"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(sound)).into_response())
}

/// One who listens to a job.
struct Listener {
    service: Service,
    id: JobId,
    reader: Reader,
}

impl Listener {
    /// What comes next; `None` behind the whole piece.
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        loop {
            let more = poll_fn(|context| self.reader.poll_next(context));
            match timeout(LOOK_EVERY, more).await {
                Ok(more) => return more.map(|block| block.map(Bytes::from_owner)),
                Err(_elapsed) if self.is_over().await => {
                    // It may have gone on to its end since the last look.
                    return match self.reader.poll_next(&Context::from_waker(Waker::noop())) {
                        Poll::Ready(more) => more.map(|block| block.map(Bytes::from_owner)),
                        Poll::Pending => Some(Err(Broken)),
                    };
                }
                Err(_elapsed) => {}
            }
        }
    }

    /// Whether nothing will come any more.
    async fn is_over(&self) -> bool {
        let id = self.id;
        let job = self.service.blocking(move |parts| Ok(parts.store.get(id)?)).await;
        // An unreachable store may come back.
        job.is_ok_and(|job| job.is_none_or(|job| job.state.is_final()))
    }
}
