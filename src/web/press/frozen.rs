//! A page as one file: what it looks like and shows lies within it, nothing is fetched, and nothing leads elsewhere but what lies outside of this server.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lol_html::{
    element,
    html_content::{ContentType, Element},
    text,
};
use sha2::{Digest as _, Sha256};

use super::Press;
use crate::{
    error::{AppError, AppResult},
    web::markup::rewritten,
};

/// A page that stays as it was.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// The file.
    pub html: String,
    /// The page's title.
    pub title: String,
    /// The first reading of a figure, or the first words.
    pub about: String,
    /// Where its first figure can be had as PNG.
    pub picture: Option<String>,
    /// What its Content-Security-Policy says: its one style sheet, and what lies within it.
    pub policy: String,
}

/// What stands at the head of the file, by which whoever serves it may add to it.
pub const HEAD: &str = "<!--head-->";

/// What the line begins with that says when the page was so: likewise.
pub const STAMP: &str = "<p class=\"stamp\">";

/// The page at `address` as one file. `stamp` says, in the reader's words, when it was so.
///
/// # Errors
/// As [`Press::page`], for the page and for what it shows.
pub async fn freeze(press: &Press, address: &str, stamp: &str) -> AppResult<Frozen> {
    let page = press.page(address).await?;
    let seen = look_through(&page)?;
    let mut style = String::new();
    for sheet in &seen.sheets {
        let (_, bytes) = press.file(sheet).await?;
        let folder = sheet.rsplit_once('/').map_or("", |(folder, _)| folder);
        style.push_str(&with_fonts(press, folder, &String::from_utf8_lossy(&bytes)).await?);
        style.push('\n');
    }
    let mut pictures = HashMap::new();
    for picture in &seen.pictures {
        let (kind, bytes) = press.file(&unescaped(picture)).await?;
        pictures.insert(picture.clone(), data_address(&kind, &bytes));
    }
    let digest = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{digest}'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'");
    let head = format!(
        "{HEAD}<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\"><meta name=\"generator\" content=\"Torchboard {}\"><style>{style}</style>",
        env!("CARGO_PKG_VERSION")
    );
    let html = set(&page, &head, stamp, &pictures)?;
    Ok(Frozen { html, title: seen.title, about: seen.about, picture: seen.figure.map(|figure| unescaped(&figure)), policy })
}

/// What a page needs, and what it is about.
#[derive(Default)]
struct Seen {
    sheets: Vec<String>,
    pictures: BTreeSet<String>,
    figure: Option<String>,
    title: String,
    about: String,
}

fn look_through(page: &str) -> AppResult<Seen> {
    let seen: RefCell<Seen> = RefCell::default();
    let sheets = element!("link[rel=stylesheet][href]", |element| {
        seen.borrow_mut().sheets.extend(element.get_attribute("href"));
        Ok(())
    });
    let pictures = element!("main img[src], main source[srcset]", |element| {
        let address = element.get_attribute("src").or_else(|| element.get_attribute("srcset"));
        seen.borrow_mut().pictures.extend(address.filter(|address| address.starts_with('/')));
        Ok(())
    });
    let figures = element!("main a[href^='/figures/']", |element| {
        let address = element
            .get_attribute("href")
            .filter(|address| address.split('?').next().is_some_and(|path| path.rsplit('.').next() == Some("png")));
        let mut seen = seen.borrow_mut();
        seen.figure = seen.figure.take().or(address);
        Ok(())
    });
    // Drawings have titles of their own.
    let title = text!("head title", |chunk| {
        seen.borrow_mut().title.push_str(chunk.as_str());
        Ok(())
    });
    // The first of these that says something.
    let count = RefCell::new(0);
    let paragraphs = element!("main .lead p, main .reading", |_| {
        *count.borrow_mut() += 1;
        Ok(())
    });
    let about = text!("main .lead p, main .reading", |chunk| {
        if *count.borrow() == 1 {
            seen.borrow_mut().about.push_str(chunk.as_str());
        }
        Ok(())
    });
    rewritten(page, vec![sheets, pictures, figures, title, paragraphs, about])?;
    let mut seen = seen.into_inner();
    let title = unescaped(&seen.title);
    title.trim().trim_end_matches("· Torchboard").trim_end().clone_into(&mut seen.title);
    seen.about = unescaped(&seen.about).split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(seen)
}

