//! Everything that looks at more than one module, in one binary.

mod layers;
mod program;
mod schemas;
