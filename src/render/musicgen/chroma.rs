//! Which pitch class leads at each moment of a sound: what a melody model follows.
//!
//! As the reference's feature extractor has it when it is given a mix (the published models were trained on the sound without
//! drums and bass, which takes a source separator): power spectra of overlapping windows, a filter per pitch class (Ellis's
//! chroma map, as in librosa, tuned to A 440), the strongest filter of each row.

use std::f64::consts::PI;

use realfft::RealFftPlanner;

use super::stream::Melody;

/// Samples of a spectrum, and from one to the next.
const SPECTRUM: usize = 16_384;
const HOP: usize = 4096;

/// What the reference looks at.
const LONGEST_SECONDS: usize = 30;

/// Octave on which the filters' weights are centred, counted from A 27.5 Hz, and their width in octaves.
const CENTRE: f64 = 5.0;
const WIDTH: f64 = 2.0;

/// A sound that a piece follows. Behind its end it starts anew.
#[derive(Clone, Debug)]
pub struct FollowedSound {
    samples: Vec<f32>,
    rate: usize,
    samples_per_frame: usize,
    filters: Vec<Vec<f64>>,
}

impl FollowedSound {
    /// Mono samples at the model's rate, so many of them for each frame of tokens.
    pub fn new(samples: Vec<f32>, rate: usize, samples_per_frame: usize, pitch_classes: usize) -> Self {
        Self { samples, rate, samples_per_frame, filters: filters(pitch_classes, rate as f64) }
    }
}

impl Melody for FollowedSound {
    /// At the start of the stream those of the sound itself, which the model repeats row by row; later, as audiocraft does it,
    /// those of the sound played on and on.
    fn classes(&self, first_frame: usize) -> Vec<usize> {
        let longest = LONGEST_SECONDS * self.rate;
        if first_frame == 0 || self.samples.is_empty() {
            return leading(&self.samples[..self.samples.len().min(longest)], &self.filters);
        }
        let skipped = first_frame * self.samples_per_frame % self.samples.len();
        let heard: Vec<f32> = self.samples.iter().cycle().skip(skipped).take(longest).copied().collect();
        leading(&heard, &self.filters)
    }
}

/// The leading pitch class of each row.
fn leading(samples: &[f32], filters: &[Vec<f64>]) -> Vec<usize> {
    let strongest = |energies: Vec<f64>| {
        let better = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
        energies.into_iter().enumerate().reduce(better).map_or(0, |(class, _)| class)
    };
    energies(samples, filters).into_iter().map(strongest).collect()
}

/// The energy of each pitch class in each row.
fn energies(samples: &[f32], filters: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let padded = padded(samples);
    let window: Vec<f64> =
        (0..SPECTRUM).map(|i| 0.5 - 0.5 * (2.0 * PI * i as f64 / SPECTRUM as f64).cos()).collect();
    let energy: f64 = window.iter().map(|value| value * value).sum();
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(SPECTRUM);
    let mut spectrum = fft.make_output_vec();
    let mut rows = Vec::new();
    for stretch in padded.windows(SPECTRUM).step_by(HOP) {
        let mut stretch: Vec<f64> =
            stretch.iter().zip(&window).map(|(sample, weight)| sample * weight).collect();
        if fft.process(&mut stretch, &mut spectrum).is_err() {
            break;
        }
        let power: Vec<f64> = spectrum.iter().map(|bin| bin.norm_sqr() / energy).collect();
        let through =
            |filter: &Vec<f64>| filter.iter().zip(&power).map(|(weight, power)| weight * power).sum();
        rows.push(filters.iter().map(through).collect());
    }
    rows
}

/// Silence around a sound that is shorter than one spectrum, then the sound mirrored at both ends so that the first spectrum
/// is centred on the first sample.
fn padded(samples: &[f32]) -> Vec<f64> {
    let short = SPECTRUM.saturating_sub(samples.len());
    let mut sound = vec![0.0; short / 2];
    sound.extend(samples.iter().map(|sample| f64::from(*sample)));
    sound.resize(sound.len() + short.div_ceil(2), 0.0);
    let half = SPECTRUM / 2;
    let before = sound[1..=half].iter().rev();
    let after = sound[sound.len() - 1 - half..sound.len() - 1].iter().rev();
    before.chain(&sound).chain(after).copied().collect()
}

/// For each pitch class, C first, its weight at each frequency of a spectrum.
fn filters(classes: usize, rate: f64) -> Vec<Vec<f64>> {
    let count = classes as f64;
    // In pitch classes above A 27.5 Hz. Frequency 0 gets a place one and a half octaves below the first.
    let pitch = |bin: usize| count * (rate * bin as f64 / SPECTRUM as f64 / (440.0 / 16.0)).log2();
    let place = |bin: usize| if bin == 0 { pitch(1) - 1.5 * count } else { pitch(bin) };
    let half = (count / 2.0).round_ties_even();
    let mut filters = vec![Vec::with_capacity(SPECTRUM / 2 + 1); classes];
    for bin in 0..=SPECTRUM / 2 {
        let at = place(bin);
        let width = (place(bin + 1) - at).max(1.0);
        let bumps: Vec<f64> = (0..classes)
            .map(|class| {
                let distance = (at - class as f64 + half + 10.0 * count).rem_euclid(count) - half;
                (-0.5 * (2.0 * distance / width).powi(2)).exp()
            })
            .collect();
        let norm = bumps.iter().map(|bump| bump * bump).sum::<f64>().sqrt();
        let weight = (-0.5 * ((at / count - CENTRE) / WIDTH).powi(2)).exp();
        for (filter, bump) in filters.iter_mut().zip(bumps) {
            filter.push(bump / norm * weight);
        }
    }
    // The map counts from A.
    filters.rotate_left(3 * (classes / 12) % classes.max(1));
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: usize = 32_000;

    fn tone(hertz: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|i| (2.0 * PI * hertz * i as f64 / RATE as f64).sin() as f32).collect()
    }

    fn classes(samples: Vec<f32>, first_frame: usize) -> Vec<usize> {
        FollowedSound::new(samples, RATE, 640, 12).classes(first_frame)
    }

    #[test]
    fn notes_have_their_pitch_class_in_every_octave() {
        for (hertz, class) in [(261.63, 0), (523.25, 0), (440.0, 9), (110.0, 9), (1864.66, 10)] {
            assert_eq!(classes(tone(hertz, RATE), 0), [class; 8], "{hertz} Hz");
        }
    }

    #[test]
    fn short_sounds_and_silence_have_rows_too() {
        assert_eq!(classes(tone(440.0, 5000), 0), [9; 5]);
        assert_eq!(classes(Vec::new(), 0), [0; 5]);
        assert_eq!(classes(Vec::new(), 50), [0; 5]);
    }

    #[test]
    fn later_windows_hear_the_sound_from_their_place_on_and_anew() {
        let sound = [tone(261.63, 2 * RATE), tone(440.0, 2 * RATE)].concat();
        let rows = classes(sound.clone(), 0);
        assert_eq!((rows.len(), rows[4], rows[28]), (32, 0, 9));
        // 6 s in: the second half of the sound, then again from the start.
        let rows = classes(sound, 300);
        assert_eq!((rows.len(), rows[4], rows[20], rows[36]), (235, 9, 0, 9));
    }
}
