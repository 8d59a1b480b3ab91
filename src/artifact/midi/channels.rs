//! Which of the sixteen channels a part is written to.

use crate::render::{MidiSound, Part};

/// The channel of drums, counted from 0.
const DRUMS: u8 = 9;
/// The channels that are left for the others.
const PITCHED: [u8; 15] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15];

/// Where a part is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// Channel, counted from 0.
    pub(super) channel: u8,
    /// The part whose program it must take, because another program has the channel already.
    pub(super) plays_as: Option<usize>,
}

/// The channel of each part. Pitched parts have one each as long as there are as many; otherwise parts of one program share one,
/// and those that find none free share it with another program.
pub(super) fn seats(parts: &[Part]) -> Vec<Seat> {
    let pitched = parts.iter().filter(|part| part.sound != MidiSound::Drums).count();
    let crowded = pitched > PITCHED.len();
    // The first part of each channel that is taken, and its program.
    let mut taken: Vec<(usize, u8)> = Vec::new();
    let mut sharing = 0;
    let mut seat = |(number, part): (usize, &Part)| {
        let program = match part.sound {
            MidiSound::Drums => return Seat { channel: DRUMS, plays_as: None },
            MidiSound::Program(program) => program,
        };
        let same = taken.iter().position(|(_, other)| crowded && *other == program);
        if let Some(index) = same {
            return Seat { channel: PITCHED[index], plays_as: None };
        }
        if taken.len() < PITCHED.len() {
            taken.push((number, program));
            return Seat { channel: PITCHED[taken.len() - 1], plays_as: None };
        }
        let index = sharing % PITCHED.len();
        sharing += 1;
        Seat { channel: PITCHED[index], plays_as: Some(taken[index].0) }
    };
    parts.iter().enumerate().map(&mut seat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(sounds: impl IntoIterator<Item = MidiSound>) -> Vec<Part> {
        let part = |sound| Part { name: String::new(), group: String::new(), sound, notes: Vec::new() };
        sounds.into_iter().map(part).collect()
    }

    #[test]
    fn drums_have_the_tenth_and_the_others_one_each() {
        let mut sounds = vec![MidiSound::Drums; 2];
        sounds.extend([MidiSound::Program(7); 15]);
        let seats = seats(&parts(sounds));
        let channels: Vec<u8> = seats.iter().map(|seat| seat.channel).collect();
        assert_eq!(channels, [&[9, 9][..], &PITCHED].concat());
        assert!(seats.iter().all(|seat| seat.plays_as.is_none()));
    }

    #[test]
    fn a_crowd_shares_by_program_and_then_as_it_must() {
        let programs = (0..17).chain([3]).map(MidiSound::Program);
        let seats = seats(&parts(programs));
        assert_eq!(seats[17], Seat { channel: 3, plays_as: None });
        assert_eq!(seats[15], Seat { channel: 0, plays_as: Some(0) });
        assert_eq!(seats[16], Seat { channel: 1, plays_as: Some(1) });
    }
}
