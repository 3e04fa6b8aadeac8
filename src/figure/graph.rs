//! Modules and what flows between them: from left to right in rows on a desk, from top to bottom on a telephone.

use serde::Serialize;

use super::layout::{Width, arrow};
use super::scene::{Anchor, Mark, Place, Role, Scene};
use super::table::{Cell, Table};
use super::{Figure, FigureError, text};

/// One module of a drawing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Its name, by which it is told from others.
    pub name: String,
    /// What it does: the first line in its box.
    pub kind: String,
    /// What it gives, such as `28 × 28 × 16`: the second line.
    pub output: String,
    /// Values that it learns.
    pub parameters: u64,
    /// How it is drawn.
    pub form: Form,
    /// The row that it stands in, on a desk.
    pub row: usize,
}

/// How a module is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A box in the chain.
    Box,
    /// A small box on a way around others.
    Aside,
    /// A circle, where two ways meet.
    Sum,
}

/// Room between two boxes, in pixels.
const GAP: f64 = 14.0;
/// Across a circle.
const CIRCLE: f64 = 18.0;
/// From the middle of a row to the ways around its boxes.
const AROUND: f64 = 38.0;
/// Height of a box.
const HEIGHT: f64 = 38.0;
/// From the middle of one row to that of the next.
const PITCH: f64 = HEIGHT + 62.0;
/// Where the first box of a row begins on a desk: what comes from the row above stands before it.
const START: f64 = 22.0;
/// Width of a box on a telephone.
const NARROW_BOX: f64 = 168.0;

/// From places along and across the flow to places on the drawing.
#[derive(Clone, Copy)]
struct Frame {
    is_upright: bool,
}

impl Frame {
    fn at(self, along: f64, across: f64) -> Place {
        if self.is_upright { (across, along) } else { (along, across) }
    }
}

/// Where a module of the chain stands: from where to where along the flow, and its middle across it.
#[derive(Debug, Clone, Copy)]
struct Spot {
    row: usize,
    start: f64,
    end: f64,
    middle: f64,
}

pub(super) fn scene(figure: &Figure, nodes: &[Node], flows: &[(usize, usize)], width: Width) -> Scene {
    let frame = Frame { is_upright: width == Width::Narrow };
    let spots = place(nodes, width);
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    let chain: Vec<usize> = (0..nodes.len()).filter(|&index| spots[index].is_some()).collect();
    for pair in chain.windows(2).filter(|pair| flows.contains(&(pair[0], pair[1]))) {
        if let (Some(from), Some(to)) = (spots[pair[0]], spots[pair[1]]) {
            join(&mut scene, frame, from, to);
        }
    }
    for &(from, to) in flows {
        let follows = chain.windows(2).any(|pair| pair == [from, to]);
        let Some(end) = spots[to].filter(|_| !follows) else { continue };
        // What lies aside is drawn on the way that leads through it.
        let (aside, origin) = match spots[from] {
            Some(_) => (None, Some(from)),
            None => (Some(&nodes[from]), flows.iter().find(|flow| flow.1 == from).map(|flow| flow.0)),
        };
        if let Some(start) = origin.and_then(|origin| spots[origin]) {
            lead_around(&mut scene, frame, (start, end), aside, width);
        }
    }
    for (node, spot) in nodes.iter().zip(&spots) {
        if let Some(spot) = spot {
            draw(&mut scene, figure, frame, node, *spot, width);
        }
    }
    let rows = spots.iter().flatten().map(|spot| spot.row).max().unwrap_or_default() as f64;
    let end = spots.iter().flatten().map(|spot| spot.end).fold(0.0, f64::max);
    scene.height = if frame.is_upright { end + 4.0 } else { AROUND + 12.0 + PITCH * rows + HEIGHT / 2.0 + 6.0 };
    scene
}

/// A spot for each module of the chain; what stands aside has none.
fn place(nodes: &[Node], width: Width) -> Vec<Option<Spot>> {
    let is_upright = width == Width::Narrow;
    let row_of = |node: &Node| if is_upright { 0 } else { node.row };
    let of_row = |row: usize, form: Form| nodes.iter().filter(|node| row_of(node) == row && node.form == form).count() as f64;
    let rows = nodes.iter().map(row_of).max().unwrap_or_default() + 1;
    let room = |row: usize| {
        let (boxes, sums) = (of_row(row, Form::Box), of_row(row, Form::Sum));
        (width.pixels() - START - 4.0 - sums * CIRCLE - (boxes + sums) * GAP) / boxes.max(1.0)
    };
    let length = if is_upright { HEIGHT - 2.0 } else { (0..rows).map(room).fold(96.0, f64::min) };
    let mut ends = vec![if is_upright { 2.0 } else { START }; rows];
    let mut spot = |node: &Node| {
        let (row, own) = (row_of(node), if node.form == Form::Sum { CIRCLE } else { length });
        let start = ends[row];
        ends[row] = start + own + GAP;
        let middle = if is_upright { NARROW_BOX / 2.0 + 2.0 } else { AROUND + 12.0 + PITCH * row as f64 };
        Spot { row, start, end: start + own, middle }
    };
    nodes.iter().map(|node| (node.form != Form::Aside).then(|| spot(node))).collect()
}

