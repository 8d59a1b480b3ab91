//! The clock of a bar: sixteenths, groups and swing.

use crate::{
    music::Metre,
    render::synth::style::{PatternBar, SwingUnit},
};

/// The sixteenths of a metre at a tempo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    metre: Metre,
    /// Seconds of a sixteenth.
    step: f64,
    swing: f64,
    unit: SwingUnit,
}

/// What a stretched cell does with the step that it gains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// Plays the third step again.
    Repeat,
    /// Goes one chord tone up.
    Roll,
}

impl Grid {
    /// `swing` is the share of a pair that its first half takes.
    pub(super) fn new(metre: Metre, tempo_bpm: f64, swing: f64, unit: SwingUnit) -> Self {
        // Three to the beat cannot be swung.
        let swing = if metre.is_compound() { 0.5 } else { swing };
        // At high tempi swing straightens out, as players do it.
        let swing = swing.min(0.5 + 12.0 / tempo_bpm);
        Self { metre, step: metre.bar_seconds(tempo_bpm) / f64::from(metre.eighths() * 2), swing, unit }
    }

    /// Sixteenths in a bar.
    pub(super) fn steps(self) -> usize {
        self.metre.eighths() as usize * 2
    }

    /// Sixteenths in a beat.
    pub(super) fn steps_per_beat(self) -> f64 {
        f64::from(self.metre.eighths_per_beat() * 2)
    }

    /// Seconds of one sixteenth, without swing.
    pub(super) fn step_seconds(self) -> f64 {
        self.step
    }

    /// Seconds from the bar line to a place in the bar given in sixteenths, swung.
    pub(super) fn seconds(self, steps: f64) -> f64 {
        let unit = match self.unit {
            SwingUnit::Eighth => 4.0,
            SwingUnit::Sixteenth => 2.0,
        };
        let whole = (steps / unit).floor();
        // The odd group of 7/8 has no partner for its last eighth.
        let phase = if self.metre == Metre::SevenEight && steps >= 8.0 { -1.0 } else { steps / unit - whole };
        let swung = match phase {
            p if p < 0.0 => return steps * self.step,
            p if p < 0.5 => p * 2.0 * self.swing,
            p => self.swing + (p - 0.5) * 2.0 * (1.0 - self.swing),
        };
        (whole + swung) * unit * self.step
    }

    /// Whether a place, in sixteenths from the bar line, is where a group of the metre starts.
    pub(super) fn is_stressed(self, steps: f64) -> bool {
        let mut start = 0;
        self.metre.groups().iter().any(|group| {
            let here = (steps - f64::from(start)).abs() < 0.01;
            start += group * 2;
            here
        })
    }

    /// A bar of four cells as the steps of one bar of this metre.
    pub(super) fn spread(self, bar: &PatternBar, stretch: Stretch) -> Vec<u8> {
        let cells: &[usize] = match self.metre {
            Metre::TwoFour | Metre::SixEight => &[0, 1],
            Metre::ThreeFour => &[0, 1, 3],
            Metre::FourFour | Metre::TwelveEight => &[0, 1, 2, 3],
            Metre::FiveFour => &[0, 1, 3, 2, 3],
            Metre::SevenEight => &[0, 2, 1],
        };
        let mut steps = Vec::with_capacity(self.steps());
        for (&cell, &eighths) in cells.iter().zip(self.metre.groups()) {
            let cell = bar[cell];
            if eighths == 2 {
                steps.extend(cell);
                continue;
            }
            let hold = if cell[2] == b'.' { b'.' } else { b'-' };
            let gained = match (cell[2], stretch) {
                (tone @ b'0'..=b'6', Stretch::Roll) => tone + 1,
                (step, _) => step,
            };
            steps.extend([cell[0], cell[1], cell[2], hold, gained, cell[3]]);
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(metre: Metre, swing: f64) -> Grid {
        Grid::new(metre, 60.0, swing, SwingUnit::Eighth)
    }

    #[test]
    fn every_metre_gets_a_full_bar() {
        let bar = [*b"x.x.", *b".x..", *b"x...", *b"..xx"];
        for metre in Metre::ALL {
            let grid = grid(metre, 0.5);
            assert_eq!(grid.spread(&bar, Stretch::Repeat).len(), grid.steps(), "{metre}");
            let seconds = grid.seconds(grid.steps() as f64);
            assert!((seconds - metre.bar_seconds(60.0)).abs() < 1e-9, "{metre}");
        }
        assert_eq!(grid(Metre::SixEight, 0.5).spread(&bar, Stretch::Repeat), b"x.x-x..x....");
        assert_eq!(grid(Metre::SixEight, 0.5).spread(&[*b"0-2-"; 4], Stretch::Roll), b"0-2-3-0-2-3-");
    }

    #[test]
    fn swing_moves_only_the_off_beat() {
        let straight = grid(Metre::FourFour, 0.5);
        let swung = grid(Metre::FourFour, 2.0 / 3.0);
        for beat in 0..=4 {
            let steps = f64::from(beat) * 4.0;
            assert!((straight.seconds(steps) - swung.seconds(steps)).abs() < 1e-9);
        }
        assert!((swung.seconds(2.0) - 2.0 / 3.0).abs() < 1e-9);
        assert!((grid(Metre::TwelveEight, 2.0 / 3.0).seconds(2.0) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn stresses_are_the_groups() {
        let seven = grid(Metre::SevenEight, 0.5);
        let stressed: Vec<i32> = (0..14).filter(|&step| seven.is_stressed(f64::from(step))).collect();
        assert_eq!(stressed, [0, 4, 8]);
    }
}
