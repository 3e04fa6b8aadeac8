//! Starting, stopping, headers, faces of errors, languages and assets of the server.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    time::Instant,
};

use serde_json::Value;

use crate::support::{Server, command};

#[tokio::test]
async fn health_says_what_runs() {
    let server = Server::start();
    let health = server.json("/health", 200).await;
    assert_eq!(health["status"], "ok");
    assert_eq!((&health["version"], &health["device"]), (&Value::from(env!("CARGO_PKG_VERSION")), &Value::from("cpu")));
    assert!(health["libtorch"].as_str().unwrap().starts_with("2."));
    assert!(server.data_dir().join("words").is_dir());
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_not_by_address() {
    let server = Server::start();
    for word in ["king", "queen", "nosuchword"] {
        server.get(&format!("/api/v1/words/small/neighbors?word={word}")).await;
    }
    let metrics = server.page("/metrics").await;
    let counted = |status: &str| {
        let labels = format!("http_requests_total{{method=\"GET\",route=\"/api/v1/words/{{set}}/neighbors\",status=\"{status}\"}}");
        metrics.lines().find_map(|line| line.strip_prefix(&labels)).map(|count| count.trim().to_owned())
    };
    assert_eq!((counted("200").as_deref(), counted("404").as_deref()), (Some("2"), Some("1")), "{metrics}");
    assert!(metrics.contains("http_request_duration_seconds_bucket"));
    assert!(!metrics.contains("nosuchword"));
}

#[tokio::test]
async fn every_answer_has_the_security_headers_and_an_id() {
    let server = Server::start();
    for path in
        ["/", "/api", "/health", "/api/v1/words", "/nothing", "/api/nothing", "/favicon.ico", "/%FF", "/api/v1/words/%FF/vectors?word=a"]
    {
        let response = server.get(path).await;
        assert!(response.status().as_u16() < 500, "{path}: {}", response.status());
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        for directive in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.split(';').any(|part| part.trim() == directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert!(response.headers().contains_key("referrer-policy") && response.headers().contains_key("x-request-id"), "{path}");
    }
}

#[tokio::test]
async fn an_error_is_a_page_for_people_and_a_problem_for_programs() {
    let server = Server::start();
    for (method, path, status, is_page) in [
        ("GET", "/nothing", 404, true),
        ("GET", "/api/nothing", 404, false),
        ("GET", "/api/v1/words/small/nothing", 404, false),
        ("GET", "/assets/x/nothing.js", 404, true),
        ("DELETE", "/", 405, true),
        ("DELETE", "/api/v1/words", 405, false),
        ("GET", "/preferences", 405, true),
        ("GET", "/api/v1/words/%FF/vectors?word=a", 400, false),
    ] {
        let response = server.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(response.headers().contains_key("allow"), status == 405, "{method} {path}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.text().await.unwrap();
        if is_page {
            assert!(kind.starts_with("text/html") && body.contains("<main") && body.contains(&status.to_string()), "{path}: {kind}");
        } else {
            assert_eq!(kind, "application/problem+json", "{path}");
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(problem["status"], status, "{path}");
            assert!(
                ["type", "title", "detail"].iter().all(|name| problem[name].as_str().is_some_and(|text| !text.is_empty())),
                "{problem}"
            );
        }
    }
}

#[tokio::test]
async fn the_language_is_what_was_asked_then_chosen_then_preferred() {
    let server = Server::start();
    let page = async |query: &str, cookie: &str, accepted: &str| {
        let request = server.request("GET", &format!("/{query}")).header("cookie", cookie).header("accept-language", accepted);
        let page = request.send().await.unwrap().text().await.unwrap();
        let is_persian = page.contains("lang=\"fa\" dir=\"rtl\"");
        assert_ne!(is_persian, page.contains("lang=\"en\" dir=\"ltr\""));
        is_persian
    };
    assert!(!page("", "", "").await);
    assert!(page("", "", "fa-IR,fa;q=0.9,en;q=0.8").await);
    assert!(!page("", "language=en", "fa").await);
    assert!(page("?lang=fa", "language=en", "en").await);
    assert!(!page("?lang=xx", "language=yy", "zz").await);
}

#[tokio::test]
async fn a_choice_is_kept_in_a_cookie_and_leads_back_to_the_page() {
    let server = Server::start();
    let choose = async |body: &'static str| {
        let request = server.request("POST", "/preferences").header("content-type", "application/x-www-form-urlencoded").body(body);
        request.send().await.unwrap()
    };
    let response = choose("language=fa&back=%2Fapi%3Flang%3Den%26x%3D1").await;
    assert_eq!((response.status().as_u16(), response.headers()["location"].to_str().unwrap()), (303, "/api?x=1"));
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("language=fa") && cookie.contains("SameSite=Lax") && cookie.contains("HttpOnly"), "{cookie}");
    assert!(choose("theme=dark&back=/").await.headers()["set-cookie"].to_str().unwrap().starts_with("theme=dark"));
    assert_eq!(choose("theme=dark&back=//elsewhere.example").await.headers()["location"], "/");
    assert_eq!(choose("theme=purple").await.status(), 422);
    let dark = server.request("GET", "/").header("cookie", "theme=dark").send().await.unwrap().text().await.unwrap();
    assert!(dark.contains("data-theme=\"dark\""));
}

#[tokio::test]
async fn pages_have_all_their_texts_only_living_links_and_nothing_inline() {
    let server = Server::start();
    let mut links = BTreeSet::new();
    for path in ["/", "/api", "/datasets", "/?lang=fa", "/api?lang=fa", "/datasets?lang=fa"] {
        let page = server.page(path).await;
        assert!(!page.contains("Unknown localization"), "{path} lacks a text");
        assert!(
            !page.contains("<style") && !page.contains(" style=") && !page.contains("<script>") && !page.contains(" onclick="),
            "{path}"
        );
        links.extend(
            page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).filter(|link| link.starts_with('/')).map(str::to_owned),
        );
    }
    assert!(links.len() > 4, "{links:?}");
    for link in links {
        assert_eq!(server.get(&link).await.status(), 200, "{link}");
    }
}

