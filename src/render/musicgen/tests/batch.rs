//! Pieces that are stepped together.

use std::{sync::Arc, thread};

use super::tiny::{finish, model};
use crate::{
    audio::Random,
    render::musicgen::{
        ModelError,
        batch::{Batch, Going, News},
        codes::Codes,
        condition::Prompt,
        generate::{Piece, State},
        model::LanguageModel,
        sampling::Sampling,
    },
};

/// A piece with a prompt of its own and as many frames as its number says.
fn piece(model: &LanguageModel, number: usize) -> State {
    let text = ["calm", "loud piano", ""][number % 3];
    let branches = model.branches(&Prompt { text, ..Prompt::default() }).unwrap();
    let prompt = Codes::from_fn(4, |codebook| vec![codebook as u32; number % 4]);
    let piece = Piece {
        frames: 10 + 7 * number,
        prompt: &prompt,
        branches: &branches,
        sampling: Sampling { top_k: 5, ..Sampling::default() },
    };
    State::new(model.decoder(), &piece, Random::new(number as u64)).unwrap()
}

/// The frames that were told of, and the whole piece.
fn wait(going: &Going) -> Result<(Codes, State), ModelError> {
    let mut told = Codes::empty(4);
    loop {
        match going.news()? {
            Some(News::Frames(codes)) => told.append(&codes),
            Some(News::Done(state)) => return Ok((told, *state)),
            Some(News::Failed(error)) => return Err(error),
            None => {}
        }
    }
}

#[test]
fn pieces_become_what_they_are_alone_whoever_comes_and_goes() {
    let model = Arc::new(model(false));
    let alone: Vec<Codes> = (0..9).map(|number| finish(&model, piece(&model, number))).collect();
    for places in [1, 3, 8] {
        let batch = Batch::new(places);
        thread::scope(|scope| {
            for (number, alone) in alone.iter().enumerate() {
                let (model, batch) = (&model, &batch);
                scope.spawn(move || {
                    let (told, state) = wait(&batch.join(model, piece(model, number)).unwrap()).unwrap();
                    assert_eq!(state.codes(), *alone, "{number} in {places} places");
                    assert_eq!(told, alone.from_frame(number % 4), "{number} in {places} places");
                });
                // One that nobody waits for holds up nobody.
                drop(batch.join(model, piece(model, number)).unwrap());
            }
        });
    }
}

/// A batch whose only place is taken by a piece that would take minutes.
fn full(model: &Arc<LanguageModel>) -> (Batch, Going) {
    let batch = Batch::new(1);
    let long = batch.join(model, piece(model, 20_000)).unwrap();
    while long.news().unwrap().is_none() {}
    (batch, long)
}

#[test]
fn one_that_is_not_wanted_any_more_leaves_its_place() {
    let model = Arc::new(model(false));
    let (batch, long) = full(&model);
    let next = batch.join(&model, piece(&model, 1)).unwrap();
    drop(long);
    assert_eq!(wait(&next).unwrap().1.codes(), finish(&model, piece(&model, 1)));
}

#[test]
fn one_that_is_not_wanted_any_more_does_not_wait_for_a_place() {
    let model = Arc::new(model(false));
    let (batch, long) = full(&model);
    let next = batch.join(&model, piece(&model, 1)).unwrap();
    assert_eq!(batch.waiting(), 1);
    drop(next);
    while batch.waiting() > 0 {
        // It would be done only after minutes.
        assert!(!matches!(long.news().unwrap(), Some(News::Done(_))));
    }
}

#[test]
fn a_fault_is_told_to_the_one_that_it_is_of() {
    let model = Arc::new(model(false));
    let batch = Batch::new(2);
    // So much guidance leaves the numbers.
    let sampling = Sampling { guidance: f64::INFINITY, ..Sampling::default() };
    let branches = model.branches(&Prompt { text: "calm", ..Prompt::default() }).unwrap();
    let piece_of = Piece { frames: 9, prompt: &Codes::empty(4), branches: &branches, sampling };
    let endless = State::new(model.decoder(), &piece_of, Random::new(1)).unwrap();
    let (endless, well) =
        (batch.join(&model, endless).unwrap(), batch.join(&model, piece(&model, 3)).unwrap());
    assert!(matches!(wait(&endless), Err(ModelError::NotFinite { .. })));
    assert_eq!(wait(&well).unwrap().1.codes(), finish(&model, piece(&model, 3)));
}
