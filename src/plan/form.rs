//! How many sections a piece has, what they are for, and how many bars each gets.

use crate::{
    music::Metre,
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

/// Divides a piece into sections: what each is for, and its bars. Every section but the last has whole bars, and they add up
/// to `seconds / bar_seconds`.
pub(super) fn sections(seconds: f64, bar_seconds: f64) -> Vec<(Role, f64)> {
    let bars = bars_in(seconds, bar_seconds);
    let long = seconds >= LONG_SECONDS;
    let roles = roles(seconds, bars);
    let shortest = if long { (LONG_SECTION_SECONDS / bar_seconds - 1e-9).ceil().max(1.0) } else { 1.0 };
    let weights: f64 = roles.iter().map(|role| weight(*role)).sum();
    let mut division: Vec<(Role, f64)> =
        roles.iter().map(|role| (*role, to_phrase(bars * weight(*role) / weights).max(shortest))).collect();
    // The last section takes what is left, and must not be too short for what it has to do.
    let last = division.len() - 1;
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

fn roles(seconds: f64, bars: f64) -> Vec<Role> {
    if seconds < SINGLE_SECONDS || bars < 4.0 {
        return vec![Role::Motif];
    }
    if seconds < LONG_SECONDS {
        return vec![Role::Intro, Role::Motif, Role::Resolution];
    }
    let mut roles = vec![Role::Intro, Role::Motif, Role::Chorus];
    if seconds >= BRIDGE_SECONDS {
        let mut detour = [Role::Verse, Role::Development].into_iter().cycle();
        // Bridge, chorus and outro follow; each return is a detour and a chorus.
        while seconds / (roles.len() + 3) as f64 > RETURN_SECONDS {
            roles.extend(detour.next());
            roles.push(Role::Chorus);
        }
        roles.extend([Role::Bridge, Role::Chorus]);
    }
    roles.push(Role::Outro);
    roles
}

/// Share of the piece, relative to the other sections.
fn weight(role: Role) -> f64 {
    match role {
        Role::Intro => 0.75,
        Role::Motif | Role::Verse => 1.15,
        Role::Chorus => 1.25,
        Role::Development | Role::Resolution | Role::Outro => 1.0,
        Role::Bridge => 0.85,
    }
}

/// How much happens in a section: by its role, moved by the mood (-1 to 1).
pub(super) fn energy(role: Role, mood: f64) -> Energy {
    let level = match role {
        Role::Intro | Role::Outro => 0.15,
        Role::Bridge => 0.4,
        Role::Motif | Role::Verse | Role::Development | Role::Resolution => 0.5,
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

    fn shape(seconds: f64) -> String {
        let names: Vec<&str> = sections(seconds, 2.0).iter().map(|(role, _)| role.name()).collect();
        names.join(" ")
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
