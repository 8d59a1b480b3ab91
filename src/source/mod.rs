//! Sound that a caller brings: WAV, FLAC, MP3 and Ogg Vorbis files, read into samples.
//!
//! Encoder delay and padding are cut off where the file names them. A file may be hostile: whatever its bytes are, the answer is
//! sound or a [`SourceError`], within the limits below.

use std::{
    fs::File,
    io::{self, Read},
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    audio::{Pcm, PcmError, SampleRate, Spec},
    cancel::{Cancel, Cancelled},
    convert::mean,
};

mod decode;
#[cfg(test)]
mod tests;

use decode::{Block, Decoding};

/// Longest file that is read, in seconds.
pub const LONGEST_SECONDS: f64 = 3600.0;
/// Most of a file that is kept, in seconds.
pub const KEPT_SECONDS: f64 = 600.0;
/// Channels that a file may have.
pub const CHANNELS: RangeInclusive<usize> = 1..=8;
/// Rates that a file may have, in hertz.
pub const SAMPLE_RATE: RangeInclusive<u32> = 8_000..=192_000;

/// The sounds that a piece is made from, at their own rates, in mono or stereo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    /// What the piece goes on from.
    pub continued: Option<Pcm>,
    /// Whose melody it follows.
    pub melody: Option<Pcm>,
}

/// Which part of a file is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Excerpt {
    /// Where it starts, in seconds.
    pub start_seconds: f64,
    /// Where it ends, in seconds; `None` is the end of the file. What lies past it is not read.
    pub end_seconds: Option<f64>,
    /// How much of that is kept.
    pub keep: Keep,
}

/// How much of an excerpt is kept, in seconds; never more than [`KEPT_SECONDS`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keep {
    /// So much from its start.
    First(f64),
    /// So much before its end.
    Last(f64),
}

impl Default for Keep {
    fn default() -> Self {
        Self::First(KEPT_SECONDS)
    }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// `wav`, `flac`, `mp3` or `ogg`.
    pub format: &'static str,
    /// Rate and channels of the file.
    pub spec: Spec,
    /// Its length.
    pub frames: u64,
}

impl Contents {
    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames as f64 / self.spec.rate.hz()
    }
}

/// Why a file is no source. All but [`SourceError::Cancelled`] and [`SourceError::Read`] are faults of the file or of the excerpt.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It was told to stop. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is no audio file of a known format.
    #[error("this is no audio file that can be read: WAV, FLAC, MP3 and OGG (Vorbis) can")]
    NotAudio,
    /// There is nothing to hear in it.
    #[error("the file has no audio track")]
    NoTrack,
    /// The codec is not known.
    #[error("the sound is stored in a codec that cannot be read: PCM, FLAC, MP3 and Vorbis can")]
    Codec,
    /// More channels, or another rate, than can be read.
    #[error("the sound has {channels} channels at {rate}: 1 to 8 channels at 8000 to 192000 Hz can be read")]
    Shape {
        /// Its channels.
        channels: usize,
        /// Its rate.
        rate: SampleRate,
    },
    /// It is longer than can be read.
    #[error("the sound is longer than {LONGEST_SECONDS} s: cut it first")]
    TooLong,
    /// The bytes make no sense from there on.
    #[error("the file is damaged at {at_seconds:.1} s: {reason}")]
    Damaged {
        /// Where, in seconds of sound.
        at_seconds: f64,
        /// What is wrong there.
        reason: String,
    },
    /// It ends before it should.
    #[error("the file is cut off: it ends at {at_seconds:.1} s{}", declared(*.declared_seconds))]
    Truncated {
        /// Where it ends.
        at_seconds: f64,
        /// Where its head says that it ends.
        declared_seconds: Option<f64>,
    },
    /// The excerpt lies outside the file.
    #[error(
        "there is no sound between {start_seconds} s and the end that was asked for: the file lasts {seconds:.1} s"
    )]
    Outside {
        /// Where the excerpt starts.
        start_seconds: f64,
        /// How long the file lasts.
        seconds: f64,
    },
    /// Planes that do not belong together.
    #[error("the sound is malformed")]
    Sound(#[from] PcmError),
}

fn declared(seconds: Option<f64>) -> String {
    seconds.map_or(String::new(), |seconds| format!(", its head says {seconds:.1} s"))
}

