//! Reading the objects of a `config.json`: a field that is missing or null has the value that `transformers` gives it.

use std::{io, path::PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// The largest size that is believed: above it a configuration is taken as damaged.
pub(super) const LARGEST: usize = 1 << 20;

/// Why a model is not one that can be run. Fields are named as the files name them.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}; a model directory has config.json beside its weights", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is no JSON.
    #[error("{} is no valid JSON", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A value has the wrong type.
    #[error("{field} is {found}, which is not of the right type")]
    Type {
        /// The field.
        field: String,
        /// Its value.
        found: Value,
        /// What was expected.
        #[source]
        source: serde_json::Error,
    },
    /// A value is one that cannot be run.
    #[error("{field} is {found}, but must be {supported}")]
    Unsupported {
        /// The field.
        field: String,
        /// Its value.
        found: String,
        /// What could be run.
        supported: String,
    },
}

/// The fields of an object, each with a value in case that it is missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub(super) object: &'a Value,
    /// What stands before a field's name, as `decoder.`.
    pub(super) path: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn object(&self, field: &str, path: &'static str) -> Result<Fields<'a>, ConfigError> {
        match self.object.get(field) {
            Some(object @ Value::Object(_)) => Ok(Fields { object, path }),
            found => {
                let found = found.map_or("missing".to_owned(), ToString::to_string);
                Err(self.unsupported(field, found, "an object, as in the config.json of a MusicGen"))
            }
        }
    }

    pub(super) fn or<T: DeserializeOwned>(&self, field: &str, default: T) -> Result<T, ConfigError> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(found) => T::deserialize(found).map_err(|source| ConfigError::Type {
                field: format!("{}{field}", self.path),
                found: found.clone(),
                source,
            }),
        }
    }

    pub(super) fn size(&self, field: &str, default: usize) -> Result<usize, ConfigError> {
        self.within(field, default, LARGEST)
    }

    /// As [`Fields::size`], for what is built one by one.
    pub(super) fn count(&self, field: &str, default: usize) -> Result<usize, ConfigError> {
        self.within(field, default, 1024)
    }

    fn within(&self, field: &str, default: usize, largest: usize) -> Result<usize, ConfigError> {
        let size = self.or(field, default)?;
        let believed = (1..=largest).contains(&size);
        if believed { Ok(size) } else { Err(self.unsupported(field, size, format!("1 to {largest}"))) }
    }

    /// Checks that the field is missing or has the one value that is implemented.
    #[expect(clippy::needless_pass_by_value, reason = "values stand at the call as they stand in the file")]
    pub(super) fn only<T>(&self, field: &str, value: T, supported: &str) -> Result<(), ConfigError>
    where
        T: DeserializeOwned + PartialEq + ToString,
    {
        match self.or::<Option<T>>(field, None)? {
            Some(found) if found != value => {
                let supported = if supported.starts_with('"') {
                    supported.to_owned()
                } else {
                    format!("{} ({supported})", value.to_string())
                };
                Err(self.unsupported(field, found.to_string(), supported))
            }
            _ => Ok(()),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "anything that can be shown, values and references")]
    pub(super) fn unsupported(
        &self,
        field: &str,
        found: impl ToString,
        supported: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Unsupported {
            field: format!("{}{field}", self.path),
            found: found.to_string(),
            supported: supported.into(),
        }
    }
}
