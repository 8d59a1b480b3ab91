//! The plan of a piece: what will be played when, in bars.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::music::{Key, Metre};

/// What will be played when. Printed by `timbre plan`, returned by `POST /plan`, and accepted back, edited.
///
/// Authoritative are tempo, metre, key, seed, theme and, per section, everything but `start_*` and `length_*`. The derived
/// fields (`total_bars`, `duration_seconds`, `total_frames`, `start_*`, `length_*`) may be left out of an edited plan; they are
/// computed again, and where a given value disagrees the result carries a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompositionPlan {
    /// Version of this form. Always 1.
    #[schema(minimum = 1, maximum = 1)]
    pub version: u32,
    /// A title for people and players.
    #[schema(max_length = 200)]
    pub title: String,
    /// The prompt that the plan was made from.
    #[schema(max_length = 1000)]
    pub prompt: String,
    /// Seed of everything that is drawn while planning.
    pub seed: u64,
    /// Identifier of the style, as listed in docs/COMPOSITION.md.
    pub style: String,
    /// Beats per minute, 40 to 220; the beat is the quarter note, in 6/8 and 12/8 the dotted quarter.
    #[schema(minimum = 40, maximum = 220)]
    pub tempo_bpm: f64,
    /// Time signature.
    pub time_signature: Metre,
    /// Tonic and mode.
    pub key: Key,
    /// Bars of the whole piece (derived). Only the last section may end inside a bar.
    #[serde(default)]
    pub total_bars: f64,
    /// Length of the piece in seconds (derived).
    #[serde(default)]
    pub duration_seconds: f64,
    /// The rate in which this plan counts frames: that of the finished file.
    pub sample_rate: u32,
    /// Length of the piece in frames (derived).
    #[serde(default)]
    pub total_frames: u64,
    /// What holds the piece together.
    pub theme: Theme,
    /// How the piece ends. Left out: as its style does.
    #[serde(default)]
    pub ending: Option<Ending>,
    /// The sections in order, 1 to 64.
    #[schema(min_items = 1, max_items = 64)]
    pub sections: Vec<PlanSection>,
    /// What was decided and why: one entry for each field that the request left open or set.
    #[serde(default)]
    pub inferred: Vec<Inference>,
    /// Words of the prompt that said nothing to the planner.
    #[serde(default)]
    pub not_understood: Vec<String>,
}

/// What holds a piece together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// The melody that is stated, varied and brought back. 1 to 32 notes.
    #[schema(min_items = 1, max_items = 32)]
    pub motif: Vec<MotifNote>,
    /// Every instrument of the piece.
    pub instrumentation: Vec<String>,
    /// Sounds that are no instruments: rain, wind, sea, vinyl.
    #[serde(default)]
    pub textures: Vec<String>,
    /// Ways of playing that were asked for.
    #[serde(default)]
    pub techniques: Vec<Technique>,
    /// The place it sounds in, as `cathedral`. Left out: that of the style.
    #[serde(default)]
    pub space: Option<String>,
    /// The age it sounds like, as `1980s`. Left out: none.
    #[serde(default)]
    pub era: Option<String>,
    /// How many notes are played.
    #[serde(default)]
    pub density: Density,
    /// How the drums count the tempo.
    #[serde(default)]
    pub pulse: Pulse,
    /// Share of a pair of eighths (or sixteenths, as the style swings) that its first one takes, 0.5 (straight) to 0.75. Left
    /// out: that of the style.
    #[serde(default)]
    #[schema(minimum = 0.5, maximum = 0.75)]
    pub swing: Option<f64>,
    /// Moods that shape it, as `dreamy`.
    #[serde(default)]
    pub moods: Vec<String>,
    /// Loudness contour: one value per section, 0 (quietest) to 1.
    #[serde(default)]
    pub dynamic_curve: Vec<f64>,
}

/// A way of playing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Technique {
    /// As listed in docs/COMPOSITION.md: `staccato`, `arpeggiated`.
    pub name: String,
    /// Who plays so; left out: everybody who can.
    #[serde(default)]
    pub instrument: Option<String>,
}

/// How many notes are played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Density {
    /// Fewer than is usual.
    Sparse,
    /// As the style has it.
    #[default]
    Usual,
    /// More than is usual.
    Dense,
}

impl Density {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sparse => "sparse",
            Self::Usual => "usual",
            Self::Dense => "dense",
        }
    }
}

/// How the drums count the tempo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pulse {
    /// Half as fast: the backbeat falls on the third beat.
    Half,
    /// As written.
    #[default]
    Normal,
    /// Twice as fast.
    Double,
}

impl Pulse {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Half => "half",
            Self::Normal => "normal",
            Self::Double => "double",
        }
    }
}

/// How a piece ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A cadence in time and a held last chord.
    Cadence,
    /// The last bars slow down into the last chord.
    Ritardando,
    /// It goes on and is faded out.
    Fade,
    /// A short last chord, cut off.
    Stop,
}

impl Ending {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cadence => "cadence",
            Self::Ritardando => "ritardando",
            Self::Fade => "fade",
            Self::Stop => "stop",
        }
    }
}

