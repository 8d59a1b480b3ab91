//! Chords: held by those who can hold, comped, strummed or broken by those who strike.

use super::{
    Band, Note, Score, Tone, arrange, bass,
    chord::Chord,
    grid::{Mark, Stretch},
    human::Human,
    scene::Scene,
    voicing::{self, Hands, Laid},
};
use crate::{
    audio::Random,
    render::synth::{
        instrument::{Family, GROUPS, Instrument},
        style::{Groove, Pattern},
    },
    wire::{Density, Energy},
};

/// A strummed chord takes at least this long from string to string, in milliseconds.
const STRUM_MS: f64 = 14.0;

pub(super) fn play(scene: &Scene<'_>, band: &Band, score: &mut Score) {
    let mut strikers = 0;
    let mut holders = 0;
    // Whether the left hand's roots are already in what it plays.
    let mut has_roots = false;
    let left = left_hand(band);
    for (chair, &instrument) in band.harmony.iter().enumerate() {
        let first = arrange::first_bar_of_chords(scene, band, chair);
        let layer = if instrument.family() == Family::Held { holders } else { 0 };
        holders += usize::from(instrument.family() == Family::Held);
        let player = Player::new(scene, band, instrument, layer);
        let particular = technique(scene, instrument)
            .or_else(|| scene.style.part(instrument.name(), GROUPS[instrument.group()]));
        match particular {
            Some(groove) => {
                let roots = player.strike(groove, scene.busy(), first, score);
                has_roots |= roots && left.is_some_and(|(who, _)| who == instrument);
            }
            None if instrument.family() == Family::Held || asked(scene, instrument, "sustained") => {
                player.hold(first, score);
            }
            // A second striker leaves the pattern to the first.
            None => {
                let energy = if strikers == 0 { scene.busy() } else { Energy::Low };
                strikers += 1;
                let roots = player.strike(&scene.style.comp, energy, first, score);
                has_roots |= roots && left.is_some_and(|(who, _)| who == instrument);
            }
        }
    }
    if let Some((instrument, lowest)) = left.filter(|_| !has_roots) {
        roots(scene, instrument, lowest, score);
    }
}

/// Whether the plan asks an instrument to be played so.
pub(super) fn asked(scene: &Scene<'_>, instrument: Instrument, technique: &str) -> bool {
    scene.plan.theme.techniques.iter().any(|asked| {
        asked.name == technique && asked.instrument.as_ref().is_none_or(|name| name == instrument.name())
    })
}

/// What a way of playing that was asked for makes of the chords.
fn technique<'a>(scene: &Scene<'a>, instrument: Instrument) -> Option<&'a Groove<Pattern>> {
    let techniques = &scene.book.techniques;
    let strings = instrument.family() == Family::Struck;
    if asked(scene, instrument, "arpeggiated") {
        Some(&techniques.arpeggiated)
    } else if strings && asked(scene, instrument, "strummed") {
        Some(&techniques.strummed)
    } else if strings && asked(scene, instrument, "fingerpicked") {
        Some(&techniques.fingerpicked)
    } else {
        None
    }
}

/// Who plays the roots where nobody plays bass, and how low: the first who can.
pub(super) fn left_hand(band: &Band) -> Option<(Instrument, i32)> {
    let mut able = band.harmony.iter().filter_map(|&instrument| Some((instrument, instrument.play().root?)));
    if band.bass.is_empty() { able.next() } else { None }
}

/// How the hands of an instrument lie in a section.
pub(super) fn hands(scene: &Scene<'_>, instrument: Instrument) -> Hands {
    let play = instrument.play();
    let higher = match scene.energy {
        Energy::Low => -2,
        Energy::Medium => 0,
        Energy::High => 3,
    };
    Hands { centre: play.harmony + higher, range: play.range, open: play.open, strict: scene.style.strict }
}

/// One chord as an instrument lays it after another one.
pub(super) fn laid(
    scene: &Scene<'_>,
    band: &Band,
    (instrument, layer): (Instrument, usize),
    chord: &Chord,
    before: &Laid,
) -> Laid {
    let above_bass = !band.bass.is_empty();
    let members = voicing::members(chord, instrument, scene.style.rootless, above_bass);
    let lowest = band.bass.first().map_or(LEFT_HAND, |bass| bass.play().range[0].max(28));
    let low = Some(lowest + (scene.key.pitch_class() + chord.bass - lowest).rem_euclid(12));
    let mut hands = hands(scene, instrument);
    // Those who hold the same chord lie apart.
    hands.centre += [0, 7, -5, 3][layer % 4];
    let voices = voicing::lay(chord, scene.key, &members, hands, low, before);
    Laid { voices, bass: low }
}

/// From where on up a left hand looks for its roots.
const LEFT_HAND: i32 = 34;

