//! What a row of the batch remembers of one layer, and what a query finds there.
//!
//! Both halves lie as attention reads them: keys in tiles of 16 positions, whose scores grow side by side; values position by
//! position, whose sums do. With matrices in blocks they are whole numbers: see there.

use half::{bf16, f16};

use super::{
    super::{lanes::widest, precision::Precision},
    functions::softmax,
    matrix::LANES,
    stored::Stored,
    whole_cache::{self, WholeCache},
};

/// Tiles of keys that are worked on side by side.
const TILES: usize = 4;

/// Values of a head that are summed side by side.
const WIDE: usize = 64;

/// Keys and values of every head.
#[derive(Clone, Debug)]
pub(in super::super) struct Cache {
    shape: Shape,
    stored: Kind,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    heads: usize,
    head_dim: usize,
    /// Positions, rounded up to whole tiles.
    room: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    F32(Pair<f32>),
    Bf16(Pair<bf16>),
    F16(Pair<f16>),
    Whole(WholeCache),
}

/// Keys and values, head by head.
#[derive(Clone, Debug)]
struct Pair<T> {
    /// `[heads, room / 16, head_dim, 16]`
    keys: Vec<T>,
    /// `[heads, room, head_dim]`
    values: Vec<T>,
}

/// What attention works on.
#[derive(Debug, Default)]
pub(in super::super) struct Attention {
    scores: Vec<f32>,
    whole: whole_cache::Work,
}

impl Cache {
    /// Room for so many positions, nothing in it.
    pub(in super::super) fn with_room(
        heads: usize,
        head_dim: usize,
        positions: usize,
        precision: Precision,
    ) -> Self {
        let shape = Shape { heads, head_dim, room: positions.next_multiple_of(LANES) };
        let stored = match precision {
            Precision::F32 => Kind::F32(Pair::with_room(shape)),
            Precision::Bf16 => Kind::Bf16(Pair::with_room(shape)),
            Precision::F16 => Kind::F16(Pair::with_room(shape)),
            Precision::Q8_0 | Precision::Q6_0 | Precision::Q4_0 => {
                Kind::Whole(WholeCache::with_room(heads, head_dim, positions))
            }
        };
        Self { shape, stored }
    }

    /// Puts the keys and values of a position in their place, head by head.
    pub(in super::super) fn set(&mut self, position: usize, keys: &[f32], values: &[f32]) {
        let shape = self.shape;
        let heads = keys.chunks_exact(shape.head_dim).zip(values.chunks_exact(shape.head_dim));
        for (head, (keys, values)) in heads.enumerate() {
            match &mut self.stored {
                Kind::F32(pair) => pair.set(shape, head, position, keys, values),
                Kind::Bf16(pair) => pair.set(shape, head, position, keys, values),
                Kind::F16(pair) => pair.set(shape, head, position, keys, values),
                Kind::Whole(cache) => cache.set(head, position, keys, values),
            }
        }
    }

    /// What the query of a head finds in the first positions, at least one.
    pub(in super::super) fn attend(
        &self,
        head: usize,
        positions: usize,
        query: &[f32],
        work: &mut Attention,
        out: &mut [f32],
    ) {
        let Attention { scores, whole } = work;
        scores.resize(positions, 0.0);
        match &self.stored {
            Kind::F32(pair) => pair.attend(self.shape, head, query, scores, out),
            Kind::Bf16(pair) => pair.attend(self.shape, head, query, scores, out),
            Kind::F16(pair) => pair.attend(self.shape, head, query, scores, out),
            Kind::Whole(cache) => cache.attend(head, positions, query, whole, out),
        }
    }

    /// Its bytes for each position.
    pub(in super::super) fn position_bytes(heads: usize, head_dim: usize, precision: Precision) -> u64 {
        let each = match precision {
            Precision::F32 => 8 * head_dim,
            Precision::Bf16 | Precision::F16 => 4 * head_dim,
            Precision::Q8_0 | Precision::Q6_0 | Precision::Q4_0 => WholeCache::position_bytes(head_dim),
        };
        (heads * each) as u64
    }
}

impl<T: Stored> Pair<T> {
    fn with_room(Shape { heads, head_dim, room }: Shape) -> Self {
        let zeros = || vec![T::default(); heads * room * head_dim];
        Self { keys: zeros(), values: zeros() }
    }

    fn set(
        &mut self,
        Shape { head_dim, room, .. }: Shape,
        head: usize,
        position: usize,
        keys: &[f32],
        values: &[f32],
    ) {
        let start = head * room * head_dim;
        let tile = start + position / LANES * LANES * head_dim + position % LANES;
        for (place, key) in self.keys[tile..].iter_mut().step_by(LANES).zip(keys) {
            *place = T::of(*key);
        }
        for (place, value) in self.values[start + position * head_dim..].iter_mut().zip(values) {
            *place = T::of(*value);
        }
    }

    fn attend(&self, shape: Shape, head: usize, query: &[f32], scores: &mut [f32], out: &mut [f32]) {
        widest(
            #[inline(always)]
            || self.attend_inlined(shape, head, query, scores, out),
        );
    }

