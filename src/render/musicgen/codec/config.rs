//! The shape of a codec, from the `audio_encoder` object of a checkpoint's `config.json`.

use serde_json::Value;

use crate::{
    audio::SampleRate,
    render::musicgen::fields::{ConfigError, Fields, LARGEST},
};

/// The shape of a codec. Every value has been checked, so that all sizes derived from it are small positive
/// numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(super) sampling_rate: u32,
    pub(super) num_filters: usize,
    pub(super) hidden_size: usize,
    pub(super) upsampling_ratios: Vec<usize>,
    pub(super) num_residual_layers: usize,
    pub(super) kernel_size: usize,
    pub(super) last_kernel_size: usize,
    pub(super) residual_kernel_size: usize,
    pub(super) dilation_growth_rate: usize,
    pub(super) compress: usize,
    pub(super) num_lstm_layers: usize,
    pub(super) use_causal_conv: bool,
    pub(super) use_conv_shortcut: bool,
    pub(super) pad_mode: PadMode,
    pub(super) trim_right_ratio: f64,
    pub(super) codebook_size: usize,
    pub(super) target_bandwidths: Vec<f64>,
}

/// What stands beyond the ends of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PadMode {
    /// The signal mirrored at its first and last value, which are not repeated.
    Reflect,
    /// Zeros.
    Zeros,
}

impl Config {
    /// Reads and checks the `audio_encoder` object.
    ///
    /// # Errors
    /// When a field has the wrong type, or a value that this codec does not implement or that no codec can
    /// have.
    pub fn from_json(audio_encoder: &Value) -> Result<Self, ConfigError> {
        let fields = Fields { object: audio_encoder, path: "audio_encoder." };
        fields.only("model_type", "encodec".to_owned(), "\"encodec\"")?;
        fields.only("norm_type", "weight_norm".to_owned(), "\"weight_norm\"")?;
        fields.only("audio_channels", 1, "stereo models code each channel on its own")?;
        fields.only("normalize", false, "as in the codecs of MusicGen")?;
        if let Some(seconds) = fields.or::<Option<f64>>("chunk_length_s", None)? {
            return Err(fields.unsupported("chunk_length_s", seconds, "null"));
        }
        let pad_mode = match fields.or("pad_mode", "reflect".to_owned())?.as_str() {
            "reflect" => PadMode::Reflect,
            "constant" => PadMode::Zeros,
            other => return Err(fields.unsupported("pad_mode", other, "\"reflect\" or \"constant\"")),
        };
        let config = Self {
            sampling_rate: fields.or("sampling_rate", 24_000)?,
            num_filters: fields.size("num_filters", 32)?,
            hidden_size: fields.size("hidden_size", 128)?,
            upsampling_ratios: fields.or("upsampling_ratios", vec![8, 5, 4, 2])?,
            num_residual_layers: fields.or("num_residual_layers", 1)?,
            kernel_size: fields.size("kernel_size", 7)?,
            last_kernel_size: fields.size("last_kernel_size", 7)?,
            residual_kernel_size: fields.size("residual_kernel_size", 3)?,
            dilation_growth_rate: fields.size("dilation_growth_rate", 2)?,
            compress: fields.size("compress", 2)?,
            num_lstm_layers: fields.size("num_lstm_layers", 2)?,
            use_causal_conv: fields.or("use_causal_conv", true)?,
            use_conv_shortcut: fields.or("use_conv_shortcut", true)?,
            pad_mode,
            trim_right_ratio: fields.or("trim_right_ratio", 1.0)?,
            codebook_size: fields.size("codebook_size", 1024)?,
            target_bandwidths: fields.or("target_bandwidths", vec![1.5, 3.0, 6.0, 12.0, 24.0])?,
        };
        fields.only("codebook_dim", config.hidden_size, "hidden_size")?;
        config.check(fields)?;
        Ok(config)
    }

