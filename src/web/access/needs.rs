//! What a request needs to be answered. What is not named here and changes something needs the right to train.

use axum::http::Method;

use crate::store::Permission;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Anybody may.
    Nothing,
    /// Somebody in a browser, whatever their role.
    Account,
    /// Somebody who may do this.
    Permission(Permission),
}

/// Addresses that anybody may ask: what signing in takes, and whether the server is well.
const OPEN: [&str; 5] = ["/sign-in", "/preferences", "/health", "/favicon.ico", "/robots.txt"];
/// What begins with these is open too. What an invitation or a shared link needs is its secret.
const OPEN_FOLDERS: [&str; 3] = ["/assets/", "/join/", "/s/"];
/// Each has the rest for themselves.
const OF_ACCOUNTS: [&str; 3] = ["/account", "/sign-out", "/account/"];
/// Administrators'.
const PEOPLE: &str = "/people";
/// Links to what is shown to others.
const SHARES: &str = "/shares";

/// What it needs.
pub fn need(method: &Method, path: &str) -> Need {
    let within = |folder: &str| path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    if OPEN.contains(&path) || OPEN_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        Need::Nothing
    } else if OF_ACCOUNTS.into_iter().any(within) {
        Need::Account
    } else if within(PEOPLE) {
        Need::Permission(Permission::Administer)
    } else if within(SHARES) {
        Need::Permission(Permission::Train)
    } else if method.is_safe() || *method == Method::POST && computes(path) {
        Need::Permission(Permission::Read)
    } else {
        Need::Permission(Permission::Train)
    }
}

/// Whether a post there only computes, and is one because what it is sent is too large for an address. By whole paths: a run may be called
/// `predict`.
fn computes(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    matches!(
        parts[..],
        ["fashion" | "skin" | "triplet", "predict"]
            | ["api", "v1", "runs", _, "predict"]
            | ["api", "v1", "words", _, "projection" | "association"]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_needs_more_than_what_reads() {
        let (get, post) = (Method::GET, Method::POST);
        for (method, path, expected) in [
            (&get, "/", Need::Permission(Permission::Read)),
            (&get, "/runs/mlp-1", Need::Permission(Permission::Read)),
            (&post, "/runs/mlp-1", Need::Permission(Permission::Train)),
            (&post, "/skin/predict", Need::Permission(Permission::Read)),
            (&post, "/runs/predict", Need::Permission(Permission::Train)),
            (&post, "/api/v1/runs/a/predict", Need::Permission(Permission::Read)),
            (&post, "/api/v1/words/default/projection", Need::Permission(Permission::Read)),
            (&Method::DELETE, "/api/v1/runs/predict", Need::Permission(Permission::Train)),
            (&Method::PATCH, "/api/v1/runs/predict", Need::Permission(Permission::Train)),
            (&post, "/api/v1/nothing", Need::Permission(Permission::Train)),
            (&get, "/people", Need::Permission(Permission::Administer)),
            (&post, "/people/omid", Need::Permission(Permission::Administer)),
            (&get, "/peoples", Need::Permission(Permission::Read)),
            (&post, "/account/tokens", Need::Account),
            (&post, "/sign-out", Need::Account),
            (&post, "/sign-in", Need::Nothing),
            (&post, "/join/secret", Need::Nothing),
            (&get, "/assets/x/a.css", Need::Nothing),
            (&get, "/s/secret", Need::Nothing),
            (&get, "/s/secret/card.png", Need::Nothing),
            (&get, "/s/secret/runs.torchboard", Need::Nothing),
            (&get, "/s", Need::Permission(Permission::Read)),
            (&get, "/shares", Need::Permission(Permission::Train)),
            (&post, "/reports/pick", Need::Permission(Permission::Train)),
            (&post, "/imports", Need::Permission(Permission::Train)),
            (&get, "/frozen", Need::Permission(Permission::Read)),
            (&get, "/sign-in/x", Need::Permission(Permission::Read)),
        ] {
            assert_eq!(need(method, path), expected, "{method} {path}");
        }
    }
}
