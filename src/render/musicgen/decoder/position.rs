//! Where in the piece a column stands: what is added to the states for it.

/// Sinusoids of falling frequency, cosines first. A checkpoint may store the first rows; the others are computed in f32
/// exactly as the reference does, whose rounding is visible at late positions.
#[derive(Clone, Debug)]
pub(super) struct Positions {
    width: usize,
    stored: Vec<f32>,
    frequencies: Vec<f32>,
}

impl Positions {
    /// For states of an even width of at least 4, with the rows that a checkpoint stores (none: empty).
    pub(super) fn new(width: usize, stored: Vec<f32>) -> Self {
        let half = width / 2;
        let step = (f64::ln(10_000.0) / (half as f64 - 1.0)) as f32;
        let frequencies = (0..half).map(|i| (i as f32 * -step).exp()).collect();
        Self { width, stored, frequencies }
    }

    /// Adds the row of a position to a state.
    pub(super) fn add(&self, position: usize, state: &mut [f32]) {
        if let Some(row) = self.stored.get(position * self.width..(position + 1) * self.width) {
            for (value, sinusoid) in state.iter_mut().zip(row) {
                *value += sinusoid;
            }
            return;
        }
        let (cosines, sines) = state.split_at_mut(self.frequencies.len());
        for ((cosine, sine), frequency) in cosines.iter_mut().zip(sines).zip(&self.frequencies) {
            let phase = position as f32 * frequency;
            *cosine += phase.cos();
            *sine += phase.sin();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(positions: &Positions, position: usize) -> Vec<f32> {
        let mut row = vec![0.0; positions.width];
        positions.add(position, &mut row);
        row
    }

    #[test]
    fn cosines_stand_before_sines_and_slow_down_by_ten_thousand() {
        let positions = Positions::new(8, Vec::new());
        assert_eq!(row(&positions, 0), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let found = row(&positions, 100);
        for (i, expected) in [100.0_f64, 100.0 / 21.544_347, 100.0 / 464.158_9, 0.01].into_iter().enumerate()
        {
            assert!((f64::from(found[i]) - expected.cos()).abs() < 1e-5, "{i}");
            assert!((f64::from(found[i + 4]) - expected.sin()).abs() < 1e-5, "{i}");
        }
    }

    #[test]
    fn stored_rows_are_taken_and_later_ones_computed() {
        let positions = Positions::new(4, vec![9.0; 8]);
        assert_eq!(row(&positions, 1), [9.0; 4]);
        assert_eq!(row(&positions, 2), row(&Positions::new(4, Vec::new()), 2));
    }
}
