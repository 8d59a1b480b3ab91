//! What a piece shall be like, and what it shall not.

use super::{Last, Reader, Sense};
use crate::{
    music::Metre,
    plan::{
        brief::{Brief, Said, Tempo, Wish},
        vocabulary::{Hint, Meaning, vocabulary},
    },
};

impl Reader<'_> {
    /// Takes in what a piece has one of: the first that is said. A second one, or one that shall not be, is not understood.
    pub(super) fn take_one<T: PartialEq>(
        &mut self,
        said: Said<T>,
        field: impl FnOnce(&mut Brief) -> &mut Option<Said<T>>,
    ) -> usize {
        let negated = self.negation.holds();
        let words = said.words.clone();
        let field = field(self.brief);
        match field {
            None if !negated => *field = Some(said),
            Some(first) if !negated && first.value == said.value => {}
            _ => self.brief.not_understood.push(words),
        }
        0
    }

    /// Takes in what a piece has one of and whose negation says something as well.
    pub(super) fn take_or_opposite<T: PartialEq>(
        &mut self,
        (value, opposite): (T, T),
        (at, count): (usize, usize),
        field: impl FnOnce(&mut Brief) -> &mut Option<Said<T>>,
    ) -> usize {
        if self.negation.holds() {
            let said = self.denied(opposite, at, count);
            field(self.brief).get_or_insert(said);
            self.used(at + count);
            return 0;
        }
        let said = self.said(value, at, count);
        self.take_one(said, field)
    }

    pub(super) fn take_tempo(&mut self, tempo: Tempo, at: usize, count: usize) -> usize {
        let turned = match tempo {
            Tempo::AtMost(bpm) => Some(Tempo::AtLeast(bpm)),
            Tempo::AtLeast(bpm) => Some(Tempo::AtMost(bpm)),
            _ => None,
        };
        if let Some(turned) = turned {
            return self.take_or_opposite((tempo, turned), (at, count), |brief| &mut brief.tempo);
        }
        // A number stands before a word that was said earlier, as in "slow, 60 bpm".
        let worded = matches!(&self.brief.tempo, Some(said) if matches!(said.value, Tempo::Between(_)));
        if worded && matches!(tempo, Tempo::Exact(_)) && !self.negation.holds() {
            self.brief.tempo = None;
        }
        let said = self.said(tempo, at, count);
        self.take_one(said, |brief| &mut brief.tempo)
    }

    /// A negation has had its effect. What something is not ends there, unless "or" follows.
    pub(super) fn used(&mut self, next: usize) {
        self.negation.used = true;
        if self.negation.on == Some(Sense::Denied) && !matches!(self.lower(next), "or" | "nor") {
            self.negation.on = None;
        }
    }

    /// What a piece is like.
    pub(super) fn take_character(
        &mut self,
        meaning: Meaning,
        before: Last,
        at: usize,
        count: usize,
    ) -> usize {
        let negated = self.negation.holds();
        match meaning {
            Meaning::Style(style) | Meaning::StyleHint(style) if negated => {
                let avoided = self.denied(style, at, count);
                self.brief.avoided.push(avoided);
                self.used(at + count);
            }
            Meaning::Style(style) => {
                let said = self.said(style, at, count);
                let styles = &mut self.brief.styles;
                // "Celtic metal" is metal; a "folk waltz" is folk in the time of a waltz.
                let head = before == Last::Style && style.metre == Metre::FourFour;
                styles.insert(if head { styles.len() - 1 } else { styles.len() }, said);
                self.last = Last::Style;
            }
            Meaning::StyleHint(style) => self.brief.hinted_styles.push(self.said(style, at, count)),
            Meaning::Mood(mood) if negated => {
                if let Some(opposite) = vocabulary().mood(&mood.opposite) {
                    let opposite = self.denied(opposite, at, count);
                    self.brief.opposites.push(opposite);
                }
                self.used(at + count);
            }
            Meaning::Mood(mood) => self.brief.moods.push(self.said(mood, at, count)),
            Meaning::Tempo(tempo) => {
                let opposite = vocabulary().tempi.iter().find(|other| other.name == tempo.opposite);
                let opposite = opposite.map_or(tempo.bpm, |opposite| opposite.bpm);
                let tempi = (Tempo::Between(tempo.bpm), Tempo::Between(opposite));
                return self.take_or_opposite(tempi, (at, count), |brief| &mut brief.tempo);
            }
            Meaning::Pace(pace) => {
                return self.take_or_opposite((pace.by, pace.opposite), (at, count), |brief| &mut brief.pace);
            }
            Meaning::Metre(word) => {
                if !negated {
                    self.imply_style(word.style.as_deref(), at, count);
                }
                let said = self.said(word.metre, at, count);
                return self.take_one(said, |brief| &mut brief.metre);
            }
            Meaning::Space(space) => {
                let opposite = vocabulary().space(&space.opposite).unwrap_or(space);
                return self.take_or_opposite((space, opposite), (at, count), |brief| &mut brief.space);
            }
            Meaning::Era(era) if negated => {
                if let Some(style) = vocabulary().style(&era.style) {
                    let avoided = self.denied(style, at, count);
                    self.brief.avoided.push(avoided);
                }
                self.used(at + count);
            }
            Meaning::Era(era) => {
                let said = self.said(era, at, count);
                return self.take_one(said, |brief| &mut brief.era);
            }
            Meaning::Density(word) => {
                let densities = (word.density, word.opposite);
                return self.take_or_opposite(densities, (at, count), |brief| &mut brief.density);
            }
            Meaning::Pulse(word) => {
                return self
                    .take_or_opposite((word.pulse, word.opposite), (at, count), |brief| &mut brief.pulse);
            }
            Meaning::Swing(word) => {
                if !negated {
                    self.imply_style(word.style.as_deref(), at, count);
                }
                return self
                    .take_or_opposite((word.share, word.negated), (at, count), |brief| &mut brief.swing);
            }
            Meaning::Hint(word) => self.wish(word.hint, word.negated, at, count),
            _ => {}
        }
        0
    }

    pub(super) fn imply_style(&mut self, style: Option<&str>, at: usize, count: usize) {
        if let Some(style) = style.and_then(|name| vocabulary().style(name)) {
            let said = self.said(style, at, count);
            self.brief.implied_styles.push(said);
        }
    }

    pub(super) fn wish(&mut self, hint: Hint, negated: Option<Hint>, at: usize, count: usize) {
        if !self.negation.holds() {
            let place = self.moment.take();
            self.last = Last::Wish(self.brief.hints.len());
            let wish = self.said(Wish { hint, place }, at, count);
            self.brief.hints.push(wish);
            return;
        }
        if let Some(hint) = negated {
            let wish = self.denied(Wish { hint, place: None }, at, count);
            self.brief.hints.push(wish);
        } else {
            let words = self.denied((), at, count).words;
            self.brief.avoided_words.push(words);
        }
        self.used(at + count);
    }
}
