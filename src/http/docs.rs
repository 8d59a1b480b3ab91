//! `/openapi.json` and `/docs`: the API document and a page that shows it, without any other host.

use axum::{Json, Router, routing::get};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::Service;

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";

/// The routes of the document and its page.
pub(super) fn routes(document: OpenApi) -> Router<Service> {
    // The page's scripts and styles are inside the program; the badge of the online validator would be on another host.
    let page = SwaggerUi::new("/docs").config(Config::new([DOCUMENT]).validator_url("none"));
    Router::from(page).route(DOCUMENT, get(move || async move { Json(document) }))
}
