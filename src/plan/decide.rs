//! What a piece is, before it is divided into sections: every decision, and where it came from.

use crate::{
    audio::Random,
    music::{Key, Metre, Mode},
    plan::{
        PlanError,
        brief::{Brief, Length, Said, Tempo},
        ensemble, form,
        vocabulary::{Era, Style, TempoWord, vocabulary},
    },
    request::{DURATION_SECONDS, Request, TEMPO_BPM},
    wire::{FieldError, Inference, Pulse, Source},
};

/// Share by which a tempo that is said to be "around" a number may differ from it.
const AROUND: f64 = 0.03;

/// How many times the usual tempo another way to count it begins.
const OTHER_COUNT: f64 = 1.7;

/// What a piece is.
pub(super) struct Decisions {
    pub(super) style: &'static Style,
    /// A second kind of music that is named.
    pub(super) second: Option<&'static Style>,
    /// The age, and whether the style is its own.
    pub(super) era: Option<(&'static Era, bool)>,
    pub(super) metre: Metre,
    pub(super) key: Key,
    pub(super) tempo_bpm: f64,
    pub(super) seconds: f64,
    /// How the drums count.
    pub(super) pulse: Pulse,
    /// Mean energy of the moods, -1 to 1.
    pub(super) energy: f64,
    pub(super) inferred: Vec<Inference>,
}

/// A value, its source and the reason.
struct Decided<T> {
    value: T,
    source: Source,
    because: Option<String>,
}

impl<T> Decided<T> {
    fn new(value: T, source: Source, because: impl Into<Option<String>>) -> Self {
        Self { value, source, because: because.into() }
    }

