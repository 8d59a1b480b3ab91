//! Who shall play, who shall not, and how.

use super::{Item, Last, Reader};
use crate::plan::{
    brief::{LeftOut, Manner, Wanted},
    vocabulary::{Family, Instrument, Meaning, Technique, meaning, vocabulary},
};

impl Reader<'_> {
    /// The instruments that are named at a place, and how many tokens name them.
    pub(super) fn player_at(&self, at: usize) -> Option<(usize, Vec<&'static str>)> {
        if at >= self.tokens.len() {
            return None;
        }
        match self.named(at)? {
            (count, Item::Phrase(Meaning::Instrument(instrument))) => {
                Some((count, vec![instrument.name.as_str()]))
            }
            (count, Item::Phrase(Meaning::Family(family))) => {
                Some((count, family.plays.iter().map(String::as_str).collect()))
            }
            _ => None,
        }
    }

    /// Somebody shall play, by name.
    pub(super) fn want(
        &mut self,
        instrument: &'static Instrument,
        before: Last,
        at: usize,
        count: usize,
    ) -> usize {
        // "Lead violin", "violin lead": not a synthesiser, but the violin's part.
        if self.phrase(at, count) == "lead" {
            if let Last::Player(player) = before {
                self.brief.wanted[player].value.leads = true;
                return 0;
            }
            if !self.tokens[at].ends_clause && self.player_at(at + 1).is_some() {
                self.leads = true;
                return 0;
            }
        }
        self.want_one_of(vec![instrument.name.as_str()], before, at, count)
    }

    pub(super) fn want_one_of(
        &mut self,
        candidates: Vec<&'static str>,
        before: Last,
        at: usize,
        count: usize,
    ) -> usize {
        // "Drum-free", "vocal free".
        let free = self.words.free.iter().any(|word| word == self.lower(at + count));
        if free && !self.tokens[at + count - 1].ends_clause {
            let family = match meaning(&self.phrase(at, count)) {
                Some(Meaning::Family(family)) => family.members.iter().map(String::as_str).collect(),
                _ => candidates,
            };
            let left_out = self.said(LeftOut { names: family, family: true }, at, count + 1);
            self.brief.left_out.push(left_out);
            return 1;
        }
        if let Some(word) = self.alone.take() {
            self.brief.alone = Some(format!("{word} {}", self.written(at, count)));
        }
        let player = self.brief.wanted.len();
        if let Last::Technique(technique) = before {
            self.brief.techniques[technique].value.of = Some(player);
        }
        let wanted = self.said(Wanted { candidates, leads: self.leads }, at, count);
        self.leads = false;
        self.brief.wanted.push(wanted);
        self.last = Last::Player(player);
        0
    }

    /// Somebody shall not play. A family leaves as a whole.
    pub(super) fn leave_out(&mut self, meaning: Meaning, at: usize, count: usize) -> usize {
        let owned = |names: &'static [String]| names.iter().map(String::as_str).collect::<Vec<_>>();
        let (names, family) = match meaning {
            Meaning::Family(Family { members, .. }) => (owned(members), !self.negation.always),
            Meaning::Ensemble(ensemble) => (owned(&ensemble.players), false),
            Meaning::Instrument(instrument) => (vec![instrument.name.as_str()], false),
            _ => return 0,
        };
        if names.is_empty() {
            self.brief.not_understood.push(self.denied((), at, count).words);
        } else {
            let left_out = self.said(LeftOut { names, family }, at, count);
            self.brief.left_out.push(left_out);
        }
        self.negation.used = true;
        self.last = Last::LeftOut;
        0
    }

    /// A way of playing belongs to the instrument beside it. One that shall not be leaves out the sound that it is, or turns into
    /// its opposite.
    pub(super) fn take_technique(
        &mut self,
        technique: &'static Technique,
        before: Last,
        at: usize,
        count: usize,
    ) -> usize {
        if !self.negation.holds() {
            let of = if let Last::Player(player) = before { Some(player) } else { None };
            self.last = Last::Technique(self.brief.techniques.len());
            let said = self.said(Manner { technique, of }, at, count);
            self.brief.techniques.push(said);
            return 0;
        }
        let next = if self.tokens[at + count - 1].ends_clause { None } else { self.player_at(at + count) };
        let sounds: Vec<&'static str> = technique
            .instead
            .iter()
            .filter(|(from, _)| next.as_ref().is_none_or(|(_, names)| names.contains(&from.as_str())))
            .map(|(_, to)| to.as_str())
            .collect();
        let extra = next.map_or(0, |(extra, _)| extra);
        if !sounds.is_empty() {
            let names = sounds;
            let left_out = self.said(LeftOut { names, family: false }, at, count + extra);
            self.brief.left_out.push(left_out);
        }
        let opposite = technique.opposite.as_deref().and_then(|name| vocabulary().technique(name));
        if let Some(technique) = opposite.filter(|_| technique.instead.is_empty()) {
            let said = self.denied(Manner { technique, of: None }, at, count);
            self.brief.techniques.push(said);
        }
        self.used(at + count + extra);
        extra
    }
}
