//! The Hugging Face hub over HTTP: what a model consists of, and its files.
//!
//! ```text
//! GET  /api/models/{id}/revision/{revision}   `sha` (the commit), `siblings` (its files), `cardData.license`
//! HEAD /{id}/resolve/{commit}/{file}          X-Linked-Etag or ETag, X-Linked-Size or Content-Length
//! GET  /{id}/resolve/{commit}/{file}          the bytes, or a redirect to where they are; ranges
//! ```
//!
//! The tag of a large file is its SHA-256; that of a small one is what git calls it. The token goes to the hub and nowhere
//! else: a redirect to another host is followed without it.

use std::{net::IpAddr, time::Duration};

use serde::Deserialize;
use thiserror::Error;
use ureq::{
    Agent, Body, RequestBuilder,
    config::RedirectAuthHeaders,
    http::{HeaderMap, Response, StatusCode, Uri, header},
    typestate::WithoutBody,
};

use super::settings::{Settings, Token};
use crate::render::musicgen::store::HubId;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence of the hub in the middle of an exchange.
const SILENCE: Duration = Duration::from_secs(30);
/// Largest JSON that is read, in bytes.
const LARGEST_JSON: u64 = 16 << 20;
/// Redirects that are followed on the way to a file's size.
const REDIRECTS: usize = 5;

/// A connection to the hub. Calls block and have time limits.
#[derive(Debug)]
pub struct Hub {
    agent: Agent,
    endpoint: String,
    token: Option<Token>,
}

/// What a model consists of at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The commit that the revision means now, 40 hexadecimal digits.
    pub commit: String,
    /// Its files.
    pub files: Vec<String>,
    /// The licence that its card names, as the hub writes it: `cc-by-nc-4.0`.
    pub licence: Option<String>,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name.
    pub name: String,
    /// Where it is asked for.
    pub url: String,
    /// What the cache calls its bytes: letters, digits, `-`, `_` and `.` only.
    pub tag: String,
    /// Its length in bytes.
    pub size: u64,
}

/// Why the hub does not give what was asked for.
#[derive(Debug, Error)]
pub enum HubError {
    /// The address is none.
    #[error("{endpoint:?} is no address of a hub; HF_ENDPOINT should be one as https://huggingface.co")]
    Endpoint {
        /// What was given.
        endpoint: String,
    },
    /// The network is not to be used.
    #[error(
        "HF_HUB_OFFLINE is set, so nothing is fetched; unset it, or put the model's files into a directory and name that"
    )]
    Offline,
    /// It cannot be reached.
    #[error(
        "cannot reach {endpoint}: {source}; check the connection, or set HF_ENDPOINT to a mirror; models on disk need no network"
    )]
    Unreachable {
        /// Its address.
        endpoint: String,
        /// The cause.
        #[source]
        source: Box<ureq::Error>,
    },
    /// It wants to know who asks.
    #[error(
        "the hub refuses {id} ({status}): the name is wrong, or the model is private or gated; accept its conditions at \
         {endpoint}/{id} and set HF_TOKEN to a token from {endpoint}/settings/tokens"
    )]
    Anonymous {
        /// The model.
        id: HubId,
        /// Its address.
        endpoint: String,
        /// What it answered.
        status: u16,
    },
    /// It does not let this one have it.
    #[error(
        "the hub refuses {id} to the owner of the token ({status}): the token is not valid, the model is private, or its \
         conditions at {endpoint}/{id} are not accepted yet"
    )]
    Refused {
        /// The model.
        id: HubId,
        /// Its address.
        endpoint: String,
        /// What it answered.
        status: u16,
    },
    /// There is no such model, or no such revision of it.
    #[error(
        "the hub knows no {id} at revision {revision}; check both, `timbre models list` has the names of the known models"
    )]
    NotFound {
        /// The model.
        id: HubId,
        /// The revision.
        revision: String,
    },
    /// A file that was listed is not there.
    #[error("{url} is gone, though the hub lists it; try again later")]
    Gone {
        /// The file.
        url: String,
    },
    /// It has too much to do, or is broken.
    #[error("the hub answers {status} to {url}; try again later")]
    Status {
        /// What was asked for.
        url: String,
        /// What it answered.
        status: StatusCode,
    },
    /// What it says is not what a hub says.
    #[error("the answer to {url} is not a hub's: {reason}; is HF_ENDPOINT right?")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

impl HubError {
    /// Whether the same question may be answered in a moment.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            _ => false,
        }
    }
}

