//! Where a moment of the sound lies in ticks, and the tempi that say so.

use crate::{music::Metre, render::BeatMark};

/// Ticks of a quarter note. At the slowest tempo a tick takes 1.6 ms.
pub(super) const TICKS_PER_QUARTER: u16 = 960;
/// How far the tempi that are written may lead a bar line away from where it sounds, in microseconds.
const DRIFT_MICROS: f64 = 100.0;
/// Most microseconds of a quarter note that a file can say.
const SLOWEST_MICROS: f64 = 16_777_215.0;

/// The beat of a piece: the plan's tempo, and what leaves it.
#[derive(Debug)]
pub(super) struct Clock {
    /// Where the tempo changes, in order; the first is the start of the piece.
    corners: Vec<Corner>,
    bar_ticks: f64,
}

/// From here on the beat is even.
#[derive(Clone, Copy, Debug)]
struct Corner {
    seconds: f64,
    tick: f64,
    ticks_per_second: f64,
}

/// A tempo from some tick on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tempo {
    pub(super) tick: u32,
    pub(super) micros_per_quarter: u32,
}

impl Clock {
    /// The clock of a piece at a tempo in beats of its metre per minute. Between two marks the beat is even; a mark that does not
    /// lie after the one before, in time and in beats, is left out.
    pub(super) fn new(tempo_bpm: f64, metre: Metre, marks: &[BeatMark]) -> Self {
        let beat_ticks = f64::from(TICKS_PER_QUARTER) * f64::from(metre.eighths_per_beat()) / 2.0;
        let planned = beat_ticks * tempo_bpm / 60.0;
        let mut corners = vec![Corner { seconds: 0.0, tick: 0.0, ticks_per_second: planned }];
        for mark in marks {
            let tick = mark.beat * beat_ticks;
            if let Some(last) = corners.last_mut().filter(|last| mark.at > last.seconds && tick > last.tick) {
                last.ticks_per_second = (tick - last.tick) / (mark.at - last.seconds);
                corners.push(Corner { seconds: mark.at, tick, ticks_per_second: planned });
            }
        }
        Self { corners, bar_ticks: beat_ticks * metre.beats() }
    }

    /// The tick nearest to a moment, in seconds from the start of the piece.
    pub(super) fn tick(&self, seconds: f64) -> u32 {
        let after = self.corners.partition_point(|corner| corner.seconds <= seconds);
        let corner = self.corners[after.saturating_sub(1)];
        (corner.tick + (seconds - corner.seconds) * corner.ticks_per_second).round().max(0.0) as u32
    }

