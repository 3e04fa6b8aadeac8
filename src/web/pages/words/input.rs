//! From what a person typed to words of a set: lists, pairs, triples, and what is wrong with them.

use crate::{error::AppError, words::VectorSet};

/// Words, pairs or triples taken at once.
pub const LIMIT_ITEMS: usize = 50;
/// Occupations taken at once.
pub const LIMIT_OCCUPATIONS: usize = 200;
/// Characters of one field.
pub const LIMIT_CHARACTERS: usize = 8000;

/// Something that a person typed and that can't be used, to be shown beside its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field it stands beside.
    pub field: &'static str,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What can be wrong with typed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A word that the set lacks, with near spellings.
    Unknown {
        /// As typed.
        word: String,
        /// Best first.
        suggestions: Vec<String>,
    },
    /// A number outside its range, or no number.
    Number {
        /// The key of the sentence that says which.
        key: &'static str,
        /// The largest that is taken.
        limit: u64,
    },
    /// Not one of the choices there are.
    Choice {
        /// What there is.
        choices: &'static str,
    },
    /// An item that has not as many words as it should; the key says how many.
    Form {
        /// The key of the sentence.
        key: &'static str,
        /// As typed.
        text: String,
    },
    /// A word of X that stands in Y too.
    Both {
        /// As typed.
        word: String,
    },
    /// Nothing typed.
    Empty,
    /// More items than are taken at once.
    Many {
        /// The most.
        limit: usize,
        /// As many as there are.
        count: usize,
    },
    /// More characters than are taken.
    Long {
        /// As many as there are.
        count: usize,
    },
    /// A line of the groups that can't be read, or an arrow whose end is in no group.
    Line {
        /// The key of the sentence.
        key: &'static str,
        /// Counted from 1.
        line: usize,
        /// The word it is about, if any.
        word: String,
    },
}

/// Words as typed: separated by commas (also the Persian one), semicolons or line breaks, else by spaces.
///
/// # Errors
/// [`FaultKind::Empty`], [`FaultKind::Many`] or [`FaultKind::Long`].
pub fn list(text: &str) -> Result<Vec<String>, FaultKind> {
    list_within(text, LIMIT_ITEMS)
}

/// As [`list`], of at most `limit` words.
///
/// # Errors
/// As [`list`].
pub fn list_within(text: &str, limit: usize) -> Result<Vec<String>, FaultKind> {
    let items = items(text)?;
    let words = if items.len() == 1 { items[0].split_whitespace().map(str::to_owned).collect() } else { items };
    bounded(without_repeats(words), limit)
}

/// Items of exactly `N` words each, separated by commas; within an item by spaces, colons or slashes.
///
/// # Errors
/// As [`list`], and [`FaultKind::Form`] with `key` for an item of another length.
pub fn tuples<const N: usize>(text: &str, key: &'static str) -> Result<Vec<[String; N]>, FaultKind> {
    let tuple = |item: String| -> Result<[String; N], FaultKind> {
        let words: Vec<String> =
            item.split(|c: char| c.is_whitespace() || c == ':' || c == '/').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        words.try_into().map_err(|_| FaultKind::Form { key, text: item.clone() })
    };
    bounded(without_repeats(items(text)?.into_iter().map(tuple).collect::<Result<Vec<_>, _>>()?), LIMIT_ITEMS)
}

/// A whole number from `range`.
///
/// # Errors
/// [`FaultKind::Number`] with `key`.
pub fn number(text: &str, range: std::ops::RangeInclusive<u64>, key: &'static str) -> Result<u64, FaultKind> {
    let limit = *range.end();
    latin_digits(text.trim()).parse().ok().filter(|value| range.contains(value)).ok_or(FaultKind::Number { key, limit })
}

/// Persian and Arabic digits as Latin ones: a Persian keyboard types them.
pub fn latin_digits(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '۰'..='۹' => char::from(b'0' + (c as u32 - '۰' as u32) as u8),
            '٠'..='٩' => char::from(b'0' + (c as u32 - '٠' as u32) as u8),
            '٫' => '.',
            other => other,
        })
        .collect()
}

/// Where a typed word stands: as written, else in lower case, as the vectors of most publishers are.
pub fn find(set: &VectorSet, word: &str) -> Option<usize> {
    set.look_up(word)
}

/// The same, with the fault that offers near spellings.
///
/// # Errors
/// [`FaultKind::Unknown`].
pub fn find_or_fault(set: &VectorSet, word: &str) -> Result<usize, FaultKind> {
    find(set, word).ok_or_else(|| {
        let suggestions = match set.find(&word.to_lowercase()) {
            Err(AppError::NotFound { suggestions, .. }) => suggestions,
            _ => Vec::new(),
        };
        FaultKind::Unknown { word: word.to_owned(), suggestions }
    })
}

fn items(text: &str) -> Result<Vec<String>, FaultKind> {
    let count = text.chars().count();
    if count > LIMIT_CHARACTERS {
        return Err(FaultKind::Long { count });
    }
    let items: Vec<String> =
        text.split([',', '،', ';', '؛', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect();
    if items.is_empty() { Err(FaultKind::Empty) } else { Ok(items) }
}

fn without_repeats<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn bounded<T>(items: Vec<T>, limit: usize) -> Result<Vec<T>, FaultKind> {
    if items.len() > limit { Err(FaultKind::Many { limit, count: items.len() }) } else { Ok(items) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_separated_in_any_usual_way() {
        for text in ["a, b, c", "a b c", "a، b؛ c", "a;b;c", "a\r\nb\nc", " a,, b ,c, a"] {
            assert_eq!(list(text).unwrap(), ["a", "b", "c"], "{text:?}");
        }
        assert_eq!(list("new york, iran").unwrap(), ["new york", "iran"], "a word with a space, as some files have them");
    }

    #[test]
    fn what_is_no_list_says_why() {
        assert_eq!(list(" , "), Err(FaultKind::Empty));
        assert_eq!(list(&"x".repeat(LIMIT_CHARACTERS + 1)), Err(FaultKind::Long { count: LIMIT_CHARACTERS + 1 }));
        let many = (0..=LIMIT_ITEMS).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(list(&many), Err(FaultKind::Many { limit: LIMIT_ITEMS, count: LIMIT_ITEMS + 1 }));
    }

    #[test]
    fn tuples_have_as_many_words_as_they_should() {
        assert_eq!(
            tuples::<2>("john alex, john:iran, glass / foot", "key").unwrap(),
            [["john", "alex"], ["john", "iran"], ["glass", "foot"]]
        );
        assert_eq!(tuples::<3>("king woman", "key"), Err(FaultKind::Form { key: "key", text: "king woman".into() }));
    }

    #[test]
    fn numbers_may_be_typed_on_a_persian_keyboard() {
        assert_eq!(number("۱۲", 1..=1000, "key"), Ok(12));
        for text in ["0", "1001", "-1", "ten", "", "99999999999999999999"] {
            assert_eq!(number(text, 1..=1000, "key"), Err(FaultKind::Number { key: "key", limit: 1000 }), "{text:?}");
        }
    }
}
