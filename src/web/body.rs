//! Bodies in JSON, read with errors that name the field.

use std::error::Error as _;

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
    response::{IntoResponse as _, Response},
};
use serde::de::DeserializeOwned;

use crate::error::AppError;

/// A body in JSON. One that is JSON of another shape is refused as [`AppError::Invalid`], anything else as axum does.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => {
                let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
                let (path, reason) = match causes.find_map(|cause| cause.downcast_ref::<serde_path_to_error::Error<serde_json::Error>>()) {
                    Some(cause) => (cause.path().to_string(), cause.inner().to_string()),
                    None => (".".to_owned(), error.body_text()),
                };
                Err(AppError::invalid(field(&path, &reason), format!("{reason}.")).into_response())
            }
            Err(other) => Err(other.into_response()),
        }
    }
}

/// Where the fault lies: at `path`; at the body's root, the field that the reason names between backticks.
fn field<'text>(path: &'text str, reason: &'text str) -> &'text str {
    if path == "." { reason.split('`').nth(1).unwrap_or("body") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lies_at_its_path_or_at_the_field_that_is_named() {
        for (path, reason, expected) in [
            ("targets[1].words", "invalid type: string \"a\", expected a sequence", "targets[1].words"),
            (".", "missing field `words` at line 1 column 2", "words"),
            (".", "unknown field `sed`, expected `seed` or `words`", "sed"),
            (".", "invalid type: sequence, expected a map", "body"),
        ] {
            assert_eq!(field(path, reason), expected);
        }
    }
}
