//! The query of an address, read with errors that name the field.

use std::ops::RangeInclusive;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::error::{AppError, AppResult};

/// Names and values in order; a name may repeat.
#[derive(Debug, Clone, Default)]
pub struct Parameters(pub Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Parameters {
    /// Reads `a=b&a=c`.
    pub fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The value of `name`, if given.
    ///
    /// # Errors
    /// When it is given more than once.
    pub fn optional(&self, name: &str) -> AppResult<Option<&str>> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(AppError::invalid(name, "is given more than once; once is expected.")),
        }
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// When it is missing, empty, or given more than once.
    pub fn required(&self, name: &str) -> AppResult<&str> {
        match self.optional(name)?.map(str::trim) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(AppError::invalid(name, format!("is missing; expected ?{name}=..."))),
        }
    }

    /// The value of `name`, or `default`.
    ///
    /// # Errors
    /// When it is empty, or given more than once.
    pub fn text<'text>(&'text self, name: &str, default: &'text str) -> AppResult<&'text str> {
        if self.optional(name)?.is_none() { Ok(default) } else { self.required(name) }
    }

    /// Every value of `name`, at most `limit`.
    ///
    /// # Errors
    /// When one is empty, or there are too many.
    pub fn many(&self, name: &str, limit: usize) -> AppResult<Vec<&str>> {
        let values: Vec<&str> = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.trim()).collect();
        if values.iter().any(|value| value.is_empty()) {
            return Err(AppError::invalid(name, "is empty."));
        }
        if values.len() > limit {
            return Err(AppError::invalid(name, format!("is given {} times; at most {limit} are taken.", values.len())));
        }
        Ok(values)
    }

    /// A whole number in `range`, or `default`.
    ///
    /// # Errors
    /// When it is no number, or outside the range.
    pub fn number(&self, name: &str, default: usize, range: RangeInclusive<usize>) -> AppResult<usize> {
        let Some(text) = self.optional(name)? else { return Ok(default) };
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            AppError::invalid(name, format!("is {text:?}; expected a whole number from {} to {}.", range.start(), range.end()))
        })
    }
}
