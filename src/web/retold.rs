//! What the program says in English, told again in a reader's language: why something can't be, how a run ended, what a setting does.
//!
//! Such sentences are made deep within, by code that knows no readers, and some are stored before anybody reads them. So they are told again
//! where they are shown, and found by their English, as gettext finds them: `locales/fa/sentences.tsv` holds each with its Persian.

use std::sync::LazyLock;

use askama::filters::{Escaper as _, Html, Safe};
use regex::{Captures, Regex, RegexSet};

use super::language::Language;

static PERSIAN: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("../../locales/fa/sentences.tsv")));

/// What stands within a sentence may be one itself; no true one is nested deeper.
const DEEPEST: usize = 4;

/// Sentences of the program and what they are in another language.
struct Catalogue {
    /// Recognises them; those that say more by themselves come first.
    recognised: RegexSet,
    sentences: Vec<Sentence>,
}

struct Sentence {
    english: Regex,
    told: Vec<Piece>,
}

/// A stretch of a sentence in the other language.
enum Piece {
    Text(String),
    /// What the English sentence has in this place, by the number of its group.
    Given(usize),
    /// Code begins or ends.
    Code,
}

/// A stretch of a sentence as it is shown.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// In the reader's language.
    Text(String),
    /// As the program has it: a name, a number, what a library says.
    Given(String),
    Code,
}

impl Catalogue {
    fn read(table: &str) -> Self {
        let lines = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
        let mut lines: Vec<(&str, &str)> = lines.collect();
        lines.sort_by_key(|(english, _)| std::cmp::Reverse(words_of(english).map(str::len).sum::<usize>()));
        let patterns: Vec<String> = lines.iter().map(|(english, _)| pattern(english)).collect();
        let sentences = lines.iter().zip(&patterns).map(|((english, persian), pattern)| Sentence {
            english: Regex::new(pattern).expect("made of escaped words and groups"),
            told: pieces(english, persian),
        });
        Self { sentences: sentences.collect(), recognised: RegexSet::new(&patterns).expect("each is a pattern by itself") }
    }

    /// The sentence in the other language, or `None` where it is not one of these.
    fn told(&self, english: &str, depth: usize) -> Option<Vec<Told>> {
        let sentence = &self.sentences[self.recognised.matches(english).iter().next()?];
        let given = sentence.english.captures(english)?;
        let (mut told, mut within_code) = (Vec::new(), false);
        for piece in &sentence.told {
            match piece {
                Piece::Text(text) => told.push(Told::Text(text.clone())),
                Piece::Given(group) => told.extend(self.given(&given, *group, depth, within_code)),
                Piece::Code => {
                    within_code = !within_code;
                    told.push(Told::Code);
                }
            }
        }
        Some(told)
    }

    fn given(&self, given: &Captures<'_>, group: usize, depth: usize, within_code: bool) -> Vec<Told> {
        let text = &given[group];
        let again = if within_code || depth == DEEPEST { None } else { self.told(text, depth + 1) };
        again.unwrap_or_else(|| vec![Told::Given(text.to_owned())])
    }
}

/// The words of a sentence that stand between what differs.
fn words_of(english: &str) -> impl Iterator<Item = &str> {
    english
        .split('{')
        .enumerate()
        .map(|(place, part)| if place == 0 { part } else { part.split_once('}').map_or(part, |(_, words)| words) })
}

fn names_of(english: &str) -> impl Iterator<Item = &str> {
    english.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name)
}

fn pattern(english: &str) -> String {
    let words: Vec<String> = words_of(english).map(regex::escape).collect();
    format!("(?s)^{}$", words.join("(.*?)"))
}

fn pieces(english: &str, told: &str) -> Vec<Piece> {
    let names: Vec<&str> = names_of(english).collect();
    let mut pieces = Vec::new();
    for (turn, stretch) in told.split('`').enumerate() {
        if turn > 0 {
            pieces.push(Piece::Code);
        }
        for (place, part) in stretch.split('{').enumerate() {
            let group = part.split_once('}').filter(|_| place > 0).and_then(|(name, rest)| {
                let group = names.iter().position(|other| *other == name)?;
                Some((group + 1, rest))
            });
            match group {
                Some((group, rest)) => pieces.extend([Piece::Given(group), Piece::Text(rest.to_owned())]),
                None => pieces.push(Piece::Text(part.to_owned())),
            }
        }
    }
    pieces
}

