//! `GET /engines`: who can render.

use axum::{Json, extract::State};

use super::{
    Service,
    error::{ApiError, documented},
};
use crate::wire::EngineList;

/// List the engines, available or not.
#[utoipa::path(
    get,
    path = "/engines",
    tag = "service",
    responses((status = 200, description = "Every engine.", body = EngineList), documented::Any)
)]
pub(super) async fn engines(State(service): State<Service>) -> Result<Json<EngineList>, ApiError> {
    service.blocking(|parts| Ok(Json(EngineList { engines: parts.engines.list() }))).await
}