/// One note of the motif, or a rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MotifNote {
    /// Scale degree: 0 is the tonic, 7 the tonic an octave up, -1 the degree below. Left out (null): a rest.
    #[serde(default)]
    #[schema(minimum = -14, maximum = 14)]
    pub degree: Option<i32>,
    /// Length in beats, more than 0 to 16.
    #[schema(exclusive_minimum = 0, maximum = 16)]
    pub beats: f64,
}

/// One section of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanSection {
    /// Unique in the plan: 1 to 32 letters, digits, `-` and `_`; `s00`, `s01` and so on when planned by Timbre.
    #[schema(min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9_-]+$")]
    pub id: String,
    /// What the section is for.
    pub role: Role,
    /// A name for people and for markers in the file, 1 to 64 characters.
    #[schema(min_length = 1, max_length = 64)]
    pub label: String,
    /// What an engine is asked for in this section, at most 1000 characters.
    #[schema(max_length = 1000)]
    pub prompt: String,
    /// Length in bars; whole bars in every section but the last.
    #[schema(exclusive_minimum = 0, maximum = 512)]
    pub bars: f64,
    /// Where it starts, in seconds (derived).
    #[serde(default)]
    pub start_seconds: f64,
    /// How long it is, in seconds (derived).
    #[serde(default)]
    pub length_seconds: f64,
    /// Where it starts, in frames (derived).
    #[serde(default)]
    pub start_frame: u64,
    /// How long it is, in frames (derived).
    #[serde(default)]
    pub length_frames: u64,
    /// How much happens.
    pub energy: Energy,
    /// The key of this section. Left out: that of the piece.
    #[serde(default)]
    pub key: Option<Key>,
    /// How it is joined to the section before it. Ignored in the first section.
    pub transition: Transition,
    /// Seed of everything that is drawn for this section.
    pub seed: u64,
    /// Who plays.
    pub orchestration: Orchestration,
}

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Opens the piece.
    Intro,
    /// States the motif.
    Motif,
    /// Tells on, quieter than the chorus.
    Verse,
    /// The motif at its fullest.
    Chorus,
    /// The motif taken apart.
    Development,
    /// Contrast before the last return.
    Bridge,
    /// Brings the motif home and ends the piece, in the short form.
    Resolution,
    /// Ends the piece, in the long form.
    Outro,
}

impl Role {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intro => "intro",
            Self::Motif => "motif",
            Self::Verse => "verse",
            Self::Chorus => "chorus",
            Self::Development => "development",
            Self::Bridge => "bridge",
            Self::Resolution => "resolution",
            Self::Outro => "outro",
        }
    }
}

/// How much happens in a section.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Energy {
    /// Sparse.
    Low,
    /// In between.
    #[default]
    Medium,
    /// Full.
    High,
}

impl Energy {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// How a section is joined to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// The kind of join.
    pub kind: TransitionKind,
    /// Length of a crossfade in beats, more than 0 to 8; it lies before the bar line, so the downbeat is untouched.
    /// 0 for the other kinds.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 8)]
    pub beats: f64,
}

/// The kind of join between two sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// The old section stops at the bar line.
    Cut,
    /// The new section fades in under the old one, at equal power, and stands alone from the bar line on.
    Crossfade,
    /// The engine plays on: what rings, rings over the bar line.
    Continue,
}

impl TransitionKind {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Crossfade => "crossfade",
            Self::Continue => "continue",
        }
    }
}

/// Who plays in a section: names of instruments, as listed in docs/COMPOSITION.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Orchestration {
    /// Drums and percussion.
    #[serde(default)]
    pub rhythm: Vec<String>,
    /// The lowest voice.
    #[serde(default)]
    pub bass: Vec<String>,
    /// Chords.
    #[serde(default)]
    pub harmony: Vec<String>,
    /// The melody.
    #[serde(default)]
    pub lead: Vec<String>,
    /// Sounds that are no instruments.
    #[serde(default)]
    pub textures: Vec<String>,
}

impl Orchestration {
    /// The five layers with their names, in the order of the wire.
    pub fn layers(&self) -> [(&'static str, &[String]); 5] {
        [
            ("rhythm", &self.rhythm),
            ("bass", &self.bass),
            ("harmony", &self.harmony),
            ("lead", &self.lead),
            ("textures", &self.textures),
        ]
    }

    /// Every name, layer by layer.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers().into_iter().flat_map(|(_, names)| names.iter().map(String::as_str))
    }
}

/// Where one decision of the planner came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// The field that was decided, as `tempo_bpm`.
    pub field: String,
    /// What it became, in words.
    pub value: String,
    /// What it was taken from.
    pub source: Source,
    /// The words of the prompt that said so, or why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// What a decision was taken from, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A field of the request.
    Request,
    /// Words of the prompt.
    Prompt,
    /// The habits of the style.
    Style,
    /// Drawn from the seed.
    Seed,
}

impl Source {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Prompt => "prompt",
            Self::Style => "style",
            Self::Seed => "seed",
        }
    }
}