impl Language {
    /// A sentence of the program in this language, as HTML; one that it has no words for stays as it is, and is marked as English.
    pub fn retell(self, english: &str) -> Safe<String> {
        let mut html = String::new();
        let mut within_code = false;
        for told in self.told(english) {
            match told {
                Told::Text(text) => escape(&mut html, &text),
                Told::Given(text) if within_code || self == Self::English => escape(&mut html, &text),
                Told::Given(text) if is_number(&text) => html.push_str(&self.digits(&text)),
                Told::Given(text) => {
                    let inner = quoted(&text);
                    html.push_str(if inner.is_some() { "«<bdi lang=\"en\">" } else { "<bdi dir=\"ltr\" lang=\"en\">" });
                    escape(&mut html, inner.unwrap_or(&text));
                    html.push_str(if inner.is_some() { "</bdi>»" } else { "</bdi>" });
                }
                Told::Code => {
                    within_code = !within_code;
                    html.push_str(if within_code { "<code dir=\"ltr\">" } else { "</code>" });
                }
            }
        }
        Safe(html)
    }

    /// The same as text, for where no markup may stand.
    pub fn retell_plainly(self, english: &str) -> String {
        let show = |told: Told| match told {
            Told::Text(text) => text,
            Told::Given(text) if self == Self::English => text,
            Told::Given(text) if is_number(&text) => self.digits(&text),
            // First strong isolate and its end, so that what is written from the left does not turn the sentence around.
            Told::Given(text) => {
                quoted(&text).map_or_else(|| format!("\u{2068}{text}\u{2069}"), |inner| format!("«\u{2068}{inner}\u{2069}»"))
            }
            Told::Code => String::new(),
        };
        self.told(english).into_iter().map(show).collect()
    }

    fn told(self, english: &str) -> Vec<Told> {
        let told = if self == Self::Persian { PERSIAN.told(english, 0) } else { None };
        told.unwrap_or_else(|| vec![Told::Given(english.to_owned())])
    }
}

