//! Models on disk and how they get there: what is known, what the cache of the Hugging Face hub holds, fetching, checking.
//!
//! The cache is the one that the hub's own Python library keeps, so that what either has fetched the other finds. Only
//! [`hub`], [`fetch`] and [`pull`] go to the network.

#[cfg(feature = "musicgen")]
pub mod cache;
#[cfg(feature = "musicgen")]
pub mod check;
#[cfg(feature = "musicgen")]
pub mod fetch;
#[cfg(feature = "musicgen")]
pub mod hub;
#[cfg(feature = "musicgen")]
pub mod pull;
pub mod settings;

/// Bytes as people read them: `2.36 GB`.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        1_000_000_000.. => (1e9, "GB"),
    };
    let value = bytes as f64 / unit;
    let digits = if value < 10.0 { 2 } else { 1 };
    format!("{value:.digits$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in
            [(0, "0.00 kB"), (812_345, "812.3 kB"), (2_364_228_608, "2.36 GB"), (14_000_000, "14.0 MB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
