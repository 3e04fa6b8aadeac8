//! What is tried on every such server sooner or later: markup, line ends, paths and secrets where they don't belong.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::Server;

const FORM: &str = "application/x-www-form-urlencoded";
/// Ends tags, attributes and strings, in a template, an SVG, an attribute and a script.
const MARKUP: &str = "</title></script>\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}&lt;";

/// Whether any of [`MARKUP`] became more than text.
fn is_live(text: &str) -> bool {
    ["<script>alert", "<img src=x", "\"'><", "</title></script>"].iter().any(|part| text.contains(part))
}

async fn answer(server: &Server, path: &str) -> (u16, String, String) {
    let response = server.get(path).await;
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (status, kind, String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned())
}

/// A run of a few seconds, by this body's name, tags and notes.
async fn trained(server: &Server, about: &Value) -> String {
    let mut body = json!({ "system": "mlp", "config": { "dataset": "fashion-mnist-sample", "epochs": 2, "units": 16 } });
    body.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
    let run = server.post("/api/v1/runs", &body.to_string(), 202).await;
    let id = run["id"].as_str().unwrap().to_owned();
    server.run_in_state(&id, "done").await;
    id
}

#[tokio::test]
async fn markup_in_names_notes_and_tags_stays_text_on_pages_and_in_drawings() {
    let server = Server::start();
    let tag = "\"><script>alert(1)</script>";
    let id = trained(&server, &json!({ "name": MARKUP, "notes": MARKUP, "tags": [tag] })).await;
    let tagged: String = form_urlencoded::byte_serialize(tag.as_bytes()).collect();
    let mut shown = 0;
    for path in [
        "/".to_owned(),
        "/runs".to_owned(),
        format!("/runs?tag={tagged}"),
        format!("/runs?q={tagged}"),
        format!("/runs/{id}"),
        format!("/runs/{id}?lang=fa"),
        format!("/compare?run={id}"),
        format!("/compare?run={id}&run={id}x"),
        "/fashion".to_owned(),
        format!("/fashion?run={id}"),
        format!("/figures/runs-curves.svg?metric=loss&run={id}"),
        format!("/runs/{tagged}"),
        format!("/nothing/{tagged}"),
        format!("/sign-in?back={tagged}"),
        "/studies".to_owned(),
        "/datasets".to_owned(),
        "/api".to_owned(),
    ] {
        let (status, kind, text) = answer(&server, &path).await;
        assert!(status < 500, "{path}: {status}");
        assert!(kind.starts_with("text/html") || kind == "image/svg+xml", "{path}: {kind}");
        assert!(!is_live(&text), "{path}");
        shown += usize::from(text.contains("alert(1)"));
    }
    assert!(shown >= 5, "it is shown, as text: {shown}");
    for path in
        [format!("/api/v1/runs/{id}"), format!("/figures/runs-curves.json?metric=loss&run={id}"), "/api/v1/runs/x%3Cb%3E".to_owned()]
    {
        let response = server.get(&path).await;
        assert!(response.headers()["content-type"].to_str().unwrap().contains("json"), "{path}: no browser takes it for a page");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
    let document = server.page("/api/v1/openapi.json").await;
    assert!(!document.contains("alert(1)"));
}

#[tokio::test]
async fn markup_in_the_words_of_a_file_stays_text_on_pages_and_in_drawings() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("glove")).unwrap();
    let words = ["<script>alert(1)</script>", "\"'><img/src=x/onerror=alert(2)>", "</title></script>", "king", "queen"];
    let rows: String = words.iter().enumerate().map(|(row, word)| format!("{word} 1 0.{row} 0.{}\n", (row * 7) % 9)).collect();
    std::fs::write(folder.path().join("glove/evil.txt"), rows).unwrap();
    let server = Server::start_with(&["--datasets".as_ref(), folder.path().as_os_str()]);
    let mut patience = 100;
    while server.get("/api/v1/words/evil/vectors?word=king").await.status() != 200 {
        patience -= 1;
        assert!(patience > 0, "the file is not read");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let escaped: Vec<String> = words.iter().map(|word| form_urlencoded::byte_serialize(word.as_bytes()).collect()).collect();
    let (all, first) = (escaped.join(","), &escaped[0]);
    let mut shown = 0;
    for path in [
        "/words?set=evil&words=king&k=4".to_owned(),
        format!("/words?set=evil&words={first}&odd={all}"),
        format!("/words/maps?set=evil&groups=all%3A+{}", escaped.join("+")),
        "/figures/words-neighbors.svg?set=evil&words=king&k=4".to_owned(),
        format!("/figures/words-map.svg?map=own&set=evil&groups=all%3A+{}", escaped.join("+")),
    ] {
        let (status, kind, text) = answer(&server, &path).await;
        assert!(status < 500, "{path}: {status}");
        assert!(kind.starts_with("text/html") || kind == "image/svg+xml", "{path}: {kind}");
        assert!(!is_live(&text) && !text.contains("<img/src"), "{path}");
        shown += usize::from(text.contains("alert(1)"));
    }
    assert!(shown >= 3, "they are shown, as text: {shown}");
}

