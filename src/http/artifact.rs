//! `GET /artifact/{job_id}` and the files under it: what a finished job has made.

use std::fs;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, header},
    response::{IntoResponse, Response},
};

use super::{
    Service,
    accept::{self, Form},
    error::{ApiError, Code, documented},
    extract::JobRef,
    file::{self, Sent, file_name},
    service::Parts,
};
use crate::{
    artifact::Shelved,
    job::JobId,
    wire::{ArtifactLinks, GenerationArtifact, JobState, Manifest},
};

/// The artifact.
///
/// Its description with links to its files, or the audio itself when `Accept` prefers audio.
#[utoipa::path(
    get,
    path = "/artifact/{job_id}",
    tag = "artifacts",
    params(
        ("job_id" = String, Path, description = "The job (UUID)."),
        ("Accept" = Option<String>, Header, description = "`audio/*` or the exact type asks for the audio."),
    ),
    responses(
        (status = 200, description = "The artifact.", content(
            (GenerationArtifact = "application/json"),
            (Vec<u8> = "audio/wav"),
            (Vec<u8> = "audio/flac"),
        )),
        (status = 206, description = "The part of the audio that `Range` asks for."),
        (status = 304, description = "The audio that `If-None-Match` names."),
        documented::Artifact,
    )
)]
pub(super) async fn artifact(
    State(service): State<Service>,
    JobRef(id): JobRef,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (shelved, manifest) = finished(&service, id).await?;
    let mut response = match accept::preferred(&headers, manifest.audio.format) {
        Some(Form::Json) => Json(describe(id, &shelved, manifest)).into_response(),
        Some(Form::Audio) => file::send(audio_file(shelved, &manifest), method, headers).await?,
        None => {
            let media = manifest.audio.format.media_type();
            return Err(ApiError::new(
                Code::NotAcceptable,
                format!("there are application/json and {media}"),
            ));
        }
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The audio.
///
/// Ranges are served; the entity tag is the file's SHA-256, so an interrupted download goes on with `If-Range`.
#[utoipa::path(
    get,
    path = "/artifact/{job_id}/audio",
    tag = "artifacts",
    params(
        ("job_id" = String, Path, description = "The job (UUID)."),
        ("Range" = Option<String>, Header, description = "Part of the file, as `bytes=0-1023`."),
    ),
    responses(
        (status = 200, description = "The whole file.", content((Vec<u8> = "audio/wav"), (Vec<u8> = "audio/flac"))),
        (status = 206, description = "The part that `Range` asks for."),
        (status = 304, description = "The file that `If-None-Match` names."),
        documented::File,
    )
)]
pub(super) async fn audio(
    State(service): State<Service>,
    JobRef(id): JobRef,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (shelved, manifest) = finished(&service, id).await?;
    file::send(audio_file(shelved, &manifest), method, headers).await
}

/// The stems: a ZIP of 32-bit float WAV, when they were asked for.
#[utoipa::path(
    get,
    path = "/artifact/{job_id}/stems.zip",
    tag = "artifacts",
    params(("job_id" = String, Path, description = "The job (UUID).")),
    responses(
        (status = 200, description = "The archive.", body = Vec<u8>, content_type = "application/zip"),
        (status = 206, description = "The part that `Range` asks for."),
        documented::Stems,
    )
)]
pub(super) async fn stems(
    State(service): State<Service>,
    JobRef(id): JobRef,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (shelved, manifest) = finished(&service, id).await?;
    let path = shelved.stems.ok_or_else(|| {
        ApiError::new(
            Code::NoStems,
            "this piece has no stems; ask for them with \"output\": {\"stems\": true}",
        )
    })?;
    let name = file_name(&format!("{} stems", manifest.plan.title), "zip");
    file::send(Sent { path, media_type: "application/zip", name, sha256: None }, method, headers).await
}

