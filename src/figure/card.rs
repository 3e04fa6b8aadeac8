//! The picture that stands for a page where somebody tells of it: its title, what it is about, and its first figure.

use std::fmt::Write as _;

use resvg::tiny_skia::{FilterQuality, Pixmap, PixmapPaint, Transform};

use super::{
    Direction, FigureError, Theme,
    faces::{failed, pixels_of},
    svg::escape,
    text,
};

/// Pixels, as what shows such pictures asks for (the Open Graph protocol).
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 630.0;
const MARGIN: f64 = 56.0;
/// Between text and figure.
const GAP: f64 = 40.0;

/// The card as PNG, 1200 x 630. `picture`: a PNG of the figure, scaled down to fit.
///
/// # Errors
/// [`FigureError::Picture`] when `picture` is none.
pub fn card(title: &str, about: &str, direction: Direction, picture: Option<&[u8]>) -> Result<Vec<u8>, FigureError> {
    let room = if picture.is_some() { 440.0 } else { WIDTH - 2.0 * MARGIN };
    let mut pixels = pixels_of(&drawing(title, about, direction, room), 1.0)?;
    if let Some(picture) = picture {
        let picture = Pixmap::decode_png(picture).map_err(|error| failed(&error))?;
        let (width, height) = (WIDTH - 2.0 * MARGIN - room - GAP, HEIGHT - 2.0 * MARGIN);
        let scale = (width / f64::from(picture.width())).min(height / f64::from(picture.height()));
        let left = match direction {
            Direction::LeftToRight => MARGIN + room + GAP,
            Direction::RightToLeft => MARGIN,
        };
        let top = (HEIGHT - scale * f64::from(picture.height())) / 2.0;
        let place = Transform::from_row(scale as f32, 0.0, 0.0, scale as f32, left as f32, top as f32);
        let paint = PixmapPaint { quality: FilterQuality::Bicubic, ..PixmapPaint::default() };
        pixels.draw_pixmap(0, 0, picture.as_ref(), &paint, place, None);
    }
    pixels.encode_png().map_err(|error| failed(&error))
}

fn drawing(title: &str, about: &str, direction: Direction, room: f64) -> String {
    let palette = Theme::Light.palette();
    let (x, anchor) = match direction {
        Direction::LeftToRight => (MARGIN, "start"),
        Direction::RightToLeft => (WIDTH - MARGIN, "end"),
    };
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="Vazirmatn"><rect width="{WIDTH}" height="{HEIGHT}" fill="{}"/><rect width="{WIDTH}" height="10" fill="{}"/>"#,
        palette.paper, palette.series[0]
    );
    let mut y = MARGIN + 40.0;
    let mut write = |line: &str, size: f64, weight: u32, colour: &str, y: f64| {
        // Isolated, so that each line runs as its own letters do.
        let _ = write!(
            out,
            r#"<text x="{x}" y="{y:.0}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}">&#x2068;{}&#x2069;</text>"#,
            escape(line)
        );
    };
    write("Torchboard", 24.0, 600, palette.series[0], y);
    y += 24.0;
    for line in shortened(title, 44.0, room, 4) {
        y += 56.0;
        write(&line, 44.0, 600, palette.ink, y);
    }
    y += 16.0;
    for line in shortened(about, 24.0, room, 6) {
        y += 36.0;
        if y < HEIGHT - MARGIN / 2.0 {
            write(&line, 24.0, 400, palette.ink_soft, y);
        }
    }
    out.push_str("</svg>");
    out
}

/// At most so many lines; the last one says by an ellipsis that there was more.
fn shortened(words: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = text::lines(words, size, room).into_iter().map(|line| text::fit(&line, size, room)).collect();
    if lines.len() > most {
        lines.truncate(most);
        lines[most - 1].push('…');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_its_size_its_text_and_its_figure() {
        let mut blue = Pixmap::new(400, 400).unwrap();
        blue.fill(resvg::tiny_skia::Color::from_rgba8(0, 0, 255, 255));
        let picture = blue.encode_png().unwrap();
        for (direction, within, beyond) in [(Direction::LeftToRight, 900, 300), (Direction::RightToLeft, 300, 900)] {
            let card = Pixmap::decode_png(&card("A <run> & more", "What it says.", direction, Some(&picture)).unwrap()).unwrap();
            assert_eq!((card.width(), card.height()), (1200, 630));
            let blue = |x, y| card.pixel(x, y).is_some_and(|pixel| pixel.blue() > 250 && pixel.red() < 5);
            assert!(blue(within, 315) && !blue(beyond, 315), "{direction:?}");
        }
        assert!(card("x", "y", Direction::LeftToRight, Some(b"no png")).is_err());
    }

    #[test]
    fn long_titles_are_cut_and_say_so() {
        let long = "word ".repeat(200);
        let lines = shortened(&long, 44.0, 440.0, 4);
        assert!(lines.len() == 4 && lines[3].ends_with('…'));
        let drawing = drawing(&long, &long, Direction::LeftToRight, 440.0);
        assert!(drawing.split(" y=\"").skip(1).all(|rest| rest.split('"').next().unwrap().parse::<f64>().unwrap() < HEIGHT), "{drawing}");
    }
}
