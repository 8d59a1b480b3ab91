//! The built-in engine: a composer and a synthesiser that obey the plan. No weights, always there.
//!
//! `score` turns a section of the plan into notes, `voices` turn notes into sound, `mixdown` puts the sound in its place.
//! How a style is played stands in `styles.toml`.

mod lanes;
mod instrument;
mod style;
mod score;
mod voices;
mod effects;
mod space;
mod era;
mod ring;
mod reverb;
mod track;
mod console;
mod mixdown;
mod spares;
mod stage;
mod stretches;
mod played;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod listening;

use std::{num::NonZeroUsize, sync::Arc};

use super::{Engine, EngineError, Limits, Played, Rendered, SectionSpec, Stem, Watch};
use crate::{
    audio::{Pcm, Random, SampleRate, Spec},
    plan::Plan,
    wire::TransitionKind,
};
use console::Console;
use era::Era;
use instrument::{GROUPS, Instrument};
use score::{Duty, ScoreError, Tone};
use space::Room;
use spares::Spares;
use stage::Stage;
use style::{Book, Drum, Style};
use track::{Span, Stereo, Track};
use voices::{Texture, Voice};

const SPEC: Spec = Spec { rate: SampleRate(48_000), channels: 2 };
/// How long what rings is followed past a section's end, in seconds.
const RING_SECONDS: f64 = 8.0;
/// Fade of a texture that starts or ends inside the piece, in seconds.
const TEXTURE_FADE_SECONDS: f64 = 1.2;

/// The built-in engine. It holds up to 96 MiB from one section to the next.
#[derive(Clone, Debug)]
pub struct Synth {
    threads: NonZeroUsize,
    spares: Arc<Spares>,
}

impl Synth {
    /// An engine that renders a section on up to `threads` threads; 0 counts as 1. The number changes nothing but the time.
    pub fn new(threads: usize) -> Self {
        Self { threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN), spares: Arc::default() }
    }
}

impl Engine for Synth {
    fn name(&self) -> &'static str {
        "synth"
    }

    fn limits(&self) -> Limits {
        Limits {
            spec: SPEC,
            longest_section_seconds: None,
            // It shares the threads out itself.
            at_once: 1,
            stems: true,
            notes: true,
            tokens: false,
            samples_a_model: false,
            memory_bytes: 0,
            continues: false,
            follows_melody: false,
            real_time_factor: None,
            licence: "what it makes belongs to whoever asked for it, without restrictions".to_owned(),
            model: None,
        }
    }

    fn render(
        &self,
        section: &SectionSpec<'_>,
        _before: Option<&Rendered>,
        watch: &dyn Watch,
    ) -> Result<Rendered, EngineError> {
        let id =
            section.plan.sections.get(section.index).map_or_else(String::new, |section| section.id.clone());
        let book = Book::open().map_err(|source| EngineError::Failed {
            engine: self.name().to_owned(),
            section: id.clone(),
            source: Box::new(source.clone()),
        })?;
        let part = prepare(section, book).map_err(|error| EngineError::Unsupported {
            engine: self.name().to_owned(),
            section: id,
            reason: error.to_string(),
        })?;
        let stage = Stage { threads: self.threads, spares: &self.spares, watch };
        let performed = stage.perform(&part.tracks, part.span, &part.console, section.stems);
        self.spares.shrink();
        let (mut mix, mut groups) = performed.ok_or(EngineError::Cancelled)?;
        for sound in std::iter::once(&mut mix).chain(groups.iter_mut().flatten()) {
            fade_out(sound, part.fade);
        }
        let stems = groups
            .into_iter()
            .zip(GROUPS)
            .filter_map(|(sound, name)| Some(Stem { name: name.to_owned(), sound: pcm(sound?) }))
            .collect();
        let sound = pcm(mix);
        // It rings on under what follows, and nothing replaces it.
        watch.sound(section.lead_frames, &sound);
        Ok(Rendered {
            sound,
            lead_frames: section.lead_frames,
            stems,
            played: Some(part.played),
            tokens: None,
            tail: Vec::new(),
        })
    }
}

/// A section, composed and ready to be rendered.
struct Prepared {
    tracks: Vec<Track>,
    span: Span,
    console: Console,
    played: Played,
    /// Frames of the fade at the very end.
    fade: usize,
}