    /// The tempi of a piece that ends at `end`. A tempo is a whole number of microseconds; where that would lead the bar lines
    /// away from the sound, the two numbers around the true one take turns.
    pub(super) fn tempi(&self, end: u32) -> Vec<Tempo> {
        let end = f64::from(end);
        let mut tempi: Vec<Tempo> = Vec::new();
        // Where the written tempi have led to, in microseconds.
        let mut clock = 0.0;
        for (number, corner) in self.corners.iter().enumerate().filter(|(_, corner)| corner.tick < end) {
            let until = self.corners.get(number + 1).map_or(end, |next| next.tick.min(end));
            let ticks_per_micro = corner.ticks_per_second / 1e6;
            let exact = f64::from(TICKS_PER_QUARTER) / ticks_per_micro;
            let mut written = exact.round();
            let mut from = corner.tick;
            while from < until {
                let to =
                    ((from / self.bar_ticks + 1e-9).floor() * self.bar_ticks + self.bar_ticks).min(until);
                let quarters = (to - from) / f64::from(TICKS_PER_QUARTER);
                let sounds = corner.seconds * 1e6 + (to - corner.tick) / ticks_per_micro;
                let off = clock + quarters * written - sounds;
                if off.abs() > DRIFT_MICROS {
                    written = if off > 0.0 { exact.floor() } else { exact.ceil() };
                }
                written = written.clamp(1.0, SLOWEST_MICROS);
                let tempo = Tempo { tick: from.round() as u32, micros_per_quarter: written as u32 };
                if tempi.last().is_none_or(|last| last.micros_per_quarter != tempo.micros_per_quarter) {
                    tempi.push(tempo);
                }
                clock += quarters * written;
                from = to;
            }
        }
        tempi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of a tick by the tempi that are written.
    fn heard(tempi: &[Tempo], tick: u32) -> f64 {
        let ends = tempi.iter().skip(1).map(|tempo| tempo.tick).chain([u32::MAX]);
        let spans = tempi.iter().zip(ends).take_while(|(tempo, _)| tempo.tick < tick);
        spans
            .map(|(tempo, end)| {
                let quarters = f64::from(end.min(tick) - tempo.tick) / f64::from(TICKS_PER_QUARTER);
                quarters * f64::from(tempo.micros_per_quarter) / 1e6
            })
            .sum()
    }

    #[test]
    fn bar_lines_are_exact_and_ten_minutes_stay_in_time() {
        for metre in Metre::ALL {
            for bpm in [40.3, 72.0, 93.7, 119.97, 219.91] {
                let clock = Clock::new(bpm, metre, &[]);
                let tempi = clock.tempi(clock.tick(600.0));
                assert!(tempi.len() < 40, "{metre} {bpm}: {} tempi", tempi.len());
                let bars = (600.0 / metre.bar_seconds(bpm)) as u32;
                for bar in 0..bars {
                    let seconds = f64::from(bar) * metre.bar_seconds(bpm);
                    let tick = bar * metre.eighths() * u32::from(TICKS_PER_QUARTER) / 2;
                    assert_eq!(clock.tick(seconds), tick, "{metre} {bpm} bar {bar}");
                    assert!((heard(&tempi, tick) - seconds).abs() < 1.1e-4, "{metre} {bpm} bar {bar}");
                }
                for step in 0..6000 {
                    let seconds = f64::from(step) * 0.099_97;
                    let off = heard(&tempi, clock.tick(seconds)) - seconds;
                    assert!(off.abs() < 1e-3, "{metre} {bpm} at {seconds}: {off}");
                }
            }
        }
    }

    #[test]
    fn a_whole_tempo_is_said_once() {
        let tempi = |bpm, metre| Clock::new(bpm, metre, &[]).tempi(1_000_000);
        assert_eq!(tempi(120.0, Metre::FourFour), [Tempo { tick: 0, micros_per_quarter: 500_000 }]);
        // The beat is a dotted quarter.
        assert_eq!(tempi(80.0, Metre::SixEight), [Tempo { tick: 0, micros_per_quarter: 500_000 }]);
        assert_eq!(tempi(120.0, Metre::SevenEight), [Tempo { tick: 0, micros_per_quarter: 500_000 }]);
    }

    #[test]
    fn a_ritardando_is_followed() {
        // From beat 4 on each beat takes 20 % longer than the one before.
        let mut marks = vec![BeatMark { at: 2.0, beat: 4.0 }];
        for number in 1..=4 {
            let at = marks[number - 1].at + 0.5 * 1.2_f64.powi(number as i32);
            marks.push(BeatMark { at, beat: 4.0 + number as f64 });
        }
        let clock = Clock::new(120.0, Metre::FourFour, &marks);
        let tempi = clock.tempi(clock.tick(9.0));
        let slow: Vec<(u32, u32)> =
            tempi.iter().map(|tempo| (tempo.tick, tempo.micros_per_quarter)).collect();
        assert_eq!(
            slow,
            [
                (0, 500_000),
                (3840, 600_000),
                (4800, 720_000),
                (5760, 864_000),
                (6720, 1_036_800),
                (7680, 500_000)
            ]
        );
        for mark in &marks {
            assert_eq!(f64::from(clock.tick(mark.at)), mark.beat * 960.0);
            assert!((heard(&tempi, clock.tick(mark.at)) - mark.at).abs() < 1e-6);
        }
    }
}
