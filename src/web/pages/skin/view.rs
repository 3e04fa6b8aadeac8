//! What the address asks of the page; every part of it can be linked to with one thing changed.

use crate::{
    data::Split,
    error::{AppError, AppResult},
    web::parameters::Parameters,
};

/// What the address says, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    given: Vec<(&'static str, String)>,
    /// What the matrices count.
    pub counting: Counting,
    /// Which curves are drawn.
    pub curves: Curves,
    /// Whose images are listed.
    pub split: Split,
    /// Whose images the threshold is applied to.
    pub on: Split,
    /// Whether only images of lesions are listed that were not learned from.
    pub is_unseen: bool,
    /// Which images are listed.
    pub only: Only,
    /// In which order.
    pub order: Order,
    /// From 1.
    pub page: usize,
    /// Whether the images show where the network looked.
    pub has_attention: bool,
    /// From which probability on the answer to the question is yes; none: where it costs least on the images that validate.
    pub threshold: Option<f64>,
    /// What a miss costs.
    pub miss: f64,
    /// What a false alarm costs.
    pub alarm: f64,
    /// The column that the remedies are sorted by.
    pub sort: Option<Column>,
}

/// What the address may say, in the order of links.
const NAMES: [&str; 20] = [
    "run",
    "judge",
    "matrix",
    "curves",
    "split",
    "lesions",
    "true",
    "predicted",
    "only",
    "order",
    "page",
    "attention",
    "of",
    "on",
    "threshold",
    "miss",
    "alarm",
    "sort",
    "remedy",
    "measure",
];

/// What a miss costs where nobody says, when a false alarm costs 1.
const MISS: f64 = 10.0;
/// What neither exceeds.
const MOST_COST: f64 = 10_000.0;

/// One of a few words of an address.
trait Word: Copy + PartialEq + 'static {
    /// All of them, the one that stands for silence first.
    const ALL: &'static [Self];

    fn word(self) -> &'static str;

    fn read(parameters: &Parameters, name: &str) -> AppResult<Self> {
        let Some(text) = parameters.optional(name)? else { return Ok(Self::ALL[0]) };
        let expected = || Self::ALL.iter().map(|one| one.word()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().copied().find(|one| one.word() == text);
        found.ok_or_else(|| AppError::invalid(name, format!("is {text:?}; expected one of {}.", expected())))
    }
}

/// What a confusion matrix counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Images.
    Images,
    /// Shares of each row: of the images of a class.
    Rows,
    /// Shares of each column: of what was taken for a class.
    Columns,
}

/// Curves over all thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curves {
    /// Precision over recall.
    PrecisionRecall,
    /// Recall over the share of false alarms.
    Roc,
}

/// Which images are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// All.
    All,
    /// Those that were got wrong.
    Errors,
    /// Those that were got right.
    Correct,
}

/// The order of a list of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The most confident answer first.
    Confidence,
    /// The least confident answer first.
    Uncertain,
    /// The least probability given to the truth first.
    Loss,
    /// The data set's own.
    Index,
}

/// A column of the table of remedies that it can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The share of images that are got right.
    Accuracy,
    /// Mean recall of the classes.
    Balanced,
    /// Mean F1 of the classes.
    MacroF1,
    /// Mean area under the ROC curves.
    Auc,
    /// The share of melanomas that are found.
    Melanoma,
    /// Accuracy on the images that validate.
    Validation,
}

macro_rules! words {
    ($kind:ty: $($value:ident = $word:literal),+) => {
        impl Word for $kind {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word),+
                }
            }
        }

        impl $kind {
            /// All of them, in the order of a list.
            pub const ALL: &'static [Self] = <Self as Word>::ALL;

            /// As in addresses.
            pub fn name(self) -> &'static str {
                self.word()
            }
        }
    };
}

words!(Counting: Images = "counts", Rows = "rows", Columns = "columns");
words!(Curves: PrecisionRecall = "pr", Roc = "roc");
words!(Only: All = "all", Errors = "errors", Correct = "correct");
words!(Order: Confidence = "confidence", Uncertain = "uncertain", Loss = "loss", Index = "index");
words!(Column: Accuracy = "accuracy", Balanced = "balanced", MacroF1 = "macro_f1", Auc = "auc", Melanoma = "melanoma", Validation = "validation");

