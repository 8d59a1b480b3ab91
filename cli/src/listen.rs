//! Hearing a piece while it is made.

use std::io::Read;

use ureq::http::StatusCode;

use crate::client::{accepted, checked};
use crate::{Client, ClientError, Part};

impl Client {
    /// Follows a piece from its start while it is made: a WAV stream of 16 bits without a length, not mastered. Of a job that has
    /// succeeded it is the mastered audio. Reading waits for more, without a limit of time; it ends with the piece, and with an error
    /// when the job fails or is cancelled.
    ///
    /// # Errors
    /// [`ClientError::Problem`] for an unknown job (404), and for one that has failed or was cancelled.
    pub fn listen(&self, id: &str) -> Result<impl Read + use<>, ClientError> {
        let id = checked(id)?;
        let ask = |url: &str| self.agent.get(url).config().timeout_per_read(None).build().call();
        let url = self.url(&format!("/artifact/{id}/preview"));
        let answer = ask(&url);
        let answer = match answer {
            Ok(answer) if answer.status() == StatusCode::SEE_OTHER => {
                let url = self.url(&Part::Audio.path(id));
                accepted(&url, ask(&url))?
            }
            answer => accepted(&url, answer)?,
        };
        Ok(answer.into_body().into_reader())
    }
}
