//! Chords: which one in which bar, and how it lies under the hands.

use crate::{
    audio::Random,
    music::{Key, Mode},
    plan::Plan,
    render::synth::{
        instrument::{Chords, Instrument},
        style::{Book, ChordKind, Style},
    },
    wire::Role,
};

/// A chord of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chord {
    /// Degree of its root, 0 to 6.
    pub(super) root: i32,
    /// Whether the seventh degree is raised to a leading tone.
    pub(super) raised: bool,
}

impl Chord {
    /// The chord on the tonic.
    pub(super) const TONIC: Self = Self { root: 0, raised: false };

    /// Pitch of a degree while this chord sounds.
    pub(super) fn pitch(self, key: Key, degree: i32, octave_c: i32) -> i32 {
        let leading = self.raised && degree.rem_euclid(7) == 6 && key.mode() == Mode::Minor;
        key.pitch(degree, octave_c) + i32::from(leading)
    }

    /// Its members as degrees above the root, the root first.
    fn members(self, key: Key, kind: ChordKind) -> Vec<i32> {
        let above = |degree| key.pitch(self.root + degree, 0) - key.pitch(self.root, 0);
        // A ninth or seventh that grinds against the root or the octave is left out.
        let soft_ninth = above(8) == 14;
        let major_seventh = above(2) == 4 && matches!(self.root, 0 | 3 | 5);
        let soft_seventh = above(6) != 11 || major_seventh;
        match kind {
            ChordKind::Power => vec![0, 4, 7],
            // On the tonic the fifth says where home is, and the seventh would blur it.
            ChordKind::Ninth if soft_ninth && self.root == 0 => vec![0, 2, 4, 8],
            ChordKind::Ninth if soft_ninth && soft_seventh => vec![0, 2, 6, 8],
            ChordKind::Ninth if soft_ninth => vec![0, 2, 4, 8],
            ChordKind::Seventh | ChordKind::Ninth if soft_seventh => vec![0, 2, 4, 6],
            _ => vec![0, 2, 4],
        }
    }

    /// The pitches of the chord around `centre`, lowest first, moving as little as possible from `before`.
    pub(super) fn voicing(self, key: Key, kind: ChordKind, centre: i32, before: &[i32]) -> Vec<i32> {
        let pitches: Vec<i32> =
            self.members(key, kind).iter().map(|degree| self.pitch(key, self.root + degree, 0)).collect();
        if kind == ChordKind::Power {
            // Power chords lie low.
            let lift = 12 * (f64::from(centre - 5 - pitches[1]) / 12.0).round() as i32;
            return pitches.iter().map(|pitch| pitch + lift).collect();
        }
        let mut classes: Vec<i32> = pitches.iter().map(|pitch| pitch.rem_euclid(12)).collect();
        classes.sort_unstable();
        let candidate = |lowest: usize, octave: i32| {
            let mut last = i32::MIN;
            let mut voices = Vec::with_capacity(classes.len());
            for offset in 0..classes.len() {
                let class = classes[(lowest + offset) % classes.len()];
                let mut pitch = class + 12 * octave;
                while pitch <= last {
                    pitch += 12;
                }
                last = pitch;
                voices.push(pitch);
            }
            voices
        };
        let cost = |voices: &[i32]| {
            let mean = voices.iter().sum::<i32>() / voices.len() as i32;
            let moved: i32 = voices.iter().zip(before).map(|(now, then)| (now - then).abs()).sum();
            // Two voices a semitone apart at the bottom sound like a fault.
            let rough = voices.windows(2).filter(|pair| pair[1] - pair[0] == 1).count() as i32;
            moved + 2 * (mean - centre).abs() + 3 * rough
        };
        (0..pitches.len())
            .flat_map(|lowest| (1..9).map(move |octave| (lowest, octave)))
            .map(|(lowest, octave)| candidate(lowest, octave))
            .min_by_key(|voices| cost(voices))
            .unwrap_or(pitches)
    }

    /// The degree of the triad nearest to `degree` that keeps the way the melody moves: by `motion` from the degree `before`.
    pub(super) fn bent(self, degree: i32, motion: i32, before: i32) -> i32 {
        let nearest = self.nearest_member(degree, degree + motion.signum());
        let moved = (nearest - before).signum();
        if motion == 0 || moved == motion.signum() {
            return nearest;
        }
        let further = self.nearest_member(degree + 2 * motion.signum(), degree);
        if (further - before).signum() == motion.signum() { further } else { nearest }
    }

    /// The degree of the triad nearest to `degree`; of two as near, the one nearer to `towards`.
    pub(super) fn nearest_member(self, degree: i32, towards: i32) -> i32 {
        (degree - 2..=degree + 2)
            .filter(|candidate| matches!((candidate - self.root).rem_euclid(7), 0 | 2 | 4))
            .min_by_key(|candidate| ((candidate - degree).abs(), (candidate - towards).abs()))
            .unwrap_or(degree)
    }
}

