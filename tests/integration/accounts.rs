//! A server that is shared on a network: who gets in, who may what, and what others can't do.

use reqwest::{
    Response,
    header::{HeaderValue, LOCATION, SET_COOKIE},
};

use crate::support::Server;

const GOOD: &str = "correct horse battery";
const FORM: &str = "application/x-www-form-urlencoded";

/// The secret of an invitation, from what shows its link.
fn secret(text: &str) -> &str {
    let rest = text.split("/join/").nth(1).unwrap_or_else(|| panic!("no invitation in {text}"));
    rest.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-' || letter == '_')).next().unwrap()
}

pub fn shared(more: &[&str]) -> Server {
    let arguments: Vec<&std::ffi::OsStr> = ["--lan"].iter().chain(more).map(AsRef::as_ref).collect();
    Server::start_with(&arguments)
}

pub async fn post(server: &Server, path: &str, cookie: &str, body: &str) -> Response {
    server.request("POST", path).header("cookie", cookie).header("content-type", FORM).body(body.to_owned()).send().await.unwrap()
}

pub async fn get(server: &Server, path: &str, cookie: &str) -> Response {
    server.request("GET", path).header("cookie", cookie).send().await.unwrap()
}

fn location(response: &Response) -> &str {
    response.headers().get(LOCATION).map(HeaderValue::to_str).transpose().unwrap().unwrap_or_default()
}

/// `session=...`, of an answer that signs in.
fn session(response: &Response) -> String {
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

async fn join(server: &Server, invitation: &str, name: &str) -> String {
    let body = format!("name={name}&password={GOOD}&again={GOOD}");
    let response = post(server, &format!("/join/{invitation}"), "", &body).await;
    assert_eq!((response.status().as_u16(), location(&response)), (303, "/"), "{name}");
    session(&response)
}

/// The cookie of the first administrator, and those of a trainer and a viewer whom that one invited.
pub async fn people(server: &Server) -> [String; 3] {
    let admin = join(server, secret(&server.says("/join/")), "sara").await;
    let mut cookies = vec![admin.clone()];
    for (role, name) in [("trainer", "omid"), ("viewer", "nima")] {
        let page = post(server, "/people/invitations", &admin, &format!("role={role}")).await.text().await.unwrap();
        cookies.push(join(server, secret(&page), name).await);
    }
    cookies.try_into().unwrap()
}

#[tokio::test]
async fn nobody_gets_in_without_an_account_and_the_terminal_s_link_makes_the_first() {
    let server = shared(&[]);
    let invitation = secret(&server.says("/join/")).to_owned();
    let led = server.get("/runs?state=done").await;
    assert_eq!((led.status().as_u16(), location(&led)), (303, "/sign-in?back=%2Fruns%3Fstate%3Ddone"));
    for path in ["/api/v1/runs", "/api/v1/words", "/metrics", "/figures/words-accuracy.json", "/api/v1/openapi.json"] {
        let refused = server.get(path).await;
        assert_eq!(refused.status(), 401, "{path}");
        assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"torchboard\"");
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
    }
    for path in ["/runs", "/api/v1/runs", "/people/invitations", "/account/tokens", "/skin/predict", "/sign-out"] {
        assert_eq!(post(&server, path, "", "x=1").await.status(), 401, "{path}");
    }
    assert_eq!(server.get("/health").await.status(), 200);
    assert_eq!(server.get("/sign-in").await.status(), 200);
    assert_eq!(server.get(&format!("/join/{invitation}x")).await.status(), 404);
    assert_eq!(get(&server, "/", "session=rubbish").await.status(), 303);

    let page = server.page(&format!("/join/{invitation}")).await;
    assert!(page.contains("administer accounts") && !page.contains(&invitation), "the secret stands in the address alone");
    for (name, password, again, said) in [
        ("sara", "short", "short", "expected 10 to 200"),
        ("sara", GOOD, "another one", "is not the same password"),
        ("<b>", GOOD, GOOD, "letters, digits"),
    ] {
        let refused = post(&server, &format!("/join/{invitation}"), "", &format!("name={name}&password={password}&again={again}")).await;
        assert_eq!(refused.status(), 422);
        let page = refused.text().await.unwrap();
        assert!(page.contains(said) && !page.contains("<b>") && !page.contains(GOOD), "{page}");
    }
    let cookie = join(&server, &invitation, "sara").await;
    let page = get(&server, "/", &cookie).await.text().await.unwrap();
    assert!(page.contains("<bdi>sara</bdi>") && page.contains("href=\"/people\""));
    assert_eq!(server.get(&format!("/join/{invitation}")).await.status(), 404, "a link makes one account");
}

