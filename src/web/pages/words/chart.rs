//! A map as the page draws it: places in a picture, labels that avoid each other, arrows that end before the words.

use super::{
    groups::OWN,
    maps::{Drawn, Projection},
    page::{Page, fixed},
    query::Section,
};

const WIDTH: f32 = 560.0;
const HEIGHT: f32 = 420.0;
const MARGIN: f32 = 44.0;
/// Mean width of a letter of a label, and its height, in the picture's units.
const LETTER: f32 = 6.6;
const LINE: f32 = 14.0;
/// Space between a point and its label or an arrow.
const GAP: f32 = 7.0;

/// A drawn map.
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
    /// Names of the groups, in the order of the series.
    pub legend: Vec<String>,
    /// Names of the relations.
    pub relations: Vec<String>,
    /// Names of the axes.
    pub axes: [String; 2],
    /// In the picture.
    pub points: Vec<Mark>,
    /// In the picture.
    pub arrows: Vec<Line>,
    /// The same map as files: name and address.
    pub faces: Vec<(&'static str, String)>,
    /// True when there is something to draw.
    pub drawn: bool,
}

/// A word in the picture.
pub struct Mark {
    /// As the set writes it.
    pub word: String,
    /// From 1: its colour.
    pub series: usize,
    /// Name of its group.
    pub group: String,
    /// Its place in the picture.
    pub x: String,
    /// Its place in the picture.
    pub y: String,
    /// Where its label begins or ends.
    pub label_x: String,
    /// Base line of its label.
    pub label_y: String,
    /// `start`, `middle` or `end`.
    pub anchor: &'static str,
    /// Its place on the map, as computed.
    pub map_x: String,
    /// Its place on the map, as computed.
    pub map_y: String,
    /// Its nearest words.
    pub link: String,
}

/// An arrow in the picture.
pub struct Line {
    /// From 1: its kind.
    pub relation: usize,
    /// The path.
    pub path: String,
}

impl Chart {
    /// Lays `drawn` out.
    pub fn new(page: &Page, drawn: &Drawn) -> Self {
        let id = drawn.map.id.clone();
        let own = id == OWN;
        let group_name = |id: &str| if own { id.to_owned() } else { page.say(&format!("words-group-{id}")) };
        let method = match drawn.projection {
            Projection::Pca => "pca",
            Projection::Tsne(_) => "tsne",
        };
        let places = places(drawn);
        let labels = labels(drawn, &places);
        let points = drawn.points.iter().zip(&places).zip(labels).map(|((point, place), label)| Mark {
            word: point.word.clone(),
            series: point.group % 8 + 1,
            group: group_name(&drawn.map.groups[point.group].id),
            x: format!("{:.1}", place[0]),
            y: format!("{:.1}", place[1]),
            label_x: format!("{:.1}", label.x),
            label_y: format!("{:.1}", label.y),
            anchor: label.anchor,
            map_x: fixed(f64::from(point.x), 3),
            map_y: fixed(f64::from(point.y), 3),
            link: page.word_link(&point.word),
        });
        let arrows = drawn.arrows.iter().map(|arrow| Line { relation: arrow.relation + 1, path: path(places[arrow.from], places[arrow.to]) });
        let query = page.state.with("map", &id).query_of(Section::Maps);
        let faces = [("SVG", "svg"), ("PNG", "png"), ("CSV", "csv"), ("JSON", "json")];
        Self {
            title: page.say(&format!("words-map-{id}")),
            report: (!own).then(|| page.say(&format!("words-map-{id}-report"))),
            reading: drawn.reading.iter().map(|sentence| page.sentence(sentence)).collect::<Vec<_>>().join(" "),
            missing: drawn.missing.clone(),
            legend: drawn.map.groups.iter().map(|group| group_name(&group.id)).collect(),
            relations: drawn.map.relations.iter().map(|relation| page.say(&format!("words-relation-{}", relation.id))).collect(),
            axes: ["x", "y"].map(|axis| page.say(&format!("words-maps-{axis}-{method}"))),
            drawn: !drawn.points.is_empty(),
            points: points.collect(),
            arrows: arrows.collect(),
            faces: faces.map(|(name, extension)| (name, format!("/figures/words-map.{extension}{query}"))).into(),
            id,
        }
    }
}