    fn said(value: T, words: &str) -> Self {
        Self::new(value, Source::Prompt, words.to_owned())
    }
}

/// One entry of what was inferred.
pub(super) fn entry(field: &str, value: String, source: Source, because: Option<String>) -> Inference {
    Inference { field: field.to_owned(), value, source, because }
}

impl Decisions {
    /// # Errors
    /// When the prompt asks for a tempo or a length outside the limits.
    pub(super) fn make(request: &Request, brief: &Brief) -> Result<Self, PlanError> {
        let style = style(brief);
        let second = second(brief, style.value);
        let metre = metre(request, brief, style.value, second);
        let key = key(request, brief, style.value);
        let tempo = Guess::of(request, brief, style.value, metre.value)?;
        let seconds = seconds(request, brief, metre.value, &tempo)?;
        let tempo = tempo.fitted(seconds.value, metre.value);
        let pulse = pulse(brief, style.value, metre.value, &tempo);
        let moods = brief.moods.len().max(1) as f64;
        let energy = brief.moods.iter().map(|said| said.value.energy).sum::<f64>() / moods;
        let rounded = |number: f64| format!("{}", (number * 100.0).round() / 100.0);
        let mut inferred = vec![
            entry("style", style.value.name.clone(), style.source, style.because.clone()),
            entry("duration_seconds", rounded(seconds.value), seconds.source, seconds.because.clone()),
            entry("time_signature", metre.value.to_string(), metre.source, metre.because.clone()),
            entry("key", key.value.to_string(), key.source, key.because.clone()),
            entry("tempo_bpm", rounded(tempo.value), tempo.source, tempo.because.clone()),
        ];
        if let Some(because) = pulse.because {
            inferred.push(entry("theme.pulse", pulse.value.name().to_owned(), pulse.source, Some(because)));
        }
        if let Some(second) = second {
            let because = brief.styles.iter().find(|said| said.value.name == second.name);
            let because = because.map(|said| said.words.clone());
            inferred.insert(1, entry("style", format!("with {}", second.name), Source::Prompt, because));
        }
        for avoided in &brief.avoided {
            let value = format!("not {}", avoided.value.name);
            inferred.push(entry("style", value, Source::Prompt, Some(avoided.words.clone())));
        }
        let era = brief.era.as_ref().map(|said| (said.value, said.value.style == style.value.name));
        Ok(Self {
            style: style.value,
            second,
            era,
            metre: metre.value,
            key: key.value,
            tempo_bpm: tempo.value,
            seconds: seconds.value,
            pulse: pulse.value,
            energy,
            inferred,
        })
    }
}

fn refused(message: String) -> PlanError {
    PlanError { errors: vec![FieldError { field: "prompt".into(), message }] }
}

/// Whether a style was ruled out.
fn allowed(brief: &Brief, style: &Style) -> bool {
    !brief.avoided.iter().any(|said| said.value.name == style.name)
}

/// The first style named; else one that is implied or hinted at; else that of the age; else whichever suits instruments and mood best.
fn style(brief: &Brief) -> Decided<&'static Style> {
    let named = brief
        .styles
        .iter()
        .chain(&brief.implied_styles)
        .chain(&brief.hinted_styles)
        .find(|said| allowed(brief, said.value));
    if let Some(said) = named {
        return Decided::said(said.value, &said.words);
    }
    let of_era = brief.era.as_ref().and_then(|said| Some((vocabulary().style(&said.value.style)?, said)));
    if let Some((style, said)) = of_era.filter(|(style, _)| allowed(brief, style)) {
        return Decided::said(style, &said.words);
    }
    let styles = || vocabulary().styles.iter().filter(|style| allowed(brief, style));
    let mood = brief.moods.first().filter(|said| styles().any(|style| style.name == said.value.style));
    if mood.is_none() && ensemble::only_textures(brief) {
        let ambient = styles().find(|style| style.name == "ambient");
        if let Some(ambient) = ambient {
            return Decided::new(ambient, Source::Style, "suits the textures named".to_owned());
        }
    }
    // A mood says more than an instrument, and less than two rare ones.
    let suits = |style: &Style| {
        let mood = mood.filter(|said| said.value.style == style.name).map_or(0.0, |_| 0.3);
        ensemble::kinship(brief, style) + mood
    };
    let mut best: Option<(&'static Style, f64)> = None;
    for style in styles() {
        let suits = suits(style);
        if best.is_none_or(|(_, most)| suits > most) {
            best = Some((style, suits));
        }
    }
    let (style, suits) = best.unwrap_or((&vocabulary().styles[0], 0.0));
    match mood.filter(|said| said.value.style == style.name) {
        Some(said) => Decided::said(style, &said.words),
        None if suits > 0.0 => Decided::new(style, Source::Style, "suits the instruments named".to_owned()),
        None => Decided::new(style, Source::Style, "nothing says otherwise".to_owned()),
    }
}

/// The next style that is named.
fn second(brief: &Brief, first: &Style) -> Option<&'static Style> {
    brief.styles.iter().map(|said| said.value).find(|style| style.name != first.name && allowed(brief, style))
}

fn metre(request: &Request, brief: &Brief, style: &Style, second: Option<&Style>) -> Decided<Metre> {
    match (request.metre, &brief.metre, second) {
        (Some(metre), _, _) => Decided::new(metre, Source::Request, None),
        (None, Some(said), _) => Decided::said(said.value, &said.words),
        // A "folk waltz" is folk in the time of a waltz.
        (None, None, Some(second)) if style.metre == Metre::FourFour && second.metre != Metre::FourFour => {
            Decided::said(second.metre, &second.name)
        }
        (None, None, _) => Decided::new(style.metre, Source::Style, None),
    }
}

fn key(request: &Request, brief: &Brief, style: &Style) -> Decided<Key> {
    if let Some(key) = request.key {
        return Decided::new(key, Source::Request, None);
    }
    if let Some(said) = &brief.key {
        return Decided::said(said.value, &said.words);
    }
    let mut random = Random::stream(request.seed, "plan/key");
    let tonic = random.below(12) as i32;
    let mut drawn =
        |modes: &[Mode]| Key::from_pitch_class(tonic, random.pick(modes).copied().unwrap_or(Mode::Major));
    if let Some(said) = &brief.mode {
        return Decided::said(Key::from_pitch_class(tonic, said.value), &said.words);
    }
    if let Some(said) = brief.moods.iter().find(|said| !said.value.modes.is_empty()) {
        let modes = &said.value.modes;
        let both: Vec<Mode> = style.modes.iter().copied().filter(|mode| modes.contains(mode)).collect();
        return Decided::said(drawn(if both.is_empty() { modes } else { &both }), &said.words);
    }
    let because = format!("among the modes of {}", style.name);
    Decided::new(drawn(&style.modes), Source::Seed, because)
}

