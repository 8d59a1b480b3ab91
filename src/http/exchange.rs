//! What every exchange has in common: a request id, a line in the log, safe headers, and problems in one form.

use std::{error::Error, time::Instant};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use uuid::Uuid;

use super::error::{ApiError, Code};

/// Carries the request id in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over from a caller.
const REQUEST_ID_LENGTH: usize = 128;

/// Wraps every route, and what is no route.
pub(super) async fn exchange(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // The route rather than the path: bounded in number, and free of what callers write.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let id = request_id(&request);
    let mut response = next.run(request).await;
    let error = response.extensions_mut().remove::<ApiError>().or_else(|| unnamed(&response));
    if let Some(error) = error {
        if let Some(cause) = &error.cause {
            tracing::error!(request_id = %id, route, code = error.code.name(), error = &**cause as &dyn Error, "internal");
        }
        response = in_one_form(response, &error, &path, &id);
    }
    let status = response.status().as_u16();
    let milliseconds = start.elapsed().as_millis() as u64;
    // Clients poll: what was only read, and was there, would drown the rest.
    if method.is_safe() && status < 400 {
        tracing::debug!(request_id = %id, %method, route, status, milliseconds, "answered");
    } else {
        tracing::info!(request_id = %id, %method, route, status, milliseconds, "answered");
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The caller's own id when it is harmless, otherwise a new one.
fn request_id(request: &Request) -> String {
    request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (1..=REQUEST_ID_LENGTH).contains(&id.len()))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The error behind a response that a library made: an unknown path, a wrong method, a range outside a file.
fn unnamed(response: &Response) -> Option<ApiError> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => {
            (Code::NotFound, "there is nothing at this path; /docs shows what there is".to_owned())
        }
        StatusCode::METHOD_NOT_ALLOWED => (
            Code::MethodNotAllowed,
            "this path has no such method; the Allow header says which it has".to_owned(),
        ),
        StatusCode::PRECONDITION_FAILED => {
            (Code::PreconditionFailed, "the file is not the one that the request names".to_owned())
        }
        StatusCode::RANGE_NOT_SATISFIABLE => (
            Code::RangeNotSatisfiable,
            "ask for bytes inside the file, as bytes=0-1023; Content-Range says how long it is".to_owned(),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (Code::BodyTooLarge, Code::BodyTooLarge.meaning().to_owned()),
        status if status.is_client_error() => (Code::BadRequest, Code::BadRequest.meaning().to_owned()),
        _ => (Code::Internal, Code::Internal.meaning().to_owned()),
    };
    Some(ApiError::new(code, detail))
}

/// The response as a problem, keeping headers such as `Allow`, `Retry-After` and `Content-Range`.
fn in_one_form(response: Response, error: &ApiError, path: &str, id: &str) -> Response {
    let (mut parts, _) = response.into_parts();
    // A problem is three strings deep and always serialises.
    let body = serde_json::to_vec(&error.problem(path, id)).unwrap_or_default();
    parts.status = error.code.status();
    for replaced in [
        header::CONTENT_LENGTH,
        header::CONTENT_DISPOSITION,
        header::ACCEPT_RANGES,
        header::ETAG,
        header::LAST_MODIFIED,
    ] {
        parts.headers.remove(replaced);
    }
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, Body::from(body))
}
