//! The signals of EBU Tech 3341 (cases 1 to 6 and 9 to 23; 7 and 8 are recorded programmes) and Tech 3342 (cases 1 to 4),
//! synthesised, through the meter and through the whole chain.
//!
//! Levels are peak levels of a 1 kHz sine in every channel, in dBFS. Tolerances are those of the documents: 0.1 LU for
//! loudness, +0.2 and -0.4 dB for true peak, 1 LU for loudness range.

use std::f64::consts::PI;

use ebur128::Mode;

use super::{Mastered, Target, master, meter};
use crate::{
    audio::{Decibels, Lufs, Pcm, SampleRate, Spec},
    cancel::Never,
    wire::BitDepth,
};

const RATE: SampleRate = SampleRate(48_000);
const SILENCE: f64 = f64::NEG_INFINITY;

/// One channel of 1 kHz sine: stretches of a level and a length in seconds.
fn tone(stretches: &[(f64, f64)]) -> Vec<f32> {
    let levels = stretches
        .iter()
        .flat_map(|&(level, seconds)| std::iter::repeat_n(Decibels(level).amplitude(), RATE.frames(seconds)));
    levels
        .enumerate()
        .map(|(n, level)| (level * (2.0 * PI * 1000.0 * RATE.seconds(n)).sin()) as f32)
        .collect()
}

fn stereo(plane: Vec<f32>) -> Pcm {
    Pcm::new(Spec::stereo(RATE), vec![plane.clone(), plane]).unwrap()
}

/// Cases 1 to 6: integrated loudness. All but the second are -23 LUFS.
fn integrated_cases() -> Vec<(&'static str, Pcm, f64)> {
    let five = [-28.0, -28.0, -24.0, -30.0, -30.0].map(|level| tone(&[(level, 20.0)])).to_vec();
    let five = Pcm::new(Spec { rate: RATE, channels: 5 }, five).unwrap();
    vec![
        ("1", stereo(tone(&[(-23.0, 20.0)])), -23.0),
        ("2", stereo(tone(&[(-33.0, 20.0)])), -33.0),
        ("3", stereo(tone(&[(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)])), -23.0),
        (
            "4",
            stereo(tone(&[(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)])),
            -23.0,
        ),
        ("5", stereo(tone(&[(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)])), -23.0),
        ("6", five, -23.0),
    ]
}

/// Case 9: short-term loudness is a constant -23 LUFS.
fn case_9() -> Pcm {
    stereo(tone(&[(-20.0, 1.34), (-30.0, 1.66)].repeat(5)))
}

/// Case 12: momentary loudness is a constant -23 LUFS.
fn case_12() -> Pcm {
    stereo(tone(&[(-20.0, 0.18), (-30.0, 0.22)].repeat(25)))
}

/// Cases 10 and 13: one window of tone at an odd distance from the start.
fn window_of_tone(offset: f64, seconds: f64) -> Pcm {
    stereo(tone(&[(SILENCE, offset), (-23.0, seconds), (SILENCE, 1.0)]))
}

/// Cases 11 and 14: windows of tone from -38 to -19 dBFS, each later in its period than the one before.
fn rising_windows(seconds: f64) -> Pcm {
    let step = seconds / 20.0;
    let period = |i: u8| {
        let offset = f64::from(i) * step;
        [(SILENCE, offset), (-38.0 + f64::from(i), seconds), (SILENCE, seconds - offset)]
    };
    stereo(tone(&(0..20).flat_map(period).collect::<Vec<_>>()))
}

/// Cases 15 to 19: sines between whose samples the crest hides, faded in and out over 0.1 s.
fn crest_cases() -> Vec<(&'static str, Pcm, f64)> {
    let sine = |divisor: f64, degrees: f64, amplitude: f64| {
        stereo(
            (0..48_000)
                .map(|n| {
                    let n = f64::from(n);
                    let taper = (n.min(47_999.0 - n) / 4800.0).min(1.0);
                    (amplitude * taper * (2.0 * PI * n / divisor + degrees.to_radians()).sin()) as f32
                })
                .collect(),
        )
    };
    vec![
        ("15", sine(4.0, 0.0, 0.5), -6.0),
        ("16", sine(4.0, 45.0, 0.5), -6.0),
        ("17", sine(6.0, 60.0, 0.5), -6.0),
        ("18", sine(8.0, 67.5, 0.5), -6.0),
        ("19", sine(4.0, 45.0, 1.41), 3.0),
    ]
}

/// Cases 20 to 23: a sine at a sixth of the rate and amplitude 0.5 with one period of amplitude 1 in it, made at four times the
/// rate, band-limited, and brought to the rate from each of the four possible first samples. The true peak is 0 dBTP.
fn transient_cases() -> Vec<(&'static str, Pcm, f64)> {
    const PERIOD: usize = 24;
    let periods = 2000;
    let fine: Vec<f64> = (0..PERIOD * periods)
        .map(|n| {
            let amplitude = if n / PERIOD == periods / 2 { 1.0 } else { 0.5 };
            let edge = n.min(PERIOD * periods - n) as f64 / 4800.0;
            amplitude * edge.min(1.0) * (2.0 * PI * n as f64 / PERIOD as f64).sin()
        })
        .collect();
    let reach = 256_i32;
    let filter: Vec<f64> = (-reach..=reach)
        .map(|k| {
            let x = f64::from(k) / 4.0;
            let sinc = if k == 0 { 1.0 } else { (PI * x).sin() / (PI * x) };
            sinc / 4.0 * (0.5 + 0.5 * (PI * f64::from(k) / f64::from(reach)).cos())
        })
        .collect();
    let case = |offset: usize| {
        let coarse = (0..(fine.len() - 1024) / 4).map(|n| {
            let window = &fine[4 * n + offset..];
            window.iter().zip(&filter).map(|(sample, weight)| sample * weight).sum::<f64>() as f32
        });
        stereo(coarse.collect())
    };
    vec![("20", case(0), 0.0), ("21", case(1), 0.0), ("22", case(2), 0.0), ("23", case(3), 0.0)]
}

