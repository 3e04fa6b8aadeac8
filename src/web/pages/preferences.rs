//! `POST /preferences`: the language and colour switches, which need no script.

use axum::{Form, Router, response::Redirect, routing::post};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};

use crate::{
    error::{AppError, AppResult},
    web::{AppState, language::Language, press, shell::Theme},
};

#[derive(serde::Deserialize)]
struct Preferences {
    language: Option<String>,
    theme: Option<String>,
    #[serde(default)]
    back: String,
}

pub fn router() -> Router<AppState> {
    Router::new().route("/preferences", post(choose))
}

async fn choose(mut jar: CookieJar, Form(given): Form<Preferences>) -> AppResult<(CookieJar, Redirect)> {
    if let Some(tag) = given.language {
        let language = Language::of_tag(&tag).ok_or_else(|| AppError::invalid("language", "expected en or fa."))?;
        jar = jar.add(lasting("language", language.tag()));
    }
    if let Some(tag) = given.theme {
        let theme = Theme::of_tag(&tag).ok_or_else(|| AppError::invalid("theme", "expected system, light or dark."))?;
        jar = jar.add(lasting("theme", theme.tag()));
    }
    Ok((jar, Redirect::to(&own_address(&given.back))))
}

fn lasting(name: &'static str, value: &'static str) -> Cookie<'static> {
    Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Lax).permanent().build()
}

/// Where the reader came from, if that is on this server: a redirect must lead nowhere else. `?lang=` is dropped, since a choice was just made.
pub(super) fn own_address(back: &str) -> String {
    let is_own = back.starts_with('/') && !back.starts_with("//") && !back.contains('\\') && back.parse::<axum::http::Uri>().is_ok();
    if is_own { press::without_language(back) } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::own_address;

    #[test]
    fn a_redirect_never_leaves_the_server() {
        assert_eq!(own_address("/words?set=a&lang=fa&k=3"), "/words?set=a&k=3");
        assert_eq!(own_address("/words?lang=fa"), "/words");
        for hostile in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "javascript:alert(1)"] {
            assert_eq!(own_address(hostile), "/", "{hostile:?}");
        }
    }
}