impl Hub {
    /// A connection to the hub. Asks for nothing yet.
    ///
    /// Proxies are taken from the environment (`HTTPS_PROXY` and its kin), but never for this machine's own addresses.
    ///
    /// # Errors
    /// When the network is not to be used, or the address is none.
    pub fn new(settings: &Settings) -> Result<Self, HubError> {
        if settings.offline {
            return Err(HubError::Offline);
        }
        let endpoint = settings.endpoint.trim().trim_end_matches('/').to_owned();
        let uri: Option<Uri> = endpoint.parse().ok();
        let host = uri.as_ref().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let Some(host) = host.and_then(Uri::host).filter(|host| !host.is_empty()) else {
            return Err(HubError::Endpoint { endpoint });
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("timbre/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE));
        if is_this_machine(host) {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().new_agent(), endpoint, token: settings.token.clone() })
    }

    /// What a model consists of at a branch, tag or commit.
    ///
    /// # Errors
    /// When the hub cannot be reached, or does not know the model or does not give it to this one.
    pub fn model(&self, id: &HubId, revision: &str) -> Result<Listing, HubError> {
        #[derive(Deserialize)]
        struct Model {
            sha: Option<String>,
            #[serde(default)]
            siblings: Vec<Sibling>,
            #[serde(default, rename = "cardData")]
            card: Option<Card>,
        }
        #[derive(Deserialize)]
        struct Sibling {
            rfilename: String,
        }
        #[derive(Deserialize)]
        struct Card {
            license: Option<serde_json::Value>,
        }
        let not_found = || HubError::NotFound { id: id.clone(), revision: revision.to_owned() };
        // What git does not take as a name: it becomes a path in the cache.
        if revision.contains('\\') || revision.split('/').any(|part| part.is_empty() || part.starts_with('.'))
        {
            return Err(not_found());
        }
        let url = format!("{}/api/models/{id}/revision/{}", self.endpoint, encoded(revision));
        let mut answer = self.call(self.agent.get(&url))?;
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => return Err(not_found()),
            status => self.expect_success(id, &url, status)?,
        }
        let model: Model = self.json(&url, &mut answer)?;
        let wrong = |reason: &str| HubError::Answer { url: url.clone(), reason: reason.to_owned() };
        let commit = model.sha.ok_or_else(|| wrong("it names no commit"))?;
        if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong("its commit is none"));
        }
        let licence = model.card.and_then(|card| card.license);
        Ok(Listing {
            commit,
            files: model.siblings.into_iter().map(|file| file.rfilename).collect(),
            licence: licence.and_then(|licence| licence.as_str().map(str::to_owned)),
        })
    }

    /// Tag and size of a file.
    ///
    /// # Errors
    /// When the hub cannot be reached, refuses the file, or does not say them.
    pub fn file(&self, id: &HubId, commit: &str, name: &str) -> Result<RemoteFile, HubError> {
        let url = self.url(id, commit, name);
        let (mut at, mut tag, mut size) = (url.clone(), None, None);
        for hop in 0..=REDIRECTS {
            let request =
                self.agent.head(&at).config().max_redirects(0).max_redirects_will_error(false).build();
            // Behind a redirect to another host there is a store, which neither needs nor may see the token.
            let own = at.starts_with(&format!("{}/", self.endpoint));
            let answer = if own { self.call(request)? } else { self.send(request)? };
            let status = answer.status();
            let target = location(&at, answer.headers()).filter(|_| status.is_redirection());
            if target.is_none() || hop == REDIRECTS {
                self.expect_success(id, &url, status)?;
            }
            let header = |name: &str| text(answer.headers(), name);
            // What stands on a redirect within the hub is about the redirect, but for the linked ones.
            let final_tag = target.as_ref().is_none_or(|target| !target.starts_with(&self.endpoint));
            tag = tag.or_else(|| header("x-linked-etag").or_else(|| header("etag").filter(|_| final_tag)));
            size = size.or_else(|| {
                header("x-linked-size").or_else(|| header("content-length").filter(|_| target.is_none()))
            });
            match target {
                Some(target) if tag.is_none() || size.is_none() => at = target,
                _ => break,
            }
        }
        let wrong = |reason: &str| HubError::Answer { url: url.clone(), reason: reason.to_owned() };
        let tag = tag.ok_or_else(|| wrong("it has no ETag"))?;
        let tag = tag.trim_start_matches("W/").trim_matches('"').to_owned();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if tag.is_empty() || tag.len() > 128 || tag.starts_with('.') || !tag.bytes().all(plain) {
            return Err(wrong("its ETag cannot name a file"));
        }
        let size = size.and_then(|size| size.parse().ok()).ok_or_else(|| wrong("it has no size"))?;
        Ok(RemoteFile { name: name.to_owned(), url, tag, size })
    }

    /// A small file of JSON, read at once.
    ///
    /// # Errors
    /// When the hub cannot be reached, or the file is missing or not JSON.
    pub fn document<T: for<'de> Deserialize<'de>>(
        &self,
        id: &HubId,
        commit: &str,
        name: &str,
    ) -> Result<T, HubError> {
        let url = self.url(id, commit, name);
        let mut answer = self.call(self.agent.get(&url))?;
        self.expect_success(id, &url, answer.status())?;
        self.json(&url, &mut answer)
    }

    /// The bytes of a file from a place on. The answer is 200 with all of them where ranges are not served.
    ///
    /// # Errors
    /// When the hub cannot be reached or refuses the file.
    pub fn bytes(&self, id: &HubId, file: &RemoteFile, from: u64) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.get(&file.url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let answer = self.call(request)?;
        self.expect_success(id, &file.url, answer.status())?;
        Ok(answer)
    }

    fn url(&self, id: &HubId, commit: &str, name: &str) -> String {
        format!("{}/{id}/resolve/{commit}/{}", self.endpoint, encoded(name))
    }

    fn call(&self, request: RequestBuilder<WithoutBody>) -> Result<Response<Body>, HubError> {
        self.send(match &self.token {
            Some(Token(token)) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        })
    }

    fn send(&self, request: RequestBuilder<WithoutBody>) -> Result<Response<Body>, HubError> {
        request.call().map_err(|error| self.unreachable(error))
    }

    fn unreachable(&self, error: ureq::Error) -> HubError {
        HubError::Unreachable { endpoint: self.endpoint.clone(), source: Box::new(error) }
    }

    fn expect_success(&self, id: &HubId, url: &str, status: StatusCode) -> Result<(), HubError> {
        let (id, endpoint, code) = (id.clone(), self.endpoint.clone(), status.as_u16());
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(if self.token.is_none() {
                HubError::Anonymous { id, endpoint, status: code }
            } else {
                HubError::Refused { id, endpoint, status: code }
            }),
            StatusCode::NOT_FOUND => Err(HubError::Gone { url: url.to_owned() }),
            status => Err(HubError::Status { url: url.to_owned(), status }),
        }
    }

    fn json<T: for<'de> Deserialize<'de>>(
        &self,
        url: &str,
        answer: &mut Response<Body>,
    ) -> Result<T, HubError> {
        let body = answer.body_mut().with_config().limit(LARGEST_JSON).read_to_vec();
        let body = body.map_err(|error| self.unreachable(error))?;
        serde_json::from_slice(&body)
            .map_err(|error| HubError::Answer { url: url.to_owned(), reason: error.to_string() })
    }
}

