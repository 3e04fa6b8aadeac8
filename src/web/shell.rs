//! What surrounds every page: language, theme, navigation, breadcrumbs.

use askama::filters::Safe;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Uri, request::Parts},
};
use axum_extra::extract::CookieJar;
use jiff::Timestamp;

use super::{AppState, access::Caller, assets, language::Language, press};
use crate::store::Permission;

/// The reader's choice of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Dark ink on light paper.
    Light,
    /// Light ink on dark paper.
    Dark,
}

impl Theme {
    /// All of them, in the order the switch shows.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// `system`, `light` or `dark`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme of this tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.tag() == tag)
    }
}

/// One entry of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Key of its name.
    pub key: &'static str,
    /// Its address.
    pub address: &'static str,
}

/// The navigation.
pub const PLACES: [Place; 9] = [
    Place { key: "nav-overview", address: "/" },
    Place { key: "nav-words", address: "/words" },
    Place { key: "nav-triplet", address: "/triplet" },
    Place { key: "nav-skin", address: "/skin" },
    Place { key: "nav-fashion", address: "/fashion" },
    Place { key: "nav-report", address: "/report" },
    Place { key: "nav-runs", address: "/runs" },
    Place { key: "nav-datasets", address: "/datasets" },
    Place { key: "nav-api", address: "/api" },
];

/// What the base template needs; every page holds one. Pages know nothing else of the request but its query, which is part of [`Self::here`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shell {
    /// The reader's language.
    pub language: Language,
    /// The reader's colours.
    pub theme: Theme,
    /// Where the reader is, with the query.
    pub here: String,
    /// Where tensors live.
    pub device: String,
    /// Runs that wait or train: the one place on every page that says so.
    pub active_runs: u64,
    /// Who is signed in.
    pub account: Option<String>,
    /// Whether one can sign in here, and nobody is.
    pub may_sign_in: bool,
    /// Whether the reader may start, change and delete runs and the like.
    pub may_train: bool,
    /// Whether the reader may administer accounts.
    pub may_administer: bool,
    /// The address of the section of the navigation that the page belongs to.
    section: &'static str,
}

impl FromRequestParts<AppState> for Shell {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let path = parts.uri.path();
        let path = match path {
            _ if path == "/compare" || path.starts_with("/studies") => "/runs",
            "/shares" => "/report",
            path => path,
        };
        // Every path begins with the overview's; what is in no section is not in that one either.
        let is_within = |address: &&str| path == *address || *address != "/" && path.starts_with(*address);
        let section = PLACES.iter().map(|place| place.address).filter(is_within).max_by_key(|address| address.len());
        let caller = parts.extensions.get().cloned().unwrap_or(Caller::Nobody);
        Ok(Self::new(state, &parts.uri, &parts.headers, &caller, section.unwrap_or_default()))
    }
}

impl Shell {
    /// Reads the reader's choices: `?lang=` first, then cookies, then what the browser prefers.
    pub fn new(state: &AppState, uri: &Uri, headers: &HeaderMap, caller: &Caller, section: &'static str) -> Self {
        let cookies = CookieJar::from_headers(headers);
        let chosen = |name: &str| cookies.get(name).map(|cookie| cookie.value().to_owned());
        let asked = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "lang")
            .map(|(_, value)| value.into_owned());
        let language = asked.as_deref().and_then(Language::of_tag).or_else(|| chosen("language").as_deref().and_then(Language::of_tag));
        Self {
            language: language.unwrap_or_else(|| Language::of_headers(headers)),
            theme: chosen("theme").as_deref().and_then(Theme::of_tag).unwrap_or_default(),
            here: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            device: state.device.clone(),
            active_runs: state.store.active_runs().unwrap_or_default(),
            account: caller.account().map(|account| account.name.clone()),
            may_sign_in: state.reach.is_shared && *caller == Caller::Nobody,
            may_train: caller.may(Permission::Train, &state.reach),
            may_administer: state.reach.is_shared && caller.may(Permission::Administer, &state.reach),
            section,
        }
    }

    /// The text of `key` in the reader's language.
    pub fn say(&self, key: &str) -> String {
        self.language.say(key)
    }

    /// A sentence of the program in the reader's language, as HTML.
    pub fn retell(&self, english: &str) -> Safe<String> {
        self.language.retell(english)
    }

    /// The same without markup, for attributes.
    pub fn retell_plainly(&self, english: &str) -> String {
        self.language.retell_plainly(english)
    }

    /// A moment as prose has it.
    pub fn moment(&self, at: &Timestamp) -> String {
        self.language.moment(*at)
    }

    /// Whether this page can be kept as a file and shown to others.
    pub fn is_keepable(&self) -> bool {
        press::is_keepable(&self.here)
    }

    /// Whether this page is one on given runs, whose file can go with it.
    pub fn shows_runs(&self) -> bool {
        press::runs_of(&self.here).is_some()
    }

    /// What a page says of an error with this status.
    pub fn error_title(&self, status: &u16) -> String {
        const TITLED: [u16; 13] = [400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429, 503];
        match status {
            status if TITLED.contains(status) => self.say(&format!("error-{status}")),
            400..500 => self.say("error-400"),
            _ => self.say("error-500"),
        }
    }

    /// The address of an asset.
    pub fn asset(&self, path: &str) -> String {
        assets::address(path)
    }

    /// The navigation, with whether each place is where the reader is.
    pub fn places(&self) -> Vec<(Place, bool)> {
        PLACES.iter().map(|place| (*place, place.address == self.section)).collect()
    }

    /// The version of this program.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The version of libtorch.
    pub fn libtorch(&self) -> &'static str {
        crate::models::libtorch_version()
    }
}
