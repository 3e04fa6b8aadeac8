//! Other sites' pages may not change anything here: a browser tells where a request comes from.

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// Refuses a request that would change something and comes from a page of another origin. Programs, which say nothing of an origin, pass.
pub async fn refuse_foreign(request: Request, next: Next) -> Response {
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if changes && is_foreign(request.headers(), request.uri()) {
        return (StatusCode::FORBIDDEN, "This came from a page of another site, which may not change anything here.").into_response();
    }
    next.run(request).await
}

/// By `Sec-Fetch-Site`, which a page can't forge; by `Origin` for browsers that don't send it.
fn is_foreign(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN) else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    // HTTP/2 names the host in the request itself.
    host.is_none() || host != text(header::HOST).or_else(|| uri.authority().map(Authority::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_origin_and_programs_may_change_something() {
        let foreign = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            is_foreign(&headers, &Uri::from_static("https://lab.example/runs"))
        };
        assert!(!foreign(&[]));
        assert!(!foreign(&[("sec-fetch-site", "same-origin")]) && !foreign(&[("sec-fetch-site", "none")]));
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("sec-fetch-site", "same-site")]), "another port of this machine is another origin");
        assert!(!foreign(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
        assert!(foreign(&[("origin", "http://localhost:9090"), ("host", "localhost:8080")]));
        assert!(foreign(&[("origin", "null"), ("host", "localhost:8080")]));
        assert!(!foreign(&[("origin", "https://lab.example")]) && foreign(&[("origin", "https://lab.example:8080")]));
    }
}
