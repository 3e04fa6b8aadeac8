//! A server that a proxy shows under a path of another site: `/lab/torchboard/runs` there is `/runs` here.
//!
//! Handlers, templates and redirects know nothing of it. The path is taken off before a route is looked for, and put before every address of
//! ours in what is answered, by a parser of HTML that knows attributes from text.

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{self, HeaderMap, HeaderValue, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use lol_html::element;

use super::{AppState, access::Caller, markup::rewritten};
use crate::error::{AppError, AppResult};

/// Attributes that hold one address.
const ADDRESSES: [&str; 6] = ["href", "src", "srcset", "action", "formaction", "data-events"];
/// No page is nearly as large, in bytes.
const LARGEST_PAGE: usize = 64 << 20;

/// A path as its server's owner may write it: of plain names, with a slash before each and none at the end; empty for none.
///
/// # Errors
/// What was expected.
pub fn check(base: &str) -> Result<String, String> {
    let is_plain = |name: &str| {
        !name.is_empty() && name != "." && name != ".." && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    let names = base.strip_prefix('/').unwrap_or(base);
    let names = names.strip_suffix('/').unwrap_or(names);
    match names {
        "" => Ok(String::new()),
        names if names.split('/').all(is_plain) => Ok(format!("/{names}")),
        _ => Err("expected a path of letters, digits, '-', '_', '.' and '~', as /lab/torchboard".into()),
    }
}

/// The same request without the path, where it has it. A proxy may have taken it off already.
pub fn strip<B>(base: &str, mut request: http::Request<B>) -> http::Request<B> {
    if let Some(uri) = stripped(base, request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn stripped(base: &str, uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(base)?;
    let rest = match rest.as_bytes().first() {
        _ if base.is_empty() => return None,
        Some(b'/') => rest.to_owned(),
        Some(b'?') | None => format!("/{rest}"),
        Some(_) => return None, // it only begins alike
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Puts the path before every address of ours in an answer: links, redirects, and where cookies are sent.
pub async fn add(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let base = &state.reach.base;
    // What this server asks of itself gets it when the whole is answered.
    let is_inside = request.extensions().get::<Caller>().is_some();
    let mut response = next.run(request).await;
    if base.is_empty() || is_inside {
        return response;
    }
    add_to_headers(base, response.headers_mut());
    let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let page = to_bytes(body, LARGEST_PAGE).await.map_err(anyhow::Error::from).and_then(|bytes| Ok(String::from_utf8(bytes.to_vec())?));
    match page.map_err(AppError::Internal).and_then(|page| add_to_page(base, &page)) {
        Ok(page) => {
            parts.headers.remove(header::CONTENT_LENGTH); // it was the other one's
            Response::from_parts(parts, Body::from(page))
        }
        Err(error) => error.into_response(),
    }
}

fn add_to_headers(base: &str, headers: &mut HeaderMap) {
    let location = headers.get(header::LOCATION).and_then(|location| located(base, location.to_str().ok()?));
    if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    // A cookie of ours is none of another application's of the same site.
    let cookies: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    headers.remove(header::SET_COOKIE);
    for cookie in cookies {
        let restricted =
            cookie.to_str().ok().and_then(|text| HeaderValue::from_str(&text.replace("Path=/", &format!("Path={base}/"))).ok());
        headers.append(header::SET_COOKIE, restricted.unwrap_or(cookie));
    }
}

fn add_to_page(base: &str, page: &str) -> AppResult<String> {
    let every = element!("*", |element| {
        for name in ADDRESSES {
            if let Some(address) = element.get_attribute(name).and_then(|address| located(base, &address)) {
                element.set_attribute(name, &address)?;
            }
        }
        if element.tag_name() == "html" {
            element.set_attribute("data-base", base)?; // scripts read it here, see static/address.js
        }
        Ok(())
    });
    rewritten(page, vec![every])
}

/// An address of this server under the path; nothing of others, and of places within a page.
fn located(base: &str, address: &str) -> Option<String> {
    (address.starts_with('/') && !address.starts_with("//")).then(|| format!("{base}{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_off_where_it_is() {
        let strip = |uri: &str| stripped("/lab/t", &uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(strip("/lab/t/runs?limit=2").as_deref(), Some("/runs?limit=2"));
        assert_eq!(strip("/lab/t").as_deref(), Some("/"));
        assert_eq!(strip("/lab/t?lang=fa").as_deref(), Some("/?lang=fa"));
        assert_eq!(strip("https://lab.example/lab/t/a").as_deref(), Some("https://lab.example/a"));
        assert_eq!(strip("/lab/tt"), None);
        assert_eq!(strip("/runs"), None);
        assert_eq!(stripped("", &Uri::from_static("/runs")), None);
    }

    #[test]
    fn addresses_in_a_page_get_the_path_and_text_does_not() {
        let page = r##"<html><a href="/runs?a=1&amp;b=2">"/runs"</a><a href="#x">x</a><a href="//other.example/">o</a><form action="/x"><input value="/kept"></form>
<svg><a href="/words"><text>/text</text></a></svg><img srcset="/figures/a.svg" src="data:image/png;base64,AA">"##;
        let expected = r##"<html data-base="/lab"><a href="/lab/runs?a=1&amp;b=2">"/runs"</a><a href="#x">x</a><a href="//other.example/">o</a><form action="/lab/x"><input value="/kept"></form>
<svg><a href="/lab/words"><text>/text</text></a></svg><img srcset="/lab/figures/a.svg" src="data:image/png;base64,AA">"##;
        assert_eq!(add_to_page("/lab", page).unwrap(), expected);
    }

    #[test]
    fn redirects_and_cookies_stay_under_the_path() {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static("/runs/a"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("session=x; HttpOnly; Path=/; SameSite=Lax"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("theme=dark; Path=/"));
        add_to_headers("/lab", &mut headers);
        assert_eq!(headers[header::LOCATION], "/lab/runs/a");
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["session=x; HttpOnly; Path=/lab/; SameSite=Lax", "theme=dark; Path=/lab/"]);
    }

    #[test]
    fn only_plain_paths_are_taken() {
        assert_eq!(check("lab/torchboard/"), Ok("/lab/torchboard".into()));
        assert_eq!(check("/"), Ok(String::new()));
        for wrong in ["/a//b", "/a?b", "/a b", "/../x", "https://a", "/a\"b"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
