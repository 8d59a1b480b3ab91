"""The tiny models: their sizes, and random weights under which every part of the network is heard in its output."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from transformers import (
    EncodecConfig,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    MusicgenMelodyConfig,
    MusicgenMelodyDecoderConfig,
    MusicgenMelodyForConditionalGeneration,
    PreTrainedModel,
    T5Config,
)

TEXT_VOCABULARY = 160
CLASSES = {"musicgen": MusicgenForConditionalGeneration, "musicgen_melody": MusicgenMelodyForConditionalGeneration}


@dataclass
class Spec:
    """The sizes of one model; `codes` is the codebook size, which is also the vocabulary of the language model."""

    codes: int
    text: dict
    codec: dict
    decoder: dict
    melody: dict | None = None
    channels: int = field(default=1)


SPECS = {
    # As the published mono models are built: 32 kHz, 50 frames per second, text width unlike the decoder's.
    "mono": Spec(
        codes=64,
        text=dict(d_model=24, d_kv=8, num_heads=2, d_ff=48, num_layers=2),
        codec=dict(sampling_rate=32000, upsampling_ratios=[8, 5, 4, 4], num_filters=2, hidden_size=16, target_bandwidths=[1.2]),
        decoder=dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, ffn_dim=128, max_position_embeddings=512),
    ),
    # Every size another one: a frame rate that is rounded up, even and odd strides, dilated residual layers, one LSTM layer.
    "wide": Spec(
        codes=128,
        text=dict(d_model=40, d_kv=12, num_heads=4, d_ff=56, num_layers=3, relative_attention_num_buckets=16,
                  relative_attention_max_distance=20),
        codec=dict(sampling_rate=16000, upsampling_ratios=[5, 4, 3], num_filters=4, hidden_size=24, target_bandwidths=[7.5],
                   num_residual_layers=2, kernel_size=5, last_kernel_size=3, num_lstm_layers=1),
        decoder=dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, ffn_dim=80),
    ),
    # Two channels, text as wide as the decoder (so no projection), zero padding instead of reflection.
    "stereo": Spec(
        codes=32, channels=2,
        text=dict(d_model=32, d_kv=8, num_heads=4, d_ff=48, num_layers=2),
        codec=dict(sampling_rate=32000, upsampling_ratios=[8, 5, 4, 4], num_filters=2, hidden_size=12, target_bandwidths=[1.0],
                   pad_mode="constant"),
        decoder=dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, ffn_dim=128, num_codebooks=8, audio_channels=2),
    ),
    "melody": Spec(
        codes=64, melody=dict(num_chroma=12, chroma_length=235),
        text=dict(d_model=24, d_kv=8, num_heads=3, d_ff=48, num_layers=2),
        codec=dict(sampling_rate=32000, upsampling_ratios=[8, 5, 4, 4], num_filters=2, hidden_size=16, target_bandwidths=[1.2]),
        decoder=dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=128),
    ),
}  # fmt: skip


def build(spec: Spec) -> PreTrainedModel:
    """A model of these sizes in f32, its weights still to be drawn."""
    text = T5Config(**{"vocab_size": TEXT_VOCABULARY} | spec.text)
    codec = EncodecConfig(codebook_size=spec.codes, use_causal_conv=False, use_conv_shortcut=False, **spec.codec)
    own = dict(vocab_size=spec.codes, pad_token_id=spec.codes, bos_token_id=spec.codes, **spec.decoder)
    if spec.melody:
        decoder = MusicgenMelodyDecoderConfig(**own)
        config = MusicgenMelodyConfig(text_encoder=text, audio_encoder=codec, decoder=decoder, **spec.melody)
        model = MusicgenMelodyForConditionalGeneration(config)
    else:
        config = MusicgenConfig(text_encoder=text, audio_encoder=codec, decoder=MusicgenDecoderConfig(**own))
        model = MusicgenForConditionalGeneration(config)
    settings = model.generation_config  # as the published conversion writes it
    settings.decoder_start_token_id = settings.pad_token_id = spec.codes
    settings.bos_token_id = spec.codes
    settings.do_sample, settings.guidance_scale, settings.max_length = True, 3.0, 1500
    return model.eval()


def load(folder: Path) -> PreTrainedModel:
    """A checkpoint as anyone loads it, in f32."""
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    model, report = CLASSES[kind].from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"], report
    return model.eval()


@torch.no_grad()
def randomise(model: PreTrainedModel, seed: int) -> None:
    """Draws every weight so that each layer keeps about unit variance and no norm, bias or gate is neutral."""
    source = torch.Generator().manual_seed(seed)

    def normal(tensor: torch.Tensor, scale: float, mean: float = 0.0) -> None:
        tensor.copy_(mean + scale * torch.randn(tensor.shape, generator=source))

    for name, parameter in sorted(model.named_parameters()):
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
        if name.endswith("parametrizations.weight.original0"):  # magnitudes of the weight norm
            normal(parameter, 0.15, 1.1)
        elif ".lstm.weight" in name:  # what it adds stands beside its own input
            normal(parameter, 2.5 / math.sqrt(fan_in))
        elif "shared" in name or "relative_attention_bias" in name:
            normal(parameter, 0.7)
        elif "embed_tokens" in name:  # against the sine table, which would otherwise lead the greedy choice into a loop
            normal(parameter, 1.1)
        elif "norm.weight" in name:
            normal(parameter, 0.2, 1.0)
        elif "lm_heads" in name:
            normal(parameter, 2.5 / math.sqrt(fan_in))
        elif "self_attn.q_proj" in name or "self_attn.k_proj" in name or "fc2" in name:
            normal(parameter, 1.8 / math.sqrt(fan_in))
        elif parameter.dim() > 1:
            normal(parameter, 1.0 / math.sqrt(fan_in))
        else:  # biases
            normal(parameter, 0.1)
    for name, module in model.audio_encoder.named_modules():
        if isinstance(module, nn.ConvTranspose1d):  # two taps of every input channel meet in each output sample
            module.parametrizations.weight.original0.mul_(math.sqrt(module.stride[0] / 2))
        elif isinstance(module, nn.Conv1d) and name.startswith("encoder"):  # latents as wide as the codebooks
            module.parametrizations.weight.original0.mul_(0.9)
    model.audio_encoder.decoder.layers[-1].conv.parametrizations.weight.original0.mul_(0.2)
    for step, layer in enumerate(model.audio_encoder.quantizer.layers):
        normal(layer.codebook.embed, 0.6 / (1 + step))
