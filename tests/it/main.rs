//! Everything that looks at more than one module, in one binary.

mod http;
mod layers;
mod pipeline;
mod program;
mod schemas;
