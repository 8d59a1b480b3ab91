//! MusicGen as an engine of the pipeline: a section is a stretch of a token stream, decoded as far as it goes.
//!
//! ```text
//! piece     |------ section 1 ------|------ section 2, continue ------|--- section 3, crossfade ---
//! stream 1  |=======================|=================================|
//! sound 1   |--- settled ---|.......| provisional: the end as if no more came
//! sound 2                   |--- settled ---------------------|.......|
//! stream 2                                                        |===|=========================
//! ```
//!
//! A section that continues starts with the first sample that was not settled, so that the mix, which replaces from there,
//! has what decoding the whole stream gives.

use std::{ops::ControlFlow, path::PathBuf, sync::Arc};

use super::{
    ModelError, MusicGen,
    batch::{Batch, News},
    catalogue,
    checkpoint::{Checkpoint, CheckpointError},
    chroma::FollowedSound,
    codec::{CodecError, Decoder, Memory},
    codes::Codes,
    config::Config,
    hardware::Hardware,
    joint::{Joint, JointError},
    model,
    precision::{Kernels, Precision},
    sampling::Sampling,
    slot::Slot,
    speed::{self, Way},
    store::{Found, Store},
    stream::{self, SectionState, Window},
    weights::Placement,
};
use crate::{
    audio::{Pcm, Spec},
    cancel::Cancel,
    convert::{ConvertError, remix, resample},
    plan::Plan,
    render::{
        Engine, EngineError, Limits, ModelFacts, Rendered, SectionSpec, Watch,
        engines::{Models, NoModel},
    },
    wire::TransitionKind,
};

const NAME: &str = "musicgen";

/// Streams that are stepped together at most: more of them gain little.
const STREAMS_AT_ONCE: u64 = 8;

/// What the caches of these streams may take; one stream may take more.
const CACHES_BYTES: u64 = 2 << 30;

/// Positions of a row that a text may take, for the estimate of memory: a long prompt.
const TEXT_POSITIONS: usize = 512;

/// Frames that the codec decodes at once.
const FRAMES_AT_ONCE: usize = 25;

/// How models are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where downloaded models are.
    pub store: Store,
    /// The model to take when none is asked for: hub id or directory.
    pub default_model: Option<String>,
    /// Where they compute.
    pub hardware: Hardware,
    /// How their matrices are kept.
    pub precision: Precision,
    /// Whether the codec computes on the processor wherever the rest does.
    pub codec_on_processor: bool,
    /// Processor threads.
    pub threads: usize,
}

impl Settings {
    /// How a model is played with them.
    pub fn way(&self) -> Way {
        let Self { hardware, precision, threads, .. } = self;
        Way { device: hardware.kind().name().to_owned(), dtype: precision.to_string(), threads: *threads }
    }
}

/// The `MusicGen`s of this machine. One at a time is loaded, when it is first needed, and shared by all threads until another
/// one is needed.
#[derive(Debug)]
pub struct MusicGens {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// The one that is loaded, by its directory.
    slot: Slot<PathBuf, Loaded>,
}

/// A model, and the pieces that it plays.
#[derive(Debug)]
struct Loaded {
    model: MusicGen,
    batch: Batch,
}

impl MusicGens {
    /// Those that `settings` lead to. Loads nothing.
    pub fn new(settings: Settings) -> Self {
        Self { shared: Arc::new(Shared { settings, slot: Slot::default() }) }
    }

    fn find(&self, asked: Option<&str>) -> Result<Found, NoModel> {
        let Settings { store, default_model, .. } = &self.shared.settings;
        if let Some(name) = asked.or(default_model.as_deref()) {
            return store.find(name).map_err(|error| NoModel { reason: error.to_string(), source: None });
        }
        store.known().next().ok_or_else(|| {
            let reason = format!(
                "no MusicGen model is on this machine; `timbre models pull {}` fetches one",
                catalogue::KNOWN[0].id
            );
            NoModel { reason, source: None }
        })
    }
}

