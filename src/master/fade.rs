//! Fades at the very start and end, so that neither clicks.

use std::f64::consts::PI;

use crate::audio::Pcm;

/// So short that a drum hit on the first frame keeps its attack.
const START_SECONDS: f64 = 0.001;
/// Long enough for a low note that is cut off.
const END_SECONDS: f64 = 0.010;

/// Fades both ends along half a cosine; of very short sound at most a quarter each.
pub(super) fn ends(sound: &mut Pcm) {
    let longest = sound.frames() / 4;
    let start = sound.rate().frames(START_SECONDS).min(longest);
    let end = sound.rate().frames(END_SECONDS).min(longest);
    for plane in sound.planes_mut() {
        for (sample, gain) in plane.iter_mut().zip(rise(start)) {
            *sample *= gain;
        }
        for (sample, gain) in plane.iter_mut().rev().zip(rise(end)) {
            *sample *= gain;
        }
    }
}

fn rise(frames: usize) -> impl Iterator<Item = f32> {
    (0..frames).map(move |k| (0.5 - 0.5 * (PI * (k as f64 + 0.5) / frames as f64).cos()) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{SampleRate, Spec};

    #[test]
    fn only_the_ends_change() {
        let mut sound =
            Pcm::new(Spec { rate: SampleRate(48_000), channels: 1 }, vec![vec![1.0; 4800]]).unwrap();
        ends(&mut sound);
        let plane = &sound.planes()[0];
        assert!(plane[0] < 0.002 && plane[4799] < 0.002);
        assert!(plane[48..4320].iter().all(|&sample| (sample - 1.0).abs() < f32::EPSILON));
    }

    #[test]
    fn one_frame_is_left_alone() {
        let mut sound = Pcm::new(Spec { rate: SampleRate(48_000), channels: 1 }, vec![vec![1.0]]).unwrap();
        ends(&mut sound);
        assert_eq!(sound.planes()[0], [1.0]);
    }
}
