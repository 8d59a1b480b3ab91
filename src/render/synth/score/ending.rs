//! The end of the piece: a last chord that is held, cut short or slowed down to, or no chord and a fade.

use super::{
    Band, Duty, Note, Score, Tone,
    accompany::{self, Strum},
    bass,
    human::Human,
    melody,
    scene::Scene,
    voicing::Laid,
};
use crate::{
    plan::Plan,
    render::{
        BeatMark,
        synth::{
            instrument::{Family, Instrument},
            style::{Drum, Style},
        },
    },
    wire::{Ending, Energy},
};

/// Time between the root, the chord and the melody of a rolled last chord.
const ROLL_SECONDS: f64 = 0.06;
/// Bars that slow down in a ritardando.
const SLOW_BARS: usize = 2;
/// Share of a bar that a ritardando adds to them, at least and at most.
const SLOWER_BY: [f64; 2] = [0.35, 0.9];

/// How the time of a section is divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    /// Bars that are played, the last of which may be cut off by a fade.
    pub(super) bars: usize,
    /// Where the last chord of the piece starts, in seconds from its start.
    pub(super) finale: Option<f64>,
    pub(super) slowing: Option<Slowing>,
    pub(super) ending: Ending,
}

/// Time that stretches towards the last chord.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slowing {
    /// Where it starts.
    from: f64,
    /// How long it is when counted in time.
    length: f64,
    /// Seconds that it takes beyond that.
    extra: f64,
}

impl Slowing {
    /// When something happens that would be at `at` if the piece did not slow down. The tempo falls evenly from the plan's.
    pub(super) fn stretched(&self, at: f64) -> f64 {
        let inside = (at - self.from).max(0.0);
        let share = inside / self.length;
        at + self.extra * if share <= 1.0 { share * share } else { 1.0 }
    }
}

impl Layout {
    pub(super) fn of(plan: &Plan, style: &Style, index: usize) -> Self {
        let bar = plan.bar_seconds();
        let ending = plan.ending.unwrap_or(style.ending);
        let Some(section) = plan.sections.get(index) else {
            return Self { bars: 0, finale: None, slowing: None, ending };
        };
        let (start, seconds) = (section.start_seconds, section.length_seconds);
        if index + 1 < plan.sections.len() {
            let bars = (seconds / bar).round() as usize;
            return Self { bars, finale: None, slowing: None, ending };
        }
        match ending {
            Ending::Fade => {
                let bars = (seconds / bar - 1e-6).ceil().max(0.0) as usize;
                Self { bars, finale: None, slowing: None, ending }
            }
            Ending::Stop => {
                let bars = bars_before(seconds, bar, (0.3 * bar).max(0.8));
                Self { bars, finale: Some(start + bars as f64 * bar), slowing: None, ending }
            }
            Ending::Cadence => {
                let bars = bars_before(seconds, bar, room(bar));
                Self { bars, finale: Some(start + bars as f64 * bar), slowing: None, ending }
            }
            Ending::Ritardando => {
                let rings = bar.max(2.0);
                let bars = bars_before(seconds, bar, rings + SLOWER_BY[0] * bar);
                let slow = bars.min(SLOW_BARS);
                let left = seconds - bars as f64 * bar;
                let end = start + bars as f64 * bar;
                // What is left is shared between slowing down and the last chord.
                let extra = (left - 1.2 * rings).clamp(SLOWER_BY[0] * bar, SLOWER_BY[1] * bar);
                let slowing = (slow > 0).then(|| Slowing {
                    from: end - slow as f64 * bar,
                    length: slow as f64 * bar,
                    extra: extra * slow as f64 / SLOW_BARS as f64,
                });
                let finale = slowing.map_or(end, |slowing| slowing.stretched(end));
                Self { bars, finale: Some(finale), slowing, ending }
            }
        }
    }

    /// How long a fade takes: four bars, within reason and within the section.
    pub(super) fn fade_seconds(&self, plan: &Plan, index: usize) -> Option<f64> {
        let last = plan.sections.get(index).filter(|_| index + 1 == plan.sections.len())?;
        let fades = self.ending == Ending::Fade;
        fades.then(|| (4.0 * plan.bar_seconds()).clamp(4.0, 14.0).min(0.7 * last.length_seconds))
    }

    /// Where the beat is while the piece slows down.
    pub(super) fn beats(&self, plan: &Plan) -> Vec<BeatMark> {
        let Some(slowing) = self.slowing else { return Vec::new() };
        let beat = plan.beat_seconds();
        let count = (slowing.length / beat).round() as usize;
        (0..=count)
            .map(|number| {
                let at = slowing.from + number as f64 * beat;
                BeatMark { at: slowing.stretched(at), beat: at / beat }
            })
            .collect()
    }
}

/// What the last chord gets at least, where there is as much.
fn room(bar_seconds: f64) -> f64 {
    (0.6 * bar_seconds).max(1.5)
}

