//! Links that pin pages, pages as one file, reports that people put together, and the course report live.

use reqwest::Response;
use serde_json::Value;

use crate::{
    accounts::{get, people, post, shared},
    support::{Served, Server, command},
};

pub const RUN: &str = "fashion-untuned";

/// A run that comes with the program, alone.
pub fn bring(server: &Server) {
    let file = format!("{}/data/runs/{RUN}.torchboard", env!("CARGO_MANIFEST_DIR"));
    let brought = command().args(["import", &file, "--data-dir"]).arg(server.data_dir()).output().unwrap();
    assert!(brought.status.success(), "{}", String::from_utf8_lossy(&brought.stderr));
}

/// The path of the link that a page shows.
fn link(page: &str) -> String {
    let secret = page.split("/s/").nth(1).unwrap_or_else(|| panic!("no link in {page}"));
    format!("/s/{}", secret.split('"').next().unwrap())
}

async fn share(server: &Server, cookie: &str, page: &str) -> String {
    let made = post(server, "/shares", cookie, &format!("page={page}&days=7")).await;
    assert_eq!(made.status(), 200);
    link(&made.text().await.unwrap())
}

async fn text(response: Response) -> String {
    response.text().await.unwrap()
}

/// Whatever a browser would fetch or follow on this server.
fn assert_stands_alone(page: &str) {
    for forbidden in ["<script", "<form", "<link ", "href=\"/", "src=\"/", "srcset=\"/", "url(\"fonts", "@import", "http-equiv=\"refresh"] {
        assert!(!page.contains(forbidden), "{forbidden} in a page that stands alone");
    }
    assert!(page.contains("default-src 'none'") && page.contains("data:font/woff2;base64,"), "its policy and its fonts are within it");
}

