//! How the server is reached: encrypted, through a proxy under a path, by clients that are slow or too many.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::support::{Server, command};

fn start(arguments: &[&str]) -> Server {
    Server::start_with(&arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// A client that trusts this certificate alone.
fn trusting(certificate: &Path) -> ureq::Agent {
    let certificate = Certificate::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
    let roots = RootCerts::new_with_certs(&[certificate]);
    let tls = TlsConfig::builder().root_certs(roots).build();
    ureq::Agent::config_builder().tls_config(tls).http_status_as_error(false).max_redirects(0).build().into()
}

#[tokio::test]
async fn what_is_said_is_encrypted_and_cookies_go_no_other_way() {
    let server = start(&["--lan", "--self-signed"]);
    let address = server.address.clone();
    assert!(address.starts_with("https://127.0.0.1:"), "{address}");
    let introduced = server.says("/join/");
    assert!(introduced.contains("https://"), "{introduced}");
    let certificate = server.data_dir().join("tls/certificate.pem");
    let join = format!("{address}/join/{}", introduced.split("/join/").nth(1).unwrap().trim());
    tokio::task::spawn_blocking(move || {
        let agent = trusting(&certificate);
        assert_eq!(agent.get(format!("{address}/health")).call().unwrap().status(), 200);
        let password = "correct horse battery";
        let joined = agent.post(&join).send_form([("name", "sara"), ("password", password), ("again", password)]).unwrap();
        let cookie = joined.headers()["set-cookie"].to_str().unwrap();
        assert!(joined.status() == 303 && cookie.contains("; Secure"), "{cookie}");
        // Who speaks without encryption, or trusts another, learns nothing.
        let mut plain = TcpStream::connect(address.trim_start_matches("https://")).unwrap();
        plain.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut said = Vec::new();
        let _ = plain.read_to_end(&mut said);
        assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1 200"));
        let stranger: ureq::Agent = ureq::Agent::config_builder().build().into();
        assert!(stranger.get(format!("{address}/health")).call().is_err());
    })
    .await
    .unwrap();
}

#[test]
fn a_certificate_that_can_t_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, "no certificate").unwrap();
    std::fs::write(&key, "no key").unwrap();
    let data = folder.path().join("data");
    let run = |arguments: &[&str]| {
        let output = command().args(["serve", "--address", "127.0.0.1:0", "--data-dir"]).arg(&data).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let said = run(&["--certificate", certificate, "--key", key]);
    assert!(said.contains("c.pem") && said.contains("both in PEM"), "{said}");
    assert!(run(&["--certificate", certificate]).contains("--key"));
    assert!(run(&["--self-signed", "--certificate", certificate, "--key", key]).contains("cannot be used with"));
    assert!(run(&["--path-prefix", "/a b"]).contains("/lab/torchboard"));
}

/// Addresses in a page: what stands in attributes that lead somewhere.
fn addresses(page: &str) -> BTreeSet<String> {
    let of = |name: &str| {
        page.split(&format!(" {name}=\""))
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"))
            .collect::<Vec<_>>()
    };
    ["href", "src", "action", "srcset", "data-events"].into_iter().flat_map(of).filter(|address| address.starts_with('/')).collect()
}

#[tokio::test]
async fn under_a_path_every_address_leads_where_it_should() {
    const BASE: &str = "/lab/torchboard";
    let server = start(&["--path-prefix", BASE]);
    let mut seen = BTreeSet::new();
    for page in [
        "/",
        "/words",
        "/triplet",
        "/skin",
        "/fashion",
        "/report",
        "/runs",
        "/studies",
        "/datasets",
        "/api",
        "/reports",
        "/shares",
        "/nothing",
    ] {
        let response = server.get(&format!("{BASE}{page}")).await;
        assert_eq!(response.status(), if page == "/nothing" { 404 } else { 200 }, "{page}");
        let text = response.text().await.unwrap();
        assert!(text.contains(&format!("data-base=\"{BASE}\"")), "{page}");
        let addresses = addresses(&text);
        assert!(!addresses.is_empty());
        for address in &addresses {
            assert!(address.starts_with(&format!("{BASE}/")) && !address[1..].contains(BASE), "{page}: {address}");
        }
        seen.extend(addresses);
    }
    // What they lead to is there: assets, figures and pages alike.
    for address in seen
        .iter()
        .filter(|address| ["/assets/", "/figures/words-", "/runs", "/words"].iter().any(|kind| address[BASE.len()..].starts_with(kind)))
        .take(60)
    {
        let status = server.get(address).await.status().as_u16();
        assert!([200, 405].contains(&status), "{address}: {status}");
    }
    let chosen = server
        .request("POST", &format!("{BASE}/preferences"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("theme=dark&back=/words")
        .send();
    let chosen = chosen.await.unwrap();
    assert_eq!(chosen.headers()["location"], format!("{BASE}/words"));
    assert!(chosen.headers()["set-cookie"].to_str().unwrap().contains(&format!("Path={BASE}/;")), "{:?}", chosen.headers());
    assert_eq!(server.get("/words").await.status(), 200, "a proxy may take the path off itself");
    assert_eq!(server.get("/lab/torchboards").await.status(), 404);
}

#[tokio::test]
async fn a_proxy_says_for_whom_it_asks_and_nobody_else_does() {
    let server = start(&["--lan", "--open-to-read", "--proxy", "127.0.0.1", "--most-requests", "4"]);
    let ask = async |forwarded: &str| server.request("GET", "/health").header("x-forwarded-for", forwarded).send().await.unwrap();
    for _ in 0..4 {
        assert_eq!(ask("10.0.0.5").await.status(), 200);
    }
    let refused = ask("10.0.0.5").await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(ask("1.2.3.4, 10.0.0.5").await.status(), 429, "what a client puts before is not believed");
    assert_eq!(ask("10.0.0.6").await.status(), 200);
    assert_eq!(server.get("/health").await.status(), 200, "the machine itself is not counted");
    // Without a proxy that is known, nothing that says so is believed: this machine asks, and is not counted.
    let direct = start(&["--lan", "--open-to-read", "--most-requests", "4"]);
    for _ in 0..8 {
        let asked = direct.request("GET", "/health").header("x-forwarded-for", "10.0.0.5").send();
        assert_eq!(asked.await.unwrap().status(), 200);
    }
    // That a proxy encrypts is believed likewise.
    let cookie = async |server: &Server| {
        let chosen = server
            .request("POST", "/preferences")
            .header("x-forwarded-proto", "https")
            .header("content-type", "application/x-www-form-urlencoded");
        chosen.body("theme=dark").send().await.unwrap().headers()["set-cookie"].to_str().unwrap().contains("Secure")
    };
    assert!(cookie(&server).await && !cookie(&direct).await);
}

/// The server, not this test, decides when: it must let go of a client that says nothing, and of one that says its request a byte at a time.
#[test]
fn who_never_asks_is_let_go() {
    let server = start(&[]);
    let address = server.address.trim_start_matches("http://").to_owned();
    let silent = std::thread::spawn({
        let address = address.clone();
        move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
            let mut said = Vec::new();
            stream.read_to_end(&mut said).map(|_| said)
        }
    });
    let mut slow = TcpStream::connect(address).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ").unwrap();
    let is_let_go = (0..240).any(|_| {
        let mut byte = [0];
        let is_over = match slow.read(&mut byte) {
            Ok(0) => true,
            Err(error) => ![std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut].contains(&error.kind()),
            Ok(_) => false,
        };
        is_over || slow.write_all(b"a").is_err()
    });
    assert!(is_let_go, "the slow one is still held");
    assert!(silent.join().unwrap().is_ok(), "the silent one is still held");
}
