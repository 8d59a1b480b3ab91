//! Where the ticks of the axes lie, and what they say.

/// A tick: `position` runs from 0 at the start of the axis to 1 at its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) position: f64,
    pub(super) label: String,
}

/// Distances between two ticks of the time axis, in seconds.
const STEPS: [f64; 11] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0];
/// Most ticks on the time axis, besides the one at 0.
const MOST: f64 = 14.0;

/// Ticks at round times of a piece.
pub(super) fn time_ticks(seconds: f64) -> Vec<Tick> {
    let step = STEPS
        .into_iter()
        .find(|step| seconds / step <= MOST)
        .unwrap_or((seconds / MOST / 60.0).ceil() * 60.0);
    let decimals = usize::from(step < 1.0);
    let count = (seconds / step + 1e-9) as usize;
    (0..=count)
        .map(|index| index as f64 * step)
        .map(|time| Tick { position: (time / seconds).clamp(0.0, 1.0), label: clock(time, decimals) })
        .collect()
}

/// A time as minutes and seconds, `1:05` or `1:05.3`.
pub(super) fn clock(seconds: f64, decimals: usize) -> String {
    let scale = 10_f64.powi(decimals as i32);
    let rounded = (seconds * scale).round() / scale;
    let minutes = (rounded / 60.0).floor();
    let width = if decimals == 0 { 2 } else { 3 + decimals };
    format!("{minutes}:{:0width$.decimals$}", rounded - minutes * 60.0)
}

/// Lowest frequency of the frequency axis, in hertz.
pub(super) const LOWEST_HZ: f64 = 30.0;

/// A logarithmic frequency axis from [`LOWEST_HZ`] to `highest_hz`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrequencyAxis {
    pub(super) highest_hz: f64,
}

impl FrequencyAxis {
    /// The frequency at a position from 0 (lowest) to 1.
    pub(super) fn hz(self, position: f64) -> f64 {
        LOWEST_HZ * (self.highest_hz / LOWEST_HZ).powf(position)
    }

    fn position(self, hz: f64) -> f64 {
        (hz / LOWEST_HZ).ln() / (self.highest_hz / LOWEST_HZ).ln()
    }

    /// Ticks at 50, 100, 200 Hz and so on, as far as the axis reaches.
    pub(super) fn ticks(self) -> Vec<Tick> {
        [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000]
            .into_iter()
            .map(|hz| Tick {
                position: self.position(f64::from(hz)),
                label: if hz < 1_000 { hz.to_string() } else { format!("{}k", hz / 1_000) },
            })
            .filter(|tick| tick.position <= 1.0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(seconds: f64) -> Vec<String> {
        time_ticks(seconds).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn times_are_round_and_few() {
        assert_eq!(labels(1.0)[..3], ["0:00.0", "0:00.1", "0:00.2"]);
        assert_eq!(labels(45.0).last().unwrap(), "0:45");
        assert_eq!(labels(600.0)[..3], ["0:00", "1:00", "2:00"]);
        for tenths in 10..6_000 {
            let ticks = time_ticks(f64::from(tenths) / 10.0);
            assert!((5..=15).contains(&ticks.len()), "{} ticks in {tenths} tenths", ticks.len());
        }
    }

    #[test]
    fn seconds_round_into_the_next_minute() {
        assert_eq!(clock(59.96, 1), "1:00.0");
        assert_eq!(clock(65.0, 0), "1:05");
        assert_eq!(clock(45.0, 1), "0:45.0");
    }

    #[test]
    fn octaves_are_equally_far_apart() {
        let axis = FrequencyAxis { highest_hz: 20_000.0 };
        let octave = axis.position(200.0) - axis.position(100.0);
        assert!((axis.position(2_000.0) - axis.position(1_000.0) - octave).abs() < 1e-12);
        assert!((axis.hz(axis.position(440.0)) - 440.0).abs() < 1e-9);
        assert_eq!(FrequencyAxis { highest_hz: 4_000.0 }.ticks().len(), 6);
    }
}
