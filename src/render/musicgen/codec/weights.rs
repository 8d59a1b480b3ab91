//! Where the codec's weights come from, and how a normed weight becomes a plain one.

use candle_core::{Device, Error, Tensor};

/// The tensors of a codec, by the names that `transformers` gives them: `decoder.layers.0.conv.bias`.
pub trait Weights {
    /// Why a tensor cannot be had.
    type Error: From<candle_core::Error>;

    /// Whether there is a tensor of this name.
    fn has(&self, name: &str) -> bool;

    /// The tensor of this name as f32, on the device where the codec is to run.
    ///
    /// # Errors
    /// When it is missing or unreadable, or has another shape.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, Self::Error>;
}

/// The weight `[d0, d1, kernel]` of a convolution under weight norm, in the spelling of older or newer torch.
pub(super) fn normed<W: Weights>(weights: &W, conv: &str, shape: [usize; 3]) -> Result<Tensor, W::Error> {
    let parametrized = format!("{conv}.parametrizations.weight.original0");
    let (magnitude, direction) = if weights.has(&parametrized) {
        (parametrized, format!("{conv}.parametrizations.weight.original1"))
    } else {
        (format!("{conv}.weight_g"), format!("{conv}.weight_v"))
    };
    let magnitude = weights.get(&magnitude, &[shape[0], 1, 1])?;
    let direction = weights.get(&direction, &shape)?;
    Ok(fold(&magnitude, &direction)?)
}

/// `direction * magnitude / |direction|`, the norm taken over all dimensions but the first: of a convolution
/// over what makes one output channel, of a transposed one over what one input channel makes.
fn fold(magnitude: &Tensor, direction: &Tensor) -> Result<Tensor, Error> {
    let rows = direction.to_device(&Device::Cpu)?.flatten_from(1)?.to_vec2::<f32>()?;
    let magnitudes = magnitude.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
    let scales: Vec<f32> = rows
        .iter()
        .zip(magnitudes)
        .map(|(row, magnitude)| {
            let squares: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
            (f64::from(magnitude) / squares.sqrt()) as f32
        })
        .collect();
    direction.broadcast_mul(&Tensor::from_vec(scales, magnitude.shape(), direction.device())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slice_of_the_first_dimension_gets_its_magnitude() {
        let direction = Tensor::new(&[[[3.0_f32, 4.0]], [[0.0, -2.0]]], &Device::Cpu).unwrap();
        let magnitude = Tensor::new(&[[[10.0_f32]], [[0.5]]], &Device::Cpu).unwrap();
        let folded = fold(&magnitude, &direction).unwrap().to_vec3::<f32>().unwrap();
        assert_eq!(folded, [[[6.0, 8.0]], [[0.0, -0.5]]]);
    }
}
