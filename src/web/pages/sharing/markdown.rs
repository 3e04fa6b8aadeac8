//! What people write, as it is shown: Markdown without anything that runs, sends or frames.

use comrak::{Options, markdown_to_html};

/// HTML of a Markdown text, safe to stand in a page: HTML of the writer's own is left out, as the library does unless told otherwise, links lead to where links may lead, and headings are one
/// level lower, since the page has the first.
pub fn rendered(text: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    let html = markdown_to_html(text, &options);
    lowered(&html)
}

/// The deepest first, so that none is lowered twice.
fn lowered(html: &str) -> String {
    (1..6).rev().fold(html.to_owned(), |html, level| {
        let next = level + 1;
        html.replace(&format!("<h{level}>"), &format!("<h{next}>")).replace(&format!("</h{level}>"), &format!("</h{next}>"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_set_and_its_headings_are_below_the_page_s() {
        let html = rendered("# One\n\nSome *words*, `code` and a [link](/skin).\n\n## Two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n");
        assert!(html.contains("<h2>One</h2>") && html.contains("<h3>Two</h3>") && html.contains("<em>words</em>"), "{html}");
        assert!(html.contains("<a href=\"/skin\">link</a>") && html.contains("<td>1</td>"), "{html}");
    }

    #[test]
    fn nothing_that_is_written_runs_or_frames() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "![x](javascript:alert(1))",
            "<iframe src=//evil.example></iframe>",
            "<a href=\"/x\" onclick=\"alert(1)\">x</a>",
            "[x](vbscript:msgbox(1))",
            "<javascript:alert(1)>",
            "<svg><script>alert(1)</script></svg>",
            "<form action=/runs/a method=post><button>x</button></form>",
            "[x](</a onmouseover=alert(1) >)",
        ] {
            let html = rendered(hostile).to_lowercase();
            for forbidden in [
                "<script",
                "<img src=\"x",
                "href=\"javascript",
                "src=\"javascript",
                "href=\"vbscript",
                "href=\"data",
                "<iframe",
                "<form",
                "<svg",
                "<button",
            ] {
                assert!(!html.contains(forbidden), "{hostile:?} became {html:?}");
            }
            // An attribute of the writer's own would stand unescaped within a tag.
            assert!(
                !html.split('<').skip(1).any(|tag| tag.split('>').next().is_some_and(|tag| tag.contains(" on"))),
                "{hostile:?} became {html:?}"
            );
        }
    }
}
