//! Style sheets, scripts and fonts, embedded in the binary and served under an address that changes with their content.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest as _, Sha256};

use super::AppState;
use crate::error::AppError;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

#[derive(RustEmbed)]
#[folder = "node_modules/@fontsource-variable/"]
#[include = "source-sans-3/files/source-sans-3-latin-wght-normal.woff2"]
#[include = "source-serif-4/files/source-serif-4-latin-wght-normal.woff2"]
#[include = "vazirmatn/files/vazirmatn-arabic-wght-normal.woff2"]
struct Fonts;

/// Live curves are drawn by uPlot.
#[derive(RustEmbed)]
#[folder = "node_modules/uplot/dist/"]
#[include = "uPlot.esm.js"]
#[include = "uPlot.min.css"]
struct Libraries;

/// All assets lie under one address made from all their contents, so that style sheets can name fonts beside them.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = Sha256::new();
    hasher.update(crate::figure::STYLESHEET);
    let mut add = |path: &str, file: Option<EmbeddedFile>| {
        hasher.update(path.as_bytes());
        hasher.update(file.map(|file| file.metadata.sha256_hash()).unwrap_or_default());
    };
    Files::iter().for_each(|path| add(&path, Files::get(&path)));
    Fonts::iter().for_each(|path| add(&path, Fonts::get(&path)));
    Libraries::iter().for_each(|path| add(&path, Libraries::get(&path)));
    hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
});

/// The address of an asset of `static/`.
pub fn address(path: &str) -> String {
    format!("/assets/{}/{path}", *VERSION)
}

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/assets/{version}/{*path}", get(asset))
        .route("/favicon.ico", get(|| async { asset(Path((String::new(), "mark.svg".into()))).await }))
}

async fn asset(Path((version, path)): Path<(String, String)>) -> Result<Response, AppError> {
    let data = match path.strip_prefix("fonts/") {
        Some(name) => font(name).map(|file| file.data),
        None if path == "figure.css" => Some(crate::figure::STYLESHEET.as_bytes().into()),
        None if path.starts_with("uPlot") => Libraries::get(&path).map(|file| file.data),
        None => Files::get(&path).map(|file| file.data),
    };
    let data = data.ok_or_else(|| AppError::not_found(format!("There is no asset {path:?}.")))?;
    // An address of another version may be asked for by a page of the last release: answer, but let nobody keep it.
    let caching = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    let kind = match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    };
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching)], data).into_response())
}

/// `name.woff2` of whichever package holds it.
fn font(name: &str) -> Option<EmbeddedFile> {
    let suffix = format!("/{name}");
    Fonts::iter().find(|path| path.ends_with(&suffix)).and_then(|path| Fonts::get(&path))
}
