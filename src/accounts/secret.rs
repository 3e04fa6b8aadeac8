//! Secrets that nobody can guess, and what is kept of them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

/// What a token begins with, so that people and scanners of published files see what it is.
pub const TOKEN_PREFIX: &str = "torchboard_";

/// 256 random bits as text. It has no `Debug` or `Display`: it must not find its way into a log.
pub struct Secret(String);

impl Secret {
    /// A new one, from the system's generator.
    pub fn fresh(prefix: &str) -> Self {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What is kept of it.
    pub fn hash(&self) -> String {
        hash(&self.0)
    }

    /// The secret itself, for whom it belongs to.
    pub fn shown(self) -> String {
        self.0
    }
}

/// What is kept of a secret: one that has 256 random bits needs no salt, and no slow hash.
pub fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}
