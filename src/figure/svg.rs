//! A scene as SVG: with classes for the page, or with colours for a file.

use std::fmt::Write;

use super::scene::{Anchor, Mark, Place, Role, Scene, Text, shape};
use super::text::runs_left;
use super::theme::{CLASSES, FIRST_HIGH_LEVEL, Palette, SERIES};

/// Dashes by their number.
const DASHES: [&str; 4] = ["", "6 3", "2 3", "8 3 2 3"];

/// Where colours come from.
#[derive(Clone, Copy)]
pub(super) enum Paint {
    /// The page's style sheet: marks carry classes only.
    Page,
    /// The file itself.
    File(&'static Palette),
}

/// Writes `scene`; `id` makes the names of its parts unique on the page.
pub(super) fn write(scene: &Scene, paint: Paint, id: &str, title: &str, reading: &str) -> String {
    let (width, height) = (scene.width.ceil(), scene.height.ceil());
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="{id}-title {id}-desc" direction="ltr""#
    );
    match paint {
        Paint::Page => out.push_str(r#" class="figure-drawing">"#),
        Paint::File(_) => out.push_str(r#" font-family="Vazirmatn, 'Source Sans 3', system-ui, sans-serif">"#),
    }
    let _ = write!(out, r#"<title id="{id}-title">{}</title><desc id="{id}-desc">{}</desc>"#, escape(title), escape(reading));
    if let Paint::File(palette) = paint {
        let _ = write!(out, r#"<rect width="{width}" height="{height}" fill="{}"/>"#, palette.paper);
    }
    for mark in &scene.marks {
        paint.mark(&mut out, mark);
        out.push('\n');
    }
    out.push_str("</svg>");
    out
}

impl Paint {
    fn mark(self, out: &mut String, mark: &Mark) {
        match mark {
            Mark::Stroke { places, width, dash, role, tooltip } => {
                let _ = write!(out, r#"<path d="{}" fill="none" stroke-width="{width}""#, path(places, false));
                if !dash.is_multiple_of(DASHES.len()) {
                    let _ = write!(out, r#" stroke-dasharray="{}""#, DASHES[dash % DASHES.len()]);
                }
                self.colour(out, *role, "stroke");
                close(out, "path", tooltip.as_deref());
            }
            Mark::Area { places, role } => {
                let _ = write!(out, r#"<path d="{}""#, path(places, true));
                self.colour(out, *role, "fill");
                close(out, "path", None);
            }
            Mark::Dot { at, radius, series, tooltip } => {
                let element = if let Some(corners) = shape(*series, *at, *radius) {
                    let _ = write!(out, r#"<path d="{}""#, path(&corners, true));
                    "path"
                } else {
                    let _ = write!(out, r#"<circle cx="{:.1}" cy="{:.1}" r="{radius}""#, at.0, at.1);
                    "circle"
                };
                self.colour(out, Role::Series(*series), "fill");
                close(out, element, tooltip.as_deref());
            }
            Mark::Speck { at, radius, class } => {
                let _ = write!(out, r#"<circle cx="{:.1}" cy="{:.1}" r="{radius}""#, at.0, at.1);
                self.colour(out, Role::Class(*class), "fill");
                close(out, "circle", None);
            }
            Mark::Rectangle { at, width, height, role, tooltip } => {
                let _ = write!(out, r#"<rect x="{:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}""#, at.0, at.1);
                self.colour(out, *role, "fill");
                close(out, "rect", tooltip.as_deref());
            }
            Mark::Text(text) => self.text(out, text),
        }
    }

    fn text(self, out: &mut String, text: &Text) {
        let _ = write!(out, r#"<text x="{:.1}" y="{:.1}" font-size="{:.2}""#, text.at.0, text.at.1, text.size);
        match text.anchor {
            Anchor::Start => {}
            Anchor::Middle => out.push_str(r#" text-anchor="middle""#),
            Anchor::End => out.push_str(r#" text-anchor="end""#),
        }
        if text.bold {
            out.push_str(r#" font-weight="600""#);
        }
        if text.halo {
            out.push_str(r#" paint-order="stroke" stroke-width="3" stroke-linejoin="round""#);
        }
        if let (true, Self::File(palette)) = (text.halo, self) {
            let _ = write!(out, r#" stroke="{}""#, palette.paper);
        }
        if text.turned {
            let _ = write!(out, r#" transform="rotate(-90 {:.1} {:.1})""#, text.at.0, text.at.1);
        }
        self.colour(out, text.role, if text.halo { "label" } else { "fill" });
        // The drawing runs from left to right; a text that does not keeps its own order inside an isolate.
        let (open, shut) = if runs_left(&text.text) { ("\u{2067}", "\u{2069}") } else { ("", "") };
        let _ = write!(out, ">{open}{}{shut}</text>", escape(&text.text));
    }

    /// Colours the mark: `attribute` is `fill`, `stroke`, or `label` for text surrounded by paper.
    fn colour(self, out: &mut String, role: Role, attribute: &str) {
        let _ = match self {
            Self::Page => match role {
                Role::Series(series) => write!(out, r#" class="figure-{attribute} figure-series-{}""#, series % SERIES + 1),
                Role::Class(class) => write!(out, r#" class="figure-{attribute} figure-class-{}""#, class % CLASSES),
                Role::Band(series) => write!(out, r#" class="figure-band figure-series-{}""#, series % SERIES + 1),
                Role::Level(level) if attribute == "stroke" => write!(out, r#" class="figure-stroke figure-level-{level}""#),
                Role::Level(level) => write!(out, r#" class="figure-cell figure-level-{level}""#),
                Role::OnLevel(level) if level < FIRST_HIGH_LEVEL => write!(out, r#" class="figure-{attribute} figure-on-low""#),
                Role::OnLevel(_) => write!(out, r#" class="figure-{attribute} figure-on-high""#),
                Role::Ink => write!(out, r#" class="figure-{attribute} figure-ink""#),
                Role::Soft => write!(out, r#" class="figure-{attribute} figure-soft""#),
                Role::Faint => write!(out, r#" class="figure-{attribute} figure-faint""#),
                Role::Grid => write!(out, r#" class="figure-{attribute} figure-grid""#),
                Role::Axis => write!(out, r#" class="figure-{attribute} figure-axis""#),
            },
            Self::File(palette) => {
                let colour = match role {
                    Role::Series(series) | Role::Band(series) => palette.series[series % SERIES].to_owned(),
                    Role::Class(class) => palette.classes[class % CLASSES].to_owned(),
                    Role::Level(level) => palette.level(level),
                    Role::OnLevel(level) => palette.on_level(level).to_owned(),
                    Role::Ink => palette.ink.to_owned(),
                    Role::Soft => palette.ink_soft.to_owned(),
                    Role::Faint => palette.ink_faint.to_owned(),
                    Role::Grid => palette.line.to_owned(),
                    Role::Axis => palette.line_strong.to_owned(),
                };
                let thin = if matches!(role, Role::Band(_)) { r#" fill-opacity=".18""# } else { "" };
                write!(out, r#"{thin} {}="{colour}""#, if attribute == "stroke" { "stroke" } else { "fill" })
            }
        };
    }
}

fn close(out: &mut String, element: &str, tooltip: Option<&str>) {
    let _ = match tooltip {
        Some(tooltip) => write!(out, "><title>{}</title></{element}>", escape(tooltip)),
        None => write!(out, "/>"),
    };
}

fn path(places: &[Place], closed: bool) -> String {
    let mut data = String::new();
    for (index, (x, y)) in places.iter().enumerate() {
        let _ = write!(data, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
    }
    if closed {
        data.push('Z');
    }
    data
}

/// Text as XML has it. Letters that XML forbids become the replacement character.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a<b>&\"c\u{1}\n"), "a&lt;b&gt;&amp;&quot;c\u{fffd} ");
    }
}
