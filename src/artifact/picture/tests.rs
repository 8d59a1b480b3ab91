use super::*;
use crate::{
    artifact::sample,
    audio::{Pcm, SampleRate, Spec},
    wire::{BitDepth, OutputFormat},
};

fn sine(spec: Spec, seconds: f64, hz: f64) -> Pcm {
    let frames = spec.rate.frames(seconds);
    let plane: Vec<f32> = (0..frames)
        .map(|n| (0.5 * (std::f64::consts::TAU * hz * n as f64 / spec.rate.hz()).sin()) as f32)
        .collect();
    Pcm::new(spec, vec![plane; spec.channels]).unwrap()
}

fn drawn(sound: Pcm) -> Canvas {
    draw(&sample::piece(sound, OutputFormat::Wav, BitDepth::Float32)).unwrap()
}

#[test]
fn the_file_is_a_png_of_the_stated_size() {
    let piece = sample::piece_with_stems();
    let mut bytes = Vec::new();
    write(&mut bytes, &piece).unwrap();
    let reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (WIDTH as u32, HEIGHT as u32));
}

#[test]
fn a_sine_is_one_bright_line_at_its_frequency() {
    let canvas = drawn(sine(Spec::stereo(SampleRate(48_000)), 2.0, 1_000.0));
    let x = LEFT + PLOT_WIDTH / 2 + 40;
    let brightness = |y: &i32| {
        let [r, g, b] = [0, 1, 2].map(|i| i32::from(canvas.bytes()[((y * WIDTH + x) * 3) as usize + i]));
        r + g + b
    };
    let brightest = (SPECTROGRAM.top..SPECTROGRAM.bottom()).max_by_key(brightness).unwrap();
    let axis = axis::FrequencyAxis { highest_hz: 20_000.0 };
    let hz = axis.hz(f64::from(SPECTROGRAM.bottom() - brightest) / f64::from(SPECTROGRAM.height));
    // A bin is 12 Hz wide at 48 kHz, a row 1.5 %.
    assert!((hz - 1_000.0).abs() < 25.0, "{hz} Hz");
    assert_eq!(canvas.pixel(x, SPECTROGRAM.top + 5), colour::heat()[0]);
}

#[test]
fn silence_and_extreme_forms_are_drawn() {
    for (rate, channels, frames) in
        [(8_000, 1, 1), (8_000, 2, 8_000), (192_000, 1, 20_000), (48_000, 2, 48_000)]
    {
        let spec = Spec { rate: SampleRate(rate), channels };
        let canvas = drawn(Pcm::silence(spec, frames));
        assert_eq!(
            canvas.pixel(LEFT + 700, SPECTROGRAM.top + 3),
            colour::heat()[0],
            "{rate} {channels} {frames}"
        );
    }
}

#[test]
fn samples_that_are_no_numbers_do_no_harm() {
    let mut sound = Pcm::silence(Spec::stereo(SampleRate(8_000)), 8_000);
    sound.planes_mut().for_each(|plane| plane[100..200].fill(f32::NAN));
    drawn(sound);
}
