//! Content negotiation (RFC 9110, section 12.5.1) for the one resource that has two forms.

use axum::http::{HeaderMap, header};

use crate::wire::OutputFormat;

/// A form of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The description.
    Json,
    /// The sound.
    Audio,
}

/// The form that `Accept` prefers. The description when it does not care; `None` when it allows neither.
pub(super) fn preferred(headers: &HeaderMap, format: OutputFormat) -> Option<Form> {
    let ranges: Vec<Range> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    if ranges.is_empty() {
        return Some(Form::Json);
    }
    let quality = |names: &[&str]| names.iter().map(|name| quality(&ranges, name)).fold(0.0, f32::max);
    let json = quality(&["application/json"]);
    let audio = quality(audio_names(format));
    match (json, audio) {
        (0.0, 0.0) => None,
        (json, audio) if audio > json => Some(Form::Audio),
        _ => Some(Form::Json),
    }
}

/// The names under which a format is asked for.
fn audio_names(format: OutputFormat) -> &'static [&'static str] {
    match format {
        OutputFormat::Wav => &["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"],
        OutputFormat::Flac => &["audio/flac", "audio/x-flac"],
    }
}

/// One media range with its weight.
#[derive(Debug)]
struct Range {
    media: String,
    quality: f32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?.to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        // A weight that cannot be read is no wish.
        let quality = weight.map_or(Some(1.0), |weight| weight.trim().parse().ok())?;
        (0.0..=1.0).contains(&quality).then_some(Self { media, quality })
    }
}

/// The weight of a media type: that of the most specific range that covers it, 0 when none does.
fn quality(ranges: &[Range], name: &str) -> f32 {
    let family = name.split('/').next().unwrap_or_default();
    let weight = |media: &str| {
        ranges.iter().filter(|range| range.media == media).map(|range| range.quality).reduce(f32::max)
    };
    weight(name).or_else(|| weight(&format!("{family}/*"))).or_else(|| weight("*/*")).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(accept: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        preferred(&headers, OutputFormat::Wav)
    }

    #[test]
    fn accept_decides() {
        assert_eq!(preferred(&HeaderMap::new(), OutputFormat::Wav), Some(Form::Json));
        for json in [
            "*/*",
            "application/json",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "audio/*;q=0.5, application/json",
            "audio/wav;q=0.5, application/json;q=0.5",
            "audio/wav;q=0, */*",
        ] {
            assert_eq!(wav(json), Some(Form::Json), "{json}");
        }
        for audio in [
            "audio/*",
            "audio/wav",
            "AUDIO/X-WAV",
            "audio/wav, */*;q=0.1",
            "application/json;q=0.2, audio/*;q=0.3",
            "application/json;q=0, */*;q=0.1",
        ] {
            assert_eq!(wav(audio), Some(Form::Audio), "{audio}");
        }
        for neither in ["text/plain", "audio/flac", "audio/wav;q=0, application/json;q=0", "image/*"] {
            assert_eq!(wav(neither), None, "{neither}");
        }
    }
}
