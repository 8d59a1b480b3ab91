//! The words of music theory as types: key, mode, metre. They read and print the way musicians write them.

mod key;
mod metre;

pub use key::{Key, KeyError, Mode};
pub use metre::{Metre, MetreError};
