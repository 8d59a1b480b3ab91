//! Errors as the caller sees them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error, after RFC 9457 (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: `code` identifies the problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do about it.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// Stable identifier for programs, as `invalid_request`.
    pub code: String,
    /// The fields at fault, where fields are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds after which to try again, where that helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Identifier of this exchange, also in the `x-request-id` header and the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Path of the field, as `plan.sections[1].bars`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
}