#[tokio::test]
async fn each_role_may_what_it_says_and_no_more() {
    let server = shared(&[]);
    let [admin, trainer, viewer] = people(&server).await;
    let run = r#"{"system": "nothing"}"#;
    for (cookie, reads, trains, administers) in [(&admin, true, true, true), (&trainer, true, true, false), (&viewer, true, false, false)] {
        assert_eq!(get(&server, "/api/v1/runs", cookie).await.status() == 200, reads);
        let asked =
            server.request("POST", "/api/v1/runs").header("cookie", cookie).header("content-type", "application/json").body(run).send();
        // Whoever may is told what is wrong with it.
        assert_eq!(asked.await.unwrap().status(), if trains { 422 } else { 403 });
        for (method, path) in
            [("DELETE", "/api/v1/runs/mlp-1"), ("PATCH", "/api/v1/runs/mlp-1"), ("POST", "/api/v1/datasets/mnist/nothing"), ("PUT", "/")]
        {
            let asked = server.request(method, path).header("cookie", cookie).header("content-type", "application/json").body("{}").send();
            assert_eq!(asked.await.unwrap().status() == 403, !trains, "{method} {path}");
        }
        assert_eq!(get(&server, "/people", cookie).await.status() == 200, administers);
        assert_eq!(post(&server, "/people/invitations", cookie, "role=admin").await.status() == 200, administers);
        assert_eq!(post(&server, "/people/accounts/nima", cookie, "role=viewer").await.status() == 303, administers);
        let projection = server
            .request("POST", "/api/v1/words/small/projection")
            .header("cookie", cookie)
            .json(&serde_json::json!({"words": ["king", "queen"]}));
        assert_eq!(projection.send().await.unwrap().status(), 200, "it only computes");
        let page = get(&server, "/runs", cookie).await.text().await.unwrap();
        assert_eq!(page.contains("action=\"/runs#new\""), trains, "nobody is offered what they may not do");
    }
    let page = get(&server, "/people", &admin).await.text().await.unwrap();
    for told in ["trainer, invited by sara", "admin, invited by terminal", "<bdi>nima</bdi>", "invite"] {
        assert!(page.contains(told), "{told}");
    }
    let refused = post(&server, "/people/accounts/sara", &admin, "role=viewer").await;
    assert_eq!(refused.status(), 409);
    assert!(refused.text().await.unwrap().contains("last administrator"));
    assert_eq!(post(&server, "/people/accounts/nima", &admin, "disabled=yes").await.status(), 303);
    assert_eq!(get(&server, "/", &viewer).await.status(), 303, "who is shut out is out at once");
    assert_eq!(post(&server, "/people/accounts/nobody", &admin, "disabled=yes").await.status(), 404);
    assert_eq!(post(&server, "/people/accounts/nima", &admin, "role=owner").await.status(), 422);
    assert_eq!(post(&server, "/people/accounts/nima", &admin, "disabled=maybe").await.status(), 422);
}

#[tokio::test]
async fn a_session_begins_and_ends_and_leads_nowhere_else() {
    let server = shared(&[]);
    let first = join(&server, secret(&server.says("/join/")), "sara").await;
    let sign_in =
        async |password: &str, back: &str| post(&server, "/sign-in", &first, &format!("name=Sara&password={password}&back={back}")).await;
    let wrong = sign_in("wrong horse battery", "/").await;
    assert_eq!(wrong.status(), 401);
    let page = wrong.text().await.unwrap();
    assert!(page.contains("The name or the password is wrong") && page.contains("value=\"Sara\"") && !page.contains("wrong horse"));
    let response = sign_in(GOOD, "/words?set=small").await;
    assert_eq!(location(&response), "/words?set=small");
    let second = session(&response);
    assert!(second != first && get(&server, "/", &first).await.status() == 303, "the secret changes, and the one before it is none");
    for hostile in ["//evil.example", "https://evil.example/", "/%5Cevil.example", "javascript:alert(1)", "/a%0d%0aset-cookie:x=1"] {
        assert_eq!(location(&sign_in(GOOD, hostile).await), "/", "{hostile}");
    }
    let changed = post(&server, "/account/password", &second, &format!("password={GOOD}&new_password=another good one")).await;
    assert_eq!((changed.status().as_u16(), location(&changed)), (303, "/sign-in?back=/account"));
    assert_eq!(get(&server, "/", &second).await.status(), 303);
    let third = session(&sign_in("another good one", "/").await);
    let left = post(&server, "/sign-out", &third, "").await;
    assert_eq!((left.status().as_u16(), location(&left)), (303, "/sign-in"));
    assert!(left.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(get(&server, "/", &third).await.status(), 303);
}

#[tokio::test]
async fn guessing_is_stopped_and_says_when_to_try_again() {
    let server = shared(&[]);
    join(&server, secret(&server.says("/join/")), "sara").await;
    for _ in 0..10 {
        assert_eq!(post(&server, "/sign-in", "", "name=sara&password=guess").await.status(), 401);
    }
    let refused = post(&server, "/sign-in", "", &format!("name=sara&password={GOOD}")).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 600);
    assert!(refused.text().await.unwrap().contains("Try again in 15 minutes"));
}

