//! Changing the number of channels.

use super::MixError;
use crate::audio::{Pcm, Spec};

/// Mono out of more channels is their mean (two equal channels keep their level), more channels out of mono are copies of it.
/// The same number is left as it is; there is no rule for anything else.
pub(super) fn convert(sound: Pcm, channels: usize) -> Result<Pcm, MixError> {
    let Spec { rate, channels: from } = sound.spec();
    let planes = match (from, channels) {
        (from, to) if from == to => return Ok(sound),
        (_, 1) => vec![mean(&sound)],
        (1, 2) => {
            let plane = sound.into_planes().swap_remove(0);
            vec![plane.clone(), plane]
        }
        (from, to) => return Err(MixError::Channels { from, to }),
    };
    Ok(Pcm::new(Spec { rate, channels }, planes)?)
}

fn mean(sound: &Pcm) -> Vec<f32> {
    let share = 1.0 / sound.planes().len() as f64;
    let frame = |index| sound.planes().iter().map(|plane: &Vec<f32>| f64::from(plane[index])).sum::<f64>();
    (0..sound.frames()).map(|index| (frame(index) * share) as f32).collect()
}
