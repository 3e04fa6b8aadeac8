//! A figure as the page shows it, and a map as a [`Figure`].

use super::{
    groups::OWN,
    maps::{Drawn, Projection},
    page::Page,
    query::Section,
    voice::Voice,
};
use crate::{
    error::{AppError, AppResult},
    figure::{Arrow, Axis, Content, Figure, Group, Headings, Point, Table, Width},
};

/// A map on the page.
pub struct Chart {
    /// Names it in addresses.
    pub id: String,
    /// Over the picture.
    pub title: String,
    /// What the report saw on its map.
    pub report: Option<String>,
    /// What ours shows.
    pub reading: String,
    /// The words that the set lacks.
    pub missing: Vec<String>,
    /// The picture, and its numbers; `None` when the set has too few of the words.
    pub drawing: Option<Drawing>,
}

/// The faces of a figure that stand in the page.
pub struct Drawing {
    /// For a desk.
    pub wide: String,
    /// For a hand.
    pub narrow: String,
    /// For those who can't see it.
    pub table: Table,
    /// The same as files: name and address.
    pub faces: Vec<(&'static str, String)>,
}

impl Chart {
    /// Lays `drawn` out.
    ///
    /// # Errors
    /// Never for numbers that a projection gives.
    pub fn new(page: &Page, drawn: &Drawn) -> AppResult<Self> {
        let id = drawn.map.id.clone();
        let query = page.state.with("map", &id).query_of(Section::Maps);
        Ok(Self {
            title: page.say(&format!("words-map-{id}")),
            report: (id != OWN).then(|| page.say(&format!("words-map-{id}-report"))),
            reading: page.voice.sentences(&drawn.reading),
            missing: drawn.missing.clone(),
            drawing: map(page.voice, drawn).map(|figure| Drawing::new(&figure, "words-map", &query)).transpose()?,
            id,
        })
    }
}

impl Drawing {
    /// The figure in both widths; its files lie under `/figures/{name}` with `query`.
    ///
    /// # Errors
    /// Never for finite numbers.
    pub fn new(figure: &Figure, name: &str, query: &str) -> AppResult<Self> {
        figure.check().map_err(|error| AppError::Internal(error.into()))?;
        let faces = [("SVG", "svg"), ("PNG", "png"), ("CSV", "csv"), ("JSON", "json")];
        Ok(Self {
            wide: figure.to_page_svg(Width::Wide),
            narrow: figure.to_page_svg(Width::Narrow),
            table: figure.to_table(),
            faces: faces.map(|(face, extension)| (face, format!("/figures/{name}.{extension}{query}"))).into(),
        })
    }

    /// A figure of `section` that may have nothing to draw.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of(page: &Page, section: Section, figure: Option<Figure>) -> AppResult<Option<Self>> {
        figure.map(|figure| Self::new(&figure, &figure.id, &page.state.query_of(section))).transpose()
    }
}

/// The map as typed numbers; `None` when there is nothing to draw.
pub fn map(voice: Voice, drawn: &Drawn) -> Option<Figure> {
    if drawn.points.is_empty() {
        return None;
    }
    let own = drawn.map.id == OWN;
    let method = match drawn.projection {
        Projection::Pca => "pca",
        Projection::Tsne(_) => "tsne",
    };
    let axis = |name: &str, decimals| Axis { label: voice.say(&format!("words-maps-{name}-{method}")), decimals, ..Axis::default() };
    let decimals = if method == "pca" { 3 } else { 1 };
    let group = |(index, group): (usize, &crate::words::report::Group)| Group {
        name: if own { group.id.clone() } else { voice.say(&format!("words-group-{}", group.id)) },
        points: drawn
            .points
            .iter()
            .filter(|point| point.group == index)
            .map(|point| Point { label: point.word.clone(), x: f64::from(point.x), y: f64::from(point.y) })
            .collect(),
    };
    let arrow = |arrow: &super::maps::Arrow| Arrow {
        from: drawn.points[arrow.from].word.clone(),
        to: drawn.points[arrow.to].word.clone(),
        relation: Some(voice.say(&format!("words-relation-{}", drawn.map.relations[arrow.relation].id))),
    };
    Some(Figure {
        id: format!("words-map-{}", drawn.map.id),
        title: voice.say(&format!("words-map-{}", drawn.map.id)),
        reading: voice.sentences(&drawn.reading),
        horizontal: axis("x", decimals),
        vertical: axis("y", decimals),
        content: Content::Points {
            groups: drawn.map.groups.iter().enumerate().map(group).filter(|group| !group.points.is_empty()).collect(),
            arrows: drawn.arrows.iter().map(arrow).collect(),
        },
        headings: Headings { item: voice.say("words-word"), group: voice.say("words-maps-group"), ..Headings::default() },
    })
}
