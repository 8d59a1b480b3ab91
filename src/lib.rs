//! Timbre turns a sentence into a finished piece of music on one's own machine.
//!
//! The modules stand in the order in which data flows through them, and import only upwards in this list:
//!
//! ```text
//! request  ->  plan  ->  render  ->  mix  ->  master  ->  artifact
//! a sentence   sections   sound      one      loudness    48 kHz / 24-bit WAV
//!              in bars    per part   timeline true peak   + manifest
//! ```
//!
//! `audio`, `cancel`, `music` and `wire` are vocabulary and need no feature; `wire` alone is enough to talk to a server. Feature
//! `pipeline` adds everything up to `job`, feature `service` (the default) HTTP, settings and the program.

pub mod audio;
pub mod cancel;
pub mod music;
pub mod wire;
#[cfg(feature = "pipeline")]
pub mod convert;
#[cfg(feature = "pipeline")]
pub mod source;
#[cfg(feature = "pipeline")]
pub mod request;
#[cfg(feature = "pipeline")]
pub mod plan;
#[cfg(feature = "pipeline")]
pub mod render;
#[cfg(feature = "pipeline")]
pub mod mix;
#[cfg(feature = "pipeline")]
pub mod master;
#[cfg(feature = "pipeline")]
pub mod artifact;
#[cfg(feature = "pipeline")]
pub mod job;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub mod worker;
#[cfg(feature = "service")]
pub mod models;
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
pub mod app;
#[cfg(feature = "service")]
pub mod terminal;