/// Reads an excerpt at the file's own rate. One or two channels stay as they are, more become their mean.
///
/// # Errors
/// When the file is no source, as far as it had to be read, or the excerpt holds no sound.
pub fn read(path: &Path, excerpt: &Excerpt, cancel: &dyn Cancel) -> Result<Pcm, SourceError> {
    let file = File::open(path)?;
    guarded(|| {
        let mut decoding = Decoding::open(file)?;
        let rate = decoding.spec().rate;
        let mut kept = Kept::new(excerpt, rate, decoding.declared_frames());
        let outside = |frames| {
            let seconds = frames as f64 / rate.hz();
            Err(SourceError::Outside { start_seconds: excerpt.start_seconds, seconds })
        };
        if let Some(declared) = decoding.declared_frames().filter(|declared| kept.from >= *declared) {
            return outside(declared);
        }
        decoding.skip_to(kept.from, cancel)?;
        while kept.wants_more() {
            cancel.check()?;
            let Some(block) = decoding.next()? else { break };
            kept.take(&block);
        }
        let channels = kept_channels(decoding.spec().channels);
        let sound = Pcm::new(Spec { rate, channels }, kept.into_planes(channels))?;
        match sound.frames() {
            0 => outside(decoding.position()),
            _ => Ok(sound),
        }
    })
}

/// Reads a whole file and says what is in it.
///
/// # Errors
/// When the file is no source.
pub fn examine(path: &Path, cancel: &dyn Cancel) -> Result<Contents, SourceError> {
    let file = File::open(path)?;
    guarded(|| {
        let mut decoding = Decoding::open(file)?;
        while decoding.next()?.is_some() {
            cancel.check()?;
        }
        match decoding.position() {
            0 => Err(SourceError::Outside { start_seconds: 0.0, seconds: 0.0 }),
            frames => Ok(Contents { format: decoding.format(), spec: decoding.spec(), frames }),
        }
    })
}

/// The SHA-256 of a file, 64 hexadecimal digits: what a source is known by.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(base16ct::lower::encode_string(&digest.finalize())),
            read => digest.update(&piece[..read]),
        }
    }
}

/// A decoder that panics has met bytes that make no sense.
fn guarded<T>(work: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic| {
        Err(SourceError::Damaged { at_seconds: 0.0, reason: "its bytes make no sense".to_owned() })
    })
}

/// Channels that are kept of so many.
fn kept_channels(channels: usize) -> usize {
    if channels > 2 { 1 } else { channels }
}

/// What is kept of the sound that goes by.
struct Kept {
    /// First frame of the file that is wanted.
    from: u64,
    /// One past the last.
    until: u64,
    /// Most frames to keep; of more, the last.
    most: usize,
    planes: Vec<Vec<f32>>,
    position: u64,
}

impl Kept {
    fn new(excerpt: &Excerpt, rate: SampleRate, declared: Option<u64>) -> Self {
        let start = rate.frames(excerpt.start_seconds) as u64;
        let end = excerpt.end_seconds.map(|end| rate.frames(end) as u64);
        let frames = |seconds: f64| rate.frames(seconds.min(KEPT_SECONDS));
        let (from, until, most) = match excerpt.keep {
            Keep::First(seconds) => {
                let most = frames(seconds);
                (start, end.unwrap_or(u64::MAX).min(start + most as u64), most)
            }
            Keep::Last(seconds) => {
                let most = frames(seconds);
                let last = match (end, declared) {
                    (Some(end), Some(declared)) => Some(end.min(declared)),
                    (None, declared) => declared,
                    (Some(_), None) => None,
                };
                // Where the end is not known beforehand, everything goes by.
                let from = last.map_or(start, |last| start.max(last.saturating_sub(most as u64)));
                (from, end.unwrap_or(u64::MAX), most)
            }
        };
        Self { from, until, most, planes: Vec::new(), position: 0 }
    }

    fn wants_more(&self) -> bool {
        self.position < self.until
    }

    fn take(&mut self, block: &Block<'_>) {
        let within = |frame: u64| frame.saturating_sub(block.at).min(block.frames() as u64) as usize;
        let wanted = within(self.from)..within(self.until).max(within(self.from));
        self.position = block.at + block.frames() as u64;
        self.planes.resize(kept_channels(block.planes.len()), Vec::new());
        for (number, kept) in self.planes.iter_mut().enumerate() {
            match block.planes {
                [_] | [_, _] => kept.extend_from_slice(&block.planes[number][wanted.clone()]),
                many => kept.extend(mean(many, wanted.clone())),
            }
            // Twice as much as is wanted, so that little is moved.
            if kept.len() > 2 * self.most {
                kept.drain(..kept.len() - self.most);
            }
        }
    }

    fn into_planes(mut self, channels: usize) -> Vec<Vec<f32>> {
        self.planes.resize(channels, Vec::new());
        for plane in &mut self.planes {
            plane.drain(..plane.len().saturating_sub(self.most));
        }
        self.planes
    }
}
