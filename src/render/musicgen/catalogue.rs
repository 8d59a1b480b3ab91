//! The published MusicGen models.

use serde_json::{Value, json};

use super::{
    config::{Config, ConfigError},
    store::HubId,
};

/// The licence of all of them, and of what is made with them: attribution, and no commercial use.
pub const LICENCE: &str = "CC-BY-NC-4.0";

/// A published model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name on the hub.
    pub id: &'static str,
    /// What its weights take at 32 bits a value, in units of 10 MB; computed from its sizes. Where the hub has them in 16 bits it
    /// is half of that; what counts is what the hub says before anything is fetched.
    pub size: u64,
    /// What sets it apart.
    pub about: &'static str,
}

/// All of them, the smallest first. Where no model is asked for, the first of them that is on disk plays.
pub const KNOWN: [Known; 8] = [
    known("facebook/musicgen-small", 236, "mono; the fastest"),
    known("facebook/musicgen-stereo-small", 243, "stereo"),
    known("facebook/musicgen-melody", 623, "mono; follows a melody"),
    known("facebook/musicgen-medium", 804, "mono"),
    known("facebook/musicgen-stereo-medium", 814, "stereo"),
    known("facebook/musicgen-melody-large", 1050, "mono; follows a melody"),
    known("facebook/musicgen-large", 1372, "mono"),
    known("facebook/musicgen-stereo-large", 1385, "stereo"),
];

const fn known(id: &'static str, size: u64, about: &'static str) -> Known {
    Known { id, size, about }
}

impl Known {
    /// Its configuration, by the words of its name.
    ///
    /// # Errors
    /// None, as long as the catalogue is sound.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let (hidden, layers, heads) = match () {
            () if self.id.ends_with("large") => (2048, 48, 32),
            () if self.id.ends_with("small") => (1024, 24, 16),
            () => (1536, 48, 24),
        };
        let channels = if self.id.contains("stereo") { 2 } else { 1 };
        let kind = if self.id.contains("melody") { "musicgen_melody" } else { "musicgen" };
        let text = json!({"d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12});
        let codec = json!({
            "sampling_rate": 32000, "codebook_size": 2048, "num_filters": 64, "upsampling_ratios": [8, 5, 4, 4],
            "target_bandwidths": [2.2], "use_causal_conv": false, "use_conv_shortcut": false,
        });
        let decoder = json!({
            "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "ffn_dim": 4 * hidden,
            "num_codebooks": 4 * channels, "audio_channels": channels,
        });
        let model =
            json!({"model_type": kind, "text_encoder": text, "audio_encoder": codec, "decoder": decoder});
        Config::from_json(&model, &Value::Null)
    }

    /// What its weights take at 32 bits a value, in bytes.
    pub fn bytes(&self) -> u64 {
        self.size * 10_000_000
    }
}

/// What is known of a model; `None` when it is none of these.
pub fn entry(id: &HubId) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.id == id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::musicgen::{
        model,
        precision::{Kernels, Precision},
    };

    /// Values of the 32 kHz codec that all of them share.
    const CODEC: u64 = 58_960_000;

    #[test]
    fn sizes_follow_from_the_models() {
        for known in KNOWN {
            let config = known.config().unwrap();
            let positions = 2048 * config.decoder.hidden_size as u64;
            let bytes = model::bytes(&config, Precision::F32, Kernels::Own) + 4 * (CODEC + positions);
            let off = known.bytes() as f64 / bytes as f64 - 1.0;
            assert!(off.abs() < 0.005, "{}: {bytes} bytes", known.id);
        }
    }

    #[test]
    fn the_smallest_comes_first_and_each_has_a_name() {
        assert!(KNOWN.is_sorted_by_key(|known| known.size));
        assert!(KNOWN.iter().all(|known| HubId::new(known.id).is_some()));
    }
}
