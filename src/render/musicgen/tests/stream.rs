//! Sections and windows.

use std::sync::Mutex;

use super::tiny::{finish, model};
use crate::{
    audio::Random,
    render::musicgen::{
        codes::Codes,
        condition::Prompt,
        generate::{Piece, State},
        model::LanguageModel,
        sampling::Sampling,
        stream::{Melody, Section, SectionState, Tail, Window},
    },
};

fn section(text: &str, frames: usize) -> Section<'_> {
    Section { frames, text, negative: "", melody: None, sampling: Sampling::default(), seed: 3 }
}

fn make(model: &LanguageModel, window: Window, section: Section<'_>, tail: &Tail) -> (Codes, Tail) {
    let mut state = SectionState::new(model, window, section, tail).unwrap();
    let mut ready = 0;
    while !state.done() {
        state.step(model).unwrap();
        assert!(state.ready() >= ready);
        ready = state.ready();
    }
    assert_eq!(ready, section.frames);
    state.finish()
}

#[test]
fn windows_start_with_the_end_of_the_one_before() {
    let model = model(false);
    let (whole, tail) = make(&model, Window::new(12, 7), section("calm", 30), &Tail::start(4));
    // By hand: 12 new frames, then 7 at a time behind the last 5, then the rest.
    let branches = model.branches(&Prompt { text: "calm", ..Prompt::default() }).unwrap();
    let mut all = Codes::empty(4);
    for (from, frames) in [(0, 12), (12, 12), (19, 12), (26, 9)] {
        let prompt = all.last(5);
        let piece = Piece { frames, prompt: &prompt, branches: &branches, sampling: Sampling::default() };
        let random = Random::stream(3, &format!("tokens from frame {from}"));
        let window = finish(&model, State::new(model.decoder(), &piece, random).unwrap());
        all.append(&window.from_frame(prompt.frames()));
    }
    assert_eq!(whole, all);
    assert_eq!(tail, Tail { frame: 30, codes: all.last(5) });
}

#[test]
fn a_section_is_the_same_when_it_is_made_later() {
    let model = model(false);
    let window = Window::new(12, 7);
    let (_, tail) = make(&model, window, section("calm", 9), &Tail::start(4));
    let (second, end) = make(&model, window, section("loud piano", 15), &tail);
    assert_eq!((second.frames(), end.frame, end.codes.frames()), (15, 24, 5));
    // It hears its own text, and what was before.
    assert_ne!(make(&model, window, section("calm", 15), &tail).0, second);
    let elsewhere = Tail { frame: 9, codes: Codes::from_fn(4, |_| vec![7; 5]) };
    assert_ne!(make(&model, window, section("loud piano", 15), &elsewhere).0, second);
}

#[test]
fn a_piece_goes_on_from_the_tokens_of_a_sound() {
    let sound = Codes::from_fn(4, |codebook| (0..8).map(|frame| (frame + codebook as u32) % 11).collect());
    let tail = Tail::after(&sound, Window::new(12, 7));
    assert_eq!(tail, Tail { frame: 8, codes: sound.from_frame(3) });
    assert!(Codes::try_from(vec![vec![1], vec![1, 2]]).is_err());
}

#[test]
fn a_section_without_frames_is_done() {
    let model = model(false);
    let tail = Tail::after(&Codes::from_fn(4, |_| vec![1, 2, 3]), Window::new(12, 7));
    assert_eq!(make(&model, Window::new(12, 7), section("calm", 0), &tail), (Codes::empty(4), tail));
}

#[derive(Debug, Default)]
struct Asked(Mutex<Vec<usize>>);

impl Melody for Asked {
    fn classes(&self, first_frame: usize) -> Vec<usize> {
        self.0.lock().unwrap().push(first_frame);
        vec![first_frame % 12]
    }
}

#[test]
fn a_melody_is_asked_for_from_the_first_frame_of_each_window() {
    let model = model(true);
    let asked = Asked::default();
    let window = Window::new(12, 7);
    let first = Section { melody: Some(&asked), ..section("calm", 15) };
    let (_, tail) = make(&model, window, first, &Tail::start(4));
    make(&model, window, Section { frames: 9, ..first }, &tail);
    assert_eq!(*asked.0.lock().unwrap(), [0, 7, 10, 17]);
}
