//! Sound that a caller brings.

use std::{convert::Infallible, num::ParseFloatError, path::PathBuf, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A sound: an upload, or a finished piece of the same server; all of it, or from a start to an end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AudioSource {
    /// The sound's id, as `POST /audio` gave it: the SHA-256 of the file, 64 hexadecimal digits. In a manifest it always stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub audio_id: Option<String>,
    /// A job that has succeeded: its piece is the sound. With `audio_id` beside it, the two must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid")]
    pub job_id: Option<String>,
    /// Name of the file, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub name: Option<String>,
    /// Where to start in it, in seconds. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 3600)]
    pub start_seconds: Option<f64>,
    /// Where to end in it, in seconds, after the start. Default: its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 3600)]
    pub end_seconds: Option<f64>,
}

/// A sound that was uploaded. It stays until the server needs its place: then the one that was not used for the longest time goes,
/// but never one that a job needs which waits or runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AudioInfo {
    /// Its id: the SHA-256 of the file, 64 hexadecimal digits. The same file has the same id.
    pub audio_id: String,
    /// `wav`, `flac`, `mp3` or `ogg`.
    pub format: String,
    /// Length in seconds.
    pub seconds: f64,
    /// Frames per second.
    pub sample_rate: u32,
    /// Number of channels; more than two are heard as their mean.
    pub channels: u16,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was uploaded (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub uploaded_at: Timestamp,
}

/// A file, or a part of it, as a command line names it: `riff.wav`, or in seconds `riff.wav@10-25`, `riff.wav@10-`, `riff.wav@-25`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileExcerpt {
    /// The file.
    pub path: PathBuf,
    /// Where to start in it, in seconds.
    pub start_seconds: Option<f64>,
    /// Where to end in it, in seconds.
    pub end_seconds: Option<f64>,
}

impl FileExcerpt {
    /// The file as a source under its id.
    pub fn source(&self, audio_id: String) -> AudioSource {
        AudioSource {
            audio_id: Some(audio_id),
            job_id: None,
            name: self.path.file_name().map(|name| name.to_string_lossy().into_owned()),
            start_seconds: self.start_seconds,
            end_seconds: self.end_seconds,
        }
    }
}

impl FromStr for FileExcerpt {
    type Err = Infallible;

    /// What follows the last `@` and is no pair of times belongs to the file's name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let excerpt = text.rsplit_once('@').and_then(|(path, times)| {
            let (start, end) = times.split_once('-')?;
            Some(Self {
                path: path.into(),
                start_seconds: seconds(start).ok()?,
                end_seconds: seconds(end).ok()?,
            })
        });
        Ok(excerpt.unwrap_or_else(|| Self { path: text.into(), start_seconds: None, end_seconds: None }))
    }
}

/// A time, or none where nothing stands.
fn seconds(text: &str) -> Result<Option<f64>, ParseFloatError> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_names_a_file_or_a_part_of_it() {
        for (text, path, start, end) in [
            ("riff.wav", "riff.wav", None, None),
            ("a/riff.wav@10-25.5", "a/riff.wav", Some(10.0), Some(25.5)),
            ("riff.wav@10-", "riff.wav", Some(10.0), None),
            ("riff.wav@-25", "riff.wav", None, Some(25.0)),
            ("me@home.wav", "me@home.wav", None, None),
            ("take@1-2.wav", "take@1-2.wav", None, None),
            ("take@1-2@-", "take@1-2", None, None),
        ] {
            let expected = FileExcerpt { path: path.into(), start_seconds: start, end_seconds: end };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }
}
