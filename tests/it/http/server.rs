//! A real server on a free port, and a client for it.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use timbre::{
    artifact::{Shelf, UploadSettings, Uploads},
    http::{self, Parts, Service, serve},
    job::{JobStore, MemoryStore, memory},
    render::{engines::Engines, synth::Synth},
    request::Defaults,
    wire::{DeviceInfo, GenerationStatus, JobState, Problem},
    worker::{self, Bench, Workers},
};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};
use ureq::{Agent, Body, http::Response};

use super::fake::{FakeRunner, Gate};

pub(crate) struct Server {
    address: SocketAddr,
    pub(crate) store: Arc<MemoryStore>,
    runner: Arc<FakeRunner>,
    pub(crate) agent: Agent,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) directory: TempDir,
}

/// What a server is started with.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) store: memory::Settings,
    pub(crate) drain_timeout: Duration,
    pub(crate) http: http::Settings,
    pub(crate) uploads: UploadSettings,
    /// Whether the service believes that workers live.
    pub(crate) at_work: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            store: memory::Settings::default(),
            drain_timeout: Duration::from_secs(30),
            http: http::Settings::default(),
            uploads: UploadSettings::default(),
            at_work: true,
        }
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let settings = setup.store;
        let directory = tempfile::tempdir().unwrap();
        let shelf = Arc::new(Shelf::open(directory.path()).unwrap());
        let uploads = Arc::new(Uploads::open(&shelf, setup.uploads).unwrap());
        let store = Arc::new(MemoryStore::new(settings));
        let runner = Arc::new(FakeRunner { root: directory.path().to_owned(), gate: Gate::default() });
        let previews = Arc::default();
        let bench = Bench {
            store: store.clone(),
            runner: runner.clone(),
            previews: Arc::clone(&previews),
            shelf: shelf.clone(),
        };
        let workers = worker::Settings { workers: settings.workers, drain_timeout: setup.drain_timeout };
        let workers = Workers::start(workers, &bench).unwrap();
        let service = Service::new(Parts {
            store: store.clone(),
            shelf,
            uploads,
            previews,
            engines: Arc::new(Engines::new(Arc::new(Synth::new(1)))),
            defaults: Defaults::default(),
            device: DeviceInfo { kind: "cpu".into(), name: "test".into(), threads: 1 },
            workers: settings.workers,
            at_work: if setup.at_work { workers.at_work() } else { Weak::new() },
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            Runtime::new().unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, service, setup.http, async {
                    stopped.await.ok();
                    tokio::task::spawn_blocking(|| workers.drain()).await.unwrap();
                })
                .await;
            });
        });
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Self {
            address: told.recv().unwrap(),
            store,
            runner,
            agent,
            stop: Some(stop),
            thread: Some(thread),
            directory,
        }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.runner.gate
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.call().unwrap())
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        Answer::read(self.agent.delete(self.url(path)).call().unwrap())
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let request = self.agent.post(self.url(path)).header("content-type", content_type);
        Answer::read(request.send(body).unwrap())
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, "application/json", body.to_string().as_bytes())
    }

    /// Submits a piece and gives its id.
    pub(crate) fn submit(&self, prompt: &str) -> String {
        let answer =
            self.post_json("/generate", &json!({"prompt": prompt, "duration_seconds": 20, "seed": 7}));
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json::<GenerationStatus>().job_id
    }

    pub(crate) fn status(&self, id: &str) -> GenerationStatus {
        self.get(&format!("/status/{id}")).json()
    }

    /// Waits for a job's final state.
    pub(crate) fn until_final(&self, id: &str) -> GenerationStatus {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let status = self.status(id);
            if status.state.is_final() {
                return status;
            }
            assert!(Instant::now() < deadline, "{status:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Submits a piece and waits until it is there.
    pub(crate) fn piece(&self, prompt: &str) -> String {
        let id = self.submit(prompt);
        assert_eq!(self.until_final(&id).state, JobState::Succeeded);
        id
    }

    /// Asks the server to stop; does not wait.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits until the server has stopped.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runner.gate.open();
        self.store.close();
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// An answer that was read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read(response: Response<Body>) -> Self {
        let (parts, mut body) = response.into_parts();
        Self { status: parts.status.as_u16(), headers: parts.headers, body: body.read_to_vec().unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The problem that this answer has to be, with this status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Problem {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Problem = self.json();
        assert_eq!((problem.status, problem.code.as_str()), (status, code), "{problem:?}");
        assert_eq!(problem.kind, "about:blank");
        assert_eq!(problem.request_id.as_deref(), Some(self.header("x-request-id")));
        assert!(!problem.title.is_empty() && !problem.detail.is_empty());
        problem
    }
}
