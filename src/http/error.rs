//! Errors as they leave the service: the one table from stage errors to status and code.
//!
//! The policy: a caller who can change something hears what and where (4xx, with the fields at fault); a caller who can only wait
//! hears how long (429, 503); everything else is `internal`, says nothing of the inside, and its cause goes to the log under the
//! same request id. Codes are stable: programs may match on them. Every error body is a [`Problem`].

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    artifact::{ArtifactError, UploadError},
    job::{
        sources::{SourceFault, SourcesError},
        store::{StoreError, SubmitError},
    },
    plan::PlanError,
    render::engines::EngineChoiceError,
    request::RequestError,
    source::SourceError,
    wire::{FieldError, Problem},
};

/// What a caller is told to wait when the store or the server is going away.
const RETRY_AFTER_OUTAGE: Duration = Duration::from_secs(10);

macro_rules! codes {
    ($($variant:ident = $name:literal, $status:ident, $meaning:literal;)+) => {
        /// Stable identifiers of everything that can go wrong over HTTP.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code { $(#[doc = $meaning] $variant,)+ }

        impl Code {
            /// Every code.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As in `Problem::code`.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status that goes with it.
            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// What it means, for the API document.
            pub(super) fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

codes! {
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not JSON.";
    BadRequest = "bad_request", BAD_REQUEST, "The request cannot be read.";
    NotFound = "not_found", NOT_FOUND, "There is no such job or path.";
    NoStems = "no_stems", NOT_FOUND, "The job was not asked for stems.";
    NoMidi = "no_midi", NOT_FOUND, "The engine that made the piece does not know its notes.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The path has no such method; `Allow` says which.";
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "`Accept` allows neither JSON nor the artifact's audio format.";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The body did not arrive in time.";
    NotFinished = "not_finished", CONFLICT, "The job has no artifact yet.";
    JobFailed = "job_failed", CONFLICT, "The job failed and has no artifact.";
    JobCancelled = "job_cancelled", CONFLICT, "The job was cancelled and has no artifact.";
    AlreadyFinished = "already_finished", CONFLICT, "The job has succeeded or failed and cannot be cancelled.";
    AudioInUse = "audio_in_use", CONFLICT, "A job that waits or runs uses this sound.";
    ArtifactGone = "artifact_gone", GONE, "The artifact was removed from the server.";
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "`If-Match` or `If-Unmodified-Since` does not hold.";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is larger than allowed.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body is not declared as `application/json`.";
    UnsupportedAudio = "unsupported_audio", UNSUPPORTED_MEDIA_TYPE, "The body is no sound in a format that can be read: WAV, FLAC, MP3, OGG (Vorbis).";
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "The range cannot be read, or lies outside the file.";
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, "Fields are unknown, of the wrong type, or outside their limits; `errors` names them.";
    UnreadableAudio = "unreadable_audio", UNPROCESSABLE_ENTITY, "The sound is damaged, cut off, or outside the limits; `detail` says where.";
    InvalidPlan = "invalid_plan", UNPROCESSABLE_ENTITY, "The plan cannot be honoured; `errors` names the fields.";
    EngineUnavailable = "engine_unavailable", UNPROCESSABLE_ENTITY, "The engine cannot render this request here; see `GET /engines`.";
    EngineUnsupported = "engine_unsupported", UNPROCESSABLE_ENTITY, "The engine that was asked for has no use for fields of this request; `errors` names them.";
    QueueFull = "queue_full", TOO_MANY_REQUESTS, "As many jobs wait as may wait; `Retry-After` says when to try again.";
    UploadsBusy = "uploads_busy", TOO_MANY_REQUESTS, "As many sounds arrive as may arrive at once; `Retry-After` says when to try again.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something broke inside the server.";
    Draining = "draining", SERVICE_UNAVAILABLE, "The server is shutting down.";
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "The server cannot make pieces now; `detail` says why.";
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "The job store cannot be reached.";
    NoSpace = "no_space", INSUFFICIENT_STORAGE, "The server has no space for this sound: jobs use all of it, or the disk is full.";
}

/// An error on its way out. Its body is written by `exchange`, which knows the path and the request id.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    pub(super) code: Code,
    pub(super) detail: String,
    pub(super) errors: Vec<FieldError>,
    pub(super) retry_after: Option<Duration>,
    /// The inside, for the log.
    pub(super) cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl ApiError {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after: None, cause: None }
    }

    /// One field at fault.
    pub(super) fn field(field: &str, message: impl Into<String>) -> Self {
        let error = FieldError { field: field.to_owned(), message: message.into() };
        let detail = format!("{} {}", error.field, error.message);
        Self { errors: vec![error], ..Self::new(Code::InvalidRequest, detail) }
    }

    pub(super) fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            cause: Some(Arc::new(cause)),
            ..Self::new(
                Code::Internal,
                "something broke inside the server; its log says what, under this request_id",
            )
        }
    }

    /// There is no such job.
    pub(super) fn unknown_job() -> Self {
        Self::new(
            Code::NotFound,
            "there is no job with this id; GET /jobs lists those that the server remembers",
        )
    }

    fn fields(code: Code, errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [] => code.meaning().to_owned(),
            [only] => format!("{}: {}", only.field, only.message),
            [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.message, rest.len()),
        };
        Self { errors, ..Self::new(code, detail) }
    }

    /// The body.
    pub(super) fn problem(&self, instance: &str, request_id: &str) -> Problem {
        let status = self.code.status();
        Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            code: self.code.name().to_owned(),
            errors: self.errors.clone(),
            retry_after: self.retry_after.map(|wait| wait.as_secs()),
            request_id: Some(request_id.to_owned()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        Self::fields(Code::InvalidRequest, error.errors)
    }
}

