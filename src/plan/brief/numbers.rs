//! What is said in numbers: tempi, lengths, moments and metres.

use super::{Length, Place, Tempo, tokens::Token};
use crate::{
    plan::vocabulary::{meaning, vocabulary},
    request::DURATION_SECONDS,
};

/// Beats per minute that a number without a unit may mean.
const PLAUSIBLE_BPM: std::ops::RangeInclusive<f64> = 30.0..=300.0;

/// The tokens of a prompt, looked at from some place.
pub(super) struct Numbers<'t>(pub(super) &'t [Token]);

impl Numbers<'_> {
    fn lower(&self, at: usize) -> &str {
        self.0.get(at).map_or("", |token| token.lower.as_str())
    }

    fn is(&self, at: usize, words: &[&str]) -> bool {
        words.contains(&self.lower(at))
    }

    /// Whether no comma or the like stands between these tokens.
    fn in_one_clause(&self, at: usize, count: usize) -> bool {
        count > 0
            && at + count <= self.0.len()
            && self.0[at..at + count - 1].iter().all(|token| !token.ends_clause)
    }

    /// A number in digits.
    pub(super) fn digits(&self, at: usize) -> Option<f64> {
        self.lower(at).parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A number in digits or words, and how many tokens it takes.
    fn number(&self, at: usize) -> Option<(f64, usize)> {
        if let Some(number) = self.digits(at) {
            return Some((number, 1));
        }
        let words = &vocabulary().words.numbers;
        let two = format!("{} {}", self.lower(at), self.lower(at + 1));
        words.get(&two).map(|&number| (number, 2)).or_else(|| Some((*words.get(self.lower(at))?, 1)))
    }

    /// The tokens that say beats per minute.
    fn bpm_unit(&self, at: usize) -> usize {
        match (self.lower(at), self.lower(at + 1), self.lower(at + 2)) {
            ("bpm" | "bpms", _, _) => 1,
            ("beats", "per", "minute") => 3,
            _ => 0,
        }
    }

    /// Whether a number at this place can be a tempo without saying so: plausible, and no other unit follows.
    fn bare_bpm(&self, at: usize) -> Option<f64> {
        const UNITS: [&str; 31] = [
            "seconds", "second", "sec", "secs", "s", "minutes", "minute", "min", "mins", "hours", "hour",
            "bars", "bar", "measures", "measure", "hz", "khz", "percent", "degrees", "am", "pm", "o'clock",
            "db", "kbps", "beats", "bit", "times", "notes", "years", "people", "voices",
        ];
        let number = self.digits(at).filter(|number| PLAUSIBLE_BPM.contains(number))?;
        (self.0[at].ends_clause || !self.is(at + 1, &UNITS)).then_some(number)
    }

    /// "72 bpm", "tempo of 72", "at 72", "around 90", "90-100 bpm", "between 90 and 100", "under 100 bpm".
    pub(super) fn tempo(&self, at: usize) -> Option<(usize, Tempo)> {
        let (count, tempo) = self.tempo_here(at)?;
        self.in_one_clause(at, count).then_some((count, tempo))
    }

    fn tempo_here(&self, at: usize) -> Option<(usize, Tempo)> {
        if let Some(first) = self.digits(at) {
            let range = if self.0[at].dash { Some(1) } else { self.is(at + 1, &["to"]).then_some(2) };
            if let Some((skip, last)) = range.and_then(|skip| Some((skip, self.digits(at + skip)?))) {
                let unit = self.bpm_unit(at + skip + 1);
                return (unit > 0).then(|| (skip + 1 + unit, Tempo::between(first, last)));
            }
            let unit = self.bpm_unit(at + 1);
            // A number that is a clause by itself: "house, 124".
            let begins = at.checked_sub(1).is_some_and(|before| self.0[before].ends_clause);
            let bare =
                begins && (self.0[at].ends_clause || at + 1 == self.0.len()) && self.bare_bpm(at).is_some();
            return (unit > 0 || bare).then_some((1 + unit, Tempo::Exact(first)));
        }
        match self.lower(at) {
            "bpm" | "tempo" => {
                let skip = usize::from(self.is(at + 1, &["of", "at", "is", "set"]));
                let skip = skip + usize::from(skip == 1 && self.is(at + 2, &["to"]));
                let from = at + 1 + skip;
                if let Some((count, tempo)) = self.tempo_here(from) {
                    return Some((1 + skip + count, tempo));
                }
                let number = self.digits(from)?;
                match (self.0[from].dash, self.digits(from + 1)) {
                    (true, Some(last)) => Some((3 + skip, Tempo::between(number, last))),
                    _ => Some((2 + skip, Tempo::Exact(number))),
                }
            }
            "at" if self.bpm_unit(at + 2) == 0 => {
                let dash = self.0.get(at + 1)?.dash;
                let number = self.bare_bpm(at + 1)?;
                match (dash, self.bare_bpm(at + 2)) {
                    (true, Some(last)) if self.bpm_unit(at + 3) == 0 => {
                        Some((3, Tempo::between(number, last)))
                    }
                    (true, _) => None,
                    (false, _) => Some((2, Tempo::Exact(number))),
                }
            }
            "around" | "about" | "roughly" | "approximately" | "circa" | "approx" | "ca" => {
                let number = self.bare_bpm(at + 1)?;
                Some((2 + self.bpm_unit(at + 2), Tempo::About(number)))
            }
            "between" if self.is(at + 2, &["and", "to"]) => {
                let (low, high) = (self.digits(at + 1)?, self.bare_bpm(at + 3)?);
                Some((4 + self.bpm_unit(at + 4), Tempo::between(low, high)))
            }
            _ => self.bound(at),
        }
    }

    /// "under 100 bpm", "at least 120 bpm".
    fn bound(&self, at: usize) -> Option<(usize, Tempo)> {
        const MOST: [&str; 9] = [
            "under",
            "below",
            "max",
            "maximum",
            "up to",
            "at most",
            "less than",
            "slower than",
            "no more than",
        ];
        const LEAST: [&str; 9] = [
            "over",
            "above",
            "min",
            "minimum",
            "at least",
            "more than",
            "faster than",
            "no less than",
            "not under",
        ];
        let found = (1..=3).find_map(|count| {
            let words: Vec<&str> = (at..at + count).map(|at| self.lower(at)).collect();
            let words = words.join(" ");
            let most = MOST.contains(&words.as_str());
            (most || LEAST.contains(&words.as_str())).then_some((count, most))
        });
        let (count, most) = found?;
        let number = self.digits(at + count)?;
        let unit = self.bpm_unit(at + count + 1);
        let tempo = if most { Tempo::AtMost(number) } else { Tempo::AtLeast(number) };
        (unit > 0).then_some((count + 1 + unit, tempo))
    }

    /// "2 minutes", "1:30", "a minute and a half", "90 seconds", "45s", "16 bars": how many tokens, and how long.
    pub(super) fn length(&self, at: usize) -> Option<(usize, Length)> {
        let (count, length) = self.length_here(at)?;
        self.in_one_clause(at, count).then_some((count, length))
    }

    fn length_here(&self, at: usize) -> Option<(usize, Length)> {
        if let Some(seconds) = clock(self.lower(at)) {
            let unit = usize::from(self.is(at + 1, &["minutes", "minute", "min", "mins"]));
            return Some((1 + unit, Length::Seconds(seconds)));
        }
        if let Some(seconds) = self.glued_seconds(at) {
            return Some((1, Length::Seconds(seconds)));
        }
        if self.is(at, &["half"]) && self.is(at + 1, &["a", "an"]) {
            return Some((3, Length::Seconds(self.unit(at + 2)? / 2.0)));
        }
        if self.is(at, &["a", "an"]) {
            let unit = self.unit(at + 1).filter(|seconds| *seconds >= 60.0)?;
            let half = self.and_a_half(at + 2);
            return Some((2 + half, Length::Seconds(if half > 0 { 1.5 * unit } else { unit })));
        }
        let (number, mut count) = self.number(at)?;
        let half = self.and_a_half(at + count);
        count += half;
        let number = if half > 0 { number + 0.5 } else { number };
        if self.is(at + count, &["bar", "bars", "measure", "measures"]) {
            const OF_A_PART: [&str; 9] =
                ["intro", "introduction", "outro", "break", "solo", "phrase", "phrases", "drop", "blues"];
            let of_a_part = self.is(at + count + 1, &OF_A_PART) || (at > 0 && self.is(at - 1, &["every"]));
            return (!of_a_part).then_some((count + 1, Length::Bars(number)));
        }
        let unit = self.unit(at + count)?;
        count += 1;
        let half = self.and_a_half(at + count);
        if half > 0 {
            return Some((count + half, Length::Seconds((number + 0.5) * unit)));
        }
        // "2 minutes 30 seconds", "2 minutes and 30 seconds"
        let and = usize::from(self.is(at + count, &["and"]));
        if unit >= 60.0
            && let Some((more, words)) = self.number(at + count + and)
            && self.unit(at + count + and + words) == Some(1.0)
        {
            return Some((count + and + words + 1, Length::Seconds(number * unit + more)));
        }
        Some((count, Length::Seconds(number * unit)))
    }

    /// Seconds of a unit of time.
    fn unit(&self, at: usize) -> Option<f64> {
        match self.lower(at) {
            "second" | "seconds" | "sec" | "secs" => Some(1.0),
            "minute" | "minutes" | "min" | "mins" => Some(60.0),
            "hour" | "hours" => Some(3600.0),
            _ => None,
        }
    }

    fn and_a_half(&self, at: usize) -> usize {
        if self.is(at, &["and"]) && self.is(at + 1, &["a"]) && self.is(at + 2, &["half"]) { 3 } else { 0 }
    }

    /// "45s". What means something else does, unless the words around it say otherwise.
    fn glued_seconds(&self, at: usize) -> Option<f64> {
        let digits = self.lower(at).strip_suffix('s')?;
        let seconds: f64 =
            digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let introduced =
            at > 0 && self.is(at - 1, &["for", "lasting", "exactly", "about", "duration", "length"]);
        let followed = !self.0[at].ends_clause
            && self.is(
                at + 1,
                &["long", "loop", "clip", "jingle", "version", "duration", "of", "length", "spot", "ad"],
            );
        // The vocabulary may know it as a decade or a machine: "90s", "808s".
        let other = meaning(self.lower(at)).is_some() || seconds > *DURATION_SECONDS.end();
        let article = at > 0 && self.is(at - 1, &["the"]);
        (introduced || followed || !(other || article)).then_some(seconds)
    }

    /// A moment: "after 16 bars", "at 0:45"; and with a drop near it a share, as "in the middle". How many tokens, and where.
    pub(super) fn place(&self, at: usize, drop_near: bool) -> Option<(usize, Place)> {
        let introduced = self.is(at, &["after", "at", "around", "from", "until", "before"]);
        if introduced {
            if self.is(at + 1, &["bar", "measure"])
                && let Some(bar) = self.digits(at + 2)
            {
                return Some((3, Place::Bars((bar - 1.0).max(0.0))));
            }
            if let Some((count, length)) = self.length(at + 1) {
                let place = match length {
                    Length::Seconds(seconds) => Place::Seconds(seconds),
                    Length::Bars(bars) => Place::Bars(bars),
                };
                return Some((1 + count, place));
            }
        }
        if !drop_near {
            return None;
        }
        let skip = usize::from(introduced || self.is(at, &["in", "about", "by"]));
        (1..=4).rev().filter(|&count| self.in_one_clause(at, skip + count)).find_map(|count| {
            let words: Vec<&str> = (at + skip..at + skip + count).map(|at| self.lower(at)).collect();
            let words = words.join(" ");
            let place = vocabulary().places.iter().find(|place| place.words.contains(&words))?;
            let through = usize::from(self.is(at + skip + count, &["through", "in"]));
            Some((skip + count + through, Place::Share(place.at)))
        })
    }
}

/// Minutes and seconds, as 1:30.
fn clock(word: &str) -> Option<f64> {
    let (minutes, seconds) = word.split_once(':')?;
    let whole =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let (minutes, seconds) = (whole(minutes)?, whole(seconds).filter(|_| seconds.len() == 2)?);
    (seconds < 60).then(|| f64::from(minutes) * 60.0 + f64::from(seconds))
}