/// One instrument that plays chords.
struct Player<'a, 's> {
    scene: &'s Scene<'a>,
    instrument: Instrument,
    /// The voices of each change of the harmony.
    voices: Vec<Vec<i32>>,
}

impl<'a, 's> Player<'a, 's> {
    fn new(scene: &'s Scene<'a>, band: &Band, instrument: Instrument, layer: usize) -> Self {
        let mut before = Laid::default();
        let lay = |change: &super::harmony::Change| {
            before = laid(scene, band, (instrument, layer), &change.chord, &before);
            before.voices.clone()
        };
        let voices = scene.harmony().changes().iter().map(lay).collect();
        Self { scene, instrument, voices }
    }

    fn human(&self) -> Human {
        Human::new(
            self.scene,
            &format!("{} chords", self.instrument.name()),
            self.scene.style.laid_back.chords,
        )
    }

    /// The voices at a place.
    fn voices_at(&self, bar: usize, place: f64) -> &[i32] {
        let changes = self.scene.harmony().changes();
        let number = changes.partition_point(|change| (change.bar, change.place) <= (bar, place + 0.01));
        self.voices.get(number.saturating_sub(1)).map_or(&[], Vec::as_slice)
    }

    /// Every chord as long as it lasts, four bars at most.
    fn hold(&self, first: usize, score: &mut Score) {
        let scene = self.scene;
        let mut human = self.human();
        let (mut bar, mut place) = (first, 0.0);
        while bar < scene.bars {
            let change = scene.harmony().change_after(bar, place);
            let (to_bar, to_place) = change.map_or((scene.bars, 0.0), |change| (change.bar, change.place));
            let (to_bar, to_place) = if to_bar > bar + 4 { (bar + 4, 0.0) } else { (to_bar, to_place) };
            let (at, until) = (scene.at(bar, place), scene.at(to_bar, to_place));
            let voices = self.voices_at(bar, place);
            // At the climax the upper voice is doubled.
            let top = voices.last().map(|top| top + 12).filter(|&top| {
                scene.energy == Energy::High
                    && !scene.style.strict
                    && top <= self.instrument.play().range[1] - 5
            });
            for pitch in voices.iter().copied().chain(top) {
                let soft = if Some(pitch) == top { 0.4 } else { 0.56 };
                let seconds = (until - at) * 0.98;
                score.add(
                    self.instrument,
                    Note::new(human.at(at), seconds, Tone::Pitch(pitch), human.touch(soft, at)),
                );
            }
            (bar, place) = (to_bar, to_place);
        }
    }

    /// Plays a groove; tells whether it has bass notes of its own.
    fn strike(&self, groove: &Groove<Pattern>, energy: Energy, first: usize, score: &mut Score) -> bool {
        let scene = self.scene;
        let mut human = self.human();
        let mut marks =
            scene.marks(&format!("{} chords", self.instrument.name()), groove, energy, Stretch::Roll);
        marks.retain(|mark| mark.bar >= first);
        if scene.plan.theme.density == Density::Sparse {
            thin(scene, &mut marks);
        }
        for mark in &marks {
            let mut at = scene.start + mark.at;
            let (mut bar, mut place) = (mark.bar, mark.place);
            let end = scene.start + mark.until;
            loop {
                // A chord that changes below a held note is struck anew.
                let change = scene.chord_until(bar, place);
                let until = if change < end - 0.5 * scene.grid.step_seconds() { change } else { end };
                self.sound(mark.glyph, (bar, place), at, until, &mut human, score);
                let next = scene.harmony().change_after(bar, place);
                let (Some(next), true) = (next, until < end) else { break };
                (bar, place, at) = (next.bar, next.place, until);
            }
        }
        marks.iter().any(|mark| mark.glyph == b'b')
    }

    /// One mark.
    fn sound(
        &self,
        glyph: u8,
        (bar, place): (usize, f64),
        at: f64,
        until: f64,
        human: &mut Human,
        score: &mut Score,
    ) {
        let scene = self.scene;
        let voices = self.voices_at(bar, place);
        if voices.is_empty() {
            return;
        }
        let (pitches, velocity): (Vec<i32>, f32) = match glyph {
            b'x' => (voices.to_vec(), 0.56),
            b'X' => (voices.to_vec(), 0.68),
            b'o' => (voices.to_vec(), 0.4),
            b'g' => (voices.to_vec(), 0.26),
            b'0'..=b'7' => (vec![tone(voices, usize::from(glyph - b'0'))], 0.55),
            b'b' => (vec![self.low(bar, place, 0)], 0.6),
            b'v' => (vec![self.low(bar, place, 7)], 0.55),
            b'd' => (self.drone(), 0.5),
            _ => return,
        };
        // A broken chord rings on under the hand or the pedal.
        let rings = glyph.is_ascii_digit() && self.instrument.family() == Family::Struck;
        let until = if rings { scene.chord_until(bar, place).min(at + 3.0 * (until - at)) } else { until };
        let velocity = if scene.grid.is_stressed(place) { velocity * 1.08 } else { velocity };
        let seconds = if glyph == b'g' { 0.06 } else { (until - at) * 0.96 };
        let slowest = if asked(scene, self.instrument, "strummed") { STRUM_MS } else { 0.0 };
        let strum = Strum {
            spread_ms: self.instrument.play().strum_ms.max(slowest),
            // The hand comes back up between the beats.
            upwards: place % 4.0 > 1.99 && place % 4.0 < 2.01,
            mute: if glyph == b'g' { 1.0 } else { 0.0 },
            accent: glyph == b'X',
        };
        strum.play(scene, self.instrument, &pitches, (at, seconds, velocity), human, score);
    }

