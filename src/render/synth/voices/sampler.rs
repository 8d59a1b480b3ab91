//! One player's notes and hits. What is played more than once is made a few times and from then on mixed from what was kept, as a
//! sampler does; a note that comes once is made just as it is written.

use std::collections::BTreeMap;

use super::{Canvas, Cue, Voice, signal::RATE};
use crate::{
    audio::Random,
    render::synth::{lanes::widest, spares::Spares, style::Drum, track::Stereo},
};

/// Forces that are told apart; between them only the level differs.
const FORCES: f32 = 12.0;
/// The level follows the force by this power between two of them.
const TOUCH: f32 = 1.2;
/// Lengths that are told apart, per doubling: a note is held 3 % longer or shorter than written at most.
const LENGTHS: f32 = 12.0;
/// Ways of muting that are told apart.
const MUTES: f32 = 8.0;
/// Frames of a piece that is kept. Nothing pauses for so long and then sounds again.
const PIECE: usize = RATE as usize / 4;
/// Frames that are kept of a player, at most (128 MiB): what goes past it is made again.
const ROOM: usize = 16 << 20;

/// What a player is to do.
#[derive(Clone, Copy, Debug)]
pub(in crate::render::synth) enum Stroke {
    /// A note of the cue's pitch.
    Note,
    /// A hit; the cue's pitch is what tuned drums are tuned to.
    Hit(Drum),
}

/// What sounds alike, but for its level and for what is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    drum: Option<Drum>,
    /// Bits of the pitch, of the pitch before and of the brightness.
    hz: u32,
    from_hz: Option<u32>,
    brightness: u32,
    force: u8,
    length: Option<i16>,
    mute: u8,
}

/// How often a kind is still to come, how often it came, and what was kept of it.
#[derive(Debug, Default)]
struct Uses {
    planned: usize,
    played: usize,
    kept: [Option<Sound>; MOST],
}

/// Pieces that begin [`PIECE`] frames after each other.
type Sound = Vec<Stereo>;

/// Variations of a kind, at most.
pub(super) const MOST: usize = 4;

/// A player. What is kept depends on `seed` and its kind alone, not on what was played before.
#[derive(Debug)]
pub(in crate::render::synth) struct Sampler<'a> {
    voice: &'a Voice,
    seed: u64,
    uses: BTreeMap<Kind, Uses>,
    /// Pieces that are kept.
    pieces: usize,
    /// Silence, to play on.
    blank: Stereo,
    spares: &'a Spares,
}