impl From<PlanError> for ApiError {
    fn from(error: PlanError) -> Self {
        Self::fields(Code::InvalidPlan, error.errors)
    }
}

impl From<EngineChoiceError> for ApiError {
    fn from(error: EngineChoiceError) -> Self {
        match error {
            EngineChoiceError::Unavailable { field, .. } => {
                let field = FieldError { field: field.to_owned(), message: error.to_string() };
                Self { errors: vec![field], ..Self::new(Code::EngineUnavailable, error.to_string()) }
            }
            EngineChoiceError::Unsupported(errors) => Self::fields(Code::EngineUnsupported, errors),
        }
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::NotAudio | SourceError::NoTrack | SourceError::Codec => {
                Self::new(Code::UnsupportedAudio, error.to_string())
            }
            SourceError::Read(_) | SourceError::Cancelled(_) => Self::internal(error),
            _ => Self::new(Code::UnreadableAudio, error.to_string()),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Source(error) => error.into(),
            UploadError::TooLarge { .. } => Self::new(Code::BodyTooLarge, error.to_string()),
            UploadError::Full => Self::new(Code::NoSpace, error.to_string()),
            UploadError::InUse => Self::new(Code::AudioInUse, error.to_string()),
            UploadError::Artifact(error) => error.into(),
        }
    }
}

impl From<ArtifactError> for ApiError {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::Full { .. } => {
                Self { cause: Some(Arc::new(error)), ..Self::new(Code::NoSpace, Code::NoSpace.meaning()) }
            }
            error => Self::internal(error),
        }
    }
}

impl From<SourcesError> for ApiError {
    fn from(error: SourcesError) -> Self {
        match error.fault {
            SourceFault::Upload(fault) => fault.into(),
            SourceFault::Store(fault) => fault.into(),
            fault => Self::field(error.field, fault.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Illegal(_) => Self::internal(error),
            StoreError::Unavailable(_) => Self {
                retry_after: Some(RETRY_AFTER_OUTAGE),
                cause: Some(Arc::new(error)),
                ..Self::new(Code::StoreUnavailable, "the job store cannot be reached; try again later")
            },
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::QueueFull { retry_after, .. } => Self {
                retry_after: Some(retry_after),
                ..Self::new(Code::QueueFull, format!("{error}; try again in {} s", retry_after.as_secs()))
            },
            SubmitError::Closed => {
                Self { retry_after: Some(RETRY_AFTER_OUTAGE), ..Self::new(Code::Draining, error.to_string()) }
            }
            SubmitError::Store(error) => error.into(),
        }
    }
}

/// Groups of errors, as the API document lists them.
pub(super) mod documented {
    use std::collections::BTreeMap;

