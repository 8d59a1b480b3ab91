//! A server that plays a script: one connection, one answer, in order. When the script is over, it is gone.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) const ID: &str = "01938b7e-7a1c-7000-8000-000000000001";

/// One answer of the script.
pub(crate) struct Answer {
    status: u16,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Bytes after which the connection is cut although more were announced.
    cut: Option<usize>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json", body.to_string().as_bytes())
    }

    pub(crate) fn problem(status: u16, code: &str, more: &Value) -> Self {
        let mut body = json!({"type": "about:blank", "title": "Refused", "status": status, "detail": format!("refused: {code}"),
            "instance": "/", "code": code});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Self::bytes(status, "application/problem+json", body.to_string().as_bytes())
    }

    pub(crate) fn bytes(status: u16, kind: &'static str, body: &[u8]) -> Self {
        Self { status, kind, headers: Vec::new(), body: body.to_vec(), cut: None }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    fn send(&self, mut to: &TcpStream) -> std::io::Result<()> {
        let mut head = format!(
            "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n",
            self.status,
            self.kind,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        to.write_all(format!("{head}\r\n").as_bytes())?;
        to.write_all(&self.body[..self.cut.unwrap_or(self.body.len())])
    }
}

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Asked {
    /// As `GET /status/x`.
    pub(crate) line: String,
    /// In lower case, one `name: value` each.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    fn read(from: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(from);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end() {
                "" => break,
                text => lines.push(text.to_owned()),
            }
        }
        let line = lines.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
        let headers: Vec<_> = lines.iter().map(|line| line.to_lowercase()).collect();
        let length =
            headers.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self { line, headers, body })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Server {
    pub(crate) url: String,
    script: JoinHandle<Vec<Asked>>,
}

impl Server {
    pub(crate) fn start(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in script {
                let (stream, _) = listener.accept().unwrap();
                asked.push(Asked::read(&stream).unwrap());
                // A client that has hung up got what it wanted.
                answer.send(&stream).ok();
            }
            asked
        });
        Self { url, script }
    }

    /// What was asked. Returns only once the whole script has been played.
    pub(crate) fn asked(self) -> Vec<Asked> {
        self.script.join().unwrap()
    }

    pub(crate) fn lines(self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(crate) fn status(state: &str, progress: f64) -> Value {
    json!({
        "job_id": ID, "state": state, "progress": progress,
        "sections": [{"id": "s00", "label": "intro", "progress": progress}],
        "queue_position": null, "eta_seconds": 3.0, "real_time_factor": 0.5, "message": format!("{state} now"), "warnings": [], "seed": 7,
        "engine": "synth", "engine_reason": "asked for", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:01Z",
        "started_at": null, "finished_at": null
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The artifact whose audio is these bytes.
pub(crate) fn artifact(audio: &[u8]) -> Value {
    json!({
        "job_id": ID, "title": "Dreamy Rain",
        "audio": {"format": "wav", "sample_rate": 48000, "bit_depth": "24", "channels": 2, "frames": 96000,
            "duration_seconds": 2.0, "bytes": audio.len(), "sha256": sha256(audio)},
        "loudness": {"target_lufs": -14.0, "ceiling_dbtp": -1.0, "integrated_lufs": -14.04, "range_lu": 5.0,
            "true_peak_dbtp": -1.0, "max_short_term_lufs": -12.0, "gain_db": 3.0, "limited_db": 1.0, "on_target": true},
        "provenance": {"software": "timbre 0.1.0", "engine": "synth", "engine_reason": "asked for", "licence": "yours",
            "seed": 7, "plan_sha256": "0", "machine_made": true, "created_at": "2026-01-01T00:00:00Z"},
        "sections": [], "warnings": ["no harp"],
        "links": {"audio": "/a", "manifest": "/m", "picture": "/p"}
    })
}
