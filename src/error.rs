//! The application's one error. It knows no HTTP: `web::problem` gives it a face.

/// What can go wrong, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The named thing does not exist; `suggestions` are near spellings, best first.
    #[error("{what}")]
    NotFound {
        /// A full sentence: what was looked for and what to do instead.
        what: String,
        /// Near spellings, best first; often empty.
        suggestions: Vec<String>,
    },
    /// The caller sent something that can't be used.
    #[error("{field}: {reason}")]
    Invalid {
        /// The name of the offending field or parameter.
        field: String,
        /// A full sentence: what was expected.
        reason: String,
    },
    /// The thing is not in a state that allows this; the text says in which it is and what to do.
    #[error("{0}")]
    Conflict(String),
    /// Too much is asked at once; the same call will work in a moment.
    #[error("too many requests are waiting; try again in {retry_after_seconds} s")]
    Busy {
        /// Seconds after which to ask again.
        retry_after_seconds: u64,
    },
    /// Nobody is signed in, or not with this name and password; the text says so.
    #[error("{0}")]
    SignIn(String),
    /// Whoever is signed in may not do this; the text says who may.
    #[error("{0}")]
    Forbidden(String),
    /// It was tried too often.
    #[error("this was tried too often; try again in {retry_after_seconds} s")]
    TooMany {
        /// Seconds after which to try again.
        retry_after_seconds: u64,
    },
    /// Something this needs is not here (yet); the text says what brings it.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of ours or of the machine. Logged once with its causes, never sent.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

/// Shorthand for results that fail with [`AppError`].
pub type AppResult<T> = Result<T, AppError>;

impl AppError {
    /// A missing thing with no near spellings to offer.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into(), suggestions: Vec::new() }
    }

    /// A field that can't be used, and what was expected of it.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }
}

impl From<anyhow::Error> for AppError {
    fn from(cause: anyhow::Error) -> Self {
        Self::Internal(cause)
    }
}

impl From<std::io::Error> for AppError {
    fn from(cause: std::io::Error) -> Self {
        Self::Internal(cause.into())
    }
}