impl View {
    /// Reads what it knows; an empty value says nothing, as an untouched field of a form does.
    ///
    /// # Errors
    /// [`AppError::Invalid`], naming the parameter.
    pub fn new(parameters: &Parameters) -> AppResult<Self> {
        let parameters = Parameters(parameters.0.iter().filter(|(_, value)| !value.trim().is_empty()).cloned().collect());
        let mut given = Vec::new();
        for name in NAMES {
            given.extend(parameters.optional(name)?.map(|value| (name, value.trim().to_owned())));
        }
        let split = |name: &str| {
            let text = parameters.text(name, "test")?;
            Split::named(text).ok_or_else(|| AppError::invalid(name, format!("is {text:?}; expected train, validation or test.")))
        };
        let number = |name: &str, range: std::ops::RangeInclusive<f64>| -> AppResult<Option<f64>> {
            let Some(text) = parameters.optional(name)? else { return Ok(None) };
            let number = text.parse::<f64>().ok().filter(|number| range.contains(number));
            let fault = || AppError::invalid(name, format!("is {text:?}; expected a number from {} to {}.", range.start(), range.end()));
            number.map(Some).ok_or_else(fault)
        };
        let switch = |name: &str, on: &str, off: &str| match parameters.optional(name)? {
            None => Ok(false),
            Some(text) if text == on => Ok(true),
            Some(text) if text == off => Ok(false),
            Some(text) => Err(AppError::invalid(name, format!("is {text:?}; expected {off} or {on}."))),
        };
        let sort = if parameters.optional("sort")?.is_some() { Some(Column::read(&parameters, "sort")?) } else { None };
        Ok(Self {
            counting: Counting::read(&parameters, "matrix")?,
            curves: Curves::read(&parameters, "curves")?,
            split: split("split")?,
            on: split("on")?,
            is_unseen: switch("lesions", "unseen", "all")?,
            only: Only::read(&parameters, "only")?,
            order: Order::read(&parameters, "order")?,
            page: parameters.number("page", 1, 1..=100_000)?,
            has_attention: switch("attention", "on", "off")?,
            threshold: number("threshold", 0.0..=1.0)?,
            miss: number("miss", 0.0..=MOST_COST)?.unwrap_or(MISS),
            alarm: number("alarm", 0.0..=MOST_COST)?.unwrap_or(1.0),
            sort,
            given,
        })
    }

    /// What the address says of `name`, where it says anything.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// The page with `changes`, at the part called `fragment`; an empty value takes a name away.
    pub fn link(&self, changes: &[(&'static str, &str)], fragment: &str) -> String {
        format!("/skin{}#{fragment}", self.query(changes))
    }

    /// Everything that is said, with `changes`, as a query with its question mark.
    pub fn query(&self, changes: &[(&'static str, &str)]) -> String {
        let value = |name: &str| {
            let changed = changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| *value);
            changed.or_else(|| self.given(name)).filter(|value| !value.is_empty())
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in NAMES {
            if let Some(value) = value(name) {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// What a form must carry along that asks for `own` itself.
    pub fn carried(&self, own: &[&str]) -> Vec<(&'static str, &str)> {
        self.given.iter().filter(|(name, _)| !own.contains(name)).map(|(name, value)| (*name, value.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(query: &str) -> View {
        View::new(&Parameters::parse(query)).unwrap()
    }

    #[test]
    fn a_link_changes_one_thing_and_keeps_the_rest() {
        let view = view("run=r-1&matrix=rows&true=4&predicted=5&threshold=0.25&lang=fa&page=3");
        assert_eq!(view.link(&[], "splits"), "/skin?run=r-1&matrix=rows&true=4&predicted=5&page=3&threshold=0.25#splits");
        let changed = view.link(&[("matrix", "columns"), ("page", ""), ("curves", "roc")], "examples");
        assert_eq!(changed, "/skin?run=r-1&matrix=columns&curves=roc&true=4&predicted=5&threshold=0.25#examples");
        assert_eq!(view.carried(&["true", "predicted", "page"]), [("run", "r-1"), ("matrix", "rows"), ("threshold", "0.25")]);
        assert_eq!(View::new(&Parameters::default()).unwrap().link(&[], "top"), "/skin#top");
        assert_eq!(view.link(&[("true", "a&b"), ("predicted", "")], "x").split("true=").nth(1), Some("a%26b&page=3&threshold=0.25#x"));
    }

    #[test]
    fn an_untouched_field_says_nothing_and_a_wrong_word_names_its_field() {
        assert_eq!(view("true=&threshold=&order="), view(""));
        for (query, field) in [
            ("matrix=half", "matrix"),
            ("threshold=1.5", "threshold"),
            ("threshold=NaN", "threshold"),
            ("miss=-1", "miss"),
            ("page=0", "page"),
            ("lesions=some", "lesions"),
            ("sort=name", "sort"),
            ("split=half", "split"),
            ("order=index&order=loss", "order"),
        ] {
            match View::new(&Parameters::parse(query)) {
                Err(AppError::Invalid { field: named, .. }) => assert_eq!(named, field),
                other => panic!("{query}: {other:?}"),
            }
        }
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for counting in Counting::ALL {
            assert_eq!(view(&format!("matrix={}", counting.name())).counting, *counting);
        }
        for column in Column::ALL {
            assert_eq!(view(&format!("sort={}", column.name())).sort, Some(*column));
        }
        let view = view("curves=roc&only=errors&order=uncertain&lesions=unseen&attention=on&split=train");
        assert_eq!((view.curves, view.only, view.order), (Curves::Roc, Only::Errors, Order::Uncertain));
        assert!(view.is_unseen && view.has_attention && view.split == Split::Train && view.sort.is_none());
    }
}
