//! Who asks, and whether they may: every request passes here before its handler.
//!
//! A server that only this machine reaches has one user, who may do everything. One that the network reaches has accounts: what changes
//! something needs one, and reading does too unless it was said to be open.

mod hosts;
mod limits;
mod needs;
mod way;

use std::{convert::Infallible, net::IpAddr, num::NonZeroU32};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};

use self::needs::{Need, need};
pub use self::{hosts::Hosts, limits::Limits, way::Way};
use super::AppState;
use crate::{
    error::{AppError, AppResult},
    store::{Account, Permission},
};

/// How people reach this server.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Whether the network reaches it, so that there are accounts.
    pub is_shared: bool,
    /// Whether one may read without an account.
    pub is_open_to_read: bool,
    /// Whether it encrypts what is said to it.
    pub is_encrypted: bool,
    /// Under which names it answers.
    pub hosts: Hosts,
    /// The path under which a proxy shows it, as [`super::prefix::check`] gives it.
    pub base: String,
    /// Proxies that are believed when they say for whom they ask.
    pub proxies: Vec<IpAddr>,
    /// So many requests of one address are answered in a minute.
    pub most_requests: Option<NonZeroU32>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Whoever sits at this machine, of a server that no other reaches.
    Local,
    /// Nobody is signed in.
    Nobody,
    /// This server itself, for what it presses of its pages: it sees what everybody may see who may read.
    Guest,
    /// Somebody, in a browser or by a token.
    Somebody {
        /// Who.
        account: Box<Account>,
        /// What the token may be used for; none of a browser, which may do what its account may.
        scopes: Option<Vec<Permission>>,
    },
}

impl Caller {
    /// Whether this caller may do so at this server.
    #[must_use]
    pub fn may(&self, permission: Permission, reach: &Reach) -> bool {
        match self {
            Self::Local => true,
            Self::Guest => permission == Permission::Read,
            Self::Nobody => permission == Permission::Read && reach.is_open_to_read,
            Self::Somebody { account, scopes } => {
                account.role.may(permission) && scopes.as_ref().is_none_or(|scopes| scopes.contains(&permission))
            }
        }
    }

    /// The account of somebody in a browser.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Somebody { account, scopes: None } => Some(account),
            _ => None,
        }
    }

    /// Who is said to have done what this caller does.
    #[must_use]
    pub fn signature(&self) -> &str {
        self.name().unwrap_or("local")
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Somebody { account, .. } => Some(&account.name),
            _ => None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self::Nobody))
    }
}

/// Finds out who asks, for all that comes after. Refuses requests that name another host, as pages do whose name was bound to our address.
pub async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    // Only within this process can a request say by itself who asks.
    if request.extensions().get::<Caller>().is_some() {
        let way = Way::of(&request, &state.reach);
        request.extensions_mut().insert(way);
        return next.run(request).await;
    }
    if let Err(host) = state.reach.hosts.check(request.uri(), request.headers()) {
        let text = format!("This server does not answer to the name {host:?}. If it should, start it with --host {host}.");
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let way = Way::of(&request, &state.reach);
    if let Err(error) = state.limits.check(way.address) {
        return error.into_response();
    }
    let is_encrypted = way.is_encrypted;
    request.extensions_mut().insert(way);
    let caller = if need(request.method(), request.uri().path()) == Need::Nothing && !request.uri().path().starts_with("/sign-") {
        Ok(Caller::Nobody) // assets and the like: nothing is looked up for them
    } else {
        caller(&state, request.headers())
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(caller); // for the page of an error
            if is_encrypted {
                keep_encrypted(response.headers_mut());
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

/// Cookies that came encrypted go no other way.
fn keep_encrypted(headers: &mut HeaderMap) {
    let cookies: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    headers.remove(header::SET_COOKIE);
    for cookie in cookies {
        let secure = HeaderValue::from_bytes(&[cookie.as_bytes(), b"; Secure"].concat());
        headers.append(header::SET_COOKIE, secure.unwrap_or(cookie));
    }
}

fn caller(state: &AppState, headers: &HeaderMap) -> AppResult<Caller> {
    if !state.reach.is_shared {
        return Ok(Caller::Local);
    }
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let token = given.to_str().ok().and_then(|given| given.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let found = token.map(|(_, secret)| state.accounts.token(secret.trim())).transpose()?.flatten();
        let (account, token) = found.ok_or_else(|| AppError::SignIn("This token is none, or none any more.".into()))?;
        return Ok(Caller::Somebody { account: Box::new(account), scopes: Some(token.scopes) });
    }
    let session = session_of(headers).map(|secret| state.accounts.session(&secret)).transpose()?.flatten();
    Ok(session.map_or(Caller::Nobody, |session| Caller::Somebody { account: Box::new(session.account), scopes: None }))
}

/// Lets those through who may, and writes down what accounts have changed.
pub async fn authorise(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let caller = request.extensions().get().cloned().unwrap_or(Caller::Nobody);
    let (is_allowed, permission) = match need(&method, &path) {
        Need::Nothing => (true, None),
        Need::Account => (caller.account().is_some() || caller == Caller::Local, None),
        Need::Permission(permission) => (caller.may(permission, &state.reach), Some(permission)),
    };
    if !is_allowed {
        return refuse(&caller, &request, permission).into_response();
    }
    let address = request.extensions().get().map(|way: &Way| way.address);
    let response = next.run(request).await;
    let is_change = !method.is_safe() && permission.is_some_and(|permission| permission > Permission::Read);
    if let Some(name) = caller.name().filter(|_| is_change && (response.status().is_success() || response.status().is_redirection()))
        && let Err(error) =
            state.store.record(name, method.as_str(), &path, &address.map(|address| address.to_string()).unwrap_or_default())
    {
        tracing::warn!("what {name} did can't be written down: {error}");
    }
    response
}

/// Somebody who could sign in is asked to, in a browser by being led there.
fn refuse(caller: &Caller, request: &Request, permission: Option<Permission>) -> Response {
    if *caller == Caller::Nobody {
        let is_page = request.method() == Method::GET && !is_for_programs(request.uri().path());
        if is_page {
            let here = request.uri().path_and_query().map_or("/", |here| here.as_str());
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("back", here).finish();
            return Redirect::to(&format!("/sign-in?{query}")).into_response();
        }
        return AppError::SignIn("Sign in first: in a browser at /sign-in, in a program with a token (Authorization: Bearer ...).".into())
            .into_response();
    }
    let needed = permission.map_or("an account in a browser", Permission::name);
    AppError::Forbidden(format!("This needs {needed}, which neither your role nor your token gives you. Ask an administrator."))
        .into_response()
}

/// Whether programs are answered here rather than people.
pub fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/figures/") || path == "/health" || path == "/metrics"
}

/// The cookie that a signed-in browser sends.
const COOKIE: &str = "session";

/// The secret that a browser sends.
pub fn session_of(headers: &HeaderMap) -> Option<String> {
    CookieJar::from_headers(headers).get(COOKIE).map(|cookie| cookie.value().to_owned())
}

/// The cookie of a session: no script reads it, and no page of another site sends it along with what it posts.
pub fn session_cookie(secret: String) -> Cookie<'static> {
    Cookie::build((COOKIE, secret)).path("/").http_only(true).same_site(SameSite::Lax).permanent().build()
}

/// The cookie that takes a session's place when it ends.
pub fn ended_cookie() -> Cookie<'static> {
    Cookie::build((COOKIE, "")).path("/").http_only(true).same_site(SameSite::Lax).removal().build()
}
