//! Changing the number of channels.

use std::ops::Range;

use super::ConvertError;
use crate::audio::{Pcm, Spec};

/// Mono out of more channels is their mean (two equal channels keep their level), more channels out of mono are copies of it.
/// The same number is left as it is; there is no rule for anything else.
///
/// # Errors
/// When there is no rule.
pub fn remix(sound: Pcm, channels: usize) -> Result<Pcm, ConvertError> {
    let Spec { rate, channels: from } = sound.spec();
    let planes = match (from, channels) {
        (from, to) if from == to => return Ok(sound),
        (_, 1) => vec![mean(sound.planes(), 0..sound.frames()).collect()],
        (1, 2) => {
            let plane = sound.into_planes().swap_remove(0);
            vec![plane.clone(), plane]
        }
        (from, to) => return Err(ConvertError::Channels { from, to }),
    };
    Ok(Pcm::new(Spec { rate, channels }, planes)?)
}

/// The mean of planes of one length, in frames that they have.
pub fn mean(planes: &[Vec<f32>], frames: Range<usize>) -> impl Iterator<Item = f32> {
    let share = 1.0 / planes.len() as f64;
    let frame = move |index| planes.iter().map(|plane: &Vec<f32>| f64::from(plane[index])).sum::<f64>();
    frames.map(move |index| (frame(index) * share) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    #[test]
    fn mono_is_the_mean_and_stereo_a_copy() {
        let stereo = Spec::stereo(SampleRate(48_000));
        let sound = Pcm::new(stereo, vec![vec![1.0, 0.25], vec![0.0, 0.75]]).unwrap();
        let mono = remix(sound.clone(), 1).unwrap();
        assert_eq!(mono.planes(), [[0.5, 0.5]]);
        assert_eq!(remix(mono, 2).unwrap().planes(), [[0.5, 0.5], [0.5, 0.5]]);
        assert_eq!(remix(sound, 3), Err(ConvertError::Channels { from: 2, to: 3 }));
    }
}