#[tokio::test]
async fn a_link_shows_the_same_tomorrow_whatever_becomes_of_the_run() {
    let server = Server::start();
    bring(&server);
    let address = format!("/runs/{RUN}");
    let path = share(&server, "", &format!("{address}?lang=en")).await;
    let first = server.get(&path).await;
    let policy = first.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe") && !policy.contains("'self'"),
        "{policy}"
    );
    assert_eq!(first.headers()["cache-control"], "private, no-store");
    let first = text(first).await;
    assert_stands_alone(&first.replace("href=\"?lang=fa\"", ""));
    let accuracy = server.json(&format!("/api/v1/runs/{RUN}"), 200).await["best"]["validation_accuracy"]["value"].as_f64().unwrap();
    assert!(first.contains(&format!("{accuracy:.4}")), "it shows {accuracy}");
    assert!(first.contains("<meta property=\"og:title\"") && first.contains("/card.png\""));

    let change = r#"{"name": "Renamed since", "notes": "a secret of later", "tags": ["later"]}"#;
    let changed = server.request("PATCH", &format!("/api/v1/runs/{RUN}")).header("content-type", "application/json").body(change).send();
    assert_eq!(changed.await.unwrap().status(), 200);
    assert!(server.page(&address).await.contains("a secret of later"));
    assert_eq!(server.page(&path).await, first, "the link shows what it showed");
    let persian = server.page(&format!("{path}?lang=fa")).await;
    assert!(persian.contains("dir=\"rtl\"") && !persian.contains("Renamed since"));
    let deleted = server.request("DELETE", &format!("/api/v1/runs/{RUN}")).send().await.unwrap();
    assert!(deleted.status().is_success());
    assert_eq!(server.page(&path).await, first, "even when the run is gone");

    let card = server.get(&format!("{path}/card.png")).await;
    assert_eq!(card.headers()["content-type"], "image/png");
    let card = card.bytes().await.unwrap();
    let number = |at: usize| u32::from_be_bytes(card[at..at + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (1200, 630), "width and height in the PNG's header");
    let list = server.page("/shares").await;
    let number = list.split("action=\"/shares/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(!list.contains(path.trim_start_matches("/s/")), "the secret is shown once");
    assert_eq!(post(&server, &format!("/shares/{number}"), "", "").await.status(), 303);
    assert_eq!(server.get(&path).await.status(), 404);
    assert_eq!(server.get(&format!("{path}/card.png")).await.status(), 404);
}

#[tokio::test]
async fn a_link_opens_what_it_shows_and_nothing_else() {
    let server = shared(&[]);
    bring(&server);
    let [admin, trainer, viewer] = people(&server).await;
    let address = format!("/runs/{RUN}");
    assert_eq!(post(&server, "/shares", &viewer, &format!("page={address}&days=7")).await.status(), 403);
    assert_eq!(get(&server, "/shares", &viewer).await.status(), 403);
    assert_eq!(post(&server, "/shares", "", &format!("page={address}&days=7")).await.status(), 401);
    let path = share(&server, &trainer, &address).await;
    let shown = server.page(&path).await;
    for name in ["sara", "omid", "nima", "/people", "/account"] {
        assert!(!shown.contains(name), "{name} is nobody's business");
    }
    // Whoever has the link has no more than it.
    assert_eq!(server.get(&address).await.status(), 303);
    assert_eq!(server.get(&format!("/api/v1{address}")).await.status(), 401);
    for other in [format!("{path}x"), path[..path.len() - 1].to_owned(), "/s/".into(), "/s/%00".into(), format!("{path}/../../runs")] {
        assert!([303, 404].contains(&server.get(&other).await.status().as_u16()), "{other}");
    }
    let stranger = share(&server, &admin, "/words").await;
    // Another's link is neither seen nor ended; an administrator sees and ends all.
    let of = async |cookie: &str| text(get(&server, "/shares", cookie).await).await.matches("action=\"/shares/").count();
    assert_eq!((of(&trainer).await, of(&admin).await), (1, 2));
    assert_eq!(post(&server, "/shares/2", &trainer, "").await.status(), 404);
    assert_eq!(server.get(&stranger).await.status(), 200);
    assert_eq!(post(&server, "/shares/1", &admin, "").await.status(), 303);
    assert_eq!(server.get(&path).await.status(), 404);
    for page in [
        "/people",
        "/account",
        "/shares",
        "/sign-in",
        "/api/v1/runs",
        "//evil.example",
        "https://evil.example/",
        "",
        "/reports/x/edit",
        "/runs/none",
    ] {
        let refused = post(&server, "/shares", &admin, &format!("page={page}&days=7")).await;
        assert!([404, 422].contains(&refused.status().as_u16()), "{page}: {}", refused.status());
    }
    assert_eq!(post(&server, "/shares", &admin, "page=/words&days=99999").await.status(), 422);
}

#[tokio::test]
async fn a_page_is_one_file_that_needs_no_server() {
    let server = Server::start();
    bring(&server);
    for page in ["/", "/words", "/fashion", "/runs", &format!("/runs/{RUN}"), "/report", "/datasets"] {
        let response = server.get(&format!("/frozen?page={page}&lang=fa")).await;
        assert_eq!(response.status(), 200, "{page}");
        assert!(response.headers()["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"torchboard-"), "{page}");
        let file = text(response).await;
        assert_stands_alone(&file);
        assert!(file.contains("<html lang=\"fa\" dir=\"rtl\"") && !file.contains("No localization"), "{page}");
    }
    for page in ["/people", "/account", "/api", "/frozen?page=/", "//evil.example/x"] {
        assert_eq!(server.get(&format!("/frozen?page={page}")).await.status(), 422, "{page}");
    }
}

#[tokio::test]
async fn people_put_reports_together_of_parts_and_words() {
    let server = Server::start();
    let picked = server.page("/reports/pick?page=/words%3Fwords=king").await;
    assert!(picked.contains("value=\"neighbors\"") && picked.contains("value=\"maps\""), "{picked}");
    let taken =
        post(&server, "/reports/pick", "", "page=/words%3Fwords=king&part=neighbors&part=analogies&report=&title=Ours+%3Cb%3E").await;
    assert_eq!(taken.status(), 303);
    let edit = taken.headers()["location"].to_str().unwrap().split('#').next().unwrap().to_owned();
    let address = edit.trim_end_matches("/edit").to_owned();
    let page = server.page(&address).await;
    assert!(page.contains("Ours &#60;b&#62;") && page.contains("Nearest to “king”"), "{page}");
    assert!(page.contains("id=\"b0-neighbors\"") && page.contains("id=\"b1-analogies\"") && page.contains("/words.css\""), "{page}");
    assert!(!page.split("<article").nth(1).unwrap().split("</article>").next().unwrap().contains("<form"), "forms stay with their page");

    let form = server.page(&edit).await;
    let revision = form.split("name=\"revision\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let added = post(&server, &edit, "", &format!("revision={revision}&title=Ours&do=text-1")).await;
    assert!(added.headers()["location"].to_str().unwrap().ends_with("/edit#block-1"));
    let words = "text-1=%23+Mine%0D%0A%3Cscript%3Ealert(1)%3C/script%3E+%5Bx%5D(javascript:alert(1))";
    // The same form once more: somebody was faster, and what was typed is not lost.
    let late = post(&server, &edit, "", &format!("revision={revision}&title=Ours&do=save&{words}")).await;
    assert_eq!(late.status(), 422);
    let late = text(late).await;
    assert!(late.contains("# Mine") && late.contains("has changed this report"), "{late}");
    let revision: u32 = revision.parse::<u32>().unwrap() + 1;
    assert_eq!(post(&server, &edit, "", &format!("revision={revision}&title=Ours&do=up-1&{words}")).await.status(), 303);
    let page = server.page(&address).await;
    let (text_at, part_at) = (page.find("<h2>Mine</h2>").unwrap(), page.find("id=\"b1-neighbors\"").unwrap());
    assert!(text_at < part_at && !page.contains("alert(1)</script>") && !page.contains("href=\"javascript"), "{page}");
    for wrong in [
        "page=/words&title=x",
        "page=/words&part=none&title=x",
        "page=/people&part=a&title=x",
        "page=/words&part=neighbors&report=none",
        "page=/words&part=neighbors&report=",
    ] {
        let refused = post(&server, "/reports/pick", "", wrong).await.status().as_u16();
        assert!([404, 422].contains(&refused), "{wrong}: {refused}");
    }
    let path = share(&server, "", &address).await;
    assert!(server.page(&path).await.contains("<h2>Mine</h2>"));
    assert_eq!(post(&server, &format!("{address}/delete"), "", "").await.status(), 303);
    assert_eq!(server.get(&address).await.status(), 404);
    assert!(server.page(&path).await.contains("<h2>Mine</h2>"), "what was shared stays");
}

/// With the runs that come with the program: each figure is what the API says of the run that is chosen, and the difference is theirs.
#[tokio::test]
async fn the_course_report_is_made_again_from_the_runs_that_are_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start(folder.path());
    let get = async |path: &str| reqwest::get(format!("{}{path}", server.address)).await.unwrap().text().await.unwrap();
    let page = get("/report?skin=skin-class-weights-0").await;
    let judged: Value = serde_json::from_str(&get("/api/v1/runs/skin-class-weights-0/evaluation?split=test").await).unwrap();
    let ours = judged["accuracy"].as_f64().unwrap();
    let chapter = page.split("<section id=\"skin\"").nth(1).unwrap().split("</section>").next().unwrap();
    let row = chapter.split("<tr>").filter(|row| row.contains("Accuracy")).nth(2).unwrap();
    let cells: Vec<&str> = row.split("dir=\"ltr\">").skip(1).map(|cell| cell.split('<').next().unwrap()).collect();
    assert_eq!(cells, ["0.60", &format!("{ours:.3}"), &format!("+{:.3}", ours - 0.60)]);
    for part in ["b0-neighbors", "-beside\"", "-splits\"", "-remedies\"", "-test\"", "-maps\""] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("class=\"fault\"") && !page.contains("No localization"), "every part can be shown");
    let chapters: Vec<&str> = page.split("class=\"chapter\"").skip(1).collect();
    assert_eq!(chapters.len(), 4);
    for chapter in chapters {
        assert!(chapter.contains("<th scope=\"col\" class=\"number\">Difference</th>"));
    }
    let unknown = reqwest::get(format!("{}/report?skin=none", server.address)).await.unwrap();
    assert_eq!(unknown.status(), 404);
}
