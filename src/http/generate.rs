//! `POST /generate`: submit a piece.

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Service,
    error::{ApiError, documented},
    extract::Json,
};
use crate::{
    cancel::Never,
    job::{NewJob, retention, sources},
    plan::plan,
    request::Request,
    wire::{GenerationRequest, GenerationStatus},
};

/// Seconds between two looks at a job that a caller is advised to make.
const POLL_SECONDS: u64 = 1;

/// Submit a piece.
///
/// The request is checked, planned and queued; the answer comes at once. Follow the job at `Location`, or by its events.
/// It goes on when the caller disconnects; `DELETE /jobs/{job_id}` stops it.
#[utoipa::path(
    post,
    path = "/generate",
    tag = "pieces",
    request_body = GenerationRequest,
    responses(
        (status = 202, description = "Accepted.", body = GenerationStatus, headers(
            ("Location" = String, description = "Path of the job's status."),
            ("Retry-After" = u64, description = "Seconds until it is worth looking."),
        )),
        documented::Submission,
    )
)]
pub(super) async fn generate(
    State(service): State<Service>,
    Json(wire): Json<GenerationRequest>,
) -> Result<Response, ApiError> {
    let status = service
        .blocking(move |parts| {
            let mut request = Request::new(wire, &parts.defaults)?;
            let chosen = parts.engines.choose(&request)?;
            let plan = plan(&chosen.settle(&request))?;
            sources::admit(&mut request, &*parts.store, &parts.shelf, &parts.uploads, &Never)?;
            retention::sweep(&*parts.store, &parts.shelf);
            let uploads = parts.uploads.hold();
            sources::still_there(&request, &uploads)?;
            let limits = chosen.engine.limits();
            let job = parts.store.submit(NewJob {
                audio_seconds: plan.duration_seconds,
                engine: chosen.engine.name().to_owned(),
                engine_reason: chosen.reason,
                real_time_factor: limits.real_time_factor,
                model: limits.model.map(|model| model.title),
                warnings: plan.warnings().iter().chain(&chosen.warnings).cloned().collect(),
                request,
            })?;
            drop(uploads);
            tracing::info!(job = %job.id, engine = job.engine, reason = job.engine_reason, "accepted");
            Ok(job.status())
        })
        .await?;
    let headers = [
        (header::LOCATION, format!("/status/{}", status.job_id)),
        (header::RETRY_AFTER, POLL_SECONDS.to_string()),
    ];
    Ok((StatusCode::ACCEPTED, headers, Answer(status)).into_response())
}
