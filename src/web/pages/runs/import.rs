//! `/imports`: a file of runs is sent, or fetched by the link of another server; what it holds is shown, and then it is taken in or not;
//! `/runs/{id}/file`: a run as such a file.

use std::{
    path::{Path as FilePath, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use askama::Template;
use axum::{
    Form, Router,
    extract::{
        DefaultBodyLimit, Multipart, Path, State,
        multipart::{Field, MultipartError},
    },
    http::{StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use tokio::{io::AsyncWriteExt as _, sync::Semaphore};

use super::{
    super::{page, words::Voice},
    show::time,
};
use crate::{
    accounts::link_secret,
    error::{AppError, AppResult},
    jobs::{self, Preview},
    store::Origin,
    web::{AppState, access::Caller, parameters::Parameters, shell::Shell},
};

/// The largest file that is taken in by a browser, in bytes; `torchboard import` takes larger ones.
const MOST_BYTES: usize = jobs::SENT_AT_MOST as usize;
/// More of what is typed as a link is not kept, in bytes: it is none.
const MOST_LINK_BYTES: usize = 4096;
/// A link's file comes in this time, or not at all: a request is given up after half a minute, and what came is still to be looked into.
const PATIENCE: Duration = Duration::from_secs(25);
/// So many files are fetched at one time; who asks for more is told to come back.
static FETCHES: Semaphore = Semaphore::const_new(4);
/// What was sent and neither taken in nor thrown away goes after so long.
const KEPT: Duration = Duration::from_hours(24);

pub fn router() -> Router<AppState> {
    let upload = Router::new().route("/imports", get(show).post(receive)).layer(DefaultBodyLimit::max(MOST_BYTES + (1 << 20)));
    Router::new().merge(upload).route("/imports/{token}", post(decide))
}

#[derive(Template)]
#[template(path = "runs/import.html")]
struct ImportPage {
    shell: Shell,
    voice: Voice,
    /// What was sent, and by which name it is decided on.
    sent: Option<(String, Preview)>,
    /// The key of what is said of the file or of the link, and what is wrong with it.
    fault: Option<(&'static str, String)>,
}

impl ImportPage {
    fn time(&self, at: &jiff::Timestamp) -> String {
        time(*at)
    }

    fn megabytes(&self, files: &[(String, u64)]) -> String {
        format!("{:.1}", files.iter().map(|(_, bytes)| *bytes as f64).sum::<f64>() / 1e6)
    }
}

async fn show(State(_): State<AppState>, shell: Shell) -> AppResult<Html<String>> {
    page(&ImportPage { voice: Voice(shell.language), shell, sent: None, fault: None })
}

/// Keeps the file aside, and shows what it holds.
async fn receive(State(state): State<AppState>, shell: Shell, multipart: Multipart) -> AppResult<Response> {
    let folder = state.settings.data_dir.join("uploads");
    let (token, _) = link_secret();
    let path = folder.join(&token);
    let outcome = match keep(multipart, &folder, &path).await {
        Ok(()) => {
            let path = path.clone();
            state.compute(move |app| jobs::preview(&app.store, &path)).await
        }
        Err(error) => Err(error),
    };
    let (sent, fault) = match outcome {
        Ok(preview) => (Some((token, preview)), None),
        Err(error) => {
            let _ = tokio::fs::remove_file(&path).await; // it may not be there
            match error {
                AppError::Invalid { field, reason } if field == "link" => (None, Some(("imports-link-fault", reason))),
                AppError::Invalid { reason, .. } => (None, Some(("imports-fault", reason))),
                other => return Err(other),
            }
        }
    };
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page(&ImportPage { voice: Voice(shell.language), shell, sent, fault })?).into_response())
}

/// Writes the field called `file` into `path`, or what is given by the link in the field called `link`.
async fn keep(mut multipart: Multipart, folder: &FilePath, path: &FilePath) -> AppResult<()> {
    tokio::fs::create_dir_all(folder).await?;
    forget_old(folder).await?;
    while let Some(field) = multipart.next_field().await.map_err(|error| unread("file", &error))? {
        let name = field.name().map(str::to_owned);
        match name.as_deref() {
            Some("file") => return write(field, path).await,
            Some("link") => return fetch(typed(field).await?, path.to_owned()).await,
            _ => {}
        }
    }
    Err(AppError::invalid("file", "is missing; expected a file that `torchboard export` or a run's page wrote, as the field `file`."))
}

async fn write(mut field: Field<'_>, path: &FilePath) -> AppResult<()> {
    let mut file = tokio::fs::File::create_new(path).await?;
    let mut count = 0;
    while let Some(chunk) = field.chunk().await.map_err(|error| unread("file", &error))? {
        count += chunk.len();
        if count > MOST_BYTES {
            return Err(AppError::invalid("file", format!("has more than {MOST_BYTES} bytes; take it in by `torchboard import`.")));
        }
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(())
}

async fn typed(mut field: Field<'_>) -> AppResult<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| unread("link", &error))? {
        if bytes.len() <= MOST_LINK_BYTES {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes what a link gives into `path`. It is none of the computations, since it only waits.
async fn fetch(link: String, path: PathBuf) -> AppResult<()> {
    let Ok(place) = FETCHES.try_acquire() else { return Err(AppError::Busy { retry_after_seconds: 5 }) };
    // It comes to its end even where nobody waits for it any more, and has its place until then.
    let fetched = move || {
        let mut file = std::fs::File::create_new(&path)?;
        let outcome = jobs::fetch_linked(&link, jobs::SENT_AT_MOST, PATIENCE, &mut file);
        if outcome.is_err() {
            let _ = std::fs::remove_file(&path); // it goes with the old ones otherwise
        }
        drop(place);
        outcome
    };
    tokio::task::spawn_blocking(fetched).await.map_err(|panic| AppError::Internal(panic.into()))?
}

fn unread(name: &str, error: &MultipartError) -> AppError {
    AppError::invalid(name, format!("can't be read: {error}."))
}

async fn forget_old(folder: &FilePath) -> AppResult<()> {
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let age = entry.metadata().await.ok().and_then(|about| about.modified().ok()).and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            let _ = tokio::fs::remove_file(entry.path()).await; // another request may have been faster
        }
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct Decision {
    /// `import` or `discard`.
    action: String,
}

async fn decide(
    State(state): State<AppState>,
    Path(token): Path<String>,
    caller: Caller,
    Form(decision): Form<Decision>,
) -> AppResult<Redirect> {
    let path = uploaded(&state.settings.data_dir, &token)?;
    let decide = move |app: &AppState| match decision.action.as_str() {
        "discard" => {
            std::fs::remove_file(&path)?;
            Ok(Redirect::to("/imports"))
        }
        "import" => {
            let imported = jobs::import_file(&app.store, &path, Origin::Imported)?;
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!("what {} took in can't be removed from {}: {error}", caller.signature(), path.display());
            }
            Ok(Redirect::to(&match (imported.study, imported.runs.as_slice()) {
                (Some(study), _) => format!("/studies/{study}"),
                (None, [run]) => format!("/runs/{run}"),
                _ => "/runs".to_owned(),
            }))
        }
        other => Err(AppError::invalid("action", format!("is {other:?}; expected import or discard."))),
    };
    state.compute(decide).await
}

/// Where the file is that goes by this token, which nobody can guess.
fn uploaded(data_dir: &FilePath, token: &str) -> AppResult<PathBuf> {
    let is_token = token.len() == 43 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let path = data_dir.join("uploads").join(token);
    if is_token && path.is_file() {
        return Ok(path);
    }
    Err(AppError::not_found("There is no such file any more: it was taken in, thrown away, or sent more than a day ago. Send it again."))
}

/// A run as one file, with its weights unless `weights=no`.
pub async fn file(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Response> {
    let with_weights = match parameters.text("weights", "yes")? {
        "yes" => true,
        "no" => false,
        other => return Err(AppError::invalid("weights", format!("is {other:?}; expected yes or no."))),
    };
    let write = move |app: &AppState| {
        let run = app.store.run(&id)?; // a study's trials are more than a browser waits for
        let mut bytes = std::io::Cursor::new(Vec::new());
        jobs::export(&app.store, None, std::slice::from_ref(&run), with_weights, &mut bytes)?;
        Ok((run.id, bytes.into_inner()))
    };
    let (id, bytes) = state.compute(write).await?;
    let disposition =
        header::HeaderValue::from_str(&format!("attachment; filename=\"{id}.torchboard\"")).context("an id has plain letters")?;
    Ok(([(header::CONTENT_TYPE, header::HeaderValue::from_static("application/zip")), (header::CONTENT_DISPOSITION, disposition)], bytes)
        .into_response())
}