impl Models for MusicGens {
    fn engine(&self, model: Option<&str>) -> Result<Arc<dyn Engine>, NoModel> {
        let found = self.find(model)?;
        match found.look() {
            Ok((config, checkpoint)) => {
                let shared = Arc::clone(&self.shared);
                Ok(Arc::new(Player {
                    limits: limits(&shared.settings, &found, &config, &checkpoint),
                    shared,
                    found,
                }))
            }
            Err(error) => {
                let reason =
                    format!("model {0} is not whole; `timbre models check {0}` says why", found.name);
                Err(NoModel { reason, source: Some(Arc::new(error)) })
            }
        }
    }

    fn device(&self) -> (&'static str, String) {
        let hardware = &self.shared.settings.hardware;
        (hardware.kind().name(), hardware.why().to_owned())
    }
}

fn limits(settings: &Settings, found: &Found, config: &Config, checkpoint: &Checkpoint) -> Limits {
    let Settings { hardware, precision, .. } = settings;
    let window = Window::of_30_seconds(config.codec.frame_rate()).frames();
    let chroma = config.melody.map_or(0, |melody| melody.chroma_length);
    let positions = window + config.decoder.num_codebooks + chroma + TEXT_POSITIONS;
    let kernels = Kernels::of(&hardware.device);
    // Each stream has two rows for guidance.
    let stream = 2 * config.decoder.row_bytes(positions, *precision, kernels);
    let at_once = (CACHES_BYTES / stream.max(1)).clamp(1, STREAMS_AT_ONCE);
    Limits {
        spec: Spec { rate: config.codec.rate(), channels: config.decoder.audio_channels },
        longest_section_seconds: None,
        at_once: at_once as usize,
        stems: false,
        notes: false,
        tokens: true,
        samples_a_model: true,
        continues: config.hears(),
        follows_melody: config.melody.is_some(),
        memory_bytes: model::bytes(config, *precision, kernels)
            + model::codec_bytes(checkpoint)
            + at_once * stream,
        real_time_factor: speed::find(&found.directory, &settings.way()),
        licence: found.licence(),
        model: Some(ModelFacts {
            title: found.title(),
            dtype: precision.to_string(),
            device: hardware.kind().name().to_owned(),
        }),
    }
}

/// One model as an engine.
#[derive(Debug)]
struct Player {
    shared: Arc<Shared>,
    found: Found,
    limits: Limits,
}

