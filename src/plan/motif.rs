//! The melody that holds a piece together: two bars of scale degrees, drawn from the seed.

use crate::{audio::Random, music::Metre, wire::MotifNote};

/// Draws a motif of two bars (one at slow tempi in long bars): it starts on a note of the tonic chord, moves mostly by step with
/// at most one larger leap per bar, and comes to rest on a long note of the tonic chord.
pub(super) fn draw(seed: u64, metre: Metre, tempo_bpm: f64) -> Vec<MotifNote> {
    let mut random = Random::stream(seed, "plan/motif");
    let bars = if metre.bar_seconds(tempo_bpm) > 4.0 { 1 } else { 2 };
    let rhythm = rhythm(&mut random, metre, bars);
    let mut degree = [0, 2, 4][random.below(3)];
    let direction = if random.chance(0.6) { 1 } else { -1 };
    let last = rhythm.len() - 1;
    let turn = (rhythm.len() as f64 * random.between(0.4, 0.7)) as usize;
    let mut leaps = 0;
    let mut motif = Vec::with_capacity(rhythm.len());
    for (index, beats) in rhythm.into_iter().enumerate() {
        if index == last {
            degree = nearest_chord_note(degree);
        }
        motif.push(MotifNote { degree: Some(degree), beats });
        let heading = if index < turn { direction } else { -direction };
        let leap = leaps < bars && random.chance(0.2);
        leaps += usize::from(leap);
        let step = match (leap, random.below(6)) {
            (true, _) => 3 * heading,
            (false, 0) => 0,
            (false, 1) => -heading,
            (false, 2) => 2 * heading,
            (false, _) => heading,
        };
        degree = (degree + step).clamp(-3, 8);
    }
    motif
}

/// The degree of the tonic chord (0, 2, 4 in any octave) nearest to `degree`; of two the lower.
fn nearest_chord_note(degree: i32) -> i32 {
    let distance = |candidate: &i32| (candidate - degree).abs();
    (-3_i32..=8)
        .filter(|candidate| matches!(candidate.rem_euclid(7), 0 | 2 | 4))
        .min_by_key(distance)
        .unwrap_or(0)
}

/// Note lengths in beats that fill `bars` bars: one cell per group of the bar, the last group one long note.
fn rhythm(random: &mut Random, metre: Metre, bars: usize) -> Vec<f64> {
    let eighth = 1.0 / f64::from(metre.eighths_per_beat());
    let groups = metre.groups();
    // The bar's rhythm is drawn once and repeated, so that the ear can hold on to it.
    let cells: Vec<&[u32]> = groups.iter().map(|group| cell(random, *group)).collect();
    let mut eighths: Vec<u32> = Vec::new();
    for bar in 0..bars {
        let ends_here = bar + 1 == bars;
        let held = if ends_here { groups.len().div_ceil(2) } else { 0 };
        eighths.extend(cells[..groups.len() - held].iter().copied().flatten());
        if ends_here {
            eighths.push(groups[groups.len() - held..].iter().sum());
        }
    }
    eighths.into_iter().map(|count| f64::from(count) * eighth).collect()
}

/// One rhythmic cell for a group of two or three eighths, in eighths.
fn cell(random: &mut Random, group: u32) -> &'static [u32] {
    const PAIRS: [&[u32]; 4] = [&[2], &[1, 1], &[2], &[1, 1]];
    const TRIPLES: [&[u32]; 4] = [&[3], &[2, 1], &[1, 1, 1], &[2, 1]];
    let cells = if group == 3 { TRIPLES } else { PAIRS };
    cells[random.below(cells.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_its_bars_and_comes_to_rest() {
        for metre in Metre::ALL {
            for seed in 0..200 {
                let motif = draw(seed, metre, 120.0);
                let beats: f64 = motif.iter().map(|note| note.beats).sum();
                assert!((beats - 2.0 * metre.beats()).abs() < 1e-9, "{metre} {seed}: {beats}");
                let degrees: Vec<i32> = motif.iter().filter_map(|note| note.degree).collect();
                assert!(motif.len() >= 3 && motif.len() <= 32);
                assert!(matches!(degrees.last().map(|d| d.rem_euclid(7)), Some(0 | 2 | 4)));
                assert!(degrees.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 4), "{degrees:?}");
            }
        }
    }

    #[test]
    fn seeds_give_different_motifs() {
        let motifs: Vec<_> = (0..20).map(|seed| draw(seed, Metre::FourFour, 100.0)).collect();
        let same = motifs.iter().filter(|motif| **motif == motifs[0]).count();
        assert!(same <= 2, "{same} of 20 are alike");
    }
}
