//! Two languages, and how a reader's is found.

use std::{borrow::Cow, collections::HashMap};

use axum::http::{HeaderMap, header};
use fluent_templates::{LanguageIdentifier, Loader as _, fluent_bundle::FluentValue, langid, static_loader};

static_loader! {
    static TEXTS = {
        locales: "./locales",
        fallback_language: "en",
        // Isolation marks keep an English word in its place inside a Persian sentence; English needs none.
        customise: |bundle| bundle.set_use_isolating(bundle.locales.first().is_some_and(|locale| locale.language == "fa")),
    };
}

static ENGLISH: LanguageIdentifier = langid!("en");
static PERSIAN: LanguageIdentifier = langid!("fa");

/// A language that every page can be read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Left to right.
    #[default]
    English,
    /// Right to left.
    Persian,
}

impl Language {
    /// All of them, in the order the switch shows.
    pub const ALL: [Self; 2] = [Self::English, Self::Persian];

    /// `en` or `fa`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Persian => "fa",
        }
    }

    /// The language of this tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The language's name in itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Persian => "فارسی",
        }
    }

    /// `ltr` or `rtl`.
    pub fn direction(self) -> &'static str {
        match self {
            Self::English => "ltr",
            Self::Persian => "rtl",
        }
    }

    /// The one that a browser prefers of those there are (RFC 9110, Accept-Language); English where it says nothing.
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let weighted = accepted.split(',').filter_map(|item| {
            let (tag, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            Some((Self::of_tag(tag.trim().split('-').next()?)?, weight))
        });
        // The first of equals wins.
        weighted.rev().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(Self::English, |(language, _)| language)
    }

    /// The text of `key`.
    pub fn say(self, key: &str) -> String {
        TEXTS.lookup(self.identifier(), key)
    }

    /// The text of `key`, filled.
    pub fn say_with(self, key: &str, arguments: &HashMap<Cow<'static, str>, FluentValue<'_>>) -> String {
        TEXTS.lookup_with_args(self.identifier(), key, arguments)
    }

    /// A number for prose: digits of the language, grouped by thousands.
    pub fn number(self, value: usize) -> String {
        let digits = value.to_string();
        let separator = if self == Self::Persian { '٬' } else { ',' };
        let mut grouped = String::with_capacity(digits.len() * 2);
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                grouped.push(separator);
            }
            grouped.push(digit);
        }
        self.digits(&grouped)
    }

    /// The same text with the digits of the language: for prose, never for tables that are copied.
    pub fn digits(self, text: &str) -> String {
        match self {
            Self::English => text.to_owned(),
            Self::Persian => text.chars().map(|letter| letter.to_digit(10).and_then(|digit| char::from_u32('۰' as u32 + digit)).unwrap_or(letter)).collect(),
        }
    }

    fn identifier(self) -> &'static LanguageIdentifier {
        match self {
            Self::English => &ENGLISH,
            Self::Persian => &PERSIAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, value.parse().unwrap());
        Language::of_headers(&headers)
    }

    #[test]
    fn a_browsers_preference_is_followed() {
        assert_eq!(Language::of_headers(&HeaderMap::new()), Language::English);
        assert_eq!(accepting("fa-IR,fa;q=0.9,en;q=0.8"), Language::Persian);
        assert_eq!(accepting("de,en;q=0.5,fa;q=0.7"), Language::Persian);
        assert_eq!(accepting("en, fa"), Language::English);
        assert_eq!(accepting("de; fr;;q=x, ,"), Language::English);
    }

    #[test]
    fn numbers_have_the_digits_of_the_language() {
        assert_eq!(Language::English.number(1_234_567), "1,234,567");
        assert_eq!(Language::Persian.number(400_000), "۴۰۰٬۰۰۰");
        assert_eq!(Language::Persian.number(7), "۷");
    }
}
