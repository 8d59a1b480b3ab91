//! Files over HTTP: ranges, validators, names. The reading is done by `tower_http`; the conditions that need our own strong
//! validators (RFC 9110, sections 13.1 and 14) are decided here.

use std::{
    fmt::Write,
    io,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tower_http::services::ServeFile;

use super::error::{ApiError, Code};

/// Longest file name, in characters.
const NAME_CHARACTERS: usize = 80;
/// An artifact never changes, and belongs to whoever asked for it.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// A file to be sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Its media type.
    pub(super) media_type: &'static str,
    /// What a browser saves it as.
    pub(super) name: String,
    /// SHA-256 of its content, in hexadecimal, when it is known.
    pub(super) sha256: Option<String>,
}

impl Sent {
    /// The strong validator. Without a hash it is the size and the time of writing: a file is replaced, never changed.
    async fn etag(&self) -> io::Result<String> {
        if let Some(sha256) = &self.sha256 {
            return Ok(format!("\"{sha256}\""));
        }
        let file = tokio::fs::metadata(&self.path).await?;
        let written = file.modified()?.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Ok(format!("\"{:x}-{:x}\"", file.len(), written.as_nanos()))
    }
}

/// Answers a GET or HEAD for a file.
pub(super) async fn send(file: Sent, method: Method, mut headers: HeaderMap) -> Result<Response, ApiError> {
    let gone = || ApiError::new(Code::ArtifactGone, "the file was removed from the server");
    let etag = match file.etag().await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone()),
        etag => etag.map_err(ApiError::internal)?,
    };
    let mut response = match decide(&mut headers, &etag) {
        Decision::Failed => {
            return Err(ApiError::new(
                Code::PreconditionFailed,
                "the file is not the one that the request names",
            ));
        }
        Decision::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        Decision::Send => {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            *request.headers_mut() = headers;
            ServeFile::new(&file.path)
                .ignore_multi_range_requests(true)
                .try_call(request)
                .await
                .map_err(ApiError::internal)?
                .map(Body::new)
        }
    };
    if response.status() == StatusCode::NOT_FOUND {
        return Err(gone());
    }
    let sent = response.status().is_success();
    let mut set = |name: HeaderName, value: Option<HeaderValue>| {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::ETAG, HeaderValue::from_str(&etag).ok());
    set(header::CACHE_CONTROL, Some(CACHE));
    if sent {
        set(header::CONTENT_TYPE, Some(HeaderValue::from_static(file.media_type)));
        set(header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition(&file.name)).ok());
    }
    Ok(response)
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Send,
    NotModified,
    Failed,
}

/// Decides the conditions that concern `etag`, and removes what is thereby settled. Dates are left to whoever knows the file's.
fn decide(headers: &mut HeaderMap, etag: &str) -> Decision {
    // A date is no strong validator, so a range is only good with our own tag.
    let other = headers.remove(header::IF_RANGE).is_some_and(|tag| tag != etag);
    // A range in an unknown unit is to be ignored (RFC 9110, section 14.2).
    let foreign = headers.get(header::RANGE).is_some_and(|range| !range.as_bytes().starts_with(b"bytes="));
    if other || foreign {
        headers.remove(header::RANGE);
    }
    if headers.contains_key(header::IF_MATCH) {
        if !names(headers, &header::IF_MATCH, etag, false) {
            return Decision::Failed;
        }
        headers.remove(header::IF_MATCH);
        headers.remove(header::IF_UNMODIFIED_SINCE);
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if names(headers, &header::IF_NONE_MATCH, etag, true) {
            return Decision::NotModified;
        }
        headers.remove(header::IF_NONE_MATCH);
        headers.remove(header::IF_MODIFIED_SINCE);
    }
    Decision::Send
}

/// Whether a header names the tag, by weak or strong comparison.
fn names(headers: &HeaderMap, header: &HeaderName, etag: &str, weak: bool) -> bool {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| if weak { tag.trim().trim_start_matches("W/") } else { tag.trim() })
        .any(|tag| tag == "*" || tag == etag)
}

/// A file name out of a title: no path, nothing that a file system or a header could stumble over.
pub(super) fn file_name(title: &str, extension: &str) -> String {
    let safe: String = title
        .chars()
        .map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '-' } else { c })
        .take(NAME_CHARACTERS)
        .collect();
    let safe = safe.trim_matches(|c: char| c.is_whitespace() || c == '.' || c == '-');
    format!("{}.{extension}", if safe.is_empty() { "timbre" } else { safe })
}

/// `Content-Disposition` after RFC 6266: a plain name for old readers, the true one beside it.
fn disposition(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect();
    let mut exact = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(exact, "%{byte:02X}").unwrap_or_default();
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe() {
        assert_eq!(file_name("Dreamy Rain", "wav"), "Dreamy Rain.wav");
        assert_eq!(file_name("../../etc/passwd", "wav"), "etc-passwd.wav");
        assert_eq!(file_name("a\"b\r\nc", "flac"), "a-b--c.flac");
        assert_eq!(file_name("...", "wav"), "timbre.wav");
        assert_eq!(file_name(&"x".repeat(500), "wav").len(), NAME_CHARACTERS + 4);
        assert_eq!(
            disposition("Été.wav"),
            "attachment; filename=\"_t_.wav\"; filename*=UTF-8''%C3%89t%C3%A9.wav"
        );
    }

    #[test]
    fn conditions_are_decided_in_the_order_of_the_standard() {
        let case = |pairs: &[(HeaderName, &'static str)]| {
            let mut headers: HeaderMap =
                pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            let decision = decide(&mut headers, "\"abc\"");
            (decision, headers.contains_key(header::RANGE))
        };
        let range = (header::RANGE, "bytes=0-1");
        assert_eq!(case(&[range.clone(), (header::IF_RANGE, "\"abc\"")]), (Decision::Send, true));
        assert_eq!(case(&[range.clone(), (header::IF_RANGE, "\"old\"")]), (Decision::Send, false));
        assert_eq!(case(&[range.clone(), (header::IF_RANGE, "W/\"abc\"")]), (Decision::Send, false));
        assert_eq!(
            case(&[range, (header::IF_RANGE, "Sat, 21 Nov 2026 00:00:00 GMT")]),
            (Decision::Send, false)
        );
        assert_eq!(case(&[(header::IF_NONE_MATCH, "\"x\", W/\"abc\"")]).0, Decision::NotModified);
        assert_eq!(case(&[(header::IF_NONE_MATCH, "*")]).0, Decision::NotModified);
        assert_eq!(case(&[(header::IF_NONE_MATCH, "\"x\"")]).0, Decision::Send);
        assert_eq!(case(&[(header::IF_MATCH, "W/\"abc\"")]).0, Decision::Failed);
        assert_eq!(case(&[(header::IF_MATCH, "\"abc\"")]).0, Decision::Send);
        assert_eq!(
            case(&[(header::IF_MATCH, "\"x\""), (header::IF_NONE_MATCH, "\"abc\"")]).0,
            Decision::Failed
        );
    }
}
