//! The composer: from a section of a plan to the notes that are played in it.
//!
//! A pure function of the plan, so sections composed apart fit together. Times are seconds from the start of the piece.

mod accompany;
mod arrange;
mod bass;
mod chord;
mod counter;
mod drums;
mod ending;
mod grid;
mod harmony;
mod human;
mod melody;
mod ornament;
mod phrase;
mod pickup;
mod scene;
mod voicing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use super::{
    instrument::{Family, Instrument},
    style::{Book, Drum},
};
use crate::{plan::Plan, render::BeatMark};
use scene::Scene;

/// Notes of one player that start within this time start together.
const TOGETHER_SECONDS: f64 = 0.012;

/// What is played in one section.
#[derive(Debug, Default)]
pub(super) struct Score {
    /// The notes of each instrument and what it does with them, in order; within one, sorted by time.
    pub(super) parts: BTreeMap<(Instrument, Duty), Vec<Note>>,
    /// Where the beat leaves the tempo of the plan.
    pub(super) beats: Vec<BeatMark>,
    /// Seconds over which the end of the section is to be faded out, where the piece ends so.
    pub(super) fade_seconds: Option<f64>,
}

/// What an instrument's notes are for: a melody stands before the chords, on whatever it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Duty {
    /// Rhythm, bass, chords.
    Ground,
    /// The melody.
    Melody,
}

/// One note.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Note {
    /// When it starts.
    pub(super) at: f64,
    /// How long it is held.
    pub(super) seconds: f64,
    /// What is played.
    pub(super) tone: Tone,
    /// How hard, 0 to 1.
    pub(super) velocity: f32,
    /// How far it is damped, 0 to 1.
    pub(super) mute: f32,
    /// Whether it is slurred to the note before it.
    pub(super) legato: bool,
    /// Whether it is stressed.
    pub(super) accent: bool,
}

impl Note {
    /// A plain note.
    pub(super) fn new(at: f64, seconds: f64, tone: Tone, velocity: f32) -> Self {
        Self { at, seconds, tone, velocity, mute: 0.0, legato: false, accent: false }
    }
}

/// What a note plays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tone {
    /// A MIDI pitch.
    Pitch(i32),
    /// A piece of a kit.
    Hit(Drum),
}

/// Why a section cannot be composed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum ScoreError {
    /// The style is not in the book.
    #[error("it has no style {0:?}; the styles are listed in docs/COMPOSITION.md")]
    Style(String),
    /// The instrument is not known.
    #[error("it has no instrument {0:?}; the instruments are listed in docs/COMPOSITION.md")]
    Instrument(String),
    /// The instrument cannot play that layer.
    #[error("{instrument} cannot play in {layer}: move it to another layer of the orchestration")]
    Layer { instrument: String, layer: &'static str },
}

/// Who plays which layer of a section.
#[derive(Debug, Default)]
struct Band {
    rhythm: Vec<Instrument>,
    bass: Vec<Instrument>,
    harmony: Vec<Instrument>,
    lead: Vec<Instrument>,
}

impl Score {
    fn add(&mut self, instrument: Instrument, note: Note) {
        self.parts.entry((instrument, Duty::Ground)).or_default().push(note);
    }

    fn sing(&mut self, instrument: Instrument, note: Note) {
        self.parts.entry((instrument, Duty::Melody)).or_default().push(note);
    }

    /// Every note with its instrument.
    #[cfg(test)]
    pub(super) fn notes(&self) -> impl Iterator<Item = (Instrument, &Note)> {
        self.parts
            .iter()
            .flat_map(|(&(instrument, _), notes)| notes.iter().map(move |note| (instrument, note)))
    }
}