impl<'a> Sampler<'a> {
    /// A player of `strokes`, each of which is then to be played once, with buffers from `spares`. No sound is longer than `frames`.
    pub(in crate::render::synth) fn new(
        voice: &'a Voice,
        seed: u64,
        (spares, frames): (&'a Spares, usize),
        strokes: impl Iterator<Item = (Stroke, Cue)>,
    ) -> Self {
        let mut uses = BTreeMap::<Kind, Uses>::new();
        for (stroke, cue) in strokes {
            uses.entry(Kind::of(voice, stroke, &cue)).or_default().planned += 1;
        }
        Self { voice, seed, uses, pieces: 0, blank: spares.take(frames), spares }
    }

    /// Gives back what it took from the spares.
    pub(in crate::render::synth) fn leave(self) {
        self.spares.put_silent(self.blank);
        let kept = self.uses.into_values().flat_map(|uses| uses.kept).flatten();
        self.spares.put_copies(kept.flatten());
    }

    /// Adds a stroke to the canvas. `random` is its own, for what is made just once.
    pub(in crate::render::synth) fn play(
        &mut self,
        stroke: Stroke,
        cue: &Cue,
        random: &mut Random,
        canvas: &mut Canvas<'_>,
    ) {
        let kind = Kind::of(self.voice, stroke, cue);
        let uses = self.uses.entry(kind).or_default();
        let variations = self.voice.variations(kind.cue(cue).seconds);
        let variation = uses.played % variations;
        // This one and those to come.
        let left = uses.planned.saturating_sub(uses.played).div_ceil(variations);
        let first = uses.played < variations;
        uses.played += 1;
        if first && left <= 1 {
            return self.voice.strike(stroke, cue, random, canvas);
        }
        let gain = (cue.velocity / kind.velocity()).powf(TOUCH);
        let slot = &mut uses.kept[variation];
        if let Some(sound) = slot {
            for (number, piece) in sound.iter().enumerate() {
                mix([&piece.left, &piece.right], gain, canvas.after(number * PIECE));
            }
            if left <= 1 {
                self.pieces -= sound.len();
                self.spares.put_copies(slot.take().into_iter().flatten());
            }
            return;
        }
        let mut random = Random::stream(self.seed, &format!("{kind:?} {variation}"));
        let [left_side, right_side] = self.blank.sides();
        let blank = &mut Canvas { left: &mut *left_side, right: &mut *right_side };
        self.voice.strike(stroke, &kind.cue(cue), &mut random, blank);
        let mut sound = (left > 1).then(Sound::new);
        // While a piece is at hand, it is mixed, kept and made silent again.
        for (number, (left, right)) in
            left_side.chunks_mut(PIECE).zip(right_side.chunks_mut(PIECE)).enumerate()
        {
            let end = sounding(left).max(sounding(right));
            if end == 0 {
                break;
            }
            let (left, right) = (&mut left[..end], &mut right[..end]);
            mix([left, right], gain, canvas.after(number * PIECE));
            if self.pieces + number >= ROOM / PIECE {
                self.spares.put_copies(sound.take().into_iter().flatten());
            }
            if let Some(sound) = &mut sound {
                sound.push(self.spares.copy([left, right]));
            }
            left.fill(0.0);
            right.fill(0.0);
        }
        self.pieces += sound.as_ref().map_or(0, Vec::len);
        *slot = sound;
    }
}

impl Kind {
    fn of(voice: &Voice, stroke: Stroke, cue: &Cue) -> Self {
        let drum = match stroke {
            Stroke::Note => None,
            Stroke::Hit(drum) => Some(drum),
        };
        let length = (LENGTHS * cue.seconds.max(1e-3).log2()).round() as i16;
        Self {
            drum,
            hz: cue.hz.to_bits(),
            from_hz: cue.from_hz.map(f32::to_bits),
            brightness: cue.brightness.to_bits(),
            force: (cue.velocity * FORCES).round().max(1.0) as u8,
            length: drum.is_none_or(|drum| voice.holds(drum)).then_some(length),
            mute: (cue.mute * MUTES).round() as u8,
        }
    }

    fn velocity(&self) -> f32 {
        f32::from(self.force) / FORCES
    }

