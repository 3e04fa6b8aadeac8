//! Pages of ours, read and changed by a parser of HTML, which knows attributes from text.

use std::borrow::Cow;

use lol_html::{ElementContentHandlers, RewriteStrSettings, Selector, rewrite_str};

use crate::error::{AppError, AppResult};

/// What to do with the elements that a selector finds, as `lol_html`'s macros `element` and `text` make it.
pub type Handler<'h> = (Cow<'h, Selector>, ElementContentHandlers<'h>);

/// The page with every handler's changes.
///
/// # Errors
/// When the page can't be read.
pub fn rewritten(page: &str, handlers: Vec<Handler<'_>>) -> AppResult<String> {
    let settings = handlers.into_iter().fold(RewriteStrSettings::new(), RewriteStrSettings::append_element_content_handler);
    rewrite_str(page, settings).map_err(|error| AppError::Internal(anyhow::anyhow!("a page of ours can't be read: {error}")))
}
