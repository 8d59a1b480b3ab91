//! How many sections a piece has, what they are for, and how many bars each gets.

use crate::{
    music::Metre,
    plan::brief::Place,
    request::TEMPO_BPM,
    wire::{Energy, Role, TransitionKind},
};

/// From this length on a piece has the long form, in seconds.
const LONG_SECONDS: f64 = 90.0;
/// From this length on it has a bridge.
const BRIDGE_SECONDS: f64 = 150.0;
/// No section of the long form is shorter, in seconds.
const LONG_SECTION_SECONDS: f64 = 16.0;
/// A section is at most about this long before the form takes another return, in seconds.
const RETURN_SECONDS: f64 = 34.0;
/// Under this length a piece is a single section, in seconds.
const SINGLE_SECONDS: f64 = 12.0;
/// Fewest bars before and after a drop.
const DROP_BARS: f64 = 2.0;

/// A tempo near `guess` at which `seconds` are a whole number of bars: of four, else two, else one, whichever is near enough.
/// `None` when none is.
pub(super) fn fitting_tempo(guess: f64, seconds: f64, metre: Metre) -> Option<f64> {
    let bars = seconds / metre.bar_seconds(guess);
    [(4.0, 0.06), (2.0, 0.06), (1.0, 0.08)].into_iter().find_map(|(phrase, tolerance)| {
        let whole = (bars / phrase).round() * phrase;
        let tempo = whole * metre.beats() * 60.0 / seconds;
        let near = whole > 0.0 && (tempo / guess - 1.0).abs() <= tolerance;
        (near && TEMPO_BPM.contains(&tempo)).then_some(tempo)
    })
}

/// The number of bars in `seconds`; a whole number where it is one but for rounding.
pub(super) fn bars_in(seconds: f64, bar_seconds: f64) -> f64 {
    let bars = seconds / bar_seconds;
    if (bars - bars.round()).abs() < 1e-9 { bars.round() } else { bars }
}

/// Which sections a piece shall have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Weight of the opening section, 1 as usual, 0 for none.
    pub(super) intro: f64,
    /// Weight of the closing section, 1 as usual, 0 for none.
    pub(super) outro: f64,
    /// Whether there shall be a section apart, or none; as usual when left open.
    pub(super) breaks: Option<bool>,
    /// Where everybody sets in at once.
    pub(super) drop: Option<Place>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { intro: 1.0, outro: 1.0, breaks: None, drop: None }
    }
}

impl Layout {
    /// The bar line nearest to the drop, counted from 0.
    fn drop_bar(&self, bars: f64, bar_seconds: f64) -> Option<f64> {
        self.drop.map(|place| match place {
            Place::Share(share) => (bars * share).round(),
            Place::Seconds(seconds) => (seconds / bar_seconds).round(),
            Place::Bars(bars) => bars.round(),
        })
    }
}

/// A piece divided into sections.
#[derive(Debug)]
pub(super) struct Division {
    /// What each is for, and its bars. Every section but the last has whole bars.
    pub(super) sections: Vec<(Role, f64)>,
    /// Which of them begins with the drop.
    pub(super) drop: Option<usize>,
}

/// Divides a piece into sections, whose bars add up to `seconds / bar_seconds`. A drop falls on the bar line nearest to its place;
/// there is none where the piece is too short for it.
pub(super) fn divide(seconds: f64, bar_seconds: f64, layout: &Layout) -> Division {
    let bars = bars_in(seconds, bar_seconds);
    let long = seconds >= LONG_SECONDS;
    let at = layout.drop_bar(bars, bar_seconds);
    let Some(at) = at.filter(|&at| at >= DROP_BARS && bars - at >= DROP_BARS && seconds >= SINGLE_SECONDS)
    else {
        return Division {
            sections: share(&roles(seconds, bars, layout), bars, bar_seconds, long, layout),
            drop: None,
        };
    };
    let room = |bars: f64| {
        let shortest = if long { LONG_SECTION_SECONDS } else { 4.0 * bar_seconds };
        let most = (bars * bar_seconds / shortest + 1e-9).floor();
        (bars * bar_seconds / RETURN_SECONDS).ceil().max(if long { 2.0 } else { 1.0 }).min(most).max(1.0)
            as usize
    };
    let mut sections = share(&before_drop(room(at), layout), at, bar_seconds, long, layout);
    let drop = Some(sections.len());
    sections.extend(share(&after_drop(room(bars - at), layout), bars - at, bar_seconds, long, layout));
    Division { sections, drop }
}

/// The sections before a drop; the last of several is a break that holds its breath.
fn before_drop(count: usize, layout: &Layout) -> Vec<Role> {
    let intro = layout.intro > 0.0;
    let mut roles: Vec<Role> = match (count, intro) {
        (1, true) => return vec![Role::Intro],
        (1, false) => return vec![Role::Motif],
        (2, true) => return vec![Role::Intro, Role::Motif],
        (_, true) => vec![Role::Intro, Role::Motif],
        (_, false) => vec![Role::Motif],
    };
    let mut tale = [Role::Verse, Role::Development].into_iter().cycle();
    while roles.len() + 1 < count {
        roles.extend(tale.next());
    }
    roles.push(Role::Bridge);
    roles
}

