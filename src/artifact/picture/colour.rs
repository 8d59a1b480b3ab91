//! Colours, chosen in Oklab so that equal steps look equal.

use embedded_graphics::pixelcolor::Rgb888;

use crate::wire::Role;

pub(super) const BACKGROUND: Rgb888 = Rgb888::new(0x0d, 0x10, 0x17);
pub(super) const PANEL: Rgb888 = Rgb888::new(0x14, 0x18, 0x21);
pub(super) const TEXT: Rgb888 = Rgb888::new(0xec, 0xf0, 0xf5);
pub(super) const MUTED: Rgb888 = Rgb888::new(0x93, 0x9d, 0xad);
/// The waveform from peak to peak.
pub(super) const PEAKS: Rgb888 = Rgb888::new(0x2f, 0x7f, 0x95);
/// The waveform's body, its root mean square.
pub(super) const BODY: Rgb888 = Rgb888::new(0x7f, 0xe3, 0xdf);

/// Hue in degrees, chroma and lightness of the heat map at equal distances: a night violet that brightens over red and
/// orange to a warm white. Lightness rises in equal steps.
const HEAT: [(f64, f64, f64); 6] = [
    (285.0, 0.03, 0.13),
    (295.0, 0.15, 0.30),
    (345.0, 0.19, 0.47),
    (395.0, 0.19, 0.64),
    (430.0, 0.16, 0.81),
    (460.0, 0.05, 0.98),
];

/// The heat map in 256 steps, dark to bright.
pub(super) fn heat() -> [Rgb888; 256] {
    std::array::from_fn(|step| {
        let along = step as f64 / 255.0 * (HEAT.len() - 1) as f64;
        let below = (along as usize).min(HEAT.len() - 2);
        let share = along - below as f64;
        let (from, to) = (HEAT[below], HEAT[below + 1]);
        let mix = |a: f64, b: f64| a + (b - a) * share;
        oklch(mix(from.2, to.2), mix(from.1, to.1), mix(from.0, to.0))
    })
}

/// The colour of a section's block: one hue for each role.
pub(super) fn section(role: Option<Role>) -> Rgb888 {
    let hue = match role {
        Some(Role::Intro) => 230.0,
        Some(Role::Motif) => 190.0,
        Some(Role::Verse) => 150.0,
        Some(Role::Chorus) => 70.0,
        Some(Role::Development) => 110.0,
        Some(Role::Bridge) => 330.0,
        Some(Role::Resolution) => 20.0,
        Some(Role::Outro) | None => 275.0,
    };
    oklch(0.78, 0.09, hue)
}

/// Oklch to sRGB, clipped (Björn Ottosson, *A perceptual color space for image processing*, 2020). Hue in degrees.
fn oklch(lightness: f64, chroma: f64, hue: f64) -> Rgb888 {
    let (sin, cos) = hue.to_radians().sin_cos();
    let (a, b) = (chroma * cos, chroma * sin);
    let cube = |x: f64| x * x * x;
    let l = cube(lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
    let m = cube(lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
    let s = cube(lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b);
    let byte = |linear: f64| {
        let clipped = linear.clamp(0.0, 1.0);
        let curved =
            if clipped <= 0.003_130_8 { 12.92 * clipped } else { 1.055 * clipped.powf(1.0 / 2.4) - 0.055 };
        (curved * 255.0).round() as u8
    };
    Rgb888::new(
        byte(4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s),
        byte(-1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s),
        byte(-0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s),
    )
}

#[cfg(test)]
mod tests {
    use embedded_graphics::pixelcolor::RgbColor;

    use super::*;

    /// Reference: sRGB red is Oklch 0.62796, 0.25768, 29.234 degrees (CSS Color 4).
    #[test]
    fn oklch_equals_the_published_values() {
        assert_eq!(oklch(0.627_96, 0.257_68, 29.234), Rgb888::new(255, 0, 0));
        assert_eq!(oklch(1.0, 0.0, 0.0), Rgb888::new(255, 255, 255));
        assert_eq!(oklch(0.0, 0.0, 0.0), Rgb888::new(0, 0, 0));
    }

    #[test]
    fn the_heat_map_only_gets_brighter() {
        // Relative luminance of sRGB, gamma ignored: monotone in the same way.
        let luminance = |colour: &Rgb888| {
            2126 * u32::from(colour.r()) + 7152 * u32::from(colour.g()) + 722 * u32::from(colour.b())
        };
        let map = heat();
        let falls = map.windows(2).filter(|pair| luminance(&pair[1]) + 3000 < luminance(&pair[0])).count();
        assert_eq!(falls, 0);
        assert!(luminance(&map[255]) > 20 * luminance(&map[0]));
    }
}
