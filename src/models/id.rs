//! The name of a model on the hub.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use thiserror::Error;

/// The name of a model on the hub, as `facebook/musicgen-small`. Safe as part of a path and of a URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelId(String);

/// A text that names no model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no name of a model: write OWNER/NAME, as facebook/musicgen-small")]
pub struct NoModelId(String);

impl ModelId {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelId {
    type Err = NoModelId;

    fn from_str(text: &str) -> Result<Self, NoModelId> {
        let plain = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && !part.contains("..")
                // Stands between the parts of a name in the cache.
                && !part.contains("--")
        };
        let parts: Vec<&str> = text.split('/').collect();
        if text.len() <= 96 && parts.len() <= 2 && parts.into_iter().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoModelId(text.to_owned()))
        }
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ModelId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_paths() {
        for good in ["facebook/musicgen-small", "gpt2", "a/b_c.d-1"] {
            assert_eq!(good.parse::<ModelId>().unwrap().as_str(), good);
        }
        for wrong in
            ["", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/.b", "a--b/c", "a b/c", "a/b?c", "a\\b"]
        {
            assert!(wrong.parse::<ModelId>().is_err(), "{wrong}");
        }
    }
}
