//! What a section makes of the motif: which shape it takes in which phrase.

use super::scene::Scene;
use crate::{
    audio::Random,
    render::synth::style::Manner,
    wire::{Density, Energy, MotifNote, Role},
};

/// What a phrase makes of the motif.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As it is.
    Statement,
    /// As it is, at the height of the section.
    Climax,
    /// Its rhythm, with an end that stays open.
    Answer,
    /// Its rhythm, coming to rest.
    Close,
    /// Moved along the scale.
    Sequence,
    /// Its first half, twice.
    Fragment,
    /// Its second half, late.
    Response,
    /// Rises where it fell.
    Inversion,
    /// Twice as slow.
    Augmentation,
    /// Its long and stressed notes alone.
    Skeleton,
    /// The chord, note by note.
    Arpeggio,
    /// Silence.
    Rest,
}

impl Shape {
    /// Whether it keeps rhythm and intervals, so that an ear knows it again.
    pub(super) fn is_literal(self) -> bool {
        matches!(self, Self::Statement | Self::Climax)
    }

    /// Whether it is spread over the scale where the chords ask for it.
    pub(super) fn may_move(self) -> bool {
        !matches!(self, Self::Arpeggio | Self::Rest)
    }
}

/// The shapes of `count` phrases.
pub(super) fn shapes(scene: &Scene<'_>, count: usize, upbeat: bool) -> Vec<Shape> {
    let mut shapes: Vec<Shape> =
        (0..count).map(|number| shape(scene.role, scene.style.melody.manner, number)).collect();
    let ends = scene.layout.finale.is_some() || scene.index + 1 == scene.plan.sections.len();
    if ends && count > 0 {
        // The end of the piece is the same piece.
        shapes[0] = Shape::Statement;
    }
    if count >= 2 && !matches!(scene.role, Role::Intro | Role::Development) {
        shapes[count - 1] = Shape::Close;
    }
    if count >= 4 && scene.energy > Energy::Low && scene.role != Role::Intro {
        // One summit, past the middle.
        let summit = (3 * count / 5).min(count - 2);
        shapes[summit] = Shape::Climax;
    }
    let mut sung = true;
    for (number, shape) in shapes.iter_mut().enumerate() {
        *shape = match (*shape, scene.energy, scene.plan.theme.density) {
            (Shape::Rest, Energy::High, Density::Usual | Density::Dense)
            | (Shape::Rest, Energy::Medium, Density::Dense) => Shape::Fragment,
            (Shape::Answer | Shape::Sequence | Shape::Fragment, Energy::Low, Density::Sparse) => Shape::Rest,
            (Shape::Answer | Shape::Sequence, Energy::Low, _) if number % 4 == 1 => Shape::Rest,
            (Shape::Sequence, Energy::Medium, Density::Sparse) if sung => Shape::Rest,
            (shape, _, _) => shape,
        };
        sung = *shape != Shape::Rest;
    }
    if upbeat && count >= 4 {
        shapes[0] = Shape::Rest;
        shapes[1] = Shape::Statement;
    }
    shapes
}

fn shape(role: Role, manner: Manner, number: usize) -> Shape {
    use Shape::{
        Answer, Arpeggio, Augmentation, Climax, Close, Fragment, Inversion, Response, Rest, Sequence,
        Skeleton, Statement,
    };
    let eight: [Shape; 8] = match (manner, role) {
        (Manner::Long, Role::Intro) => [Rest, Skeleton, Rest, Skeleton, Rest, Statement, Rest, Skeleton],
        (Manner::Long, Role::Motif | Role::Chorus) => {
            [Statement, Skeleton, Augmentation, Rest, Statement, Answer, Skeleton, Close]
        }
        (Manner::Long, Role::Resolution | Role::Outro) => {
            [Statement, Rest, Skeleton, Close, Statement, Rest, Skeleton, Close]
        }
        (Manner::Long, _) => [Skeleton, Rest, Augmentation, Rest, Inversion, Rest, Skeleton, Close],
        (Manner::Riff, Role::Intro) => {
            [Rest, Fragment, Rest, Arpeggio, Fragment, Arpeggio, Statement, Arpeggio]
        }
        (Manner::Riff, Role::Motif | Role::Chorus | Role::Resolution | Role::Outro) => {
            [Statement, Statement, Statement, Answer, Statement, Arpeggio, Statement, Answer]
        }
        (Manner::Riff, Role::Verse) => [Fragment, Rest, Statement, Rest, Fragment, Rest, Statement, Answer],
        (Manner::Riff, _) => {
            [Arpeggio, Fragment, Arpeggio, Inversion, Arpeggio, Sequence, Arpeggio, Fragment]
        }
        (Manner::Call, Role::Motif | Role::Chorus | Role::Verse) => {
            [Statement, Response, Sequence, Response, Statement, Response, Climax, Close]
        }
        (Manner::Call, Role::Resolution | Role::Outro) => {
            [Statement, Response, Statement, Close, Fragment, Response, Statement, Close]
        }
        (_, Role::Intro) => [Fragment, Rest, Statement, Rest, Fragment, Rest, Statement, Answer],
        (_, Role::Motif | Role::Chorus) => {
            [Statement, Answer, Statement, Close, Sequence, Answer, Statement, Close]
        }
        (_, Role::Verse) => [Statement, Rest, Sequence, Close, Inversion, Rest, Statement, Close],
        (_, Role::Development) => {
            [Fragment, Inversion, Sequence, Fragment, Sequence, Inversion, Augmentation, Answer]
        }
        (_, Role::Bridge) => [Inversion, Rest, Augmentation, Sequence, Fragment, Rest, Inversion, Answer],
        (_, Role::Resolution | Role::Outro) => {
            [Statement, Answer, Fragment, Close, Statement, Rest, Augmentation, Close]
        }
    };
    eight[number % 8]
}