/// The style sheet with the fonts that it names within it.
async fn with_fonts(press: &Press, folder: &str, sheet: &str) -> AppResult<String> {
    const BEFORE: &str = "url(\"fonts/";
    let mut out = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once(BEFORE) {
        let (name, after) =
            after.split_once("\")").ok_or_else(|| AppError::Internal(anyhow::anyhow!("a style sheet names a font without an end")))?;
        let (kind, bytes) = press.file(&format!("{folder}/fonts/{name}")).await?;
        let _ = write!(out, "{before}url(\"{}\")", data_address(&kind, &bytes));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn data_address(kind: &str, bytes: &[u8]) -> String {
    format!("data:{};base64,{}", kind.replace(' ', ""), STANDARD.encode(bytes))
}

/// What belongs to a server that answers: what can be sent, what can be chosen, what leads to files.
const LIVE: &str = "script, meta[http-equiv], .live, form, button, input, select, textarea, link, .skip, .masthead nav, .who, .switches, .faces, .contents, .keep";

fn set(page: &str, head: &str, stamp: &str, pictures: &HashMap<String, String>) -> AppResult<String> {
    let remove = element!(LIVE, |element| {
        element.remove();
        Ok(())
    });
    let heads = element!("head", |element| {
        element.append(head, ContentType::Html);
        Ok(())
    });
    let mast = element!("header.masthead", |element| {
        element.append(STAMP, ContentType::Html);
        element.append(stamp, ContentType::Text);
        element.append("</p>", ContentType::Html);
        Ok(())
    });
    let brand = element!("header.masthead img", |element| {
        element.remove();
        Ok(())
    });
    let every = element!("*", |element| Ok(still(element, pictures)?));
    rewritten(page, vec![remove, heads, mast, brand, every])
}

/// Without what is fetched, and without what leads to this server.
fn still(element: &mut Element<'_, '_>, pictures: &HashMap<String, String>) -> Result<(), lol_html::errors::AttributeNameError> {
    for name in ["src", "srcset"] {
        if let Some(picture) = element.get_attribute(name).and_then(|address| pictures.get(&address)) {
            element.set_attribute(name, picture)?;
        }
    }
    element.remove_attribute("loading");
    if element
        .get_attribute("href")
        .is_some_and(|href| !href.starts_with('#') && !href.starts_with("https://") && !href.starts_with("http://"))
    {
        element.remove_attribute("href");
    }
    Ok(())
}

/// Text as a reader sees it: the parser hands it over as it is written.
fn unescaped(text: &str) -> String {
    const LETTERS: [(&str, &str); 10] = [
        ("&#60;", "<"),
        ("&lt;", "<"),
        ("&#62;", ">"),
        ("&gt;", ">"),
        ("&#34;", "\""),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&nbsp;", "\u{a0}"),
        ("&#38;", "&"), // what it was written with comes last
        ("&amp;", "&"),
    ];
    LETTERS.iter().fold(text.to_owned(), |text, (written, letter)| text.replace(written, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r##"<html><head><title>Runs &#38; more · Torchboard</title><link rel="stylesheet" href="/assets/1/a.css"><script src="/x.js"></script></head>
<body><header class="masthead"><a class="brand" href="/"><img src="/assets/1/mark.svg"><span>Torchboard</span></a><nav><a href="/runs">Runs</a></nav></header>
<main><article><header class="lead"><h1>Title</h1><p>What it &#60;is&#62;.</p><p>More.</p></header><svg><title>Not this</title></svg><form><input></form>
<a href="/figures/a.svg">SVG</a><a href="/figures/a.png?run=1&#38;b=2">PNG</a><img src="/api/1.png" loading="lazy"><a href="#x">x</a><a href="https://other.example/">o</a><a href="/runs/secret">s</a></article></main></body></html>"##;

    #[test]
    fn a_page_says_what_it_needs_and_what_it_is_about() {
        let seen = look_through(PAGE).unwrap();
        assert_eq!((seen.title.as_str(), seen.about.as_str()), ("Runs & more", "What it <is>."));
        assert_eq!(seen.sheets, ["/assets/1/a.css"]);
        assert_eq!(seen.pictures.into_iter().collect::<Vec<_>>(), ["/api/1.png"]);
        assert_eq!(seen.figure.as_deref(), Some("/figures/a.png?run=1&#38;b=2"));
    }

    #[test]
    fn what_is_frozen_fetches_nothing_and_leads_nowhere_within() {
        let pictures = HashMap::from([("/api/1.png".to_owned(), "data:image/png;base64,AA".to_owned())]);
        let frozen = set(PAGE, "HEAD", "as it <was>", &pictures).unwrap();
        for gone in ["<script", "<form", "<input", "<nav", "<link", "/runs", "/figures", "loading", "mark.svg"] {
            assert!(!frozen.contains(gone), "{gone} in {frozen}");
        }
        for kept in [
            "HEAD</head>",
            "<p class=\"stamp\">as it &lt;was&gt;</p>",
            "src=\"data:image/png;base64,AA\"",
            "href=\"#x\"",
            "https://other.example/",
        ] {
            assert!(frozen.contains(kept), "{kept} not in {frozen}");
        }
    }
}
