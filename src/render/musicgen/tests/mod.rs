//! The language model against the reference implementation, and against itself.

mod batch;
mod parity;
mod reference;
mod stream;
mod tiny;
