//! From tracks to the sound of a section: levels, places and the room.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use super::{
    console::Console,
    instrument::{GROUPS, Instrument, Strip},
    lanes::Lanes,
    reverb::Reverb,
    ring::BLOCK,
    score::Duty,
    spares::Spares,
    stretches::sweep,
    track::Stereo,
    voices::{Filter, RATE, pan},
};

/// Level of the whole, so that full arrangements stay below full scale.
const MASTER: f32 = 0.42;
/// -360 dB: keeps the filters from denormal numbers in silence, in which processors are many times slower.
pub(super) const BARELY: f32 = 1e-18;
/// Below this, in hertz, a track is mono.
const MONO_BELOW: f32 = 120.0;

/// What one bus collects: dry sound and what goes to the room.
#[derive(Clone, Debug)]
pub(super) struct Bus {
    dry: Stereo,
    send: Stereo,
}

impl Bus {
    /// A bus with its first track, and a buffer for what goes to the room.
    fn with(track: Stereo, send: f32, mut buffer: Stereo) -> Self {
        for (wet, dry) in [(&mut buffer.left, &track.left), (&mut buffer.right, &track.right)] {
            wet.clear();
            wet.extend(dry.iter().map(|sample| send * sample));
        }
        Self { dry: track, send: buffer }
    }

    /// Left and right without the room.
    pub(super) fn dry(&self) -> (&[f32], &[f32]) {
        (&self.dry.left, &self.dry.right)
    }

    fn add(&mut self, track: &Stereo, send: f32) {
        let sides = [
            (&mut self.dry.left, &mut self.send.left, &track.left),
            (&mut self.dry.right, &mut self.send.right, &track.right),
        ];
        for (dry, wet, track) in sides {
            for ((dry, wet), sample) in dry.iter_mut().zip(wet.iter_mut()).zip(track) {
                *dry += sample;
                *wet += send * sample;
            }
        }
    }

    /// Dry sound and the room's answer together, coloured and with the glue's `gains`. The rendering starts `start` frames into
    /// the piece. `goes_on` is asked now and then; `None` when it says no. Also gives back what is no longer needed.
    pub(super) fn finish(
        self,
        console: &Console,
        gains: &[f32],
        start: i64,
        goes_on: &dyn Fn() -> bool,
    ) -> Option<(Stereo, Stereo)> {
        const ASK_EVERY: usize = 1 << 14;
        let Self { mut dry, send } = self;
        let room = &console.room;
        let mut reverb = Reverb::new(room, start);
        // A longer room gathers more sound: its level is brought back to that of 1.8 s.
        let amount = room.amount * (1.8 / room.seconds).sqrt().min(1.0) as f32;
        let sent = send.left.chunks(BLOCK).zip(send.right.chunks(BLOCK));
        let heard = dry.left.chunks_mut(BLOCK).zip(dry.right.chunks_mut(BLOCK));
        for (number, ((from_left, from_right), (left, right))) in sent.zip(heard).enumerate() {
            if (number * BLOCK).is_multiple_of(ASK_EVERY) && !goes_on() {
                return None;
            }
            let answers = reverb.answer([from_left, from_right]);
            for (side, answer) in [left, right].into_iter().zip(answers) {
                for (sample, answer) in side.iter_mut().zip(answer) {
                    *sample += amount * answer;
                }
            }
        }
        console.finish(gains, &mut dry);
        Some((dry, send))
    }
}

/// The buses of a rendering: the mix, and one for each group when stems are wanted.
#[derive(Debug)]
pub(super) struct Desk {
    frames: usize,
    mix: Option<Bus>,
    groups: Vec<Option<Bus>>,
    stems: bool,
}

impl Desk {
    pub(super) fn new(frames: usize, stems: bool) -> Self {
        Self { frames, mix: None, groups: vec![None; GROUPS.len()], stems }
    }

