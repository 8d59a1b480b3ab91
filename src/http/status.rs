//! `GET /status/{job_id}`: where a job stands.

use axum::{Json, extract::State};

use super::{
    Service,
    error::{ApiError, documented},
    extract::JobRef,
};
use crate::wire::GenerationStatus;

/// Where a job stands.
#[utoipa::path(
    get,
    path = "/status/{job_id}",
    tag = "jobs",
    params(("job_id" = String, Path, description = "The job (UUID).")),
    responses((status = 200, description = "The status.", body = GenerationStatus), documented::OneJob)
)]
pub(super) async fn status(
    State(service): State<Service>,
    JobRef(id): JobRef,
) -> Result<Json<GenerationStatus>, ApiError> {
    service
        .blocking(move |parts| {
            let job = parts.store.get(id)?.ok_or_else(ApiError::unknown_job)?;
            Ok(Json(job.status()))
        })
        .await
}
