//! Every setting of the program: flags and `TIMBRE_*` variables, composed from one struct per concern.

use std::{env, ffi::OsString, fs, net::IpAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use thiserror::Error;

#[cfg(feature = "musicgen")]
use crate::render::musicgen::{
    self,
    hardware::{Hardware, HardwareError, Kind},
    precision::Precision,
    store::Store,
};
use crate::{
    artifact::UploadSettings,
    audio::SampleRate,
    models::settings::{self, Token},
    request::{DURATION_SECONDS, Defaults, Output, SAMPLE_RATE},
    wire::{BitDepth, DeviceInfo},
    worker,
};

/// Threads and workers at most: more than the largest machines have processors.
const MOST_THREADS: usize = 1024;

/// Where engines compute, and with how many threads.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Rendering")]
pub struct Rendering {
    /// Device that engines compute on.
    #[arg(
        long,
        env = "TIMBRE_INFERENCE_DEVICE",
        value_name = "DEVICE",
        default_value = "auto",
        global = true
    )]
    pub device: DeviceChoice,
    /// Processor threads for rendering, of each job; 0 takes all. More than there are processors make it slower.
    #[arg(long, env = "TIMBRE_THREADS", value_name = "N", default_value_t = 0, global = true, value_parser = threads)]
    pub threads: usize,
    /// How a model's matrices are kept: f32 is exact, the others take less memory; auto is 8 bits on the processor, f32 elsewhere.
    #[arg(long, env = "TIMBRE_DTYPE", value_name = "TYPE", default_value = "auto", global = true)]
    pub dtype: DtypeChoice,
    /// Device of the codec, which makes sound of a model's tokens: that of the model, or the processor.
    #[arg(long, env = "TIMBRE_CODEC_DEVICE", value_name = "DEVICE", default_value = "same", global = true)]
    pub codec_device: CodecDevice,
    /// Model that plays when a request names none: a hub id or a directory. Default: facebook/musicgen-small if it is on this
    /// machine, otherwise another one that is.
    #[arg(long, env = "TIMBRE_MODEL", value_name = "MODEL", global = true)]
    pub default_model: Option<String>,
    /// Where downloaded models lie. Default: `hub` in `HF_HOME`, which is ~/.cache/huggingface.
    #[arg(long, env = "HF_HUB_CACHE", value_name = "DIR", global = true)]
    pub hub_cache: Option<PathBuf>,
}

/// How a model's matrices are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DtypeChoice {
    /// The fastest whose quality holds.
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits with the range of 32.
    Bf16,
    /// 16 bits.
    F16,
    /// Blocks of 8 bits.
    #[value(name = "q8_0")]
    Q8_0,
    /// Blocks of 6 bits.
    #[value(name = "q6_0")]
    Q6_0,
    /// Blocks of 4 bits.
    #[value(name = "q4_0")]
    Q4_0,
}

/// Where the codec computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CodecDevice {
    /// Where the model does.
    Same,
    /// On the processor.
    Cpu,
}

/// A device to compute on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceChoice {
    /// The best there is.
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA graphics card.
    Cuda,
    /// An Apple graphics processor.
    Metal,
}

/// What a request leaves open, and what it may take.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Requests")]
pub struct Export {
    /// Length of a piece in seconds when none is asked for, 1 to 600.
    #[arg(long, env = "TIMBRE_DEFAULT_DURATION", value_name = "SECONDS", default_value_t = 120.0, value_parser = duration)]
    pub default_duration: f64,
    /// Frames per second of the finished file when none are asked for, 8000 to 192000.
    #[arg(long, env = "TIMBRE_EXPORT_SAMPLE_RATE", value_name = "HZ", default_value_t = 48_000, value_parser = sample_rate)]
    pub export_sample_rate: u32,
    /// Sample format of the finished file when none is asked for: 16, 24 or 32f.
    #[arg(long, env = "TIMBRE_EXPORT_BIT_DEPTH", value_name = "FORMAT", default_value = "24", value_parser = bit_depth)]
    pub export_bit_depth: BitDepth,
    /// Memory in MiB that one piece may take; a piece that would need more is refused.
    #[arg(long, env = "TIMBRE_MEMORY_LIMIT", value_name = "MIB", default_value = "8192")]
    pub memory_limit: NonZeroUsize,
}

/// What the log looks like. The filter itself is `RUST_LOG`-like text.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log")]
pub struct Log {
    /// What is logged to standard error: error, warn, info, debug, trace, or filters as "info,timbre=debug".
    #[arg(long, env = "TIMBRE_LOG", value_name = "FILTER", default_value = "warn", global = true)]
    pub log: String,
    /// Form of the log.
    #[arg(long, env = "TIMBRE_LOG_FORMAT", value_name = "FORM", default_value = "human", global = true)]
    pub log_format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object per line.
    Json,
}