/// Whole bars before the last chord.
fn bars_before(seconds: f64, bar_seconds: f64, room: f64) -> usize {
    (((seconds - room) / bar_seconds + 1e-6).floor().max(0.0)) as usize
}

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let Some(at) = scene.layout.finale else { return };
    let held = match scene.layout.ending {
        Ending::Stop => (0.45 * scene.plan.beat_seconds()).min((scene.end - at) * 0.5),
        _ => (scene.end - at) * 0.88,
    };
    // With no drums to be together with, the last chord is rolled: root, chord, melody.
    let roll = if band.rhythm.is_empty() { ROLL_SECONDS.min(held / 4.0) } else { 0.0 };
    let home = scene.chord(scene.bars, 0.0);
    for &instrument in &band.harmony {
        let before = Laid { voices: last_pitches(score, instrument, Duty::Ground, scene), bass: None };
        let laid = accompany::laid(scene, band, (instrument, 0), &home, &before);
        let strum = Strum { spread_ms: instrument.play().strum_ms, upwards: false, mute: 0.0, accent: false };
        let mut human = Human::new(scene, "final chord", 0.0);
        strum.play(scene, instrument, &laid.voices, (at + roll, held - roll, 0.6), &mut human, score);
    }
    let mut human = Human::new(scene, "final root", 0.0);
    let mut root = |instrument: Instrument, pitch: i32, velocity: f32| {
        score.add(instrument, Note::new(at, held, Tone::Pitch(pitch), human.touch(velocity, at)));
    };
    for &instrument in &band.bass {
        root(instrument, bass::root(scene, instrument, scene.bars, 0.0), 0.7);
    }
    if let Some((instrument, lowest)) = accompany::left_hand(band) {
        root(instrument, bass::root_from(scene, scene.bars, 0.0, lowest), 0.6);
    }
    for &instrument in &band.lead {
        rest(scene, instrument, at + 2.0 * roll, held - 2.0 * roll, score);
    }
    for &instrument in &band.rhythm {
        let velocity = if scene.energy == Energy::Low { 0.4 } else { 0.7 };
        for drum in last_hits(score, instrument) {
            score.add(instrument, Note::new(at, 0.0, Tone::Hit(drum), velocity));
        }
    }
}

/// What is struck with the last chord: the lowest and the brightest of what the player has used.
fn last_hits(score: &Score, instrument: Instrument) -> Vec<Drum> {
    if !instrument.is_percussion() {
        return vec![Drum::Kick, Drum::Crash];
    }
    let notes = score.parts.get(&(instrument, Duty::Ground)).map_or(&[][..], Vec::as_slice);
    let mut hits: Vec<Drum> = notes
        .iter()
        .filter_map(|note| match note.tone {
            Tone::Hit(drum) => Some(drum),
            Tone::Pitch(_) => None,
        })
        .collect();
    hits.sort_unstable();
    hits.dedup();
    if hits.is_empty() { vec![Drum::Conga, Drum::Shaker] } else { hits.into_iter().take(2).collect() }
}

/// The melody comes home. In a piece too short for a bar, the motif's first notes lead there.
fn rest(scene: &Scene<'_>, instrument: Instrument, at: f64, held: f64, score: &mut Score) {
    let key = scene.key;
    let octave = melody::octave(scene, instrument);
    let home_chord = scene.chord(scene.bars, 0.0);
    let mut human = Human::new(scene, &format!("{} rest", instrument.name()), 0.0);
    let before = last_pitches(score, instrument, Duty::Melody, scene).last().copied();
    let near = before.unwrap_or(key.pitch(2, octave));
    let [low, high] = instrument.play().range;
    let tonic = (-2..=2)
        .map(|up| key.pitch(7 * up, octave))
        .filter(|pitch| (low..=high).contains(pitch))
        .min_by_key(|pitch| (pitch - near).abs())
        .unwrap_or(key.pitch(0, octave));
    let mut home = at;
    if scene.bars == 0 {
        let mut spent = 0.0;
        for note in scene.plan.theme.motif.iter().take(4) {
            let seconds = note.beats * scene.plan.beat_seconds();
            if spent + seconds > 0.5 * (scene.end - at) {
                break;
            }
            if let Some(degree) = note.degree {
                let pitch = key.pitch(home_chord.nearest_member(degree, 0), octave);
                let at = at + spent;
                score.sing(instrument, Note::new(at, seconds, Tone::Pitch(pitch), human.touch(0.62, at)));
            }
            spent += seconds;
        }
        home += spent;
    }
    let seconds = (held - (home - at)).max(if scene.layout.ending == Ending::Stop { 0.08 } else { 0.2 });
    score.sing(instrument, Note::new(home, seconds, Tone::Pitch(tonic), human.touch(0.66, home)));
}

/// The pitches that an instrument struck last together, lowest first.
fn last_pitches(score: &Score, instrument: Instrument, duty: Duty, scene: &Scene<'_>) -> Vec<i32> {
    if instrument.family() == Family::Kit {
        return Vec::new();
    }
    let notes = score.parts.get(&(instrument, duty)).map_or(&[][..], Vec::as_slice);
    let last = notes.iter().map(|note| note.at).fold(f64::NEG_INFINITY, f64::max);
    let mut pitches: Vec<i32> = notes
        .iter()
        .filter(|note| last - note.at < scene.grid.step_seconds() * 0.5)
        .filter_map(|note| match note.tone {
            Tone::Pitch(pitch) => Some(pitch),
            Tone::Hit(_) => None,
        })
        .collect();
    pitches.sort_unstable();
    pitches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_chord_has_room() {
        for (seconds, bar, bars) in
            [(8.0, 2.0, 3), (9.0, 2.0, 3), (9.6, 2.0, 4), (9.6, 4.0, 1), (1.0, 2.0, 0)]
        {
            assert_eq!(bars_before(seconds, bar, room(bar)), bars, "{seconds} s");
        }
    }

    #[test]
    fn a_ritardando_slows_down_evenly() {
        let slowing = Slowing { from: 10.0, length: 4.0, extra: 1.0 };
        let times: Vec<f64> = (0..=8).map(|beat| slowing.stretched(10.0 + 0.5 * f64::from(beat))).collect();
        let lengths: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(lengths.windows(2).all(|pair| pair[1] > pair[0]), "{lengths:?}");
        assert!(lengths[0] < 0.52 && (times[8] - 15.0).abs() < 1e-9);
        assert!((slowing.stretched(9.0) - 9.0).abs() < 1e-12);
    }
}
