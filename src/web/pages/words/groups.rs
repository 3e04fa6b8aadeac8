//! Word groups and arrows pasted as text, and the report's own groups written in the same form.

use super::input::{FaultKind, LIMIT_CHARACTERS};
use crate::words::report::{Group, Relation, WordMap};

/// Words on one map.
pub const LIMIT_WORDS: usize = 200;
/// The id of a map that a person pasted, and of its arrows.
pub const OWN: &str = "own";

/// Reads groups, one to a line (`name: word word word`), and arrows (`man -> woman`), also several to a line, joined by commas.
///
/// Groups and the relation keep their names as typed.
///
/// # Errors
/// [`FaultKind::Line`] for a line that is neither, or an arrow between words of no group; [`FaultKind::Many`], [`FaultKind::Long`].
pub fn parse(text: &str) -> Result<WordMap, FaultKind> {
    let count = text.chars().count();
    if count > LIMIT_CHARACTERS {
        return Err(FaultKind::Long { count });
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut arrows: Vec<(usize, [String; 2])> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let wrong = || FaultKind::Line { key: "words-maps-group-form", line: number, word: String::new() };
        if line.is_empty() {
        } else if line.contains("->") || line.contains('→') {
            for arrow in line.split([',', '،', ';']).filter(|arrow| !arrow.trim().is_empty()) {
                let (from, to) = arrow.split_once("->").or_else(|| arrow.split_once('→')).ok_or_else(wrong)?;
                let ends = [from, to].map(|end| end.trim().to_owned());
                if ends.iter().any(|end| end.is_empty() || end.contains(char::is_whitespace)) {
                    return Err(wrong());
                }
                arrows.push((number, ends));
            }
        } else {
            let (name, words) = line.split_once(':').ok_or_else(wrong)?;
            let mut fresh: Vec<String> = Vec::new();
            for word in words.split([' ', '\t', ',', '،', ';']).map(str::trim).filter(|word| !word.is_empty()) {
                let taken = fresh.iter().chain(groups.iter().flat_map(|group| &group.words)).any(|earlier| earlier == word);
                if !taken {
                    fresh.push(word.to_owned());
                }
            }
            if name.trim().is_empty() {
                return Err(wrong());
            }
            groups.push(Group { id: name.trim().to_owned(), words: fresh });
        }
    }
    let words: usize = groups.iter().map(|group| group.words.len()).sum();
    if words == 0 {
        return Err(FaultKind::Empty);
    }
    if words > LIMIT_WORDS {
        return Err(FaultKind::Many { limit: LIMIT_WORDS, count: words });
    }
    for (line, ends) in &arrows {
        if let Some(word) = ends.iter().find(|end| !groups.iter().any(|group| group.words.contains(end))) {
            return Err(FaultKind::Line { key: "words-maps-arrow-word", line: *line, word: word.clone() });
        }
    }
    let arrows: Vec<[String; 2]> = arrows.into_iter().map(|(_, ends)| ends).collect();
    let relations = if arrows.is_empty() { Vec::new() } else { vec![Relation { id: OWN.to_owned(), arrows }] };
    Ok(WordMap { id: OWN.to_owned(), groups, relations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_arrows_are_read() {
        let map = parse("kings: king, prince\n\nqueens: queen princess king\nking -> queen, prince→princess\n").unwrap();
        assert_eq!(map.groups[0].words, ["king", "prince"]);
        assert_eq!(map.groups[1].words, ["queen", "princess"], "a word belongs to the first group that names it");
        assert_eq!(map.relations[0].arrows, [["king", "queen"], ["prince", "princess"]]);
    }

    #[test]
    fn lines_that_are_neither_are_named() {
        let fault = |text: &str| match parse(text) {
            Err(FaultKind::Line { line, word, key }) => (key, line, word),
            other => panic!("{text:?} gave {other:?}"),
        };
        assert_eq!(fault("a: b c\nnonsense"), ("words-maps-group-form", 2, String::new()));
        assert_eq!(fault("a: b c\nb ->"), ("words-maps-group-form", 2, String::new()));
        assert_eq!(fault(": b c"), ("words-maps-group-form", 1, String::new()));
        assert_eq!(fault("a: b c\nb -> d"), ("words-maps-arrow-word", 2, "d".to_owned()));
        assert_eq!(parse("a:").unwrap_err(), FaultKind::Empty);
        let many = format!("a: {}", (0..=LIMIT_WORDS).map(|i| format!("w{i}")).collect::<Vec<_>>().join(" "));
        assert_eq!(parse(&many).unwrap_err(), FaultKind::Many { limit: LIMIT_WORDS, count: LIMIT_WORDS + 1 });
    }
}
