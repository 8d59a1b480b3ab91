//! The walk over the words of a prompt.

mod character;
mod key;
mod players;

use super::{
    Brief, LeftOut, Length, Place, Said, Tempo,
    numbers::Numbers,
    tokens::{Token, tokens},
};
use crate::{
    music::{Key, Metre, Mode},
    plan::vocabulary::{Hint, Layer, Meaning, Words, longest_phrase, meaning, vocabulary},
};

/// Reads a text into a brief. With `negative`, everything in it is what shall not be.
pub(super) fn read(text: &str, negative: bool, brief: &mut Brief) {
    let words = &vocabulary().words;
    let negation = Negation { always: negative, ..Negation::default() };
    let last = Last::Nothing;
    Reader { tokens: tokens(text), words, brief, negation, last, alone: None, leads: false, moment: None }
        .read();
}

/// What the words at one place say.
#[derive(Clone, Copy)]
enum Item {
    Tempo(Tempo),
    Length(Length),
    Metre(Metre),
    Key(Key),
    Mode(Mode),
    Moment(Place),
    Phrase(Meaning),
}

/// Whether what is read shall not be.
#[derive(Debug, Default)]
struct Negation {
    /// The whole text says what shall not be.
    always: bool,
    /// Which negation holds.
    on: Option<Sense>,
    /// It has left something out.
    used: bool,
    /// An article follows it: "no drums and a piano" is a piano, "without a drum and a bass" is no bass.
    article: bool,
    /// How it was said.
    word: String,
}

/// How a negation is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    /// Of what there is: "no drums".
    LeftOut,
    /// Of what something is ("not sad"), so it ends with that.
    Denied,
}

impl Negation {
    fn holds(&self) -> bool {
        self.always || self.on.is_some()
    }
}

/// What was read just before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    /// Somebody who shall play: index into what is wanted.
    Player(usize),
    /// Somebody who shall not: index into what is left out.
    LeftOut,
    /// A way of playing that waits for its player: index into the techniques.
    Technique(usize),
    /// A kind of music.
    Style,
    /// Something that shall happen: index into the hints.
    Wish(usize),
}

/// Walks over the tokens from the left; at each place the longest reading wins.
struct Reader<'b> {
    tokens: Vec<Token>,
    words: &'static Words,
    brief: &'b mut Brief,
    negation: Negation,
    last: Last,
    /// "Solo", "only": waits for a player.
    alone: Option<String>,
    /// "Lead": waits for a player.
    leads: bool,
    /// A moment that waits for what happens at it.
    moment: Option<Place>,
}