/// The notes that sound, as a standard MIDI file: tempo, metre, keys, section markers, a track per part.
#[utoipa::path(
    get,
    path = "/artifact/{job_id}/midi",
    tag = "artifacts",
    params(("job_id" = String, Path, description = "The job (UUID).")),
    responses(
        (status = 200, description = "The file.", body = Vec<u8>, content_type = "audio/midi"),
        (status = 206, description = "The part that `Range` asks for."),
        documented::Notes,
    )
)]
pub(super) async fn midi(
    State(service): State<Service>,
    JobRef(id): JobRef,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (shelved, manifest) = finished(&service, id).await?;
    let path = shelved.midi.ok_or_else(|| {
        let engine = &manifest.provenance.engine;
        ApiError::new(
            Code::NoMidi,
            format!("this piece has no notes: the engine {engine} does not know them"),
        )
    })?;
    let name = file_name(&manifest.plan.title, "mid");
    let sha256 = manifest.midi.map(|midi| midi.sha256);
    file::send(Sent { path, media_type: "audio/midi", name, sha256 }, method, headers).await
}

/// The manifest: everything needed to render the piece again.
#[utoipa::path(
    get,
    path = "/artifact/{job_id}/manifest",
    tag = "artifacts",
    params(("job_id" = String, Path, description = "The job (UUID).")),
    responses((status = 200, description = "The manifest.", body = Manifest), documented::File)
)]
pub(super) async fn manifest(
    State(service): State<Service>,
    JobRef(id): JobRef,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (shelved, manifest) = finished(&service, id).await?;
    let name = file_name(&manifest.plan.title, "json");
    let sent = Sent { path: shelved.manifest, media_type: "application/json", name, sha256: None };
    file::send(sent, method, headers).await
}

/// The picture: waveform with section marks over a spectrogram.
#[utoipa::path(
    get,
    path = "/artifact/{job_id}/picture.png",
    tag = "artifacts",
    params(("job_id" = String, Path, description = "The job (UUID).")),
    responses(
        (status = 200, description = "The picture.", body = Vec<u8>, content_type = "image/png"),
        documented::File,
    )
)]
pub(super) async fn picture(
    State(service): State<Service>,
    JobRef(id): JobRef,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (shelved, manifest) = finished(&service, id).await?;
    let name = file_name(&manifest.plan.title, "png");
    let sent = Sent { path: shelved.picture, media_type: "image/png", name, sha256: None };
    file::send(sent, method, headers).await
}

/// The files of a job that has succeeded, or why there are none.
async fn finished(service: &Service, id: JobId) -> Result<(Shelved, Manifest), ApiError> {
    service.blocking(move |parts| shelved(parts, id)).await
}

pub(super) fn shelved(parts: &Parts, id: JobId) -> Result<(Shelved, Manifest), ApiError> {
    let job = parts.store.get(id)?.ok_or_else(ApiError::unknown_job)?;
    match job.state {
        JobState::Succeeded => {}
        JobState::Failed => {
            return Err(ApiError::new(Code::JobFailed, format!("the job failed: {}", job.message)));
        }
        JobState::Cancelled => return Err(ApiError::new(Code::JobCancelled, "the job was cancelled")),
        state => {
            let detail = format!("the job is {}; follow GET /status/{id}", state.name());
            return Err(ApiError::new(Code::NotFinished, detail));
        }
    }
    let gone = || ApiError::new(Code::ArtifactGone, "the artifact was removed from the server");
    let files = parts.shelf.find(&id.to_string()).ok_or_else(gone)?;
    let text = fs::read(&files.manifest).map_err(ApiError::internal)?;
    let manifest = serde_json::from_slice(&text).map_err(ApiError::internal)?;
    Ok((files, manifest))
}

fn audio_file(shelved: Shelved, manifest: &Manifest) -> Sent {
    let format = manifest.audio.format;
    Sent {
        path: shelved.audio,
        media_type: format.media_type(),
        name: file_name(&manifest.plan.title, format.extension()),
        sha256: Some(manifest.audio.sha256.clone()),
    }
}

fn describe(id: JobId, shelved: &Shelved, manifest: Manifest) -> GenerationArtifact {
    let link = |part: &str| format!("/artifact/{id}/{part}");
    GenerationArtifact {
        job_id: id.to_string(),
        title: manifest.plan.title,
        audio: manifest.audio,
        loudness: manifest.loudness,
        provenance: manifest.provenance,
        sections: manifest.sections,
        warnings: manifest.warnings,
        links: ArtifactLinks {
            audio: link("audio"),
            manifest: link("manifest"),
            picture: link("picture.png"),
            stems: shelved.stems.is_some().then(|| link("stems.zip")),
            midi: shelved.midi.is_some().then(|| link("midi")),
        },
    }
}
