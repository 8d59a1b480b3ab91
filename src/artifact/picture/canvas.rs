//! Pixels, and the few ways in which the picture puts them down.

use std::convert::Infallible;

use embedded_graphics::{
    Drawable, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoFont, MonoTextStyle},
    pixelcolor::{Rgb888, RgbColor},
    text::{Alignment, Baseline, Text, TextStyleBuilder},
};

/// A rectangle in pixels, from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Area {
    /// One past the last row.
    pub(super) fn bottom(self) -> i32 {
        self.top + self.height
    }

    /// The row in the middle.
    pub(super) fn middle(self) -> i32 {
        self.top + self.height / 2
    }
}

/// Where a text lies relative to its point; it is always centred on the point's row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// An image of 8-bit RGB pixels. What lies outside is not drawn.
#[derive(Debug)]
pub(super) struct Canvas {
    width: i32,
    height: i32,
    bytes: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: i32, height: i32, background: Rgb888) -> Self {
        let pixel = [background.r(), background.g(), background.b()];
        Self { width, height, bytes: pixel.repeat((width * height) as usize) }
    }

    /// Row by row, three bytes for each pixel.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[cfg(test)]
    pub(super) fn pixel(&self, x: i32, y: i32) -> Rgb888 {
        let at = (y * self.width + x) as usize * 3;
        Rgb888::new(self.bytes[at], self.bytes[at + 1], self.bytes[at + 2])
    }

    /// Lays `colour` over a pixel; `opacity` 0 leaves it, 1 replaces it.
    pub(super) fn blend(&mut self, x: i32, y: i32, colour: Rgb888, opacity: f32) {
        if !(0..self.width).contains(&x) || !(0..self.height).contains(&y) {
            return;
        }
        let at = (y * self.width + x) as usize * 3;
        let opacity = opacity.clamp(0.0, 1.0);
        for (byte, new) in self.bytes[at..at + 3].iter_mut().zip([colour.r(), colour.g(), colour.b()]) {
            *byte = (f32::from(*byte) * (1.0 - opacity) + f32::from(new) * opacity).round() as u8;
        }
    }

    pub(super) fn shade(&mut self, area: Area, colour: Rgb888, opacity: f32) {
        for y in area.top..area.bottom() {
            for x in area.left..area.left + area.width {
                self.blend(x, y, colour, opacity);
            }
        }
    }

    pub(super) fn fill(&mut self, area: Area, colour: Rgb888) {
        self.shade(area, colour, 1.0);
    }

    pub(super) fn text(&mut self, text: &str, at: Point, font: &MonoFont<'_>, colour: Rgb888, align: Align) {
        let alignment = match align {
            Align::Left => Alignment::Left,
            Align::Centre => Alignment::Center,
            Align::Right => Alignment::Right,
        };
        let layout = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Middle).build();
        let text = Text::with_text_style(text, at, MonoTextStyle::new(font, colour), layout);
        match text.draw(self) {
            Ok(_) => {}
            Err(never) => match never {},
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            self.blend(at.x, at.y, colour, 1.0);
        }
        Ok(())
    }
}
