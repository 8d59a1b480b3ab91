//! A step of MusicGen's language model at the sizes of musicgen-small, with random weights, on all threads. An element is a frame: at
//! 50 elements a second a piece is made as fast as it plays.

use std::{error::Error, hint::black_box};

use criterion::{Criterion, Throughput};
use timbre::render::musicgen::{catalogue::KNOWN, measure::Noise, precision::Precision};

/// Pieces at a time, and frames behind which they are.
const CASES: [(usize, usize); 4] = [(1, 100), (1, 1400), (4, 250), (8, 250)];

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let config = KNOWN[0].config()?;
    for precision in Precision::ALL {
        let model = Noise::new(&config.decoder, precision)?;
        let mut group = criterion.benchmark_group(precision.to_string());
        for (pieces, frame) in CASES {
            let mut steps = model.pieces(pieces, frame)?;
            group.throughput(Throughput::Elements(pieces as u64));
            group.bench_function(format!("{pieces} behind {frame} frames"), |bencher| {
                bencher.iter(|| black_box(steps.step()));
            });
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
