//! What the overview shows of words: the first analogy, a map and the accuracy of the set that is shown unasked.

use super::{
    AccuracyPart, accuracy,
    analogies::{self, Question},
    chart::Chart,
    maps,
    page::{Page, set_of},
    query::{Section, State},
};
use crate::{
    error::AppResult,
    web::{AppState, shell::Shell},
    words::report::report,
};

/// Three results, each computed as the words page computes it.
pub struct Glance {
    /// Texts, numbers and links.
    pub page: Page,
    /// The report's first triple.
    pub analogy: Option<Question>,
    /// One of the report's maps.
    pub map: Option<Chart>,
    /// By section of the questions, where it is known.
    pub accuracy: AccuracyPart,
}

/// The report's map that shows the most in a small space: three clusters.
const MAP: &str = "world";

impl Glance {
    /// `None` while no set answers.
    ///
    /// # Errors
    /// Never for numbers that a set gives.
    pub fn new(app: &AppState, shell: &Shell) -> AppResult<Option<Self>> {
        let state = State::default();
        let Ok(set) = app.library.get(&set_of(&app.library, &state)) else { return Ok(None) };
        let page = Page::new(&app.library, shell, state, None)?;
        let triple = report().analogies.first().map(|analogy| analogy.words.join(" ")).unwrap_or_default();
        let analogy = analogies::compute(&set, &page.state.with("triples", &triple)).questions.pop();
        let map = maps::compute_one(&set, &page.state, MAP).0.map(|drawn| Chart::new(&page, &drawn)).transpose()?;
        let accuracy = AccuracyPart::new(&page, accuracy::compute(app, &set, &page.state))?;
        Ok(Some(Self { page, analogy, map, accuracy }))
    }

    /// Where a section stands on the words page.
    pub fn link(&self, section: Section) -> String {
        format!("/words#{}", section.id())
    }
}
