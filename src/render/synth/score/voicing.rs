//! How a chord lies under the hands: close to the one before, in range, and without the parallels that some styles avoid.

use super::chord::Chord;
use crate::{
    music::Key,
    render::synth::instrument::{Chords, Instrument},
};

/// What voices of a player have to obey.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hands {
    /// Around what pitch chords lie.
    pub(super) centre: i32,
    /// Lowest and highest pitch.
    pub(super) range: [i32; 2],
    /// Whether chords are spread: the second voice from the top goes an octave down.
    pub(super) open: bool,
    /// Whether parallel fifths and octaves are avoided.
    pub(super) strict: bool,
}

/// A chord with the bass below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Laid {
    pub(super) voices: Vec<i32>,
    pub(super) bass: Option<i32>,
}

/// What an instrument takes of a chord, as semitones above the root; `above_bass`: a bass plays the root.
pub(super) fn members(chord: &Chord, instrument: Instrument, rootless: bool, above_bass: bool) -> Vec<i32> {
    match (chord.is_power(), instrument.play().chords) {
        (true, Chords::Power) => chord.fifths(),
        (true, _) | (false, Chords::Triads) => chord.triad(),
        (false, _) if rootless && above_bass => chord.rootless(),
        (false, _) => chord.members(),
    }
}

/// The pitches of a chord's members, lowest first, moving as little as possible from `before`.
pub(super) fn lay(
    chord: &Chord,
    key: Key,
    members: &[i32],
    hands: Hands,
    bass: Option<i32>,
    before: &Laid,
) -> Vec<i32> {
    let mut classes: Vec<i32> = members.iter().map(|&member| chord.class(key, member)).collect();
    // Power chords keep their root below and lie low.
    if members.contains(&12) {
        let lowest = hands.centre - 12;
        let root = lowest + (classes[0] - lowest).rem_euclid(12);
        let root = if root < hands.range[0] { root + 12 } else { root };
        return members.iter().map(|member| root + member).collect();
    }
    classes.sort_unstable();
    classes.dedup();
    let close = |lowest: usize, octave: i32| {
        let mut voices: Vec<i32> = Vec::with_capacity(classes.len());
        for offset in 0..classes.len() {
            let class = classes[(lowest + offset) % classes.len()];
            let floor = voices.last().map_or(12 * octave, |last| last + 1);
            voices.push(floor + (class - floor).rem_euclid(12));
        }
        voices
    };
    let spread = |mut voices: Vec<i32>| {
        let second = voices.len().saturating_sub(2);
        if voices.len() >= 3 {
            voices[second] -= 12;
            voices.sort_unstable();
        }
        voices
    };
    let every = || (0..classes.len()).flat_map(|lowest| (1..9).map(move |octave| (lowest, octave)));
    let candidates = every().flat_map(|(lowest, octave)| {
        let voices = close(lowest, octave);
        // Where rules are strict, either way of laying it may be the one that keeps them.
        let other = hands.strict.then(|| spread(voices.clone()));
        std::iter::once(if hands.open { spread(voices) } else { voices }).chain(other)
    });
    candidates.min_by_key(|voices| cost(voices, hands, bass, before)).unwrap_or_default()
}

fn cost(voices: &[i32], hands: Hands, bass: Option<i32>, before: &Laid) -> i32 {
    let mean = voices.iter().sum::<i32>() / voices.len().max(1) as i32;
    let nearest =
        |pitch: i32, others: &[i32]| others.iter().map(|other| (other - pitch).abs()).min().unwrap_or(0);
    let moved: i32 = voices.iter().map(|&voice| nearest(voice, &before.voices)).sum::<i32>()
        + before.voices.iter().map(|&voice| nearest(voice, voices)).sum::<i32>();
    // Two voices a semitone apart at the bottom, or close ones in the depths, sound like a fault.
    let rough = voices.windows(2).filter(|pair| pair[1] - pair[0] == 1).count() as i32;
    let rough = rough + 2 * i32::from(voices.len() > 1 && voices[1] - voices[0] == 1);
    let muddy = voices.windows(2).filter(|pair| pair[0] < 50 && pair[1] - pair[0] < 5).count() as i32;
    let [low, high] = hands.range;
    let outside = voices.iter().filter(|&&voice| voice < low || voice > high).count() as i32;
    let below_bass = voices.iter().filter(|&&voice| bass.is_some_and(|bass| voice <= bass)).count() as i32;
    let parallels = if hands.strict { parallels(voices, bass, before) } else { 0 };
    moved
        + 2 * (mean - hands.centre).abs()
        + 3 * rough
        + 5 * muddy
        + 200 * outside
        + 60 * below_bass
        + 90 * parallels
}

