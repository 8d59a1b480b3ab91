//! The delay pattern: in which column of the grid each token of each codebook stands.
//!
//! A frame has one token per codebook, and later codebooks refine earlier ones. So that all can be drawn in one step and
//! still know what they refine, codebook `k` lags `d` frames behind the first, and a column holds tokens of several frames:
//!
//! ```text
//! column      0  1  2  3  4  5  6  7        4 frames, mono: delays 0 1 2 3
//! codebook 0  .  0  1  2  3  .  .  .        . is padding, a digit is the frame
//! codebook 1  .  .  0  1  2  3  .  .
//! codebook 2  .  .  .  0  1  2  3  .
//! codebook 3  .  .  .  .  0  1  2  3
//! ```
//!
//! Frame `f` of codebook `k` stands in column `f + 1 + d`. Column 0 starts every grid. In a stereo model left and right take
//! turns and share their delays: 0 0 1 1 2 2 3 3.

use thiserror::Error;

use super::codes::Codes;

/// What a column holds for one codebook, and what the decoder is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// No frame: before the first, behind the last.
    Pad,
    /// A token of the codebook.
    Code(u32),
}

/// One place of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// Settled by the pattern, by the prompt or by an earlier draw.
    Settled(Token),
    /// To be drawn.
    Open,
}

/// The columns of a piece: the prompt's tokens in their places, the others to be drawn column by column.
#[derive(Clone, Debug)]
pub struct Grid {
    delays: Vec<usize>,
    frames: usize,
    /// Column by column.
    cells: Vec<Cell>,
    /// Columns before this one have no open cell.
    settled: usize,
}

/// Why a prompt does not fit into a grid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GridError {
    /// The prompt has another number of codebooks than the model.
    #[error("a prompt of {found} codebooks for a model of {expected}")]
    Codebooks {
        /// Codebooks of the model.
        expected: usize,
        /// Codebooks of the prompt.
        found: usize,
    },
    /// The prompt fills the piece, so that nothing is left to be drawn.
    #[error("a prompt of {prompt} frames leaves nothing to make in a piece of {frames}")]
    Full {
        /// Frames of the prompt.
        prompt: usize,
        /// Frames of the piece.
        frames: usize,
    },
}

/// The delay of each codebook in frames.
pub fn delays(codebooks: usize, channels: usize) -> Vec<usize> {
    (0..codebooks).map(|codebook| codebook / channels.max(1)).collect()
}

impl Grid {
    /// A piece of `frames` frames that starts with those of `prompt`.
    ///
    /// # Errors
    /// When the prompt has not one codebook for each delay, or is not shorter than the piece.
    pub fn new(delays: Vec<usize>, frames: usize, prompt: &Codes) -> Result<Self, GridError> {
        if prompt.codebooks() != delays.len() {
            return Err(GridError::Codebooks { expected: delays.len(), found: prompt.codebooks() });
        }
        if prompt.frames() >= frames {
            return Err(GridError::Full { prompt: prompt.frames(), frames });
        }
        let columns = frames + delays.iter().max().map_or(0, |longest| longest + 1);
        let cell = |column: usize, codebook: usize, delay: usize| match column.checked_sub(delay + 1) {
            Some(frame) if frame < prompt.frames() => {
                Cell::Settled(Token::Code(prompt.codebook(codebook)[frame]))
            }
            Some(frame) if frame < frames => Cell::Open,
            _ => Cell::Settled(Token::Pad),
        };
        let place =
            |column| delays.iter().enumerate().map(move |(codebook, delay)| cell(column, codebook, *delay));
        let cells = (0..columns).flat_map(place).collect();
        Ok(Self { settled: prompt.frames() + 1, delays, frames, cells })
    }

    /// How many tokens a column has.
    pub fn codebooks(&self) -> usize {
        self.delays.len()
    }

    /// Columns from the start to the last token.
    pub fn columns(&self) -> usize {
        self.cells.len() / self.delays.len().max(1)
    }

    /// How many columns from the start are settled.
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// A settled column, one token per codebook; `None` where something is to be drawn.
    pub fn column(&self, column: usize) -> Option<Vec<Token>> {
        let codebooks = self.delays.len();
        let cells = self.cells.get(column * codebooks..(column + 1) * codebooks)?;
        let token = |cell: &Cell| match cell {
            Cell::Settled(token) => Some(*token),
            Cell::Open => None,
        };
        cells.iter().map(token).collect()
    }

    /// Settles the next column: each open cell takes what was drawn for its codebook, the others stay as they are.
    pub fn settle(&mut self, drawn: &[u32]) {
        let codebooks = self.delays.len();
        for (cell, code) in self.cells[self.settled * codebooks..].iter_mut().zip(drawn) {
            if *cell == Cell::Open {
                *cell = Cell::Settled(Token::Code(*code));
            }
        }
        self.settled += 1;
    }