    #[inline(always)]
    fn attend_inlined(
        &self,
        Shape { head_dim, room, .. }: Shape,
        head: usize,
        query: &[f32],
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let start = head * room * head_dim;
        let keys = self.keys[start..][..room * head_dim].as_chunks::<LANES>().0;
        let factor = 1.0 / (head_dim as f32).sqrt();
        let (whole, rest) = scores.split_at_mut(scores.len() / (TILES * LANES) * TILES * LANES);
        let (many, few) = keys.split_at(whole.len() / LANES * head_dim);
        for (tiles, scores) in
            many.chunks_exact(TILES * head_dim).zip(whole.as_chunks_mut::<LANES>().0.as_chunks_mut().0)
        {
            products::<T, TILES>(query, tiles, factor, scores);
        }
        for (tile, scores) in few.chunks_exact(head_dim).zip(rest.chunks_mut(LANES)) {
            let mut padded = [[0.0; LANES]];
            products::<T, 1>(query, tile, factor, &mut padded);
            scores.copy_from_slice(&padded[0][..scores.len()]);
        }
        softmax(scores);
        let values = &self.values[start..][..scores.len() * head_dim];
        let (wide, narrow) = out.as_chunks_mut::<WIDE>();
        let wides = wide.len() * WIDE;
        for (part, out) in wide.iter_mut().enumerate() {
            *out = sums(scores, values, head_dim, part * WIDE);
        }
        for (part, out) in narrow.chunks_mut(LANES).enumerate() {
            let from = wides + part * LANES;
            let count = out.len();
            if count == LANES {
                out.copy_from_slice(&sums::<T, LANES>(scores, values, head_dim, from));
            } else {
                for (column, out) in out.iter_mut().enumerate() {
                    *out = sums::<T, 1>(scores, values, head_dim, from + column)[0];
                }
            }
        }
    }
}

/// The products of a query with the keys of some tiles, in any grouping the same; those of several tiles need not wait for each
/// other.
#[inline(always)]
fn products<T: Stored, const COUNT: usize>(
    query: &[f32],
    tiles: &[[T; LANES]],
    factor: f32,
    scores: &mut [[f32; LANES]; COUNT],
) {
    let mut sums = [[0.0; LANES]; COUNT];
    for (column, value) in query.iter().enumerate() {
        for (tile, sums) in sums.iter_mut().enumerate() {
            for (sum, key) in sums.iter_mut().zip(&tiles[tile * query.len() + column]) {
                *sum += value * key.widen();
            }
        }
    }
    for (scores, sums) in scores.iter_mut().zip(sums) {
        *scores = sums.map(|sum| sum * factor);
    }
}

/// Some columns of the values of each position, times its share, added up.
#[inline(always)]
fn sums<T: Stored, const COLUMNS: usize>(
    shares: &[f32],
    values: &[T],
    width: usize,
    from: usize,
) -> [f32; COLUMNS] {
    let mut sums = [0.0; COLUMNS];
    for (share, values) in shares.iter().zip(values.chunks_exact(width)) {
        if let Some(values) = values[from..].first_chunk::<COLUMNS>() {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += share * value.widen();
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Random;

    /// Attention as the textbook writes it, in f64.
    fn naive(query: &[f32], keys: &[Vec<f32>], values: &[Vec<f32>]) -> Vec<f64> {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let root = (query.len() as f64).sqrt();
        let scores: Vec<f64> = keys.iter().map(|key| (dot(query, key) / root).exp()).collect();
        let all: f64 = scores.iter().sum();
        let column = |column: usize| {
            scores.iter().zip(values).map(|(score, value)| score / all * f64::from(value[column])).sum()
        };
        (0..query.len()).map(column).collect()
    }

    #[test]
    fn a_query_finds_what_the_textbook_says() {
        let mut random = Random::new(6);
        for head_dim in [64, 24, 80, 8, 128] {
            let (heads, positions) = (2, 150);
            let mut rows = |count: usize| -> Vec<Vec<f32>> {
                (0..count).map(|_| (0..heads * head_dim).map(|_| random.bipolar() * 2.0).collect()).collect()
            };
            let (keys, values, queries) = (rows(positions), rows(positions), rows(1));
            for (precision, most) in [
                (Precision::F32, 2e-6),
                (Precision::Bf16, 2e-2),
                (Precision::F16, 2e-3),
                (Precision::Q8_0, 4e-2),
            ] {
                let mut cache = Cache::with_room(heads, head_dim, positions, precision);
                for (position, (keys, values)) in keys.iter().zip(&values).enumerate() {
                    cache.set(position, keys, values);
                }
                for head in 0..heads {
                    let own = |rows: &[Vec<f32>], count: usize| -> Vec<Vec<f32>> {
                        rows[..count].iter().map(|row| row[head * head_dim..][..head_dim].to_vec()).collect()
                    };
                    for count in [1, 16, 20, 64, 65, positions] {
                        let query = &own(&queries, 1)[0];
                        let expected = naive(query, &own(&keys, count), &own(&values, count));
                        let (mut work, mut found) = (Attention::default(), vec![0.0; head_dim]);
                        cache.attend(head, count, query, &mut work, &mut found);
                        for (found, expected) in found.iter().zip(expected) {
                            let apart = (f64::from(*found) - expected).abs();
                            assert!(apart < most, "{precision} {head_dim} {count}: {apart:e}");
                        }
                    }
                }
            }
        }
    }
}