/// How many pairs of voices go in parallel fifths or octaves.
pub(super) fn parallels(voices: &[i32], bass: Option<i32>, before: &Laid) -> i32 {
    if voices.len() != before.voices.len() {
        return 0;
    }
    let line = |bass: Option<i32>, voices: &[i32]| -> Vec<i32> {
        bass.into_iter().chain(voices.iter().copied()).collect()
    };
    let (then, now) = match (before.bass, bass) {
        (Some(_), Some(_)) => (line(before.bass, &before.voices), line(bass, voices)),
        _ => (before.voices.clone(), voices.to_vec()),
    };
    let mut found = 0;
    for low in 0..now.len() {
        for high in low + 1..now.len() {
            found += i32::from(parallel((then[low], now[low]), (then[high], now[high])));
        }
    }
    found
}

/// Whether two voices that both move keep a fifth or an octave between them.
pub(super) fn parallel(low: (i32, i32), high: (i32, i32)) -> bool {
    let interval = |low: i32, high: i32| (high - low).rem_euclid(12);
    let (then, now) = (interval(low.0, high.0), interval(low.1, high.1));
    low.0 != low.1 && high.0 != high.1 && then == now && matches!(now, 0 | 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        music::Mode,
        render::synth::style::{Colour, Numeral},
    };

    fn chord(text: &str) -> Chord {
        Chord::new(Numeral::try_from(text.to_owned()).unwrap(), Mode::Major, Colour::Triad)
    }

    #[test]
    fn voices_move_little_and_stay_around_the_centre() {
        let key: Key = "C".parse().unwrap();
        let hands = Hands { centre: 60, range: [36, 96], open: false, strict: false };
        let mut before = Laid::default();
        for text in ["I", "V", "vi", "IV", "ii", "V7", "I"] {
            let chord = chord(text);
            let voices = lay(&chord, key, &chord.members(), hands, None, &before);
            assert!(voices.is_sorted() && voices.iter().all(|pitch| (50..=70).contains(pitch)), "{voices:?}");
            for (now, then) in voices.iter().zip(&before.voices) {
                assert!((now - then).abs() <= 5, "{:?} to {voices:?}", before.voices);
            }
            before = Laid { voices, bass: None };
        }
    }

    #[test]
    fn strict_hands_avoid_parallels_on_every_step() {
        let key: Key = "C".parse().unwrap();
        let hands = Hands { centre: 60, range: [36, 84], open: false, strict: true };
        let numerals = ["I", "ii", "iii", "IV", "V", "vi", "vii"];
        for first in numerals {
            for second in numerals.into_iter().filter(|second| *second != first) {
                let bass = |chord: &Chord| Some(40 + (chord.class(key, 0) - 40).rem_euclid(12));
                let (one, two) = (chord(first), chord(second));
                let voices = lay(&one, key, &one.members(), hands, bass(&one), &Laid::default());
                let before = Laid { voices, bass: bass(&one) };
                let after = lay(&two, key, &two.members(), hands, bass(&two), &before);
                assert_eq!(
                    parallels(&after, bass(&two), &before),
                    0,
                    "{first} {second}: {before:?} {after:?}"
                );
            }
        }
    }

    #[test]
    fn parallels_are_counted() {
        let before = Laid { voices: vec![60, 67], bass: Some(48) };
        assert_eq!(parallels(&[62, 69], Some(50), &before), 3);
        assert_eq!(parallels(&[59, 67], Some(43), &before), 0);
    }
}
