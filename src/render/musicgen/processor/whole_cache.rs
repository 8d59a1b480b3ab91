//! What a row of the batch remembers of one layer, in whole numbers of 8 bits.
//!
//! Every key and every value of a head has a scale of its own, the query too. The shares of 64 positions have one together: they lie
//! between 0 and 1, so that 127 steps of the largest are as fine as the values they are multiplied with. Keys and values lie as the
//! groups of a matrix do, 64 bytes that one instruction multiplies, each made positive by adding 128:
//!
//! ```text
//! keys, of each head:    16 positions are a tile; of 4 columns in each:   p0 c0..4, p1 c0..4, ... p15 c0..4
//! values, of each head:  16 columns are a part;   of 4 positions in each: c0 p0..4, c1 p0..4, ... c15 p0..4
//!                        in 64 positions after the other, part by part
//! ```

use super::{
    super::lanes::{exp, widest},
    blocks::{GROUP, Vector, shift},
    functions::highest,
    integers::dots,
    matrix::LANES,
    stored::{largest, whole},
};

/// Positions whose shares have one scale.
const TOGETHER: usize = 64;

/// Tiles of these positions, and groups.
const TILES: usize = TOGETHER / LANES;
const GROUPS: usize = TOGETHER / GROUP;

/// While a block of positions is worked on, that so many blocks further on is fetched.
const AHEAD: usize = 2;

/// Columns of a head at most.
pub(in super::super) const WIDEST_HEAD: usize = 256;

/// The largest value in steps of its scale.
const STEPS: f32 = 127.0;

/// Keys and values of every head.
#[derive(Clone, Debug)]
pub(super) struct WholeCache {
    head_dim: usize,
    /// Positions, a multiple of [`TOGETHER`].
    room: usize,
    /// `[heads, room / 16, head_dim / 4, 16, 4]`, with columns of zeros up to a whole group.
    keys: Vec<Vector>,
    /// `[heads, room / 64, head_dim / 16, 64 / 4, 16, 4]`, with columns of zeros up to a whole part.
    values: Vec<Vector>,
    /// `[heads, room]` each.
    key_scales: Vec<f32>,
    value_scales: Vec<f32>,
}

/// What attention works on, by blocks of [`TOGETHER`] positions.
#[derive(Debug, Default)]
pub(super) struct Work {
    dots: Vec<[i32; LANES]>,
    scores: Vec<[[f32; LANES]; TILES]>,
    shares: Vec<Shares>,
}

/// Shares of a block, not yet divided by their sum, times the scales of their values.
#[derive(Debug)]
struct Shares {
    quants: [i8; TOGETHER],
    scale: f32,
    /// Of the whole numbers.
    sum: i32,
}

impl WholeCache {
    /// Room for so many positions, nothing in it.
    pub(super) fn with_room(heads: usize, head_dim: usize, positions: usize) -> Self {
        let room = positions.next_multiple_of(TOGETHER);
        let zeros = |vectors: usize| vec![Vector([shift(8) as u8; GROUP * LANES]); heads * vectors];
        Self {
            head_dim,
            room,
            keys: zeros(room / LANES * head_dim.div_ceil(GROUP)),
            values: zeros(room / GROUP * head_dim.div_ceil(LANES)),
            key_scales: vec![0.0; heads * room],
            value_scales: vec![0.0; heads * room],
        }
    }

    /// Bytes of a position of a head.
    pub(super) fn position_bytes(head_dim: usize) -> usize {
        head_dim.next_multiple_of(GROUP) + head_dim.next_multiple_of(LANES) + 2 * size_of::<f32>()
    }

    /// Puts a key and a value of a head in their place.
    pub(super) fn set(&mut self, head: usize, position: usize, key: &[f32], value: &[f32]) {
        let mut whole = [0; WIDEST_HEAD];
        let groups = self.head_dim.div_ceil(GROUP);
        let tile = &mut self.keys[(head * self.room + position) / LANES * groups..][..groups];
        self.key_scales[head * self.room + position] = round(key, &mut whole);
        for (group, whole) in tile.iter_mut().zip(whole.as_chunks::<GROUP>().0) {
            group.0[position % LANES * GROUP..][..GROUP].copy_from_slice(&whole.map(positive));
        }
        let parts = self.head_dim.div_ceil(LANES);
        self.value_scales[head * self.room + position] = round(value, &mut whole);
        let block = (head * self.room + position) / TOGETHER;
        let groups = self.values[block * parts * GROUPS..].chunks_mut(GROUPS).take(parts);
        for (groups, whole) in groups.zip(whole.as_chunks::<LANES>().0) {
            let group = &mut groups[position % TOGETHER / GROUP];
            for (place, whole) in group.0[position % GROUP..].iter_mut().step_by(GROUP).zip(whole) {
                *place = positive(*whole);
            }
        }
    }

