//! Colours of figures that leave the page. In the page the style sheet has the same ones, as tokens.

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Ink on paper.
    #[default]
    Light,
    /// Chalk on slate.
    Dark,
}

/// Which way the reader's language runs. Charts themselves always run from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// English and its like.
    #[default]
    LeftToRight,
    /// Persian and its like: title and reading stand on the right.
    RightToLeft,
}

/// How many series have a colour of their own; the next ones begin again.
pub(super) const SERIES: usize = 8;

/// How many classes have a colour of their own; the next ones begin again.
pub(super) const CLASSES: usize = 10;

/// Steps of the sequential scale, the ends counted.
pub const LEVELS: usize = 25;
/// From this step on, what is written on the scale has the other colour: in both themes black or white stands out from every step.
pub const FIRST_HIGH_LEVEL: usize = 16;

/// One theme's colours.
pub(super) struct Palette {
    pub paper: &'static str,
    pub ink: &'static str,
    pub ink_soft: &'static str,
    pub ink_faint: &'static str,
    pub line: &'static str,
    pub line_strong: &'static str,
    pub series: [&'static str; SERIES],
    /// Of points told by colour alone. Found by a search for the ten colours whose least distance (Ottosson's Oklab) is greatest as they are seen
    /// with all cones, and without those for long or for medium waves (Machado, Oliveira and Fernandes 2009), none paler than 3:1 on paper.
    pub classes: [&'static str; CLASSES],
    /// Where the sequential scale ends; it begins at the paper.
    pub level: &'static str,
    /// What is written on the scale's lower and on its upper steps.
    pub on_level: [&'static str; 2],
}

impl Palette {
    /// A step of the sequential scale, mixed as the style sheet's `color-mix(in srgb, …)` mixes it.
    pub(super) fn level(&self, level: usize) -> String {
        let share = level as f64 / (LEVELS - 1) as f64;
        let channel = |colour: &str, at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("colours are hexadecimal"));
        let mixed = |at| {
            let (from, to) = (channel(self.paper, at), channel(self.level, at));
            format!("{:02x}", (from + (to - from) * share).round() as u8)
        };
        format!("#{}{}{}", mixed(1), mixed(3), mixed(5))
    }

    /// What is written on a step of the scale.
    pub(super) fn on_level(&self, level: usize) -> &'static str {
        self.on_level[usize::from(level >= FIRST_HIGH_LEVEL)]
    }
}

impl Theme {
    /// Okabe and Ito's colour-blind-safe series, adjusted to at least 3:1 against the paper (WCAG 2.2, 1.4.11).
    pub(super) fn palette(self) -> &'static Palette {
        match self {
            Self::Light => &Palette {
                paper: "#ffffff",
                ink: "#1d1f21",
                ink_soft: "#55585c",
                ink_faint: "#6b6e72",
                line: "#deded7",
                line_strong: "#b9b9b0",
                series: ["#0072b2", "#c2570c", "#00805f", "#b0548a", "#7a6a00", "#3f7fa6", "#8a4b2a", "#5d5d5d"],
                classes: ["#3092e5", "#c53500", "#007a56", "#ba8900", "#684fce", "#543700", "#4fa487", "#0a2093", "#5a1150", "#38557e"],
                level: "#00355a",
                on_level: ["#000000", "#ffffff"],
            },
            Self::Dark => &Palette {
                paper: "#15171a",
                ink: "#e6e6e3",
                ink_soft: "#b3b6ba",
                ink_faint: "#979ba0",
                line: "#30343a",
                line_strong: "#555b63",
                series: ["#56b4e9", "#e69f00", "#2fbf94", "#d98bb8", "#d9cf4a", "#8fc1e0", "#d08a63", "#a9a9a9"],
                classes: ["#3ea8ff", "#aa4b28", "#20d2ae", "#dfe066", "#5e60c5", "#a08c03", "#297776", "#b4d2ff", "#e9a554", "#9e89a9"],
                level: "#56b4e9",
                on_level: ["#ffffff", "#000000"],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.2, relative luminance.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_and_series_stand_out_from_the_paper() {
        for theme in [Theme::Light, Theme::Dark] {
            let palette = theme.palette();
            for text in [palette.ink, palette.ink_soft, palette.ink_faint] {
                assert!(contrast(text, palette.paper) >= 4.5, "{text} on {}", palette.paper);
            }
            for level in 0..LEVELS {
                let (step, written) = (palette.level(level), palette.on_level(level));
                assert!(contrast(written, &step) >= 4.5, "{written} on {step}, step {level}: {}", contrast(written, &step));
            }
            for series in palette.series.into_iter().chain(palette.classes) {
                assert!(contrast(series, palette.paper) >= 3.0, "{series} on {}", palette.paper);
            }
        }
    }
}
