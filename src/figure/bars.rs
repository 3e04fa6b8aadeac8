//! Horizontal bars from 0.

use super::layout::{Sample, Scale, Width, footing, legend, range, tick_decimals};
use super::scene::{Anchor, Mark, Role, Scene};
use super::{Bar, Figure, text};

const THICKNESS: f64 = 13.0;
const ROW: f64 = 22.0;

pub(super) fn scene(figure: &Figure, bars: &[Bar], reach: Option<(f64, f64)>, width: Width) -> Scene {
    let (size, tick_size) = (width.label_size(), width.tick_size());
    let mut scene = Scene { width: width.pixels(), ..Scene::default() };
    let entries = [(Sample::Reference, figure.headings.reference.as_str())];
    let compared = bars.iter().any(|bar| bar.reference.is_some());
    let top = if compared { legend(&mut scene, width, &entries) } else { 4.0 };
    let bottom = top + ROW * bars.len() as f64;

    let gutter = bars.iter().map(|bar| text::width(&bar.label, size)).fold(0.0, f64::max).min(width.pixels() * 0.38).ceil() + 8.0;
    let written = |bar: &Bar| figure.horizontal.format(bar.value);
    let behind = |bar: &Bar| bar.note.as_ref().map_or(0.0, |note| 8.0 + text::width(note, tick_size));
    let beyond = |bar: &Bar| 6.0 + text::width(&written(bar), size) + behind(bar);
    let values = bars.iter().flat_map(|bar| [Some(bar.value), bar.reference]).flatten();
    let (low, high) = range(values.chain(reach.into_iter().flat_map(|(low, high)| [low, high])).chain([0.0]));
    // The numbers stand behind the bars' ends: on the left too where bars grow to the left.
    let before = bars.iter().filter(|bar| bar.value < 0.0).map(beyond).fold(0.0, f64::max);
    let after = bars.iter().filter(|bar| bar.value >= 0.0).map(beyond).fold(0.0, f64::max);
    let x = Scale { low, high, start: gutter + before, end: (width.pixels() - after - 2.0).max(gutter + before + 40.0) };

    let ticks = x.ticks(if width == Width::Wide { 8 } else { 4 });
    let decimals = tick_decimals(&ticks);
    for tick in ticks {
        let at = x.at(tick);
        scene.rule((at, top), (at, bottom), Role::Grid);
        scene.text((at, bottom + 6.0 + tick_size), Anchor::Middle, tick_size, Role::Faint, text::number(tick, decimals));
    }
    for (index, bar) in bars.iter().enumerate() {
        let middle = top + ROW * (index as f64 + 0.5);
        let (zero, end) = (x.at(0.0), x.at(bar.value));
        let baseline = middle + size * 0.35;
        let tooltip = match bar.reference {
            Some(reference) => {
                format!("{}: {} ({} {})", bar.label, written(bar), figure.headings.reference, figure.horizontal.format(reference))
            }
            None => format!("{}: {}", bar.label, written(bar)),
        };
        scene.text((gutter - 8.0, baseline), Anchor::End, size, Role::Ink, text::fit(&bar.label, size, gutter - 8.0));
        scene.marks.push(Mark::Rectangle {
            at: (zero.min(end), middle - THICKNESS / 2.0),
            width: (end - zero).abs(),
            height: THICKNESS,
            role: Role::Series(usize::from(bar.value < 0.0)),
            tooltip: Some(tooltip),
        });
        if let Some(reference) = bar.reference {
            let at = (x.at(reference) - 1.0, middle - THICKNESS / 2.0 - 2.5);
            scene.marks.push(Mark::Rectangle { at, width: 2.0, height: THICKNESS + 5.0, role: Role::Ink, tooltip: None });
        }
        let clear =
            bar.reference.map_or(end, |reference| if bar.value < 0.0 { end.min(x.at(reference)) } else { end.max(x.at(reference)) });
        let value_width = text::width(&written(bar), size);
        let (value_at, note_at) =
            if bar.value < 0.0 { (clear - 6.0 - value_width, clear - beyond(bar)) } else { (clear + 6.0, clear + 14.0 + value_width) };
        scene.clear_text((value_at, baseline), size, Role::Soft, written(bar));
        if let Some(note) = &bar.note {
            scene.clear_text((note_at, baseline), tick_size, Role::Faint, note);
        }
    }
    scene.rule((x.at(0.0), top), (x.at(0.0), bottom), Role::Axis);
    let label = text::fit(&figure.horizontal.heading(), tick_size, width.pixels());
    let at = if text::width(&label, tick_size) > x.end { width.pixels() } else { x.end };
    scene.text((at, bottom + 12.0 + 2.0 * tick_size), Anchor::End, tick_size, Role::Soft, label);
    scene.height = bottom + footing(width);
    scene
}
