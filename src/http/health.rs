//! `GET /health`, `/livez` and `/readyz`: how the service is.

use axum::{Json, extract::State};

use super::{
    Service,
    error::{ApiError, documented},
};
use crate::wire::{Health, QueueInfo};

/// The state of the service. Always 200 while it answers; `ready` says whether a request would be accepted and rendered.
#[utoipa::path(
    get,
    path = "/health",
    tag = "service",
    responses((status = 200, description = "The state of the service.", body = Health), documented::Any)
)]
pub(super) async fn health(State(service): State<Service>) -> Result<Json<Health>, ApiError> {
    let uptime = service.started().elapsed();
    service
        .blocking(move |parts| {
            let counts = parts.store.counts()?;
            let draining = parts.store.is_closed();
            let engines = parts.engines.list();
            let not_ready = parts.check().err().map(|error| error.detail).or_else(|| {
                if counts.queued >= counts.capacity {
                    Some(format!("{} jobs are waiting, which is the limit", counts.queued))
                } else if !engines.iter().any(|engine| engine.available) {
                    Some("no engine is available".to_owned())
                } else {
                    None
                }
            });
            Ok(Json(Health {
                status: if draining { "draining" } else { "ok" }.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                uptime_seconds: uptime.as_secs_f64(),
                ready: not_ready.is_none(),
                not_ready,
                device: parts.device.clone(),
                engines,
                queue: QueueInfo {
                    queued: counts.queued,
                    running: counts.running,
                    capacity: counts.capacity,
                    workers: parts.workers,
                },
                store: parts.store.name().to_owned(),
            }))
        })
        .await
}

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "service",
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain"))
)]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Whether requests should be sent here. A full queue does not make it unready: it is answered with 429.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "They should.", body = String, content_type = "text/plain"),
        documented::Readiness,
    )
)]
pub(super) async fn ready(State(service): State<Service>) -> Result<&'static str, ApiError> {
    service
        .blocking(|parts| {
            parts.store.counts()?;
            parts.check()?;
            Ok("ok\n")
        })
        .await
}
