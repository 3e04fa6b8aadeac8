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
        static FONTS: LazyLock<Arc<usvg::fontdb::Database>> = LazyLock::new(|| {
            let mut fonts = usvg::fontdb::Database::new();
            fonts.load_font_data(text::REGULAR.to_vec());
            fonts.load_font_data(text::SEMI_BOLD.to_vec());
            Arc::new(fonts)
        });
        if !(scale > 0.0 && scale <= MAXIMUM_SCALE) {
            return Err(FigureError::Picture(format!("the scale must be above 0 and at most {MAXIMUM_SCALE}")));
        }
        let failed = |error: &dyn std::fmt::Display| FigureError::Picture(error.to_string());
        let options = usvg::Options { fontdb: Arc::clone(&FONTS), font_family: "Vazirmatn".into(), ..usvg::Options::default() };
        let drawing = self.to_svg(width, theme, direction);
        let tree = usvg::Tree::from_str(&drawing, &options).map_err(|error| failed(&error))?;
        let size = tree.size().to_int_size().scale_by(scale).ok_or_else(|| failed(&"the picture would have no pixels"))?;
        let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| failed(&"the picture would be too large"))?;
        resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
        pixels.encode_png().map_err(|error| failed(&error))
    }
}
