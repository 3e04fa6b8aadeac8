//! From when to when each thing went: bars one below the other along a common axis.

use super::layout::{Sample, Scale, Width, footing, legend};
use super::scene::{Anchor, Mark, Role, Scene};
use super::{Figure, Span, text};

pub(super) fn scene(figure: &Figure, spans: &[Span], width: Width) -> Scene {
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    let (size, tick_size) = (width.label_size(), width.tick_size());
    let mut groups: Vec<&str> = Vec::new();
    for span in spans {
        if !groups.contains(&span.group.as_str()) {
            groups.push(&span.group);
        }
    }
    let entries: Vec<(Sample, &str)> = groups.iter().enumerate().map(|(series, name)| (Sample::Dot(series), *name)).collect();
    let top = legend(&mut scene, width, &entries) + 4.0;
    let row_height = if spans.len() > 40 { 10.0 } else { 18.0 };
    let bottom = top + row_height * spans.len() as f64;
    let names = spans.iter().map(|span| text::width(&span.label, tick_size)).fold(0.0, f64::max);
    let left = names.min(width.pixels() * 0.3).ceil() + 8.0;
    let low = spans.iter().map(|span| span.start).fold(f64::INFINITY, f64::min);
    let high = spans.iter().map(|span| span.end).fold(low + 1e-9, f64::max);
    let x = Scale::over((low, high), false, (left, width.pixels() - 8.0));

    let ticks = x.ticks(if width == Width::Wide { 8 } else { 5 });
    for (&tick, written) in ticks.iter().zip(x.written(&ticks)) {
        scene.rule((x.at(tick), top), (x.at(tick), bottom), Role::Grid);
        scene.text((x.at(tick), bottom + 6.0 + tick_size), Anchor::Middle, tick_size, Role::Faint, written);
    }
    // Rows lower than letters: as many names as have room.
    let every = ((tick_size + 2.0) / row_height).ceil() as usize;
    for (row, span) in spans.iter().enumerate() {
        let y = top + row_height * row as f64;
        if row.is_multiple_of(every) {
            let label = text::fit(&span.label, tick_size, left - 8.0);
            scene.text((left - 8.0, y + row_height / 2.0 + tick_size * 0.35), Anchor::End, tick_size, Role::Ink, label);
        }
        let series = groups.iter().position(|group| *group == span.group).unwrap_or_default();
        let tooltip =
            format!("{}, {}: {} – {}", span.label, span.group, figure.horizontal.format(span.start), figure.horizontal.format(span.end));
        let (at, height) = ((x.at(span.start), y + 2.0), row_height - 4.0);
        // What took no time is seen all the same.
        let wide = (x.at(span.end) - at.0).max(2.0);
        scene.marks.push(Mark::Rectangle { at, width: wide, height, role: Role::Series(series), tooltip: Some(tooltip) });
    }
    scene.rule((left, top), (left, bottom), Role::Axis);
    scene.rule((left, bottom), (x.end, bottom), Role::Axis);
    let label = text::fit(&figure.horizontal.heading(), size, width.pixels());
    scene.text((x.end, bottom + 12.0 + 2.0 * tick_size), Anchor::End, tick_size, Role::Soft, label);
    scene.height = bottom + footing(width);
    scene
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Content, Headings};
    use super::*;

    #[test]
    fn each_span_lies_between_its_ends_in_the_colour_of_its_group() {
        let span = |label: &str, group: &str, start, end| Span { label: label.into(), group: group.into(), start, end };
        let figure = Figure {
            id: "spans".into(),
            title: "When".into(),
            reading: "One after the other.".into(),
            horizontal: Axis { label: "seconds".into(), decimals: 1, ..Axis::default() },
            vertical: Axis::default(),
            content: Content::Spans {
                spans: vec![span("1", "done", 0.0, 5.0), span("2", "pruned", 5.0, 6.0), span("3", "done", 6.0, 6.0)],
            },
            headings: Headings::default(),
        };
        figure.check().unwrap();
        let page = figure.to_page_svg(Width::Wide);
        assert!(page.contains("<title>2, pruned: 5.0 – 6.0</title>"), "{page}");
        assert_eq!(page.matches("<rect").count(), 3);
        assert_eq!(figure.to_csv(), "item,group,start,end\r\n1,done,0,5\r\n2,pruned,5,6\r\n3,done,6,6\r\n");
        assert_eq!(figure.to_table().rows[1].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>(), ["2", "pruned", "5.0", "6.0"]);
        assert!(!figure.to_page_svg(Width::Narrow).contains("NaN"));
    }
}