/// How the service runs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service")]
pub struct Service {
    /// Address to listen on.
    #[arg(long, env = "TIMBRE_HOST", value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one and says which.
    #[arg(long, env = "TIMBRE_PORT", value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// Allow to listen beyond this machine, though requests are not authenticated.
    #[arg(long, env = "TIMBRE_INSECURE")]
    pub insecure: bool,
    /// Directory that finished pieces are kept in; created when missing.
    #[arg(long, env = "TIMBRE_ARTIFACT_DIR", value_name = "DIR", default_value = "timbre-artifacts")]
    pub artifact_dir: PathBuf,
    /// Jobs that may wait; one more is refused with 429.
    #[arg(long, env = "TIMBRE_QUEUE_CAPACITY", value_name = "N", default_value = "100")]
    pub queue_capacity: NonZeroUsize,
    /// Jobs rendered at the same time.
    #[arg(long, env = "TIMBRE_WORKERS", value_name = "N", default_value = "1", value_parser = workers)]
    pub workers: NonZeroUsize,
    /// Finished jobs to keep; the oldest are forgotten with their files.
    #[arg(long, env = "TIMBRE_KEEP_JOBS", value_name = "N", default_value = "200")]
    pub keep_jobs: NonZeroUsize,
    /// MiB that one uploaded sound may have; a larger one is refused with 413.
    #[arg(long, env = "TIMBRE_UPLOAD_LIMIT", value_name = "MIB", default_value = "256")]
    pub upload_limit: NonZeroUsize,
    /// Uploaded sounds to keep; those that were not used for the longest time are removed.
    #[arg(long, env = "TIMBRE_KEEP_UPLOADS", value_name = "N", default_value = "100")]
    pub keep_uploads: NonZeroUsize,
    /// MiB that all uploaded sounds may have together.
    #[arg(long, env = "TIMBRE_UPLOAD_SPACE", value_name = "MIB", default_value = "2048")]
    pub upload_space: NonZeroUsize,
    /// Seconds that running jobs may go on after a shutdown was asked for.
    #[arg(long, env = "TIMBRE_DRAIN_TIMEOUT", value_name = "SECONDS", default_value_t = 30)]
    pub drain_timeout: u64,
}

/// The Hugging Face hub and its cache, by the variables that all programs share which use it.
#[derive(Clone, Debug)]
pub struct HuggingFace {
    /// Where models are kept: `HF_HUB_CACHE`, or `hub` in `HF_HOME`, which is `huggingface` in the user's cache directory.
    pub cache: PathBuf,
    /// `HF_ENDPOINT`, `HF_TOKEN` or the file at `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`.
    pub hub: settings::Settings,
}

/// A setting that cannot be met here.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// This build computes on the processor only.
    #[cfg(not(feature = "musicgen"))]
    #[error(
        "device {0} is not available: this build of Timbre computes on the processor only; use --device cpu or auto"
    )]
    Device(&'static str),
    /// The device is not there, or not able.
    #[cfg(feature = "musicgen")]
    #[error(transparent)]
    Hardware(#[from] HardwareError),
    /// The address is reachable from outside.
    #[error(
        "--host {0} can be reached from other machines, and requests are not authenticated; put a proxy in front that \
         authenticates them, or say --insecure if that is meant"
    )]
    Exposed(IpAddr),
    /// The log filter cannot be read.
    #[error(
        "--log {filter:?} is no filter: {reason}; write a level as info, or filters as info,timbre=debug"
    )]
    Log {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Rendering {
    /// Threads to render with.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => processors(),
            threads => threads,
        }
    }

    /// Processors there are, when more threads were asked for.
    pub fn fewer_processors(&self) -> Option<usize> {
        Some(processors()).filter(|processors| self.threads > *processors)
    }

    /// Variables by which the threads of models are bound: candle's and those of `rayon`, on which it multiplies. Without a number
    /// of threads they are left as they are.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let names = ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"];
        names.into_iter().filter(|_| self.threads > 0).map(|name| (name, self.threads.to_string())).collect()
    }

    /// The processor, on which everything but models computes.
    pub fn processor(&self) -> DeviceInfo {
        DeviceInfo { kind: "cpu".into(), name: std::env::consts::ARCH.into(), threads: self.thread_count() }
    }

    /// Where downloaded models lie, as all Hugging Face tools have it.
    pub fn hub_cache(&self) -> PathBuf {
        let given = self.hub_cache.clone().filter(|path| !path.as_os_str().is_empty());
        given.unwrap_or_else(|| HuggingFace::from_env().cache)
    }
}