/// What stands within quotes, as the program quotes what it was given.
fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Appends a text as HTML shows it.
fn escape(html: &mut String, text: &str) {
    let _ = Html.write_escaped_str(html, text); // memory takes what it is given
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn a_sentence_is_told_with_what_differs_in_its_place() {
        let told = |english: &str| Language::Persian.retell(english).0;
        assert_eq!(told("expected yes or no."), "باید <code dir=\"ltr\">yes</code> یا <code dir=\"ltr\">no</code> باشد.");
        assert_eq!(told("is given 12 times; at most 8 are taken."), "۱۲ بار داده شده است؛ دست‌بالا ۸ بار پذیرفته می‌شود.");
        // What a reader wrote is shown as written, and never as markup.
        let hostile = told("is \"<b>2\"; expected a whole number.");
        assert_eq!(hostile, "«<bdi lang=\"en\">&#60;b&#62;2</bdi>» است؛ باید عددی صحیح باشد.");
        // Sentences within sentences, and what neither is.
        assert_eq!(told("The run r-1 is done already."), "اجرای <bdi dir=\"ltr\" lang=\"en\">r-1</bdi> از پیش پایان‌یافته است.");
        assert_eq!(
            told("config.units: expected a whole number from 1 to 9, got \"x\""),
            "<code dir=\"ltr\">units</code>: باید عددی صحیح از ۱ تا ۹ باشد، ولی «<bdi lang=\"en\">x</bdi>» است"
        );
        assert_eq!(told("no such thing & more"), "<bdi dir=\"ltr\" lang=\"en\">no such thing &#38; more</bdi>");
        assert_eq!(Language::English.retell("is \"<b>\"; expected yes or no.").0, "is &#34;&#60;b&#62;&#34;; expected yes or no.");
        assert_eq!(Language::Persian.retell_plainly("There is no run \"a\"."), "اجرایی با شناسهٔ «\u{2068}a\u{2069}» نیست.");
    }

    #[test]
    fn of_two_sentences_that_fit_the_one_that_says_more_is_told() {
        let told = |english: &str| Language::Persian.retell_plainly(english);
        assert!(told("is \"x\"; expected one of a, b or c.").contains("یکی از این‌ها"), "{}", told("is \"x\"; expected one of a, b or c."));
        assert!(told("its worker crashed (signal 11): out of memory").contains("out of memory"));
    }

    #[test]
    fn sentences_that_nest_without_end_are_told_in_no_time() {
        let long = "expected ".repeat(2000) + &", got x".repeat(2000);
        assert!(Language::Persian.retell_plainly(&long).contains("باید"));
    }

    fn table() -> Vec<(String, String, bool)> {
        let text = include_str!("../../locales/fa/sentences.tsv");
        let mut is_ours = true;
        let mut rows = Vec::new();
        for line in text.lines() {
            if let Some(remark) = line.strip_prefix('#') {
                is_ours = !remark.contains("libraries");
                continue;
            }
            let (english, persian) = line.split_once('\t').unwrap_or_else(|| panic!("{line:?} has no Persian"));
            rows.push((english.to_owned(), persian.to_owned(), is_ours));
        }
        rows
    }

    #[test]
    fn each_sentence_names_what_differs_in_both_languages() {
        let mut seen = BTreeSet::new();
        for (english, persian, _) in table() {
            assert!(seen.insert(pattern(&english)), "{english:?} stands twice");
            let names: BTreeSet<&str> = names_of(&english).collect();
            assert_eq!(names.len(), names_of(&english).count(), "{english:?} has a name twice");
            assert_eq!(names, names_of(&persian).collect(), "{english:?} and {persian:?}");
            assert!(persian.matches('`').count() % 2 == 0, "{persian:?} has code without an end");
            assert!(words_of(&english).any(|words| words.len() > 1), "{english:?} fits everything");
        }
    }

    /// The sources that people's pages come from, without their tests: not what only terminals and programs read.
    fn sources() -> Vec<(String, String)> {
        const NOT_ON_PAGES: [&str; 7] = ["cli", "main.rs", "web/api", "jobs/backup", "words/glove", "words/format", "store/copy.rs"];
        let roots = ["src", "kernels/src"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
        let mut folders = roots.to_vec();
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = roots.iter().find_map(|root| path.strip_prefix(root).ok()).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if !name.contains("tests") && !NOT_ON_PAGES.iter().any(|folder| name.starts_with(folder)) {
                    let text = fs::read_to_string(path).unwrap();
                    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                    found.push((name, joined(text)));
                }
            }
        }
        found
    }

    /// With strings that go over several lines on one.
    fn joined(source: &str) -> String {
        Regex::new(r"\\\n\s*").unwrap().replace_all(source, "").into_owned()
    }

    /// The texts within the brackets that open at the start of `source`.
    fn texts_within(source: &str) -> Vec<String> {
        let token = Regex::new(r#""((?:[^"\\]|\\.)*)"|'(?:\\.|[^'\\])'|[(){}\[\]]"#).unwrap();
        let (mut depth, mut texts) = (0, Vec::new());
        for found in token.captures_iter(source) {
            match (&found[0], found.get(1)) {
                (_, Some(text)) => texts.push(text.as_str().replace("\\\"", "\"")),
                ("(" | "{" | "[", _) => depth += 1,
                (")" | "}" | "]", _) => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        texts
    }

    #[test]
    fn whatever_a_page_may_refuse_has_its_persian() {
        let refusals = Regex::new(
            r"(?:AppError::(?:invalid|not_found|Conflict|SignIn|Forbidden|Unavailable)|self\.fault|\b(?:wrong|refuse|fault|invalid|Ungrouped|no_share))\(",
        );
        let refusals = refusals.unwrap();
        let given = Regex::new(r"\{[^}]*\}").unwrap();
        let (mut missing, mut count) = (Vec::new(), 0);
        for (name, source) in sources() {
            for place in refusals.find_iter(&source) {
                for text in texts_within(&source[place.end() - 1..]) {
                    // Names of fields, and what is written between the items of a list, are no sentences.
                    if text.len() < 8 || !text.contains(' ') {
                        continue;
                    }
                    count += 1;
                    let filled = given.replace_all(&text, |found: &Captures<'_>| if found[0].ends_with(":?}") { "\"q\"" } else { "q" });
                    // What is only quoted as given is not told.
                    let told = PERSIAN.told(&filled, 0).unwrap_or_default();
                    if !told.iter().any(|told| matches!(told, Told::Text(text) if text.chars().any(|letter| ('آ'..='ی').contains(&letter))))
                    {
                        missing.push(format!("{name}: {text}"));
                    }
                }
            }
        }
        assert!(count > 200, "the sources are read no more: {count}");
        assert!(missing.is_empty(), "locales/fa/sentences.tsv lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn nothing_is_translated_that_nobody_says() {
        let said: String = sources().into_iter().map(|(_, source)| source.replace("\\\"", "\"")).collect();
        for (english, _, is_ours) in table() {
            let longest = words_of(&english).max_by_key(|words| words.len()).unwrap_or_default();
            assert!(!is_ours || said.contains(longest), "nothing says {longest:?}, of {english:?}");
        }
    }

    #[test]
    fn every_setting_is_described_in_persian() {
        for system in crate::train::configuration::systems() {
            for field in crate::train::configuration::fields(system).unwrap() {
                let told = Language::Persian.retell(field.about).0;
                assert!(!told.starts_with("<bdi"), "{system}: {}", field.about);
            }
        }
    }
}