/// Composes section `index` of `plan`, with a pickup of `lead_seconds` before its bar line.
///
/// # Errors
/// When the plan names a style or an instrument that does not exist, or an instrument in a layer it cannot play.
pub(super) fn compose(
    plan: &Plan,
    book: &Book,
    index: usize,
    lead_seconds: f64,
) -> Result<Score, ScoreError> {
    let style = book.style(&plan.style).ok_or_else(|| ScoreError::Style(plan.style.clone()))?;
    let band = Band::of(plan, index)?;
    let scene = Scene::new(plan, book, style, index);
    let mut score = Score::default();
    drums::play(&scene, &band, &mut score);
    bass::play(&scene, &band, &mut score);
    accompany::play(&scene, &band, &mut score);
    melody::play(&scene, &band, &mut score);
    counter::play(&scene, &band, &mut score);
    arrange::articulate(&scene, &mut score);
    arrange::hush(&scene, &mut score);
    if let Some(slowing) = scene.layout.slowing {
        for note in score.parts.values_mut().flatten() {
            let end = slowing.stretched(note.at + note.seconds);
            note.at = slowing.stretched(note.at);
            note.seconds = end - note.at;
        }
        score.beats = scene.layout.beats(plan);
    }
    ending::play(&scene, &band, &mut score);
    score.fade_seconds = scene.layout.fade_seconds(plan, index);
    if lead_seconds > 0.0 && index > 0 {
        pickup::play(&scene, &Scene::new(plan, book, style, index - 1), &band, lead_seconds, &mut score);
    }
    for notes in score.parts.values_mut() {
        notes.retain(|note| note.at < scene.end);
        notes.sort_by(|a, b| a.at.total_cmp(&b.at));
        struck_once(notes);
    }
    Ok(score)
}

/// A key can be struck but once at a time, and a note ends where the same one starts again.
fn struck_once(notes: &mut Vec<Note>) {
    let mut kept: Vec<Note> = Vec::with_capacity(notes.len());
    for note in notes.drain(..) {
        let together = kept.iter().rev().take_while(|before| note.at - before.at < TOGETHER_SECONDS);
        if !together.into_iter().any(|before| before.tone == note.tone) {
            kept.push(note);
        }
    }
    let mut next: BTreeMap<i32, f64> = BTreeMap::new();
    for note in kept.iter_mut().rev() {
        if let Tone::Pitch(pitch) = note.tone
            && let Some(again) = next.insert(pitch, note.at)
        {
            note.seconds = note.seconds.min(again - note.at);
        }
    }
    *notes = kept;
}

/// The textures of a section, in order and each once.
///
/// # Errors
/// When a name is no texture.
pub(super) fn textures(plan: &Plan, index: usize) -> Result<Vec<Instrument>, ScoreError> {
    let Some(section) = plan.sections.get(index) else { return Ok(Vec::new()) };
    let fits = |family| family == Family::Texture;
    let mut textures = layer("textures", &section.orchestration.textures, fits)?;
    textures.sort_unstable();
    Ok(textures)
}

impl Band {
    fn of(plan: &Plan, index: usize) -> Result<Self, ScoreError> {
        let Some(section) = plan.sections.get(index) else { return Ok(Self::default()) };
        let pitched = |family| matches!(family, Family::Held | Family::Struck);
        let orchestration = &section.orchestration;
        Ok(Self {
            rhythm: layer("rhythm", &orchestration.rhythm, |family| family == Family::Kit)?,
            bass: layer("bass", &orchestration.bass, pitched)?,
            harmony: layer("harmony", &orchestration.harmony, pitched)?,
            lead: layer("lead", &orchestration.lead, pitched)?,
        })
    }
}

fn layer(
    layer: &'static str,
    names: &[String],
    fits: impl Fn(Family) -> bool,
) -> Result<Vec<Instrument>, ScoreError> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let instrument = Instrument::named(name).ok_or_else(|| ScoreError::Instrument(name.clone()))?;
        if !fits(instrument.family()) {
            return Err(ScoreError::Layer { instrument: name.clone(), layer });
        }
        if !found.contains(&instrument) {
            found.push(instrument);
        }
    }
    Ok(found)
}
