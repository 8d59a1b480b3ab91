//! What stands before the first and after the last row of a signal.

use candle_core::{Error, Tensor};

use super::config::PadMode;

impl PadMode {
    /// `left` more rows before and `right` after.
    ///
    /// ```text
    /// left 2, right 3                  a b c d
    /// zeros                        0 0 a b c d 0 0 0
    /// reflect                      c b a b c d c b a
    /// reflect, a short signal              a b
    /// is made longer with zeros            a b 0 0
    /// reflected                        0 b a b 0 0 0 b a
    /// and made shorter by as many      0 b a b 0 0 0
    /// ```
    pub(super) fn extend(self, rows: &Tensor, left: usize, right: usize) -> Result<Tensor, Error> {
        match self {
            Self::Zeros => rows.pad_with_zeros(0, left, right),
            Self::Reflect if left == 0 && right == 0 => Ok(rows.clone()),
            Self::Reflect => {
                let zeros = (left.max(right) + 1).saturating_sub(rows.dim(0)?);
                let rows = rows.pad_with_zeros(0, 0, zeros)?;
                let last = rows.dim(0)? - 1;
                let before = pick(&rows, (1..=left).rev())?;
                let after = pick(&rows, (last - right..last).rev())?;
                let pieces: Vec<Tensor> = [before, Some(rows), after].into_iter().flatten().collect();
                let extended = Tensor::cat(&pieces, 0)?;
                extended.narrow(0, 0, extended.dim(0)? - zeros)
            }
        }
    }

    /// How many rows must be at hand to extend a signal by up to this many, on the side where it has more.
    pub(super) fn needs(self, longest: usize) -> usize {
        if self == Self::Reflect && longest > 0 { longest + 1 } else { 0 }
    }
}

fn pick(rows: &Tensor, indices: impl Iterator<Item = usize>) -> Result<Option<Tensor>, Error> {
    let indices: Vec<u32> = indices.map(|index| index as u32).collect();
    if indices.is_empty() {
        return Ok(None);
    }
    let indices = Tensor::new(indices, rows.device())?;
    rows.index_select(&indices, 0).map(Some)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn extended(mode: PadMode, signal: &[f32], left: usize, right: usize) -> Vec<f32> {
        let rows = Tensor::new(signal, &Device::Cpu).unwrap().reshape(((), 1)).unwrap();
        mode.extend(&rows, left, right).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_signal_is_mirrored_without_its_edge() {
        assert_eq!(
            extended(PadMode::Reflect, &[1.0, 2.0, 3.0, 4.0], 2, 3),
            [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0]
        );
        assert_eq!(extended(PadMode::Zeros, &[1.0, 2.0], 1, 2), [0.0, 1.0, 2.0, 0.0, 0.0]);
    }

    /// `nn.functional.pad` after the zeros that `EnCodec` appends to a short signal.
    #[test]
    fn a_short_signal_is_mirrored_with_zeros_after_it() {
        assert_eq!(extended(PadMode::Reflect, &[1.0, 2.0], 2, 3), [0.0, 2.0, 1.0, 2.0, 0.0, 0.0, 0.0]);
        assert_eq!(extended(PadMode::Reflect, &[1.0], 3, 3), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