    /// What one field allows only in the light of another.
    fn check(&self, fields: Fields<'_>) -> Result<(), ConfigError> {
        if self.sampling_rate == 0 {
            return Err(fields.unsupported("sampling_rate", 0, "positive"));
        }
        let ratios = &self.upsampling_ratios;
        let hop = ratios.iter().try_fold(1_usize, |hop, ratio| hop.checked_mul(*ratio));
        if !hop.is_some_and(|hop| (1..=LARGEST).contains(&hop)) {
            return Err(fields.unsupported(
                "upsampling_ratios",
                format_args!("{ratios:?}"),
                "a few positive numbers",
            ));
        }
        let widest = u32::try_from(ratios.len()).ok().and_then(|levels| self.num_filters.checked_shl(levels));
        if ratios.len() > 16 || widest.is_none_or(|widest| widest > LARGEST) {
            return Err(fields.unsupported(
                "num_filters",
                self.num_filters,
                "fewer for so many upsampling_ratios",
            ));
        }
        if self.num_filters / self.compress == 0 {
            return Err(fields.unsupported("compress", self.compress, "at most num_filters"));
        }
        let dilations = u32::try_from(self.num_residual_layers).ok();
        let longest = dilations.and_then(|layers| self.dilation_growth_rate.checked_pow(layers));
        if self.num_residual_layers > 64 || longest.is_none_or(|longest| longest > LARGEST) {
            return Err(fields.unsupported("num_residual_layers", self.num_residual_layers, "fewer"));
        }
        let kernels = [
            ("kernel_size", self.kernel_size),
            ("last_kernel_size", self.last_kernel_size),
            ("residual_kernel_size", self.residual_kernel_size),
            ("num_lstm_layers", self.num_lstm_layers),
        ];
        if let Some((field, found)) = kernels.into_iter().find(|(_, size)| *size > 1024) {
            return Err(fields.unsupported(field, found, "1024 or less"));
        }
        let trim = self.trim_right_ratio;
        if !(0.0..=1.0).contains(&trim) || (trim != 1.0 && !self.use_causal_conv) {
            return Err(fields.unsupported(
                "trim_right_ratio",
                trim,
                "1.0, or with use_causal_conv from 0.0 to 1.0",
            ));
        }
        if !self.codebook_size.is_power_of_two() || self.codebook_size < 2 {
            return Err(fields.unsupported("codebook_size", self.codebook_size, "a power of two"));
        }
        if !(1..=1024).contains(&self.quantizers()) {
            let found = format_args!("{:?}", self.target_bandwidths);
            return Err(fields.unsupported(
                "target_bandwidths",
                found,
                "a list whose last entry has room for a codebook",
            ));
        }
        Ok(())
    }

    /// Samples per second.
    pub fn rate(&self) -> SampleRate {
        SampleRate(self.sampling_rate)
    }

    /// Samples that one frame of tokens stands for.
    pub fn hop(&self) -> usize {
        self.upsampling_ratios.iter().product()
    }

    /// Frames of tokens per second, rounded up to a whole number as the models count them.
    pub fn frame_rate(&self) -> usize {
        (self.sampling_rate as usize).div_ceil(self.hop())
    }

    /// Different tokens of one codebook.
    pub fn codebook_size(&self) -> usize {
        self.codebook_size
    }

    /// Codebooks of one audio channel: what the last of the bandwidths has room for.
    pub fn quantizers(&self) -> usize {
        self.target_bandwidths.last().map_or(0, |kilobits| self.codebooks_in(*kilobits))
    }

    /// How many of them coding a sound gives: what the first of the bandwidths has room for.
    pub fn encoding_quantizers(&self) -> usize {
        self.target_bandwidths
            .first()
            .map_or(1, |kilobits| self.codebooks_in(*kilobits))
            .clamp(1, self.quantizers())
    }

    fn codebooks_in(&self, kilobits_per_second: f64) -> usize {
        let bits_per_second = self.frame_rate() as f64 * f64::from(self.codebook_size.ilog2());
        (1000.0 * kilobits_per_second / bits_per_second).floor() as usize
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_codec_of_musicgen_has_four_codebooks_at_fifty_frames_a_second() {
        let config = Config::from_json(&json!({
            "model_type": "encodec", "torch_dtype": "float32", "sampling_rate": 32_000, "audio_channels": 1,
            "num_filters": 64, "hidden_size": 128, "codebook_dim": 128, "upsampling_ratios": [8, 5, 4, 4],
            "codebook_size": 2048, "target_bandwidths": [2.2], "use_causal_conv": false,
            "use_conv_shortcut": false, "chunk_length_s": null, "overlap": null,
        }))
        .unwrap();
        assert_eq!((config.hop(), config.frame_rate(), config.quantizers()), (640, 50, 4));
        assert_eq!(config.encoding_quantizers(), 4);
    }

    /// `EncodecConfig()` of `transformers`.
    #[test]
    fn missing_fields_are_those_of_the_24_khz_codec() {
        let config = Config::from_json(&json!({})).unwrap();
        assert_eq!((config.hop(), config.frame_rate(), config.quantizers()), (320, 75, 32));
        assert_eq!(config.encoding_quantizers(), 2);
        assert!(config.use_causal_conv && config.use_conv_shortcut);
    }

    #[test]
    fn a_value_that_cannot_be_run_is_named() {
        for (field, value) in [
            ("model_type", json!("dac")),
            ("norm_type", json!("time_group_norm")),
            ("audio_channels", json!(2)),
            ("normalize", json!(true)),
            ("chunk_length_s", json!(1.0)),
            ("pad_mode", json!("circular")),
            ("codebook_dim", json!(64)),
            ("sampling_rate", json!(0)),
            ("num_filters", json!(0)),
            ("num_filters", json!(1_u64 << 40)),
            ("num_filters", json!(-3)),
            ("upsampling_ratios", json!([8, 0])),
            ("upsampling_ratios", json!([1_u64 << 40, 1_u64 << 40])),
            ("num_residual_layers", json!(50)),
            ("compress", json!(33)),
            ("kernel_size", json!(4096)),
            ("trim_right_ratio", json!(1.5)),
            ("codebook_size", json!(1000)),
            ("target_bandwidths", json!([])),
            ("target_bandwidths", json!([0.1])),
            ("use_causal_conv", json!("yes")),
        ] {
            let error = Config::from_json(&json!({ field: value })).unwrap_err().to_string();
            let start = format!("audio_encoder.{field} is ");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}
