//! What a row of the batch remembers of one layer, in whole numbers of 8 bits.
//!
//! Every key and every value of a head has a scale of its own, the query too. The shares of 64 positions have one together: they lie
//! between 0 and 1, so that 127 steps of the largest are as fine as the values they are multiplied with. Keys and values lie as the
//! groups of a matrix do, 64 bytes that one instruction multiplies, each made positive by adding 128. Of every 64 positions:
//!
//! ```text
//! keys:    16 positions are a tile; of 4 columns in each:   p0 c0..4, p1 c0..4, ... p15 c0..4
//! values:  16 columns are a tile;   of 4 positions in each: c0 p0..4, c1 p0..4, ... c15 p0..4
//! ```
//!
//! Four tiles stand side by side: first the first group of each of them.

use std::iter;

use super::{
    super::lanes::{exp, widest},
    blocks::{GROUP, NOTHING, Vector, shift},
    functions::highest,
    integers::{TILES, dots},
    matrix::LANES,
    stored::{largest, whole},
};

/// Positions whose shares have one scale.
const TOGETHER: usize = 64;

/// Groups of their values.
const GROUPS: usize = TOGETHER / GROUP;

/// Columns of the values in four tiles.
const COLUMNS: usize = TILES * LANES;

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
    /// `[heads, room / 64, head_dim / 4]`, with columns of zeros up to a whole group.
    keys: Vec<[Vector; TILES]>,
    /// `[heads, room / 64, head_dim / 64, 64 / 4]`, with columns of zeros up to four whole tiles.
    values: Vec<[Vector; TILES]>,
    /// `[heads, room]` each.
    key_scales: Vec<f32>,
    value_scales: Vec<f32>,
}