impl Reader<'_> {
    fn read(mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            let taken = match self.item(at) {
                Some((count, item)) => count + self.take(item, at, count),
                None => self.word(at),
            };
            let end = (at + taken).min(self.tokens.len());
            if let Some(ends) = self.tokens[at..end].iter().rev().find(|token| token.ends_clause) {
                let comma = ends.comma;
                self.end_clause(comma, end);
            }
            at = end;
        }
    }

    /// The longest reading at a place, and how many tokens it takes.
    fn item(&self, at: usize) -> Option<(usize, Item)> {
        let numbers = Numbers(&self.tokens);
        let readings = [
            self.named(at),
            numbers.tempo(at).map(|(count, tempo)| (count, Item::Tempo(tempo))),
            numbers.place(at, self.drop_near(at)).map(|(count, place)| (count, Item::Moment(place))),
            numbers.length(at).map(|(count, length)| (count, Item::Length(length))),
            self.lower(at).parse().ok().map(|metre| (1, Item::Metre(metre))),
            self.key(at),
        ];
        // `max_by_key` takes the last of equals: the more specific readings stand last.
        readings.into_iter().flatten().max_by_key(|(count, _)| *count)
    }

    /// The longest phrase of the vocabulary at a place.
    fn named(&self, at: usize) -> Option<(usize, Item)> {
        let most = longest_phrase().min(self.clause_end(at) - at);
        (1..=most).rev().find_map(|count| {
            let phrase = self.phrase(at, count);
            let meaning = meaning(&phrase)?;
            // "In three" counts, "in three parts" does not.
            let counted = matches!(meaning, Meaning::Metre(_)) && self.lower(at) == "in";
            (!counted || self.ends(at + count)).then_some((count, Item::Phrase(meaning)))
        })
    }

    fn lower(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.lower.as_str())
    }

    fn phrase(&self, at: usize, count: usize) -> String {
        let words: Vec<&str> = self.tokens[at..at + count].iter().map(|token| token.lower.as_str()).collect();
        words.join(" ")
    }

    fn written(&self, at: usize, count: usize) -> String {
        let words: Vec<&str> =
            self.tokens[at..at + count].iter().map(|token| token.written.as_str()).collect();
        words.join(" ")
    }

    fn said<T>(&self, value: T, at: usize, count: usize) -> Said<T> {
        Said { value, words: self.written(at, count) }
    }

    /// As `said`, with the negation before it.
    fn denied<T>(&self, value: T, at: usize, count: usize) -> Said<T> {
        let word = if self.negation.word.is_empty() { "not" } else { &self.negation.word };
        Said { value, words: format!("{word} {}", self.written(at, count)) }
    }

    /// One past the last token of the clause that holds `at`.
    fn clause_end(&self, at: usize) -> usize {
        let end = self.tokens[at..].iter().position(|token| token.ends_clause);
        end.map_or(self.tokens.len(), |end| at + end + 1)
    }

    /// Whether nothing follows at `end` that what stands before could belong to.
    fn ends(&self, end: usize) -> bool {
        end >= self.tokens.len()
            || self.tokens[end - 1].ends_clause
            || Numbers(&self.tokens).digits(end).is_some()
            || matches!(
                self.lower(end),
                "at" | "and"
                    | "with"
                    | "over"
                    | "but"
                    | "then"
                    | "bpm"
                    | "for"
                    | "in"
                    | "without"
                    | "no"
                    | "around"
            )
    }

    /// Whether a drop is spoken of in the clause of this token.
    fn drop_near(&self, at: usize) -> bool {
        let start = self.tokens[..at].iter().rposition(|token| token.ends_clause).map_or(0, |end| end + 1);
        (start..self.clause_end(at))
            .any(|at| matches!(meaning(self.lower(at)), Some(Meaning::Hint(word)) if word.hint == Hint::Drop))
    }

    /// A clause is over: a negation ends with it, unless a list goes on: "no drums, bass or voices".
    fn end_clause(&mut self, comma: bool, next: usize) {
        self.alone = None;
        self.leads = false;
        self.last = match self.last {
            Last::Wish(wish) => Last::Wish(wish),
            _ => Last::Nothing,
        };
        if !(comma && self.negation.used && self.list_goes_on(next)) {
            self.negation.on = None;
        }
    }

    fn list_goes_on(&self, mut at: usize) -> bool {
        while at < self.tokens.len() {
            let end = self.clause_end(at);
            let negates = (at..end).any(|at| {
                let word = self.tokens[at].lower.as_str();
                self.words.negations.iter().chain(&self.words.denials).any(|negation| negation == word)
                    || matches!(word, "with" | "but")
            });
            let or = (at..end).position(|at| matches!(self.lower(at), "or" | "nor"));
            match or {
                _ if negates => return false,
                Some(or) => return or <= 2,
                None if end - at > 2 || !self.tokens[end - 1].comma => return false,
                None => at = end,
            }
        }
        false
    }

    /// A word that is part of no phrase: a number that counts players, or not understood.
    fn word(&mut self, at: usize) -> usize {
        let counts = Numbers(&self.tokens).digits(at).is_some() && self.player_at(at + 1).is_some();
        if !counts {
            self.brief.not_understood.push(self.tokens[at].written.clone());
        }
        1
    }

    /// Takes in what was read; how many tokens beyond it are used up as well.
    fn take(&mut self, item: Item, at: usize, count: usize) -> usize {
        let before = self.last;
        let keeps_waiting = matches!(
            item,
            Item::Moment(_)
                | Item::Phrase(
                    Meaning::Filler
                        | Meaning::Alone
                        | Meaning::Mood(_)
                        | Meaning::Technique(_)
                        | Meaning::Density(_)
                        | Meaning::Style(_)
                        | Meaning::StyleHint(_)
                        | Meaning::Tempo(_)
                )
        );
        self.last = Last::Nothing;
        let extra = match item {
            Item::Phrase(meaning) => self.take_phrase(meaning, before, at, count),
            Item::Tempo(tempo) => self.take_tempo(tempo, at, count),
            Item::Length(length) => {
                let said = self.said(length, at, count);
                self.take_one(said, |brief| &mut brief.length)
            }
            Item::Metre(metre) => {
                let said = self.said(metre, at, count);
                self.take_one(said, |brief| &mut brief.metre)
            }
            Item::Key(key) => {
                let said = self.said(key, at, count);
                self.take_one(said, |brief| &mut brief.key)
            }
            Item::Mode(mode) if self.negation.holds() => {
                let opposite = if mode.is_minor() { Mode::Major } else { Mode::Minor };
                let said = self.denied(opposite, at, count);
                self.brief.mode.get_or_insert(said);
                self.used(at + count);
                0
            }
            Item::Mode(mode) => {
                let said = self.said(mode, at, count);
                self.take_one(said, |brief| &mut brief.mode)
            }
            Item::Moment(place) => {
                match before {
                    Last::Wish(wish) if self.brief.hints[wish].value.place.is_none() => {
                        self.brief.hints[wish].value.place = Some(place);
                    }
                    _ if self.drop_near(at) => self.moment = Some(place),
                    _ => self.brief.not_understood.push(self.written(at, count)),
                }
                0
            }
        };
        if !keeps_waiting {
            self.alone = None;
        }
        extra
    }

    fn take_phrase(&mut self, meaning: Meaning, before: Last, at: usize, count: usize) -> usize {
        let negated = self.negation.holds();
        // "No dark pads" is about pads.
        let adjective = negated
            && self.negation.on != Some(Sense::Denied)
            && !self.tokens[at + count - 1].ends_clause
            && self.player_at(at + count).is_some();
        match meaning {
            Meaning::Negation => self.negate(Sense::LeftOut, at, count),
            Meaning::Denial => self.negate(Sense::Denied, at, count),
            Meaning::Exception => {
                let begins = self.negation.on.is_none() && !self.negation.always;
                self.negation.on = begins.then_some(Sense::LeftOut);
                self.negation.used = false;
                self.negation.word = self.written(at, count);
                0
            }
            Meaning::Alone | Meaning::Filler => self.take_small(meaning, before, at, count),
            Meaning::Instrument(_) | Meaning::Family(_) | Meaning::Ensemble(_) if negated => {
                self.leave_out(meaning, at, count)
            }
            Meaning::Instrument(instrument) => self.want(instrument, before, at, count),
            Meaning::Family(family) => {
                let candidates = family.plays.iter().map(String::as_str).collect();
                self.want_one_of(candidates, before, at, count)
            }
            Meaning::Ensemble(ensemble) => {
                for name in &ensemble.players {
                    self.want_one_of(vec![name.as_str()], Last::Nothing, at, count);
                }
                self.imply_style(ensemble.style.as_deref(), at, count);
                if ensemble.alone {
                    self.brief.alone = Some(self.written(at, count));
                }
                0
            }
            Meaning::Drumless => {
                let rhythm = vocabulary().instruments.iter().filter(|item| item.layer == Layer::Rhythm);
                let names = rhythm.map(|item| item.name.as_str()).collect();
                let left_out = self.said(LeftOut { names, family: true }, at, count);
                self.brief.left_out.push(left_out);
                0
            }
            Meaning::Impossible(_) if negated => {
                self.used(at + count);
                0
            }
            Meaning::Impossible(impossible) => {
                let said = self.said(impossible.because.as_str(), at, count);
                self.brief.impossible.push(said);
                0
            }
            Meaning::Technique(technique) => self.take_technique(technique, before, at, count),
            _ if adjective => {
                if let Meaning::Style(style) = meaning {
                    let avoided = self.denied(style, at, count);
                    self.brief.avoided.push(avoided);
                }
                0
            }
            _ => self.take_character(meaning, before, at, count),
        }
    }

    fn negate(&mut self, sense: Sense, at: usize, count: usize) -> usize {
        self.negation = Negation {
            always: self.negation.always,
            on: Some(sense),
            used: false,
            article: matches!(self.lower(at + count), "a" | "an" | "any"),
            word: self.phrase(at, count),
        };
        0
    }

    /// Words beside an instrument that say what part it has, and filler that may end a negation.
    fn take_small(&mut self, meaning: Meaning, before: Last, at: usize, count: usize) -> usize {
        let phrase = self.phrase(at, count);
        let is = |words: &[String]| words.contains(&phrase);
        if let Last::Player(player) = before {
            if is(&self.words.leads) {
                self.brief.wanted[player].value.leads = true;
                if phrase == "solo" {
                    self.brief.solo = Some(format!("{} {phrase}", self.brief.wanted[player].words));
                }
            }
            if is(&self.words.alone_after) && !self.negation.holds() {
                self.brief.alone = Some(format!("{} {phrase}", self.brief.wanted[player].words));
                return 0;
            }
        }
        if self.negation.holds() && is(&self.words.tunes) {
            self.brief.tuneless = Some(phrase);
            self.used(at + count);
            return 0;
        }
        let article = matches!(self.lower(at + count), "a" | "an" | "the" | "some" | "lots");
        let and_a = phrase == "and" && article && !self.negation.article;
        if self.negation.used && (and_a || is(&self.words.ends)) {
            self.negation.on = None;
        }
        if matches!(meaning, Meaning::Alone) && !self.negation.holds() {
            self.alone = Some(phrase.clone());
        }
        // Articles and the like do not separate a technique from its player.
        if matches!(before, Last::Wish(_) | Last::Technique(_))
            || matches!(before, Last::Player(_)) && is(&self.words.joins)
        {
            self.last = before;
        }
        0
    }
}
