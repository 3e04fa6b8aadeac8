//! Readings in words: a key of `locales/` and what fills it, so that the computation knows no language.

/// A sentence to be said in the reader's language.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentence {
    /// The key of its text.
    pub key: String,
    /// What fills the text.
    pub arguments: Vec<(&'static str, Argument)>,
}

/// One thing that fills a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A word of a set, a name, a choice between variants.
    Text(String),
    /// A text that is itself to be looked up.
    Key(String),
    /// A count, which variants may depend on.
    Count(usize),
    /// A size, grouped by thousands, which no variant depends on.
    Number(usize),
    /// A measure, with this many decimals.
    Measure(f64, usize),
    /// A share of one, shown in percent with one decimal.
    Share(f64),
}

impl Sentence {
    /// A sentence without arguments yet.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), arguments: Vec::new() }
    }

    /// With a word or a name.
    #[must_use]
    pub fn text(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.arguments.push((name, Argument::Text(text.into())));
        self
    }

    /// With a text that is itself to be looked up.
    #[must_use]
    pub fn key(mut self, name: &'static str, key: impl Into<String>) -> Self {
        self.arguments.push((name, Argument::Key(key.into())));
        self
    }

    /// With an argument of whichever kind.
    #[must_use]
    pub fn say(mut self, name: &'static str, argument: Argument) -> Self {
        self.arguments.push((name, argument));
        self
    }

    /// With a count.
    #[must_use]
    pub fn count(mut self, name: &'static str, count: usize) -> Self {
        self.arguments.push((name, Argument::Count(count)));
        self
    }

    /// With a size, grouped by thousands.
    #[must_use]
    pub fn number(mut self, name: &'static str, number: usize) -> Self {
        self.arguments.push((name, Argument::Number(number)));
        self
    }

    /// With a measure of this many decimals.
    #[must_use]
    pub fn measure(mut self, name: &'static str, value: impl Into<f64>, decimals: usize) -> Self {
        self.arguments.push((name, Argument::Measure(value.into(), decimals)));
        self
    }

    /// With a share of one.
    #[must_use]
    pub fn share(mut self, name: &'static str, share: impl Into<f64>) -> Self {
        self.arguments.push((name, Argument::Share(share.into())));
        self
    }
}
