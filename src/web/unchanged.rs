//! Pages on whole systems are made once and answered again until something that they are made from has changed: a lecture room opens the same
//! few pages, and each takes as much computing as a hundred of the others.

use std::{
    io::Write as _,
    sync::{Arc, OnceLock},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequestParts as _, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, write::GzEncoder};
use quick_cache::{Weighter, sync::Cache};

use super::{AppState, shell::Shell};
use crate::{
    error::{AppError, AppResult},
    words::SetState,
};

/// The pages that are kept, those that are asked for often longest.
pub struct Unchanged(Cache<Question, Arc<Page>, Weight>);

/// Everything that a page follows from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    /// What is asked for, by whom, and how it is to look.
    shell: Shell,
    /// What it is made from.
    revision: Revision,
}

/// What pages on whole systems are made from, as far as it may change: where it is the same, so are they.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Revision {
    /// Runs, studies, and what is kept in runs' folders.
    store: i64,
    /// Data sets.
    datasets: u64,
    /// Word vectors: whether they answer, are prepared, or failed.
    sets: Vec<(String, u8)>,
    /// What was found out about those; and whether there are questions to ask.
    evaluations: (u64, bool),
}

impl Revision {
    fn of(app: &AppState) -> AppResult<Self> {
        let standing = |state| match state {
            SetState::Ready(_) => 0,
            SetState::Preparing => 1,
            SetState::Failed(_) => 2,
        };
        Ok(Self {
            store: app.store.revision()?,
            datasets: app.datasets.revision(),
            sets: app.library.states().into_iter().map(|(id, state)| (id, standing(state))).collect(),
            evaluations: (app.evaluations.computed(), app.evaluations.questions().is_ok()),
        })
    }
}

/// As it was answered.
struct Page {
    headers: HeaderMap,
    body: Bytes,
    /// The same, compressed when somebody first takes it so.
    compressed: OnceLock<Bytes>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Question, Arc<Page>> for Weight {
    /// Bytes: with what is compressed, which is a sixth and not there yet.
    fn weight(&self, _: &Question, page: &Arc<Page>) -> u64 {
        page.body.len() as u64 * 7 / 6
    }
}

/// In bytes: some hundred pages.
const ROOM: u64 = 96 << 20;
const USUAL_PAGES: usize = 256;
/// No page is nearly as large, in bytes.
const LARGEST: usize = 64 << 20;

impl Default for Unchanged {
    fn default() -> Self {
        Self(Cache::with_weighter(USUAL_PAGES, ROOM, Weight))
    }
}

/// Answers with the page as it was made before, where it would be made the same; who asks for a page that is being made waits for it. A page
/// that says `Cache-Control: no-store` is made anew each time.
pub async fn keep(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(shell) = Shell::from_request_parts(&mut parts, &state).await;
    // Before the page is made: what changes meanwhile makes it another one.
    let revision = match Revision::of(&state) {
        Ok(revision) => revision,
        Err(error) => return error.into_response(),
    };
    // A page under a path is still to be changed on its way.
    let takes_compressed = state.reach.base.is_empty() && takes_gzip(&parts.headers);
    let question = Question { shell, revision };
    let page = match state.unchanged.0.get_value_or_guard_async(&question).await {
        Ok(page) => page,
        Err(place) => {
            let response = next.run(Request::from_parts(parts, body)).await;
            if !is_lasting(&response) {
                return response;
            }
            let page = match Page::of(response).await {
                Ok(page) => Arc::new(page),
                Err(error) => return error.into_response(),
            };
            // Where it finds no place it is answered all the same.
            drop(place.insert(Arc::clone(&page)));
            page
        }
    };
    page.answer(takes_compressed).await
}

fn is_lasting(response: &Response) -> bool {
    let headers = response.headers();
    let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let is_passing = headers.get(header::CACHE_CONTROL).is_some_and(|control| control.as_bytes() == b"no-store");
    response.status() == StatusCode::OK && is_page && !is_passing && !headers.contains_key(header::SET_COOKIE)
}

/// Whether the reader's browser says that it does.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let weight = |part: &str| part.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        parts.next() == Some("gzip") && parts.filter_map(weight).all(|weight| weight > 0.0)
    })
}

impl Page {
    async fn of(response: Response) -> AppResult<Self> {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, LARGEST).await.map_err(|error| AppError::Internal(error.into()))?;
        let mut headers = parts.headers;
        headers.remove(header::CONTENT_LENGTH); // it is told again, of what is sent
        Ok(Self { headers, body, compressed: OnceLock::new() })
    }

    async fn answer(self: Arc<Self>, compressed: bool) -> Response {
        let mut headers = self.headers.clone();
        if !compressed {
            return (headers, self.body.clone()).into_response();
        }
        // Not on the threads that answer: it takes as long as many an answer.
        let page = Arc::clone(&self);
        let found = match self.compressed.get() {
            Some(found) => found.clone(),
            None => match tokio::task::spawn_blocking(move || page.compressed.get_or_init(|| gzip(&page.body)).clone()).await {
                Ok(found) => found,
                Err(panic) => return AppError::Internal(panic.into()).into_response(),
            },
        };
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        (headers, Body::from(found)).into_response()
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
    // Memory takes whatever is written to it.
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        takes_gzip(&headers)
    }

    #[test]
    fn who_says_so_gets_a_page_compressed() {
        assert!(!takes_gzip(&HeaderMap::new()));
        for said in ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8", "deflate,gzip ; q=0.1"] {
            assert!(accepting(said), "{said}");
        }
        for said in ["br", "gzip;q=0", "identity, gzip; q=0.0", "xgzip", ""] {
            assert!(!accepting(said), "{said}");
        }
    }

    #[tokio::test]
    async fn what_is_compressed_is_the_page() {
        let body = "a page of many words. ".repeat(1000);
        let response = ([(header::CONTENT_TYPE, "text/html"), (header::CONTENT_LENGTH, "1")], body.clone()).into_response();
        let page = Arc::new(Page::of(response).await.unwrap());
        let plain = Arc::clone(&page).answer(false).await;
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING) && !plain.headers().contains_key(header::VARY));
        assert_eq!(to_bytes(plain.into_body(), LARGEST).await.unwrap(), body.as_bytes());
        for _ in 0..2 {
            let answer = Arc::clone(&page).answer(true).await;
            assert_eq!(
                (&answer.headers()[header::CONTENT_ENCODING], &answer.headers()[header::VARY]),
                (&"gzip".parse().unwrap(), &"accept-encoding".parse().unwrap())
            );
            let sent = to_bytes(answer.into_body(), LARGEST).await.unwrap();
            assert!(sent.len() < body.len() / 10);
            let mut unpacked = String::new();
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&sent[..]), &mut unpacked).unwrap();
            assert_eq!(unpacked, body);
        }
    }

    #[test]
    fn what_passes_or_is_no_page_is_made_anew() {
        let answer = |status, headers: &[(header::HeaderName, &'static str)]| {
            let mut response = (status, "").into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            for (name, value) in headers {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            response
        };
        assert!(is_lasting(&answer(StatusCode::OK, &[])));
        assert!(!is_lasting(&answer(StatusCode::NOT_FOUND, &[])));
        for (name, value) in [(header::SET_COOKIE, "a=b"), (header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")]
        {
            assert!(!is_lasting(&answer(StatusCode::OK, &[(name, value)])), "{value}");
        }
    }
}
