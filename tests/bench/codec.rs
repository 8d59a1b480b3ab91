//! Throughput of MusicGen's codec at its real sizes, with drawn weights. An element is a millisecond of sound: 10 Kelem/s are 10
//! times real time.

use std::{error::Error, hint::black_box, ops::ControlFlow};

use candle_core::{Device, Tensor};
use criterion::{Criterion, Throughput};
use serde_json::json;
use timbre::{
    audio::Random,
    render::musicgen::codec::{Codec, Config, Weights},
};

const SECONDS: usize = 10;

/// Weights drawn by name, small enough that signals do not grow.
struct Drawn;

impl Weights for Drawn {
    type Error = candle_core::Error;

    fn has(&self, name: &str) -> bool {
        !name.contains("parametrizations")
    }

    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, candle_core::Error> {
        let mut random = Random::stream(1, name);
        let width = if name.contains(".lstm.") { shape[shape.len() - 1] as f32 } else { 1.0 };
        let centre = if name.ends_with("weight_g") { 1.0 } else { 0.0 };
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| centre + random.bipolar() / width.sqrt()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let config = Config::from_json(&json!({
        "sampling_rate": 32_000, "num_filters": 64, "hidden_size": 128, "upsampling_ratios": [8, 5, 4, 4],
        "codebook_size": 2048, "target_bandwidths": [2.2], "use_causal_conv": false, "use_conv_shortcut": false,
    }))?;
    let codec = Codec::load(config, &Drawn)?;
    let encoder = codec.encoder(&Drawn)?;
    let mut random = Random::new(1);
    let mut tokens = || (0..50 * SECONDS).map(|_| random.below(2048) as u32).collect();
    let tokens: Vec<Vec<u32>> = (0..4).map(|_| tokens()).collect();
    let mut go = |_| ControlFlow::Continue(());
    let sound = codec.decode(&tokens, 1, &mut go)?;

    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1000 * SECONDS as u64));
    group.bench_function("decode", |bencher| bencher.iter(|| black_box(codec.decode(&tokens, 1, &mut go))));
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(encoder.encode(&sound, &mut go))));
    group.finish();
    criterion.final_summary();
    Ok(())
}
