//! From bytes to blocks of samples, with Symphonia.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

use symphonia::{
    core::{
        audio::Channels,
        codecs::audio::{AudioDecoder, AudioDecoderOptions},
        errors::Error,
        formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
        io::{MediaSourceStream, MediaSourceStreamOptions},
        meta::MetadataOptions,
        packet::Packet,
    },
    default::{get_codecs, get_probe},
};

use super::{CHANNELS, LONGEST_SECONDS, SAMPLE_RATE, SourceError};
use crate::{
    audio::{SampleRate, Spec},
    cancel::Cancel,
};

/// What is decoded, though not wanted, before a place in the middle: codecs look back.
const RUN_UP_SECONDS: f64 = 1.0;

/// How files of formats begin that have a head.
const MAGIC: [&[u8]; 3] = [b"RIFF", b"fLaC", b"OggS"];

/// A file that is being decoded.
pub(super) struct Decoding {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    format: &'static str,
    spec: Spec,
    declared_frames: Option<u64>,
    position: u64,
    planes: Vec<Vec<f32>>,
    /// Whether a packet was decoded. Before the first, packets of a stream that was cut out of another may refer to what is gone.
    begun: bool,
    /// Whether packets were gone by: then their own times tell where they belong.
    skipped: bool,
    /// A packet that was looked at, and comes next.
    next: Option<Packet>,
    /// The time of the file's start.
    start: i64,
}

/// Sound as it goes by.
pub(super) struct Block<'a> {
    /// Its first frame, counted from the start of the file.
    pub(super) at: u64,
    /// One plane per channel, of one length.
    pub(super) planes: &'a [Vec<f32>],
}

impl Block<'_> {
    pub(super) fn frames(&self) -> usize {
        self.planes.first().map_or(0, Vec::len)
    }
}

