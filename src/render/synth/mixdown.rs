//! From tracks to the sound of a section: levels, places and the room.

use super::{
    instrument::{GROUPS, Instrument, Strip},
    reverb::Reverb,
    score::Duty,
    track::Stereo,
    voices::{RATE, pan},
};

/// Level of the whole, so that full arrangements stay below full scale.
const MASTER: f32 = 0.42;
/// -360 dB: keeps the filters from denormal numbers in silence, in which processors are many times slower.
const BARELY: f32 = 1e-18;
/// Below this, in hertz, a track is mono.
const MONO_BELOW: f32 = 180.0;

/// The room of a piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// How much of it is heard, 0 to 1.
    pub(super) amount: f32,
    /// RT60 in seconds.
    pub(super) seconds: f64,
    /// From where on its highs die faster.
    pub(super) damping_hz: f64,
}

/// What one bus collects: dry sound and what goes to the room.
#[derive(Clone, Debug)]
pub(super) struct Bus {
    dry: Stereo,
    send: Stereo,
}

impl Bus {
    pub(super) fn new(frames: usize) -> Self {
        Self { dry: Stereo::silence(frames), send: Stereo::silence(frames) }
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

    /// Dry sound and the room's answer together, in place of the dry sound. `goes_on` is asked now and then; `None` when it says
    /// no.
    pub(super) fn finish(self, room: Room, goes_on: &dyn Fn() -> bool) -> Option<Stereo> {
        const ASK_EVERY: usize = 1 << 14;
        let Self { mut dry, send } = self;
        let mut reverb = Reverb::new(room.seconds, room.damping_hz);
        // A longer room gathers more sound: its level is brought back to that of 1.8 s.
        let amount = f64::from(room.amount) * (1.8 / room.seconds).sqrt().min(1.0);
        for start in (0..dry.left.len()).step_by(ASK_EVERY) {
            if !goes_on() {
                return None;
            }
            let end = (start + ASK_EVERY).min(dry.left.len());
            for i in start..end {
                let [left, right] = reverb.next([f64::from(send.left[i]), f64::from(send.right[i])]);
                dry.left[i] = (f64::from(dry.left[i]) + amount * left) as f32;
                dry.right[i] = (f64::from(dry.right[i]) + amount * right) as f32;
            }
        }
        Some(dry)
    }
}

/// The buses of a rendering: the mix, and one for each group when stems are wanted.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) mix: Bus,
    pub(super) groups: Vec<Option<Bus>>,
    stems: bool,
}

impl Desk {
    pub(super) fn new(frames: usize, stems: bool) -> Self {
        Self { mix: Bus::new(frames), groups: vec![None; GROUPS.len()], stems }
    }

    /// Puts a track in its place. Tracks must come in the same order each time for the same bytes.
    pub(super) fn add(&mut self, instrument: Instrument, duty: Duty, mut track: Stereo) {
        let strip = instrument.strip();
        let gain_db = match duty {
            Duty::Ground => strip.gain_db,
            Duty::Melody => strip.gain_db + strip.melody_db,
        };
        shape(&mut track, strip, 10f32.powf(gain_db / 20.0));
        self.mix.add(&track, strip.send);
        if self.stems {
            let frames = track.left.len();
            self.groups[instrument.group()].get_or_insert_with(|| Bus::new(frames)).add(&track, strip.send);
        }
    }
}

/// Cuts the rumble, makes the low end mono, sets level and place.
fn shape(track: &mut Stereo, strip: Strip, gain: f32) {
    let gain = MASTER * gain;
    let (to_left, to_right) = pan(strip.place);
    let share = |hz: f32| 1.0 - (-std::f32::consts::TAU * hz / RATE).exp();
    let (rumble, mono) = (share(strip.high_pass), share(MONO_BELOW));
    let (mut low_left, mut low_right, mut low_side) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (left, right) in track.left.iter_mut().zip(track.right.iter_mut()) {
        low_left += rumble * (*left - low_left) + BARELY;
        low_right += rumble * (*right - low_right) + BARELY;
        let (l, r) = (to_left * (*left - low_left), to_right * (*right - low_right));
        let (middle, side) = (0.5 * (l + r), 0.5 * (l - r));
        low_side += mono * (side - low_side) + BARELY;
        let side = side - low_side;
        *left = gain * (middle + side);
        *right = gain * (middle - side);
    }
}
