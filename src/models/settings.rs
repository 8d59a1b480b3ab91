//! Where the hub is and who asks.

use std::fmt;

/// Where the hub is and who asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its address, `https://huggingface.co` or a mirror's.
    pub endpoint: String,
    /// Who asks; anonymous without.
    pub token: Option<Token>,
    /// Whether the network is not to be used.
    pub offline: bool,
}

/// A secret. Not shown by [`Debug`](fmt::Debug).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", Token("hf_secret".into())).contains("secret"));
    }
}
