//! What players add to a melody: passing notes, turns, cuts, slides, approaches, and notes that come early.

use super::melody::Sung;
use crate::{
    audio::Random,
    render::synth::style::{Graces, Melody},
};

/// Length of a grace note in beats of a moderate tempo; it shrinks where beats are long.
const GRACE_SECONDS: f64 = 0.07;

/// Adorns a line. `beat_seconds` is the length of a beat, `eighth` that of an eighth in beats.
pub(super) fn adorn(
    line: &[Sung],
    melody: Melody,
    beat_seconds: f64,
    eighth: f64,
    random: &mut Random,
) -> Vec<Sung> {
    let mut adorned: Vec<Sung> = Vec::with_capacity(line.len() * 2);
    for (number, &note) in line.iter().enumerate() {
        let next = line.get(number + 1);
        if !random.chance(melody.ornaments) {
            adorned.push(note);
            continue;
        }
        adorned.extend(graced(note, next, melody.graces, beat_seconds, eighth, random));
    }
    adorned
}

fn graced(
    note: Sung,
    next: Option<&Sung>,
    graces: Graces,
    beat_seconds: f64,
    eighth: f64,
    random: &mut Random,
) -> Vec<Sung> {
    let grace = (GRACE_SECONDS / beat_seconds).min(note.beats / 6.0);
    let quick = |count: usize| note.beats >= count as f64 * 0.11 / beat_seconds;
    // Short notes one after the other, then the rest of the note.
    let figure = |steps: &[i32], length: f64| -> Vec<Sung> {
        let mut notes: Vec<Sung> = steps
            .iter()
            .enumerate()
            .map(|(number, step)| Sung {
                degree: note.degree + step,
                at: note.at + number as f64 * length,
                beats: length,
                velocity: note.velocity * 0.9,
                ..note
            })
            .collect();
        let spent = steps.len() as f64 * length;
        notes.push(Sung { at: note.at + spent, beats: note.beats - spent, ..note });
        notes
    };
    // The note, cut short by others that lead on.
    let leading = |steps: &[(i32, i32)], length: f64| -> Vec<Sung> {
        let spent = steps.len() as f64 * length;
        let mut notes = vec![Sung { beats: note.beats - spent, ..note }];
        notes.extend(steps.iter().enumerate().map(|(number, &(degree, semitones))| Sung {
            degree,
            semitones,
            at: note.at + note.beats - spent + number as f64 * length,
            beats: length,
            velocity: note.velocity * 0.88,
            ..note
        }));
        notes
    };
    let passing = |to: &Sung| {
        let apart = to.degree - note.degree;
        (apart.abs() == 2 && note.beats >= 2.0 * eighth)
            .then(|| leading(&[(note.degree + apart.signum(), 0)], eighth))
    };
    let plain = vec![note];
    match graces {
        Graces::Classical if next.is_some() && note.beats >= 1.5 && quick(8) => {
            // A turn in the second half of the note.
            let length = note.beats / 8.0;
            let turn = [1, 0, -1, 0].map(|step| (note.degree + step, 0));
            leading(&turn, length)
        }
        Graces::Classical if note.beats >= 0.9 && quick(5) => {
            figure(&[0, 1], (0.09 / beat_seconds).min(note.beats / 4.0))
        }
        Graces::Celtic if note.beats >= 1.4 && quick(6) => figure(&[0, 1, 0, -1], note.beats / 6.0),
        Graces::Celtic if note.beats >= 0.45 => figure(&[1], grace),
        Graces::Flamenco if note.beats >= 0.9 && quick(5) => {
            figure(&[0, 1, 0, -1], (0.085 / beat_seconds).min(note.beats / 6.0))
        }
        Graces::Plain | Graces::Classical | Graces::Flamenco => next.and_then(passing).unwrap_or(plain),
        Graces::Jazz => match next {
            // From above by the scale, from below by a half step, or from below alone.
            Some(next) if note.beats >= 3.0 * eighth && next.strong && random.chance(0.5) => {
                leading(&[(next.degree + 1, 0), (next.degree, -1)], eighth)
            }
            Some(next) if note.beats >= 2.0 * eighth && next.degree != note.degree => {
                leading(&[(next.degree, if next.degree > note.degree { -1 } else { 1 })], eighth)
            }
            _ => plain,
        },
        Graces::Blues if note.beats >= 0.45 => {
            let mut slid = figure(&[0], grace * 1.3);
            slid[0].semitones = -1;
            slid
        }
        Graces::Celtic | Graces::Blues => plain,
    }
}

/// Some notes on a beat come an eighth early; the one before gives way. Never the first note, nor across a rest.
pub(super) fn syncopate(line: &mut [Sung], share: f64, eighth: f64, random: &mut Random) {
    for number in 1..line.len() {
        let (before, note) = (line[number - 1], line[number]);
        let on_beat = (note.at - note.at.round()).abs() < 0.01;
        let joined = (before.at + before.beats - note.at).abs() < 0.01;
        if on_beat && joined && before.beats > 1.6 * eighth && random.chance(share) {
            line[number - 1].beats -= eighth;
            line[number].at -= eighth;
            line[number].beats += eighth;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Vec<Sung> {
        let note = |degree, at, beats| Sung { degree, semitones: 0, at, beats, strong: true, velocity: 0.6 };
        vec![note(0, 0.0, 1.0), note(2, 1.0, 2.0), note(4, 3.0, 1.0)]
    }

    #[test]
    fn ornaments_fill_the_time_of_their_notes_and_no_more() {
        for graces in
            [Graces::Plain, Graces::Classical, Graces::Celtic, Graces::Flamenco, Graces::Jazz, Graces::Blues]
        {
            let melody = Melody {
                manner: crate::render::synth::style::Manner::Song,
                syncopation: 0.0,
                ornaments: 1.0,
                graces,
            };
            let adorned = adorn(&line(), melody, 0.6, 0.5, &mut Random::new(3));
            assert!(adorned.len() > 3, "{graces:?} adds nothing");
            for pair in adorned.windows(2) {
                assert!((pair[0].at + pair[0].beats - pair[1].at).abs() < 1e-9, "{graces:?}: {pair:?}");
                assert!(pair[0].beats > 0.05, "{graces:?}: {pair:?}");
            }
            assert!((adorned.last().unwrap().at + adorned.last().unwrap().beats - 4.0).abs() < 1e-9);
        }
    }

    #[test]
    fn syncopation_moves_notes_to_the_eighth_before() {
        let mut moved = line();
        syncopate(&mut moved, 1.0, 0.5, &mut Random::new(1));
        let at: Vec<f64> = moved.iter().map(|note| note.at).collect();
        assert_eq!(at, [0.0, 0.5, 2.5]);
    }
}