#[tokio::test]
async fn no_name_writes_a_header() {
    let server = Server::start();
    for name in ["one\r\nset-cookie: session=evil", "one\nx", "one\0two"] {
        let body = json!({ "system": "mlp", "name": name, "config": { "dataset": "fashion-mnist-sample" } });
        assert_eq!(server.post("/api/v1/runs", &body.to_string(), 422).await["field"], "name", "{name:?}");
    }
    let body = json!({ "system": "mlp", "name": "x".repeat(201), "config": { "dataset": "fashion-mnist-sample" } });
    assert_eq!(server.post("/api/v1/runs", &body.to_string(), 422).await["field"], "name");

    let name = "\"; filename=\"evil.html; یک / ../ 名";
    let body = json!({ "system": "mlp", "name": name, "config": { "dataset": "fashion-mnist-sample", "epochs": 1, "units": 16 } });
    let asked = server.request("POST", "/api/v1/runs").json(&body).send().await.unwrap();
    let location = asked.headers()["location"].to_str().unwrap().to_owned();
    let id = location.strip_prefix("/api/v1/runs/").unwrap().to_owned();
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{location}");
    assert!(server.run_in_state(&id, "done").await["name"] == name);
    let disposition = async |path: &str| {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(!response.headers().contains_key("set-cookie"));
        response.headers()["content-disposition"].to_str().unwrap().to_owned()
    };
    let weights = disposition(&format!("/api/v1/runs/{id}/weights.safetensors")).await;
    assert_eq!(weights, format!("attachment; filename=\"{id}.safetensors\""));
    for path in [format!("/figures/runs-curves.csv?metric=loss&run={id}"), format!("/api/v1/runs/{id}/predictions.csv")] {
        let told = disposition(&path).await;
        let file = told.split_once("filename=\"").unwrap().1.strip_suffix('"').unwrap();
        assert!(file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{path}: {told}");
    }
    for path in ["/preferences", "/sign-in"] {
        let sent =
            server.request("POST", path).header("content-type", FORM).body("theme=dark&name=x&password=y&back=%2Fa%0d%0aset-cookie:%20x=1");
        let response = sent.send().await.unwrap();
        let location = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        assert!(location.is_none_or(|location| location == "/"), "{path}");
        assert!(response.headers().get_all("set-cookie").iter().all(|cookie| !cookie.as_bytes().starts_with(b"x=")), "{path}");
    }
}

/// What is tried in place of an id, a split, a number or a name; as it goes over the wire.
const PATHS: [&str; 12] = [
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc%252fpasswd",
    "..%5c..%5cwindows%5cwin.ini",
    "C:%5cwindows%5cwin.ini",
    "%2fetc%2fpasswd",
    "....%2f%2f....%2f%2fetc%2fpasswd",
    "..%c0%af..%c0%afetc%c0%afpasswd",
    "..%2ftorchboard.sqlite",
    "torchboard.sqlite%00",
    "%2e%2e",
    "file:%2f%2f%2fetc%2fpasswd",
];

/// Status and answer to a request of exactly these bytes: a client of good manners would tidy up the path.
fn raw(server: &Server, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = if method == "GET" { "" } else { "{}" };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{path}: {answer:?}")), answer)
}

#[tokio::test]
async fn no_part_of_an_address_leads_to_another_file() {
    let server = Server::start();
    let document = server.json("/api/v1/openapi.json", 200).await;
    let mut places: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        places.extend(item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    for path in
        ["/runs/{id}", "/studies/{id}", "/figures/{name}", "/figures/{name}.svg", "/words/{section}", "/assets/x/{path}", "/join/{secret}"]
    {
        places.push(("GET".to_owned(), path.to_owned()));
    }
    let good = [("{set}", "small"), ("{id}", "mnist-sample"), ("{split}", "train"), ("{index}", "0")];
    let mut tried = 0;
    for (method, path) in &places {
        let parameters: Vec<&str> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        for parameter in parameters {
            let own = format!("{{{parameter}}}");
            let others = good.iter().filter(|(name, _)| *name != own);
            let path = others.fold(path.clone(), |path, (name, value)| path.replace(name, value));
            for hostile in PATHS {
                let (status, answer) = raw(&server, method, &path.replace(&own, hostile));
                assert!((400..500).contains(&status), "{method} {path} with {hostile}: {status}");
                assert!(!answer.contains("root:") && !answer.contains("SQLite format"), "{method} {path} with {hostile}");
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
    assert_eq!(server.get("/health").await.status(), 200);
    assert!(server.data_dir().join("torchboard.sqlite").exists());
}

/// The cookie of a new server's first administrator.
async fn administrator(server: &Server) -> String {
    let line = server.says("/join/");
    let invitation = line.split("/join/").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let body = "name=sara&password=correct+horse+battery&again=correct+horse+battery";
    let joined = post(server, &format!("/join/{invitation}"), "", body).await;
    assert_eq!(joined.status(), 303);
    joined.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

async fn post(server: &Server, path: &str, cookie: &str, body: &str) -> Response {
    server.request("POST", path).header("cookie", cookie).header("content-type", FORM).body(body.to_owned()).send().await.unwrap()
}

/// The cookie of a viewer whom the administrator invited.
async fn viewer(server: &Server, administrator: &str) -> String {
    let page = post(server, "/people/invitations", administrator, "role=viewer").await.text().await.unwrap();
    let rest = page.split("/join/").nth(1).unwrap();
    let invitation = rest.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter))).next().unwrap();
    let body = "name=nima&password=correct+horse+battery&again=correct+horse+battery";
    let joined = post(server, &format!("/join/{invitation}"), "", body).await;
    assert_eq!(joined.status(), 303);
    joined.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn no_run_is_called_so_that_a_viewer_may_change_it() {
    let server = Server::start_with(&["--lan".as_ref()]);
    let admin = administrator(&server).await;
    let viewer = viewer(&server, &admin).await;
    // A file from elsewhere may hold runs and studies of any name, those of what everybody may ask among them.
    for name in ["predict", "projection", "association", "votes", "health", "sign-in", "join", "assets"] {
        for path in
            [format!("/runs/{name}"), format!("/studies/{name}"), format!("/datasets/{name}/fetch"), format!("/api/v1/runs/{name}/cancel")]
        {
            assert_eq!(post(&server, &path, &viewer, "action=delete").await.status(), 403, "{path}");
        }
    }
}

#[tokio::test]
async fn a_secret_in_an_address_or_a_form_opens_nothing() {
    let server = Server::start_with(&["--lan".as_ref()]);
    let cookie = administrator(&server).await;
    let made = post(&server, "/account/tokens", &cookie, "name=x&scopes=read&days=30").await.text().await.unwrap();
    let token = format!("torchboard_{}", made.split("<code dir=\"ltr\">torchboard_").nth(1).unwrap().split('<').next().unwrap());
    let session = cookie.strip_prefix("session=").unwrap();
    let bearer = async |value: String| server.request("GET", "/api/v1/runs").header("authorization", value).send().await.unwrap().status();
    assert_eq!(bearer(format!("Bearer {token}")).await, 200, "where it belongs, it is good");
    for secret in [token.as_str(), session] {
        for name in ["token", "access_token", "bearer", "api_key", "key", "auth", "authorization", "session", "cookie", "sid"] {
            let response = server.get(&format!("/api/v1/runs?{name}={secret}")).await;
            assert_eq!(response.status(), 401, "{name}");
            assert!(!response.text().await.unwrap().contains(secret), "{name}");
            assert_eq!(post(&server, "/api/v1/runs", "", &format!("{name}={secret}")).await.status(), 401, "{name}");
        }
        assert_eq!(server.get(&format!("/api/v1/runs/{secret}")).await.status(), 401);
        for header in ["x-api-key", "x-token", "x-auth-token", "proxy-authorization", "x-session"] {
            let response = server.request("GET", "/api/v1/runs").header(header, secret).send().await.unwrap();
            assert_eq!(response.status(), 401, "{header}");
        }
        for scheme in ["Basic", "Token", "Digest", ""] {
            assert_eq!(bearer(format!("{scheme} {secret}").trim().to_owned()).await, 401, "{scheme}");
        }
    }
    assert_eq!(bearer(format!("Bearer {session}")).await, 401, "a session is no token");
    let as_session = server.request("GET", "/api/v1/runs").header("cookie", format!("session={token}")).send().await.unwrap();
    assert_eq!(as_session.status(), 401, "nor a token a session");
}

#[tokio::test]
async fn who_may_not_see_a_thing_is_not_told_whether_it_is_there() {
    let server = Server::start_with(&["--lan".as_ref()]);
    let admin = administrator(&server).await;
    let body = json!({ "system": "mlp", "config": { "dataset": "fashion-mnist-sample", "epochs": 1, "units": 16 } });
    let asked = server.request("POST", "/api/v1/runs").header("cookie", &admin).json(&body).send().await.unwrap();
    let run: Value = asked.json().await.unwrap();
    let there = run["id"].as_str().unwrap();
    let told = async |method: &str, path: &str, cookie: &str| {
        let request = server.request(method, path).header("cookie", cookie).header("content-type", FORM);
        let response = request.body(if method == "GET" { "" } else { "role=viewer" }).send().await.unwrap();
        let location = response.headers().get("location").map(|location| location.to_str().unwrap().replace(there, "absent"));
        (response.status().as_u16(), location, response.text().await.unwrap().replace(there, "absent"))
    };
    for (method, address) in [
        ("GET", "/api/v1/runs/ID"),
        ("GET", "/api/v1/runs/ID/metrics"),
        ("GET", "/runs/ID"),
        ("DELETE", "/api/v1/runs/ID"),
        ("POST", "/api/v1/runs/ID/cancel"),
    ] {
        let [here, absent] = [there, "absent"].map(|id| address.replace("ID", id));
        let (here, absent) = (told(method, &here, "").await, told(method, &absent, "").await);
        assert_eq!(here, absent, "{method} {address}");
        assert!([303, 401].contains(&here.0), "{method} {address}: {}", here.0);
    }
    let viewer = viewer(&server, &admin).await;
    for cookie in ["", viewer.as_str()] {
        for (method, path) in [("POST", "/people/accounts/"), ("POST", "/people/invitations/"), ("GET", "/people/")] {
            let answers = (told(method, &format!("{path}sara"), cookie).await, told(method, &format!("{path}nobody"), cookie).await);
            assert!([303, 401, 403].contains(&answers.0.0), "{path}: {}", answers.0.0);
            assert_eq!((answers.0.0, answers.0.2.replace("sara", "nobody")), (answers.1.0, answers.1.2), "{method} {path}");
        }
    }
}
