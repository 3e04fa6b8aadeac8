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

/// The answer to a form with this link.
async fn give_link(server: &Server, cookie: &str, link: &str) -> Response {
    const BOUNDARY: &str = "between-fields";
    let body = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"link\"\r\n\r\n{link}\r\n--{BOUNDARY}--\r\n");
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    server.request("POST", "/imports").header("cookie", cookie).header("content-type", kind).body(body).send().await.unwrap()
}

#[tokio::test]
async fn a_link_gives_the_file_of_its_runs_and_another_server_takes_it_in() {
    let server = shared(&[]);
    bring(&server);
    let [admin, trainer, viewer] = people(&server).await;
    let address = format!("/runs/{RUN}");
    assert!(text(get(&server, &address, &trainer).await).await.contains("<label class=\"choice\" for=\"keep-file\">"));
    assert!(!text(get(&server, "/words", &trainer).await).await.contains("keep-file"), "there are no runs on it");
    let made = post(&server, "/shares", &trainer, &format!("page={address}&days=7&file=yes")).await;
    assert_eq!(made.status(), 200);
    let made = text(made).await;
    let path = link(&made);
    assert!(made.contains("<small>File of its runs ("), "the list tells of it: {made}");

    // Whoever has the link gets what the run's own page gives, and needs no account for it.
    let given = server.get(&format!("{path}/runs.torchboard")).await;
    assert_eq!(given.status(), 200);
    for (name, value) in [
        ("content-type", "application/zip"),
        ("content-disposition", "attachment; filename=\"fashion-untuned.torchboard\""),
        ("cache-control", "private, no-store"),
        ("x-robots-tag", "noindex"),
    ] {
        assert_eq!(given.headers()[name], value);
    }
    let file = given.bytes().await.unwrap();
    assert!(file == get(&server, &format!("{address}/file"), &viewer).await.bytes().await.unwrap(), "it is another file");
    let secret = path.trim_start_matches("/s/");
    let shown = server.page(&path).await;
    assert!(shown.contains(&format!("<a href=\"{secret}/runs.torchboard\" download>File of its runs (")), "{shown}");
    assert!(server.page(&format!("{path}?lang=fa")).await.contains("/runs.torchboard\" download>فایل اجراها ("));

    // Another server looks into it first, and then takes it in.
    let other = Server::start();
    let link_of = |path: &str| format!("{}{path}", server.address);
    let looked = give_link(&other, "", &format!(" {}?lang=fa ", link_of(&path))).await;
    assert_eq!(looked.status(), 200);
    let looked = text(looked).await;
    assert!(looked.contains("<bdi>Untuned network of the report</bdi>"), "{looked}");
    assert_eq!(other.get(&format!("/api/v1{address}")).await.status(), 404, "nothing is taken in by looking");
    let decide = looked.split("action=\"/imports/").nth(1).unwrap().split('"').next().unwrap();
    let taken = post(&other, &format!("/imports/{decide}"), "", "action=import").await;
    assert_eq!((taken.status().as_u16(), taken.headers()["location"].to_str().unwrap()), (303, address.as_str()));
    let of = async |server: &Server| get(server, &format!("/api/v1{address}"), &viewer).await.json::<Value>().await.unwrap();
    let (here, there) = (of(&server).await, of(&other).await);
    assert_eq!((&there["best"], &there["weights"], &there["origin"]), (&here["best"], &here["weights"], &Value::from("imported")));

    // It is given as long as the link shows the page, whatever becomes of the run, and in one word with it refused.
    let deleted = server.request("DELETE", &format!("/api/v1{address}")).header("cookie", &trainer).send().await.unwrap();
    assert!(deleted.status().is_success());
    assert!(server.get(&format!("{path}/runs.torchboard")).await.bytes().await.unwrap() == file, "the run is gone, its file is not");
    assert_eq!(post(&server, "/shares/1", &admin, "").await.status(), 303);
    assert_eq!(server.get(&format!("{path}/runs.torchboard")).await.status(), 404);
    let refused = give_link(&other, "", &link_of(&path)).await;
    assert_eq!(refused.status(), 422);
    assert!(text(refused).await.contains("gives no file of runs"));
}

