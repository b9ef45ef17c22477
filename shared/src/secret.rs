//! Secrets and their digests.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::random::Random;

/// A secret that prints as `…` wherever it is logged or debugged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }

    /// The secret itself: for the code that sends it, or prints it once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A new access token for `/api/*`: 32 letters and digits.
    pub fn access_token(random: &Random) -> Self {
        Self(random.letters_and_digits(32))
    }

    /// A new API key for `/suno/*`: `sk-` and 48 letters and digits.
    pub fn api_key(random: &Random) -> Self {
        Self(format!("sk-{}", random.letters_and_digits(48)))
    }

    /// An upstream's key from an operator; `None` unless it fits into a header, which takes printable ASCII
    /// without spaces. An empty text means no key.
    pub fn upstream_key(text: &str) -> Option<Self> {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic())
            .then(|| Self::new(text))
    }

    /// The digest that the database keeps.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The SHA-256 digest of a secret, or of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest of `raw`.
    pub fn of(raw: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(raw.as_ref()).into())
    }

    /// The bytes of the digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first eight bytes as a number: enough to detect a change.
    pub fn short(&self) -> i64 {
        self.0
            .first_chunk()
            .map_or(0, |first| i64::from_le_bytes(*first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_an_ellipsis() {
        assert_eq!(format!("{:?}", Secret::new("sk-abc")), "…");
    }

    #[test]
    fn keys_and_tokens_have_their_shapes() {
        let random = Random::seeded(1);
        let key = Secret::api_key(&random);
        assert!(key.expose().starts_with("sk-") && key.expose().len() == 51);
        assert_eq!(Secret::access_token(&random).expose().len(), 32);
    }
}
