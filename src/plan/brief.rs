//! From the words of a prompt to what they ask for. Nothing is decided here: a brief says only what was said.

use crate::{
    music::{Key, Metre, Mode},
    plan::vocabulary::{Instrument, Layer, Mood, Style, Vocabulary},
};

/// What a prompt says, with the words that say it.
#[derive(Debug, Default)]
pub(super) struct Brief<'v> {
    /// A tempo in numbers, in beats per minute.
    pub(super) tempo: Option<Said<f64>>,
    /// A tempo in words: lowest and highest, in beats per minute.
    pub(super) tempo_range: Option<Said<[f64; 2]>>,
    /// A tonic with its mode.
    pub(super) key: Option<Said<Key>>,
    /// A mode alone.
    pub(super) mode: Option<Said<Mode>>,
    /// A time signature.
    pub(super) metre: Option<Said<Metre>>,
    /// Kinds of music, in the order of the prompt.
    pub(super) styles: Vec<Said<&'v Style>>,
    /// Instruments and textures, in the order of the prompt.
    pub(super) instruments: Vec<Said<&'v Instrument>>,
    /// Moods, in the order of the prompt.
    pub(super) moods: Vec<Said<&'v Mood>>,
    /// Names of instruments that must not play.
    pub(super) excluded: Vec<String>,
    /// Words for what no engine can do.
    pub(super) impossible: Vec<String>,
    /// Words that said nothing.
    pub(super) not_understood: Vec<String>,
}

/// A value and the words it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) words: String,
}

/// Reads a prompt, and what it shall not have.
pub(super) fn read<'v>(prompt: &str, negative: &str, vocabulary: &'v Vocabulary) -> Brief<'v> {
    let mut brief = Brief::default();
    Reader { tokens: tokens(prompt), vocabulary, brief: &mut brief, always_negated: false, negated: false }
        .read();
    let mut refused = Brief::default();
    Reader { tokens: tokens(negative), vocabulary, brief: &mut refused, always_negated: true, negated: true }
        .read();
    brief.excluded.append(&mut refused.excluded);
    brief.not_understood.append(&mut refused.not_understood);
    brief.instruments.retain(|said| !brief.excluded.contains(&said.value.name));
    brief
}

/// A word of a prompt.
#[derive(Debug)]
struct Token {
    /// As written.
    written: String,
    /// In lower case.
    lower: String,
    /// Whether a comma, full stop or the like follows.
    ends_clause: bool,
}

/// Splits at everything that is no part of a word, a number, a key or a metre, and between a number and the unit glued to it
/// ("72bpm"). A dash or a colon splits but ends no clause.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let after = characters.peek().copied().unwrap_or(' ');
        let in_number = matches!(c, '.' | '/') && before.is_ascii_digit() && after.is_ascii_digit();
        let in_word = matches!(c, '\'' | '’' | '&') && before.is_alphanumeric() && after.is_alphanumeric();
        if c.is_alphanumeric() || matches!(c, '#' | '♯' | '♭') || in_number || in_word {
            word.push(c);
        } else {
            add(&mut tokens, &mut word);
            if matches!(c, ',' | '.' | ';' | '!' | '?' | ')' | '(' | '\n' | '—' | '–')
                && let Some(last) = tokens.last_mut()
            {
                last.ends_clause = true;
            }
        }
        before = c;
    }
    add(&mut tokens, &mut word);
    tokens
}

/// Ends a word.
fn add(tokens: &mut Vec<Token>, word: &mut String) {
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(0);
    let unit =
        if word[digits..].eq_ignore_ascii_case("bpm") { word.split_off(digits) } else { String::new() };
    for written in [std::mem::take(word), unit] {
        if !written.is_empty() {
            tokens.push(Token { lower: written.to_lowercase(), written, ends_clause: false });
        }
    }
}

