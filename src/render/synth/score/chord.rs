//! A chord as it sounds in a key, and the scale that melodies take over it.

use crate::{
    music::{Key, Mode},
    render::synth::style::{Colour, Numeral, Quality},
};

/// A chord. Pitches are semitones above the tonic of the key, members semitones above the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chord {
    /// 0 to 11.
    pub(super) root: i32,
    /// What the lowest voice plays, 0 to 11.
    pub(super) bass: i32,
    third: i32,
    fifth: i32,
    /// The seventh, or the sixth in its place.
    seventh: Option<i32>,
    tension: Option<i32>,
    power: bool,
    /// Letter of the root in the scale, 0 to 6.
    degree: i32,
    /// The scale of the key with the letters that the chord alters.
    scale: [i32; 7],
}

impl Chord {
    /// A numeral in a mode; what it does not say is made from the scale in the style's colour.
    pub(super) fn new(numeral: Numeral, mode: Mode, colour: Colour) -> Self {
        let Numeral { degree, root, minor, quality, bass } = numeral;
        let diatonic = mode.degrees();
        let plain = quality.is_none();
        let Quality { third, fifth, seventh, tension, power } = quality.unwrap_or_default();
        let letter = |above: i32| (degree + above).rem_euclid(7) as usize;
        let third = third.unwrap_or(if minor { 3 } else { 4 });
        // The triad on a leading tone is diminished without being called so.
        let diminishes =
            plain && minor && diatonic[letter(0)] == root && (diatonic[letter(4)] - root).rem_euclid(12) == 6;
        let fifth = fifth.unwrap_or(if diminishes { 6 } else { 7 });
        let mut chord = Self {
            root,
            bass: bass.unwrap_or(root),
            third,
            fifth,
            seventh,
            tension,
            power: power || (plain && colour == Colour::Power),
            degree,
            scale: diatonic,
        };
        chord.alter(0, 0);
        chord.alter(chord.third_letter(), third);
        chord.alter(4, fifth);
        if let Some(seventh) = seventh {
            chord.alter(if seventh == 9 && fifth != 6 { 5 } else { 6 }, seventh);
        }
        match tension {
            // A raised ninth is the minor third over the major one: no letter of the scale.
            Some(15) | None => {}
            Some(tension @ ..15) => chord.alter(1, tension),
            Some(tension @ 16..=18) => chord.alter(3, tension),
            Some(tension) => chord.alter(5, tension),
        }
        if plain {
            chord.colour(colour);
        }
        chord
    }

    /// Makes a letter of the scale what the chord has there.
    fn alter(&mut self, above: i32, member: i32) {
        let letter = (self.degree + above).rem_euclid(7) as usize;
        let usual = self.scale[letter];
        let class = (self.root + member - usual).rem_euclid(12);
        self.scale[letter] = usual + if class > 6 { class - 12 } else { class };
    }

    fn third_letter(&self) -> i32 {
        match self.third {
            2 => 1,
            5 => 3,
            _ => 2,
        }
    }

    /// Stacks from the scale what the style likes; a tone that would grind is left out.
    fn colour(&mut self, colour: Colour) {
        let above = |letter: i32| {
            (self.scale[(self.degree + letter).rem_euclid(7) as usize] - self.root).rem_euclid(12)
        };
        let (second, sixth, seventh) = (above(1), above(5), above(6));
        // A major seventh over a minor third grinds; a diminished one is no colour but a chord of its own.
        let seventh = match seventh {
            11 if self.third == 4 => Some(11),
            10 => Some(10),
            _ => None,
        };
        let ninth = (second == 2 && self.third != 2 && self.fifth == 7).then_some(14);
        match colour {
            Colour::Triad | Colour::Power => {}
            Colour::Sixth => self.seventh = (sixth == 9 && self.fifth == 7).then_some(9),
            Colour::Seventh => self.seventh = seventh,
            // On the tonic the fifth says where home is, and the seventh would blur it.
            Colour::Ninth if self.root == 0 => self.tension = ninth,
            Colour::Ninth => (self.seventh, self.tension) = (seventh, ninth),
        }
    }

    /// Pitch of a degree of the scale while this chord sounds.
    pub(super) fn pitch(&self, key: Key, degree: i32, octave_c: i32) -> i32 {
        let letter = degree.rem_euclid(7) as usize;
        octave_c + key.pitch_class() + 12 * degree.div_euclid(7) + self.scale[letter]
    }