    /// The bass of the chord, or what lies some semitones above it, below the hands.
    fn low(&self, bar: usize, place: f64, above: i32) -> i32 {
        let play = self.instrument.play();
        let lowest = play.root.unwrap_or(play.range[0]).max(play.range[0]);
        let root = bass::root_from(self.scene, bar, place, lowest);
        match above {
            0 => root,
            above if root + above - 12 >= lowest => root + above - 12,
            above => root + above,
        }
    }

    /// The tonic and its fifth, low.
    fn drone(&self) -> Vec<i32> {
        let lowest = self.instrument.play().range[0].max(36);
        let tonic = lowest + (self.scene.key.pitch_class() - lowest).rem_euclid(12);
        let fifth = if self.scene.key.contains(tonic + 7) { tonic + 7 } else { tonic + 12 };
        let mut tones = vec![tonic, fifth, tonic + 12];
        tones.dedup();
        tones
    }
}

/// A tone of a chord by number, going on in the octave above.
fn tone(voices: &[i32], number: usize) -> i32 {
    voices[number % voices.len()] + 12 * (number / voices.len()) as i32
}

/// Leaves out what falls between the beats, the same places all through the piece.
fn thin(scene: &Scene<'_>, marks: &mut Vec<Mark>) {
    let stays = |mark: &Mark| {
        let off = mark.place % 4.0;
        let mut random = Random::stream(scene.plan.seed, &format!("thin {:.0}", mark.place));
        scene.grid.is_stressed(mark.place) || (off % 2.0 < 0.01 && random.chance(0.5))
    };
    marks.retain(stays);
}

/// How the tones of a chord follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strum {
    pub(super) spread_ms: f64,
    /// From the highest string to the lowest.
    pub(super) upwards: bool,
    pub(super) mute: f32,
    pub(super) accent: bool,
}

impl Strum {
    /// All tones of a chord: when, how long and how hard.
    pub(super) fn play(
        self,
        scene: &Scene<'_>,
        instrument: Instrument,
        pitches: &[i32],
        (at, seconds, velocity): (f64, f64, f32),
        human: &mut Human,
        score: &mut Score,
    ) {
        let spread = self.spread_ms.max(2.0) / 1000.0;
        let first = human.at(at);
        for number in 0..pitches.len() {
            let pitch = if self.upwards { pitches[pitches.len() - 1 - number] } else { pitches[number] };
            let delay = spread * number as f64;
            let at = (first + delay).min((scene.end - 1e-4).max(scene.start));
            let mut note =
                Note::new(at, (seconds - delay).max(0.03), Tone::Pitch(pitch), human.touch(velocity, at));
            (note.mute, note.accent) = (self.mute, self.accent);
            score.add(instrument, note);
        }
    }
}

fn roots(scene: &Scene<'_>, instrument: Instrument, lowest: i32, score: &mut Score) {
    let mut human = Human::new(scene, "left hand", scene.style.laid_back.chords);
    for bar in 0..scene.bars {
        let half = scene.grid.half();
        for (place, until, beat) in [(0.0, scene.at(bar, half), true), (half, scene.bar(bar + 1), false)] {
            let changes = scene
                .harmony()
                .changes()
                .iter()
                .any(|change| change.bar == bar && (change.place - half).abs() < 0.01);
            if !beat && !changes && scene.energy < Energy::High {
                continue;
            }
            let until = if beat && !changes { scene.bar(bar + 1) } else { until };
            let root = bass::root_from(scene, bar, place, lowest);
            let pitch = if beat || changes { root } else { root + 12 };
            let at = scene.at(bar, place);
            let velocity = if beat { 0.6 } else { 0.5 };
            let seconds = (until - at) * 0.96;
            score.add(
                instrument,
                Note::new(human.at(at), seconds, Tone::Pitch(pitch), human.touch(velocity, at)),
            );
        }
    }
}
