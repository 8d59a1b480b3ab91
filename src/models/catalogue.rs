//! The published MusicGen models.

use super::ModelId;

/// The licence of all of them, and of what is made with them: attribution, and no commercial use.
pub const LICENCE: &str = "CC-BY-NC-4.0";

/// A published model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name on the hub.
    pub id: &'static str,
    /// What its weights take at 32 bits a value, in units of 10 MB; computed from its sizes. Where the hub has them in 16 bits it
    /// is half of that; what counts is what the hub says before anything is fetched.
    pub size: u64,
    /// What sets it apart.
    pub about: &'static str,
}

/// All of them, the smallest first.
pub const KNOWN: [Known; 8] = [
    known("facebook/musicgen-small", 236, "mono; the fastest"),
    known("facebook/musicgen-stereo-small", 243, "stereo"),
    known("facebook/musicgen-melody", 623, "mono; follows a melody"),
    known("facebook/musicgen-medium", 804, "mono"),
    known("facebook/musicgen-stereo-medium", 814, "stereo"),
    known("facebook/musicgen-melody-large", 1050, "mono; follows a melody"),
    known("facebook/musicgen-large", 1372, "mono"),
    known("facebook/musicgen-stereo-large", 1385, "stereo"),
];

const fn known(id: &'static str, size: u64, about: &'static str) -> Known {
    Known { id, size, about }
}

impl Known {
    /// What its weights take at 32 bits a value, in bytes.
    pub fn bytes(&self) -> u64 {
        self.size * 10_000_000
    }
}

/// What is known of a model; `None` when it is none of these.
pub fn entry(id: &ModelId) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.id == id.as_str())
}