    use utoipa::{
        IntoResponses,
        openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
    };

    use super::Code;

    /// The responses of some codes, joined by status.
    fn responses(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
        let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for code in codes {
            let text = format!("`{}`: {}", code.name(), code.meaning());
            texts.entry(code.status().as_str().to_owned()).or_default().push(text);
        }
        texts
            .into_iter()
            .map(|(status, texts)| {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                let response = ResponseBuilder::new()
                    .description(texts.join(" "))
                    .content("application/problem+json", content)
                    .build();
                (status, RefOr::T(response))
            })
            .collect()
    }

    macro_rules! groups {
        ($($(#[$doc:meta])* $name:ident = [$($code:ident),+];)+) => {$(
            $(#[$doc])*
            #[derive(Debug)]
            pub(in crate::http) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    responses(&[$(Code::$code),+])
                }
            }
        )+};
    }

    groups! {
        /// What may happen to any request.
        Any = [BadRequest, Internal];
        /// What may be wrong with a JSON body.
        Body = [MalformedJson, BadRequest, RequestTimeout, BodyTooLarge, UnsupportedMediaType, InvalidRequest, InvalidPlan, Internal];
        /// What may happen to a submission.
        Submission = [
            MalformedJson, BadRequest, RequestTimeout, BodyTooLarge, UnsupportedMediaType, InvalidRequest, InvalidPlan,
            EngineUnavailable, EngineUnsupported, QueueFull, Internal, Draining, StoreUnavailable, NoSpace
        ];
        /// What may happen to a sound that is brought.
        Upload = [
            BadRequest, RequestTimeout, BodyTooLarge, UnsupportedAudio, UnreadableAudio, UploadsBusy, Internal, StoreUnavailable,
            NoSpace
        ];
        /// What may happen when a sound is looked at.
        Sound = [NotFound, Internal];
        /// What may happen when a sound is removed.
        SoundRemoval = [NotFound, AudioInUse, Internal, StoreUnavailable];
        /// What may happen when a job is read.
        OneJob = [NotFound, Internal, StoreUnavailable];
        /// What may happen when the events of a job are read.
        Events = [NotFound, InvalidRequest, Internal, StoreUnavailable];
        /// What may happen when jobs are listed.
        List = [InvalidRequest, Internal, StoreUnavailable];
        /// What may happen when a job is cancelled.
        Cancel = [NotFound, AlreadyFinished, Internal, StoreUnavailable];
        /// What may happen when an artifact is described.
        Artifact = [NotFound, NotAcceptable, NotFinished, JobFailed, JobCancelled, ArtifactGone, PreconditionFailed, RangeNotSatisfiable, Internal, StoreUnavailable];
        /// What may happen when a file of an artifact is fetched.
        File = [NotFound, NotFinished, JobFailed, JobCancelled, ArtifactGone, PreconditionFailed, RangeNotSatisfiable, Internal, StoreUnavailable];
        /// What may happen when a piece is to be heard while it is made.
        Preview = [NotFound, JobFailed, JobCancelled, ArtifactGone, Internal, StoreUnavailable];
        /// What may happen when stems are fetched.
        Stems = [NotFound, NoStems, NotFinished, JobFailed, JobCancelled, ArtifactGone, PreconditionFailed, RangeNotSatisfiable, Internal, StoreUnavailable];
        /// What may happen when the notes are fetched.
        Notes = [NotFound, NoMidi, NotFinished, JobFailed, JobCancelled, ArtifactGone, PreconditionFailed, RangeNotSatisfiable, Internal, StoreUnavailable];
        /// What readiness may say instead of yes.
        Readiness = [Draining, NotReady, StoreUnavailable];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_statuses_are_errors() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.status().as_u16() >= 400));
    }
    #[test]
    fn the_documentation_lists_them_all() {
        let page = include_str!("../../docs/API.md");
        for code in Code::ALL {
            let row = format!("| `{}` | {} | {} |", code.name(), code.status().as_u16(), code.meaning());
            assert!(page.contains(&row), "docs/API.md lacks: {row}");
        }
    }
}
