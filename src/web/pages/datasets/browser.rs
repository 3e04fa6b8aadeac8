//! Images of a data set, by split and class, some at a time. The address holds what is shown.

use crate::{
    data::{Dataset, Split},
    error::{AppError, AppResult},
    web::{AppState, parameters::Parameters},
};

/// Images on one page of the browser.
const IMAGES: usize = 60;

/// What the address asks for.
#[derive(Clone)]
pub struct View {
    /// The set that is shown.
    pub dataset: &'static Dataset,
    /// The split that is shown.
    pub split: Split,
    /// Its one class that is shown, or all.
    pub class: Option<usize>,
    /// From 1.
    pub page: usize,
}

/// One image.
pub struct Image {
    /// Its place in its split, from 0.
    pub index: usize,
    /// The name of its class.
    pub class: &'static str,
    /// Its address.
    pub address: String,
}

/// A page of images and the ways to the others.
pub struct Browser {
    /// The images.
    pub images: Vec<Image>,
    /// How many there are on all pages.
    pub count: usize,
    /// The place of the first one shown among them, from 1.
    pub first: usize,
    /// How many pages there are.
    pub pages: usize,
    /// Addresses of the first, the previous, the next and the last page, where these are others: key of the text, address.
    pub links: Vec<(&'static str, String)>,
}

impl View {
    /// The first page of all of a set.
    pub fn of(dataset: &'static Dataset) -> Self {
        Self { dataset, split: first_split(dataset), class: None, page: 1 }
    }

    /// Reads `split`, `class` and `page`.
    ///
    /// # Errors
    /// When one of them names nothing that the set has.
    pub fn new(dataset: &'static Dataset, parameters: &Parameters) -> AppResult<Self> {
        let has = |split: &Split| dataset.splits.iter().any(|(other, _)| other == split);
        let split = match parameters.optional("split")? {
            None => first_split(dataset),
            Some(name) => Split::named(name).filter(has).ok_or_else(|| {
                let names: Vec<&str> = dataset.splits.iter().map(|(split, _)| split.name()).collect();
                AppError::invalid("split", format!("is {name:?}; expected one of {}.", names.join(", ")))
            })?,
        };
        // An empty choice is what the form sends for all classes.
        let class = match parameters.optional("class")? {
            None | Some("") => None,
            Some(_) => Some(parameters.number("class", 0, 0..=dataset.classes.len() - 1)?),
        };
        Ok(Self { dataset, split, class, page: parameters.number("page", 1, 1..=usize::MAX)? })
    }

    /// Of this page, without what repeats a default.
    pub fn address(&self) -> String {
        let split = (self.split != first_split(self.dataset)).then(|| format!("&split={}", self.split.name()));
        let class = self.class.map(|class| format!("&class={class}"));
        let page = (self.page > 1).then(|| format!("&page={}", self.page));
        let parts = [Some(format!("/datasets?set={}", self.dataset.id())), split, class, page];
        parts.into_iter().flatten().collect()
    }

    /// The same with another page.
    fn at(&self, page: usize) -> String {
        Self { page, ..self.clone() }.address()
    }
}

impl Browser {
    /// Collects what `view` asks for.
    ///
    /// # Errors
    /// When the data set is not ready, or there are not so many pages.
    pub fn new(app: &AppState, view: &View) -> AppResult<Self> {
        let examples = app.datasets.examples(view.dataset, view.split)?;
        let labels = examples.labels();
        let fits = |index: &usize| view.class.is_none_or(|class| usize::from(labels[*index]) == class);
        let fitting: Vec<usize> = (0..labels.len()).filter(fits).collect();
        let pages = fitting.len().div_ceil(IMAGES).max(1);
        if view.page > pages {
            return Err(AppError::invalid("page", format!("is {}; there are {pages}.", view.page)));
        }
        let start = (view.page - 1) * IMAGES;
        let image = |index: &usize| Image {
            index: *index,
            class: &view.dataset.classes[usize::from(labels[*index])],
            address: format!("/api/v1/datasets/{}/images/{}/{index}.png", view.dataset.id(), view.split.name()),
        };
        let links = [
            ("datasets-page-first", 1),
            ("datasets-page-previous", view.page.saturating_sub(1)),
            ("datasets-page-next", view.page + 1),
            ("datasets-page-last", pages),
        ];
        Ok(Self {
            images: fitting.iter().skip(start).take(IMAGES).map(image).collect(),
            count: fitting.len(),
            first: start + 1,
            pages,
            links: links
                .into_iter()
                .filter(|(_, page)| (1..=pages).contains(page) && *page != view.page)
                .map(|(key, page)| (key, view.at(page)))
                .collect(),
        })
    }
}

fn first_split(dataset: &Dataset) -> Split {
    dataset.splits.first().map_or(Split::Train, |(split, _)| *split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets;

    fn view(query: &str) -> AppResult<View> {
        let dataset = datasets().iter().find(|dataset| dataset.id() == "skin-sample").unwrap();
        View::new(dataset, &Parameters::parse(query))
    }

    #[test]
    fn an_address_says_what_it_was_read_from_and_no_defaults() {
        for (query, address) in [
            ("", "/datasets?set=skin-sample"),
            ("split=train&class=&page=1", "/datasets?set=skin-sample"),
            ("split=test&class=6&page=2", "/datasets?set=skin-sample&split=test&class=6&page=2"),
        ] {
            assert_eq!(view(query).unwrap().address(), address);
        }
        assert_eq!(view("class=3&page=7").unwrap().at(2), "/datasets?set=skin-sample&class=3&page=2");
    }

    #[test]
    fn what_a_set_lacks_is_refused() {
        for (query, field) in [("split=half", "split"), ("class=7", "class"), ("class=nevus", "class"), ("page=0", "page")] {
            let fault = view(query).err();
            assert!(matches!(&fault, Some(AppError::Invalid { field: named, .. }) if named == field), "{query}: {fault:?}");
        }
    }
}