/// From one module to the next; where that stands in the next row, around the corner and back to the start of the row.
fn join(scene: &mut Scene, frame: Frame, from: Spot, to: Spot) {
    if from.row == to.row {
        arrow(scene, frame.at(from.end, from.middle), frame.at(to.start, to.middle), 0, None);
        return;
    }
    let (out, back) = (from.end + GAP / 2.0, START - GAP);
    let between = from.middle + HEIGHT / 2.0 + 8.0;
    let corners = [(from.end, from.middle), (out, from.middle), (out, between), (back, between), (back, to.middle)];
    line(scene, frame, &corners);
    arrow(scene, frame.at(back, to.middle), frame.at(to.start, to.middle), 0, None);
}

/// Around what lies between two modules; `aside` stands on the way.
fn lead_around(scene: &mut Scene, frame: Frame, (from, to): (Spot, Spot), aside: Option<&Node>, width: Width) {
    let start = if from.row == to.row { from.end + GAP / 2.0 } else { START - GAP };
    let (end, half) = (f64::midpoint(to.start, to.end), CIRCLE / 2.0);
    let (around, near) =
        if frame.is_upright { (to.middle + NARROW_BOX / 2.0 + 26.0, to.middle + half) } else { (to.middle - AROUND, to.middle - half) };
    line(scene, frame, &[(start, to.middle), (start, around), (end, around)]);
    arrow(scene, frame.at(end, around), frame.at(end, near), 0, None);
    let Some(aside) = aside else { return };
    let size = width.tick_size();
    let (wide, high) = (text::width(&aside.kind, size) + 14.0, size + 9.0);
    let (x, y) = frame.at(f64::midpoint(start, end), around);
    let corner = (x - wide / 2.0, y - high / 2.0);
    boxed(scene, corner, (wide, high), Role::Level(0), told(aside));
    scene.text((x, y + size * 0.35), Anchor::Middle, size, Role::Ink, &aside.kind);
}

fn draw(scene: &mut Scene, figure: &Figure, frame: Frame, node: &Node, spot: Spot, width: Width) {
    let size = width.tick_size();
    let middle = frame.at(f64::midpoint(spot.start, spot.end), spot.middle);
    if node.form == Form::Sum {
        let tooltip = Some(told(node));
        scene.marks.push(Mark::Dot { at: middle, radius: CIRCLE / 2.0, series: 0, tooltip });
        for (x, y) in [(4.0, 0.0), (0.0, 4.0)] {
            let places = vec![(middle.0 - x, middle.1 - y), (middle.0 + x, middle.1 + y)];
            scene.marks.push(Mark::Stroke { places, width: 1.8, dash: 0, role: Role::Level(0), tooltip: None });
        }
        return;
    }
    let (wide, high) = if frame.is_upright { (NARROW_BOX, spot.end - spot.start) } else { (spot.end - spot.start, HEIGHT) };
    // What learns stands out from what does not.
    let role = Role::Level(if node.parameters > 0 { 3 } else { 0 });
    let parameters = format!(", {} {}", text::number(node.parameters as f64, 0), figure.vertical.label);
    boxed(scene, (middle.0 - wide / 2.0, middle.1 - high / 2.0), (wide, high), role, told(node) + &parameters);
    for (down, words, role) in [(-2.5, &node.kind, Role::Ink), (size + 1.5, &node.output, Role::Soft)] {
        let words = text::fit(words, size, wide - 6.0);
        scene.text((middle.0, middle.1 + down), Anchor::Middle, size, role, words);
    }
}

fn told(node: &Node) -> String {
    format!("{}: {}, {}", node.name, node.kind, node.output)
}

fn boxed(scene: &mut Scene, (x, y): Place, (width, height): (f64, f64), role: Role, tooltip: String) {
    scene.marks.push(Mark::Rectangle { at: (x, y), width, height, role, tooltip: Some(tooltip) });
    let places = vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)];
    scene.marks.push(Mark::Stroke { places, width: 1.0, dash: 0, role: Role::Faint, tooltip: None });
}

fn line(scene: &mut Scene, frame: Frame, corners: &[(f64, f64)]) {
    let places = corners.iter().map(|&(along, across)| frame.at(along, across)).collect();
    scene.marks.push(Mark::Stroke { places, width: 1.3, dash: 0, role: Role::Faint, tooltip: None });
}

/// How many modules there are.
pub(super) fn check(nodes: &[Node], flows: &[(usize, usize)]) -> Result<usize, FigureError> {
    match flows.iter().find(|(from, to)| *from.max(to) >= nodes.len()) {
        Some((from, to)) => Err(FigureError::UnknownPoint(format!("module {}", from.max(to)))),
        None => Ok(nodes.len()),
    }
}

/// Names of those that flow into a module.
fn sources(nodes: &[Node], flows: &[(usize, usize)], place: usize) -> String {
    flows.iter().filter(|flow| flow.1 == place).map(|flow| nodes[flow.0].name.as_str()).collect::<Vec<_>>().join(" + ")
}

