//! What is shown to others: links that pin a page, pages as one file, and reports that people put together.

mod composed;
mod edit;
mod file;
mod links;
mod markdown;
mod pick;

use axum::{
    Router,
    routing::{get, post},
};

use crate::web::AppState;

pub use self::composed::{Shown, shown, styles_of};

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/frozen", get(file::download))
        .route("/shares", get(links::list).post(links::make))
        .route("/shares/{number}", post(links::end))
        .route("/s/{secret}", get(links::open))
        .route("/s/{secret}/card.png", get(links::card))
        .route("/s/{secret}/runs.torchboard", get(links::file))
        .route("/reports", get(composed::list).post(composed::begin))
        .route("/reports/pick", get(pick::show).post(pick::take))
        .route("/reports/{id}", get(composed::show))
        .route("/reports/{id}/edit", get(edit::show).post(edit::change))
        .route("/reports/{id}/delete", post(composed::delete))
}
