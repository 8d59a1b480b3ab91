//! `GET /jobs` and `DELETE /jobs/{job_id}`: see and cancel jobs.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, de::IntoDeserializer};

use super::{
    Service,
    error::{ApiError, Code, documented},
    extract::JobRef,
};
use crate::{
    job::{
        retention,
        store::{Cancelling, Filter},
    },
    wire::{GenerationStatus, JobList, JobState},
};

/// Jobs on a page when the caller does not say.
const PAGE: usize = 50;
/// Most jobs on a page.
const PAGE_MAX: usize = 200;

/// List jobs, newest first.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "jobs",
    params(
        ("state" = Option<JobState>, Query, description = "Only jobs in this state."),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 200, description = "Jobs on a page. Default: 50."),
        ("before" = Option<String>, Query, description = "Only jobs submitted before this one: `next_before` of the page before."),
    ),
    responses((status = 200, description = "A page of jobs.", body = JobList), documented::List)
)]
pub(super) async fn list(
    State(service): State<Service>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<JobList>, ApiError> {
    let filter = filter(&query)?;
    service
        .blocking(move |parts| {
            // One more than asked for tells whether there is another page.
            let mut jobs = parts.store.list(&Filter { limit: filter.limit + 1, ..filter.clone() })?;
            let more = jobs.len() > filter.limit;
            jobs.truncate(filter.limit);
            let next_before = jobs.last().filter(|_| more).map(|job| job.id.to_string());
            Ok(Json(JobList { jobs: jobs.iter().map(|job| job.status()).collect(), next_before }))
        })
        .await
}

/// Cancel a job.
///
/// The job is cancelled at once; a running engine stops within a second or two. Cancelling twice is no fault.
#[utoipa::path(
    delete,
    path = "/jobs/{job_id}",
    tag = "jobs",
    params(("job_id" = String, Path, description = "The job (UUID).")),
    responses((status = 200, description = "It is cancelled.", body = GenerationStatus), documented::Cancel)
)]
pub(super) async fn cancel(
    State(service): State<Service>,
    JobRef(id): JobRef,
) -> Result<Json<GenerationStatus>, ApiError> {
    service
        .blocking(move |parts| match parts.store.cancel(id)? {
            Cancelling::Cancelled(job) => {
                tracing::info!(job = %id, "cancelled");
                retention::sweep(&*parts.store, &parts.shelf);
                Ok(Json(job.status()))
            }
            Cancelling::Finished(job) => Err(ApiError::new(
                Code::AlreadyFinished,
                format!("the job has {} and cannot be cancelled", job.state.name()),
            )),
            Cancelling::Unknown => Err(ApiError::unknown_job()),
        })
        .await
}

fn filter(query: &HashMap<String, String>) -> Result<Filter, ApiError> {
    let mut filter = Filter { state: None, before: None, limit: PAGE };
    for (name, value) in query {
        match name.as_str() {
            "state" => filter.state = Some(state(value)?),
            "limit" => {
                filter.limit =
                    value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)).ok_or_else(|| {
                        ApiError::field("limit", format!("must be a number from 1 to {PAGE_MAX}"))
                    })?;
            }
            "before" => {
                let id = value.parse();
                filter.before =
                    Some(id.map_err(|_not_uuid| ApiError::field("before", "must be the id of a job"))?);
            }
            unknown => {
                return Err(ApiError::field(unknown, "is unknown; there are state, limit and before"));
            }
        }
    }
    Ok(filter)
}

/// A state by its name on the wire.
fn state(name: &str) -> Result<JobState, ApiError> {
    JobState::deserialize(name.into_deserializer())
        .map_err(|error: serde::de::value::Error| ApiError::field("state", error.to_string()))
}