/// Both axes share one scale, since a distance on a map should look the same in every direction.
fn places(drawn: &Drawn) -> Vec<[f32; 2]> {
    let range = |value: fn(&super::maps::Point) -> f32| {
        let (low, high) = drawn.points.iter().map(value).fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        (low, high, (high - low).max(1e-6))
    };
    let (x_low, x_high, x_span) = range(|point| point.x);
    let (y_low, y_high, y_span) = range(|point| point.y);
    let scale = ((WIDTH - 2.0 * MARGIN) / x_span).min((HEIGHT - 2.0 * MARGIN) / y_span);
    let place = |point: &super::maps::Point| {
        [WIDTH / 2.0 + (point.x - (x_low + x_high) / 2.0) * scale, HEIGHT / 2.0 - (point.y - (y_low + y_high) / 2.0) * scale]
    };
    drawn.points.iter().map(place).collect()
}

struct Label {
    x: f32,
    y: f32,
    anchor: &'static str,
}

/// For each point in turn the side where its label meets fewest points, arrows and earlier labels.
fn labels(drawn: &Drawn, places: &[[f32; 2]]) -> Vec<Label> {
    let mut taken: Vec<[f32; 4]> = places.iter().map(|[x, y]| [x - 4.0, y - 4.0, x + 4.0, y + 4.0]).collect();
    let stops: Vec<[f32; 2]> = drawn
        .arrows
        .iter()
        .flat_map(|arrow| (1..16).map(move |step| (arrow, step as f32 / 16.0)))
        .map(|(arrow, share)| std::array::from_fn(|axis| places[arrow.from][axis] + (places[arrow.to][axis] - places[arrow.from][axis]) * share))
        .collect();
    let mut result = Vec::with_capacity(places.len());
    for (point, [x, y]) in drawn.points.iter().zip(places) {
        let width = LETTER * point.word.chars().count() as f32;
        let sides = [
            (x + GAP, y + 4.0, "start"),
            (x - GAP, y + 4.0, "end"),
            (*x, y - GAP - 1.0, "middle"),
            (*x, y + GAP + 10.0, "middle"),
            (x + GAP - 1.0, y - GAP + 2.0, "start"),
            (x + GAP - 1.0, y + GAP + 8.0, "start"),
            (x - GAP + 1.0, y - GAP + 2.0, "end"),
            (x - GAP + 1.0, y + GAP + 8.0, "end"),
        ];
        let room = |(x, y, anchor): (f32, f32, &str)| {
            let left = match anchor {
                "start" => x,
                "end" => x - width,
                _ => x - width / 2.0,
            };
            [left, y - LINE + 3.0, left + width, y + 3.0]
        };
        let cost = |side: (f32, f32, &str)| {
            let own = room(side);
            let overlaps: f32 = taken.iter().map(|other| overlap(own, *other)).sum();
            let crossed = stops.iter().filter(|[x, y]| own[0] < *x && *x < own[2] && own[1] < *y && *y < own[3]).count() as f32;
            let outside = (-own[0]).max(0.0) + (own[2] - WIDTH).max(0.0) + (-own[1]).max(0.0) + (own[3] - HEIGHT).max(0.0);
            overlaps * 2.0 + crossed * 12.0 + outside * 40.0
        };
        // The first of equals wins: right of the point, as a reader expects it.
        let best = sides.into_iter().reduce(|best, side| if cost(side) < cost(best) - 0.5 { side } else { best }).unwrap_or((*x, *y, "start"));
        taken.push(room(best));
        result.push(Label { x: best.0, y: best.1, anchor: best.2 });
    }
    result
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    if width > 0.0 && height > 0.0 { width * height } else { 0.0 }
}

/// A line that keeps clear of the points at both ends, with its head.
fn path(from: [f32; 2], to: [f32; 2]) -> String {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = dx.hypot(dy);
    if length < 2.0 * GAP {
        return format!("M{:.1} {:.1}L{:.1} {:.1}", from[0], from[1], to[0], to[1]);
    }
    let (ux, uy) = (dx / length, dy / length);
    let (start, end) = ([from[0] + ux * GAP, from[1] + uy * GAP], [to[0] - ux * GAP, to[1] - uy * GAP]);
    let side = |turn: f32| [end[0] - 7.0 * ux + turn * 3.0 * uy, end[1] - 7.0 * uy - turn * 3.0 * ux];
    let (left, right) = (side(1.0), side(-1.0));
    format!(
        "M{:.1} {:.1}L{:.1} {:.1}M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}",
        start[0], start[1], end[0], end[1], left[0], left[1], end[0], end[1], right[0], right[1]
    )
}
