//! MusicGen on candle: text to tokens to sound, equal to the reference implementation.

pub mod codec;
