//! The spectrogram: power over time and a logarithmic frequency axis.
//!
//! Each column averages the power of short-time Fourier transforms (Hann window) over its stretch of time and over the
//! channels. Power is relative to a sine at full scale in one bin.

use std::{f64::consts::TAU, io};

use embedded_graphics::geometry::Point;
use realfft::RealFftPlanner;

use super::{
    TICK,
    axis::FrequencyAxis,
    canvas::{Align, Area, Canvas},
    colour,
};
use crate::audio::Pcm;

/// Level that is drawn darkest, dB.
const FLOOR_DB: f32 = -110.0;
/// Level that is drawn brightest, dB.
const TOP_DB: f32 = -20.0;
/// Length of the window, in seconds; rounded to a power of two in samples.
const WINDOW_SECONDS: f64 = 0.09;
/// Most transforms that one column averages.
const MOST_PER_COLUMN: usize = 6;
/// Highest frequency drawn, in hertz, where the sample rate reaches that far.
const HIGHEST_HZ: f64 = 20_000.0;

pub(super) fn draw(canvas: &mut Canvas, area: Area, sound: &Pcm) -> io::Result<()> {
    let rate = sound.rate().hz();
    let axis = FrequencyAxis { highest_hz: HIGHEST_HZ.min(rate / 2.0) };
    let heat = colour::heat();
    let mut analyser = Analyser::new((rate * WINDOW_SECONDS).log2().round() as u32);
    let rows = rows(area, axis, rate / analyser.window.len() as f64);
    for x in 0..area.width {
        let power = analyser.column(sound, x as usize, area.width as usize)?;
        for (y, row) in (0..).zip(&rows) {
            let level = 10.0 * row.power(power).max(1e-20).log10();
            let step = (level - FLOOR_DB) / (TOP_DB - FLOOR_DB) * 255.0;
            canvas.blend(area.left + x, area.top + y, heat[step.clamp(0.0, 255.0) as usize], 1.0);
        }
    }
    for tick in axis.ticks() {
        let y = area.bottom() - 1 - (tick.position * f64::from(area.height - 1)).round() as i32;
        canvas.shade(Area { top: y, height: 1, ..area }, colour::TEXT, 0.07);
        canvas.fill(Area { left: area.left - 6, top: y, width: 6, height: 1 }, colour::MUTED);
        canvas.text(&tick.label, Point::new(area.left - 11, y), TICK, colour::MUTED, Align::Right);
    }
    Ok(())
}

/// The colours of the spectrogram with their levels.
pub(super) fn draw_legend(canvas: &mut Canvas, area: Area) {
    let heat = colour::heat();
    for y in 0..area.height {
        let step = (area.height - 1 - y) * 255 / (area.height - 1);
        canvas.fill(Area { top: area.top + y, height: 1, ..area }, heat[step as usize]);
    }
    for step in 0..=3_i16 {
        let level = f32::from(step) * (TOP_DB - FLOOR_DB) / 3.0 + FLOOR_DB;
        let y = area.bottom() - 1 - i32::from(step) * (area.height - 1) / 3;
        // Clear of the edges, so that no figure sticks out.
        let text_y = y.clamp(area.top + 5, area.bottom() - 6);
        canvas.text(
            &format!("{level:.0}"),
            Point::new(area.left + 22, text_y),
            TICK,
            colour::MUTED,
            Align::Left,
        );
    }
    canvas.text("dB", Point::new(area.left + 22, area.top - 12), TICK, colour::MUTED, Align::Left);
}

/// What a row of the picture shows, in bins of the transform.
enum Row {
    /// Lies between bin `below` and the next, `share` of the way.
    Between { below: usize, share: f32 },
    /// Holds one or more whole bins: the strongest of them counts.
    Over { first: usize, last: usize },
}

impl Row {
    fn power(&self, bins: &[f32]) -> f32 {
        match *self {
            Self::Between { below, share } => {
                bins[below].max(1e-20).powf(1.0 - share) * bins[below + 1].max(1e-20).powf(share)
            }
            Self::Over { first, last } => bins[first..=last].iter().copied().fold(0.0, f32::max),
        }
    }
}

/// The rows from top to bottom. Every bin that is named exists.
fn rows(area: Area, axis: FrequencyAxis, bin_hz: f64) -> Vec<Row> {
    let last_bin = (axis.highest_hz / bin_hz) as usize;
    let edge = |row: i32| axis.hz(f64::from(row) / f64::from(area.height)) / bin_hz;
    (0..area.height)
        .rev()
        .map(|row| {
            let (low, high) = (edge(row), edge(row + 1));
            let (first, last) = (low.ceil() as usize, (high.floor() as usize).min(last_bin));
            if first < last {
                Row::Over { first, last }
            } else {
                let middle = f64::midpoint(low, high).min(last_bin as f64);
                let below = (middle as usize).min(last_bin.saturating_sub(1));
                Row::Between { below, share: (middle - below as f64) as f32 }
            }
        })
        .collect()
}

/// Transforms stretches of sound into power per bin.
struct Analyser {
    transform: std::sync::Arc<dyn realfft::RealToComplex<f32>>,
    window: Vec<f32>,
    samples: Vec<f32>,
    spectrum: Vec<realfft::num_complex::Complex<f32>>,
    scratch: Vec<realfft::num_complex::Complex<f32>>,
    power: Vec<f32>,
}

impl Analyser {
    /// With a window of two to the power of `log_length` samples.
    fn new(log_length: u32) -> Self {
        let length = 1 << log_length;
        let transform = RealFftPlanner::new().plan_fft_forward(length);
        let window: Vec<f32> =
            (0..length).map(|n| (0.5 - 0.5 * (TAU * n as f64 / length as f64).cos()) as f32).collect();
        Self {
            samples: transform.make_input_vec(),
            spectrum: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            power: vec![0.0; length / 2 + 1],
            transform,
            window,
        }
    }

    /// The power in each bin over the stretch of time of column `x` of `width`; a sine at full scale has 1.
    fn column(&mut self, sound: &Pcm, x: usize, width: usize) -> io::Result<&[f32]> {
        let length = self.window.len();
        let stretch = sound.frames() as f64 / width as f64;
        let transforms = (stretch / (length as f64 / 2.0)).ceil().clamp(1.0, MOST_PER_COLUMN as f64) as usize;
        // Half the window's sum is the amplitude of a full-scale sine in its bin.
        let full_scale = length as f32 / 4.0;
        let scale = 1.0 / (full_scale * full_scale * (transforms * sound.planes().len()) as f32);
        self.power.fill(0.0);
        for index in 0..transforms {
            let middle = (x as f64 + (index as f64 + 0.5) / transforms as f64) * stretch;
            let start = middle as isize - (length / 2) as isize;
            for plane in sound.planes() {
                self.load(plane, start);
                self.transform
                    .process_with_scratch(&mut self.samples, &mut self.spectrum, &mut self.scratch)
                    .map_err(io::Error::other)?;
                for (power, value) in self.power.iter_mut().zip(&self.spectrum) {
                    *power += value.norm_sqr() * scale;
                }
            }
        }
        Ok(&self.power)
    }

    /// Windows the samples from `start` on; outside of the sound there is silence.
    fn load(&mut self, plane: &[f32], start: isize) {
        for (n, (sample, window)) in (start..).zip(self.samples.iter_mut().zip(&self.window)) {
            *sample = usize::try_from(n).ok().and_then(|n| plane.get(n)).map_or(0.0, |value| value * window);
        }
    }
}
