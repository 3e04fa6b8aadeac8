//! Parallel coordinates: one upright axis for each quantity, one line for each thing, its colour by how it did.
//!
//! Source: Inselberg 1985, The plane with parallel coordinates.

use super::layout::{Scale, Width, range};
use super::scene::{Anchor, Mark, Place, Role, Scene};
use super::theme::LEVELS;
use super::{Axis, Coordinate, Path, text};

/// The palest level that is still seen as a line on paper.
const PALEST: usize = LEVELS / 4;

pub(super) fn scene((coordinates, paths): (&[Coordinate], &[Path]), value: &Axis, lesser: bool, width: Width) -> Scene {
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    let (size, tick_size) = (width.label_size(), width.tick_size());
    let top = 2.0 * size + 8.0;
    let bottom = top + width.pixels() * if width == Width::Wide { 0.38 } else { 0.75 };
    scene.height = bottom + size;

    let scale = Scale::over(range(paths.iter().map(|path| path.value), false), false, (bottom, top));
    // Ticks stand left of their axis, and those of the last axis too; the first needs room for its own.
    let widest = |coordinate: &Coordinate| coordinate.ticks.iter().map(|(_, name)| text::width(name, tick_size)).fold(0.0, f64::max);
    let left = coordinates.first().map_or(0.0, widest).min(width.pixels() * 0.25).ceil() + 10.0;
    let gap = (width.pixels() - 10.0 - left) / coordinates.len().max(1) as f64;
    let along = |axis: usize| left + gap * axis as f64;

    for path in ordered(paths, lesser) {
        let share = (scale.at(path.value) - bottom) / (top - bottom);
        let share = if lesser { 1.0 - share } else { share };
        let level = PALEST + (share.clamp(0.0, 1.0) * (LEVELS - 1 - PALEST) as f64).round() as usize;
        let mut places: Vec<Place> =
            path.places.iter().enumerate().map(|(axis, place)| (along(axis), bottom + place * (top - bottom))).collect();
        places.push((along(coordinates.len()), scale.at(path.value)));
        let settings: Vec<String> =
            coordinates.iter().zip(&path.settings).map(|(axis, setting)| format!("{} {setting}", axis.name)).collect();
        let tooltip = format!("{}: {}; {} {}", path.name, settings.join(", "), value.label, value.format(path.value));
        scene.marks.push(Mark::Stroke { places, width: 2.0, dash: 0, role: Role::Level(level), tooltip: Some(tooltip) });
    }
    let ticks = scale.ticks(6);
    let named: Vec<(f64, String)> =
        ticks.iter().map(|&tick| (scale.at(tick) - bottom) / (top - bottom)).zip(scale.written(&ticks)).collect();
    let axes = coordinates.iter().map(|axis| (axis.name.as_str(), axis.ticks.as_slice())).chain([(value.label.as_str(), named.as_slice())]);
    for (axis, (name, ticks)) in axes.enumerate() {
        let x = along(axis);
        scene.rule((x, top), (x, bottom), Role::Axis);
        let (anchor, room) = if axis == coordinates.len() { (Anchor::End, gap * 0.95) } else { (Anchor::Middle, gap * 0.95) };
        let (at, anchor) = if axis == 0 { (0.0, Anchor::Start) } else { (if anchor == Anchor::End { width.pixels() } else { x }, anchor) };
        scene.text((at, size), anchor, size, Role::Ink, text::fit(name, size, room));
        for (place, name) in ticks {
            let y = bottom + place * (top - bottom);
            scene.rule((x - 4.0, y), (x, y), Role::Axis);
            let name = text::fit(name, tick_size, (if axis == 0 { left } else { gap * 0.6 }) - 8.0);
            let at = (x - 7.0 - text::width(&name, tick_size), y + tick_size * 0.35);
            scene.clear_text(at, tick_size, Role::Soft, name);
        }
    }
    scene
}

/// The best last, so that they lie on top.
fn ordered(paths: &[Path], lesser: bool) -> Vec<&Path> {
    let mut ordered: Vec<&Path> = paths.iter().collect();
    ordered.sort_by(|one, other| one.value.total_cmp(&other.value));
    if lesser {
        ordered.reverse();
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Figure, Headings, Width};
    use super::*;

    fn figure(lesser: bool) -> Figure {
        let path = |name: &str, place, value| Path {
            name: name.into(),
            places: vec![place, 1.0],
            settings: vec!["32".into(), "relu".into()],
            value,
        };
        Figure {
            id: "parallel".into(),
            title: "Trials".into(),
            reading: "Small is good.".into(),
            horizontal: Axis::default(),
            vertical: Axis::default(),
            content: Content::Parallel {
                coordinates: vec![
                    Coordinate { name: "units".into(), ticks: vec![(0.0, "16".into()), (1.0, "512".into())] },
                    Coordinate { name: "activation".into(), ticks: vec![(0.0, "tanh".into()), (1.0, "relu".into())] },
                ],
                paths: vec![path("trial 1", 0.0, 0.9), path("trial 2", 1.0, 0.8)],
                value: Axis { label: "accuracy".into(), decimals: 2, ..Axis::default() },
                lesser,
            },
            headings: Headings::default(),
        }
    }

    #[test]
    fn each_thing_is_a_line_through_all_axes_and_the_best_lies_on_top() {
        let page = figure(false).to_page_svg(Width::Wide);
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} in {page}"));
        assert!(place("trial 2: units 32, activation relu; accuracy 0.80") < place("trial 1: units 32"));
        for text in [">16</text>", ">512</text>", ">tanh</text>", ">accuracy</text>", ">0.86</text>"] {
            place(text);
        }
        assert!(page.contains(&format!("figure-level-{}\"", LEVELS - 1)) && page.contains(&format!("figure-level-{PALEST}\"")));
        let lesser = figure(true).to_page_svg(Width::Narrow);
        assert!(lesser.find("trial 1:") < lesser.find("trial 2:"));
    }

    #[test]
    fn its_numbers_stand_in_every_face() {
        let figure = figure(false);
        figure.check().unwrap();
        let table = figure.to_table();
        assert_eq!(table.header, ["item", "units", "activation", "accuracy"]);
        assert_eq!(table.rows[0].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>(), ["trial 1", "32", "relu", "0.90"]);
        assert_eq!(
            figure.to_csv(),
            "item,coordinate,setting,value\r\ntrial 1,units,32,0.9\r\ntrial 1,activation,relu,0.9\r\ntrial 2,units,32,0.8\r\ntrial 2,activation,relu,0.8\r\n"
        );
        let mut uneven = figure;
        if let Content::Parallel { paths, .. } = &mut uneven.content {
            paths[1].places.pop();
        }
        assert!(uneven.check().is_err());
    }
}