/// Why a section has no sound.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("cancelled")]
    Cancelled,
    /// A part of the model cannot be loaded.
    #[error(transparent)]
    Unusable(ModelError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Joint(#[from] JointError),
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

impl Player {
    /// The model, loaded now unless it is already.
    fn load(&self, watch: &dyn Watch) -> Result<Arc<Loaded>, ModelError> {
        let Settings { hardware, precision, codec_on_processor, .. } = &self.shared.settings;
        let (directory, cancel) = (&self.found.directory, Heard(watch));
        self.shared.slot.get(directory, &cancel, || {
            let device = hardware.device.clone();
            let codec_device = if *codec_on_processor { candle_core::Device::Cpu } else { device.clone() };
            let placement = Placement::new(device, *precision);
            let model = MusicGen::open(directory, &placement, &codec_device, &cancel)?;
            Ok(Loaded { model, batch: Batch::new(self.limits.at_once) })
        })
    }

    /// Why it could not be loaded, to those who asked for a section.
    fn unusable(&self, error: ModelError) -> EngineError {
        match error {
            ModelError::Cancelled(_) | ModelError::Checkpoint(CheckpointError::Cancelled(_)) => {
                EngineError::Cancelled
            }
            error => EngineError::Model { model: self.found.name.clone(), source: Box::new(error) },
        }
    }

    fn play(
        &self,
        loaded: &Loaded,
        spec: &SectionSpec<'_>,
        before: Option<&Rendered>,
        watch: &dyn Watch,
    ) -> Result<Rendered, Fault> {
        let model = &loaded.model;
        let stretch = Stretch::of(spec, before, model, watch)?;
        let Stretch { joint, known, frames, lead_frames } = &stretch;
        let known_samples = known.frames() * model.codec.config().hop();
        let hear = |more: &Pcm| watch.sound(*lead_frames, more);
        let mut voice = Voice::after(joint, model, self.limits.spec, known_samples, &hear)?;
        for from in (0..known.frames()).step_by(FRAMES_AT_ONCE) {
            go_on(watch, 0.0)?;
            voice.sing(&known.part(from..from + FRAMES_AT_ONCE))?;
        }
        let (codes, stream) = write(loaded, spec, joint, *frames, watch, &mut voice)?;
        let Sung { mut planes, settled, decoder } = voice.finish()?;
        for plane in &mut planes {
            plane.drain(..plane.len().min(known_samples));
        }
        let next = Joint { origin: joint.origin, stream, settled: joint.settled + settled, decoder };
        Ok(Rendered {
            sound: Pcm::new(self.limits.spec, planes).map_err(CodecError::from)?,
            lead_frames: *lead_frames,
            stems: Vec::new(),
            played: None,
            tokens: Some(codes.into()),
            tail: next.to_bytes()?,
        })
    }
}

/// The sound of a section while its tokens come.
struct Voice<'a> {
    decoder: Decoder,
    /// Tokens that wait until there are some more.
    waiting: Codes,
    spec: Spec,
    planes: Vec<Vec<f32>>,
    /// Samples that have been heard, or that are not of the section.
    heard: usize,
    /// Hears the samples of the section as they come.
    hear: &'a dyn Fn(&Pcm),
}

impl<'a> Voice<'a> {
    /// Goes on behind a joint. Its first `before` samples are not of the section.
    fn after(
        joint: &Joint,
        model: &MusicGen,
        spec: Spec,
        before: usize,
        hear: &'a dyn Fn(&Pcm),
    ) -> Result<Self, Fault> {
        let decoder = model.codec.decoder(spec.channels)?;
        let decoder = if joint.decoder.is_empty() { decoder } else { decoder.resume(&joint.decoder)? };
        let waiting = Codes::empty(model.config.decoder.num_codebooks);
        Ok(Self { decoder, waiting, spec, planes: vec![Vec::new(); spec.channels], heard: before, hear })
    }

    /// Takes more tokens.
    fn sing(&mut self, codes: &Codes) -> Result<(), Fault> {
        self.waiting.append(codes);
        if self.waiting.frames() >= FRAMES_AT_ONCE { self.decode() } else { Ok(()) }
    }

    fn decode(&mut self) -> Result<(), Fault> {
        append(&mut self.planes, self.decoder.push(self.waiting.as_slices())?);
        self.waiting = Codes::empty(self.waiting.codebooks());
        let more = self.planes.iter().map(|plane| plane.get(self.heard..).unwrap_or_default().to_vec());
        let more = Pcm::new(self.spec, more.collect()).map_err(CodecError::from)?;
        self.heard += more.frames();
        (self.hear)(&more);
        Ok(())
    }

    /// As if no more came.
    fn finish(mut self) -> Result<Sung, Fault> {
        self.decode()?;
        let (settled, decoder) = (self.planes[0].len(), self.decoder.memory()?);
        append(&mut self.planes, self.decoder.finish()?);
        Ok(Sung { planes: self.planes, settled, decoder })
    }
}

/// The sound of a section.
struct Sung {
    planes: Vec<Vec<f32>>,
    /// Samples that no more tokens can change.
    settled: usize,
    /// The codec behind its tokens.
    decoder: Vec<Memory>,
}

/// What of which stream a section is.
struct Stretch {
    /// The stream before it.
    joint: Joint,
    /// The tokens with which the stream begins and which are not of the section: those of a sound to go on from.
    known: Codes,
    /// Frames of tokens that it adds.
    frames: usize,
    /// Samples that its sound starts before its bar line.
    lead_frames: usize,
}

impl Stretch {
    fn of(
        spec: &SectionSpec<'_>,
        before: Option<&Rendered>,
        model: &MusicGen,
        watch: &dyn Watch,
    ) -> Result<Self, Fault> {
        let SectionSpec { plan, index, .. } = *spec;
        let (rate, hop) = (model.config.codec.rate(), model.config.codec.hop());
        let bar_line = plan.start_at(index, rate);
        let codebooks = model.config.decoder.num_codebooks;
        let mut known = Codes::empty(codebooks);
        let (joint, lead_frames) = match (before.filter(|_| continues(plan, index)), spec.continued) {
            (Some(before), _) => {
                let joint = Joint::from_bytes(&before.tail)?;
                let lead = bar_line as isize - joint.origin - joint.settled as isize;
                (joint, usize::try_from(lead).unwrap_or_default())
            }
            (None, Some(sound)) => {
                known = tokens_of(sound, model, watch)?;
                let origin = bar_line as isize - (known.frames() * hop) as isize;
                let stream = stream::Tail::after(&known, window(model));
                (Joint { stream, ..Joint::start(origin, codebooks) }, 0)
            }
            (None, None) => {
                let origin = bar_line.saturating_sub(spec.lead_frames);
                (Joint::start(origin as isize, codebooks), bar_line - origin)
            }
        };
        let end = plan.sections.get(index + 1).map_or(plan.duration_seconds, |next| next.start_seconds);
        let end = (end - joint.origin as f64 / rate.hz()) * rate.hz() / hop as f64;
        // Under a section with a stream of its own there must be sound up to the bar line.
        let last = index + 1 >= plan.sections.len();
        let end = if last || continues(plan, index + 1) { end.round_ties_even() } else { end.ceil() };
        let frames = (end as usize).saturating_sub(joint.stream.frame);
        Ok(Self { joint, known, frames, lead_frames })
    }
}

/// Whether a section goes on in the stream of the one before.
fn continues(plan: &Plan, index: usize) -> bool {
    let section = plan.sections.get(index);
    index > 0 && section.is_some_and(|section| section.transition.kind == TransitionKind::Continue)
}

fn window(model: &MusicGen) -> Window {
    Window::of_30_seconds(model.config.codec.frame_rate())
}

/// The tokens of the end of a sound, as much as the model hears of what was before, in whole frames.
fn tokens_of(sound: &Pcm, model: &MusicGen, watch: &dyn Watch) -> Result<Codes, Fault> {
    let codec = model.codec.config();
    let sound = at_rate(sound, model.config.decoder.audio_channels, model, watch)?;
    let frames = (sound.frames() / codec.hop()).min(window(model).overlap());
    let spec = sound.spec();
    let from = sound.frames() - frames * codec.hop();
    let planes = sound.into_planes().into_iter().map(|plane| plane[from..].to_vec()).collect();
    let sound = Pcm::new(spec, planes).map_err(CodecError::from)?;
    let encoder = model.encoder(&Heard(watch)).map_err(Fault::Unusable)?;
    let codes = encoder.encode(&sound, &mut |_| watch.progress(0.0))?;
    // All lists are equally long: the codec gives one token for each frame.
    Ok(Codes::from_fn(codes.len(), |codebook| codes[codebook].clone()))
}

/// A sound as the model has it.
fn at_rate(sound: &Pcm, channels: usize, model: &MusicGen, watch: &dyn Watch) -> Result<Pcm, Fault> {
    let rate = model.config.codec.rate();
    let frames = rate.frames(sound.seconds());
    Ok(remix(resample(sound.clone(), rate, frames, &Heard(watch))?, channels)?)
}

/// The cancel button of a section, for work that reports nothing.
struct Heard<'a>(&'a dyn Watch);

