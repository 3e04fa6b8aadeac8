//! The parts that a page is made of: its sections and figures that have a name, and one of them by itself.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use lol_html::{
    EndTagHandler, element,
    html_content::{ContentType, Element, EndTag},
    text,
};

use crate::{
    error::{AppError, AppResult},
    web::markup::rewritten,
};

/// A section or a figure of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name within the page.
    pub id: String,
    /// Its heading, as it stands in the page: safe to be written there again.
    pub title: String,
    /// Whether it is a figure.
    pub is_figure: bool,
}

/// A part of a page, to be set into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// What stands there: safe, since it stood in a page of ours.
    pub html: String,
    /// The class that its page's style sheet goes by.
    pub class: String,
    /// Addresses of the style sheets of its page.
    pub styles: Vec<String>,
}

/// The sections and figures of a page that have a name, in their order.
///
/// # Errors
/// When the page is none.
pub fn parts(page: &str) -> AppResult<Vec<Part>> {
    let found: RefCell<Vec<Part>> = RefCell::default();
    let collecting = RefCell::new(false);
    let begin = element!("main section[id], main figure[id]", |element| {
        let (id, is_figure) = (element.get_attribute("id").unwrap_or_default(), element.tag_name() == "figure");
        found.borrow_mut().push(Part { id, title: String::new(), is_figure });
        collecting.replace(false);
        Ok(())
    });
    // A part is called by the first heading within it.
    let heading = element!("main h2, main h3, main h4", |_| {
        collecting.replace(found.borrow().last().is_some_and(|part| part.title.is_empty()));
        Ok(())
    });
    let words = text!("main h2, main h3, main h4", |chunk| {
        if let Some(part) = found.borrow_mut().last_mut().filter(|_| *collecting.borrow()) {
            part.title.push_str(chunk.as_str());
        }
        Ok(())
    });
    rewritten(page, vec![begin, heading, words])?;
    let mut found = found.into_inner();
    for part in &mut found {
        part.title = part.title.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    found.retain(|part| !part.title.is_empty());
    Ok(found)
}

/// What [`excerpt`] writes around the part, to find it again: no page has it, since what people type is escaped.
const BEGIN: &str = "<!--excerpt begins-->";
const END: &str = "<!--excerpt ends-->";

/// The part called `id`, or all that the page has to say where none is named. Names within it begin with `prefix`, so that several excerpts may
/// stand in one page; its headings are one level lower; forms, which belong to their page, are left out.
///
/// # Errors
/// [`AppError::NotFound`] when the page has no such part.
pub fn excerpt(page: &str, id: Option<&str>, prefix: &str) -> AppResult<Excerpt> {
    let excerpt = RefCell::new(Excerpt { html: String::new(), class: String::new(), styles: Vec::new() });
    let style = element!("link[rel=stylesheet][href]", |element| {
        excerpt.borrow_mut().styles.extend(element.get_attribute("href"));
        Ok(())
    });
    let class = element!("main > article[class]", |element| {
        excerpt.borrow_mut().class = element.get_attribute("class").unwrap_or_default();
        Ok(())
    });
    let is_within = Rc::new(Cell::new(false));
    let every = element!("main *", move |element| {
        let is_wanted = match id {
            Some(id) => element.get_attribute("id").as_deref() == Some(id),
            None => element.tag_name() == "article",
        };
        if is_wanted {
            element.before(BEGIN, ContentType::Html);
            element.after(END, ContentType::Html);
            is_within.set(true);
            if let Some(handlers) = element.end_tag_handlers() {
                let is_within = Rc::clone(&is_within);
                let end: EndTagHandler<'static> = Box::new(move |_: &mut EndTag<'_>| {
                    is_within.set(false);
                    Ok(())
                });
                handlers.push(end);
            }
        }
        if !is_within.get() {
            return Ok(()); // a part is a small one of its page
        }
        let is_live = element.get_attribute("class").is_some_and(|classes| classes.split_whitespace().any(|class| class == "live"));
        match element.tag_name().as_str() {
            _ if is_live => element.remove(), // it would wait for a script of its page
            "form" | "script" => element.remove(),
            "h1" | "h2" => element.set_tag_name("h3")?,
            "h3" => element.set_tag_name("h4")?,
            "h4" => element.set_tag_name("h5")?,
            _ => {}
        }
        rename(element, prefix)?;
        Ok(())
    });
    let marked = rewritten(page, vec![style, class, every])?;
    let mut excerpt = excerpt.into_inner();
    let within = marked.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(within, _)| within);
    let within = within.ok_or_else(|| AppError::not_found(format!("The page has no part {:?}.", id.unwrap_or("article"))))?;
    within.clone_into(&mut excerpt.html);
    Ok(excerpt)
}

