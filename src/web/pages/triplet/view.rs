//! What the address asks of the map.

use crate::{
    data::Split,
    error::{AppError, AppResult},
    jobs::{Method, Stage, Wanted},
    project,
    web::{api::embeddings, parameters::Parameters},
};

/// Numbers of images that the page offers; the report's first. The last one means all.
pub const SIZES: [usize; 4] = [512, 2_000, 10_000, project::MAXIMUM_TSNE_POINTS];
/// Maps of so many images are drawn while a page or a file waits.
pub const SMALL: usize = 512;
/// More points than these would only hide each other in a drawing that can't be zoomed.
pub const MOST_DRAWN: usize = 2_000;
/// Splits that the page offers.
pub const SPLITS: [&str; 4] = ["test", "train", "validation", "all"];

/// What the colour of a point tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colouring {
    /// Its label.
    #[default]
    Label,
    /// The label that most of its neighbours have.
    Said,
    /// Whether the two are the same.
    Error,
}

/// The map that is asked for, of either stage.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Everything but the stage.
    wanted: Wanted,
    /// What colours tell.
    pub colouring: Colouring,
}

impl Colouring {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Label, Self::Said, Self::Error];

    /// As in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Said => "said",
            Self::Error => "error",
        }
    }
}

impl View {
    /// The same map with other colours.
    pub fn coloured(&self, colouring: Colouring) -> Self {
        Self { colouring, ..self.clone() }
    }

    /// Reads `split`, `n` (a number, or `all`), `method`, `seed`, `perplexity` and `colour`.
    ///
    /// # Errors
    /// [`AppError::Invalid`], naming the parameter.
    pub fn new(run: String, parameters: &Parameters) -> AppResult<Self> {
        let mut parameters = parameters.clone();
        for (_, value) in parameters.0.iter_mut().filter(|(name, value)| name == "n" && value == "all") {
            *value = project::MAXIMUM_TSNE_POINTS.to_string();
        }
        let name = parameters.text("colour", "label")?;
        let colouring = Colouring::ALL.into_iter().find(|colouring| colouring.name() == name);
        let colouring = colouring.ok_or_else(|| AppError::invalid("colour", format!("is {name:?}; expected label, said or error.")))?;
        Ok(Self { wanted: embeddings::wanted(run, &parameters)?, colouring })
    }

    /// The map of a stage.
    pub fn wanted(&self, stage: Stage) -> Wanted {
        Wanted { stage, ..self.wanted.clone() }
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.wanted.run
    }

    /// Whose images these are, in their order.
    pub fn splits(&self) -> Vec<Split> {
        self.wanted.splits()
    }

    /// `train`, `validation`, `test` or `all`.
    pub fn split(&self) -> &'static str {
        self.wanted.split_name()
    }

    /// `tsne` or `pca`.
    pub fn method(&self) -> &'static str {
        if self.wanted.method == Method::Pca { "pca" } else { "tsne" }
    }

    /// Images at most.
    pub fn n(&self) -> usize {
        self.wanted.n
    }

    /// Of t-SNE.
    pub fn seed(&self) -> u64 {
        self.wanted.seed
    }

    /// Of t-SNE.
    pub fn perplexity(&self) -> u32 {
        self.wanted.perplexity
    }

    /// Whether the map is drawn while somebody waits for it.
    pub fn is_small(&self) -> bool {
        self.n() <= SMALL || self.wanted.method == Method::Pca && self.n() <= MOST_DRAWN
    }

    /// As a query that [`Self::new`] reads, with its question mark.
    pub fn query(&self) -> String {
        let (run, split, method, n) = (self.run(), self.split(), self.method(), self.n());
        format!(
            "?run={run}&split={split}&method={method}&n={n}&seed={}&perplexity={}&colour={}",
            self.seed(),
            self.perplexity(),
            self.colouring.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_says_what_it_was_read_from() {
        let query = "?run=r&split=all&method=pca&n=10000&seed=3&perplexity=50&colour=error";
        let view = View::new("r".into(), &Parameters::parse(query.trim_start_matches('?'))).unwrap();
        assert_eq!(view.query(), query);
        assert_eq!(View::new("r".into(), &Parameters::parse("n=all")).unwrap().n(), project::MAXIMUM_TSNE_POINTS);
        let fault = View::new("r".into(), &Parameters::parse("colour=red")).unwrap_err();
        assert!(matches!(&fault, AppError::Invalid { field, .. } if field == "colour"), "{fault:?}");
    }
}
