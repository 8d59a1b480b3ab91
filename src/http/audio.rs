//! `/audio`: sounds that callers bring, to go on from or to follow.

use std::{path::Path, time::Duration};

use axum::{
    Json,
    body::{Body, BodyDataStream},
    extract::{Path as PathParameter, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use tokio::{fs::File, io::AsyncWriteExt, sync::OwnedSemaphorePermit, time::timeout};

use super::{
    Service,
    error::{ApiError, Code, documented},
    extract::BODY_TIMEOUT,
};
use crate::{
    artifact::{ArtifactError, Incoming, UploadError},
    cancel::Never,
    job::sources::in_use,
    wire::AudioInfo,
};

/// How long a sound may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(600);
/// What a caller is told to wait when others bring sounds.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Bring a sound.
///
/// The body is the file as it is: WAV, FLAC, MP3 or OGG (Vorbis), 1 to 8 channels at 8000 to 192000 Hz, up to an hour. Its whole
/// content is read before the answer comes. The same file has the same id, and is kept once.
#[utoipa::path(
    post,
    path = "/audio",
    tag = "sounds",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file."),
    responses(
        (status = 201, description = "It is kept.", body = AudioInfo, headers(
            ("Location" = String, description = "Path of its description."),
        )),
        documented::Upload,
    )
)]
pub(super) async fn upload(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let mut pieces = body.into_data_stream();
    let taken = match admit(&service, &headers).await {
        Ok((_place, incoming, largest)) => take(&service, incoming, &mut pieces, largest).await,
        // The caller waits for the answer before it sends anything.
        Err(error) if headers.contains_key(header::EXPECT) => return Err(error),
        Err(error) => Err(error),
    };
    match taken {
        Ok(info) => {
            let location = [(header::LOCATION, format!("/audio/{}", info.audio_id))];
            Ok((StatusCode::CREATED, location, Json(info)).into_response())
        }
        Err(error) => {
            if error.code != Code::RequestTimeout {
                go_by(&mut pieces).await;
            }
            Err(error)
        }
    }
}

/// A place for a sound on its way and the bytes that it may have, unless its head is enough to refuse it.
async fn admit(
    service: &Service,
    headers: &HeaderMap,
) -> Result<(OwnedSemaphorePermit, Incoming, u64), ApiError> {
    let place = service.arrival().ok_or_else(|| ApiError {
        retry_after: Some(RETRY_AFTER),
        ..ApiError::new(Code::UploadsBusy, Code::UploadsBusy.meaning())
    })?;
    let (incoming, largest) =
        service.blocking(|parts| Ok((parts.uploads.incoming()?, parts.uploads.settings().largest))).await?;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > largest) {
        return Err(UploadError::TooLarge { largest }.into());
    }
    Ok((place, incoming, largest))
}

/// Receives a sound, reads it and keeps it.
async fn take(
    service: &Service,
    incoming: Incoming,
    pieces: &mut BodyDataStream,
    largest: u64,
) -> Result<AudioInfo, ApiError> {
    timeout(ARRIVAL_TIMEOUT, receive(pieces, &incoming.path(), largest))
        .await
        .map_err(|_elapsed| late(ARRIVAL_TIMEOUT))??;
    service
        .blocking(move |parts| {
            let examined = parts.uploads.examine(incoming, &Never)?;
            let mut uploads = parts.uploads.hold();
            let used = in_use(&*parts.store)?;
            Ok(uploads.add(examined, &used)?)
        })
        .await
}

/// Lets what is left of a refused body go by, for a while: most callers read no answer before they have sent everything, and would
/// see a broken connection instead of the reason.
async fn go_by(pieces: &mut BodyDataStream) {
    let all = async { while let Some(Ok(_)) = pieces.next().await {} };
    timeout(BODY_TIMEOUT, all).await.unwrap_or_default();
}

/// Describe a sound.
#[utoipa::path(
    get,
    path = "/audio/{audio_id}",
    tag = "sounds",
    params(("audio_id" = String, Path, description = "The sound (64 hexadecimal digits).")),
    responses((status = 200, description = "What it is.", body = AudioInfo), documented::Sound)
)]
pub(super) async fn describe(
    State(service): State<Service>,
    audio_id: Option<PathParameter<String>>,
) -> Result<Json<AudioInfo>, ApiError> {
    let PathParameter(id) = audio_id.ok_or_else(unknown)?;
    service.blocking(move |parts| parts.uploads.hold().get(&id).cloned().map(Json).ok_or_else(unknown)).await
}

/// Remove a sound, unless a job that waits or runs uses it.
#[utoipa::path(
    delete,
    path = "/audio/{audio_id}",
    tag = "sounds",
    params(("audio_id" = String, Path, description = "The sound (64 hexadecimal digits).")),
    responses((status = 204, description = "It is gone."), documented::SoundRemoval)
)]
pub(super) async fn remove(
    State(service): State<Service>,
    audio_id: Option<PathParameter<String>>,
) -> Result<StatusCode, ApiError> {
    let PathParameter(id) = audio_id.ok_or_else(unknown)?;
    service
        .blocking(move |parts| {
            let mut uploads = parts.uploads.hold();
            let used = in_use(&*parts.store)?;
            if uploads.remove(&id, &used)? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
        })
        .await
}

/// Writes a body to a file as it arrives.
async fn receive(pieces: &mut BodyDataStream, path: &Path, largest: u64) -> Result<(), ApiError> {
    let failed = |error| ApiError::from(ArtifactError::io(path, error));
    let mut file = File::create_new(path).await.map_err(failed)?;
    let mut bytes = 0;
    while let Some(piece) =
        timeout(BODY_TIMEOUT, pieces.next()).await.map_err(|_elapsed| late(BODY_TIMEOUT))?
    {
        let piece = piece.map_err(|_broken| ApiError::new(Code::BadRequest, "the body ended early"))?;
        bytes += piece.len() as u64;
        if bytes > largest {
            return Err(UploadError::TooLarge { largest }.into());
        }
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}

fn late(limit: Duration) -> ApiError {
    ApiError::new(
        Code::RequestTimeout,
        format!("nothing more of the body arrived within {} s", limit.as_secs()),
    )
}

fn unknown() -> ApiError {
    ApiError::new(Code::NotFound, "there is no sound with this id; it may have made room for newer ones")
}
