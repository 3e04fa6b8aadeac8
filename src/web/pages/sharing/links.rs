//! `/shares`: links to what a page showed when they were made; `/s/{secret}`: what such a link shows, to whoever has it;
//! `/s/{secret}/runs.torchboard`: the file of the runs that the page shows, where the link was made with it.

use std::io::{Read as _, Write as _};

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use super::{
    super::{
        page,
        runs::time,
        words::{Sentence, Voice},
    },
    file::frozen,
};
use crate::{
    accounts::{kept_of, link_secret},
    error::{AppError, AppResult},
    figure::{self, Direction},
    jobs,
    store::{NewShare, Permission, Run, Share, SharedFile, SharedPage},
    web::{
        AppState,
        access::{Caller, Way},
        language::Language,
        press::{FROZEN_HEAD, FROZEN_STAMP, Press, RunsOf, runs_of},
        shell::Shell,
    },
};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Template)]
#[template(path = "sharing/links.html")]
struct LinksPage {
    shell: Shell,
    voice: Voice,
    shares: Vec<Share>,
    /// The link that was just made, and the page that it shows.
    made: Option<(String, String)>,
    /// Whether others reach this server.
    is_shared: bool,
}

impl LinksPage {
    fn new(app: &AppState, shell: Shell, caller: &Caller) -> AppResult<Self> {
        let mut shares = app.store.shares()?;
        shares.retain(|share| owner(app, caller).is_none_or(|owner| owner == share.created_by));
        Ok(Self { voice: Voice(shell.language), shell, shares, made: None, is_shared: app.reach.is_shared })
    }

    fn time(&self, at: &jiff::Timestamp) -> String {
        time(*at)
    }

    fn file(&self, bytes: &u64) -> String {
        told(self.voice, *bytes)
    }
}

/// That there is a file, and how large it is.
fn told(voice: Voice, bytes: u64) -> String {
    voice.sentence(&Sentence::new("sharing-file-of-runs").measure("size", (bytes as f64 / 1e6).max(0.1), 1))
}

/// Whose links somebody may see and end; all, for administrators.
fn owner(app: &AppState, caller: &Caller) -> Option<String> {
    (!caller.may(Permission::Administer, &app.reach)).then(|| caller.signature().to_owned())
}

pub async fn list(State(state): State<AppState>, shell: Shell, caller: Caller) -> AppResult<Html<String>> {
    state.compute(move |app| page(&LinksPage::new(app, shell, &caller)?)).await
}

#[derive(serde::Deserialize)]
pub struct Asked {
    page: String,
    #[serde(default)]
    days: u32,
    /// `yes` or `no`: whether the file of the runs that the page shows goes with it.
    #[serde(default)]
    file: String,
}

impl Asked {
    /// The runs whose file is to go with the page.
    fn runs(&self) -> AppResult<Option<RunsOf>> {
        match self.file.as_str() {
            "" | "no" => Ok(None),
            "yes" => runs_of(&self.page).map(Some).ok_or_else(|| {
                AppError::invalid("file", "can go with the page of a run, of a study, or of compared runs; share this page without one.")
            }),
            other => Err(AppError::invalid("file", format!("is {other:?}; expected yes or no."))),
        }
    }
}

/// What a page shows of runs as one file, as they are now.
fn file_of(app: &AppState, shown: &RunsOf) -> AppResult<SharedFile> {
    let (study, runs, name) = match shown {
        RunsOf::Study(id) => {
            let study = app.store.study(id)?;
            if !study.state.is_final() {
                return Err(AppError::Conflict(format!("The study {id} has not ended; stop it or wait for its end.")));
            }
            (Some(study), jobs::runs_of_study(&app.store, id)?, id.as_str())
        }
        RunsOf::Runs(ids) => {
            let runs = ids.iter().map(|id| app.store.run(id)).collect::<AppResult<Vec<Run>>>()?;
            (None, runs, if let [id] = ids.as_slice() { id.as_str() } else { "runs" })
        }
    };
    let bytes = jobs::export_within(&app.store, study.as_ref(), &runs, jobs::SENT_AT_MOST)?.ok_or_else(|| {
        let most = jobs::SENT_AT_MOST >> 20;
        AppError::invalid(
            "file",
            format!("would have more than {most} MiB; share the page without it, and what `torchboard export` writes by other ways."),
        )
    })?;
    Ok(SharedFile { name: format!("{name}.torchboard"), bytes })
}

