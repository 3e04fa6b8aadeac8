//! Pages of this server as material: parts of them within reports, and whole ones as files that need no server.
//!
//! A page is asked for as any reader asks, within the process, so that whatever is pressed is what the page shows.

mod frozen;
mod parts;
mod runs;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::header,
};
use tower::ServiceExt as _;

pub use self::{
    frozen::{Frozen, HEAD as FROZEN_HEAD, STAMP as FROZEN_STAMP, freeze},
    parts::{Excerpt, Part, excerpt, parts},
    runs::{RunsOf, runs_of},
};
use super::{AppState, access::Caller, faces::Problem, language::Language};
use crate::error::{AppError, AppResult};

/// No page and no picture of a page is nearly as large, in bytes.
const LARGEST: usize = 64 << 20;

/// An address without the language that was chosen in it.
pub fn without_language(address: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("lang=")).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// Pages that can be kept and shown to others, by how their paths begin. What belongs to one reader, or to administrators, is not among them.
const PAGES: [&str; 10] = ["/words", "/triplet", "/skin", "/fashion", "/runs", "/compare", "/studies", "/datasets", "/report", "/reports"];

/// Whether the page at an address can be kept and shown to others.
pub fn is_keepable(address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let within = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path == "/" || PAGES.into_iter().any(within) && path != "/reports/pick" && !path.ends_with("/edit")
}

/// Asks this server for its own pages, as a guest who may read.
#[derive(Clone)]
pub struct Press {
    router: Router,
    language: Language,
}

impl Press {
    /// For readers of this language.
    pub fn new(state: &AppState, language: Language) -> Self {
        Self { router: super::router(state.clone()), language }
    }

    /// The page at an address of this server.
    ///
    /// # Errors
    /// [`AppError::Invalid`] (`page`) for what is no page that a guest may read; what the page itself has to say.
    pub async fn page(&self, address: &str) -> AppResult<String> {
        let (kind, bytes) = self.file(address).await?;
        if !kind.starts_with("text/html") {
            return Err(AppError::invalid("page", format!("{address} is no page; expected the address of one, such as /skin.")));
        }
        let page = String::from_utf8(bytes).map_err(|error| AppError::Internal(error.into()))?;
        // No script runs in what is pressed: what stands in for scripts is what there is. (What people type is escaped, so that these are ours.)
        Ok(page.replace("<noscript>", "").replace("</noscript>", ""))
    }

    /// Content type and bytes of what is at an address of this server.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn file(&self, address: &str) -> AppResult<(String, Vec<u8>)> {
        let path = address.split('#').next().unwrap_or_default();
        let no_address = || AppError::invalid("page", format!("is {address:?}; expected an address of this server, such as /skin."));
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(no_address());
        }
        // Whoever asked for it may have chosen a language in its address; here this press speaks.
        let path = without_language(path);
        let request = Request::get(&path).header(header::ACCEPT_LANGUAGE, self.language.tag()).extension(Caller::Guest);
        let request = request.body(Body::empty()).map_err(|_| no_address())?;
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        if !parts.status.is_success() {
            let said = parts.extensions.get::<Problem>().map(|problem| problem.detail.clone()).unwrap_or_default();
            return Err(match parts.status.as_u16() {
                404 => AppError::not_found(format!("There is nothing at {path}. {said}")),
                503 | 500 => AppError::Unavailable(format!("{path} can't be shown now. {said}")),
                status => AppError::invalid("page", format!("{path} can't be shown to guests ({status}). {said}")),
            });
        }
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let bytes = to_bytes(body, LARGEST).await.map_err(|error| AppError::Internal(error.into()))?;
        Ok((kind, bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_can_be_kept_and_what_is_one_reader_s_can_not() {
        for page in ["/", "/skin?run=a#splits", "/runs/a", "/compare?runs=a,b", "/report", "/reports/r-1", "/words/maps"] {
            assert!(is_keepable(page), "{page}");
        }
        for page in [
            "",
            "/people",
            "/account",
            "/shares",
            "/sign-in",
            "/join/x",
            "/api",
            "/api/v1/runs",
            "/skinny",
            "/reports/r-1/edit",
            "//skin",
            "skin",
        ] {
            assert!(!is_keepable(page), "{page}");
        }
    }
}
