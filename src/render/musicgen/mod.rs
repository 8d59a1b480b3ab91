//! MusicGen on candle: text to tokens to sound, equal to the reference implementation.
//!
//! ```text
//! text -> tokenizer, T5 -> projection --+          tokens so far -> delay grid -> columns
//!                                       v                             ^             |
//!                               cross-attention                    tokens           v
//!                                       +--> decoder <--------------- | ------- embeddings
//!                                               |                     |
//!                                            logits -> guidance, draw +
//!
//! tokens -> codec -> sound
//! ```
//!
//! A melody model has no cross-attention; it is told chroma and text before the first column.

mod batch;
pub mod catalogue;
pub mod checkpoint;
pub mod chroma;
pub mod codec;
pub mod codes;
pub mod condition;
pub mod config;
mod crew;
pub mod decoder;
pub mod delay;
pub mod engine;
mod error;
mod fields;
pub mod generate;
pub mod hardware;
mod joint;
mod kept;
mod lanes;
pub mod measure;
pub mod model;
pub mod precision;
mod processor;
pub mod sampling;
mod slot;
pub mod speed;
pub mod store;
mod t5;
pub mod stream;
pub mod tensors;
pub mod text;
pub mod weights;
#[cfg(test)]
mod tests;

pub use engine::{MusicGens, Settings};
pub use error::ModelError;
pub use model::MusicGen;