#[tokio::test]
async fn a_program_signs_in_with_a_token_that_is_shown_once() {
    let server = shared(&[]);
    let [_, trainer, viewer] = people(&server).await;
    let refused = post(&server, "/account/tokens", &viewer, "name=x&scopes=train&days=30").await;
    assert_eq!(refused.status(), 422);
    let made = post(&server, "/account/tokens", &trainer, "name=nightly&scopes=read&days=30").await;
    assert_eq!((made.status().as_u16(), made.headers().get(LOCATION)), (200, None));
    let page = made.text().await.unwrap();
    let secret = format!("torchboard_{}", page.split("<code dir=\"ltr\">torchboard_").nth(1).unwrap().split('<').next().unwrap());
    assert!(!get(&server, "/account", &trainer).await.text().await.unwrap().contains(&secret), "shown once");
    let asked = async |method: &str, path: &str, token: &str| {
        let request =
            server.request(method, path).header("authorization", format!("Bearer {token}")).header("content-type", "application/json");
        request.body(if method == "GET" { "" } else { "{}" }).send().await.unwrap().status().as_u16()
    };
    assert_eq!(asked("GET", "/api/v1/runs", &secret).await, 200);
    assert_eq!(asked("GET", "/api/v1/runs", &format!("{secret}x")).await, 401);
    assert_eq!(asked("POST", "/api/v1/runs", &secret).await, 403, "its account may train, and the token may not");
    assert_eq!(
        (asked("POST", "/account/tokens", &secret).await, asked("GET", "/account", &secret).await),
        (403, 403),
        "a token makes no tokens"
    );
    assert_eq!(get(&server, &format!("/api/v1/runs?token={secret}"), "").await.status(), 401, "in an address it is none");
    assert_eq!(post(&server, "/account/tokens/1", &viewer, "").await.status(), 404, "each revokes their own");
    assert_eq!(post(&server, "/account/tokens/1", &trainer, "").await.status(), 303);
    assert_eq!(asked("GET", "/api/v1/runs", &secret).await, 401);
}

#[tokio::test]
async fn other_sites_and_other_names_get_nothing() {
    let server = shared(&["--host", "lab.example"]);
    let cookie = join(&server, secret(&server.says("/join/")), "sara").await;
    let from = async |name: &str, value: &str, path: &str| {
        let request = server.request("POST", path).header("cookie", &cookie).header("content-type", FORM).header(name, value);
        request.body("role=admin").send().await.unwrap().status().as_u16()
    };
    for path in ["/people/invitations", "/sign-out", "/account/tokens", "/runs", "/preferences"] {
        assert_eq!(from("sec-fetch-site", "cross-site", path).await, 403, "{path}");
        assert_eq!(from("origin", "https://evil.example", path).await, 403, "{path}");
    }
    assert_eq!(from("sec-fetch-site", "same-origin", "/people/invitations").await, 200);
    let host = async |name: &str| server.request("GET", "/health").header("host", name).send().await.unwrap();
    for own in ["lab.example", "LAB.example:8080", "localhost:1", "127.0.0.1", "[::1]:80"] {
        assert_eq!(host(own).await.status(), 200, "{own}");
    }
    let refused = host("evil.example:8080").await;
    assert_eq!(refused.status(), 421);
    assert!(refused.text().await.unwrap().contains("--host evil.example"));
}

#[tokio::test]
async fn where_reading_is_open_only_changes_need_an_account() {
    let server = shared(&["--open-to-read"]);
    let page = server.page("/runs").await;
    assert!(page.contains("href=\"/sign-in?back=/runs\"") && !page.contains("action=\"/runs#new\""));
    assert_eq!(server.get("/api/v1/words").await.status(), 200);
    assert_eq!(post(&server, "/api/v1/runs", "", "").await.status(), 401);
    assert_eq!(server.get("/people").await.status(), 303);
    assert_eq!(server.get("/account").await.status(), 303);
}

#[tokio::test]
async fn a_server_of_one_s_own_has_no_accounts_and_no_other_address() {
    let server = Server::start();
    assert!(server.page("/account").await.contains("serve --lan"));
    assert_eq!(server.page("/runs").await.matches("action=\"/runs#new\"").count(), 1);
    assert_eq!(post(&server, "/people/invitations", "", "role=admin").await.status(), 409);
    let refused = crate::support::command().args(["serve", "--address", "0.0.0.0:0"]).output().unwrap();
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("add --lan"));
    assert_eq!(server.request("GET", "/health").header("host", "evil.example").send().await.unwrap().status(), 421);
}