fn seconds(request: &Request, brief: &Brief, metre: Metre, tempo: &Guess) -> Result<Decided<f64>, PlanError> {
    if let Some(seconds) = request.duration_seconds {
        let because = brief.length.as_ref().map(|said| format!("rather than {:?} in the prompt", said.words));
        return Ok(Decided::new(seconds, Source::Request, because));
    }
    let Some(Said { value, words }) = &brief.length else {
        let because = "the usual length here".to_owned();
        return Ok(Decided::new(request.default_duration_seconds, Source::Style, because));
    };
    let seconds = match value {
        Length::Seconds(seconds) => *seconds,
        Length::Bars(bars) => bars * metre.bar_seconds(tempo.bpm),
    };
    if DURATION_SECONDS.contains(&seconds) {
        return Ok(Decided::said(seconds, words));
    }
    let (low, high) = (DURATION_SECONDS.start(), DURATION_SECONDS.end());
    Err(refused(format!(
        "asks for {words:?}, which is {seconds:.1} seconds; Timbre makes {low} to {high} seconds"
    )))
}

/// A tempo that may yet move to make the piece whole bars.
struct Guess {
    bpm: f64,
    /// How far it may move, in beats per minute. `None` where a length in bars or a number fixes it.
    within: Option<[f64; 2]>,
    source: Source,
    because: Option<String>,
}

impl Guess {
    fn of(request: &Request, brief: &Brief, style: &Style, metre: Metre) -> Result<Self, PlanError> {
        if let Some(bpm) = request.tempo_bpm {
            return Ok(Self { bpm, within: None, source: Source::Request, because: None });
        }
        let usual = usual(style, metre);
        let mut range = usual;
        let mut within = None;
        if let Some(Said { value, words }) = &brief.tempo {
            let limits = [*TEMPO_BPM.start(), *TEMPO_BPM.end()];
            let wrong = || {
                let [low, high] = limits;
                refused(format!("asks for {words:?}; Timbre plays {low} to {high} beats per minute"))
            };
            let checked = |bpm: f64| if TEMPO_BPM.contains(&bpm) { Ok(bpm) } else { Err(wrong()) };
            (range, within) = match *value {
                Tempo::Exact(bpm) => {
                    let source = Source::Prompt;
                    return Ok(Self {
                        bpm: checked(bpm)?,
                        within: None,
                        source,
                        because: Some(words.clone()),
                    });
                }
                Tempo::About(bpm) => {
                    let bpm = checked(bpm)?;
                    let near = [bpm * (1.0 - AROUND), bpm * (1.0 + AROUND)];
                    ([bpm, bpm], Some(near))
                }
                Tempo::Between(said) if spoken(said).is_some() => {
                    (in_style(said, style, usual, brief.styles.is_empty()), None)
                }
                Tempo::Between([low, high]) => {
                    let said = [low.max(limits[0]), high.min(limits[1])];
                    if said[0] > said[1] {
                        return Err(wrong());
                    }
                    (said, Some(said))
                }
                Tempo::AtMost(bpm) => {
                    let high = usual[1].min(checked(bpm)?);
                    let low = usual[0].min(0.85 * high).max(limits[0]);
                    ([low, high], Some([limits[0], bpm]))
                }
                Tempo::AtLeast(bpm) => {
                    let low = usual[0].max(checked(bpm)?);
                    let high = usual[1].max(1.15 * low).min(limits[1]);
                    ([low, high], Some([bpm, limits[1]]))
                }
            };
        }
        let (source, because) = match (&brief.tempo, &brief.pace) {
            (Some(said), _) => (Source::Prompt, said.words.clone()),
            (None, Some(said)) => (Source::Prompt, said.words.clone()),
            (None, None) if metre.is_compound() => {
                (Source::Style, format!("usual in {}, in dotted quarters", style.name))
            }
            (None, None) => (Source::Style, format!("usual in {}", style.name)),
        };
        let moods = brief.moods.len().max(1) as f64;
        let mood = brief.moods.iter().map(|said| said.value.tempo).sum::<f64>() / moods;
        let drawn = Random::stream(request.seed, "plan/tempo").between(-0.3, 0.3);
        let at = match &brief.pace {
            Some(said) => (0.5 + 0.6 * said.value + 0.5 * drawn).clamp(-0.2, 1.2),
            None => (0.5 + 0.4 * mood + drawn).clamp(0.0, 1.0),
        };
        let bpm = (range[0] + (range[1] - range[0]) * at).round().clamp(*TEMPO_BPM.start(), *TEMPO_BPM.end());
        let in_bars = matches!(&brief.length, Some(Said { value: Length::Bars(_), .. }));
        let fixed = in_bars && request.duration_seconds.is_none();
        let within = if fixed { None } else { Some(within.unwrap_or([0.0, f64::INFINITY])) };
        Ok(Self { bpm, within, source, because: Some(because) })
    }