    /// How many frames from the start have all their tokens.
    pub fn ready(&self) -> usize {
        let longest = self.delays.iter().max().copied().unwrap_or_default();
        self.settled.saturating_sub(longest + 1).min(self.frames)
    }

    /// The tokens of all frames that are ready, the delays taken out.
    pub fn codes(&self) -> Codes {
        self.codes_from(0)
    }

    /// The same from a frame on.
    pub fn codes_from(&self, first: usize) -> Codes {
        let codebooks = self.delays.len();
        let code = |codebook: usize, frame: usize| match self.cells
            [(frame + 1 + self.delays[codebook]) * codebooks + codebook]
        {
            Cell::Settled(Token::Code(code)) => Some(code),
            _ => None,
        };
        let ready = self.ready();
        Codes::from_fn(codebooks, |codebook| {
            (first..ready).map_while(|frame| code(codebook, frame)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prompt whose token says its place: codebook * 100 + frame.
    fn prompt(codebooks: usize, frames: u32) -> Codes {
        Codes::from_fn(codebooks, |codebook| (0..frames).map(|frame| codebook as u32 * 100 + frame).collect())
    }

    /// The grid as the picture above shows it: `.` padding, `?` open, otherwise the token.
    fn drawn(grid: &Grid) -> Vec<String> {
        let codebooks = grid.delays.len();
        let shown = |cell: &Cell| match cell {
            Cell::Settled(Token::Pad) => ".".to_owned(),
            Cell::Settled(Token::Code(code)) => code.to_string(),
            Cell::Open => "?".to_owned(),
        };
        let row = |codebook| grid.cells[codebook..].iter().step_by(codebooks).map(shown).collect::<Vec<_>>();
        (0..codebooks).map(|codebook| row(codebook).join(" ")).collect()
    }

    #[test]
    fn mono_lags_by_one_frame_per_codebook() {
        let grid = Grid::new(delays(4, 1), 4, &prompt(4, 0)).unwrap();
        assert_eq!(
            drawn(&grid),
            [". ? ? ? ? . . .", ". . ? ? ? ? . .", ". . . ? ? ? ? .", ". . . . ? ? ? ?"]
        );
        assert_eq!((grid.columns(), grid.settled(), grid.ready()), (8, 1, 0));
    }

    #[test]
    fn stereo_lags_by_one_frame_per_pair() {
        assert_eq!(delays(8, 2), [0, 0, 1, 1, 2, 2, 3, 3]);
        let grid = Grid::new(delays(4, 2), 2, &prompt(4, 0)).unwrap();
        assert_eq!(drawn(&grid), [". ? ? .", ". ? ? .", ". . ? ?", ". . ? ?"]);
    }

    #[test]
    fn a_prompt_settles_its_columns_and_the_cells_that_lag() {
        let mut grid = Grid::new(delays(3, 1), 4, &prompt(3, 2)).unwrap();
        assert_eq!(drawn(&grid), [". 0 1 ? ? . .", ". . 100 101 ? ? .", ". . . 200 201 ? ?"]);
        assert_eq!(grid.settled(), 3);
        assert_eq!(grid.column(2), Some(vec![Token::Code(1), Token::Code(100), Token::Pad]));
        assert_eq!(grid.column(3), None);
        grid.settle(&[7, 8, 9]);
        assert_eq!(grid.column(3), Some(vec![Token::Code(7), Token::Code(101), Token::Code(200)]));
    }

    #[test]
    fn drawing_every_column_gives_every_frame() {
        let mut grid = Grid::new(delays(4, 1), 3, &prompt(4, 1)).unwrap();
        while grid.settled() < grid.columns() {
            let column = grid.settled() as u32;
            grid.settle(&[column, column + 100, column + 200, column + 300]);
        }
        assert_eq!(grid.ready(), 3);
        let codes = grid.codes();
        let expected = [[0, 2, 3], [100, 103, 104], [200, 204, 205], [300, 305, 306]];
        assert_eq!(codes, Codes::from_fn(4, |codebook| expected[codebook].to_vec()));
    }

    #[test]
    fn a_frame_is_ready_when_its_last_codebook_is() {
        let mut grid = Grid::new(delays(4, 1), 5, &prompt(4, 0)).unwrap();
        let ready: Vec<usize> = (0..8)
            .map(|_| {
                grid.settle(&[1; 4]);
                grid.ready()
            })
            .collect();
        assert_eq!(ready, [0, 0, 0, 1, 2, 3, 4, 5]);
        assert_eq!(grid.codes().frames(), 5);
    }

    #[test]
    fn a_prompt_must_fit() {
        let refused = |prompt: &Codes| Grid::new(delays(4, 1), 3, prompt).unwrap_err();
        assert_eq!(refused(&prompt(4, 3)), GridError::Full { prompt: 3, frames: 3 });
        assert_eq!(refused(&prompt(2, 1)), GridError::Codebooks { expected: 4, found: 2 });
    }
}
