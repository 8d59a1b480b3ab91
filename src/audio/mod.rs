//! Sound as Timbre passes it around: samples that never travel without their rate and channel count.

mod pcm;
mod random;
mod units;

pub use pcm::{Pcm, PcmError, Spec};
pub use random::Random;
pub use units::{Decibels, Lufs, SampleRate};
