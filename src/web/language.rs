//! Two languages, and how a reader's is found.

use std::{borrow::Cow, collections::HashMap};

use axum::http::{HeaderMap, header};
use fluent_templates::{LanguageIdentifier, Loader as _, fluent_bundle::FluentValue, langid, static_loader};
use jiff::{Timestamp, tz::TimeZone};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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

    /// What stands between the words of a list.
    pub fn comma(self) -> &'static str {
        match self {
            Self::English => ", ",
            Self::Persian => "، ",
        }
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
            Self::Persian => text
                .chars()
                .map(|letter| letter.to_digit(10).and_then(|digit| char::from_u32('۰' as u32 + digit)).unwrap_or(letter))
                .collect(),
        }
    }

    /// A moment in UTC as prose has it, by the calendar of the language; in tables, which are sorted and copied, it is RFC 3339's.
    pub fn moment(self, at: Timestamp) -> String {
        let civil = TimeZone::UTC.to_datetime(at);
        let (year, month, day) = match self {
            Self::English => (i32::from(civil.year()), civil.month() as u8, civil.day() as u8),
            Self::Persian => solar(civil.date()),
        };
        let text = |number: i32| FluentValue::from(self.digits(&number.to_string()));
        let arguments = HashMap::from([
            (Cow::Borrowed("day"), text(day.into())),
            (Cow::Borrowed("month"), FluentValue::from(month)),
            (Cow::Borrowed("year"), text(year)),
            (Cow::Borrowed("time"), FluentValue::from(self.digits(&civil.strftime("%H:%M").to_string()))),
        ]);
        self.say_with("date-moment", &arguments)
    }

    fn identifier(self) -> &'static LanguageIdentifier {
        match self {
            Self::English => &ENGLISH,
            Self::Persian => &PERSIAN,
        }
    }
}

/// Year, month and day of the Solar Hijri calendar.
fn solar(date: jiff::civil::Date) -> (i32, u8, u8) {
    // Years of timestamps are within what the library counts.
    let Ok(iso) = icu_calendar::Date::try_new_iso(date.year().into(), date.month() as u8, date.day() as u8) else { return (0, 1, 1) };
    let solar = iso.to_calendar(icu_calendar::cal::Persian);
    (solar.year().extended_year(), solar.month().ordinal, solar.day_of_month().0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    /// Identifiers of the messages in `locales/{tag}/`.
    fn identifiers(tag: &str) -> BTreeSet<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("locales").join(tag);
        let mut found = BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for (name, _) in text
                .lines()
                .filter(|line| line.starts_with(|letter: char| letter.is_ascii_lowercase()))
                .filter_map(|line| line.split_once(" ="))
            {
                assert!(found.insert(name.to_owned()), "{name} stands twice in {tag}");
            }
        }
        found
    }

    /// Every string in the templates and sources that looks like the identifier of a message; `{...}` stands for any word.
    fn mentioned() -> BTreeSet<String> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![root.join("templates"), root.join("src/web")];
        let mut found = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = std::fs::read_to_string(path).unwrap();
                    let fits = |part: &&str| {
                        part.contains('-')
                            && !part.ends_with('-') // the start of identifiers is none
                            && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_{}".contains(letter))
                    };
                    found.extend(text.split('"').filter(fits).map(str::to_owned));
                }
            }
        }
        found
    }

    #[test]
    fn both_languages_have_every_text_and_none_that_nothing_says() {
        let (english, persian) = (identifiers("en"), identifiers("fa"));
        assert!(english.len() > 30);
        assert_eq!(english, persian);
        let mentioned = mentioned();
        let (patterns, names): (Vec<&String>, Vec<&String>) = mentioned.iter().partition(|name| name.contains('{'));
        let fits = |pattern: &str, name: &str| {
            let (start, rest) = pattern.split_once('{').unwrap();
            let end = rest.rsplit_once('}').map_or("", |(_, end)| end);
            !start.is_empty() && name.len() > start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        };
        let unsaid: Vec<&String> =
            english.iter().filter(|name| !names.contains(name) && !patterns.iter().any(|pattern| fits(pattern, name))).collect();
        assert!(unsaid.is_empty(), "never said: {unsaid:?}");
        let pages: BTreeSet<&str> = english
            .iter()
            .filter_map(|name| name.split('-').next())
            .filter(|page| ["nav", "error", "overview", "api"].contains(page))
            .collect();
        let lacking: Vec<&&String> =
            names.iter().filter(|name| pages.contains(name.split('-').next().unwrap()) && !english.contains(**name)).collect();
        assert!(lacking.is_empty(), "said, but without a text: {lacking:?}");
    }

    #[test]
    fn moments_are_told_by_the_calendar_of_the_language() {
        let plain = |language: Language, at: &str| {
            let moment = language.moment(at.parse().unwrap());
            moment.chars().filter(|letter| !('\u{2066}'..='\u{2069}').contains(letter)).collect::<String>()
        };
        assert_eq!(plain(Language::English, "2026-11-26T20:05:59Z"), "26 November 2026, 20:05 UTC");
        // The days about the new year of 1404, which a leap year went before.
        for (at, told) in [
            ("2026-11-26T20:05:59Z", "۵ آذر ۱۴۰۵، ساعت ۲۰:۰۵ به وقت UTC"),
            ("2025-03-20T00:00:00Z", "۳۰ اسفند ۱۴۰۳، ساعت ۰۰:۰۰ به وقت UTC"),
            ("2025-03-21T23:59:00Z", "۱ فروردین ۱۴۰۴، ساعت ۲۳:۵۹ به وقت UTC"),
        ] {
            assert_eq!(plain(Language::Persian, at), told);
        }
    }

    #[test]
    fn numbers_have_the_digits_of_the_language() {
        assert_eq!(Language::English.number(1_234_567), "1,234,567");
        assert_eq!(Language::Persian.number(400_000), "۴۰۰٬۰۰۰");
        assert_eq!(Language::Persian.number(7), "۷");
    }
}