impl Cancel for Heard<'_> {
    fn go_on(&self) -> ControlFlow<()> {
        self.0.progress(0.0)
    }
}

/// A melody that begins with the piece, as a stream hears it that may begin elsewhere.
#[derive(Debug)]
struct Melody {
    sound: FollowedSound,
    /// Frames of the sound, at least one, and its frame with which the stream begins.
    frames: isize,
    first: isize,
}

impl Melody {
    fn of(sound: &Pcm, origin: isize, model: &MusicGen, watch: &dyn Watch) -> Result<Self, Fault> {
        let (rate, hop) = (model.config.codec.rate().0 as usize, model.config.codec.hop());
        let samples = at_rate(sound, 1, model, watch)?.into_planes().swap_remove(0);
        let frames = samples.len().div_ceil(hop).max(1) as isize;
        let classes = model.config.melody.map_or(12, |melody| melody.num_chroma);
        let first = origin.div_euclid(hop as isize);
        Ok(Self { sound: FollowedSound::new(samples, rate, hop, classes), frames, first })
    }
}

impl stream::Melody for Melody {
    fn classes(&self, first_frame: usize) -> Vec<usize> {
        self.sound.classes((self.first + first_frame as isize).rem_euclid(self.frames) as usize)
    }
}

/// The tokens of a section, and the end of the stream behind them. The voice gets them as they come.
fn write(
    loaded: &Loaded,
    spec: &SectionSpec<'_>,
    joint: &Joint,
    frames: usize,
    watch: &dyn Watch,
    voice: &mut Voice<'_>,
) -> Result<(Codes, stream::Tail), Fault> {
    let Loaded { model, batch } = loaded;
    let planned = spec.plan.sections.get(spec.index);
    let melody = spec.melody.map(|sound| Melody::of(sound, joint.origin, model, watch)).transpose()?;
    let section = stream::Section {
        frames,
        text: planned.map_or("", |section| &section.prompt),
        negative: spec.negative_prompt,
        melody: melody.as_ref().map(|melody| melody as &dyn stream::Melody),
        sampling: spec.sampling.map(Sampling::from).unwrap_or_default(),
        seed: planned.map_or(spec.plan.seed, |section| section.seed),
    };
    let mut state = SectionState::new(&model.language, window(model), section, &joint.stream)?;
    let mut made = 0;
    while let Some(window) = state.take() {
        let going = batch.join(&model.language, window)?;
        let window = loop {
            go_on(watch, made as f64 / frames.max(1) as f64)?;
            match going.news()? {
                Some(News::Frames(codes)) => {
                    made += codes.frames();
                    voice.sing(&codes)?;
                }
                Some(News::Done(window)) => break window,
                Some(News::Failed(error)) => return Err(error.into()),
                None => {}
            }
        };
        state.settle(&model.language, &window)?;
    }
    Ok(state.finish())
}

