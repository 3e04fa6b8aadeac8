//! Text to tokens: lower-cased words, numbers, and the marks `. , ; ! ?`.

/// Calls `take` with each token of `line`, in order; `buffer` is scratch that spares an allocation per token.
///
/// A word is a run of letters of any script and may hold one apostrophe between letters (`don't`; a typographic apostrophe counts as
/// the plain one). A number is a run of digits: `1,842` is three tokens. What else there is parts tokens and is dropped.
/// Corpora prepared for language models write `<unk>` for a rare word and `@-@`, `@,@`, `@.@` for a mark inside a word or number;
/// none of these is language, so all are dropped.
pub fn tokenise(line: &str, buffer: &mut String, mut take: impl FnMut(&str)) {
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &line[at..];
        match bytes[at] {
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => {
                buffer.clear();
                let length = word(rest, buffer);
                if !buffer.is_empty() {
                    take(buffer);
                }
                at += length;
            }
            b'0'..=b'9' => {
                let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                take(&rest[..length]);
                at += length;
            }
            b'.' | b',' | b';' | b'!' | b'?' => {
                take(&rest[..1]);
                at += 1;
            }
            b'<' if rest.starts_with(RARE_WORD) => at += RARE_WORD.len(),
            b'@' if JOINERS.iter().any(|joiner| rest.starts_with(joiner)) => at += 3,
            _ => at += 1,
        }
    }
}

const RARE_WORD: &str = "<unk>";
const JOINERS: [&str; 3] = ["@-@", "@,@", "@.@"];

/// Appends the lower-cased word that `text` begins with; returns how many bytes it took, at least one character.
fn word(text: &str, buffer: &mut String) -> usize {
    let mut apostrophes = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, letter)) = characters.next() {
        if letter.is_ascii_alphabetic() {
            buffer.push(letter.to_ascii_lowercase());
        } else if letter.is_alphabetic() || (is_mark(letter) && !buffer.is_empty()) {
            buffer.extend(letter.to_lowercase());
        } else if matches!(letter, '\'' | '’')
            && apostrophes == 0
            && !buffer.is_empty()
            && characters.peek().is_some_and(|(_, next)| next.is_alphabetic())
        {
            apostrophes = 1;
            buffer.push('\'');
        } else {
            return if at == 0 { letter.len_utf8() } else { at };
        }
    }
    text.len()
}

/// Combining marks and the joiners of Arabic script belong to the word that they stand in.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{200c}' | '\u{200d}') || unicode_normalization::char::is_combining_mark(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(line: &str) -> Vec<String> {
        let mut found = Vec::new();
        tokenise(line, &mut String::new(), |token| found.push(token.to_owned()));
        found
    }

    #[test]
    fn words_numbers_and_five_marks_are_tokens() {
        assert_eq!(tokens("The cat, aged 12; SAT!  (Why?)\n"), ["the", "cat", ",", "aged", "12", ";", "sat", "!", "why", "?"]);
    }

    #[test]
    fn an_apostrophe_stays_between_letters_only() {
        assert_eq!(tokens("'Don’t' the boys' rock'n'roll"), ["don't", "the", "boys", "rock'n", "roll"]);
    }

    #[test]
    fn every_script_has_words() {
        assert_eq!(tokens("Café ÜBER می‌روم — naïve"), ["café", "über", "می‌روم", "naïve"]);
    }

    #[test]
    fn artefacts_of_prepared_corpora_are_dropped() {
        assert_eq!(tokens("0 @.@ 7 – 2 @,@ 000 long @-@ lived <unk> x@y"), ["0", "7", "2", "000", "long", "lived", "x", "y"]);
    }
}
