//! What the engine gave, before anything was done to it: for comparing engines and for programs that go on from tokens.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{ArtifactError, files::check_file, staging::Staging, tags::Tags, wav};
use crate::{
    audio::Pcm,
    cancel::Cancel,
    plan::Plan,
    render::{Engine, Rendered},
    wire::{BitDepth, TransitionKind},
};

/// Where it goes. Empty: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawFiles {
    /// The sound: a 32-bit float WAV at the engine's own rate and channels, neither resampled nor mastered.
    pub sound: Option<PathBuf>,
    /// The tokens: a JSON object whose `codes` has one list per codebook.
    pub tokens: Option<PathBuf>,
    /// Whether files that are there already are replaced.
    pub overwrite: bool,
}

/// What the engine gave.
#[derive(Debug)]
pub struct Raw {
    /// The joined sound at the engine's own rate, as long as the engine made it.
    pub sound: Pcm,
    /// One list per codebook; `None` when the engine has none, or the piece has several streams of them.
    pub tokens: Option<Vec<Vec<u32>>>,
    tags: Tags,
}

#[derive(Serialize)]
struct Codes<'a> {
    codes: &'a [Vec<u32>],
}

impl RawFiles {
    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.sound.is_none() && self.tokens.is_none()
    }

    /// The files that are wanted.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.sound.iter().chain(&self.tokens)
    }

    /// Whether the files could be written now: to be asked before the work of rendering. Changes nothing.
    ///
    /// # Errors
    /// When the engine makes no tokens, the plan has several streams of them, or a path is no place for a file.
    pub fn check(&self, engine: &dyn Engine, plan: &Plan) -> Result<(), ArtifactError> {
        if let Some(path) = &self.tokens {
            let engine_name = engine.name();
            if !engine.limits().tokens {
                return Err(ArtifactError::NoTokens { path: path.clone(), engine: engine_name.to_owned() });
            }
            let streams = streams(plan);
            if streams > 1 {
                return Err(ArtifactError::Streams { path: path.clone(), streams });
            }
        }
        let mut targets: Vec<PathBuf> = Vec::new();
        for path in self.sound.iter().chain(&self.tokens) {
            let target = check_file(path, self.overwrite)?;
            if targets.contains(&target) {
                return Err(ArtifactError::SamePath(path.clone()));
            }
            targets.push(target);
        }
        Ok(())
    }

    /// Writes them, all or none.
    ///
    /// # Errors
    /// When one cannot be written, or there are no tokens to write.
    pub fn save(&self, raw: &Raw, cancel: &dyn Cancel) -> Result<(), ArtifactError> {
        let mut staging = Staging::new(self.overwrite, cancel);
        if let Some(path) = &self.sound {
            staging.write(path, |out| wav::write(out, &raw.sound, BitDepth::Float32, &raw.tags))?;
        }
        if let Some(path) = &self.tokens {
            let codes = raw.tokens.as_deref().ok_or_else(|| no_tokens(path, raw))?;
            staging.write(path, |out| {
                serde_json::to_writer(&mut *out, &Codes { codes })?;
                out.write_all(b"\n")
            })?;
        }
        staging.commit()
    }
}

fn no_tokens(path: &Path, raw: &Raw) -> ArtifactError {
    ArtifactError::NoTokens { path: path.to_owned(), engine: raw.tags.software.clone() }
}

/// Streams of tokens that a plan's sections form: one more with every section that does not continue.
fn streams(plan: &Plan) -> usize {
    let starts = plan.sections.iter().skip(1);
    1 + starts.filter(|section| section.transition.kind != TransitionKind::Continue).count()
}

impl Raw {
    /// The sections of a plan, and their joined sound.
    pub fn new(
        plan: &Plan,
        sections: &[Rendered],
        sound: Pcm,
        engine: &dyn Engine,
        created_at: Timestamp,
    ) -> Self {
        let tokens: Option<Vec<&Vec<Vec<u32>>>> =
            sections.iter().map(|section| section.tokens.as_ref()).collect();
        let tokens = tokens.filter(|_| streams(plan) == 1).and_then(|sections| {
            sections.into_iter().cloned().reduce(|mut all, more| {
                for (codebook, more) in all.iter_mut().zip(more) {
                    codebook.extend(more);
                }
                all
            })
        });
        let limits = engine.limits();
        let model = limits.model.map_or_else(String::new, |model| {
            format!("; model={}; dtype={}; device={}", model.title, model.dtype, model.device)
        });
        let facts = format!(
            "prompt={}; engine={}{model}; licence={}; seed={}; machine_made=true",
            plan.prompt,
            engine.name(),
            limits.licence,
            plan.seed
        );
        let tags = Tags {
            title: format!("{} (raw)", plan.title),
            software: super::manifest::SOFTWARE.to_owned(),
            date: created_at.strftime("%Y-%m-%d").to_string(),
            style: plan.style.clone(),
            comment: facts,
            provenance: "{}".to_owned(),
            marks: Vec::new(),
        };
        Self { sound, tokens, tags }
    }
}
