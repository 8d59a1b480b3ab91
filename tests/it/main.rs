//! Everything that looks at more than one module, in one binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod documents;
mod http;
mod layers;
mod midi;
#[cfg(feature = "musicgen")]
mod models;
#[cfg(feature = "musicgen")]
mod musicgen;
mod pipeline;
mod preview;
mod program;
mod schemas;
