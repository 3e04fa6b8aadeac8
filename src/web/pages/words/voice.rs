//! Sentences and numbers in the reader's language.

use std::{borrow::Cow, collections::HashMap};

use fluent_templates::fluent_bundle::FluentValue;

use super::sentence::{Argument, Sentence};
use crate::web::language::Language;

/// Speaks one language.
#[derive(Debug, Clone, Copy)]
pub struct Voice(pub Language);

impl Voice {
    /// The text of `key`.
    pub fn say(self, key: &str) -> String {
        self.numbers(self.0.say(key))
    }

    /// A sentence with its words and numbers in place.
    pub fn sentence(self, sentence: &Sentence) -> String {
        let value = |argument: &Argument| match argument {
            Argument::Text(text) => FluentValue::from(text.clone()),
            Argument::Key(key) => FluentValue::from(self.0.say(key)),
            Argument::Count(count) => FluentValue::from(*count),
            Argument::Number(number) => FluentValue::from(self.0.number(*number)),
            Argument::Measure(value, decimals) => FluentValue::from(fixed(*value, *decimals)),
            Argument::Share(share) => FluentValue::from(format!("{:.1}%", 100.0 * share)),
        };
        let arguments: HashMap<Cow<'static, str>, FluentValue> =
            sentence.arguments.iter().map(|(name, given)| (Cow::Borrowed(*name), value(given))).collect();
        self.numbers(self.0.say_with(&sentence.key, &arguments))
    }

    /// Sentences after each other.
    pub fn sentences(self, sentences: &[Sentence]) -> String {
        sentences.iter().map(|sentence| self.sentence(sentence)).collect::<Vec<_>>().join(" ")
    }

    /// A name alone: a text to be looked up, or one that stands for itself.
    pub fn name(self, name: &Argument) -> String {
        match name {
            Argument::Key(key) => self.say(key),
            Argument::Text(text) => text.clone(),
            _ => String::new(),
        }
    }

    /// A number that is written already.
    pub fn number(self, written: &str) -> String {
        self.numbers(written.to_owned())
    }

    fn numbers(self, text: String) -> String {
        match self.0 {
            Language::English => text,
            Language::Persian => persian_numbers(&text),
        }
    }
}

/// With a real minus sign, and none before a zero.
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// A text with its numbers in Persian digits. Digits beside Latin letters belong to a name (3CosAdd, 6B, w1) and stay.
fn persian_numbers(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let digit_at = |index: usize| letters.get(index).is_some_and(char::is_ascii_digit);
    let mut result = String::with_capacity(text.len() * 2);
    let mut index = 0;
    while index < letters.len() {
        if !digit_at(index) {
            result.push(letters[index]);
            index += 1;
            continue;
        }
        let mut end = index;
        while digit_at(end) || (matches!(letters.get(end), Some('.' | ',')) && digit_at(end + 1)) {
            end += 1;
        }
        let beside = |letter: Option<&char>| letter.is_some_and(|letter| letter.is_ascii_alphabetic() || *letter == '-');
        let is_name = beside(index.checked_sub(1).map(|before| &letters[before])) || beside(letters.get(end));
        for letter in &letters[index..end] {
            result.push(if is_name { *letter } else { persian(*letter) });
        }
        if !is_name && letters.get(end) == Some(&'%') {
            result.push('٪');
            end += 1;
        }
        index = end;
    }
    result
}

fn persian(letter: char) -> char {
    match letter {
        '.' => '٫',
        ',' => '٬',
        digit => digit.to_digit(10).and_then(|value| char::from_u32('۰' as u32 + value)).unwrap_or(digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_prose_become_persian_and_names_do_not() {
        assert_eq!(persian_numbers("0.67 از 20,000"), "۰٫۶۷ از ۲۰٬۰۰۰");
        assert_eq!(persian_numbers("3CosAdd, GloVe 6B, w1, 43-year"), "3CosAdd, GloVe 6B, w1, 43-year");
        assert_eq!(persian_numbers("57.1% در رتبهٔ 3."), "۵۷٫۱٪ در رتبهٔ ۳.");
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!(fixed(-0.0004, 3), "0.000");
        assert_eq!(fixed(-0.25, 2), "−0.25");
    }

    #[test]
    fn every_sentence_of_the_page_exists_in_both_languages() {
        let keys = |text: &str| -> Vec<String> {
            text.lines()
                .filter_map(|line| line.split_once(" ="))
                .map(|(key, _)| key.to_owned())
                .filter(|key| key.starts_with("words-"))
                .collect()
        };
        let english = keys(include_str!("../../../../locales/en/words.ftl"));
        assert!(english.len() > 100);
        assert_eq!(english, keys(include_str!("../../../../locales/fa/words.ftl")));
    }
}
