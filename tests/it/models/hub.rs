//! A hub of our own: it speaks the protocol of the Hugging Face hub for one model, and can be told to fail.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, Response, StatusCode, header},
    response::IntoResponse,
};
use futures_util::{StreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, runtime::Runtime};

pub(crate) const ID: &str = "owner/tiny";
pub(crate) const COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// What the hub does.
#[derive(Debug)]
pub(crate) struct Behaviour {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Who asks must have this token.
    pub(crate) token: Option<&'static str>,
    /// The next so many transfers of weights end early, each after so many bytes.
    pub(crate) breaks: Vec<usize>,
    /// What happens where a transfer breaks: it waits for ever instead of ending.
    pub(crate) hangs: bool,
    pub(crate) damages: bool,
    pub(crate) ranges: bool,
    /// What the weights are said to be as large as.
    pub(crate) claims: Option<u64>,
}

/// A request that came: `GET /path`, its range and its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) range: Option<String>,
    pub(crate) token: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Hub {
    address: SocketAddr,
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Hub {
    /// Serves the files of a checkpoint, and some that nobody needs.
    pub(crate) fn start(checkpoint: &Path) -> Self {
        let mut files: BTreeMap<String, Vec<u8>> = fs::read_dir(checkpoint)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        files.insert("pytorch_model.bin".into(), b"pickled".to_vec());
        files.insert("README.md".into(), b"---\nlicense: cc-by-nc-4.0\n---\n".to_vec());
        let behaviour = Behaviour {
            files,
            token: None,
            breaks: Vec::new(),
            hangs: false,
            damages: false,
            ranges: true,
            claims: None,
        };
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let hub = Self {
            address: listener.local_addr().unwrap(),
            behaviour: Arc::new(Mutex::new(behaviour)),
            asked: Arc::default(),
        };
        let service = Router::new().fallback(answer).with_state(hub.clone());
        // Ends with the process of the tests.
        thread::spawn(move || runtime.block_on(async { axum::serve(listener, service).await }));
        hub
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        self.behaviour.lock().unwrap().files[name].clone()
    }

    /// What came since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Ranges of the weights that were asked for since the last time; a whole file is "".
    pub(crate) fn ranges_asked(&self) -> Vec<String> {
        let weights = format!("GET /store/{}", tag("model.safetensors", &self.file("model.safetensors")));
        let asked = self.asked().into_iter().filter(|asked| asked.line == weights);
        asked.map(|asked| asked.range.unwrap_or_default()).collect()
    }
}

/// What the hub calls a file: SHA-256 of a large one, something short for others.
pub(crate) fn tag(name: &str, bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    if is_large(name) { hash } else { hash[..40].to_owned() }
}

fn is_large(name: &str) -> bool {
    name.ends_with(".safetensors") || name == "tokenizer.json"
}

async fn answer(State(hub): State<Hub>, request: Request) -> Response<Body> {
    let text = |name: header::HeaderName| {
        request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    let path = request.uri().path().to_owned();
    hub.asked.lock().unwrap().push(Asked {
        line: format!("{} {path}", request.method()),
        range: text(header::RANGE),
        token: text(header::AUTHORIZATION),
    });
    let mut behaviour = hub.behaviour.lock().unwrap();
    if let Some(tag) = path.strip_prefix("/store/") {
        return store(&mut behaviour, tag, text(header::RANGE));
    }
    if !path.contains(ID) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let expected = behaviour.token.map(|token| format!("Bearer {token}"));
    if expected.is_some() && expected != text(header::AUTHORIZATION) {
        return (StatusCode::UNAUTHORIZED, "Invalid username or password.").into_response();
    }
    let known = ["main", "v1%2E0", "v1.0", COMMIT];
    if let Some(revision) = path.strip_prefix(&format!("/api/models/{ID}/revision/")) {
        if !known.contains(&revision) {
            return (StatusCode::NOT_FOUND, [("x-error-code", "RevisionNotFound")]).into_response();
        }
        let siblings: Vec<_> = behaviour.files.keys().map(|name| json!({ "rfilename": name })).collect();
        let model = json!({"sha": COMMIT, "siblings": siblings, "cardData": {"license": "cc-by-nc-4.0"}});
        return axum::Json(model).into_response();
    }
    let Some(name) = path.strip_prefix(&format!("/{ID}/resolve/{COMMIT}/")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(bytes) = behaviour.files.get(name) else { return StatusCode::NOT_FOUND.into_response() };
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: String| headers.insert(name, value.parse().unwrap());
    let tag = tag(name, bytes);
    put("x-repo-commit", COMMIT.to_owned());
    if is_large(name) {
        put("etag", "\"of the redirect\"".to_owned());
        put("x-linked-etag", format!("\"{tag}\""));
        let size = behaviour.claims.filter(|_| name == "model.safetensors").unwrap_or(bytes.len() as u64);
        put("x-linked-size", size.to_string());
        // The store is another host, though the same server.
        put("location", format!("http://localhost:{}/store/{tag}", hub.address.port()));
        return (StatusCode::FOUND, headers).into_response();
    }
    put("etag", format!("W/\"{tag}\""));
    put("content-length", bytes.len().to_string());
    let body = if request.method() == Method::HEAD { Bytes::new() } else { bytes.clone().into() };
    (headers, body).into_response()
}

fn store(behaviour: &mut Behaviour, wanted: &str, range: Option<String>) -> Response<Body> {
    let file = behaviour.files.iter().find(|(name, bytes)| tag(name, bytes) == wanted);
    let Some((name, bytes)) = file else { return StatusCode::NOT_FOUND.into_response() };
    let (is_weights, mut bytes) = (name == "model.safetensors", bytes.clone());
    if is_weights && behaviour.damages {
        bytes[1000] ^= 1;
    }
    let from = range
        .filter(|_| behaviour.ranges)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let mut response = Response::builder();
    let whole = bytes.len();
    if let Some(from) = from {
        let range = format!("bytes {from}-{}/{whole}", whole - 1);
        response = response.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, range);
        bytes.drain(..from);
    }
    response = response.header(header::CONTENT_LENGTH, bytes.len());
    let body = if is_weights && !behaviour.breaks.is_empty() {
        bytes.truncate(behaviour.breaks.remove(0));
        let start = stream::iter([Ok(Bytes::from(bytes))]);
        if behaviour.hangs {
            Body::from_stream(start.chain(stream::pending::<Result<Bytes, std::io::Error>>()))
        } else {
            // What was written has left by then.
            let end = stream::once(async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Err(std::io::ErrorKind::ConnectionReset.into())
            });
            Body::from_stream(start.chain(end))
        }
    } else {
        Body::from(bytes)
    };
    response.body(body).unwrap()
}
