//! A picture of a piece: its facts, its waveform under the names of its sections, and its spectrogram.

use std::io::{self, Write};

use embedded_graphics::{
    geometry::Point,
    mono_font::{MonoFont, iso_8859_1 as fonts},
};

mod axis;
mod canvas;
mod colour;
mod spectrogram;
mod waveform;

use self::canvas::{Align, Area, Canvas};
use super::{Finished, manifest};

const WIDTH: i32 = 1600;
const HEIGHT: i32 = 860;
/// Left edge of the plots.
const LEFT: i32 = 76;
const PLOT_WIDTH: i32 = 1420;
const SECTIONS: Area = Area { left: LEFT, top: 92, width: PLOT_WIDTH, height: 28 };
const WAVEFORM: Area = Area { left: LEFT, top: 124, width: PLOT_WIDTH, height: 220 };
const SPECTROGRAM: Area = Area { left: LEFT, top: 360, width: PLOT_WIDTH, height: 444 };
const LEGEND: Area = Area { left: LEFT + PLOT_WIDTH + 20, top: 360, width: 16, height: 444 };

const TITLE: &MonoFont<'_> = &fonts::FONT_10X20;
const LABEL: &MonoFont<'_> = &fonts::FONT_9X15;
const TICK: &MonoFont<'_> = &fonts::FONT_8X13;

/// Draws a piece and writes it as PNG, 1600 by 860 pixels.
///
/// # Errors
/// When writing fails.
pub(super) fn write(out: &mut impl Write, finished: &Finished) -> io::Result<()> {
    let canvas = draw(finished)?;
    let mut encoder = png::Encoder::new(out, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(canvas.bytes())?;
        writer.finish()
    });
    written.map_err(|error| match error {
        png::EncodingError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

fn draw(finished: &Finished) -> io::Result<Canvas> {
    let sound = &finished.mastered.sound;
    let mut canvas = Canvas::new(WIDTH, HEIGHT, colour::BACKGROUND);
    header(&mut canvas, finished);
    waveform::draw(&mut canvas, WAVEFORM, sound);
    spectrogram::draw(&mut canvas, SPECTROGRAM, sound)?;
    spectrogram::draw_legend(&mut canvas, LEGEND);
    sections(&mut canvas, finished);
    times(&mut canvas, sound.seconds());
    Ok(canvas)
}

fn header(canvas: &mut Canvas, finished: &Finished) {
    let mut title = finished.plan.title.clone();
    if title.chars().count() > 110 {
        title = title.chars().take(109).chain(['.', '.', '.']).collect();
    }
    canvas.text(&title, Point::new(LEFT, 22), TITLE, colour::TEXT, Align::Left);
    canvas.text(&facts(finished), Point::new(LEFT, 54), LABEL, colour::MUTED, Align::Left);
}

/// The facts that musicians ask for, in one line.
fn facts(finished: &Finished) -> String {
    let (plan, loudness) = (&finished.plan, &finished.mastered.loudness);
    let mut facts = vec![
        format!("{} bpm", (plan.tempo_bpm * 100.0).round() / 100.0),
        plan.key.to_string(),
        plan.time_signature.to_string(),
        axis::clock(finished.mastered.sound.seconds(), 1),
    ];
    facts.extend(loudness.integrated_lufs.map(|lufs| format!("{lufs:.1} LUFS")));
    facts.extend(loudness.true_peak_dbtp.map(|peak| format!("{peak:.1} dBTP")));
    let spec = finished.mastered.sound.spec();
    let channels = if spec.channels == 1 { "mono" } else { "stereo" };
    facts.push(format!("{} kHz / {} {channels}", spec.rate.hz() / 1000.0, finished.bit_depth().name()));
    facts.push(finished.engine.clone());
    facts.push(format!("seed {}", finished.request.seed.unwrap_or(plan.seed)));
    facts.join("  \u{b7}  ")
}

/// A named block for each section, and a line through the plots where it starts.
fn sections(canvas: &mut Canvas, finished: &Finished) {
    let marks = manifest::marks(finished);
    let frames = finished.mastered.sound.frames().max(1) as f64;
    let x_of = |frame: u64| LEFT + (frame as f64 / frames * f64::from(PLOT_WIDTH)).round() as i32;
    let ends = marks.iter().skip(1).map(|mark| mark.start_frame).chain([frames as u64]);
    for (index, (mark, end)) in marks.iter().zip(ends).enumerate() {
        let (left, right) = (x_of(mark.start_frame), x_of(end));
        let block = Area { left: left + 1, width: right - left - 2, ..SECTIONS };
        let tint = colour::section(finished.plan.sections.get(index).map(|section| section.role));
        canvas.fill(block, tint);
        let room = (block.width - 12).max(0) as usize / LABEL.character_size.width as usize;
        let label: String = mark.label.chars().take(room).collect();
        canvas.text(
            &label,
            Point::new(block.left + 8, block.middle()),
            LABEL,
            colour::BACKGROUND,
            Align::Left,
        );
        if index > 0 {
            for plot in [WAVEFORM, SPECTROGRAM] {
                canvas.shade(Area { left, width: 1, ..plot }, colour::TEXT, 0.45);
            }
        }
    }
}

/// The time axis under the spectrogram.
fn times(canvas: &mut Canvas, seconds: f64) {
    let top = SPECTROGRAM.bottom();
    for tick in axis::time_ticks(seconds) {
        let x = LEFT + (tick.position * f64::from(PLOT_WIDTH - 1)).round() as i32;
        canvas.fill(Area { left: x, top, width: 1, height: 6 }, colour::MUTED);
        canvas.text(&tick.label, Point::new(x, top + 18), TICK, colour::MUTED, Align::Centre);
    }
}

#[cfg(test)]
mod tests;
