//! The drawn faces: in the page, SVG file, PNG.

use std::sync::{Arc, LazyLock};

use resvg::{tiny_skia, usvg};

use super::layout::{chart, sheet};
use super::svg::{self, Paint};
use super::{Direction, Figure, FigureError, Theme, Width, text};

/// The largest factor by which a PNG may be finer than the drawing's pixels.
pub const MAXIMUM_SCALE: f32 = 4.0;

impl Figure {
    /// The chart as SVG for a page: no title (the page's frame has it), colours from [`super::STYLESHEET`] only.
    ///
    /// A page holds one for each [`Width`]; the style sheet shows the one that fits (classes `figure-wide`, `figure-narrow` on what
    /// holds them).
    #[must_use]
    pub fn to_page_svg(&self, width: Width) -> String {
        let id = format!("{}-{}", self.id, if width == Width::Wide { "wide" } else { "narrow" });
        svg::write(&chart(self, width), Paint::Page, &id, &self.title, &self.reading)
    }

    /// The chart under its title and reading as an SVG file with its own colours.
    #[must_use]
    pub fn to_svg(&self, width: Width, theme: Theme, direction: Direction) -> String {
        svg::write(&sheet(self, width, direction), Paint::File(theme.palette()), &self.id, &self.title, &self.reading)
    }

    /// [`Self::to_svg`] as PNG, `scale` pixels for each of the drawing's (up to 4; 2 is what print and fine screens want).
    ///
    /// # Errors
    /// [`FigureError::Picture`] for a scale that is not above 0 and at most 4.
    pub fn to_png(&self, width: Width, theme: Theme, direction: Direction, scale: f32) -> Result<Vec<u8>, FigureError> {
        if !(scale > 0.0 && scale <= MAXIMUM_SCALE) {
            return Err(FigureError::Picture(format!("the scale must be above 0 and at most {MAXIMUM_SCALE}")));
        }
        pixels_of(&self.to_svg(width, theme, direction), scale)?.encode_png().map_err(|error| failed(&error))
    }
}

