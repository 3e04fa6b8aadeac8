//! Labelled points in groups, with arrows between them.

use super::labels::{self, Site};
use super::layout::{Sample, Scale, Width, arrow, axes, footing, gutter, legend, range};
use super::scene::{Mark, Place, Role, Scene};
use super::theme::{CLASSES, SERIES};
use super::{Arrow, Figure, Group};

/// Radius of a point on a page and on a telephone, in pixels.
const RADII: [f64; 2] = [4.2, 3.5];
/// Beyond so many, names would only hide each other: they stay in the tooltips and the table.
const MOST_LABELS: usize = 300;
/// Share of the radius that points have where there are more than that.
const AMONG_MANY: f64 = 0.6;

pub(super) fn scene(figure: &Figure, groups: &[Group], arrows: &[Arrow], width: Width) -> Scene {
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    // More groups than there are shapes are classes of many points each: small ones without names, told by colour alone. What comes after the ten that
    // have colours stands out: it has its shape and its name.
    let is_crowd = groups.len() > SERIES;
    let is_speck = |series: usize| is_crowd && series < CLASSES;
    let count: usize = groups.iter().map(|group| group.points.len()).sum();
    let radius = RADII[usize::from(width == Width::Narrow)] * if is_crowd || count > MOST_LABELS { AMONG_MANY } else { 1.0 };
    let relations = relations(arrows);
    let named = groups.iter().enumerate().filter(|(_, group)| !group.name.is_empty());
    let sample = |series| if is_speck(series) { Sample::Speck(series) } else { Sample::Dot(series) };
    let mut entries: Vec<(Sample, &str)> = named.map(|(series, group)| (sample(series), group.name.as_str())).collect();
    entries.extend(relations.iter().enumerate().map(|(dash, relation)| (Sample::Arrow(dash), *relation)));
    let top = legend(&mut scene, width, &entries) + 6.0 + 2.0 * width.tick_size();

    let (x, y) = scales(groups, width, top);
    scene.height = y.start + footing(width);
    axes(&mut scene, figure, width, &x, &y, false);

    let all = || groups.iter().enumerate().flat_map(|(series, group)| group.points.iter().map(move |point| (series, point)));
    let places: Vec<Place> = all().map(|(_, point)| (x.at(point.x), y.at(point.y))).collect();
    let place_of = |label: &str| all().zip(&places).find(|((_, point), _)| point.label == label).map(|(_, &place)| place);
    let mut segments = Vec::new();
    for drawn in arrows {
        let (Some(from), Some(to)) = (place_of(&drawn.from), place_of(&drawn.to)) else { continue };
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let gap = (radius + 3.0).min(length / 3.0) / length.max(1e-9);
        let between = |share: f64| (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
        let dash = drawn.relation.as_deref().and_then(|name| relations.iter().position(|known| *known == name)).unwrap_or(0);
        arrow(&mut scene, between(gap), between(1.0 - gap), dash, Some(format!("{} → {}", drawn.from, drawn.to)));
        segments.push((from, to));
    }

    let size = width.label_size();
    let sites: Vec<Site> = all()
        .zip(&places)
        .enumerate()
        .map(|(index, ((series, point), &at))| {
            let is_named = if is_crowd { !is_speck(series) } else { index < MOST_LABELS };
            Site { at, label: if is_named { &point.label } else { "" } }
        })
        .collect();
    let bounds = ((x.start + 3.0, y.end - 4.0), (width.pixels(), y.start - 2.0));
    let labels = labels::place(&sites, radius, size, &segments, bounds);
    for label in labels.iter().flatten() {
        if let Some((from, to)) = label.leader {
            scene.marks.push(Mark::Stroke { places: vec![from, to], width: 0.75, dash: 0, role: Role::Faint, tooltip: None });
        }
    }
    for ((series, point), &at) in all().zip(&places) {
        if is_speck(series) {
            scene.marks.push(Mark::Speck { at, radius, class: series });
            continue;
        }
        let values = format!("{}, {}", figure.horizontal.format(point.x), figure.vertical.format(point.y));
        let tooltip = if point.label.is_empty() { values } else { format!("{}: {values}", point.label) };
        let radius = if is_crowd { 3.0 * radius } else { radius };
        scene.marks.push(Mark::Dot { at, radius, series, tooltip: Some(tooltip) });
    }
    for (label, site) in labels.iter().zip(&sites) {
        if let Some(label) = label {
            scene.clear_text(label.baseline, size, Role::Ink, site.label);
        }
    }
    scene
}

/// The names of the relations, each once, in their order.
fn relations(arrows: &[Arrow]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in arrows.iter().filter_map(|arrow| arrow.relation.as_deref()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// One scale for both axes. The height follows the points, within what sits well on a page.
fn scales(groups: &[Group], width: Width, top: f64) -> (Scale, Scale) {
    let points = || groups.iter().flat_map(|group| &group.points);
    let (left, right) = range(points().map(|point| point.x), false);
    let (low, high) = range(points().map(|point| point.y), false);
    let mut x = Scale::over((left, right), false, (0.0, width.pixels() - 1.0));
    let mut y = Scale::over((low, high), false, (0.0, top));
    x.start = gutter(&y, width);
    let room = x.end - x.start;
    // Around the points: half a word at the sides, a line above and below.
    let (beside, above) = if width == Width::Wide { (36.0, 24.0) } else { (28.0, 22.0) };
    let shape = if width == Width::Wide { (0.45, 0.8) } else { (0.8, 1.3) };
    let across = (room - 2.0 * beside) / (right - left);
    let height = ((high - low) * across + 2.0 * above).clamp(room * shape.0, room * shape.1);
    let pixels = across.min((height - 2.0 * above) / (high - low));
    let (half_width, half_height) = (room / 2.0 / pixels, height / 2.0 / pixels);
    let (middle_x, middle_y) = (f64::midpoint(left, right), f64::midpoint(low, high));
    (x.low, x.high, y.low, y.high) = (middle_x - half_width, middle_x + half_width, middle_y - half_height, middle_y + half_height);
    y.start = top + height;
    (x, y)
}
