//! The clock of a bar: sixteenths, groups and swing; and where the marks of a pattern fall on it.

use crate::{
    music::Metre,
    render::synth::style::{Cell, Pattern, SwingUnit},
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

/// A mark of a pattern in its place. Places are sixteenths from the bar line, times seconds from the start of the section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    pub(super) glyph: u8,
    pub(super) bar: usize,
    pub(super) place: f64,
    pub(super) at: f64,
    /// Where what follows it ends the note: its own step, and every `-` after it.
    pub(super) until: f64,
}

impl Grid {
    /// `swing` is the share of a pair that its first half takes.
    pub(super) fn new(metre: Metre, tempo_bpm: f64, swing: f64, unit: SwingUnit) -> Self {
        // Three to the beat cannot be swung.
        let swing = if metre.is_compound() { 0.5 } else { swing };
        // At high tempi swing straightens out, as players do it.
        let swing = swing.min(0.5 + 24.0 / tempo_bpm);
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

    /// Where the second half of a bar starts, as musicians divide it: 3 + 2 in 5/4, 2 + 1 in 3/4.
    pub(super) fn half(self) -> f64 {
        f64::from(match self.metre {
            Metre::TwoFour => 4,
            Metre::SixEight => 6,
            Metre::ThreeFour | Metre::FourFour | Metre::SevenEight => 8,
            Metre::FiveFour | Metre::TwelveEight => 12_u8,
        })
    }

    /// Seconds of one sixteenth, without swing.
    pub(super) fn step_seconds(self) -> f64 {
        self.step
    }

    /// Seconds of a bar.
    pub(super) fn bar_seconds(self) -> f64 {
        self.step * self.steps() as f64
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
        self.starts().any(|start| (steps - start).abs() < 0.01)
    }

    /// Where the groups of the metre start.
    pub(super) fn starts(self) -> impl Iterator<Item = f64> {
        self.metre.groups().iter().scan(0, |start, group| {
            let here = *start;
            *start += group * 2;
            Some(f64::from(here))
        })
    }

    /// The marks of a pattern over some bars; `.` is left out and `-` lengthens the mark before it, over bar lines too.
    /// `own`: the pattern was written for this metre, not for 4/4.
    pub(super) fn marks(self, pattern: &Pattern, own: bool, bars: usize, stretch: Stretch) -> Vec<Mark> {
        let mut marks: Vec<Mark> = Vec::new();
        // Whether a `-` has something to lengthen.
        let mut open = false;
        for bar in 0..bars {
            let line = bar as f64 * self.bar_seconds();
            let mut start = 0.0;
            for (cell, &eighths) in self.cells(pattern, own, bar).into_iter().zip(self.metre.groups()) {
                let steps = f64::from(eighths * 2);
                let cell = if eighths == 3 { stretched(cell, stretch) } else { cell.clone() };
                let triplet = eighths == 2 && cell.len() % 3 == 0;
                let seconds = |place: f64| if triplet { place * self.step } else { self.seconds(place) };
                for (number, &glyph) in cell.iter().enumerate() {
                    let size = steps / cell.len() as f64;
                    let place = start + number as f64 * size;
                    let until = line + seconds(place + size);
                    match (glyph, marks.last_mut()) {
                        (b'-', Some(last)) if open => last.until = until,
                        (b'-' | b'.', _) => open = false,
                        _ => {
                            marks.push(Mark { glyph, bar, place, at: line + seconds(place), until });
                            open = true;
                        }
                    }
                }
                start += steps;
            }
        }
        marks
    }

    /// The cells of a bar, one for each group.
    fn cells(self, pattern: &Pattern, own: bool, bar: usize) -> Vec<&Cell> {
        let four = [0, 1, 2, 3];
        let (number, chosen): (usize, &[usize]) = match self.metre {
            _ if own => return pattern.bar(bar).iter().collect(),
            Metre::TwoFour | Metre::SixEight => {
                (bar / 2, if bar.is_multiple_of(2) { &[0, 1] } else { &[2, 3] })
            }
            Metre::ThreeFour => (bar, &[0, 1, 3]),
            Metre::FourFour | Metre::TwelveEight => (bar, &four),
            Metre::FiveFour => (bar, &[0, 1, 2, 0, 3]),
            Metre::SevenEight => (bar, &[0, 2, 1]),
        };
        let cells = pattern.bar(number);
        chosen.iter().map(|&cell| &cells[cell % cells.len()]).collect()
    }
}

/// A beat of two eighths in the time of three.
fn stretched(cell: &Cell, stretch: Stretch) -> Cell {
    let four: [u8; 4] = match cell[..] {
        [a, b, c, d] | [a, _, b, _, c, _, d, _] => [a, b, c, d],
        _ => return cell.clone(),
    };
    let hold = if four[2] == b'.' { b'.' } else { b'-' };
    let gained = match (four[2], stretch) {
        (tone @ b'0'..=b'6', Stretch::Roll) => tone + 1,
        (step, _) => step,
    };
    vec![four[0], four[1], four[2], hold, gained, four[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(metre: Metre, swing: f64) -> Grid {
        Grid::new(metre, 60.0, swing, SwingUnit::Eighth)
    }

    fn pattern(text: &str) -> Pattern {
        text.to_owned().try_into().unwrap()
    }

    fn places(metre: Metre, text: &str, stretch: Stretch) -> String {
        let grid = grid(metre, 0.5);
        let mut shown = vec![b'.'; grid.steps()];
        for mark in grid.marks(&pattern(text), false, 1, stretch) {
            shown[mark.place as usize] = mark.glyph;
        }
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn every_metre_gets_a_full_bar() {
        let bar = "x.x. .x.. x... ..xx";
        for (metre, expected) in [
            (Metre::TwoFour, "x.x..x.."),
            (Metre::ThreeFour, "x.x..x....xx"),
            (Metre::FourFour, "x.x..x..x.....xx"),
            (Metre::FiveFour, "x.x..x..x...x.x...xx"),
            (Metre::SixEight, "x.x.x..x...."),
            (Metre::SevenEight, "x.x.x....x...."),
        ] {
            assert_eq!(places(metre, bar, Stretch::Repeat), expected, "{metre}");
        }
        assert_eq!(places(Metre::SixEight, "0-2- 0-2- 0-2- 0-2-", Stretch::Roll), "0.2.3.0.2.3.");
        for metre in Metre::ALL {
            let seconds = grid(metre, 0.5).bar_seconds();
            assert!((seconds - metre.bar_seconds(60.0)).abs() < 1e-9, "{metre}");
        }
    }

    #[test]
    fn two_bars_of_two_are_one_of_four() {
        let marks = grid(Metre::TwoFour, 0.5).marks(&pattern("x x x x"), false, 4, Stretch::Repeat);
        let split = grid(Metre::TwoFour, 0.5).marks(&pattern("x . o ."), false, 2, Stretch::Repeat);
        assert_eq!(marks.len(), 8);
        assert_eq!(
            split.iter().map(|mark| (mark.bar, mark.glyph)).collect::<Vec<_>>(),
            [(0, b'x'), (1, b'o')]
        );
    }

    #[test]
    fn notes_are_held_over_bar_lines() {
        let marks = grid(Metre::FourFour, 0.5).marks(
            &pattern("1-.. .... .... 5-- | --.. 8... .... ...."),
            false,
            2,
            Stretch::Repeat,
        );
        let lengths: Vec<f64> = marks.iter().map(|mark| (mark.until - mark.at) * 4.0).collect();
        assert!((lengths[0] - 2.0).abs() < 1e-9 && (lengths[2] - 1.0).abs() < 1e-9);
        assert!((marks[1].at - 3.0).abs() < 1e-9 && (marks[1].until - 4.5).abs() < 1e-9, "{marks:?}");
    }

    #[test]
    fn triplets_are_not_swung() {
        let swung = grid(Metre::FourFour, 0.6);
        let marks = swung.marks(&pattern("x.x. xxx .... ...."), false, 1, Stretch::Repeat);
        let at: Vec<f64> = marks.iter().map(|mark| mark.at).collect();
        for (at, expected) in at.iter().zip([0.0, 0.6, 1.0, 4.0 / 3.0, 5.0 / 3.0]) {
            assert!((at - expected).abs() < 1e-9, "{at} {expected}");
        }
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
        let starts: Vec<f64> = grid(Metre::SevenEight, 0.5).starts().collect();
        assert_eq!(starts, [0.0, 4.0, 8.0]);
        assert!(
            grid(Metre::SevenEight, 0.5).is_stressed(8.0) && !grid(Metre::FourFour, 0.5).is_stressed(2.0)
        );
    }
}