/// The sections from a drop on.
fn after_drop(count: usize, layout: &Layout) -> Vec<Role> {
    let mut roles = vec![Role::Chorus];
    let ends = usize::from(count > 1 && layout.outro > 0.0);
    let mut tale = [Role::Verse, Role::Chorus, Role::Development, Role::Chorus].into_iter().cycle();
    while roles.len() + ends < count {
        roles.extend(tale.next());
    }
    if ends > 0 {
        roles.push(Role::Outro);
    }
    roles
}

/// Gives each section its bars. The last one takes what is left, and so may end inside a bar.
fn share(roles: &[Role], bars: f64, bar_seconds: f64, long: bool, layout: &Layout) -> Vec<(Role, f64)> {
    let shortest = if long { (LONG_SECTION_SECONDS / bar_seconds - 1e-9).ceil().max(1.0) } else { 1.0 };
    let weights: f64 = roles.iter().map(|role| weight(*role, layout)).sum();
    let mut division: Vec<(Role, f64)> = roles
        .iter()
        .map(|role| (*role, to_phrase(bars * weight(*role, layout) / weights).max(shortest)))
        .collect();
    let last = division.len() - 1;
    // The last section must not be too short for what it has to do.
    let smallest_last =
        if long { LONG_SECTION_SECONDS / bar_seconds - 1e-9 } else { (bars / 6.0).clamp(0.5, 4.0) };
    loop {
        let left = bars - division[..last].iter().map(|(_, bars)| bars).sum::<f64>();
        division[last].1 = left;
        if left >= smallest_last {
            break;
        }
        let Some(longest) = longest_above(&division[..last], shortest) else { break };
        division[longest].1 -= 1.0;
    }
    division
}

/// The longest of some sections that may lose a bar; the first of equals.
fn longest_above(division: &[(Role, f64)], shortest: f64) -> Option<usize> {
    let mut longest: Option<usize> = None;
    for (index, (_, bars)) in division.iter().enumerate() {
        if *bars > shortest && longest.is_none_or(|best| *bars > division[best].1) {
            longest = Some(index);
        }
    }
    longest
}

/// Rounds a number of bars to phrases of four, two or one bar.
fn to_phrase(bars: f64) -> f64 {
    let phrase = match bars {
        bars if bars >= 7.0 => 4.0,
        bars if bars >= 3.0 => 2.0,
        _ => 1.0,
    };
    ((bars / phrase).round() * phrase).max(1.0)
}

/// The sections of a piece without a drop.
fn roles(seconds: f64, bars: f64, layout: &Layout) -> Vec<Role> {
    if seconds < SINGLE_SECONDS || bars < 4.0 {
        return vec![Role::Motif];
    }
    let mut roles = Vec::new();
    if layout.intro > 0.0 {
        roles.push(Role::Intro);
    }
    roles.push(Role::Motif);
    if seconds < LONG_SECONDS {
        if layout.breaks == Some(true) && bars >= 8.0 {
            roles.push(Role::Bridge);
        }
        roles.push(if layout.outro > 0.0 { Role::Resolution } else { Role::Chorus });
        return roles;
    }
    // The shortest long form: the sections keep their least length only if there are few of them.
    if seconds < BRIDGE_SECONDS && layout.breaks == Some(true) {
        roles.extend([Role::Bridge, Role::Chorus]);
    } else {
        roles.push(Role::Chorus);
    }
    if seconds >= BRIDGE_SECONDS {
        let mut detour = [Role::Verse, Role::Development].into_iter().cycle();
        let bridge = if layout.breaks == Some(false) { Role::Verse } else { Role::Bridge };
        // Bridge, chorus and outro follow; each return is a detour and a chorus.
        while seconds / (roles.len() + 3) as f64 > RETURN_SECONDS {
            roles.extend(detour.next());
            roles.push(Role::Chorus);
        }
        roles.extend([bridge, Role::Chorus]);
    }
    if layout.outro > 0.0 {
        roles.push(Role::Outro);
    }
    roles
}

/// Share of the piece, relative to the other sections.
fn weight(role: Role, layout: &Layout) -> f64 {
    match role {
        Role::Intro => 0.75 * layout.intro,
        Role::Motif | Role::Verse => 1.15,
        Role::Chorus => 1.25,
        Role::Development => 1.0,
        Role::Resolution | Role::Outro => layout.outro,
        Role::Bridge => 0.85,
    }
}

/// How much happens in a section: by its role, moved by the mood (-1 to 1).
pub(super) fn energy(role: Role, mood: f64) -> Energy {
    let level = match role {
        Role::Intro | Role::Outro => 0.15,
        Role::Bridge => 0.4,
        Role::Motif | Role::Verse | Role::Development => 0.5,
        Role::Resolution => 0.68,
        Role::Chorus => 0.85,
    } + 0.25 * mood;
    match level {
        level if level < 0.34 => Energy::Low,
        level if level < 0.67 => Energy::Medium,
        _ => Energy::High,
    }
}