/// The motif in a shape, `room` beats long; `stressed` tells whether a beat of the phrase is one that is leant on.
pub(super) fn shaped(
    motif: &[MotifNote],
    shape: Shape,
    room: f64,
    stressed: impl Fn(f64) -> bool,
    random: &mut Random,
) -> Vec<MotifNote> {
    let length = |notes: &[MotifNote]| notes.iter().map(|note| note.beats).sum::<f64>();
    let moved = |notes: &[MotifNote], by: i32| -> Vec<MotifNote> {
        notes
            .iter()
            .map(|note| MotifNote { degree: note.degree.map(|degree| degree + by), ..*note })
            .collect()
    };
    let pause = |beats: f64| MotifNote { degree: None, beats };
    match shape {
        Shape::Rest | Shape::Arpeggio => Vec::new(),
        Shape::Statement | Shape::Climax | Shape::Answer | Shape::Close => motif.to_vec(),
        Shape::Sequence => moved(motif, random.pick(&[1, 2, -1, -2]).copied().unwrap_or(1)),
        Shape::Inversion => {
            let axis = motif.iter().find_map(|note| note.degree).unwrap_or(0);
            motif
                .iter()
                .map(|note| MotifNote { degree: note.degree.map(|d| 2 * axis - d), ..*note })
                .collect()
        }
        Shape::Augmentation => {
            motif.iter().map(|note| MotifNote { beats: note.beats * 2.0, ..*note }).collect()
        }
        Shape::Skeleton => {
            let mut at = 0.0;
            let mut bones: Vec<MotifNote> = Vec::new();
            for note in motif {
                let stays = note.beats >= 1.5 || (stressed(at) && note.degree.is_some());
                match bones.last_mut() {
                    Some(last) if !stays => last.beats += note.beats,
                    _ => bones.push(if stays { *note } else { pause(note.beats) }),
                }
                at += note.beats;
            }
            bones
        }
        Shape::Fragment => {
            let half = length(motif) / 2.0;
            let mut passed = 0.0;
            let head: Vec<MotifNote> = motif
                .iter()
                .take_while(|note| {
                    passed += note.beats;
                    passed <= half + 1e-6
                })
                .copied()
                .collect();
            let rest = pause((room / 2.0 - length(&head)).max(0.0));
            let again = moved(&head, random.pick(&[1, -1, 2]).copied().unwrap_or(1));
            [head, vec![rest], again].concat()
        }
        Shape::Response => {
            let half = length(motif) / 2.0;
            let mut passed = 0.0;
            let tail: Vec<MotifNote> = motif
                .iter()
                .skip_while(|note| {
                    let before = passed;
                    passed += note.beats;
                    before < half - 1e-6
                })
                .copied()
                .collect();
            let rest = pause((room / 2.0).min((room - length(&tail)).max(0.0)).floor());
            [vec![rest], tail].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motif(degrees: &[i32]) -> Vec<MotifNote> {
        degrees.iter().map(|&degree| MotifNote { degree: Some(degree), beats: 1.0 }).collect()
    }

    fn degrees(notes: &[MotifNote]) -> Vec<Option<i32>> {
        notes.iter().map(|note| note.degree).collect()
    }

    #[test]
    fn shapes_keep_what_makes_the_motif() {
        let mut random = Random::new(1);
        let theme = motif(&[0, 2, 4, 3]);
        let mut shaped = |shape, room| shaped(&theme, shape, room, |beat| beat % 2.0 < 0.01, &mut random);
        assert_eq!(degrees(&shaped(Shape::Inversion, 4.0)), [Some(0), Some(-2), Some(-4), Some(-3)]);
        let moved = shaped(Shape::Sequence, 4.0);
        let by = moved[0].degree.unwrap();
        assert_eq!(degrees(&moved), [by, by + 2, by + 4, by + 3].map(Some));
        let fragment = shaped(Shape::Fragment, 8.0);
        assert_eq!(degrees(&fragment)[..3], [Some(0), Some(2), None]);
        assert!((fragment[2].beats - 2.0).abs() < 1e-9);
        assert_eq!(degrees(&shaped(Shape::Skeleton, 4.0)), [Some(0), Some(4)]);
        assert_eq!(degrees(&shaped(Shape::Response, 4.0)), [None, Some(4), Some(3)]);
        assert!(shaped(Shape::Rest, 4.0).is_empty());
    }
}
