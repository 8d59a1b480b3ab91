//! The HTTP service: one file per resource, each route declared once beside its documentation.

use std::any::Any;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::wire::{FieldError, Problem};

mod accept;
mod artifact;
mod audio;
mod docs;
mod engines;
mod error;
mod events;
mod exchange;
mod extract;
mod file;
mod generate;
mod health;
mod jobs;
mod plan;
mod preview;
mod server;
mod service;
mod status;

pub use server::{Settings, serve};
pub use service::{Parts, Service};

/// What the API document says besides its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Timbre",
        description = "Turns a sentence into a finished piece of music. Every error is a `Problem` (RFC 9457) with a stable `code`."
    ),
    components(schemas(Problem, FieldError)),
    tags(
        (name = "pieces", description = "Ask for music."),
        (name = "sounds", description = "Bring sounds that pieces are made from."),
        (name = "jobs", description = "Follow, list and cancel jobs."),
        (name = "artifacts", description = "Fetch what was made."),
        (name = "service", description = "The service itself."),
    )
)]
struct Document;

/// Every route, with its documentation.
fn resources() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(generate::generate))
        .routes(routes!(plan::make_plan))
        .routes(routes!(audio::upload))
        .routes(routes!(audio::describe))
        .routes(routes!(audio::remove))
        .routes(routes!(status::status))
        .routes(routes!(events::events))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::cancel))
        .routes(routes!(artifact::artifact))
        .routes(routes!(artifact::audio))
        .routes(routes!(preview::preview))
        .routes(routes!(artifact::stems))
        .routes(routes!(artifact::midi))
        .routes(routes!(artifact::manifest))
        .routes(routes!(artifact::picture))
        .routes(routes!(engines::engines))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// The API document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    resources().into_openapi()
}

/// The whole service as one router.
pub fn router(service: Service) -> Router {
    let (resources, document) = resources().split_for_parts();
    resources
        .merge(docs::routes(document))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(DefaultBodyLimit::max(extract::BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(exchange::exchange))
        .with_state(service)
}

/// A handler that panics fails alone.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the payload over")]
fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<&str>().copied().unwrap_or_default();
    tracing::error!(panic = text, "a request panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