    /// The cue of one of this kind as it stands for all of them.
    fn cue(&self, cue: &Cue) -> Cue {
        Cue {
            velocity: self.velocity(),
            seconds: self.length.map_or(cue.seconds, |length| (f32::from(length) / LENGTHS).exp2()),
            mute: f32::from(self.mute) / MUTES,
            ..*cue
        }
    }
}

/// Frames up to the last one that is not silent, or a few more.
fn sounding(side: &[f32]) -> usize {
    const FEW: usize = 64;
    let silent = |few: &[f32]| few.iter().fold(0, |bits, sample| bits | sample.to_bits()) << 1 == 0;
    side.rchunks(FEW).position(|few| !silent(few)).map_or(0, |behind| side.len() - behind * FEW)
}

fn mix(sound: [&[f32]; 2], gain: f32, canvas: Canvas<'_>) {
    widest(
        #[inline(always)]
        || {
            for (side, kept) in [canvas.left, canvas.right].into_iter().zip(sound) {
                for (sample, kept) in side.iter_mut().zip(kept) {
                    *sample += gain * kept;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::synth::{
        instrument::{Family, Instrument},
        style::Drum,
    };

    const FRAMES: usize = 16 * RATE as usize;

    type Heard = [Vec<f32>; 2];

    /// The sound of each of some equal strokes.
    fn played(voice: &Voice, stroke: Stroke, cue: Cue, count: usize) -> Vec<Heard> {
        let spares = Spares::default();
        let mut sampler =
            Sampler::new(voice, 7, (&spares, FRAMES), std::iter::repeat_n((stroke, cue), count));
        (0..count)
            .map(|number| {
                let mut sound = [vec![0.0; FRAMES], vec![0.0; FRAMES]];
                let [left, right] = &mut sound;
                sampler.play(stroke, &cue, &mut Random::new(number as u64), &mut Canvas { left, right });
                sound
            })
            .collect()
    }

    fn alone(voice: &Voice, stroke: Stroke, cue: Cue, random: &mut Random) -> Heard {
        let mut sound = [vec![0.0; FRAMES], vec![0.0; FRAMES]];
        let [left, right] = &mut sound;
        voice.strike(stroke, &cue, random, &mut Canvas { left, right });
        sound
    }

    /// A note of half a second and of a force that need no rounding.
    fn cue(hz: f32) -> Cue {
        Cue::plain(hz, 0.5, 8.0 / FORCES)
    }

    #[test]
    fn what_is_kept_is_the_whole_sound() {
        for instrument in Instrument::all().filter(|instrument| instrument.family() != Family::Texture) {
            let voice = instrument.voice();
            let drums =
                [Drum::Kick, Drum::Snare, Drum::Clap, Drum::Crash, Drum::Guiro, Drum::Swell, Drum::Impact];
            let strokes = if matches!(voice, Voice::Kit(_)) {
                drums.map(Stroke::Hit).to_vec()
            } else {
                vec![Stroke::Note]
            };
            for stroke in strokes {
                let cue = cue(220.0);
                let kind = Kind::of(voice, stroke, &cue);
                let count = 3 * voice.variations(cue.seconds);
                for (number, sound) in played(voice, stroke, cue, count).iter().enumerate() {
                    let stream = format!("{kind:?} {}", number % voice.variations(cue.seconds));
                    let whole = alone(voice, stroke, cue, &mut Random::stream(7, &stream));
                    assert!(*sound == whole, "{} {stroke:?} {number}", instrument.name());
                }
            }
        }
    }

    #[test]
    fn what_comes_once_is_made_as_written() {
        let piano = Instrument::named("piano").unwrap().voice();
        let cue = Cue { seconds: 0.437, velocity: 0.613, mute: 0.07, ..cue(330.0) };
        assert!(
            played(piano, Stroke::Note, cue, 1)[0] == alone(piano, Stroke::Note, cue, &mut Random::new(0))
        );
    }

    #[test]
    fn force_is_heard_between_two_forces_that_are_kept() {
        let drums = Instrument::named("drums").unwrap().voice();
        let peak = |velocity: f32| {
            let strokes = played(drums, Stroke::Hit(Drum::Snare), Cue { velocity, ..cue(73.4) }, 12);
            strokes[0][0].iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
        };
        let (soft, exact, hard) = (peak(7.7 / FORCES), peak(8.0 / FORCES), peak(8.3 / FORCES));
        assert!(soft < 0.97 * exact && hard > 1.03 * exact, "{soft} {exact} {hard}");
    }

    #[test]
    fn lengths_and_mutes_are_hardly_changed() {
        let guitar = Instrument::named("guitar").unwrap().voice();
        for n in 0..200 {
            let cue = Cue { seconds: 0.03 + 0.037 * n as f32, mute: 0.005 * n as f32, ..cue(110.0) };
            let kept = Kind::of(guitar, Stroke::Note, &cue).cue(&cue);
            assert!((kept.seconds / cue.seconds - 1.0).abs() < 0.03, "{} for {}", kept.seconds, cue.seconds);
            assert!((kept.mute - cue.mute).abs() < 0.07, "{} for {}", kept.mute, cue.mute);
        }
    }
}