fn prepare(spec: &SectionSpec<'_>, book: &Book) -> Result<Prepared, ScoreError> {
    let SectionSpec { plan, index, lead_frames, frames, .. } = *spec;
    let style = book.style(&plan.style).ok_or_else(|| ScoreError::Style(plan.style.clone()))?;
    let score = score::compose(plan, book, index, SPEC.rate.seconds(lead_frames))?;
    let last = index + 1 >= plan.sections.len();
    // Only a section that is played on into keeps what rings.
    let rings = !last && plan.sections[index + 1].transition.kind == TransitionKind::Continue;
    let ring = match (last, rings) {
        (true, _) => 0,
        (false, true) => SPEC.rate.frames(RING_SECONDS),
        // Enough for a join without a click.
        (false, false) => SPEC.rate.frames(0.05),
    };
    let span = Span {
        start: plan.start_at(index, SPEC.rate) as i64 - lead_frames as i64,
        lead: lead_frames,
        frames,
        total: lead_frames + frames + ring,
    };
    let mood = book.mood(&plan.theme.moods);
    let tonic = plan.key.pitch_class();
    // The fifth of the key in the octave of a kettle drum, D2 to Db3.
    let timpani = 38 + (tonic + 5) % 12;
    let tuning = voices::hertz(timpani);
    let played = played::played(&score, span, timpani as u8);
    let seed = plan.sections.get(index).map_or(plan.seed, |section| section.seed);
    let console = console(plan, style, mood, &score);
    let score::Score { parts, fade_seconds, .. } = score;
    let mut tracks: Vec<Track> = parts
        .into_iter()
        .map(|((instrument, duty), notes)| Track::Notes {
            instrument,
            duty,
            notes,
            seed,
            tuning,
            brightness: mood.brightness,
        })
        .collect();
    for (instrument, gain_db) in textures(plan, index)? {
        tracks.push(texture(plan, index, instrument, gain_db, span)?);
    }
    // The last sound of the piece is given time to go.
    let fade = match (last, fade_seconds) {
        (true, Some(seconds)) => SPEC.rate.frames(seconds),
        (true, None) => SPEC.rate.frames(2.2).min(frames / 4),
        (false, _) => ring / 2,
    };
    Ok(Prepared { tracks, span, console, played, fade })
}

/// How the section is mixed.
fn console(plan: &Plan, style: &Style, mood: style::Mood, score: &score::Score) -> Console {
    let kick = |note: &&score::Note| matches!(note.tone, Tone::Hit(Drum::Kick | Drum::LowKick));
    let mut kicks: Vec<f64> = score.parts.values().flatten().filter(kick).map(|note| note.at).collect();
    kicks.sort_by(f64::total_cmp);
    Console {
        room: room(plan, style, mood),
        glue: style.glue,
        pump: style.pump,
        warmth: style.warmth,
        era: plan.theme.era.as_deref().and_then(Era::named),
        tempo_bpm: plan.tempo_bpm,
        kicks,
        melody: score.parts.keys().any(|(_, duty)| *duty == Duty::Melody),
    }
}

/// The space that the plan names, or the style's own, larger or drier by mood.
fn room(plan: &Plan, style: &Style, mood: style::Mood) -> Room {
    let named = plan.theme.space.as_deref().and_then(Room::named);
    let room = named.unwrap_or_else(|| {
        let seconds = style.tail * f64::from(1.0 + 1.2 * mood.space);
        Room::of_style((style.space + mood.space).clamp(0.05, 0.6), seconds)
    });
    Room { damping_hz: room.damping_hz * f64::from(mood.brightness), ..room }
}

/// The textures of a section and how much louder each is than usual: those of its orchestration, and what the media of the era
/// add.
fn textures(plan: &Plan, index: usize) -> Result<Vec<(Instrument, f32)>, ScoreError> {
    let mut textures: Vec<(Instrument, f32)> =
        score::textures(plan, index)?.into_iter().map(|instrument| (instrument, 0.0)).collect();
    let era = plan.theme.era.as_deref().and_then(Era::named).filter(|_| index < plan.sections.len());
    if let Some((era, name)) = era.and_then(|era| Some((era, era.texture.as_deref()?))) {
        let medium = Instrument::named(name).filter(|who| textures.iter().all(|(other, _)| other != who));
        textures.extend(medium.map(|instrument| (instrument, era.texture_db)));
    }
    Ok(textures)
}

/// A texture goes on from the section before where that one has it too and the join is no crossfade, which needs a sound that is
/// unrelated to keep the power.
fn texture(
    plan: &Plan,
    index: usize,
    instrument: Instrument,
    gain_db: f32,
    span: Span,
) -> Result<Track, ScoreError> {
    let has = |index: usize| textures(plan, index).map(|list| list.iter().any(|(who, _)| *who == instrument));
    let fade = SPEC.rate.frames(TEXTURE_FADE_SECONDS).min(span.frames / 4);
    let crossfades = |index: usize| {
        plan.sections.get(index).is_some_and(|s| s.transition.kind == TransitionKind::Crossfade)
    };
    let mut first = index;
    while first > 0 && !crossfades(first) {
        first -= 1;
    }
    let fade_in = if span.lead > 0 || (index > 0 && has(index - 1)?) { 0 } else { fade };
    let fade_out = if has(index + 1)? { 0 } else { fade };
    let seed = Random::stream(plan.seed, &format!("texture {first}")).bits();
    let &Voice::Texture { of } = instrument.voice() else {
        return Err(ScoreError::Layer { instrument: instrument.name().to_owned(), layer: "textures" });
    };
    Ok(Track::Texture { instrument, texture: Texture { of, seed }, gain_db, fade_in, fade_out })
}

/// Fades the last `frames` frames to nothing.
fn fade_out(sound: &mut Stereo, frames: usize) {
    for side in [&mut sound.left, &mut sound.right] {
        for (i, sample) in side.iter_mut().rev().take(frames).enumerate() {
            let share = i as f32 / frames as f32;
            *sample *= share * share * (3.0 - 2.0 * share);
        }
    }
}

fn pcm(sound: Stereo) -> Pcm {
    let frames = sound.left.len();
    Pcm::new(SPEC, vec![sound.left, sound.right]).unwrap_or_else(|_| Pcm::silence(SPEC, frames))
}