#[tokio::test]
async fn a_study_and_runs_beside_each_other_are_given_whole() {
    let server = Server::start();
    bring(&server);
    let study = format!("{}/data/runs/fashion-study-3.torchboard", env!("CARGO_MANIFEST_DIR"));
    let brought = command().args(["import", &study, "--data-dir"]).arg(server.data_dir()).output().unwrap();
    assert!(brought.status.success(), "{}", String::from_utf8_lossy(&brought.stderr));
    let brought = String::from_utf8(brought.stdout).unwrap();
    let ids: Vec<&str> = brought.lines().collect(); // the study's, then those of its trials
    let page = |page: &str| form_urlencoded::byte_serialize(page.as_bytes()).collect::<String>();
    for (shown, expected) in [
        (format!("/studies/{}", ids[0]), brought.clone()),
        (format!("/compare?run={RUN}&scale=log&run={}", ids[2]), format!("{RUN}\n{}\n", ids[2])),
    ] {
        let made = post(&server, "/shares", "", &format!("page={}&days=0&file=yes", page(&shown))).await;
        assert_eq!(made.status(), 200, "{shown}");
        let path = link(&text(made).await);
        let link = format!("{}{path}", server.address);
        let folder = tempfile::tempdir().unwrap();
        let taken = command().args(["import", &link, "--data-dir"]).arg(folder.path()).output().unwrap();
        assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
        assert_eq!(String::from_utf8(taken.stdout).unwrap(), expected, "{shown}");
        let again = command().args(["import", &link[..link.len() - 1], "--data-dir"]).arg(folder.path()).output().unwrap();
        assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("is no shared link"));
    }
}

#[tokio::test]
async fn a_link_gives_no_file_unless_it_was_made_with_one() {
    let server = Server::start();
    bring(&server);
    let address = format!("/runs/{RUN}");
    let made = async |asked: &str| post(&server, "/shares", "", &format!("days=7&{asked}")).await;
    for asked in [format!("page={address}"), format!("page={address}&file=no")] {
        let path = link(&text(made(&asked).await).await);
        assert_eq!(server.get(&format!("{path}/runs.torchboard")).await.status(), 404, "{asked}");
        assert!(!server.page(&path).await.contains("runs.torchboard"));
    }
    for (asked, status, said) in [
        ("page=/skin&file=yes".to_owned(), 422_u16, "can go with the page of a run"),
        ("page=/runs&file=yes".to_owned(), 422, "can go with the page of a run"),
        ("page=/compare&file=yes".to_owned(), 422, "can go with the page of a run"),
        (format!("page={address}&file=maybe"), 422, "expected yes or no"),
        ("page=/runs/none&file=yes".to_owned(), 404, "none"),
    ] {
        let refused = made(&asked).await;
        assert_eq!(refused.status(), status, "{asked}");
        let page = text(refused).await;
        assert!(page.contains(said), "{asked}: {page}");
    }
    let body = r#"{"system":"mlp","name":"long","config":{"dataset":"fashion-mnist-sample","epochs":4000,"units":64}}"#;
    let id = server.post("/api/v1/runs", body, 202).await["id"].as_str().unwrap().to_owned();
    let refused = made(&format!("page=/runs/{id}&file=yes")).await;
    assert_eq!(refused.status(), 409);
    assert!(text(refused).await.contains("has not ended"));
    let list = server.page("/shares").await;
    assert_eq!(
        (list.matches("action=\"/shares/").count(), list.matches("File of its runs").count()),
        (2, 0),
        "no link was made without it"
    );
}

#[tokio::test]
async fn a_link_to_take_in_opens_nothing_else_to_whoever_gives_it() {
    let server = shared(&[]);
    let [_, trainer, viewer] = people(&server).await;
    let secret = "a".repeat(43);
    let here = format!("{}/s/{secret}", server.address);
    assert_eq!(give_link(&server, &viewer, &here).await.status(), 403);
    assert_eq!(give_link(&server, "", &here).await.status(), 401);
    assert!(!server.data_dir().join("uploads").exists(), "nothing was fetched");
    let encrypted = shared(&["--self-signed"]);
    for (link, said) in [
        (String::new(), "is no shared link"),
        ("file:///etc/passwd".to_owned(), "is no shared link"),
        (format!("file:///s/{secret}"), "is no shared link"),
        (format!("{}/health", server.address), "is no shared link"),
        (format!("{}/metrics?x=/s/{secret}", server.address), "is no shared link"),
        (format!("{}/../metrics#/s/{secret}", server.address), "is no shared link"),
        ("x".repeat(1 << 20), "is no shared link"),
        (here, "gives no file of runs"),
        // No port of any service.
        (format!("http://127.0.0.1:1/s/{secret}"), "does not answer"),
        (format!("{}/s/{secret}", encrypted.address), "whose certificate this machine does not trust"),
        (format!("{}/s/{secret}", encrypted.address.replace("https", "http")), "does not answer"),
    ] {
        let refused = give_link(&server, &trainer, &link).await;
        let short: String = link.chars().take(80).collect();
        assert_eq!(refused.status(), 422, "{short}");
        let page = text(refused).await;
        assert!(page.contains("Nothing can be taken in by this link: it") && page.contains(said), "{short}: {page}");
    }
    let left = std::fs::read_dir(server.data_dir().join("uploads")).unwrap().count();
    assert_eq!(left, 0, "what was refused is not kept");
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
