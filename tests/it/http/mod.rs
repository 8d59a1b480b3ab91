//! The HTTP service, from a client's side: a real server with a runner that obeys the prompt.

mod artifacts;
mod fake;
mod jobs;
mod refusals;
mod server;
mod service;
mod submitting;
