//! What every instrument sounds like, measured: level, pitch, colour, space, how it starts and ends. No composer in between.

use std::{num::NonZeroUsize, ops::ControlFlow};

use realfft::RealFftPlanner;

use super::{
    console::Console,
    instrument::{Family, GROUPS, Instrument},
    mixdown::Desk,
    score::{Duty, Note, Tone},
    space::Room,
    spares::Spares,
    stage::Stage,
    style::Drum,
    track::{Span, Stereo, Track},
    voices::{Texture, Voice, hertz},
};
use crate::render::Watch;

struct Silent;

impl Watch for Silent {
    fn progress(&self, _done: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

const RATE: usize = 48_000;

fn console() -> Console {
    Console {
        room: Room::of_style(0.2, 1.6),
        glue: 0.0,
        pump: 0.0,
        warmth: 0.0,
        era: None,
        tempo_bpm: 120.0,
        kicks: Vec::new(),
        melody: false,
    }
}

fn span(seconds: f64) -> Span {
    let total = (seconds * RATE as f64) as usize;
    Span { start: 0, lead: 0, frames: total, total }
}

fn track(instrument: Instrument, duty: Duty, notes: Vec<Note>) -> Track {
    match instrument.voice() {
        &Voice::Texture { of } => {
            let texture = Texture { of, seed: 7 };
            Track::Texture { instrument, texture, gain_db: 0.0, fade_in: 0, fade_out: 0 }
        }
        _ => Track::Notes { instrument, duty, notes, seed: 3, tuning: hertz(43), brightness: 1.0 },
    }
}

fn pitch(at: f64, seconds: f64, pitch: i32, velocity: f32) -> Note {
    Note::new(at, seconds, Tone::Pitch(pitch), velocity)
}

/// One note of an instrument, without a room.
fn one(instrument: Instrument, tone: i32, held: f64, velocity: f32, seconds: f64) -> Stereo {
    let notes = vec![pitch(0.05, held, tone, velocity)];
    track(instrument, Duty::Ground, notes)
        .render(span(seconds), &console(), &Spares::default(), &|| true)
        .unwrap()
}

fn pitched() -> impl Iterator<Item = Instrument> {
    Instrument::all().filter(|who| matches!(who.family(), Family::Held | Family::Struck))
}

fn is_bass(who: Instrument) -> bool {
    GROUPS[who.group()] == "bass" || matches!(who.name(), "tuba" | "contrabass")
}

/// What an instrument is there for: a scale, chords, a bass line, a beat.
fn work(who: Instrument, duty: Duty) -> Vec<Note> {
    let play = who.play();
    if who.family() == Family::Kit {
        return beat(who);
    }
    if who.family() == Family::Texture {
        return Vec::new();
    }
    if is_bass(who) {
        let line = [0, 0, 7, 12, 5, 5, 0, 7];
        return (0..8).map(|i| pitch(0.5 * i as f64, 0.42, play.harmony - 5 + line[i], 0.6)).collect();
    }
    if duty == Duty::Melody {
        let scale = [0, 2, 4, 5, 7, 5, 4, 2];
        return (0..8).map(|i| pitch(0.5 * i as f64, 0.48, play.melody + scale[i], 0.6)).collect();
    }
    let starts: &[(f64, f64)] =
        if who.family() == Family::Held { &[(0.0, 1.95)] } else { &[(0.0, 1.95), (1.0, 0.9)] };
    let chord = |bar: usize, root: i32| {
        starts.iter().flat_map(move |&(at, seconds)| {
            [0, 4, 7].map(|tone| pitch(2.0 * bar as f64 + at, seconds, play.harmony + root + tone, 0.6))
        })
    };
    [0, 5].into_iter().enumerate().flat_map(|(bar, root)| chord(bar, root).collect::<Vec<_>>()).collect()
}

fn beat(who: Instrument) -> Vec<Note> {
    use Drum::{
        Bongo, Cajon, Castanets, Clap, ConcertBass, Conga, FieldSnare, Frame, Hat, HighBongo, HighCajon,
        HighFrame, HighSurdo, HighTaiko, Kick, Shaker, Snare, Surdo, Taiko, Tamborim, Tambourine, Timpani,
    };
    let lanes: &[(Drum, &str)] = match who.name() {
        "percussion" => &[(Shaker, "x.o.x.o.x.o.x.o."), (Conga, "..x...x...x.x.x.")],
        "bongos" => &[(HighBongo, "x.o.x.o.x.o.x.oo"), (Bongo, "..x...x...x...x.")],
        "congas" => &[(Conga, "..x...xx..x...xx")],
        "cajon" => &[(Cajon, "x.....x.x......."), (HighCajon, "....x..o....x.o.")],
        "shaker" => &[(Shaker, "xoxoxoxoxoxoxoxo")],
        "tambourine" => &[(Tambourine, "o.o.x.o.o.o.x.o.")],
        "handclaps" => &[(Clap, "..x...x.x.x...x.")],
        "castanets" => &[(Castanets, "x..x.xx.x..x.xxx")],
        "frame_drum" => &[(Frame, "x.....x...x....."), (HighFrame, "..x.x...x...x.x.")],
        "taiko" => &[(Taiko, "x.....x.x......."), (HighTaiko, "..x.x.......x.xx")],
        "timpani" => &[(Timpani, "x.......x...x.xx")],
        "orchestral_percussion" => &[(ConcertBass, "x.......x......."), (FieldSnare, "....x.xx....x.xx")],
        "military_snare" => &[(FieldSnare, "x.xxx.x.xxxxx.x."), (ConcertBass, "x.......x.......")],
        "samba_percussion" => &[
            (Surdo, "....x.......x..."),
            (HighSurdo, "x.......x......."),
            (Tamborim, "x.x.xx.x.x.x.xx."),
            (Shaker, "xoxoxoxoxoxoxoxo"),
        ],
        _ => &[(Kick, "x.....x.x......."), (Snare, "....x.......x..o"), (Hat, "x.x.x.x.x.x.x.x.")],
    };
    let mut notes = Vec::new();
    for bar in 0..2 {
        for &(drum, steps) in lanes {
            for (step, mark) in steps.bytes().enumerate().filter(|(_, mark)| *mark != b'.') {
                let velocity = if mark == b'x' { 0.75 } else { 0.4 };
                let at = 2.0 * f64::from(bar) + 0.125 * step as f64;
                notes.push(Note::new(at, 0.0, Tone::Hit(drum), velocity));
            }
        }
    }
    notes.sort_by(|a, b| a.at.total_cmp(&b.at));
    notes
}

/// An instrument at its work, in a room.
fn at_work(who: Instrument, duty: Duty) -> Stereo {
    let span = span(5.0);
    let console = console();
    let sound =
        track(who, duty, work(who, duty)).render(span, &console, &Spares::default(), &|| true).unwrap();
    let mut desk = Desk::new(span.total, false);
    desk.add(who, sound, &Spares::default());
    desk.into_buses().0.finish(&console, &[], 0, &|| true).unwrap().0
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

fn middle(sound: &Stereo) -> Vec<f32> {
    sound.left.iter().zip(&sound.right).map(|(l, r)| 0.5 * (l + r)).collect()
}

/// Magnitudes of a windowed piece, and hertz per bin.
fn spectrum(samples: &[f32]) -> (Vec<f32>, f32) {
    let size = (4 * samples.len()).next_power_of_two();
    let mut input = vec![0.0; size];
    for (i, (slot, sample)) in input.iter_mut().zip(samples).enumerate() {
        let turn = std::f32::consts::TAU * (i as f32 + 0.5) / samples.len() as f32;
        *slot = sample * (0.5 - 0.5 * turn.cos());
    }
    let fft = RealFftPlanner::new().plan_fft_forward(size);
    let mut bins = fft.make_output_vec();
    fft.process(&mut input, &mut bins).unwrap();
    (bins.iter().map(|bin| bin.norm()).collect(), RATE as f32 / size as f32)
}

/// Mean of the frequencies, weighted by magnitude.
fn centroid(samples: &[f32]) -> f32 {
    let (bins, step) = spectrum(samples);
    let sum: f32 = bins.iter().sum();
    bins.iter().enumerate().map(|(i, bin)| i as f32 * step * bin).sum::<f32>() / sum.max(1e-12)
}

#[test]
fn every_instrument_is_heard() {
    for who in Instrument::all() {
        for duty in [Duty::Ground, Duty::Melody] {
            let sound = at_work(who, duty);
            let level = 10.0 * (0.5 * (power(&sound.left) + power(&sound.right))).log10();
            let peak = peak(&sound.left).max(peak(&sound.right));
            assert!(sound.left.iter().chain(&sound.right).all(|sample| sample.is_finite()), "{}", who.name());
            assert!(peak < 0.9, "{}: peak {peak}", who.name());
            assert!((-52.0..-14.0).contains(&level), "{}: {level} dB", who.name());
        }
    }
}

/// Loudness of each instrument at its usual work, by BS.1770: none hides, none shouts. What dies away at once is louder while it
/// lasts, and so a little lower over time; the lowest sounds count for little in this measure.
#[test]
fn levels_are_balanced() {
    let mut wrong = Vec::new();
    for who in Instrument::all() {
        let jobs = match (who.family(), GROUPS[who.group()]) {
            (Family::Kit, "drums") => vec![(Duty::Ground, -26.5)],
            (Family::Kit, _) => vec![(Duty::Ground, -30.0)],
            (Family::Texture, _) => vec![(Duty::Ground, -40.0)],
            _ if is_bass(who) => vec![(Duty::Ground, -29.5)],
            (_, "pads") => vec![(Duty::Ground, -31.5), (Duty::Melody, -27.0)],
            _ => vec![(Duty::Ground, -30.5), (Duty::Melody, -27.0)],
        };
        for (duty, target) in jobs {
            let sound = at_work(who, duty);
            let mut meter = ebur128::EbuR128::new(2, RATE as u32, ebur128::Mode::I).unwrap();
            meter.add_frames_planar_f32(&[&sound.left, &sound.right]).unwrap();
            let lufs = meter.loudness_global().unwrap();
            let window = if matches!(who.family(), Family::Texture | Family::Kit) { 5.0 } else { 3.5 };
            if (lufs - target).abs() > window {
                wrong.push(format!("{} as {duty:?}: {lufs:.1} LUFS, not {target}", who.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fundamental, or the octave where that is stronger, lies within 5 cents of what is written.
#[test]
fn everybody_is_in_tune() {
    let mut wrong = Vec::new();
    for who in pitched() {
        for tone in [who.play().harmony, who.play().melody] {
            let sound = middle(&one(who, tone, 3.0, 0.6, 3.1));
            // After the attack and over several swings of the vibrato and of players against each other; what dies at once is
            // heard early.
            let late = &sound[20_000..140_000];
            let heard = if who.family() == Family::Held { late } else { &sound[4_000..16_000] };
            let (bins, step) = spectrum(heard);
            let around = |hz: f32| {
                let near = (hz * 0.972 / step) as usize..(hz * 1.029 / step) as usize + 2;
                let weigh = |i: usize| bins[i] * bins[i];
                let sum: f32 = near.clone().map(weigh).sum();
                let mean = near.map(|i| i as f32 * step * weigh(i)).sum::<f32>() / sum.max(1e-20);
                (sum, 1200.0 * (mean / hz).log2())
            };
            let hz = hertz(tone);
            let (first, second) = (around(hz), around(2.0 * hz));
            let cents = if first.0 > 0.3 * second.0 { first.1 } else { second.1 };
            if cents.abs() > 5.0 {
                wrong.push(format!("{} at {tone}: {cents:.1} cents", who.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn harder_is_brighter() {
    // Whose keys or chips know no force.
    let even = ["harpsichord", "organ", "church_organ", "bagpipes", "chip_bass", "sub_bass", "chip_lead"];
    let mut wrong = Vec::new();
    for who in pitched().filter(|who| !even.contains(&who.name())) {
        let bright = |velocity| {
            let sound = middle(&one(who, who.play().melody, 0.5, velocity, 0.7));
            centroid(&sound[2_400..21_600])
        };
        let (soft, hard) = (bright(0.3), bright(0.9));
        if hard < 1.05 * soft {
            wrong.push(format!("{}: {soft:.0} to {hard:.0} Hz", who.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Between the harmonics of a high note there is nothing.
#[test]
fn nothing_folds_back() {
    for name in ["square_lead", "chip_lead", "supersaw", "lead", "string_machine", "violin", "trumpet"] {
        let who = Instrument::named(name).unwrap();
        let tone = who.play().range[1].min(97);
        let sound = middle(&one(who, tone, 1.0, 1.0, 1.2));
        let (bins, step) = spectrum(&sound[12_000..44_000]);
        let (mut inside, mut between) = (0.0_f32, 0.0_f32);
        for (i, bin) in bins.iter().enumerate() {
            let harmonic = i as f32 * step / hertz(tone);
            // Breath, bow and echoes live below; what folds back does so from above.
            if harmonic < 0.3 {
                continue;
            }
            if (harmonic - harmonic.round()).abs() < 0.06 * harmonic.max(1.0) {
                inside += bin * bin;
            } else {
                between += bin * bin;
            }
        }
        let db = 10.0 * (between / inside).log10();
        assert!(db < -38.0, "{name}: {db} dB between the harmonics");
    }
}

#[test]
fn notes_start_from_nothing_and_end_in_it() {
    for who in pitched() {
        let play = who.play();
        for (tone, velocity) in [(play.range[0], 0.9), (play.melody, 0.5), (play.range[1], 1.0)] {
            let sound = one(who, tone, 0.4, velocity, 9.0);
            for side in [&sound.left, &sound.right] {
                let loudest = peak(side);
                let onset = (0.05 * RATE as f64) as usize;
                assert!(peak(&side[..onset - 16]) < 1e-5, "{}: sounds before it starts", who.name());
                assert!(peak(&side[onset..onset + 2]) < 0.04 * loudest, "{} at {tone}: clicks", who.name());
                let end = peak(&side[side.len() - 4800..]);
                assert!(end < 0.003 * loudest, "{} at {tone}: {end} of {loudest} is left", who.name());
                let mean: f32 = side.iter().sum::<f32>() / side.len() as f32;
                assert!(mean.abs() < 2e-3 * loudest, "{} at {tone}: direct voltage {mean}", who.name());
            }
        }
    }
}

/// Both sides in one loudspeaker: no instrument loses more than 3 dB.
#[test]
fn mono_keeps_what_stereo_has() {
    for who in Instrument::all() {
        let sound = at_work(who, Duty::Ground);
        let stereo = 0.5 * (power(&sound.left) + power(&sound.right));
        let mono = power(&middle(&sound));
        let lost = 10.0 * (mono / stereo).log10();
        // Noise that is different on both sides, as rain is, loses 3 dB by that alone.
        let least = if who.family() == Family::Texture { -3.6 } else { -3.0 };
        assert!(lost > least, "{}: {lost} dB", who.name());
    }
}

/// Any kit answers any drum: heard, and gone after a while.
#[test]
fn every_kit_has_every_drum() {
    use Drum::{Riser, Swell};
    for who in Instrument::all().filter(|who| who.family() == Family::Kit) {
        for drum in Drum::ALL {
            let note = Note::new(0.0, 0.5, Tone::Hit(drum), 0.8);
            let sound = track(who, Duty::Ground, vec![note])
                .render(span(6.0), &console(), &Spares::default(), &|| true)
                .unwrap();
            let loudest = peak(&sound.left).max(peak(&sound.right));
            assert!(loudest > 0.004, "{}: {drum:?} peaks at {loudest}", who.name());
            let end = peak(&sound.left[RATE * 6 - 4800..]);
            assert!(end < 0.01 * loudest, "{}: {drum:?} does not end", who.name());
            if ![Swell, Riser].contains(&drum) {
                let early = power(&sound.left[..RATE / 2]) > power(&sound.left[RATE / 2..RATE]);
                assert!(early, "{}: {drum:?} is late", who.name());
            }
        }
    }
}

/// Glue, pump and colour are the same with and without stems, and stems still add up.
#[test]
fn a_console_is_fair_to_stems() {
    let who = |name| Instrument::named(name).unwrap();
    let tracks: Vec<Track> = ["drums", "bass", "pad", "lead"]
        .map(|name| {
            let duty = if name == "lead" { Duty::Melody } else { Duty::Ground };
            track(who(name), duty, work(who(name), duty))
        })
        .into();
    let console = Console {
        glue: 1.0,
        pump: 1.0,
        warmth: 1.0,
        era: super::era::Era::named("1960s"),
        kicks: vec![0.0, 0.75, 1.0, 2.0, 2.75, 3.0],
        melody: true,
        ..console()
    };
    let spares = Spares::default();
    let stage = Stage { threads: NonZeroUsize::MIN, spares: &spares, watch: &Silent };
    let (plain, _) = stage.perform(&tracks, span(5.0), &console, false).unwrap();
    let (mix, stems) = stage.perform(&tracks, span(5.0), &console, true).unwrap();
    assert_eq!(plain, mix);
    let mut sum = vec![0.0_f32; mix.left.len()];
    for stem in stems.iter().flatten() {
        sum.iter_mut().zip(&stem.left).for_each(|(sum, sample)| *sum += sample);
    }
    let worst = sum.iter().zip(&mix.left).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-6, "stems are off by {worst}");
    // The pad is down where the kick is and up before the next one.
    let pad = &stems[who("pad").group()].as_ref().unwrap().left;
    let (ducked, back) = (power(&pad[96_500..101_000]), power(&pad[129_000..132_000]));
    assert!(ducked < 0.35 * back, "{ducked} under the kick, {back} before the next");
}