    /// The tempo at which a length is whole bars, where that is near enough.
    fn fitted(self, seconds: f64, metre: Metre) -> Decided<f64> {
        let Self { bpm, within, source, because } = self;
        let fitting = within.and_then(|[low, high]| {
            form::fitting_tempo(bpm, seconds, metre).filter(|tempo| (low..=high).contains(tempo))
        });
        match (fitting, because) {
            (Some(tempo), Some(because)) => {
                Decided::new(tempo, source, format!("{because}, moved to whole bars"))
            }
            (_, because) => Decided::new(bpm, source, because),
        }
    }
}

/// How the drums count: as the prompt says; else half or twice as fast where a tempo that was asked for is about twice or half
/// what the style counts. "Trap at 140" is what others write as 70.
fn pulse(brief: &Brief, style: &Style, metre: Metre, tempo: &Decided<f64>) -> Decided<Pulse> {
    if let Some(said) = &brief.pulse {
        return Decided::said(said.value, &said.words);
    }
    let usual = usual(style, metre);
    let because = || format!("{} counts {} to {} bpm", style.name, usual[0].round(), usual[1].round());
    let asked_for = style.rhythmic && matches!(tempo.source, Source::Request | Source::Prompt);
    match tempo.value {
        bpm if asked_for && bpm >= OTHER_COUNT * usual[1] => {
            Decided::new(Pulse::Half, Source::Style, because())
        }
        bpm if asked_for && bpm <= usual[0] / OTHER_COUNT => {
            Decided::new(Pulse::Double, Source::Style, because())
        }
        _ => Decided::new(Pulse::Normal, Source::Style, None),
    }
}

/// The usual tempi of a style. They count quarters; in compound time the beat is as long as one and a half of them, but where the
/// style itself is in compound time.
fn usual(style: &Style, metre: Metre) -> [f64; 2] {
    if metre.is_compound() && !style.metre.is_compound() {
        style.tempo.map(|bpm| (bpm / 1.5).max(*TEMPO_BPM.start()))
    } else {
        style.tempo
    }
}

/// The tempo word that stands for a range.
fn spoken(range: [f64; 2]) -> Option<&'static TempoWord> {
    vocabulary().tempi.iter().find(|word| word.bpm == range)
}

/// What a tempo word means in a style: where the style has a beat of its own, "slow techno" is still techno.
fn in_style([low, high]: [f64; 2], style: &Style, usual: [f64; 2], unnamed: bool) -> [f64; 2] {
    if unnamed || !style.rhythmic {
        return [low, high];
    }
    let (slow, fast) = (high <= 80.0, low >= 108.0);
    let middle = f64::midpoint(usual[0], usual[1]);
    let overlap = [low.max(usual[0]), high.min(usual[1])];
    let (lowest, highest) = (*TEMPO_BPM.start(), *TEMPO_BPM.end());
    match () {
        () if overlap[1] - overlap[0] >= 4.0 => overlap,
        () if slow && high < usual[0] => [(0.75 * usual[0]).max(lowest), 0.92 * usual[0]],
        () if slow => [usual[0], middle],
        () if fast && low > usual[1] => [1.06 * usual[1], (1.2 * usual[1]).min(highest)],
        () if fast => [middle, usual[1]],
        () => [low, high],
    }
}