impl Decoding {
    pub(super) fn open(mut file: File) -> Result<Self, SourceError> {
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic)?;
        file.rewind()?;
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let reader = get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| unknown(error, &magic))?;
        let format = match reader.format_info().short_name {
            "wave" => "wav",
            name => name,
        };
        let track = reader.default_track(TrackType::Audio).ok_or(SourceError::NoTrack)?;
        let parameters =
            track.codec_params.as_ref().and_then(|codec| codec.audio()).ok_or(SourceError::Codec)?;
        let spec = Spec {
            rate: SampleRate(parameters.sample_rate.unwrap_or_default()),
            channels: parameters.channels.as_ref().map_or(0, Channels::count),
        };
        check(spec)?;
        // Without a head that counts them, the frames of an MP3 are a guess from its size, and nothing may be cut by it.
        let counted = format != "mp3" || track.delay.is_some();
        let options = AudioDecoderOptions::default().gapless(counted);
        let decoder =
            get_codecs().make_audio_decoder(parameters, &options).map_err(|_unknown| SourceError::Codec)?;
        let declared_frames = track.num_frames.filter(|_| counted);
        // What is before zero is the encoder's delay.
        let (track, start) = (track.id, track.start_ts.get().max(0));
        Ok(Self {
            reader,
            decoder,
            track,
            format,
            spec,
            declared_frames,
            position: 0,
            planes: Vec::new(),
            begun: false,
            skipped: false,
            next: None,
            start,
        })
    }

    pub(super) fn format(&self) -> &'static str {
        self.format
    }

    pub(super) fn spec(&self) -> Spec {
        self.spec
    }

    /// The length that the file's head gives, where it can be relied on.
    pub(super) fn declared_frames(&self) -> Option<u64> {
        self.declared_frames
    }

    /// How many frames have gone by.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Goes by what lies well before `frame`, without decoding it.
    pub(super) fn skip_to(&mut self, frame: u64, cancel: &dyn Cancel) -> Result<(), SourceError> {
        let until = frame.saturating_sub(self.spec.rate.frames(RUN_UP_SECONDS) as u64);
        while self.position < until {
            cancel.check()?;
            let Some(packet) = self.packet()? else { return Ok(()) };
            self.skipped = true;
            self.position = self.time_of(&packet);
            self.check_length()?;
            self.next = Some(packet).filter(|_| self.position >= until);
        }
        Ok(())
    }

    /// The next sound; `None` at the end of a file that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Block<'_>>, SourceError> {
        loop {
            let Some(packet) = self.packet()? else { return Ok(None) };
            if self.skipped {
                // The first packets after a gap give less than they last.
                self.position = self.time_of(&packet);
            }
            let at = self.position;
            match self.decoder.decode(&packet) {
                Ok(sound) => {
                    let spec = Spec {
                        rate: SampleRate(sound.spec().rate()),
                        channels: sound.spec().channels().count(),
                    };
                    sound.copy_to_vecs_planar(&mut self.planes);
                    if spec != self.spec {
                        return Err(self.damaged("its rate or its channels change there"));
                    }
                }
                Err(Error::DecodeError(_)) if !self.begun => {
                    self.advance(packet.dur.get())?;
                    continue;
                }
                Err(error) => return Err(self.broken(error)),
            }
            self.begun = true;
            let frames = self.planes.first().map_or(0, Vec::len);
            if frames == 0 {
                continue;
            }
            if self.planes.iter().flatten().any(|sample| !sample.is_finite()) {
                return Err(self.damaged("it has samples that are no numbers"));
            }
            self.advance(frames as u64)?;
            return Ok(Some(Block { at, planes: &self.planes }));
        }
    }

    /// The frame at which a packet starts.
    fn time_of(&self, packet: &Packet) -> u64 {
        packet.pts.get().saturating_sub(self.start).max(0).unsigned_abs()
    }

    fn packet(&mut self) -> Result<Option<Packet>, SourceError> {
        if let Some(packet) = self.next.take() {
            return Ok(Some(packet));
        }
        loop {
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(Some(packet)),
                Ok(Some(_)) => {}
                Ok(None) => return self.end(),
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// The end of the file: a good one if all is there that its head promises.
    fn end(&self) -> Result<Option<Packet>, SourceError> {
        match self.declared_frames {
            Some(declared) if self.position < declared => Err(self.truncated()),
            _ => Ok(None),
        }
    }

    fn advance(&mut self, frames: u64) -> Result<(), SourceError> {
        self.position = self.position.saturating_add(frames);
        self.check_length()
    }

    fn check_length(&self) -> Result<(), SourceError> {
        if self.seconds() > LONGEST_SECONDS { Err(SourceError::TooLong) } else { Ok(()) }
    }

    fn seconds(&self) -> f64 {
        self.position as f64 / self.spec.rate.hz()
    }

    fn broken(&self, error: Error) -> SourceError {
        match error {
            Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.truncated(),
            // What is at the operating system's end has a number.
            Error::IoError(error) if error.raw_os_error().is_some() => SourceError::Read(error),
            Error::ResetRequired => self.damaged("its rate or its channels change there"),
            error => self.damaged(&error.to_string()),
        }
    }

    fn damaged(&self, reason: &str) -> SourceError {
        SourceError::Damaged { at_seconds: self.seconds(), reason: reason.to_owned() }
    }

    fn truncated(&self) -> SourceError {
        let declared_seconds = self.declared_frames.map(|frames| frames as f64 / self.spec.rate.hz());
        SourceError::Truncated { at_seconds: self.seconds(), declared_seconds }
    }
}

fn check(spec: Spec) -> Result<(), SourceError> {
    let Spec { rate, channels } = spec;
    if CHANNELS.contains(&channels) && SAMPLE_RATE.contains(&rate.0) {
        Ok(())
    } else {
        Err(SourceError::Shape { channels, rate })
    }
}

/// Why the head of a file could not be read.
fn unknown(error: Error, magic: &[u8]) -> SourceError {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof && MAGIC.contains(&magic) => {
            SourceError::Truncated { at_seconds: 0.0, declared_seconds: None }
        }
        Error::IoError(error) if error.raw_os_error().is_some() => SourceError::Read(error),
        Error::Unsupported(_) | Error::IoError(_) => SourceError::NotAudio,
        error => SourceError::Damaged { at_seconds: 0.0, reason: error.to_string() },
    }
}