/// What one phrase stands for.
#[derive(Clone, Copy)]
enum Meaning<'v> {
    Style(&'v Style),
    Instrument(&'v Instrument),
    Mood(&'v Mood),
    Tempo([f64; 2]),
    Drumless,
    Impossible,
}

/// Walks over the tokens from the left; at each place the most specific reading wins.
struct Reader<'v, 'b> {
    tokens: Vec<Token>,
    vocabulary: &'v Vocabulary,
    brief: &'b mut Brief<'v>,
    /// Whether all of the text says what shall not be.
    always_negated: bool,
    negated: bool,
}

impl<'v> Reader<'v, '_> {
    fn read(mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            let taken = self
                .tempo(at)
                .or_else(|| self.metre(at))
                .or_else(|| self.key(at))
                .or_else(|| self.phrase(at));
            let taken = taken.unwrap_or_else(|| {
                self.word(at);
                1
            });
            let clause_ends = self.tokens[at..at + taken].iter().any(|token| token.ends_clause);
            at += taken;
            if clause_ends {
                self.negated = self.always_negated;
            }
        }
    }

    fn lower(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.lower.as_str())
    }

    fn said<T>(&self, value: T, at: usize, count: usize) -> Said<T> {
        let words: Vec<&str> =
            self.tokens[at..at + count].iter().map(|token| token.written.as_str()).collect();
        Said { value, words: words.join(" ") }
    }

    /// "72 bpm", "bpm 72", "tempo of 72", "72 beats per minute".
    fn tempo(&mut self, at: usize) -> Option<usize> {
        let (number_at, count) = if let Some(_number) = self.number(at) {
            match (self.lower(at + 1), self.lower(at + 2), self.lower(at + 3)) {
                ("bpm", _, _) => (at, 2),
                ("beats", "per", "minute") => (at, 4),
                _ => return None,
            }
        } else if matches!(self.lower(at), "bpm" | "tempo") {
            let skip = usize::from(matches!(self.lower(at + 1), "of" | "at" | "is" | "around" | "about"));
            (at + 1 + skip, 2 + skip + usize::from(self.lower(at + 2 + skip) == "bpm"))
        } else {
            return None;
        };
        let count = count.min(self.tokens.len() - at);
        let bpm = self.number(number_at).filter(|_| self.in_one_clause(at, count))?;
        let said = self.said(bpm, at, count);
        self.take(said, |brief| &mut brief.tempo);
        Some(count)
    }

    fn number(&self, at: usize) -> Option<f64> {
        self.lower(at).parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn metre(&mut self, at: usize) -> Option<usize> {
        let metre = self.lower(at).parse().ok()?;
        let said = self.said(metre, at, 1);
        self.take(said, |brief| &mut brief.metre);
        Some(1)
    }

    /// Takes in what a piece has one of: the first that is said. A second one, or one that shall not be, is not understood.
    fn take<T>(
        &mut self,
        said: Said<T>,
        field: impl for<'a> FnOnce(&'a mut Brief<'v>) -> &'a mut Option<Said<T>>,
    ) {
        let words = said.words.clone();
        let field = field(self.brief);
        if self.negated || field.is_some() {
            self.brief.not_understood.push(words);
        } else {
            *field = Some(said);
        }
    }

    /// Whether no comma or the like stands between these tokens.
    fn in_one_clause(&self, at: usize, count: usize) -> bool {
        self.tokens[at..at + count - 1].iter().all(|token| !token.ends_clause)
    }

    /// "D minor", "F# dorian", "B flat major", "in Dm", "key of A"; and a mode alone: "in minor", "dorian", "a minor key".
    fn key(&mut self, at: usize) -> Option<usize> {
        let most = 4.min(self.tokens.len() - at);
        for count in (1..=most).rev().filter(|&count| self.in_one_clause(at, count)) {
            let words: Vec<&str> =
                self.tokens[at..at + count].iter().map(|token| token.written.as_str()).collect();
            let Ok(key) = words.join(" ").parse::<Key>() else { continue };
            if self.means_key(at, count) {
                let said = self.said(key, at, count);
                self.take(said, |brief| &mut brief.key);
                return Some(count);
            }
        }
        let (mode, count) = self.mode(at)?;
        let said = self.said(mode, at, count);
        self.take(said, |brief| &mut brief.mode);
        Some(count)
    }

    /// The mode that is named here, and in how many words.
    fn mode(&self, at: usize) -> Option<(Mode, usize)> {
        let two_words = format!("{} {}", self.lower(at), self.lower(at + 1));
        let named = |name: &str| Mode::ALL.into_iter().find(|mode| mode.name() == name);
        named(&two_words).map(|mode| (mode, 2)).or_else(|| Some((named(self.lower(at))?, 1)))
    }

    /// Whether what could be read as a key is meant as one. Much of it may be plain English: "a major part", "lost in a dream",
    /// "a flat tone".
    fn means_key(&self, at: usize, count: usize) -> bool {
        let written = self.tokens[at].written.as_str();
        let end = at + count;
        let introduced = at > 0 && matches!(self.lower(at - 1), "in" | "of");
        let capital = written.starts_with(|c: char| c.is_ascii_uppercase());
        // Nothing follows that an article could belong to.
        let ends = self.tokens[end - 1].ends_clause
            || end == self.tokens.len()
            || self.number(end).is_some()
            || matches!(self.lower(end), "at" | "and" | "with" | "over" | "but" | "then" | "bpm");
        let article = written == "a" || (written == "A" && at == 0);
        let with_mode = (at + 1..end).any(|at| self.mode(at).is_some());
        match (with_mode, count) {
            (true, _) => !article || ends,
            (false, 1) if written.contains(['#', '♯', '♭']) => true,
            (false, 1) => introduced && capital && (written.len() > 1 || ends),
            (false, _) => introduced && (ends || !written.eq_ignore_ascii_case("a")),
        }
    }

    fn phrase(&mut self, at: usize) -> Option<usize> {
        let clause =
            self.tokens[at..].iter().position(|token| token.ends_clause).map_or(usize::MAX, |end| end + 1);
        let longest = 4.min(self.tokens.len() - at).min(clause);
        let (meanings, count) = (1..=longest).rev().find_map(|count| {
            let lower: Vec<&str> =
                self.tokens[at..at + count].iter().map(|token| token.lower.as_str()).collect();
            let meanings = self.meaning(&lower.join(" "));
            meanings.map(|meaning| (meaning, count))
        })?;
        match meanings {
            Meaning::Instrument(instrument) if self.negated => self.exclude(instrument),
            Meaning::Drumless => self.exclude_layer(Layer::Rhythm),
            Meaning::Impossible if self.negated => {}
            Meaning::Impossible => self.brief.impossible.push(self.said((), at, count).words),
            // "not sad", "no jazz": there is no opposite to take, so it is reported as not understood.
            _ if self.negated => self.brief.not_understood.push(self.said((), at, count).words),
            Meaning::Instrument(instrument) => self.brief.instruments.push(self.said(instrument, at, count)),
            Meaning::Style(style) => self.brief.styles.push(self.said(style, at, count)),
            Meaning::Mood(mood) => self.brief.moods.push(self.said(mood, at, count)),
            Meaning::Tempo(bpm) => {
                let said = self.said(bpm, at, count);
                self.take(said, |brief| &mut brief.tempo_range);
            }
        }
        Some(count)
    }

    fn meaning(&self, phrase: &str) -> Option<Meaning<'v>> {
        let vocabulary = self.vocabulary;
        let singular = phrase.strip_suffix('s').unwrap_or(phrase);
        let among = |words: &[String]| words.iter().any(|word| word == phrase || word == singular);
        let style = vocabulary.styles.iter().find(|style| among(&style.words)).map(Meaning::Style);
        style
            .or_else(|| {
                vocabulary.instruments.iter().find(|item| among(&item.words)).map(Meaning::Instrument)
            })
            .or_else(|| vocabulary.moods.iter().find(|mood| among(&mood.words)).map(Meaning::Mood))
            .or_else(|| {
                vocabulary
                    .tempi
                    .iter()
                    .find(|tempo| among(&tempo.words))
                    .map(|tempo| Meaning::Tempo(tempo.bpm))
            })
            .or_else(|| among(&vocabulary.words.drumless).then_some(Meaning::Drumless))
            .or_else(|| among(&vocabulary.words.impossible).then_some(Meaning::Impossible))
    }

    /// Drums and bass are excluded as families: who says "no drums" wants no drum machine either.
    fn exclude(&mut self, instrument: &Instrument) {
        match instrument.layer {
            Layer::Rhythm | Layer::Bass => self.exclude_layer(instrument.layer),
            _ => self.brief.excluded.push(instrument.name.clone()),
        }
    }

    fn exclude_layer(&mut self, layer: Layer) {
        let of_layer = self.vocabulary.instruments.iter().filter(|item| item.layer == layer);
        self.brief.excluded.extend(of_layer.map(|item| item.name.clone()));
    }

    /// A word that is part of no phrase: a negation, filler, or not understood.
    fn word(&mut self, at: usize) {
        let word = self.tokens[at].lower.clone();
        let words = &self.vocabulary.words;
        if words.negations.contains(&word) {
            self.negated = true;
        } else if matches!(word.as_str(), "but" | "with") {
            self.negated = self.always_negated;
        } else if !words.filler.contains(&word) && word != "&" {
            self.brief.not_understood.push(self.tokens[at].written.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::vocabulary::vocabulary;

    fn brief(prompt: &str) -> Brief<'static> {
        read(prompt, "", vocabulary())
    }

    fn names(brief: &Brief<'_>) -> Vec<String> {
        brief.instruments.iter().map(|said| said.value.name.clone()).collect()
    }

    #[test]
    fn reads_the_example() {
        let brief = brief("dreamy piano over rain, 72 bpm, in D minor");
        assert_eq!(names(&brief), ["piano", "rain"]);
        assert_eq!(brief.moods[0].value.name, "dreamy");
        assert_eq!(brief.tempo, Some(Said { value: 72.0, words: "72 bpm".into() }));
        assert_eq!(brief.key.map(|said| said.value.to_string()), Some("D minor".into()));
        assert!(brief.not_understood.is_empty(), "{:?}", brief.not_understood);
    }

    #[test]
    fn tempi_in_numbers() {
        for prompt in [
            "at 90bpm",
            "90 BPM!",
            "90BPM",
            "piano,90bpm",
            "tempo of 90",
            "tempo: 90",
            "bpm 90",
            "90 beats per minute",
            "tempo 90 bpm ok",
            "90 bpm, then 120 bpm",
        ] {
            assert_eq!(brief(prompt).tempo.map(|said| said.value), Some(90.0), "{prompt}");
        }
        assert_eq!(brief("90 violins").tempo, None);
        assert_eq!(brief("tempo").tempo, None);
        assert_eq!(brief("slow tempo, 2 guitars").tempo, None);
        assert_eq!(brief("90 bpm, then 120 bpm").not_understood, ["120 bpm"]);
    }

    #[test]
    fn keys_and_articles() {
        for (prompt, key) in [
            ("a song in F# dorian", "F# dorian"),
            ("b flat major hymn", "Bb major"),
            ("in Am", "A minor"),
            ("key of C", "C major"),
            ("in a minor", "A minor"),
            ("Eb", ""),
            ("I am in love", ""),
            ("a piano", ""),
            ("a blues in A minor pentatonic", "A minor"),
            ("C#m 80bpm", "C# minor"),
            ("in E flat, slowly", "Eb major"),
            ("in A", "A major"),
            ("guitar with a sharp attack", ""),
            ("a major upgrade of funk", ""),
            ("Lost In A Dream", ""),
            ("PIANO IN A DARK FOREST", ""),
            ("be happy", ""),
        ] {
            assert_eq!(
                brief(prompt).key.map_or(String::new(), |said| said.value.to_string()),
                key,
                "{prompt}"
            );
        }
        let minor = brief("in a minor key");
        assert_eq!((minor.key, minor.mode.map(|said| said.value)), (None, Some(Mode::Minor)));
        assert_eq!(brief("harmonic minor lead").mode.map(|said| said.value), Some(Mode::HarmonicMinor));
    }

    #[test]
    fn negations_end_with_their_clause() {
        let brief = brief("lo-fi hip hop without drums or bass, soft keys, no vocals but with rain");
        assert!(
            ["drums", "brushes", "electronic_drums", "bass", "synth_bass"]
                .map(String::from)
                .iter()
                .all(|name| brief.excluded.contains(name))
        );
        assert_eq!(names(&brief), ["electric_piano", "rain"]);
        assert!(brief.impossible.is_empty());
        let refused = read("strings and harp", "harp, vinyl", vocabulary());
        assert_eq!(names(&refused), ["strings"]);
    }

    #[test]
    fn what_shall_not_be_is_never_taken_for_the_opposite() {
        let brief_of = brief("piano, not in D minor, not 90 bpm, no 3/4");
        assert_eq!((brief_of.key, brief_of.tempo, brief_of.metre), (None, None, None));
        assert_eq!(brief_of.not_understood, ["D minor", "90 bpm", "3/4"]);
        let refused = read("jazz", "D minor, fast, drums with electric piano", vocabulary());
        assert_eq!(refused.not_understood, ["D minor", "fast"]);
        assert!(["drums", "electric_piano"].iter().all(|name| refused.excluded.contains(&(*name).into())));
        assert_eq!(brief("non-stop techno").styles[0].value.name, "techno");
    }

    #[test]
    fn commas_need_no_space() {
        let brief = brief("lofi,chill,piano,rain");
        assert_eq!(
            (brief.styles[0].value.name.as_str(), names(&brief).join(" ").as_str()),
            ("lofi", "piano rain")
        );
        assert!(read("lofi", "drums,vinyl", vocabulary()).excluded.contains(&"vinyl".into()));
    }

    #[test]
    fn the_longest_phrase_wins() {
        assert_eq!(names(&brief("electric piano")), ["electric_piano"]);
        assert_eq!(brief("drum and bass").styles[0].value.name, "drum_and_bass");
        assert_eq!(names(&brief("drums and bass")), ["drums", "bass"]);
        assert_eq!(names(&brief("piano, strings, bells")), ["piano", "strings", "bells"]);
        assert_eq!(brief("very slow waltz").tempo_range.map(|said| said.value), Some([44.0, 58.0]));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert_eq!(brief("zither and theremin at dusk").not_understood, ["zither", "theremin", "dusk"]);
        assert_eq!(brief("singing robots").impossible, ["singing"]);
    }
}