#[tokio::test]
async fn assets_stay_for_ever_compressed_and_a_page_is_light() {
    let server = Server::start();
    let mut page_bytes = server.page("/?lang=fa").await.len();
    let page = server.page("/?lang=fa").await;
    let sheet = page.split('"').find(|part| part.ends_with("torchboard.css")).unwrap();
    let response = server.request("GET", sheet).header("accept-encoding", "br").send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/css"));
    let css = response.text().await.unwrap();
    page_bytes += css.len();
    let fonts: Vec<&str> = css.split("url(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(fonts.len(), 3, "{fonts:?}");
    for font in fonts {
        let response = server.get(&format!("{}/{font}", sheet.rsplit_once('/').unwrap().0)).await;
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (200, "font/woff2"));
        page_bytes += response.bytes().await.unwrap().len();
    }
    assert!(page_bytes < 300_000, "{page_bytes} bytes with all fonts, uncompressed");
    assert_eq!(server.get(&sheet.replace("/assets/", "/assets/old")).await.headers()["cache-control"], "no-cache");
}

#[tokio::test]
async fn the_openapi_document_has_every_promised_route() {
    let server = Server::start();
    let document = server.json("/api/v1/openapi.json", 200).await;
    let documentation = server.page("/api").await;
    for (method, path) in [
        ("get", "/health"),
        ("get", "/metrics"),
        ("get", "/api/v1/openapi.json"),
        ("get", "/api/v1/words"),
        ("get", "/api/v1/words/{set}/neighbors"),
        ("get", "/api/v1/words/{set}/similarity"),
        ("get", "/api/v1/words/{set}/analogy"),
        ("post", "/api/v1/words/{set}/projection"),
        ("get", "/api/v1/words/{set}/vectors"),
        ("get", "/api/v1/words/{set}/completions"),
        ("get", "/api/v1/words/{set}/odd-one-out"),
        ("get", "/api/v1/words/{set}/evaluation"),
        ("post", "/api/v1/words/{set}/association"),
        ("get", "/api/v1/words/{set}/axis"),
        ("get", "/api/v1/datasets"),
        ("post", "/api/v1/datasets/{id}/fetch"),
        ("get", "/api/v1/datasets/{id}/events"),
        ("get", "/api/v1/datasets/{id}/images/{split}/{index}.png"),
        ("get", "/api/v1/runs"),
        ("post", "/api/v1/runs"),
        ("get", "/api/v1/runs/{id}"),
        ("patch", "/api/v1/runs/{id}"),
        ("delete", "/api/v1/runs/{id}"),
        ("get", "/api/v1/runs/{id}/metrics"),
        ("get", "/api/v1/runs/{id}/events"),
        ("post", "/api/v1/runs/{id}/cancel"),
        ("post", "/api/v1/runs/{id}/resume"),
        ("post", "/api/v1/runs/{id}/repeat"),
        ("get", "/api/v1/runs/{id}/weights.safetensors"),
        ("get", "/api/v1/runs/{id}/evaluation"),
        ("get", "/api/v1/runs/{id}/curves/pr"),
        ("get", "/api/v1/runs/{id}/curves/roc"),
        ("get", "/api/v1/runs/{id}/predictions.csv"),
        ("get", "/api/v1/runs/{id}/operating-points"),
        ("get", "/api/v1/runs/{id}/examples"),
        ("get", "/api/v1/runs/{id}/attention/{split}/{index}.png"),
        ("get", "/api/v1/runs/{id}/attention/{split}/{index}.json"),
        ("post", "/api/v1/runs/{id}/predict"),
        ("get", "/api/v1/runs/{id}/embeddings.csv"),
        ("get", "/api/v1/runs/{id}/neighbors"),
        ("get", "/api/v1/runs/{id}/retrieval"),
        ("get", "/api/v1/runs/{id}/votes"),
        ("get", "/api/v1/runs/{id}/projection"),
        ("get", "/api/v1/runs/{id}/projection/events"),
        ("get", "/api/v1/systems"),
        ("get", "/api/v1/studies"),
        ("post", "/api/v1/studies"),
        ("get", "/api/v1/studies/{id}"),
        ("get", "/api/v1/studies/{id}/events"),
        ("post", "/api/v1/studies/{id}/cancel"),
        ("post", "/api/v1/studies/{id}/resume"),
    ] {
        let responses = document["paths"][path][method]["responses"].as_object();
        assert!(responses.is_some_and(|responses| responses.keys().any(|status| status.starts_with('2'))), "{method} {path}");
        assert!(documentation.contains(path), "{path} in the docs for people");
    }
}