/// Attributes that hold names within the page, one or several.
const NAMES: [&str; 7] = ["id", "for", "headers", "aria-labelledby", "aria-describedby", "aria-controls", "aria-owns"];

fn rename(element: &mut Element<'_, '_>, prefix: &str) -> Result<(), lol_html::errors::AttributeNameError> {
    for name in NAMES {
        if let Some(value) = element.get_attribute(name) {
            let renamed: Vec<String> = value.split_whitespace().map(|name| format!("{prefix}{name}")).collect();
            element.set_attribute(name, &renamed.join(" "))?;
        }
    }
    if let Some(name) = element.get_attribute("href").as_deref().and_then(|href| href.strip_prefix('#')) {
        element.set_attribute("href", &format!("#{prefix}{name}"))?;
    }
    for name in ["clip-path", "fill", "stroke", "marker-end", "marker-start", "mask"] {
        if let Some(name_within) = element.get_attribute(name).as_deref().and_then(|value| value.strip_prefix("url(#")) {
            element.set_attribute(name, &format!("url(#{prefix}{name_within}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r##"<html><head><link rel="stylesheet" href="/assets/1/skin.css"></head><body><header><h2>Not this</h2></header><main><article class="skin">
<section id="first" aria-labelledby="first-title"><h2 id="first-title">The <em>first</em> &amp; only</h2><form action="/x"><input></form>
<div class="wide live"><canvas></canvas></div><figure id="chart"><figcaption><h3>A chart</h3><p>read</p></figcaption><svg><g clip-path="url(#c)"><a href="#first">up</a></g></svg></figure></section>
<section id="bare"><p>no heading</p></section><section id="last"><h2>Last</h2></section></article></main></body></html>"##;

    #[test]
    fn a_page_names_its_parts() {
        let parts: Vec<(String, String, bool)> =
            parts(PAGE).unwrap().into_iter().map(|part| (part.id, part.title, part.is_figure)).collect();
        let expected = [("first", "The first &amp; only", false), ("chart", "A chart", true), ("last", "Last", false)];
        assert_eq!(parts, expected.map(|(id, title, is_figure)| (id.to_owned(), title.to_owned(), is_figure)));
    }

    #[test]
    fn a_part_stands_alone_under_names_of_its_own() {
        let chart = excerpt(PAGE, Some("chart"), "e1-").unwrap();
        let html = r##"<figure id="e1-chart"><figcaption><h4>A chart</h4><p>read</p></figcaption><svg><g clip-path="url(#e1-c)"><a href="#e1-first">up</a></g></svg></figure>"##;
        assert_eq!(chart, Excerpt { html: html.into(), class: "skin".into(), styles: vec!["/assets/1/skin.css".into()] });
        let first = excerpt(PAGE, Some("first"), "e2-").unwrap().html;
        assert!(first.starts_with(r#"<section id="e2-first" aria-labelledby="e2-first-title"><h3 id="e2-first-title">"#), "{first}");
        assert!(
            first.ends_with("</section>") && !first.contains("<form") && !first.contains("canvas") && !first.contains("Last"),
            "{first}"
        );
        assert!(excerpt(PAGE, None, "").unwrap().html.starts_with("<article"));
        assert!(matches!(excerpt(PAGE, Some("nothing"), ""), Err(AppError::NotFound { .. })));
    }
}