/// Where a redirect leads; `None` when it does not say.
fn location(from: &str, headers: &HeaderMap) -> Option<String> {
    let target = text(headers, "location")?;
    let from: Uri = from.parse().ok()?;
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    Some(if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else {
        target
    })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

/// A text as one segment of a URL.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        encoded
    })
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_one_segment() {
        assert_eq!(encoded("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(encoded("v1.0-a_b~c é"), "v1.0-a_b~c%20%C3%A9");
    }

    #[test]
    fn an_address_is_http_with_a_host() {
        let hub = |endpoint: &str, offline| {
            Hub::new(&Settings { endpoint: endpoint.to_owned(), token: None, offline })
        };
        assert_eq!(hub("https://huggingface.co/", false).unwrap().endpoint, "https://huggingface.co");
        for wrong in ["", "huggingface.co", "ftp://huggingface.co", "https://", "/models"] {
            assert!(matches!(hub(wrong, false), Err(HubError::Endpoint { .. })), "{wrong}");
        }
        assert!(matches!(hub("https://huggingface.co", true), Err(HubError::Offline)));
    }

    #[test]
    fn a_redirect_leads_on_from_where_it_stands() {
        let to = |target: &str| {
            let headers = HeaderMap::from_iter([(header::LOCATION, target.parse().unwrap())]);
            location("http://127.0.0.1:81/a/b", &headers).unwrap()
        };
        assert_eq!(to("/c"), "http://127.0.0.1:81/c");
        assert_eq!(to("//d/c"), "http://d/c");
        assert_eq!(to("https://d/c"), "https://d/c");
    }
}
