use std::f64::consts::PI;

use proptest::prelude::*;

use super::*;
use crate::{
    audio::{Random, SampleRate, Spec},
    cancel::Never,
};

const RATE: SampleRate = SampleRate(48_000);

fn target(loudness: f64, true_peak: f64, bit_depth: BitDepth) -> Target {
    Target { loudness: Lufs(loudness), true_peak: Decibels(true_peak), bit_depth, seed: 11 }
}

fn default_target() -> Target {
    target(-14.0, -1.0, BitDepth::Int24)
}

fn mono(rate: SampleRate, samples: Vec<f32>) -> Pcm {
    Pcm::new(Spec { rate, channels: 1 }, vec![samples]).unwrap()
}

/// Two channels of a decaying chord on every beat over a noise burst, at 120 bpm: a crest factor like that of music.
fn music(rate: SampleRate, seconds: f64, peak: f64) -> Pcm {
    let mut random = Random::new(3);
    let plane = |detune: f64, random: &mut Random| {
        let frame = |n: usize| {
            let time = rate.seconds(n);
            let beat = time % 0.5;
            let chord: f64 =
                [110.0, 220.0, 277.2, 329.6].iter().map(|hz| (2.0 * PI * hz * detune * time).sin()).sum();
            let burst = random.between(-1.0, 1.0) * (-beat * 60.0).exp();
            (peak * (0.15 * chord * (-beat * 3.0).exp() + 0.4 * burst)) as f32
        };
        (0..rate.frames(seconds)).map(frame).collect()
    };
    let planes = vec![plane(1.0, &mut random), plane(1.003, &mut random)];
    Pcm::new(Spec::stereo(rate), planes).unwrap()
}

fn assert_sound(mastered: &Mastered, frames: usize, target: &Target) {
    let scale = match target.bit_depth {
        BitDepth::Int16 => Some(32_768.0),
        BitDepth::Int24 => Some(8_388_608.0),
        BitDepth::Float32 => None,
    };
    assert_eq!(mastered.sound.frames(), frames);
    assert!(mastered.sound.is_finite());
    if let Some(scale) = scale {
        let on_grid = |&s: &f32| (-1.0..1.0).contains(&s) && (s * scale).fract() == 0.0;
        assert!(mastered.sound.planes().iter().flatten().all(on_grid), "a sample is off the grid");
    }
    if let Some(peak) = mastered.loudness.true_peak_dbtp {
        assert!(peak <= target.true_peak.0 + 1e-3, "{peak} dBTP over {}", target.true_peak);
    }
    let report = serde_json::to_string(&mastered.loudness).unwrap();
    assert!(!report.contains("inf") && !report.contains("NaN"), "{report}");
}

#[test]
fn music_reaches_its_loudness_in_every_format_and_rate() {
    let formats = [BitDepth::Int16, BitDepth::Int24, BitDepth::Float32];
    let rates = [8_000, 8_001, 11_025, 44_100, 48_000, 96_000, 192_000];
    for (index, rate) in rates.into_iter().enumerate() {
        for loudness in [-23.0, -14.0] {
            let target = target(loudness, -1.0, formats[index % 3]);
            let mix = music(SampleRate(rate), 4.0, 0.3);
            let frames = mix.frames();
            let mastered = master(mix, &target, &Never).unwrap();
            assert_sound(&mastered, frames, &target);
            let report = &mastered.loudness;
            assert!(report.on_target && report.note.is_none(), "{rate} Hz: {report:?}");
            assert!((report.integrated_lufs.unwrap() - loudness).abs() <= 0.2);
        }
    }
}

#[test]
fn loud_targets_are_limited_and_reported() {
    let target = target(-11.0, -1.0, BitDepth::Int24);
    let report = master(music(RATE, 6.0, 1.0), &target, &Never).unwrap().loudness;
    assert!(report.limited_db > 2.0, "{report:?}");
    assert!((report.integrated_lufs.unwrap() + 11.0).abs() <= 0.2, "{report:?}");
    assert!(report.true_peak_dbtp.unwrap() <= -0.9);
    assert!(report.range_lu.is_some() && report.max_short_term_lufs.is_some());
}

#[test]
fn a_target_out_of_reach_is_said_to_be() {
    // One sample in silence every half second has no loudness to speak of under a ceiling of -12 dBTP.
    let clicks = (0..96_000).map(|n| if n % 24_000 == 12_000 { 0.5 } else { 0.0 }).collect();
    let target = target(-5.0, -12.0, BitDepth::Int24);
    let mastered = master(mono(RATE, clicks), &target, &Never).unwrap();
    assert_sound(&mastered, 96_000, &target);
    assert!(!mastered.loudness.on_target);
    assert!(mastered.loudness.limited_db <= 18.5, "{:?}", mastered.loudness);
    assert!(mastered.loudness.note.unwrap().contains("below the target"));
}