#[cfg(not(feature = "musicgen"))]
impl Rendering {
    /// Refuses a device that is not there.
    ///
    /// # Errors
    /// When another device than the processor was asked for.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self.device {
            DeviceChoice::Auto | DeviceChoice::Cpu => Ok(()),
            DeviceChoice::Cuda => Err(ConfigError::Device("cuda")),
            DeviceChoice::Metal => Err(ConfigError::Device("metal")),
        }
    }
}

#[cfg(feature = "musicgen")]
impl Rendering {
    /// How models are run: looks for the device, and tries it out.
    ///
    /// # Errors
    /// When a device was asked for that is not there, or it cannot compute at the type that was asked for.
    pub fn musicgen(&self) -> Result<musicgen::Settings, ConfigError> {
        let hardware = Hardware::open(match self.device {
            DeviceChoice::Auto => None,
            DeviceChoice::Cpu => Some(Kind::Cpu),
            DeviceChoice::Cuda => Some(Kind::Cuda),
            DeviceChoice::Metal => Some(Kind::Metal),
        })?;
        let precision = match self.dtype {
            DtypeChoice::Auto => Precision::fastest_on(hardware.kind()),
            DtypeChoice::F32 => Precision::F32,
            DtypeChoice::Bf16 => Precision::Bf16,
            DtypeChoice::F16 => Precision::F16,
            DtypeChoice::Q8_0 => Precision::Q8_0,
            DtypeChoice::Q6_0 => Precision::Q6_0,
            DtypeChoice::Q4_0 => Precision::Q4_0,
        };
        hardware.try_out(precision)?;
        Ok(musicgen::Settings {
            store: Store::new(self.hub_cache()),
            default_model: self.default_model.clone(),
            hardware,
            precision,
            codec_on_processor: self.codec_device == CodecDevice::Cpu,
            threads: self.thread_count(),
        })
    }
}

impl Export {
    /// What a request leaves open.
    pub fn defaults(&self) -> Defaults {
        Defaults {
            duration_seconds: self.default_duration,
            output: Output {
                rate: SampleRate(self.export_sample_rate),
                bit_depth: self.export_bit_depth,
                ..Output::default()
            },
            memory_limit: (self.memory_limit.get() as u64) << 20,
        }
    }
}

impl Service {
    /// Refuses to listen beyond this machine unless that was asked for.
    ///
    /// # Errors
    /// When the address is not a loopback address and `--insecure` was not given.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.host.is_loopback() || self.insecure { Ok(()) } else { Err(ConfigError::Exposed(self.host)) }
    }

    /// How much callers may bring.
    pub fn uploads(&self) -> UploadSettings {
        UploadSettings {
            largest: (self.upload_limit.get() as u64) << 20,
            keep: self.keep_uploads.get(),
            space: (self.upload_space.get() as u64) << 20,
        }
    }

    /// How many workers there are and how long they may take to leave.
    pub fn workers(&self) -> worker::Settings {
        worker::Settings {
            workers: self.workers.get(),
            drain_timeout: Duration::from_secs(self.drain_timeout),
        }
    }
}

impl HuggingFace {
    /// What the environment says.
    pub fn from_env() -> Self {
        Self::new(|name| env::var_os(name), env::home_dir())
    }

    /// Variables that are empty count as not set.
    fn new(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Self {
        let home = home.unwrap_or_default();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).map(|value| value.to_string_lossy().trim().to_owned());
        let path = |name: &str| {
            let path = PathBuf::from(set(name)?);
            let path = path.strip_prefix("~").map(|rest| home.join(rest)).unwrap_or(path);
            Some(std::path::absolute(&path).unwrap_or(path))
        };
        let is_true = |name: &str| {
            let value = text(name).unwrap_or_default().to_lowercase();
            ["1", "on", "yes", "true"].contains(&value.as_str())
        };
        let own = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("huggingface")
        });
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| own.join("token"));
        let implicit =
            || fs::read_to_string(&token_file).ok().filter(|_| !is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"));
        let token = text("HF_TOKEN").or_else(implicit).map(|token| token.trim().to_owned());
        Self {
            cache: path("HF_HUB_CACHE")
                .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
                .unwrap_or_else(|| own.join("hub")),
            hub: settings::Settings {
                endpoint: text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
                token: token.filter(|token| !token.is_empty()).map(Token),
                offline: is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE"),
            },
        }
    }
}

