//! How requests are read: bodies and ids, with errors that name the place.

use std::{error::Error, time::Duration};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::{ApiError, Code};
use crate::{job::JobId, wire::FieldError};

/// Largest body; a plan of 64 sections is well below.
pub(super) const BODY_BYTES: usize = 256 * 1024;
/// How long a body may take to arrive.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                Code::UnsupportedMediaType,
                "send the body with Content-Type: application/json",
            ));
        }
        let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state))
            .await
            .map_err(|_elapsed| {
                ApiError::new(
                    Code::RequestTimeout,
                    format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs()),
                )
            })?
            .map_err(|rejection| unreadable(&rejection))?;
        parse(&body).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .is_some_and(|media| {
            media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
        })
}

fn unreadable(rejection: &BytesRejection) -> ApiError {
    use axum::extract::rejection::FailedToBufferBody;
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            ApiError::new(Code::BodyTooLarge, format!("the body is larger than {BODY_BYTES} bytes"))
        }
        _ => ApiError::new(Code::BadRequest, "the body ended early"),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let malformed =
        |error: &dyn Error| ApiError::new(Code::MalformedJson, format!("the body is not JSON: {error}"));
    let body = str::from_utf8(body).map_err(|error| malformed(&error))?;
    // First whether it is JSON at all: read as `T`, a value of the wrong type may look like a fault of the syntax.
    serde_json::from_str::<IgnoredAny>(body).map_err(|error| malformed(&error))?;
    let mut json = serde_json::Deserializer::from_str(body);
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| wrong_field(error.path().to_string(), error.inner()))
}

/// A field that is unknown, missing or of the wrong type.
fn wrong_field(path: String, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    // The path says where in the document, which is more than line and column.
    let message = match text.split(" at line ").next().unwrap_or(&text) {
        // What is said of a number where a name is wanted.
        "expected value" => "has the wrong type: a text is expected".to_owned(),
        message => message.to_owned(),
    };
    // The path of a missing field ends at the object that lacks it.
    let field = match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(missing) if path == "." => missing.to_owned(),
        Some(missing) => format!("{path}.{missing}"),
        None if path == "." => String::new(),
        None => path,
    };
    let detail = if field.is_empty() { message.clone() } else { format!("{field}: {message}") };
    ApiError { errors: vec![FieldError { field, message }], ..ApiError::new(Code::InvalidRequest, detail) }
}

/// The job in the path. Whatever is no UUID is the id of no job.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobRef(pub(super) JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobRef {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.ok().and_then(|Path(id)| id.parse().ok()).map(Self).ok_or_else(ApiError::unknown_job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::GenerationRequest;

    fn fault(body: &str) -> (Code, Vec<String>) {
        let error = parse::<GenerationRequest>(body.as_bytes()).unwrap_err();
        (error.code, error.errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn faults_are_placed() {
        let field = |name: &str| (Code::InvalidRequest, vec![name.to_owned()]);
        assert_eq!(fault(r#"{"prompt":"a","tempo":90}"#), field("tempo"));
        assert_eq!(fault(r#"{"prompt":"a","output":{"bit_depth":24}}"#), field("output.bit_depth"));
        assert_eq!(fault(r#"{"prompt":"a","output":{"colour":1}}"#), field("output.colour"));
        assert_eq!(fault(r#"{"prompt":"a","key":"H flat"}"#), field("key"));
        assert_eq!(fault("{}"), field("prompt"));
        assert_eq!(fault("[]"), field(""));
        assert_eq!(fault("{\"prompt\":").0, Code::MalformedJson);
        assert_eq!(fault("").0, Code::MalformedJson);
        assert_eq!(fault(r#"{"prompt":"a"} x"#).0, Code::MalformedJson);
    }

    #[test]
    fn json_is_declared() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        assert!(
            with("application/json") && with("Application/JSON; charset=utf-8") && with("application/x+json")
        );
        assert!(!with("text/plain") && !with("application/jsonx") && !is_json(&HeaderMap::new()));
    }
}
