//! `GET /status/{job_id}/events`: follow a job.

use std::{collections::VecDeque, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as ServerSent, KeepAlive},
    },
};
use futures_util::stream;

use super::{
    Service,
    error::{ApiError, documented},
    extract::JobRef,
};
use crate::job::{JobId, store::Event};

/// How often the store is asked for news.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// How often a comment is sent when there is no news, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follow a job.
///
/// Server-sent events of the name `status`, each with the whole status as data and the job's own event number as id. The stream
/// ends after the final state. The newest event always comes, older ones may be skipped. `Last-Event-ID` resumes after that event;
/// 204 says that nothing will follow.
#[utoipa::path(
    get,
    path = "/status/{job_id}/events",
    tag = "jobs",
    params(
        ("job_id" = String, Path, description = "The job (UUID)."),
        ("Last-Event-ID" = Option<u64>, Header, description = "Number of the last event that was received."),
    ),
    responses(
        (status = 200, description = "The events; each `data` is a GenerationStatus.", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The final event was already received."),
        documented::Events,
    )
)]
pub(super) async fn events(
    State(service): State<Service>,
    JobRef(id): JobRef,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut follower =
        Follower { service, id, after: last_event(&headers)?, ready: VecDeque::new(), ended: false };
    follower.look().await?;
    if follower.ended && follower.ready.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let stream = stream::unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((encode(&event), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<u64, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    value
        .to_str()
        .ok()
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| ApiError::field("Last-Event-ID", "must be the number of an event"))
}

fn encode(event: &Event) -> Result<ServerSent, axum::Error> {
    ServerSent::default().id(event.number.to_string()).event("status").json_data(&event.status)
}

/// Reads the events of a job as they come.
struct Follower {
    service: Service,
    id: JobId,
    /// Number of the last event that was read.
    after: u64,
    ready: VecDeque<Event>,
    /// Whether the store has no more to come.
    ended: bool,
}

impl Follower {
    /// The next event, or `None` after the last.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            // An unreachable or forgotten job ends the stream; the caller comes back and hears why.
            self.look().await.ok()?;
        }
    }

    /// Reads what is new.
    async fn look(&mut self) -> Result<(), ApiError> {
        let (id, after) = (self.id, self.after);
        let (events, ended) = self
            .service
            .blocking(move |parts| {
                // The state first: once it is final, the events read after it are all there will ever be.
                let job = parts.store.get(id)?.ok_or_else(ApiError::unknown_job)?;
                let events = parts.store.events(id, after)?.ok_or_else(ApiError::unknown_job)?;
                Ok((events, job.state.is_final()))
            })
            .await?;
        self.ended = ended;
        if let Some(last) = events.last() {
            self.after = last.number;
        }
        self.ready.extend(events);
        Ok(())
    }
}