/// One row for each module.
pub(super) fn table(figure: &Figure, nodes: &[Node], flows: &[(usize, usize)]) -> Table {
    let headings = &figure.headings;
    let header =
        [&headings.item, &headings.group, &figure.horizontal.label, &figure.vertical.label, &headings.note].map(String::clone).into();
    let word = |text: &str| Cell { text: text.to_owned(), number: false };
    let number = |text: String| Cell { text, number: true };
    let row = |(place, node): (usize, &Node)| {
        vec![
            word(&node.name),
            word(&node.kind),
            number(node.output.clone()),
            number(text::number(node.parameters as f64, 0)),
            word(&sources(nodes, flows, place)),
        ]
    };
    Table { header, rows: nodes.iter().enumerate().map(row).collect() }
}

/// The cells of [`table`] as programs read them.
pub(super) fn records(nodes: &[Node], flows: &[(usize, usize)]) -> Vec<[String; 5]> {
    let record = |(place, node): (usize, &Node)| {
        [node.name.clone(), node.kind.clone(), node.output.clone(), node.parameters.to_string(), sources(nodes, flows, place)]
    };
    nodes.iter().enumerate().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Content, Headings};
    use super::*;

    fn node(name: &str, form: Form, row: usize) -> Node {
        let parameters = if form == Form::Sum { 0 } else { 2_304 };
        Node { name: name.into(), kind: "conv 3 × 3".into(), output: "28 × 28 × 16".into(), parameters, form, row }
    }

    /// A block with a plain shortcut, and one with a projection in the next row.
    fn figure() -> Figure {
        let nodes = vec![
            node("stem", Form::Box, 0),
            node("a", Form::Box, 0),
            node("sum 1", Form::Sum, 0),
            node("b", Form::Box, 1),
            node("projection", Form::Aside, 1),
            node("sum 2", Form::Sum, 1),
        ];
        let flows = vec![(0, 1), (1, 2), (0, 2), (2, 3), (3, 5), (2, 4), (4, 5)];
        Figure {
            id: "network".into(),
            title: "A network".into(),
            reading: "Shortcuts lead around the boxes.".into(),
            horizontal: Axis { label: "output".into(), ..Axis::default() },
            vertical: Axis { label: "parameters".into(), ..Axis::default() },
            content: Content::Graph { nodes, flows },
            headings: Headings::default(),
        }
    }

    #[test]
    fn each_module_is_drawn_once_within_the_drawing_and_rows_follow_each_other() {
        let figure = figure();
        figure.check().unwrap();
        let Content::Graph { nodes, .. } = &figure.content else { unreachable!() };
        for width in [Width::Wide, Width::Narrow] {
            let page = figure.to_page_svg(width);
            for name in ["stem", "a", "sum 1", "b", "projection", "sum 2"] {
                assert_eq!(page.matches(&format!("<title>{name}: ")).count(), 1, "{name}");
            }
            // One head for each arrow: four along the chain, two of ways around.
            assert_eq!(page.matches("Z\" class=\"figure-fill figure-faint\"").count(), 6, "{page}");
            let scene = super::super::layout::chart(&figure, width);
            for spot in place(nodes, width).into_iter().flatten() {
                let (length, across) = if width == Width::Wide { (scene.width, scene.height) } else { (scene.height, scene.width) };
                assert!(spot.start >= 0.0 && spot.end <= length && spot.middle + HEIGHT / 2.0 <= across, "{spot:?} in {length} × {across}");
            }
        }
        let wide = place(nodes, Width::Wide);
        assert!(wide[4].is_none() && wide[3].unwrap().middle > wide[0].unwrap().middle && wide[3].unwrap().start <= wide[0].unwrap().start);
        let narrow = place(nodes, Width::Narrow);
        assert!(narrow[3].unwrap().start > narrow[2].unwrap().end, "one below the other");
    }

    #[test]
    fn a_full_row_has_room_for_all_its_boxes() {
        let nodes: Vec<Node> = (0..8).map(|place| node("x", if place % 4 == 3 { Form::Sum } else { Form::Box }, 0)).collect();
        let last = place(&nodes, Width::Wide).last().unwrap().unwrap();
        assert!(last.end <= Width::Wide.pixels(), "{last:?}");
    }

    #[test]
    fn its_numbers_say_what_flows_where() {
        let figure = figure();
        let csv = figure.to_csv();
        assert!(csv.starts_with("module,kind,output,parameters,from\r\nstem,conv 3 × 3,28 × 28 × 16,2304,\r\n"), "{csv}");
        assert!(csv.ends_with("sum 2,conv 3 × 3,28 × 28 × 16,0,b + projection\r\n"), "{csv}");
        let table = figure.to_table();
        assert_eq!((table.header.len(), table.rows.len(), table.rows[2][4].text.as_str()), (5, 6, "a + stem"));
        let mut stray = figure;
        let Content::Graph { flows, .. } = &mut stray.content else { unreachable!() };
        flows.push((1, 9));
        assert_eq!(stray.check(), Err(FigureError::UnknownPoint("module 9".into())));
    }
}
