//! The generation loop of one piece or window, a step at a time.
//!
//! ```text
//! feed the settled columns  ->  logits of the next  ->  guidance, draw  ->  settle it  ->  feed it ...
//! ```

use crate::audio::Random;

use super::{
    ModelError,
    codes::Codes,
    condition::Branches,
    decoder::{Decoder, Feed, Row},
    delay::{Grid, Token, delays},
    sampling::{Sampler, Sampling},
};

/// Columns that one step takes at most: a prompt is heard in several, so that the memory of a step is bounded and one can
/// stop between them.
const COLUMNS_AT_ONCE: usize = 64;

/// A piece on its way. It starts with its prompt's frames and gets a column longer with every step.
#[derive(Debug)]
pub struct State {
    grid: Grid,
    /// Frames of the prompt.
    known: usize,
    first: Row,
    /// The branch that guidance leads away from.
    second: Option<Row>,
    /// Columns that the rows have heard.
    fed: usize,
    sampler: Sampler,
}

/// What a piece is made from.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its length, prompt included.
    pub frames: usize,
    /// The tokens it starts with; may have no frames.
    pub prompt: &'a Codes,
    /// What it should be like.
    pub branches: &'a Branches,
    /// How its tokens are drawn.
    pub sampling: Sampling,
}

impl State {
    /// A piece whose tokens will be drawn from this stream: one number per column that is drawn and codebook, in that order.
    ///
    /// # Errors
    /// When the prompt does not fit the model or fills the piece, or the device has no room for the caches.
    pub fn new(decoder: &Decoder, piece: &Piece<'_>, random: Random) -> Result<Self, ModelError> {
        let config = decoder.config();
        if let Some(token) = piece.prompt.largest().filter(|token| *token >= config.pad_token()) {
            return Err(ModelError::Token { token, vocabulary: config.vocab_size });
        }
        let grid =
            Grid::new(delays(config.num_codebooks, config.audio_channels), piece.frames, piece.prompt)?;
        // The last column is drawn but never heard.
        let room = grid.columns() - 1;
        let second = piece.branches.second.as_ref().filter(|_| piece.sampling.guides());
        Ok(Self {
            first: decoder.row(&piece.branches.first, room)?,
            second: second.map(|condition| decoder.row(condition, room)).transpose()?,
            grid,
            known: piece.prompt.frames(),
            fed: 0,
            sampler: Sampler::new(piece.sampling, random),
        })
    }

    /// Hears what is settled and draws the next column; of a long prompt hears a part. Does nothing when all is drawn.
    ///
    /// # Errors
    /// When the device fails or the model gives no numbers.
    pub fn step(&mut self, decoder: &Decoder) -> Result<(), ModelError> {
        step_together(decoder, &mut [self]).remove(0).map_or(Ok(()), Err)
    }

    /// Whether all columns are drawn.
    pub fn done(&self) -> bool {
        self.grid.settled() == self.grid.columns()
    }

    /// Frames that have all their tokens, the prompt's included.
    pub fn ready(&self) -> usize {
        self.grid.ready()
    }

    /// Frames of its prompt.
    pub fn known(&self) -> usize {
        self.known
    }

    /// The tokens of the frames that are ready, the prompt's included.
    pub fn codes(&self) -> Codes {
        self.grid.codes()
    }

    /// The same from a frame on.
    pub fn codes_from(&self, first: usize) -> Codes {
        self.grid.codes_from(first)
    }

    /// Columns to be heard in this step; none when all is drawn.
    fn due(&self) -> Vec<Vec<Token>> {
        if self.done() {
            return Vec::new();
        }
        let until = self.grid.settled().min(self.fed + COLUMNS_AT_ONCE);
        (self.fed..until).filter_map(|column| self.grid.column(column)).collect()
    }

    /// Takes the logits of each branch behind the columns it has heard.
    fn take(&mut self, heard: usize, mut branches: Vec<Vec<f32>>) -> Result<(), ModelError> {
        self.fed += heard;
        if self.fed < self.grid.settled() {
            return Ok(());
        }
        if let [first, second] = branches.as_mut_slice() {
            self.sampler.guide(first, second);
        }
        let column = self.fed;
        let codebooks = self.grid.codebooks();
        let logits = branches.into_iter().next().unwrap_or_default();
        let mut each = logits.chunks_exact((logits.len() / codebooks).max(1));
        let drawn: Option<Vec<u32>> = (0..codebooks).map(|_| self.sampler.draw(each.next()?)).collect();
        self.grid.settle(&drawn.ok_or(ModelError::NotFinite { column })?);
        Ok(())
    }
}

/// One step of several pieces at once, so that each matrix is read once for all. What a piece becomes does not depend on the
/// others, but for the last bit of rounding where candle's kernels multiply one row otherwise than several.
///
/// Gives for each piece why it cannot go on, if so; a fault of the device ends all of them.
pub fn step_together(decoder: &Decoder, states: &mut [&mut State]) -> Vec<Option<ModelError>> {
    let due: Vec<Vec<Vec<Token>>> = states.iter().map(|state| state.due()).collect();
    let mut feeds = Vec::new();
    for (state, columns) in states.iter_mut().zip(&due).filter(|(_, columns)| !columns.is_empty()) {
        let State { first, second, .. } = &mut **state;
        feeds.extend([Some(first), second.as_mut()].into_iter().flatten().map(|row| Feed { row, columns }));
    }
    let mut logits = match decoder.forward(&mut feeds) {
        Ok(logits) => logits.into_iter(),
        Err(error) => {
            let report = error.to_string();
            return states.iter().map(|_| Some(candle_core::Error::msg(&report).into())).collect();
        }
    };
    let mut failures = Vec::with_capacity(states.len());
    for (state, columns) in states.iter_mut().zip(&due) {
        let branches = if columns.is_empty() { 0 } else { 1 + usize::from(state.second.is_some()) };
        let logits: Vec<Vec<f32>> = logits.by_ref().take(branches).collect();
        failures.push(if branches == 0 { None } else { state.take(columns.len(), logits).err() });
    }
    failures
}
