//! `/reports`: reports that people put together of texts and parts of pages; `/reports/{id}`: one, its parts as their pages are now.

use std::collections::{BTreeSet, HashMap};

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    response::{Html, Redirect},
};
use tokio::task::JoinSet;

use super::{
    super::{page, runs::time, words::Voice},
    markdown::rendered,
};
use crate::{
    error::{AppError, AppResult},
    store::{Block, Report},
    web::{
        AppState,
        access::{Caller, Way},
        press::{Excerpt, Press, excerpt, is_keepable},
        shell::Shell,
    },
};

#[derive(Template)]
#[template(path = "sharing/reports.html")]
struct ReportsPage {
    shell: Shell,
    voice: Voice,
    reports: Vec<Report>,
}

impl ReportsPage {
    fn time(&self, at: &jiff::Timestamp) -> String {
        time(*at)
    }
}

pub async fn list(State(state): State<AppState>, shell: Shell) -> AppResult<Html<String>> {
    state.compute(move |app| page(&ReportsPage { voice: Voice(shell.language), shell, reports: app.store.reports()? })).await
}

#[derive(serde::Deserialize)]
pub struct Begun {
    title: String,
}

pub async fn begin(State(state): State<AppState>, caller: Caller, way: Way, Form(begun): Form<Begun>) -> AppResult<Redirect> {
    state
        .compute(move |app| {
            let report = app.store.create_report(&begun.title, (caller.signature(), &way.address.to_string()))?;
            Ok(Redirect::to(&format!("/reports/{}/edit", report.id)))
        })
        .await
}

pub async fn delete(State(state): State<AppState>, caller: Caller, way: Way, Path(id): Path<String>) -> AppResult<Redirect> {
    state
        .compute(move |app| {
            app.store.delete_report(&id, (caller.signature(), &way.address.to_string()))?;
            Ok(Redirect::to("/reports"))
        })
        .await
}

/// A block as it is shown.
pub enum Shown {
    /// HTML of somebody's text, safe.
    Text(String),
    /// A part, and the page that it is of.
    Part {
        /// The part.
        excerpt: Excerpt,
        /// Where it is.
        address: String,
    },
    /// Why a part can't be shown.
    Fault {
        /// What it was called.
        title: String,
        /// Where it was.
        address: String,
        /// Why.
        why: String,
    },
}

#[derive(Template)]
#[template(path = "sharing/report.html")]
struct ReportPage {
    shell: Shell,
    voice: Voice,
    report: Report,
    blocks: Vec<Shown>,
    /// Style sheets of the pages that its parts are of.
    styles: Vec<String>,
}

pub async fn show(State(state): State<AppState>, shell: Shell, Path(id): Path<String>) -> AppResult<Html<String>> {
    let report = state.compute(move |app| app.store.report(&id)).await?;
    let blocks = shown(&Press::new(&state, shell.language), &report.blocks).await;
    let styles = styles_of(&blocks);
    page(&ReportPage { voice: Voice(shell.language), shell, report, blocks, styles })
}

/// The blocks as they are now. Each page is asked for once, however many parts of it there are, and all at one time.
pub async fn shown(press: &Press, blocks: &[Block]) -> Vec<Shown> {
    let mut asked = JoinSet::new();
    let addresses = blocks.iter().filter_map(|block| if let Block::Part { page, .. } = block { Some(page.as_str()) } else { None });
    for address in addresses.collect::<BTreeSet<_>>() {
        let (press, address) = (press.clone(), address.to_owned());
        asked.spawn(async move {
            let page = press.page(&address).await.map_err(|error| error.to_string());
            (address, page)
        });
    }
    let pages: HashMap<String, Result<String, String>> = asked.join_all().await.into_iter().collect();
    let blocks = blocks.to_vec();
    // Off the threads that answer: cutting parts out of large pages takes as long as many an answer.
    let cut = tokio::task::spawn_blocking(move || cut(&pages, &blocks)).await;
    cut.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The blocks, out of the pages at their addresses.
fn cut(pages: &HashMap<String, Result<String, String>>, blocks: &[Block]) -> Vec<Shown> {
    let part = |place: usize, address: &str, part: &str| -> Result<Excerpt, String> {
        let page = pages.get(address).cloned().unwrap_or_else(|| Err(String::new()))?;
        excerpt(&page, Some(part), &format!("b{place}-")).map_err(|error| error.to_string())
    };
    let show = |(place, block): (usize, &Block)| match block {
        Block::Text { text } => Shown::Text(rendered(text)),
        Block::Part { page, part: id, title } => {
            let address = format!("{}#{id}", page.split('#').next().unwrap_or_default());
            match part(place, page, id) {
                Ok(excerpt) => Shown::Part { excerpt, address },
                Err(why) => Shown::Fault { title: title.clone(), address, why },
            }
        }
    };
    blocks.iter().enumerate().map(show).collect()
}

/// Those that the parts need beyond what every page has, each once.
pub fn styles_of(blocks: &[Shown]) -> Vec<String> {
    let mut styles = Vec::new();
    for block in blocks {
        let Shown::Part { excerpt, .. } = block else { continue };
        let missing = excerpt.styles.iter().filter(|style| !style.ends_with("/torchboard.css"));
        for style in missing {
            if !styles.contains(style) {
                styles.push(style.clone());
            }
        }
    }
    styles
}

/// What nobody may put into a report: what guests can't read.
pub fn check_page(address: &str) -> AppResult<()> {
    if is_keepable(address) && !address.starts_with("/reports") {
        return Ok(());
    }
    Err(AppError::invalid("page", format!("is {address:?}; expected the address of a page of results, such as /skin.")))
}