/// Loudness of a section on the piece's contour, 0 to 1.
pub(super) fn level(role: Role, energy: Energy) -> f64 {
    let base: f64 = match energy {
        Energy::Low => 0.4,
        Energy::Medium => 0.65,
        Energy::High => 0.95,
    };
    match role {
        Role::Outro | Role::Intro => (base - 0.05).max(0.0),
        _ => base,
    }
}

/// How a section is joined to the one before, and over how many beats.
pub(super) fn transition(
    role: Role,
    usual: TransitionKind,
    beats_per_bar: f64,
    bars_before: f64,
) -> (TransitionKind, f64) {
    let beats = match (usual, role) {
        (TransitionKind::Crossfade, _) => beats_per_bar,
        // A contrast is led into even where the style plays on.
        (_, Role::Bridge | Role::Development) => 2.0,
        (kind, _) => return (kind, 0.0),
    };
    match beats.min(bars_before * beats_per_bar / 2.0).min(8.0).floor() {
        beats if beats >= 1.0 => (TransitionKind::Crossfade, beats),
        _ => (TransitionKind::Continue, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(division: &Division) -> String {
        let names: Vec<&str> = division.sections.iter().map(|(role, _)| role.name()).collect();
        names.join(" ")
    }

    fn shape(seconds: f64) -> String {
        names(&divide(seconds, 2.0, &Layout::default()))
    }

    #[test]
    fn forms_grow_with_length() {
        assert_eq!(shape(8.0), "motif");
        assert_eq!(shape(45.0), "intro motif resolution");
        assert_eq!(shape(89.9), "intro motif resolution");
        assert_eq!(shape(90.0), "intro motif chorus outro");
        assert_eq!(shape(150.0), "intro motif chorus bridge chorus outro");
        assert_eq!(shape(240.0), "intro motif chorus verse chorus bridge chorus outro");
        assert_eq!(shape(330.0), "intro motif chorus verse chorus development chorus bridge chorus outro");
    }

    #[test]
    fn what_is_not_wanted_is_not_there() {
        let bare = Layout { intro: 0.0, outro: 0.0, ..Layout::default() };
        assert_eq!(names(&divide(45.0, 2.0, &bare)), "motif chorus");
        assert_eq!(names(&divide(150.0, 2.0, &bare)), "motif chorus bridge chorus");
        let whole = Layout { breaks: Some(false), ..Layout::default() };
        assert_eq!(names(&divide(150.0, 2.0, &whole)), "intro motif chorus verse chorus outro");
        let broken = Layout { breaks: Some(true), ..Layout::default() };
        assert_eq!(names(&divide(60.0, 2.0, &broken)), "intro motif bridge resolution");
        assert_eq!(names(&divide(100.0, 2.0, &broken)), "intro motif bridge chorus outro");
    }

    #[test]
    fn a_drop_falls_on_the_bar_line_nearest_to_its_place() {
        for seconds in [13.0, 30.0, 45.5, 89.0, 90.0, 120.0, 200.0, 333.3, 600.0] {
            for share in [0.1, 0.25, 0.5, 0.75, 0.9] {
                let layout = Layout { drop: Some(Place::Share(share)), ..Layout::default() };
                let division = divide(seconds, 2.0, &layout);
                let bars = |sections: &[(Role, f64)]| sections.iter().map(|(_, bars)| bars).sum::<f64>();
                assert!((bars(&division.sections) - seconds / 2.0).abs() < 1e-6, "{seconds} {share}");
                assert!(division.sections.iter().all(|(_, bars)| *bars > 0.0), "{:?}", division.sections);
                let last = division.sections.len() - 1;
                assert!(division.sections[..last].iter().all(|(_, bars)| bars.fract() == 0.0));
                let at = (share * seconds / 2.0).round();
                if at >= 2.0 && seconds / 2.0 - at >= 2.0 {
                    let drop = division.drop.unwrap();
                    assert_eq!(division.sections[drop].0, Role::Chorus);
                    assert_eq!(bars(&division.sections[..drop]), at, "{seconds} {share}");
                }
            }
        }
    }

    #[test]
    fn a_guess_moves_to_whole_bars() {
        let tempo = fitting_tempo(90.0, 45.0, Metre::FourFour).unwrap();
        assert!((tempo - 85.333_333).abs() < 1e-5, "16 bars, not 17: {tempo}");
        assert!((bars_in(45.0, Metre::FourFour.bar_seconds(tempo)) - 16.0).abs() < f64::EPSILON);
        assert_eq!(fitting_tempo(60.0, 1.0, Metre::FourFour), None);
    }

    #[test]
    fn contrasts_are_led_into() {
        assert_eq!(
            transition(Role::Bridge, TransitionKind::Continue, 4.0, 8.0),
            (TransitionKind::Crossfade, 2.0)
        );
        assert_eq!(
            transition(Role::Chorus, TransitionKind::Continue, 4.0, 8.0),
            (TransitionKind::Continue, 0.0)
        );
        assert_eq!(
            transition(Role::Motif, TransitionKind::Crossfade, 4.0, 1.0),
            (TransitionKind::Crossfade, 2.0)
        );
    }
}
