//! One method per resource of the service.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timbre::wire::{
    AudioInfo, CompositionPlan, EngineList, GenerationArtifact, GenerationRequest, GenerationStatus, Health,
    JobList, JobState, Problem,
};
use ureq::http::{Response, StatusCode, Uri};
use ureq::{Agent, Body};

use crate::ClientError;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence of a server in the middle of an exchange.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest exchange of JSON, all in all.
const EXCHANGE: Duration = Duration::from_secs(60);
/// Longest time that a server may take to read through a sound.
const EXAMINATION: Duration = Duration::from_secs(300);
/// Largest JSON answer that is read, in bytes.
const LARGEST_JSON: u64 = 16 << 20;
/// How long a watched job may be out of reach, unless [`Client::patience`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Timbre server, seen from outside. Calls block and have time limits; cloning is cheap and shares connections.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    pub(crate) agent: Agent,
    pub(crate) patience: Duration,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only jobs in this state.
    pub state: Option<JobState>,
    /// At most this many.
    pub limit: Option<u32>,
    /// Only jobs older than this one; the `next_before` of the page before.
    pub before: Option<String>,
}

impl Client {
    /// A client for the server at an address such as `http://127.0.0.1:8000`, with or without a path. Connects to nothing yet.
    ///
    /// Proxies are taken from the environment (`HTTP_PROXY` and its kin), but never for this machine's own addresses.
    ///
    /// # Errors
    /// [`ClientError::InvalidServer`] when the text is not an http or https URL, or has a query or credentials.
    pub fn new(server: &str) -> Result<Self, ClientError> {
        let wrong = |reason| ClientError::InvalidServer { server: server.to_owned(), reason };
        let base = server.trim().trim_end_matches('/');
        let uri: Uri = base
            .parse()
            .map_err(|_malformed| wrong("write it as http://HOST:PORT, for example http://127.0.0.1:8000"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it has to start with http:// or https://"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("a user name or password cannot be part of it"));
        }
        if uri.query().is_some() {
            return Err(wrong("it cannot have a query (?...)"));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("timbrectl/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE));
        if is_this_machine(host) {
            config = config.proxy(None);
        }
        Ok(Self { base: base.to_owned(), agent: config.build().new_agent(), patience: PATIENCE })
    }

    /// How long [`Client::watch`] bears with a server that is out of reach; one minute unless set.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The server's address, without a slash at the end.
    pub fn server(&self) -> &str {
        &self.base
    }

    /// Asks for a piece. The server has accepted the job when this returns.
    ///
    /// # Errors
    /// [`ClientError::Problem`] when the request is refused (422) or the queue is full (429).
    pub fn submit(&self, request: &GenerationRequest) -> Result<GenerationStatus, ClientError> {
        self.post("/generate", request)
    }

    /// Brings a sound to the server: a WAV, FLAC, MP3 or OGG (Vorbis) file. The same file has the same id, and is kept once.
    ///
    /// # Errors
    /// [`ClientError::Read`] when the file cannot be read, [`ClientError::Problem`] when the server does not take it (413, 415, 422,
    /// 429, 507).
    pub fn upload(&self, path: &Path) -> Result<AudioInfo, ClientError> {
        let url = self.url("/audio");
        let unreadable = |source| ClientError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let request = self
            .agent
            .post(&url)
            .content_type("application/octet-stream")
            .header("content-length", bytes)
            // A sound that is too large is refused before it is sent.
            .header("expect", "100-continue")
            .config()
            .timeout_recv_response(Some(EXAMINATION))
            .build();
        read(&url, request.send(&file))
    }

    /// The plan that a request would be rendered with. Renders nothing.
    ///
    /// # Errors
    /// [`ClientError::Problem`] when the request is refused (422).
    pub fn plan(&self, request: &GenerationRequest) -> Result<CompositionPlan, ClientError> {
        self.post("/plan", request)
    }

    /// Where a job stands.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with status 404 for an unknown job.
    pub fn status(&self, id: &str) -> Result<GenerationStatus, ClientError> {
        self.get(&format!("/status/{}", checked(id)?))
    }

    /// What a finished job made.
    ///
    /// # Errors
    /// [`ClientError::Problem`] for an unknown job (404), and for one that has no artifact.
    pub fn artifact(&self, id: &str) -> Result<GenerationArtifact, ClientError> {
        self.get(&format!("/artifact/{}", checked(id)?))
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// [`ClientError::Problem`] when the filter is refused.
    pub fn jobs(&self, filter: &JobFilter) -> Result<JobList, ClientError> {
        let url = self.url("/jobs");
        let mut request = self.agent.get(&url);
        if let Some(state) = filter.state {
            request = request.query("state", state.name());
        }
        if let Some(limit) = filter.limit {
            request = request.query("limit", limit.to_string());
        }
        if let Some(before) = &filter.before {
            request = request.query("before", checked(before)?);
        }
        read(&url, request.config().timeout_global(Some(EXCHANGE)).build().call())
    }

    /// Cancels a job. A job that is being rendered stops at its next step: look at the state, or watch it.
    ///
    /// # Errors
    /// [`ClientError::Problem`] for an unknown job (404), and for one that has ended.
    pub fn cancel(&self, id: &str) -> Result<GenerationStatus, ClientError> {
        let url = self.url(&format!("/jobs/{}", checked(id)?));
        let request = self.agent.delete(&url).config().timeout_global(Some(EXCHANGE)).build();
        match accepted(&url, request.call())? {
            answer if answer.status() == StatusCode::NO_CONTENT => self.status(id),
            answer => json(&url, answer),
        }
    }

    /// Every engine of the server.
    ///
    /// # Errors
    /// When the server cannot be reached or its answer not be read.
    pub fn engines(&self) -> Result<EngineList, ClientError> {
        self.get("/engines")
    }

    /// The state of the server.
    ///
    /// # Errors
    /// When the server cannot be reached or its answer not be read.
    pub fn health(&self) -> Result<Health, ClientError> {
        self.get("/health")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = self.url(path);
        read(&url, self.agent.get(&url).config().timeout_global(Some(EXCHANGE)).build().call())
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let url = self.url(path);
        read(&url, self.agent.post(&url).config().timeout_global(Some(EXCHANGE)).build().send_json(body))
    }
}

/// An id that is safe in a path.
pub(crate) fn checked(id: &str) -> Result<&str, ClientError> {
    let fits =
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { Ok(id) } else { Err(ClientError::InvalidId { id: id.to_owned() }) }
}

/// The answer, if its status is one of success; otherwise the reason why not.
pub(crate) fn accepted(
    url: &str,
    answer: Result<Response<Body>, ureq::Error>,
) -> Result<Response<Body>, ClientError> {
    let mut answer = answer.map_err(|error| ClientError::from_exchange(url, error))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    if status.is_redirection() {
        let target =
            answer.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or("elsewhere");
        let reason = format!("it redirects to {target}; give the server's final address");
        return Err(ClientError::Protocol { url: url.to_owned(), reason });
    }
    if answer.body().mime_type() == Some("application/problem+json") {
        let problem: Problem = parse(url, &text(url, &mut answer)?)?;
        return Err(ClientError::Problem(Box::new(problem)));
    }
    Err(ClientError::Status { url: url.to_owned(), status: status.as_u16() })
}

fn read<T: DeserializeOwned>(
    url: &str,
    answer: Result<Response<Body>, ureq::Error>,
) -> Result<T, ClientError> {
    json(url, accepted(url, answer)?)
}

fn json<T: DeserializeOwned>(url: &str, mut answer: Response<Body>) -> Result<T, ClientError> {
    let text = text(url, &mut answer)?;
    parse(url, &text)
}

fn text(url: &str, answer: &mut Response<Body>) -> Result<String, ClientError> {
    let body = answer.body_mut().with_config().limit(LARGEST_JSON);
    body.read_to_string().map_err(|error| ClientError::from_exchange(url, error))
}

fn parse<T: DeserializeOwned>(url: &str, text: &str) -> Result<T, ClientError> {
    serde_json::from_str(text)
        .map_err(|error| ClientError::Protocol { url: url.to_owned(), reason: error.to_string() })
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_path_and_loses_its_slash() {
        for (given, base) in [
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
            (" https://music.example/timbre// ", "https://music.example/timbre"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(Client::new(given).unwrap().server(), base);
        }
        assert_eq!(
            Client::new("https://music.example/timbre/").unwrap().url("/status/a"),
            "https://music.example/timbre/status/a"
        );
    }

    #[test]
    fn an_address_that_is_no_server_is_refused_with_the_reason() {
        for (given, part) in [
            ("", "http://HOST:PORT"),
            ("127.0.0.1:8000", "start with http://"),
            ("ftp://example.org", "start with http://"),
            ("http://user:secret@example.org", "password"),
            ("http://example.org/?a=b", "query"),
            ("http://exa mple.org", "http://HOST:PORT"),
        ] {
            let message = Client::new(given).unwrap_err().to_string();
            assert!(message.contains(part), "{given:?}: {message}");
        }
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        assert!(checked("01938b7e-7a1c-7000-8000-000000000000").is_ok());
        for id in ["", "..", "a/b", "a?b", "a%2fb", "é", &"a".repeat(65)] {
            assert!(checked(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for (host, own) in [
            ("localhost", true),
            ("127.1.2.3", true),
            ("[::1]", true),
            ("10.0.0.1", false),
            ("localhost.example", false),
        ] {
            assert_eq!(is_this_machine(host), own, "{host}");
        }
    }
}
