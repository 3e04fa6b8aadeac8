//! Lines through points, left to right.

use super::layout::{Sample, Scale, Width, axes, footing, gutter, legend, range};
use super::scene::{Mark, Role, Scene};
use super::{Figure, Line};

/// Beyond so many points on a line, each needs no mark of its own.
const MOST_DOTS: usize = 40;

pub(super) fn scene(figure: &Figure, lines: &[Line], width: Width) -> Scene {
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    let named = lines.iter().enumerate().filter(|(_, line)| !line.name.is_empty());
    let entries: Vec<(Sample, &str)> = named.map(|(series, line)| (Sample::Line(series), line.name.as_str())).collect();
    let top = legend(&mut scene, width, &entries) + 6.0 + 2.0 * width.tick_size();

    let points = || lines.iter().flat_map(|line| &line.points);
    let (left, right) = range(points().map(|point| point.0));
    let (low, high) = range(points().map(|point| point.1));
    let pad = 0.04 * (high - low);
    let height = width.pixels() * if width == Width::Wide { 0.45 } else { 0.7 };
    let y = Scale { low: low - pad, high: high + pad, start: top + height, end: top };
    let x = Scale { low: left, high: right, start: gutter(&y, width), end: width.pixels() - 8.0 };
    scene.height = y.start + footing(width);
    axes(&mut scene, figure, width, &x, &y, true);

    for (series, line) in lines.iter().enumerate() {
        let places: Vec<_> = line.points.iter().map(|&(at, value)| (x.at(at), y.at(value))).collect();
        let role = Role::Series(series);
        scene.marks.push(Mark::Stroke { places: places.clone(), width: 2.0, dash: series, role, tooltip: Some(line.name.clone()) });
        if places.len() > MOST_DOTS {
            continue;
        }
        for (at, &(along, value)) in places.into_iter().zip(&line.points) {
            let (along, value) = (figure.horizontal.format(along), figure.vertical.format(value));
            let tooltip = if line.name.is_empty() { format!("{along}: {value}") } else { format!("{}, {along}: {value}", line.name) };
            scene.marks.push(Mark::Dot { at, radius: 3.0, series, tooltip: Some(tooltip) });
        }
    }
    scene
}