    /// Pitch class of what lies some semitones above the root.
    pub(super) fn class(&self, key: Key, above: i32) -> i32 {
        (key.pitch_class() + self.root + above).rem_euclid(12)
    }

    /// Its members as semitones above the root, the root first; at most five.
    pub(super) fn members(&self) -> Vec<i32> {
        if self.power {
            return vec![0, 7];
        }
        let rich = self.seventh.is_some() && self.tension.is_some();
        // With a seventh and more above it a plain fifth says nothing new.
        let fifth = (!rich || self.fifth != 7).then_some(self.fifth);
        [Some(0), Some(self.third), fifth, self.seventh, self.tension].into_iter().flatten().collect()
    }

    /// The same without the root, for those who have a bass below them and a chord rich enough.
    pub(super) fn rootless(&self) -> Vec<i32> {
        match (self.seventh, self.power) {
            // A thirteenth takes the place of the fifth, and a ninth fills the gap.
            (Some(seventh), false) if self.tension == Some(21) => vec![self.third, seventh, 14, 21],
            (Some(seventh), false) => [Some(self.third), Some(self.fifth), Some(seventh), self.tension]
                .into_iter()
                .flatten()
                .collect(),
            _ => self.members(),
        }
    }

    /// Root, third and fifth.
    pub(super) fn triad(&self) -> Vec<i32> {
        vec![0, self.third, self.fifth]
    }

    /// Root, fifth and octave.
    pub(super) fn fifths(&self) -> Vec<i32> {
        vec![0, self.fifth, 12]
    }

    /// Whether it is to be played as root and fifth.
    pub(super) fn is_power(&self) -> bool {
        self.power
    }

    /// The third, as semitones above the root.
    pub(super) fn third(&self) -> i32 {
        self.third
    }

    /// The fifth, as semitones above the root.
    pub(super) fn fifth(&self) -> i32 {
        self.fifth
    }

    /// The seventh as semitones above the root; where it has none, what the scale has there.
    pub(super) fn seventh(&self) -> i32 {
        let scale = self.scale[(self.degree + 6).rem_euclid(7) as usize];
        self.seventh.filter(|&seventh| seventh > 9).unwrap_or((scale - self.root).rem_euclid(12))
    }

    /// What leads the ear from chord to chord: third and seventh, as semitones above the root.
    pub(super) fn guides(&self) -> Vec<i32> {
        match self.seventh {
            Some(seventh) => vec![self.third, seventh],
            None => vec![self.third, 0],
        }
    }

    /// How ill a pitch class sits on the chord when it is leant on: 0 a member, 1 a colour, 2 a tension, 4 a clash.
    pub(super) fn friction(&self, key: Key, pitch: i32) -> i32 {
        let above = (pitch - key.pitch_class() - self.root).rem_euclid(12);
        let members = [Some(0), Some(self.third), Some(self.fifth), self.seventh, self.tension];
        let member = |class: i32| members.iter().flatten().any(|member| (member - class).rem_euclid(12) == 0);
        if member(above) {
            0
        } else if member(above - 1) {
            // A half step above a member.
            4
        } else if matches!(above, 2 | 9) || (above == 10 && self.third == 3) {
            1
        } else {
            2
        }
    }

    /// The degree of the triad nearest to `degree` that keeps the way the melody moves: by `motion` from the degree `before`.
    pub(super) fn bent(&self, degree: i32, motion: i32, before: i32) -> i32 {
        let nearest = self.nearest_member(degree, degree + motion.signum());
        let moved = (nearest - before).signum();
        if motion == 0 || moved == motion.signum() {
            return nearest;
        }
        let further = self.nearest_member(degree + 2 * motion.signum(), degree);
        if (further - before).signum() == motion.signum() { further } else { nearest }
    }

    /// The degree of the triad nearest to `degree`; of two as near, the one nearer to `towards`.
    pub(super) fn nearest_member(&self, degree: i32, towards: i32) -> i32 {
        let third = self.third_letter();
        (degree - 2..=degree + 2)
            .filter(|candidate| {
                let above = (candidate - self.degree).rem_euclid(7);
                above == 0 || above == third || above == 4
            })
            .min_by_key(|candidate| ((candidate - degree).abs(), (candidate - towards).abs()))
            .unwrap_or(degree)
    }

    /// The degree of the root nearest to `degree`.
    pub(super) fn nearest_root(&self, degree: i32) -> i32 {
        let down = (degree - self.degree).rem_euclid(7);
        if down <= 3 { degree - down } else { degree + 7 - down }
    }