#[tokio::test]
async fn a_bad_form_is_a_page_with_the_right_status() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let server = Server::start();
    let send =
        async |kind: &str, body: Vec<u8>| server.request("POST", "/preferences").header("content-type", kind).body(body).send().await;
    for (kind, body, status) in [
        ("application/json", "{}", 415),
        ("text/plain", "theme=dark", 415),
        (FORM, "theme=", 422),
        (FORM, "language=xx&back=/", 422),
        (FORM, "theme=%FF%FE", 422),
    ] {
        let response = send(kind, body.into()).await.unwrap();
        assert_eq!(response.status(), status, "{kind} {body}");
        let page = response.text().await.unwrap();
        assert!(page.contains("<main") && page.contains(&status.to_string()), "{kind} {body}");
    }
    // The server answers and hangs up without reading the rest, so the client may learn of either first.
    match send(FORM, [b"theme=".to_vec(), vec![b'x'; 10 << 20]].concat()).await {
        Ok(response) => assert_eq!(response.status(), 413),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    assert_eq!(server.get("/health").await.status(), 200);
}

#[test]
fn what_is_no_proper_request_is_refused_and_the_server_goes_on() {
    let server = Server::start();
    let authority = server.address.strip_prefix("http://").unwrap();
    let status = |request: &[u8]| {
        let mut stream = std::net::TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        // The server may hang up before it has read all.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
        line.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).unwrap_or_else(|| panic!("{line:?}"))
    };
    let get = |path: &[u8]| [b"GET ", path, b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"].concat();
    assert_eq!(status(&get(b"/health")), 200);
    for path in [
        &b"/\xff\xfe"[..],
        b"/api/v1/words/\xc3\x28/neighbors?word=king",
        b"/words?words=\xff",
        b"/%ff",
        b"/api/v1/words/%ff/axis",
        b"/%00",
        b"/api/v1/words/%00/axis",
        b"//",
        b"/../../etc/passwd",
        b"/assets/../Cargo.toml",
        b"/assets/%2e%2e/Cargo.toml",
    ] {
        let status = status(&get(path));
        assert!((400..500).contains(&status), "{}: {status}", path.escape_ascii());
    }
    for request in
        [&b"rubbish\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"GET /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: many\r\n\r\n"]
    {
        assert_eq!(status(request), 400, "{}", request.escape_ascii());
    }
    let long = [b"/api/v1/words/small/neighbors?word=", vec![b'x'; 70_000].as_slice()].concat();
    assert!([414, 431].contains(&status(&get(&long))));
    assert_eq!(status(&get(b"/health")), 200);
}

#[test]
fn a_server_that_is_asked_to_stop_does_so_soon() {
    let mut server = Server::start();
    let start = Instant::now();
    assert!(server.terminate().success());
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn what_keeps_it_from_starting_is_said_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, data_dir, said) in [
        (taken.as_str(), folder.path(), "--address"),
        ("0.0.0.0:0", folder.path(), "add --lan"),
        ("nonsense", folder.path(), "nonsense"),
        ("127.0.0.1:0", file.as_path(), "--data-dir"),
    ] {
        let output = command().args(["serve", "--address", address, "--data-dir"]).arg(data_dir).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{address}: {error}");
        assert!(error.contains(said) && !error.contains("panicked"), "{address}: {error}");
    }
}