/// The link is shown on the page that answers, and nowhere again.
pub async fn make(
    State(state): State<AppState>,
    shell: Shell,
    caller: Caller,
    way: Way,
    Form(asked): Form<Asked>,
) -> AppResult<Html<String>> {
    const MOST_DAYS: u32 = 3650;
    if asked.days > MOST_DAYS {
        return Err(AppError::invalid("days", format!("is {}; expected 1 to {MOST_DAYS}, or 0 for a link that does not end.", asked.days)));
    }
    let runs = asked.runs()?;
    let (mut pages, mut title, mut about, mut picture) = (Vec::new(), String::new(), String::new(), None);
    for language in Language::ALL {
        let frozen = frozen(&state, &asked.page, language).await?;
        if language == shell.language {
            (title, about) = (frozen.title.clone(), frozen.about.clone());
            picture = match &frozen.picture {
                // A picture that can't be drawn is no reason not to share.
                Some(address) => Press::new(&state, language).file(address).await.ok().map(|(_, bytes)| bytes),
                None => None,
            };
        }
        pages.push((language, frozen));
    }
    let keep = move |app: &AppState| {
        let file = runs.as_ref().map(|runs| file_of(app, runs)).transpose()?;
        let pages: Vec<SharedPage> = pages
            .into_iter()
            .map(|(language, frozen)| {
                let mut packed = GzEncoder::new(Vec::new(), Compression::default());
                packed.write_all(frozen.html.as_bytes())?;
                let (title, about, policy) = (frozen.title, frozen.about, frozen.policy);
                Ok(SharedPage { language: language.tag().to_owned(), title, about, policy, page: packed.finish()? })
            })
            .collect::<std::io::Result<_>>()
            .map_err(|error| AppError::Internal(error.into()))?;
        let direction = if shell.language == Language::Persian { Direction::RightToLeft } else { Direction::LeftToRight };
        let card = figure::card(&title, &about, direction, picture.as_deref()).map_err(|error| AppError::Internal(error.into()))?;
        let (secret, hash) = link_secret();
        let share = app.store.share(&NewShare {
            secret: &hash,
            title: &title,
            address: &asked.page,
            by: (caller.signature(), &way.address.to_string()),
            lifetime_ms: (asked.days > 0).then(|| i64::from(asked.days) * DAY_MS),
            card: &card,
            pages: &pages,
            file,
        })?;
        let made = Some((way.link(&format!("/s/{secret}")), share.title));
        page(&LinksPage { made, ..LinksPage::new(app, shell, &caller)? })
    };
    state.compute(keep).await
}

pub async fn end(State(state): State<AppState>, caller: Caller, way: Way, Path(number): Path<i64>) -> AppResult<Redirect> {
    state
        .compute(move |app| {
            app.store.revoke_share(number, owner(app, &caller).as_deref(), (caller.signature(), &way.address.to_string()))?;
            Ok(Redirect::to("/shares"))
        })
        .await
}

/// What the page showed when the link was made, in the reader's language, and what those show who tell of the link.
pub async fn open(State(state): State<AppState>, shell: Shell, way: Way, Path(secret): Path<String>) -> AppResult<Response> {
    state
        .compute(move |app| {
            let (share, shown) = app.store.open_share(&kept_of(&secret), shell.language.tag())?;
            let mut html = String::new();
            GzDecoder::new(shown.page.as_slice()).read_to_string(&mut html).map_err(|error| AppError::Internal(error.into()))?;
            let head = Head { title: &shown.title, about: &shown.about, link: way.link(&format!("/s/{secret}")) };
            let head = head.render().map_err(|error| AppError::Internal(error.into()))?;
            let mut headers = HeaderMap::new();
            let policy = format!("{}; frame-ancestors 'none'", shown.policy);
            headers
                .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).map_err(|error| AppError::Internal(error.into()))?);
            // The address is a secret: it is told to nobody, and what it shows is kept by nobody between.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
            headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
            let others = Language::ALL.into_iter().filter(|language| language.tag() != shown.language);
            let others: Vec<String> = others
                .map(|other| format!("<a href=\"?lang={0}\" lang=\"{0}\" hreflang=\"{0}\">{1}</a> · ", other.tag(), other.name()))
                .collect();
            let voice = Voice(Language::of_tag(&shown.language).unwrap_or(shell.language));
            let file = share.file.map(|bytes| FileLink { secret: &secret, text: told(voice, bytes) }.render()).transpose();
            let file = file.map_err(|error| AppError::Internal(error.into()))?.unwrap_or_default();
            let stamp = format!("{FROZEN_STAMP}{}{file}", others.concat());
            let html = html.replacen(FROZEN_HEAD, &head, 1).replacen(FROZEN_STAMP, &stamp, 1);
            Ok((headers, Html(html)).into_response())
        })
        .await
}

/// What is added to a page that a link shows.
#[derive(Template)]
#[template(path = "sharing/head.html")]
struct Head<'a> {
    title: &'a str,
    about: &'a str,
    link: String,
}

/// What stands beside when a page was so, where a file of its runs goes with it. It is found from where the page is.
#[derive(Template)]
#[template(path = "sharing/file.html")]
struct FileLink<'a> {
    secret: &'a str,
    text: String,
}

/// The file of the runs that the page shows, as it was when the link was made.
pub async fn file(State(state): State<AppState>, Path(secret): Path<String>) -> AppResult<Response> {
    let (name, file) = state.compute(move |app| app.store.share_file(&kept_of(&secret))).await?;
    let disposition =
        HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")).map_err(|error| AppError::Internal(error.into()))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    // As of the page itself.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    Ok((headers, file).into_response())
}

pub async fn card(State(state): State<AppState>, Path(secret): Path<String>) -> AppResult<Response> {
    let card = state.compute(move |app| app.store.share_card(&kept_of(&secret))).await?;
    Ok(([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "private, max-age=3600")], card).into_response())
}
