//! The HTTP service, from a client's side: a real server with a runner that obeys the prompt.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be built fails the test")]

mod artifacts;
mod fake;
mod jobs;
mod preview;
mod refusals;
mod server;
mod service;
mod sounds;
mod submitting;