#[test]
fn silence_and_direct_current_become_digital_silence() {
    for value in [0.0, 0.3, -5.0] {
        let mix = Pcm::new(Spec::stereo(RATE), vec![vec![value; 48_000]; 2]).unwrap();
        let mastered = master(mix, &target(-14.0, -1.0, BitDepth::Int16), &Never).unwrap();
        assert!(mastered.sound.planes().iter().flatten().all(|sample| *sample == 0.0));
        let report = mastered.loudness;
        assert_eq!((report.integrated_lufs, report.true_peak_dbtp, report.range_lu), (None, None, None));
        assert!(!report.on_target && report.note.unwrap().contains("silent"));
    }
}

#[test]
fn clipping_input_comes_out_clean() {
    let mastered = master(music(RATE, 4.0, 20.0), &default_target(), &Never).unwrap();
    assert_sound(&mastered, 192_000, &default_target());
    assert!(mastered.loudness.on_target, "{:?}", mastered.loudness);
    assert!(mastered.loudness.gain_db < -10.0);
}

#[test]
fn short_clips_keep_their_level_under_the_ceiling() {
    for (frames, level) in [(1, 0.5), (1, 10.0), (2, 0.5), (480, 0.25), (4800, 0.25), (4800, 10.0)] {
        let tone = (0..frames).map(|n| (level * (f64::from(n) * 0.13 + 1.0).sin()) as f32).collect();
        let mastered = master(mono(RATE, tone), &default_target(), &Never).unwrap();
        assert_sound(&mastered, frames as usize, &default_target());
        let report = mastered.loudness;
        assert_eq!(report.integrated_lufs, None);
        assert!(report.limited_db < 0.2, "brought down by gain, not by the limiter: {report:?}");
        assert!(report.note.is_some() && report.gain_db <= 0.0);
    }
}

#[test]
fn unusable_input_is_refused() {
    assert_eq!(master(mono(RATE, Vec::new()), &default_target(), &Never), Err(MasterError::Empty));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut samples = vec![0.1; 100];
        samples[7] = value;
        let refused = master(mono(RATE, samples), &default_target(), &Never);
        assert!(matches!(refused, Err(MasterError::Unusable { channel: 0, frame: 7, .. })), "{refused:?}");
    }
    let refused = master(mono(RATE, vec![0.1; 9]), &target(f64::NAN, -1.0, BitDepth::Int24), &Never);
    assert!(matches!(refused, Err(MasterError::Target { .. })));
    let refused = master(mono(SampleRate(1), vec![0.1; 9]), &default_target(), &Never);
    assert!(matches!(refused, Err(MasterError::Meter { rate: 1, .. })));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let run = |seed| {
        let target = Target { seed, ..target(-14.0, -1.0, BitDepth::Int16) };
        master(music(RATE, 1.0, 0.5), &target, &Never).unwrap().sound
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2), "another seed, other dither");
}

/// A sound that starts at full level keeps all but its first millisecond.
#[test]
fn a_drum_hit_on_the_first_frame_survives() {
    let hit = (0..48_000)
        .map(|n| (0.5 * (-f64::from(n) / 2000.0).exp() * (f64::from(n) * 0.3).cos()) as f32)
        .collect();
    let mix = mono(RATE, hit);
    let mastered = master(mix.clone(), &target(-30.0, -1.0, BitDepth::Float32), &Never).unwrap();
    let gain = Decibels(mastered.loudness.gain_db).amplitude();
    let (before, after) = (&mix.planes()[0], &mastered.sound.planes()[0]);
    for n in 60..400 {
        let wanted = f64::from(before[n]) * gain;
        assert!((f64::from(after[n]) - wanted).abs() < 0.02 * gain, "frame {n}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_comes_in_is_clean_when_it_goes_out(
        seed in any::<u64>(),
        frames in 1_usize..30_000,
        rate in 8_000_u32..=192_000,
        channels in 1_usize..=2,
        level_db in -60.0..40.0_f64,
        loudness in -40.0..=-5.0_f64,
        ceiling in -12.0..=0.0_f64,
        depth in prop_oneof![Just(BitDepth::Int16), Just(BitDepth::Int24), Just(BitDepth::Float32)],
        sparse in any::<bool>(),
    ) {
        let mut random = Random::new(seed);
        let level = Decibels(level_db).amplitude();
        let mut sample = || if sparse && !random.chance(0.01) { 0.0 } else { (random.between(-1.0, 1.0) * level) as f32 };
        let planes = (0..channels).map(|_| (0..frames).map(|_| sample()).collect()).collect();
        let mix = Pcm::new(Spec { rate: SampleRate(rate), channels }, planes).unwrap();
        let target = target(loudness, ceiling, depth);
        let mastered = master(mix, &target, &Never).unwrap();
        assert_sound(&mastered, frames, &target);
        let report = mastered.loudness;
        prop_assert_eq!(report.on_target, report.note.is_none());
        prop_assert!(report.limited_db >= 0.0 && report.limited_db < 20.0);
    }
}