/// What attention works on, by blocks of [`TOGETHER`] positions.
#[derive(Debug, Default)]
pub(super) struct Work {
    dots: Vec<[[i32; LANES]; TILES]>,
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
        let zeros = [Vector([shift(8) as u8; GROUP * LANES]); TILES];
        let blocks = heads * room / TOGETHER;
        Self {
            head_dim,
            room,
            keys: vec![zeros; blocks * head_dim.div_ceil(GROUP)],
            values: vec![zeros; blocks * head_dim.div_ceil(COLUMNS) * GROUPS],
            key_scales: vec![0.0; heads * room],
            value_scales: vec![0.0; heads * room],
        }
    }

    /// Bytes of a position of a head.
    pub(super) fn position_bytes(head_dim: usize) -> usize {
        head_dim.next_multiple_of(GROUP) + head_dim.next_multiple_of(COLUMNS) + 2 * size_of::<f32>()
    }

    /// Puts a key and a value of a head in their place.
    pub(super) fn set(&mut self, head: usize, position: usize, key: &[f32], value: &[f32]) {
        let mut whole = [0; WIDEST_HEAD];
        let place = head * self.room + position;
        let (block, position) = (place / TOGETHER, place % TOGETHER);
        let groups = self.head_dim.div_ceil(GROUP);
        self.key_scales[place] = round(key, &mut whole);
        for (tiles, whole) in self.keys[block * groups..][..groups].iter_mut().zip(whole.as_chunks().0) {
            tiles[position / LANES].0.as_chunks_mut::<GROUP>().0[position % LANES] = whole.map(positive);
        }
        self.value_scales[place] = round(value, &mut whole);
        let groups = self.head_dim.div_ceil(COLUMNS) * GROUPS;
        let parts = self.values[block * groups..][..groups].chunks_mut(GROUPS);
        for (groups, whole) in parts.zip(whole.as_chunks::<COLUMNS>().0) {
            let tiles = &mut groups[position / GROUP];
            for (tile, whole) in tiles.iter_mut().zip(whole.as_chunks::<LANES>().0) {
                for (place, whole) in tile.0[position % GROUP..].iter_mut().step_by(GROUP).zip(whole) {
                    *place = positive(*whole);
                }
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
        let (groups, parts) = (self.head_dim.div_ceil(GROUP), self.head_dim.div_ceil(COLUMNS));
        let blocks = positions.div_ceil(TOGETHER);
        let first = head * self.room;
        let keys = |head: usize| &self.keys[head * self.room / TOGETHER * groups..][..blocks * groups];
        let values = &self.values[first / TOGETHER * parts * GROUPS..][..blocks * parts * GROUPS];
        let key_scales = &self.key_scales[first..][..blocks * TOGETHER];
        let value_scales = &self.value_scales[first..][..blocks * TOGETHER];

        let mut whole = [0; WIDEST_HEAD];
        let scale = round(query, &mut whole) / (self.head_dim as f32).sqrt();
        let beyond = shift(8) * whole.iter().map(|whole| i32::from(*whole)).sum::<i32>();
        let query = &whole.as_chunks().0[..groups];
        work.dots.resize(blocks * parts, [[0; LANES]; TILES]);
        let of_block = keys(head).chunks_exact(groups);
        let mut later = of_block.clone().skip(AHEAD).chain(values.chunks_exact(GROUPS));
        for (keys, sums) in of_block.zip(&mut work.dots) {
            dots(keys, query, later.next().unwrap_or_default(), sums);
        }
        let all = widest(
            #[inline(always)]
            || {
                work.score(key_scales, scale, beyond, positions);
                work.share(value_scales)
            },
        );
        // Most likely the next head is asked for next.
        let next = if first + self.room < self.key_scales.len() { keys(head + 1) } else { &[] };
        let of_part = values.chunks_exact(GROUPS);
        let mut later = of_part.clone().skip(AHEAD).chain(next.chunks_exact(groups));
        let shares = work.shares.iter().flat_map(|shares| iter::repeat_n(shares, parts));
        for ((values, sums), shares) in of_part.zip(&mut work.dots).zip(shares) {
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
        // One flat loop: of one over tiles the compiler makes gathers and scatters.
        let scores = self.scores.as_flattened_mut().as_flattened_mut();
        for ((score, dot), key_scale) in
            scores.iter_mut().zip(self.dots.as_flattened().as_flattened()).zip(key_scales)
        {
            *score = (dot - beyond) as f32 * (key_scale * scale);
        }
        scores[positions..].fill(f32::NEG_INFINITY);
    }

    /// Makes shares of the scores; returns their sum.
    #[inline(always)]
    fn share(&mut self, value_scales: &[f32]) -> f32 {
        let highest = highest(self.scores.as_flattened());
        for score in self.scores.as_flattened_mut().as_flattened_mut() {
            *score = exp(*score - highest);
        }
        let mut all = [0.0; LANES];
        for shares in self.scores.as_flattened() {
            for (all, share) in all.iter_mut().zip(shares) {
                *all += share;
            }
        }
        for (share, value_scale) in
            self.scores.as_flattened_mut().as_flattened_mut().iter_mut().zip(value_scales)
        {
            *share *= value_scale;
        }
        self.shares.clear();
        for scores in &self.scores {
            let shares = scores.as_flattened();
            let steps = steps(largest(shares));
            let mut quants = [0; TOGETHER];
            let mut sum = 0;
            for (quant, share) in quants.iter_mut().zip(shares) {
                *quant = whole(share * steps) as i8;
                sum += i32::from(*quant);
            }
            self.shares.push(Shares { quants, scale: scale_of(steps), sum });
        }
        all.iter().sum()
    }

    /// Values of all positions times their shares, added up.
    #[inline(always)]
    fn sum(&self, parts: usize, all: f32, out: &mut [f32]) {
        for (tile, out) in out.chunks_mut(LANES).enumerate() {
            let mut sums = [0.0; LANES];
            for (dots, shares) in self.dots.chunks_exact(parts).zip(&self.shares) {
                for (sum, dot) in sums.iter_mut().zip(&dots[tile / TILES][tile % TILES]) {
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
    if largest > NOTHING { STEPS / largest } else { 0.0 }
}

#[inline(always)]
fn scale_of(steps: f32) -> f32 {
    if steps > 0.0 { 1.0 / steps } else { 0.0 }
}

fn positive(whole: i8) -> u8 {
    (i32::from(whole) + shift(8)) as u8
}