fn go_on(watch: &dyn Watch, done: f64) -> Result<(), Fault> {
    if watch.progress(done).is_break() { Err(Fault::Cancelled) } else { Ok(()) }
}

fn append(planes: &mut [Vec<f32>], more: Pcm) {
    for (plane, more) in planes.iter_mut().zip(more.into_planes()) {
        plane.extend(more);
    }
}

impl Engine for Player {
    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    fn is_loaded(&self) -> bool {
        self.shared.slot.has(&self.found.directory)
    }

    fn render(
        &self,
        section: &SectionSpec<'_>,
        before: Option<&Rendered>,
        watch: &dyn Watch,
    ) -> Result<Rendered, EngineError> {
        if watch.progress(0.0).is_break() {
            return Err(EngineError::Cancelled);
        }
        let loaded = self.load(watch).map_err(|error| self.unusable(error))?;
        self.play(&loaded, section, before, watch).map_err(|fault| match fault {
            Fault::Cancelled
            | Fault::Codec(CodecError::Cancelled(_))
            | Fault::Convert(ConvertError::Cancelled(_)) => EngineError::Cancelled,
            Fault::Unusable(error) => self.unusable(error),
            fault => EngineError::Failed {
                engine: NAME.to_owned(),
                section: section
                    .plan
                    .sections
                    .get(section.index)
                    .map_or_else(String::new, |it| it.id.clone()),
                source: Box::new(fault),
            },
        })
    }
}
