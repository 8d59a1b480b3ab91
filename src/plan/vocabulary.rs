//! The words Timbre knows, read from `vocabulary.toml`.
