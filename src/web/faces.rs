//! The face of an error: problem details (RFC 9457) for programs, a page for people; and the headers of every answer.

use askama::Template;
use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};

use super::{
    AppState,
    access::{Caller, is_for_programs},
    language::Language,
    shell::Shell,
};
use crate::error::AppError;

/// Scripts, styles, images, fonts and requests of our own address only; nothing inline, no frames.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Problem details: what an error looks like to a program.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Tells kinds of problems apart.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and what to do.
    pub detail: String,
    /// The parameter or field that can't be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Near spellings of a thing that does not exist, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestions: Option<Vec<String>>,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, detail: String) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { kind: kind.to_owned(), title, status: status.as_u16(), detail, field: None, suggestions: None }
    }
}

impl IntoResponse for AppError {
    /// Carries the problem to [`give_faces`], which knows who asks.
    fn into_response(self) -> Response {
        let mut retry_after = None;
        let problem = match self {
            Self::NotFound { what, suggestions } => {
                Problem { suggestions: Some(suggestions), ..Problem::new(StatusCode::NOT_FOUND, "/api#not-found", what) }
            }
            Self::Invalid { field, reason } => {
                Problem { field: Some(field), ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "/api#invalid", reason) }
            }
            Self::Conflict(why) => Problem::new(StatusCode::CONFLICT, "/api#conflict", why),
            Self::Busy { retry_after_seconds } => {
                retry_after = Some(retry_after_seconds);
                let detail = format!("Too many requests are waiting. Try again in {retry_after_seconds} s.");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "/api#busy", detail)
            }
            Self::SignIn(why) => Problem::new(StatusCode::UNAUTHORIZED, "/api#sign-in", why),
            Self::Forbidden(why) => Problem::new(StatusCode::FORBIDDEN, "/api#forbidden", why),
            Self::TooMany { retry_after_seconds } => {
                retry_after = Some(retry_after_seconds);
                let wait = match retry_after_seconds {
                    0..120 => format!("{retry_after_seconds} s"),
                    longer => format!("{} minutes", longer.div_ceil(60)),
                };
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "/api#too-many", format!("This was tried too often. Try again in {wait}."))
            }
            Self::Unavailable(why) => {
                retry_after = Some(5);
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "/api#unavailable", why)
            }
            Self::Internal(cause) => {
                tracing::error!("{cause:#}");
                let detail = "Something went wrong on the server; its log says what.".to_owned();
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "about:blank", detail)
            }
        };
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"torchboard\""));
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(problem);
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    problem: Problem,
}

/// Gives errors their face, whoever made them (a handler, the router, an extractor, a panic), and every answer its headers.
pub async fn give_faces(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_for_programs = is_for_programs(path);
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let mut response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        let caller = response.extensions_mut().remove().unwrap_or(Caller::Nobody);
        let reader = if is_for_programs {
            Reader::Program(Language::of_headers(&headers))
        } else {
            Reader::Person(Box::new(Shell::new(&state, &uri, &headers, &caller, "")))
        };
        response = face(response, reader).await;
    }
    secure(response.headers_mut());
    response
}

/// Who is told of an error.
enum Reader {
    /// In the language that it asks for, or English.
    Program(Language),
    Person(Box<Shell>),
}

async fn face(response: Response, reader: Reader) -> Response {
    let (mut parts, body) = response.into_parts();
    let is_made = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_made {
        return Response::from_parts(parts, body);
    }
    let mut problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None => Problem::new(parts.status, "about:blank", detail(parts.status, body).await),
    };
    let mut face = match reader {
        Reader::Program(language) => {
            problem.detail = language.retell_plainly(&problem.detail);
            let headers = [(header::CONTENT_LANGUAGE, language.tag()), (header::VARY, "accept-language")];
            (headers, Json(&problem)).into_response()
        }
        Reader::Person(shell) => match (ErrorPage { shell: *shell, problem }).render() {
            Ok(page) => Html(page).into_response(),
            Err(error) => error.to_string().into_response(),
        },
    };
    if face.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        face.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    }
    *face.status_mut() = parts.status;
    for kept in [header::RETRY_AFTER, header::ALLOW, header::WWW_AUTHENTICATE] {
        if let Some(value) = parts.headers.remove(&kept) {
            face.headers_mut().insert(kept, value);
        }
    }
    face
}

/// What the router or an extractor said, or a sentence where they said nothing. A fault of ours is never sent.
async fn detail(status: StatusCode, body: Body) -> String {
    let said = to_bytes(body, 4096).await.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default();
    match status {
        _ if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE => {
            "Something went wrong on the server; its log says what.".to_owned()
        }
        StatusCode::SERVICE_UNAVAILABLE => "This took too long and was given up. Ask for less, or try again.".to_owned(),
        StatusCode::NOT_FOUND => "There is nothing at this address. The API is described at /api.".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED => "This address does not take this method; the Allow header says which it takes.".to_owned(),
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too large; at most 1 MiB is taken here.".to_owned(),
        _ if said.is_empty() => "The request can't be understood.".to_owned(),
        _ => said,
    }
}

fn secure(headers: &mut HeaderMap) {
    for (name, value) in
        [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "same-origin"), (header::X_FRAME_OPTIONS, "DENY")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page that was frozen has a stricter one.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
}
