//! `/reports/{id}/edit`: a report's title, texts and order, by one form that needs no script.

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
};

use super::super::{page, words::Voice};
use crate::{
    error::{AppError, AppResult},
    store::{Block, Report},
    web::{
        AppState,
        access::{Caller, Way},
        parameters::Parameters,
        shell::Shell,
    },
};

#[derive(Template)]
#[template(path = "sharing/edit.html")]
struct EditPage {
    shell: Shell,
    voice: Voice,
    report: Report,
    /// Why what was sent was not kept; what was typed stands in the form.
    fault: Option<String>,
}

pub async fn show(State(state): State<AppState>, shell: Shell, Path(id): Path<String>) -> AppResult<Html<String>> {
    state.compute(move |app| page(&EditPage { voice: Voice(shell.language), shell, report: app.store.report(&id)?, fault: None })).await
}

/// Every button of the form sends all of it, so that nothing typed is lost by moving a block.
pub async fn change(
    State(state): State<AppState>,
    shell: Shell,
    caller: Caller,
    way: Way,
    Path(id): Path<String>,
    Form(sent): Form<Vec<(String, String)>>,
) -> AppResult<Response> {
    state
        .compute(move |app| {
            let sent = Parameters(sent);
            let mut report = app.store.report(&id)?;
            report.revision = sent.number("revision", 0, 0..=usize::MAX >> 1)? as i64;
            sent.text("title", "")?.clone_into(&mut report.title);
            take_texts(&mut report.blocks, &sent);
            let target = apply(&mut report.blocks, sent.optional("do")?.unwrap_or("save"))?;
            match app.store.change_report(&report, (caller.signature(), &way.address.to_string())) {
                Ok(_) => Ok(Redirect::to(&match target {
                    Target::Report => format!("/reports/{id}"),
                    Target::Form(place) => format!("/reports/{id}/edit#block-{place}"),
                })
                .into_response()),
                Err(AppError::Invalid { reason, .. } | AppError::Conflict(reason)) => {
                    let form = EditPage { voice: Voice(shell.language), shell, report, fault: Some(reason) };
                    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&form)?).into_response())
                }
                Err(other) => Err(other),
            }
        })
        .await
}

fn take_texts(blocks: &mut [Block], sent: &Parameters) {
    for (place, block) in blocks.iter_mut().enumerate() {
        if let Block::Text { text } = block
            && let Some((_, typed)) = sent.0.iter().find(|(name, _)| *name == format!("text-{place}"))
        {
            // Browsers send line ends of their own.
            *text = typed.replace("\r\n", "\n");
        }
    }
}

/// Where a change leads.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Report,
    Form(usize),
}

/// `save`, or `up`, `down`, `drop` of a block, or `text` after it: `up-3`, `text-0` for one at the beginning.
fn apply(blocks: &mut Vec<Block>, what: &str) -> AppResult<Target> {
    let unknown = || AppError::invalid("do", format!("is {what:?}; expected save, up-N, down-N, drop-N or text-N."));
    if what == "save" {
        return Ok(Target::Report);
    }
    let (verb, place) = what.split_once('-').ok_or_else(unknown)?;
    let place: usize = place.parse().map_err(|_| unknown())?;
    let is_block = place < blocks.len();
    Ok(Target::Form(match verb {
        "up" if is_block && place > 0 => {
            blocks.swap(place, place - 1);
            place - 1
        }
        "down" if place + 1 < blocks.len() => {
            blocks.swap(place, place + 1);
            place + 1
        }
        "up" | "down" if is_block => place,
        "drop" if is_block => {
            blocks.remove(place);
            place.saturating_sub(1)
        }
        "text" if place <= blocks.len() => {
            blocks.insert(place, Block::Text { text: String::new() });
            place
        }
        _ => return Err(unknown()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(names: &str) -> Vec<Block> {
        names.chars().map(|name| Block::Text { text: name.into() }).collect()
    }

    fn after(what: &str) -> (String, Target) {
        let mut changed = blocks("abc");
        let target = apply(&mut changed, what).unwrap();
        let name = |block: &Block| match block {
            Block::Text { text } if text.is_empty() => "-".to_owned(),
            Block::Text { text } => text.clone(),
            Block::Part { .. } => unreachable!("all are texts"),
        };
        (changed.iter().map(name).collect(), target)
    }

    #[test]
    fn blocks_move_go_and_come() {
        assert_eq!(after("save"), ("abc".into(), Target::Report));
        assert_eq!(after("up-2"), ("acb".into(), Target::Form(1)));
        assert_eq!(after("up-0"), ("abc".into(), Target::Form(0)));
        assert_eq!(after("down-0"), ("bac".into(), Target::Form(1)));
        assert_eq!(after("down-2"), ("abc".into(), Target::Form(2)));
        assert_eq!(after("drop-1"), ("ac".into(), Target::Form(0)));
        assert_eq!(after("text-0"), ("-abc".into(), Target::Form(0)));
        assert_eq!(after("text-3"), ("abc-".into(), Target::Form(3)));
        for wrong in ["", "up", "up-3", "drop-3", "text-4", "text--1", "eat-1", "up-99999999999999999999"] {
            assert!(apply(&mut blocks("abc"), wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_typed_is_taken_whatever_button_sends_it() {
        let mut taken = blocks("ab");
        let sent = [("text-1", "one\r\ntwo"), ("text-7", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        take_texts(&mut taken, &Parameters(sent.into()));
        assert_eq!(taken, [Block::Text { text: "a".into() }, Block::Text { text: "one\ntwo".into() }]);
    }
}