fn close(case: &str, found: f64, expected: f64, below: f64, above: f64) {
    assert!(
        (expected - below..=expected + above).contains(&found),
        "case {case}: {found:.3}, expected {expected} -{below} +{above}"
    );
}

/// Every reading of the momentary or short-term loudness, with its time in seconds.
fn readings(sound: &Pcm, mode: Mode, per_second: usize) -> Vec<(f64, f64)> {
    let mut readings = Vec::new();
    meter::run(sound, mode, per_second, &Never, |meter, frames| {
        let loudness =
            if mode == Mode::S { meter.loudness_shortterm()? } else { meter.loudness_momentary()? };
        readings.push((RATE.seconds(frames), loudness));
        Ok(())
    })
    .unwrap();
    readings
}

fn highest(readings: &[(f64, f64)]) -> f64 {
    readings.iter().map(|&(_, loudness)| loudness).fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn tech_3341_integrated() {
    for (case, sound, expected) in integrated_cases() {
        close(case, meter::measure(&sound, &Never).unwrap().integrated.unwrap(), expected, 0.1, 0.1);
    }
}

#[test]
fn tech_3341_constant_short_term_and_momentary() {
    for (case, sound, mode, settled) in [("9", case_9(), Mode::S, 3.0), ("12", case_12(), Mode::M, 1.0)] {
        for (seconds, loudness) in readings(&sound, mode, 10) {
            if seconds >= settled {
                close(&format!("{case} at {seconds} s"), loudness, -23.0, 0.1, 0.1);
            }
        }
    }
}

#[test]
fn tech_3341_highest_short_term_and_momentary() {
    for i in 0..20 {
        let case_10 = window_of_tone(f64::from(i) * 0.15, 3.0);
        close("10", meter::measure(&case_10, &Never).unwrap().max_short_term.unwrap(), -23.0, 0.1, 0.1);
        let case_13 = window_of_tone(f64::from(i) * 0.02, 0.4);
        close("13", highest(&readings(&case_13, Mode::M, 100)), -23.0, 0.1, 0.1);
    }
}

#[test]
fn tech_3341_rising_short_term_and_momentary() {
    for (case, seconds, mode, per_second) in [("11", 3.0, Mode::S, 10), ("14", 0.4, Mode::M, 100)] {
        let readings = readings(&rising_windows(seconds), mode, per_second);
        for i in 0..20 {
            let end = f64::from(i + 1) * 2.0 * seconds + 0.001;
            let heard: Vec<_> = readings.iter().copied().filter(|&(at, _)| at <= end).collect();
            close(&format!("{case}, window {i}"), highest(&heard), -38.0 + f64::from(i), 0.1, 0.1);
        }
    }
}

#[test]
fn tech_3341_true_peak() {
    for (case, sound, expected) in crest_cases().into_iter().chain(transient_cases()) {
        close(case, meter::measure(&sound, &Never).unwrap().true_peak.unwrap(), expected, 0.4, 0.2);
    }
}

#[test]
fn tech_3342_loudness_range() {
    let cases: [(&str, &[f64], f64); 4] = [
        ("1", &[-20.0, -30.0], 10.0),
        ("2", &[-20.0, -15.0], 5.0),
        ("3", &[-40.0, -20.0], 20.0),
        ("4", &[-50.0, -35.0, -20.0, -35.0, -50.0], 15.0),
    ];
    for (case, levels, expected) in cases {
        let stretches: Vec<_> = levels.iter().map(|&level| (level, 20.0)).collect();
        close(
            case,
            meter::measure(&stereo(tone(&stretches)), &Never).unwrap().range.unwrap(),
            expected,
            1.0,
            1.0,
        );
    }
}

fn mastered(sound: Pcm, loudness: f64) -> Mastered {
    let target =
        Target { loudness: Lufs(loudness), true_peak: Decibels(-1.0), bit_depth: BitDepth::Int24, seed: 1 };
    master(sound, &target, &Never).unwrap()
}

#[test]
fn the_chain_reaches_the_target_with_the_loudness_signals() {
    let windows =
        [("9", case_9()), ("10", window_of_tone(0.45, 3.0)), ("12", case_12()), ("14", rising_windows(0.4))];
    let cases = integrated_cases().into_iter().map(|(case, sound, _)| (case, sound)).chain(windows);
    for (case, sound) in cases {
        let report = mastered(sound, -14.0).loudness;
        close(case, report.integrated_lufs.unwrap(), -14.0, 0.2, 0.2);
        assert!(report.on_target && report.note.is_none(), "case {case}");
        assert!(report.true_peak_dbtp.unwrap() <= -0.9, "case {case}");
    }
}

#[test]
fn the_chain_holds_the_ceiling_with_the_true_peak_signals() {
    for (case, sound, _) in crest_cases().into_iter().chain(transient_cases()) {
        for loudness in [-14.0, -5.0, 6.0] {
            let found = mastered(sound.clone(), loudness).loudness.true_peak_dbtp.unwrap();
            assert!(found <= -0.9, "case {case} to {loudness} LUFS: {found} dBTP");
        }
    }
}