    /// The same chord seen from a tonic that lies some semitones below its own.
    pub(super) fn moved(self, semitones: i32) -> Self {
        let by = |pitch: i32| (pitch + semitones).rem_euclid(12);
        Self { root: by(self.root), bass: by(self.bass), ..self }
    }

    /// The same chord over another bass, in semitones above the tonic.
    pub(super) fn over(self, bass: i32) -> Self {
        Self { bass, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(text: &str, mode: Mode, colour: Colour) -> Chord {
        Chord::new(Numeral::try_from(text.to_owned()).unwrap(), mode, colour)
    }

    fn classes(text: &str, mode: Mode, colour: Colour) -> Vec<i32> {
        let chord = chord(text, mode, colour);
        chord.members().iter().map(|member| (chord.root + member).rem_euclid(12)).collect()
    }

    #[test]
    fn colours_come_from_the_scale() {
        use Colour::{Ninth, Power, Seventh, Sixth, Triad};
        for (text, mode, colour, expected) in [
            ("ii", Mode::Major, Seventh, vec![2, 5, 9, 0]),
            ("V", Mode::Major, Seventh, vec![7, 11, 2, 5]),
            ("I", Mode::Major, Seventh, vec![0, 4, 7, 11]),
            ("vii", Mode::Major, Triad, vec![11, 2, 5]),
            ("ii", Mode::Minor, Seventh, vec![2, 5, 8, 0]),
            ("bVII", Mode::Minor, Triad, vec![10, 2, 5]),
            ("V", Mode::Minor, Triad, vec![7, 11, 2]),
            ("V7/vi", Mode::Major, Triad, vec![4, 8, 11, 2]),
            ("iv", Mode::Major, Triad, vec![5, 8, 0]),
            ("ii", Mode::Major, Ninth, vec![2, 5, 0, 4]),
            ("I", Mode::Major, Ninth, vec![0, 4, 7, 2]),
            // A minor ninth grinds.
            ("iii", Mode::Major, Ninth, vec![4, 7, 11, 2]),
            ("I", Mode::Major, Sixth, vec![0, 4, 7, 9]),
            ("I", Mode::Major, Power, vec![0, 7]),
            // A major seventh over a minor third grinds.
            ("i", Mode::HarmonicMinor, Seventh, vec![0, 3, 7]),
            ("V7alt", Mode::Minor, Seventh, vec![7, 11, 3, 5, 10]),
            ("I7sus4", Mode::Major, Triad, vec![0, 5, 7, 10]),
        ] {
            assert_eq!(classes(text, mode, colour), expected, "{text} in {}", mode.name());
        }
        assert_eq!(chord("ii7", Mode::Major, Seventh).rootless(), [3, 7, 10]);
    }

    #[test]
    fn melodies_follow_chromatic_chords_and_no_others() {
        let scale = |text: &str, mode: Mode| chord(text, mode, Colour::Triad).scale;
        assert_eq!(scale("vi", Mode::Major), Mode::Major.degrees());
        assert_eq!(scale("bVI", Mode::Minor), Mode::Minor.degrees());
        assert_eq!(scale("V7", Mode::Minor), Mode::HarmonicMinor.degrees());
        assert_eq!(scale("V7/vi", Mode::Major), [0, 2, 4, 5, 8, 9, 11]);
        assert_eq!(scale("IV7", Mode::Major), [0, 2, 3, 5, 7, 9, 11]);
        assert_eq!(scale("bII7", Mode::Major), [-1, 1, 4, 5, 7, 8, 11]);
    }

    #[test]
    fn what_grinds_is_known() {
        let key: Key = "C".parse().unwrap();
        let tonic = chord("I", Mode::Major, Colour::Triad);
        assert_eq!([60, 62, 65, 69, 71].map(|pitch| tonic.friction(key, pitch)), [0, 1, 4, 1, 2]);
    }

    #[test]
    fn members_are_found_close_by() {
        let dominant = chord("V", Mode::Major, Colour::Triad);
        let nearest = [(4, 0), (5, 9), (5, 0), (-2, 0)].map(|(at, to)| dominant.nearest_member(at, to));
        assert_eq!(nearest, [4, 6, 4, -1]);
        assert_eq!([3, 7, 9].map(|degree| dominant.nearest_root(degree)), [4, 4, 11]);
    }
}
