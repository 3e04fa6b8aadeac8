//! Pages on systems are made once, and anew as soon as anything that they show has changed; what is followed is read once, and told to all.

use serde_json::json;

use crate::{
    runs::{lines, parse_events, train},
    support::{SET, Server},
};

/// As long as a run of the tests may take on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);

/// One page in two languages.
async fn both(server: &Server) -> [String; 2] {
    [server.page("/fashion").await, server.page("/fashion?lang=fa").await]
}

#[tokio::test]
async fn a_page_on_a_system_is_made_anew_when_what_it_shows_has_changed_and_only_then() {
    let server = Server::start();
    let empty = both(&server).await;
    // By another process, which the server learns of from the store alone.
    let told = lines(&train(server.data_dir(), &["mlp", "--json", "--set", "dataset=fashion-mnist-sample", "units=16", "epochs=2"]));
    let id = told[0]["run"].as_str().unwrap();
    both(&server).await; // has the network asked what the images show, and its answers kept: what the page is made from has changed by that
    let trained = both(&server).await;
    for (page, before) in trained.iter().zip(&empty) {
        assert!(page.contains(&format!("/runs/{id}")) && !before.contains(id));
    }

    // Behind the program's back, so that nothing says that it happened: the page stays, which shows that it was not made anew.
    let store = rusqlite::Connection::open(server.data_dir().join("torchboard.sqlite")).unwrap();
    store.execute_batch("DROP TRIGGER revised_by_run; UPDATE runs SET name = 'unheard of'").unwrap();
    assert_eq!(server.json(&format!("/api/v1/runs/{id}"), 200).await["name"], "unheard of");
    assert!(both(&server).await == trained, "what it is made from has not changed, as far as anybody said");
    let plain = server.request("GET", "/fashion").header("accept-encoding", "identity").send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding") && plain.text().await.unwrap() == trained[0], "the same, whoever takes it");
    store.execute("UPDATE revision SET number = number + 1", []).unwrap();
    assert!(both(&server).await.iter().all(|page| page.contains("unheard of")));

    let dark = server.request("GET", "/fashion").header("cookie", "theme=dark").send().await.unwrap().text().await.unwrap();
    assert!(dark.contains(r#"data-theme="dark""#) && !server.page("/fashion").await.contains(r#"data-theme="dark""#));
    assert_eq!(server.request("DELETE", &format!("/api/v1/runs/{id}")).send().await.unwrap().status(), 204);
    assert!(both(&server).await == empty, "as it was before");
}

#[tokio::test]
async fn whatever_a_page_is_made_from_makes_it_anew() {
    let datasets = tempfile::tempdir().unwrap();
    let server = Server::start_with(&["--datasets".as_ref(), datasets.path().as_os_str()]);
    train(server.data_dir(), &["mlp", "--set", "dataset=fashion-mnist-sample", "units=16", "epochs=2"]);
    both(&server).await; // the network is asked what the images show, once
    let store = rusqlite::Connection::open(server.data_dir().join("torchboard.sqlite")).unwrap();
    store.execute_batch("DROP TRIGGER revised_by_run").unwrap();
    // Behind the program's back: what is kept does not show it, and what is made anew does.
    let renamed = async |name: &str| {
        let before = server.page("/fashion").await;
        store.execute("UPDATE runs SET name = ?", [name]).unwrap();
        assert!(server.page("/fashion").await == before, "{name}: made anew for no reason");
    };
    let made_anew = async |name: &str| assert!(server.page("/fashion").await.contains(name), "{name}: kept");

    renamed("files of a data set").await;
    let folder = datasets.path().join("fashion-mnist");
    std::fs::create_dir(&folder).unwrap();
    let files = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    files.iter().for_each(|file| std::fs::write(folder.join(file), "not whole yet").unwrap());
    made_anew("files of a data set").await;

    renamed("another content").await;
    std::fs::write(folder.join(files[0]), "somewhat more than before").unwrap();
    made_anew("another content").await;

    renamed("questions").await;
    let questions = datasets.path().join("glove/questions");
    std::fs::create_dir_all(&questions).unwrap();
    std::fs::write(questions.join("royal.txt"), "man woman king queen\n").unwrap();
    made_anew("questions").await;

    renamed("an evaluation").await;
    server.json(&format!("/api/v1/words/{SET}/evaluation"), 200).await;
    made_anew("an evaluation").await;

    renamed("another run").await;
    let body = json!({ "system": "mlp", "config": { "dataset": "fashion-mnist-sample", "epochs": 1 } });
    server.post("/api/v1/runs", &body.to_string(), 202).await;
    made_anew("another run").await;
}

#[tokio::test]
async fn who_asks_at_one_time_gets_one_page_and_who_asks_wrongly_is_told_so_each_time() {
    let server = Server::start();
    let asked: Vec<_> = (0..16).map(|_| tokio::spawn(server.request("GET", "/words/neighbors?words=ship").send())).collect();
    let mut pages = Vec::new();
    for answer in asked {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (reqwest::StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
        );
        assert!(answer.headers().contains_key("content-security-policy") && answer.headers().contains_key("x-request-id"));
        pages.push(answer.text().await.unwrap());
    }
    assert!(pages[0].contains("Nearest to “ship”") && pages.iter().all(|page| page == &pages[0]));
    for _ in 0..2 {
        assert_eq!(server.get("/words/neighbors?words=shipppp").await.status(), 404);
        assert_eq!(server.get("/skin?split=nothing").await.status(), 422);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_follows_is_told_everything_once_whenever_they_join() {
    let server = Server::start();
    let body = json!({ "system": "mlp", "config": { "dataset": "fashion-mnist-sample", "epochs": 400, "units": 16 } });
    let run = server.post("/api/v1/runs", &body.to_string(), 202).await["id"].as_str().unwrap().to_owned();
    let mut followers = Vec::new();
    for joined in 0..8_u64 {
        // Some from the beginning, some from where the run is by then, some from an event that is still to come.
        let said = server
            .run_when(&run, |run| run["state"] != "queued" && run["progress"]["epoch"].as_u64().unwrap_or_default() >= 40 * joined)
            .await;
        let after = [0, 3 * said["progress"]["epoch"].as_u64().unwrap_or_default(), 40_000][joined as usize % 3];
        let request = server.request("GET", &format!("/api/v1/runs/{run}/events?after={after}")).timeout(PATIENCE);
        followers.push((after, tokio::spawn(async move { request.send().await.unwrap().text().await.unwrap() })));
    }
    // One that takes nothing for as long as the run lasts must hold up nobody, and misses nothing.
    let slow = server.request("GET", &format!("/api/v1/runs/{run}/events")).timeout(PATIENCE).send().await.unwrap();
    server.run_in_state(&run, "done").await;
    let all = server.get(&format!("/api/v1/runs/{run}/events")).await.text().await.unwrap();
    let all = parse_events(&all);
    assert!(all.len() > 1200 && all.iter().zip(1..).all(|((number, ..), expected)| *number == expected), "{}", all.len());
    for (after, told) in followers {
        let told = parse_events(&told.await.unwrap());
        assert!(told == all[all.len().min(after as usize)..], "after {after}: {} events of {}", told.len(), all.len());
    }
    assert!(parse_events(&slow.text().await.unwrap()) == all, "the slow one");
}