    /// What the query of a head finds in the first positions, at least one.
    pub(super) fn attend(
        &self,
        head: usize,
        positions: usize,
        query: &[f32],
        work: &mut Work,
        out: &mut [f32],
    ) {
        let (groups, parts) = (self.head_dim.div_ceil(GROUP), self.head_dim.div_ceil(LANES));
        let blocks = positions.div_ceil(TOGETHER);
        let first = head * self.room;
        let keys = |head: usize| &self.keys[head * self.room / LANES * groups..][..blocks * TILES * groups];
        let values = &self.values[first / GROUP * parts..][..blocks * GROUPS * parts];
        let key_scales = &self.key_scales[first..][..blocks * TOGETHER];
        let value_scales = &self.value_scales[first..][..blocks * TOGETHER];

        let mut whole = [0; WIDEST_HEAD];
        let scale = round(query, &mut whole) / (self.head_dim as f32).sqrt();
        let beyond = shift(8) * whole.iter().map(|whole| i32::from(*whole)).sum::<i32>();
        let query = &whole.as_chunks().0[..groups];
        work.dots.resize(blocks * TILES, [0; LANES]);
        let of_block = keys(head).chunks_exact(TILES * groups);
        let mut later = of_block.clone().skip(AHEAD).chain(values.chunks_exact(GROUPS * parts));
        for (keys, sums) in of_block.zip(work.dots.chunks_exact_mut(TILES)) {
            dots(keys, query, later.next().unwrap_or_default(), sums);
        }
        let all = widest(
            #[inline(always)]
            || {
                work.score(key_scales, scale, beyond, positions);
                work.share(value_scales)
            },
        );
        work.dots.resize(blocks * parts, [0; LANES]);
        // Most likely the next head is asked for next.
        let next = if first + self.room < self.key_scales.len() { keys(head + 1) } else { &[] };
        let of_block = values.chunks_exact(GROUPS * parts);
        let mut later = of_block.clone().skip(AHEAD).chain(next.chunks_exact(TILES * groups));
        for ((values, sums), shares) in of_block.zip(work.dots.chunks_exact_mut(parts)).zip(&work.shares) {
            dots(values, shares.quants.as_chunks().0, later.next().unwrap_or_default(), sums);
        }
        widest(
            #[inline(always)]
            || work.sum(parts, all, out),
        );
    }
}

impl Work {
    /// The scores of the positions; behind the last one there is nothing to be heard.
    #[inline(always)]
    fn score(&mut self, key_scales: &[f32], scale: f32, beyond: i32, positions: usize) {
        self.scores.resize(key_scales.len() / TOGETHER, [[0.0; LANES]; TILES]);
        let tiles = self.scores.as_flattened_mut();
        let key_scales = key_scales.as_chunks::<LANES>().0;
        for ((scores, dots), key_scales) in tiles.iter_mut().zip(&self.dots).zip(key_scales) {
            for ((score, dot), key_scale) in scores.iter_mut().zip(dots).zip(key_scales) {
                *score = (dot - beyond) as f32 * (key_scale * scale);
            }
        }
        tiles.as_flattened_mut()[positions..].fill(f32::NEG_INFINITY);
    }

    /// Makes shares of the scores; returns their sum.
    #[inline(always)]
    fn share(&mut self, value_scales: &[f32]) -> f32 {
        let highest = highest(self.scores.as_flattened());
        let mut all = [0.0; LANES];
        self.shares.clear();
        for (scores, value_scales) in self.scores.iter_mut().zip(value_scales.as_chunks::<TOGETHER>().0) {
            for (scores, value_scales) in scores.iter_mut().zip(value_scales.as_chunks::<LANES>().0) {
                for ((score, all), value_scale) in scores.iter_mut().zip(&mut all).zip(value_scales) {
                    let share = exp(*score - highest);
                    *all += share;
                    *score = share * value_scale;
                }
            }
            let shares = scores.as_flattened();
            let steps = steps(largest(shares));
            let mut quants = [0; TOGETHER];
            let mut sum = 0;
            for (quant, share) in quants.iter_mut().zip(shares) {
                let whole = whole(share * steps);
                sum += whole;
                *quant = whole as i8;
            }
            self.shares.push(Shares { quants, scale: scale_of(steps), sum });
        }
        all.iter().sum()
    }

    /// Values of all positions times their shares, added up.
    #[inline(always)]
    fn sum(&self, parts: usize, all: f32, out: &mut [f32]) {
        for (part, out) in out.chunks_mut(LANES).enumerate() {
            let mut sums = [0.0; LANES];
            for (dots, shares) in self.dots.chunks_exact(parts).zip(&self.shares) {
                for (sum, dot) in sums.iter_mut().zip(&dots[part]) {
                    *sum += (dot - shift(8) * shares.sum) as f32 * shares.scale;
                }
            }
            out.copy_from_slice(&sums.map(|sum| sum / all)[..out.len()]);
        }
    }
}

/// Rounds the values of a head to steps of the scale that is returned, at most [`STEPS`]; behind them are zeros.
fn round(values: &[f32], whole: &mut [i8; WIDEST_HEAD]) -> f32 {
    let mut padded = [0.0; WIDEST_HEAD];
    padded[..values.len()].copy_from_slice(values);
    let length = values.len().next_multiple_of(LANES);
    widest(
        #[inline(always)]
        || {
            let largest = largest(&padded[..length]);
            let steps = steps(largest);
            for (whole, value) in whole.iter_mut().zip(&padded[..length]) {
                *whole = super::stored::whole(value * steps) as i8;
            }
            scale_of(steps)
        },
    )
}

/// What brings values up to [`STEPS`], whose largest is given: 0 for next to nothing.
#[inline(always)]
fn steps(largest: f32) -> f32 {
    if largest > f32::MIN_POSITIVE { STEPS / largest } else { 0.0 }
}

#[inline(always)]
fn scale_of(steps: f32) -> f32 {
    if steps > 0.0 { 1.0 / steps } else { 0.0 }
}

fn positive(whole: i8) -> u8 {
    (i32::from(whole) + shift(8)) as u8
}
