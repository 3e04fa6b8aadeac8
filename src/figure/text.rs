//! The figure's typeface: how wide a text is, where its lines break, how numbers are written.

use std::sync::LazyLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// Vazirmatn: one face for Latin and Persian. SIL Open Font License 1.1.
pub(super) const REGULAR: &[u8] = include_bytes!("../../node_modules/vazirmatn/fonts/ttf/Vazirmatn-Regular.ttf");
/// Its heavier cut, for titles.
pub(super) const SEMI_BOLD: &[u8] = include_bytes!("../../node_modules/vazirmatn/fonts/ttf/Vazirmatn-SemiBold.ttf");

/// Width of `text` in pixels at a size of `size` pixels. Of joined scripts it is the letters' unjoined width, which is no less.
pub(super) fn width(text: &str, size: f64) -> f64 {
    /// Advance of each letter of the Basic Multilingual Plane that the face has, in thousandths of its size.
    static ADVANCES: LazyLock<Vec<u16>> = LazyLock::new(|| {
        let font = FontRef::new(REGULAR).expect("the embedded face is whole");
        let (glyphs, metrics) = (font.charmap(), font.glyph_metrics(Size::new(1000.0), LocationRef::default()));
        let advance = |code: u32| metrics.advance_width(glyphs.map(code)?);
        (0..0x1_0000).map(|code| advance(code).map_or(0, |width| width.round() as u16)).collect()
    });
    let advance = |letter: char| match ADVANCES.get(letter as usize) {
        Some(&known) if known > 0 => f64::from(known),
        _ if is_mark(letter) => 0.0,
        _ => 1_000.0, // from some other face; as wide as an ideograph
    };
    text.chars().map(advance).sum::<f64>() * size / 1_000.0
}

/// Letters that take no room of their own: joiners, direction marks, combining accents and vowel signs.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{0300}'..='\u{036f}' | '\u{064b}'..='\u{065f}')
}

/// Whether the first letter that has a direction runs from right to left.
pub(super) fn runs_left(text: &str) -> bool {
    let right = |letter: char| matches!(letter, '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    text.chars().find(|letter| letter.is_alphabetic()).is_some_and(right)
}

/// `text` broken between words into lines of at most `room` pixels.
pub(super) fn lines(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text` cut to at most `room` pixels, with an ellipsis where something is missing.
pub(super) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        kept.push(letter);
        if width(&kept, size) + width("…", size) > room {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

/// `value` with so many decimals, a true minus sign, and none on zero.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let written = format!("{value:.decimals$}");
    match written.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|digit| matches!(digit, b'0' | b'.')) => rest.to_owned(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => written,
    }
}

/// `value` with no more decimals than it has, and a true minus sign.
pub(super) fn shortest(value: f64) -> String {
    value.to_string().replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_texts_are_wider() {
        assert!(width("mmmm", 12.0) > width("iiii", 12.0));
        assert!((width("king", 24.0) - 2.0 * width("king", 12.0)).abs() < 1e-9);
        assert!(width("سلام", 12.0) > 12.0);
        assert_eq!(width("\u{200c}", 12.0), 0.0);
        assert_eq!(width("", 12.0), 0.0);
    }

    #[test]
    fn texts_break_between_words_and_are_cut_within_their_room() {
        let broken = lines("the quick brown fox jumps", 12.0, 80.0);
        assert!(broken.len() > 1 && broken.iter().all(|line| width(line, 12.0) <= 80.0), "{broken:?}");
        assert_eq!(broken.join(" "), "the quick brown fox jumps");
        let cut = fit("gram6-nationality-adjective", 12.0, 80.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 80.0);
        assert_eq!(fit("king", 12.0, 80.0), "king");
    }

    #[test]
    fn numbers_have_a_true_minus_and_no_negative_zero() {
        assert_eq!(number(-0.25, 2), "\u{2212}0.25");
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(number(12.0, 0), "12");
    }

    #[test]
    fn direction_comes_from_the_first_letter() {
        assert!(runs_left("۱۲ واژه") && runs_left("نقشه PCA") && !runs_left("PCA نقشه") && !runs_left("12"));
    }
}
