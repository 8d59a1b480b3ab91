//! Arithmetic of the language model on the processor, on plain slices.
//!
//! A step multiplies every matrix with the few rows of a batch: what it costs is the reading of the weights. So a matrix lies in
//! memory in the order in which it is read, each weight is read once for all rows, and the attention reads what a row remembers
//! once. A result depends on its own row only, and is the same to the bit whatever the other rows are, on any number of threads and
//! with any instructions: all sums have one order, and no multiplication is fused with an addition.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the width of its caller")]

mod blocks;
mod cache;
mod functions;
mod integers;
mod matrix;
mod stored;
mod table;
mod whole_cache;

pub(super) use cache::{Attention, Cache};
pub(super) use functions::{NORM_EPSILON, Norm, RootNorm, dot, gelu, gelu_tanh, softmax};
pub(super) use matrix::{Matrix, Products};
pub(super) use table::Table;
pub(super) use whole_cache::WIDEST_HEAD;
