//! Passwords, kept by argon2id (RFC 9106) with the parameters that OWASP asks for: 19 MiB, two passes.

use std::sync::LazyLock;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _},
};

use crate::error::{AppError, AppResult};

/// Lengths that are taken, in characters (NIST SP 800-63B: at least 8 with a second factor, 15 without one is advised; long ones are hashed whole).
const LENGTHS: std::ops::RangeInclusive<usize> = 10..=200;
/// So many unlike characters a password has at least.
const UNLIKE: usize = 5;

/// What is verified against where nobody has the name, so that it takes as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody has this password").unwrap_or_default());

/// What is kept of a password, as a PHC string.
///
/// # Errors
/// [`AppError::Invalid`] for `password` when it is too short, too long, or too simple.
pub fn keep(password: &str, name: &str) -> AppResult<String> {
    let invalid = |reason: String| Err(AppError::invalid("password", reason));
    let length = password.chars().count();
    if !LENGTHS.contains(&length) {
        return invalid(format!("has {length} characters; expected {} to {}.", LENGTHS.start(), LENGTHS.end()));
    }
    let unlike: std::collections::BTreeSet<char> = password.chars().collect();
    if unlike.len() < UNLIKE || password.to_lowercase().contains(&name.to_lowercase()) {
        return invalid(format!("is easily guessed; expected at least {UNLIKE} unlike characters, and your name not among them."));
    }
    hash(password)
}

/// Whether this is the password of which `kept` is kept; never for none, which takes as long.
pub fn is_kept_as(password: &str, kept: Option<&str>) -> bool {
    let is_right = Argon2::default().verify_password(password.as_bytes(), kept.unwrap_or(&NOBODY)).is_ok();
    is_right && kept.is_some()
}

fn hash(password: &str) -> AppResult<String> {
    match Argon2::default().hash_password(password.as_bytes()) {
        Ok(kept) => Ok(kept.to_string()),
        Err(error) => Err(AppError::Internal(anyhow::anyhow!("a password can't be hashed: {error}"))),
    }
}