/// A drawing as pixels, with the fonts that figures are written in.
pub(super) fn pixels_of(drawing: &str, scale: f32) -> Result<tiny_skia::Pixmap, FigureError> {
    static FONTS: LazyLock<Arc<usvg::fontdb::Database>> = LazyLock::new(|| {
        let mut fonts = usvg::fontdb::Database::new();
        fonts.load_font_data(text::REGULAR.to_vec());
        fonts.load_font_data(text::SEMI_BOLD.to_vec());
        Arc::new(fonts)
    });
    let options = usvg::Options { fontdb: Arc::clone(&FONTS), font_family: "Vazirmatn".into(), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(drawing, &options).map_err(|error| failed(&error))?;
    let size = tree.size().to_int_size().scale_by(scale).ok_or_else(|| failed(&"the picture would have no pixels"))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| failed(&"the picture would be too large"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
    Ok(pixels)
}

pub(super) fn failed(error: &dyn std::fmt::Display) -> FigureError {
    FigureError::Picture(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{Arrow, Axis, Bar, Content, Group, Headings, Line, Point};
    use super::*;

    fn figure(content: Content) -> Figure {
        Figure {
            id: "sample".into(),
            title: "Words & <their> places".into(),
            reading: "Read it from left to right.".into(),
            horizontal: Axis { label: "one".into(), unit: Some("m".into()), decimals: 2, ..Axis::default() },
            vertical: Axis { label: "two".into(), unit: None, decimals: 1, ..Axis::default() },
            content,
            headings: Headings::default(),
        }
    }

    fn map() -> Figure {
        let point = |label: &str, x: f64, y: f64| Point { label: label.into(), x, y };
        figure(Content::Points {
            groups: vec![
                Group { name: "men".into(), points: vec![point("king", 0.125, 1.0), point("man, \"the\"", -3.0, 2.5)] },
                Group { name: "زنان".into(), points: vec![point("ملکه", 2.0, -1.0)] },
            ],
            arrows: vec![Arrow { from: "king".into(), to: "ملکه".into(), relation: Some("to woman".into()) }],
        })
    }

    fn bars() -> Figure {
        let bar = |label: &str, value, reference| Bar { label: label.into(), value, reference, ..Bar::default() };
        figure(Content::Bars { bars: vec![bar("up", 0.5, Some(0.25)), bar("down", -0.123_456, None)], range: None })
    }

    fn lines() -> Figure {
        figure(Content::Lines {
            lines: vec![Line { name: "loss".into(), points: vec![(1.0, 0.5), (2.0, 0.25)], ..Line::default() }],
            references: vec![],
        })
    }

    fn matrix() -> Figure {
        figure(Content::Matrix {
            rows: vec!["کیف".into(), "bag".into()],
            columns: vec!["a, b".into(), "c".into()],
            values: vec![vec![Some(1.5), None], vec![Some(-2.0), Some(0.25)]],
            value: Axis { label: "share".into(), decimals: 2, ..Axis::default() },
            range: None,
            marked: vec![(1, 1)],
        })
    }

    #[test]
    fn every_svg_is_well_formed_and_names_itself() {
        for figure in [map(), bars(), lines(), matrix()] {
            figure.check().unwrap();
            for width in [Width::Wide, Width::Narrow] {
                let page = figure.to_page_svg(width);
                for drawing in [&page, &figure.to_svg(width, Theme::Dark, Direction::RightToLeft)] {
                    let document = usvg::roxmltree::Document::parse(drawing).unwrap();
                    let child = |name: &str| document.root_element().children().find(|node| node.has_tag_name(name)).unwrap();
                    assert_eq!(child("title").text(), Some("Words & <their> places"));
                    assert_eq!(child("desc").text(), Some("Read it from left to right."));
                    assert_eq!(document.root_element().attribute("role"), Some("img"));
                    assert!(!drawing.contains("NaN") && !drawing.contains("inf"), "{drawing}");
                }
                // A page under a strict policy: no style but the style sheet's, and no colour of its own.
                assert!(!page.contains("style") && !page.contains('#'), "{page}");
            }
        }
    }

    #[test]
    fn every_class_of_the_page_stands_in_the_style_sheet() {
        for figure in [map(), bars(), lines(), matrix()] {
            let page = figure.to_page_svg(Width::Wide);
            for class in page.split("class=\"").skip(1).flat_map(|rest| rest.split('"').next().unwrap().split(' ')) {
                assert!(super::super::STYLESHEET.contains(&format!(".{class} ")), "{class}");
            }
        }
    }

    #[test]
    fn points_carry_their_numbers_and_arrows_their_heads() {
        let page = map().to_page_svg(Width::Wide);
        assert!(page.contains("<title>king: 0.13, 1.0</title>") || page.contains("<title>king: 0.12, 1.0</title>"), "{page}");
        assert!(page.contains("<title>king → ملکه</title>"));
        // One circle for each point of the first group and its sample; the second group has another shape.
        assert_eq!(page.matches("<circle").count(), 3);
        assert!(page.contains(">\u{2067}ملکه\u{2069}</text>"));
    }

    #[test]
    fn png_has_the_size_asked_for_and_every_theme_its_paper() {
        let figure = bars();
        let pixels = |theme, scale| {
            let png = figure.to_png(Width::Narrow, theme, Direction::LeftToRight, scale).unwrap();
            tiny_skia::Pixmap::decode_png(&png).unwrap()
        };
        let (light, dark) = (pixels(Theme::Light, 1.0), pixels(Theme::Dark, 2.0));
        assert_eq!(light.width() * 2, dark.width());
        assert_eq!(light.width(), 392);
        let corner = |picture: &tiny_skia::Pixmap| picture.pixel(0, 0).unwrap().red();
        assert_eq!((corner(&light), corner(&dark)), (0xff, 0x15));
        for scale in [0.0, -1.0, 5.0, f32::NAN] {
            assert!(figure.to_png(Width::Wide, Theme::Light, Direction::LeftToRight, scale).is_err());
        }
    }

    /// Letters are drawn as shapes of the embedded face: a text adds ink where none would be.
    #[test]
    fn persian_is_drawn_in_png() {
        let ink = |label: &str| {
            let figure = figure(Content::Bars { bars: vec![Bar { label: label.into(), value: 1.0, ..Bar::default() }], range: None });
            let png = figure.to_png(Width::Narrow, Theme::Light, Direction::RightToLeft, 2.0).unwrap();
            let picture = tiny_skia::Pixmap::decode_png(&png).unwrap();
            picture.pixels().iter().filter(|pixel| pixel.red() < 0x60 && pixel.blue() < 0x60).count()
        };
        assert!(ink("سلام") > ink("\u{200c}") + 50, "{} {}", ink("سلام"), ink("\u{200c}"));
    }

    #[test]
    fn every_face_has_the_same_numbers() {
        assert_eq!(bars().to_csv(), "group,label,value,reference,note\r\n,up,0.5,0.25,\r\n,down,-0.123456,,\r\n");
        assert_eq!(lines().to_csv(), "series,x,y\r\nloss,1,0.5\r\nloss,2,0.25\r\n");
        assert!(map().to_csv().contains("men,\"man, \"\"the\"\"\",-3,2.5\r\n"));
        let json: serde_json::Value = serde_json::from_str(&map().to_json().unwrap()).unwrap();
        assert_eq!(json["content"]["kind"], "points");
        assert_eq!(json["content"]["groups"][0]["points"][0]["x"], 0.125);
        let table = bars().to_table();
        assert_eq!(table.header, ["two", "one (m)", "reference"]);
        let texts = |row: usize| table.rows[row].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>();
        assert_eq!(texts(0), ["up", "0.50", "0.25"]);
        assert_eq!(texts(1), ["down", "\u{2212}0.12", ""]);
        assert!(table.rows[0][1].number && !table.rows[0][0].number);
        assert_eq!(map().to_table().rows.len(), 3);
        assert_eq!(matrix().to_csv(), "row,column,value\r\nکیف,\"a, b\",1.5\r\nکیف,c,\r\nbag,\"a, b\",-2\r\nbag,c,0.25\r\n");
        let table = matrix().to_table();
        assert_eq!(table.header, ["two", "one a, b", "one c"]);
        assert_eq!(table.rows[0].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>(), ["کیف", "1.50", ""]);
        let json: serde_json::Value = serde_json::from_str(&matrix().to_json().unwrap()).unwrap();
        assert_eq!((&json["content"]["kind"], &json["content"]["values"][0][1]), (&"matrix".into(), &serde_json::Value::Null));
    }

    #[test]
    fn one_point_and_equal_values_can_be_drawn() {
        let one = figure(Content::Points {
            groups: vec![Group { name: String::new(), points: vec![Point { label: "alone".into(), x: 5.0, y: 5.0 }] }],
            arrows: vec![],
        });
        let flat =
            figure(Content::Lines { lines: vec![Line { points: vec![(0.0, 1e9), (1.0, 1e9)], ..Line::default() }], references: vec![] });
        let zero = figure(Content::Bars { bars: vec![Bar { label: "nothing".into(), ..Bar::default() }], range: None });
        for figure in [one, flat, zero] {
            figure.check().unwrap();
            assert!(!figure.to_page_svg(Width::Narrow).contains("NaN"));
        }
    }

    #[test]
    fn figures_that_cannot_be_drawn_say_why() {
        assert_eq!(figure(Content::Lines { lines: vec![], references: vec![] }).check(), Err(FigureError::Empty));
        let mut uneven = matrix();
        if let Content::Matrix { values, .. } = &mut uneven.content {
            values[1].pop();
        }
        assert_eq!(uneven.check(), Err(FigureError::Uneven { place: "bag".into(), expected: 2, found: 1 }));
        let bar = Bar { label: "b".into(), value: f64::NAN, ..Bar::default() };
        assert_eq!(figure(Content::Bars { bars: vec![bar], range: None }).check(), Err(FigureError::NotFinite("b".into())));
        let mut stray = map();
        if let Content::Points { arrows, .. } = &mut stray.content {
            arrows[0].to = "nobody".into();
        }
        assert_eq!(stray.check(), Err(FigureError::UnknownPoint("nobody".into())));
    }
}
