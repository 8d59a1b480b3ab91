//! What a row of the batch remembers of one layer, in whole numbers of 8 bits.
//!
//! Every key and every value of a head has a scale of its own, the query too. The shares of 64 positions have one together: they lie
//! between 0 and 1, so that 127 steps of the largest are as fine as the values they are multiplied with. Keys and values lie as the
//! groups of a matrix do, 64 bytes that one instruction multiplies, each made positive by adding 128:
//!
//! ```text
//! keys, of each head:    16 positions are a tile; of 4 columns in each:   p0 c0..4, p1 c0..4, ... p15 c0..4
//! values, of each head:  16 columns are a part;   of 4 positions in each: c0 p0..4, c1 p0..4, ... c15 p0..4
//! ```

use super::{
    super::lanes::widest,
    blocks::{GROUP, Vector, shift},
    functions::softmax,
    integers::dots,
    matrix::LANES,
    stored::whole,
};

/// Positions whose shares have one scale.
const TOGETHER: usize = 64;

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
    /// `[heads, head_dim / 16, room / 4, 16, 4]`, with columns of zeros up to a whole part.
    values: Vec<Vector>,
    /// `[heads, room]` each.
    key_scales: Vec<f32>,
    value_scales: Vec<f32>,
}

/// What attention works on.
#[derive(Debug, Default)]
pub(super) struct Work {
    dots: Vec<[i32; LANES]>,
    shares: Vec<[i8; GROUP]>,
    /// Of [`TOGETHER`] positions each: the scale of their shares, and the sum of the whole numbers.
    blocks: Vec<(f32, i32)>,
}

impl WholeCache {
    /// Room for so many positions, nothing in it.
    pub(super) fn with_room(heads: usize, head_dim: usize, positions: usize) -> Self {
        let room = positions.next_multiple_of(TOGETHER);
        let zeros = |vectors: usize| vec![[shift(8) as u8; GROUP * LANES]; heads * vectors];
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
            group[position % LANES * GROUP..][..GROUP].copy_from_slice(&whole.map(positive));
        }
        let parts = self.head_dim.div_ceil(LANES);
        self.value_scales[head * self.room + position] = round(value, &mut whole);
        for (part, whole) in whole.as_chunks::<LANES>().0.iter().enumerate().take(parts) {
            let group = &mut self.values[((head * parts + part) * self.room + position) / GROUP];
            for (place, whole) in group[position % GROUP..].iter_mut().step_by(GROUP).zip(whole) {
                *place = positive(*whole);
            }
        }
    }

    /// What the query of a head finds in the first positions, at least one: as many scores as there are positions are working space.
    pub(super) fn attend(
        &self,
        head: usize,
        query: &[f32],
        scores: &mut [f32],
        work: &mut Work,
        out: &mut [f32],
    ) {
        let (positions, groups) = (scores.len(), self.head_dim.div_ceil(GROUP));
        let mut whole = [0; WIDEST_HEAD];
        let scale = round(query, &mut whole);
        let query = &whole.as_chunks().0[..groups];
        let sum: i32 = whole.iter().map(|whole| i32::from(*whole)).sum();
        work.dots.resize(positions.div_ceil(LANES), [0; LANES]);
        let tiles = &self.keys[head * self.room / LANES * groups..][..work.dots.len() * groups];
        dots(tiles, query, groups, false, &mut work.dots);
        let own = head * self.room..head * self.room + positions;
        let (key_scales, value_scales) = (&self.key_scales[own.clone()], &self.value_scales[own]);
        let scale = scale / (self.head_dim as f32).sqrt();
        widest(
            #[inline(always)]
            || {
                let scores_of = scores.chunks_mut(LANES).zip(key_scales.chunks(LANES));
                for ((scores, scales), dots) in scores_of.zip(&work.dots) {
                    for ((score, key_scale), dot) in scores.iter_mut().zip(scales).zip(dots) {
                        *score = (dot - shift(8) * sum) as f32 * (key_scale * scale);
                    }
                }
                softmax(scores);
                for (score, scale) in scores.iter_mut().zip(value_scales) {
                    *score *= scale;
                }
                work.round_shares(scores);
            },
        );
        self.sum(head, work, out);
    }

    /// The values of all positions times their shares, added up.
    fn sum(&self, head: usize, work: &mut Work, out: &mut [f32]) {
        let (parts, groups) = (self.head_dim.div_ceil(LANES), self.room / GROUP);
        work.dots.resize(work.blocks.len(), [0; LANES]);
        for (part, out) in out.chunks_mut(LANES).enumerate() {
            let values = &self.values[(head * parts + part) * groups..][..work.shares.len()];
            dots(values, &work.shares, TOGETHER / GROUP, true, &mut work.dots);
            let mut sums = [0.0; LANES];
            for (dots, (scale, sum)) in work.dots.iter().zip(&work.blocks) {
                for (total, dot) in sums.iter_mut().zip(dots) {
                    *total += (dot - shift(8) * sum) as f32 * scale;
                }
            }
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}

impl Work {
    #[inline(always)]
    fn round_shares(&mut self, shares: &[f32]) {
        self.blocks.clear();
        self.shares.clear();
        for block in shares.chunks(TOGETHER) {
            let mut padded = [0.0; TOGETHER];
            padded[..block.len()].copy_from_slice(block);
            let largest =
                padded.iter().fold(0.0_f32, |most, share| if *share > most { *share } else { most });
            let steps = if largest > f32::MIN_POSITIVE { STEPS / largest } else { 0.0 };
            let whole = padded.map(|share| whole(share * steps));
            let sum = whole.iter().map(|whole| i32::from(*whole)).sum();
            self.blocks.push((if steps > 0.0 { 1.0 / steps } else { 0.0 }, sum));
            self.shares.extend_from_slice(whole.as_chunks().0);
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
            let mut largest = [0.0_f32; LANES];
            for values in padded[..length].as_chunks::<LANES>().0 {
                for (largest, value) in largest.iter_mut().zip(values) {
                    *largest = if value.abs() > *largest { value.abs() } else { *largest };
                }
            }
            let largest =
                largest.iter().fold(0.0_f32, |most, value| if *value > most { *value } else { most });
            let steps = if largest > f32::MIN_POSITIVE { STEPS / largest } else { 0.0 };
            for (whole, value) in whole.iter_mut().zip(&padded[..length]) {
                *whole = super::stored::whole(value * steps);
            }
            if steps > 0.0 { 1.0 / steps } else { 0.0 }
        },
    )
}

fn positive(whole: i8) -> u8 {
    (i32::from(whole) + shift(8)) as u8
}
