//! From what a user says to what the rows of the decoder are told.
//!
//! Guidance needs two branches. The first hears the prompt, the second nothing, or the negative prompt: that is an extension of
//! Timbre, the reference knows only the empty second branch.
//!
//! A melody model is told through a prefix, which both branches have: chroma first, then the text. Nothing is said there by
//! chroma that stays on the first pitch class, and by zeros as long as the other branch's text.

use std::sync::Arc;

use super::{
    ModelError,
    config::{Config, MelodyConfig},
    crew::with_crew,
    decoder::{Condition, Decoder},
    processor::{Matrix, Products},
    tensors::{CHROMA_PROJECTION, TEXT_PROJECTION},
    text::TextEncoder,
    weights::Weights,
};

/// What a piece or a section of it should be like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prompt<'a> {
    /// What it should have. Blank: the model is told nothing.
    pub text: &'a str,
    /// What it should not have; only heard with guidance. May be blank.
    pub negative: &'a str,
    /// For a melody model the pitch class that leads in each row of chroma, repeated or cut to the model's length.
    pub melody: Option<&'a [usize]>,
}

/// The branches of a piece.
#[derive(Clone, Debug)]
pub struct Branches {
    /// Hears the prompt.
    pub first: Condition,
    /// What guidance leads away from; `None` when it would hear the same as the first.
    pub second: Option<Condition>,
}

/// Prepares prompts for a decoder.
#[derive(Debug)]
pub(super) struct Conditioner {
    pub(super) text: TextEncoder,
    /// Unless states of text are as wide as the decoder's.
    text_projection: Option<Projection>,
    melody: Option<Melody>,
    width: usize,
}

#[derive(Debug)]
struct Melody {
    config: MelodyConfig,
    projection: Option<Projection>,
}

/// `W x + b`
#[derive(Debug)]
struct Projection {
    weight: Arc<Matrix>,
    bias: Vec<f32>,
}

impl Projection {
    fn load(weights: &Weights<'_>, name: &str) -> Result<Self, ModelError> {
        let weight = weights.text_matrix(&[format!("{name}.weight")])?;
        Ok(Self { weight, bias: weights.values(&format!("{name}.bias"))? })
    }

    fn forward(&self, states: &[f32]) -> Vec<f32> {
        let (mut products, mut out) = (Products::default(), Vec::new());
        with_crew(|crew| self.weight.multiply(states, &mut products, crew));
        products.write_to(&mut out);
        for row in out.chunks_exact_mut(self.bias.len()) {
            for (value, bias) in row.iter_mut().zip(&self.bias) {
                *value += bias;
            }
        }
        out
    }
}

impl Conditioner {
    pub(super) fn load(
        weights: &Weights<'_>,
        text: TextEncoder,
        config: &Config,
    ) -> Result<Self, ModelError> {
        let project = |name: &str| Projection::load(weights, name);
        let width = config.decoder.hidden_size;
        let melody = |config: MelodyConfig| {
            let projection = (config.num_chroma != width).then(|| project(CHROMA_PROJECTION)).transpose()?;
            Ok::<_, ModelError>(Melody { config, projection })
        };
        Ok(Self {
            text,
            text_projection: config.projects_text().then(|| project(TEXT_PROJECTION)).transpose()?,
            melody: config.melody.map(melody).transpose()?,
            width,
        })
    }

    /// The branches of a prompt.
    pub(super) fn branches(&self, decoder: &Decoder, prompt: &Prompt<'_>) -> Result<Branches, ModelError> {
        let (text, negative) = (self.said(prompt.text)?, self.said(prompt.negative)?);
        let Some(melody) = &self.melody else {
            if prompt.melody.is_some() {
                return Err(ModelError::NoMelody);
            }
            let condition = |text: Option<Vec<f32>>| match text {
                Some(states) => decoder.text(states),
                None => Ok(Condition::default()),
            };
            let same = text.is_none() && negative.is_none();
            let second = (!same).then(|| condition(negative)).transpose()?;
            return Ok(Branches { first: condition(text)?, second });
        };
        // The end mark alone is one piece.
        let length = |text: &Option<Vec<f32>>| text.as_ref().map(|states| states.len() / self.width);
        let silence = length(&text).or(length(&negative)).unwrap_or(1);
        let same = text.is_none() && negative.is_none() && prompt.melody.is_none();
        let prefix = |text: Option<Vec<f32>>, classes: Option<&[usize]>| {
            let mut states = melody.states(classes.unwrap_or(&[0]))?;
            states.extend(text.unwrap_or_else(|| vec![0.0; silence * self.width]));
            Ok::<_, ModelError>(Condition::prefixed(states, self.width))
        };
        let second = (!same).then(|| prefix(negative, None)).transpose()?;
        Ok(Branches { first: prefix(text, prompt.melody)?, second })
    }

    /// The states of a text as wide as the decoder's; none of a blank one.
    pub(super) fn said(&self, text: &str) -> Result<Option<Vec<f32>>, ModelError> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let states = self.text.states(&self.text.tokenizer().ids(text)?);
        Ok(Some(match &self.text_projection {
            Some(projection) => projection.forward(&states),
            None => states,
        }))
    }
}

impl Melody {
    /// The states of chroma rows in which one pitch class each is one and the others zero.
    fn states(&self, classes: &[usize]) -> Result<Vec<f32>, ModelError> {
        let MelodyConfig { num_chroma, chroma_length } = self.config;
        if let Some(class) = classes.iter().find(|class| **class >= num_chroma) {
            return Err(ModelError::PitchClass { class: *class, classes: num_chroma });
        }
        if classes.is_empty() {
            return Err(ModelError::EmptyMelody);
        }
        let mut rows = vec![0.0_f32; chroma_length * num_chroma];
        for (row, class) in rows.chunks_exact_mut(num_chroma).zip(classes.iter().cycle()) {
            row[*class] = 1.0;
        }
        Ok(match &self.projection {
            Some(projection) => projection.forward(&rows),
            None => rows,
        })
    }
}