/// Reads a sample format as the wire writes it; `pcm16`, `pcm24` and `float32` are understood too.
///
/// # Errors
/// When the text names no format.
pub fn bit_depth(text: &str) -> Result<BitDepth, String> {
    match text {
        "16" | "pcm16" => Ok(BitDepth::Int16),
        "24" | "pcm24" => Ok(BitDepth::Int24),
        "32f" | "float32" => Ok(BitDepth::Float32),
        _ => Err("choose 16, 24 or 32f".into()),
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn threads(text: &str) -> Result<usize, String> {
    let allowed = text.parse().ok().filter(|threads| *threads <= MOST_THREADS);
    allowed.ok_or_else(|| format!("give 0 to {MOST_THREADS}"))
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let allowed = text.parse().ok().filter(|workers: &NonZeroUsize| workers.get() <= MOST_THREADS);
    allowed.ok_or_else(|| format!("give 1 to {MOST_THREADS}"))
}

fn duration(text: &str) -> Result<f64, String> {
    let allowed = text.parse().ok().filter(|seconds| DURATION_SECONDS.contains(seconds));
    allowed.ok_or_else(|| format!("give {} to {} seconds", DURATION_SECONDS.start(), DURATION_SECONDS.end()))
}

fn sample_rate(text: &str) -> Result<u32, String> {
    let allowed = text.parse().ok().filter(|rate| SAMPLE_RATE.contains(rate));
    allowed.ok_or_else(|| format!("give {} to {} Hz", SAMPLE_RATE.start(), SAMPLE_RATE.end()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct All {
        #[command(flatten)]
        rendering: Rendering,
        #[command(flatten)]
        export: Export,
        #[command(flatten)]
        service: Service,
    }

    fn parse(args: &[&str]) -> Result<All, clap::Error> {
        All::try_parse_from([&["timbre"], args].concat())
    }

    #[test]
    fn only_loopback_unless_said() {
        assert!(parse(&[]).unwrap().service.check().is_ok());
        assert!(parse(&["--host", "::1"]).unwrap().service.check().is_ok());
        assert!(matches!(
            parse(&["--host", "0.0.0.0"]).unwrap().service.check(),
            Err(ConfigError::Exposed(_))
        ));
        assert!(parse(&["--host", "0.0.0.0", "--insecure"]).unwrap().service.check().is_ok());
    }

    #[test]
    fn threads_and_workers_have_bounds() {
        for (option, allowed, refused) in [
            ("--threads", ["0", "1024"], ["1025", "-1", "x"]),
            ("--workers", ["1", "1024"], ["0", "1025", "99999999999999999999"]),
        ] {
            assert!(allowed.iter().all(|count| parse(&[option, count]).is_ok()));
            for count in refused {
                let error = parse(&[&format!("{option}={count}")]).err().unwrap().to_string();
                assert!(error.contains("to 1024") && error.contains(count), "{error}");
            }
        }
    }

    fn hugging_face(set: &[(&str, &str)]) -> HuggingFace {
        let set: std::collections::HashMap<String, String> =
            set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HuggingFace::new(|name| set.get(name).map(OsString::from), Some("/home/me".into()))
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        for (set, expected) in [
            (&[][..], "/home/me/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/fast")], "/fast/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/fast"), ("HF_HOME", "~/hf")], "/home/me/hf/hub"),
            (&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/models")], "/models"),
            (&[("HF_HUB_CACHE", ""), ("HF_HOME", "/hf")], "/hf/hub"),
        ] {
            assert_eq!(hugging_face(set).cache, PathBuf::from(expected), "{set:?}");
        }
    }

    #[test]
    fn a_token_comes_from_its_variable_or_its_file() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("token"), "of the file\n").unwrap();
        let home = ("HF_HOME", directory.path().to_str().unwrap());
        let token = |set: &[(&str, &str)]| hugging_face(set).hub.token.map(|Token(token)| token);
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[home]).as_deref(), Some("of the file"));
        assert_eq!(token(&[home, ("HF_TOKEN", " own\n")]).as_deref(), Some("own"));
        assert_eq!(token(&[home, ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert!(hugging_face(&[("HF_HUB_OFFLINE", "True")]).hub.offline);
        assert!(!hugging_face(&[("HF_HUB_OFFLINE", "0")]).hub.offline);
    }

    #[test]
    #[cfg(feature = "musicgen")]
    fn a_missing_device_is_an_error() {
        assert!(parse(&["--device", "cpu"]).unwrap().rendering.musicgen().is_ok());
        assert!(
            cfg!(feature = "metal") || parse(&["--device", "metal"]).unwrap().rendering.musicgen().is_err()
        );
        assert!(parse(&["--device", "abacus"]).is_err());
    }

    #[test]
    fn defaults_are_checked_like_requests() {
        let all = parse(&["--export-bit-depth", "pcm16", "--export-sample-rate", "44100"]).unwrap();
        let output = all.export.defaults().output;
        assert_eq!((output.rate, output.bit_depth), (SampleRate(44_100), BitDepth::Int16));
        for wrong in
            [["--export-sample-rate", "7999"], ["--default-duration", "601"], ["--export-bit-depth", "8"]]
        {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
