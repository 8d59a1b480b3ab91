//! The waveform: one lane per channel, peak to peak, and its root mean square as a brighter body.

use embedded_graphics::{geometry::Point, pixelcolor::Rgb888};

use super::{
    TICK,
    canvas::{Align, Area, Canvas},
    colour,
};
use crate::audio::Pcm;

/// Rows between two lanes.
const GAP: i32 = 8;

pub(super) fn draw(canvas: &mut Canvas, area: Area, sound: &Pcm) {
    let lanes = sound.planes().len() as i32;
    let height = (area.height - GAP * (lanes - 1)) / lanes;
    for ((lane, plane), name) in (0..).zip(sound.planes()).zip(["L", "R"]) {
        let lane = Area { top: area.top + lane * (height + GAP), height, ..area };
        canvas.fill(lane, colour::PANEL);
        for x in 0..lane.width {
            column(canvas, lane, lane.left + x, piece(plane, x, lane.width));
        }
        canvas.shade(Area { top: lane.middle(), height: 1, ..lane }, colour::TEXT, 0.25);
        if lanes > 1 {
            canvas.text(name, Point::new(lane.left - 12, lane.middle()), TICK, colour::MUTED, Align::Right);
        }
    }
}

/// The samples that column `x` of `width` stands for: never none, unless there are none at all.
fn piece(plane: &[f32], x: i32, width: i32) -> &[f32] {
    let at = |x: i32| (plane.len() as u64 * x as u64 / width as u64) as usize;
    let start = at(x);
    &plane[start..at(x + 1).max(start + 1).min(plane.len())]
}

fn column(canvas: &mut Canvas, lane: Area, x: i32, samples: &[f32]) {
    let (low, high) = samples.iter().fold((0.0_f32, 0.0_f32), |(low, high), &s| (low.min(s), high.max(s)));
    let power: f32 = samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32;
    bar(canvas, lane, x, (low, high), colour::PEAKS);
    let body = power.sqrt();
    bar(canvas, lane, x, (low.max(-body), high.min(body)), colour::BODY);
}

/// A vertical bar between two sample values, its ends anti-aliased.
fn bar(canvas: &mut Canvas, lane: Area, x: i32, (low, high): (f32, f32), colour: Rgb888) {
    let half = lane.height as f32 / 2.0;
    let row = |sample: f32| (half - sample.clamp(-1.0, 1.0) * (half - 1.0)).clamp(0.0, lane.height as f32);
    let (top, bottom) = (row(high), row(low));
    for y in top as i32..(bottom.ceil() as i32).min(lane.height) {
        let covered = bottom.min(y as f32 + 1.0) - top.max(y as f32);
        canvas.blend(x, lane.top + y, colour, covered);
    }
}