    /// Takes a track that went through its channel. Tracks must come in the same order each time for the same bytes.
    pub(super) fn add(&mut self, instrument: Instrument, track: Stereo, spares: &Spares) {
        let send = instrument.strip().send;
        if self.stems {
            match &mut self.groups[instrument.group()] {
                Some(group) => group.add(&track, send),
                group => *group = Some(Bus::with(track.clone(), send, spares.buffer(self.frames))),
            }
        }
        if let Some(mix) = &mut self.mix {
            mix.add(&track, send);
            return spares.put(track);
        }
        // Memory that is first read and then written costs twice: the first track is the start of the mix.
        self.mix = Some(Bus::with(track, send, spares.buffer(self.frames)));
    }

    /// The mix and the groups, as far as they have tracks.
    pub(super) fn into_buses(self) -> (Bus, Vec<Option<Bus>>) {
        let silence = || Stereo::silence(self.frames);
        (self.mix.unwrap_or_else(|| Bus { dry: silence(), send: silence() }), self.groups)
    }
}

/// A track's channel: its effects, its way of giving room to others, its level, and its place (-1 left to 1 right). The rendering
/// starts `start` frames into the piece.
pub(super) fn channel(
    console: &Console,
    instrument: Instrument,
    (duty, place): (Duty, f32),
    start: i64,
    track: &mut Stereo,
) {
    instrument.effects().apply(track, console.clock(start));
    let strip = instrument.strip();
    let gain_db = match duty {
        Duty::Ground => strip.gain_db,
        Duty::Melody => strip.gain_db + strip.melody_db,
    };
    // What a melody is heard by is where chords step back.
    let chords = duty == Duty::Ground
        && GROUPS[2..11].contains(&GROUPS[instrument.group()])
        && instrument.group() != 2;
    let presence = if console.melody && chords { 0.76 } else { 1.0 };
    shape(track, Strip { place, ..strip }, presence, 10f32.powf(gain_db / 20.0));
    console.duck(instrument, duty, start, [&mut track.left, &mut track.right]);
}

/// Cuts the rumble, makes the low end mono, sets presence (a gain around 2.6 kHz), level and place.
fn shape(track: &mut Stereo, strip: Strip, presence: f32, gain: f32) {
    const PRESENCE_HZ: f32 = 2600.0;
    const PRESENCE_Q: f32 = 0.8;
    let mut rumble = [Filter::new(strip.high_pass, 0.7); 2];
    let mut bells = [Filter::new(PRESENCE_HZ, PRESENCE_Q); 2];
    let lift = (presence - 1.0) / PRESENCE_Q;
    let mut seat = Seat::new(strip.place, MASTER * gain);
    // What has no presence to set is spared the filters for it.
    if lift == 0.0 {
        return sweep(
            track.sides(),
            #[inline(always)]
            |[left, right]| {
                for (left, right) in left.iter_mut().zip(right) {
                    let both = [rumble[0].next(*left).high, rumble[1].next(*right).high];
                    [*left, *right] = seat.take(both);
                }
            },
        );
    }
    sweep(
        track.sides(),
        #[inline(always)]
        |[left, right]| {
            for (left, right) in left.iter_mut().zip(right) {
                let [l, r] = [rumble[0].next(*left).high, rumble[1].next(*right).high];
                let both = [l + bells[0].next(l).band * lift, r + bells[1].next(r).band * lift];
                [*left, *right] = seat.take(both);
            }
        },
    );
}

/// A place between left and right, from which lows come mono.
struct Seat {
    pan: [f32; 2],
    gain: f32,
    low_share: f32,
    low_side: Lanes,
}

impl Seat {
    fn new(place: f32, gain: f32) -> Self {
        let low_share = 1.0 - (-std::f32::consts::TAU * MONO_BELOW / RATE).exp();
        Self { pan: pan(place).into(), gain, low_share, low_side: Lanes::default() }
    }

    #[inline(always)]
    fn take(&mut self, [left, right]: [Lanes; 2]) -> [Lanes; 2] {
        let (left, right) = (left * self.pan[0], right * self.pan[1]);
        let (middle, side) = ((left + right) * 0.5, (left - right) * 0.5);
        self.low_side = self.low_side * (1.0 - self.low_share) + (side * self.low_share + BARELY);
        let side = side - self.low_side;
        [(middle + side) * self.gain, (middle - side) * self.gain]
    }
}