/// How many chord tones an instrument takes in a style.
pub(super) fn kind_for(instrument: Instrument, style: &Style) -> ChordKind {
    match (style.chord, instrument.play().chords) {
        (ChordKind::Power, Chords::Power) => ChordKind::Power,
        (ChordKind::Power, _) | (_, Chords::Triads) => ChordKind::Triad,
        (kind, _) => kind,
    }
}

/// The chords of a section, one per bar. `bars` counts the bars that are played before the final chord of the piece,
/// when `ends` says that this section has it.
pub(super) fn chords(
    plan: &Plan,
    book: &Book,
    style: &Style,
    index: usize,
    bars: usize,
    ends: bool,
) -> Vec<Chord> {
    let list = book.progressions(style, plan.key.mode());
    let mut random = Random::stream(plan.seed, "progressions");
    let main = random.below(list.len().min(2));
    let chorus = random.below(list.len());
    let contrast = (main + 1 + random.below(list.len().max(2) - 1)) % list.len();
    let progression = match plan.sections.get(index).map(|section| section.role) {
        Some(Role::Chorus) => chorus,
        Some(Role::Bridge | Role::Development) => contrast,
        _ => main,
    };
    let per_chord = if bars >= 4 * style.chord_bars { style.chord_bars } else { 1 };
    let mut chords: Vec<Chord> = (0..bars)
        .map(|bar| Chord { root: list[progression].chord(bar / per_chord), raised: false })
        .collect();
    if ends
        && bars >= 2
        && let Some(last) = chords.last_mut()
    {
        *last = cadence(plan.key.mode(), style.leading);
    }
    chords
}

/// The chord that leads home.
fn cadence(mode: Mode, leading: bool) -> Chord {
    match mode {
        Mode::Major | Mode::Lydian | Mode::HarmonicMinor => Chord { root: 4, raised: false },
        Mode::Minor if leading => Chord { root: 4, raised: true },
        Mode::Minor | Mode::Dorian | Mode::Mixolydian => Chord { root: 6, raised: false },
        Mode::Phrygian | Mode::Locrian => Chord { root: 1, raised: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voicings_move_little_and_stay_around_the_centre() {
        let key: Key = "C major".parse().unwrap();
        let mut before = Vec::new();
        for root in [0, 4, 5, 3, 1, 6, 0] {
            let chord = Chord { root, raised: false };
            let voices = chord.voicing(key, ChordKind::Triad, 60, &before);
            assert!(
                voices.is_sorted() && voices.iter().all(|&pitch| (50..=70).contains(&pitch)),
                "{voices:?}"
            );
            assert!(voices.iter().all(|&pitch| key.contains(pitch)));
            for (now, then) in voices.iter().zip(&before) {
                assert!((now - then as &i32).abs() <= 5, "{before:?} to {voices:?}");
            }
            before = voices;
        }
    }

    #[test]
    fn the_leading_tone_is_raised_only_when_asked() {
        let key: Key = "A minor".parse().unwrap();
        let raised = Chord { root: 4, raised: true }.voicing(key, ChordKind::Triad, 60, &[]);
        assert!(raised.iter().any(|pitch| pitch.rem_euclid(12) == 8), "no G sharp in {raised:?}");
        let plain = Chord { root: 4, raised: false }.voicing(key, ChordKind::Triad, 60, &[]);
        assert!(plain.iter().all(|&pitch| key.contains(pitch)));
    }

    #[test]
    fn harmonic_minor_has_a_dominant_and_no_augmented_chord() {
        let key: Key = "A harmonic minor".parse().unwrap();
        let book = Book::open().unwrap();
        for name in book.names() {
            let style = book.style(name).unwrap();
            for progression in book.progressions(style, key.mode()) {
                for number in 0..4 {
                    let chord = Chord { root: progression.chord(number), raised: false };
                    let degrees = chord.members(key, style.chord);
                    let above = |degree: i32| key.pitch(chord.root + degree, 0) - key.pitch(chord.root, 0);
                    assert!(above(4) < 8 && chord.root != 6, "{name}: {chord:?}");
                    let grinds = degrees.contains(&6) && above(6) == 11 && above(2) == 3;
                    assert!(!grinds, "{name}: a major seventh over the minor chord of {chord:?}");
                }
            }
        }
    }

    #[test]
    fn members_are_found_close_by() {
        let chord = Chord { root: 4, raised: false };
        assert_eq!(chord.nearest_member(4, 0), 4);
        assert_eq!(chord.nearest_member(5, 9), 6);
        assert_eq!(chord.nearest_member(5, 0), 4);
        assert_eq!(chord.nearest_member(-2, 0), -1);
    }
}
