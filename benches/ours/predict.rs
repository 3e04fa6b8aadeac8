//! The predict suite's load generator, the same for both servers: `predict URL PICTURE CONNECTIONS SECONDS`.
//!
//! Each connection is kept alive and posts PICTURE as a form, again as soon as it is answered, until SECONDS are over; what is under way then is
//! waited for.

use std::time::{Duration, Instant};

use reqwest::Client;

use super::serve::{PAUSE, TIMEOUT, Tally, kind, summary};

const BOUNDARY: &str = "torchboard-bench";

pub fn run(arguments: &[String]) {
    let [url, picture, connections, seconds] = arguments else { panic!("expected URL PICTURE CONNECTIONS SECONDS") };
    let body = form(&std::fs::read(picture).expect("PICTURE can be read"));
    let connections: u64 = connections.parse().expect("CONNECTIONS is a number");
    let length = Duration::from_secs_f64(seconds.parse().expect("SECONDS is a number"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (seconds, tallies) = runtime.block_on(async {
        let started = Instant::now();
        let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(post_on_and_on(url.clone(), body.clone(), started + length))).collect();
        let mut tallies = Vec::new();
        for task in tasks {
            tallies.push(task.await.expect("a connection that ends"));
        }
        (started.elapsed().as_secs_f64(), tallies)
    });
    println!("{}", summary(seconds, tallies));
}

/// A form with one file, as a browser sends it.
fn form(picture: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"picture\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), picture, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

async fn post_on_and_on(url: String, body: Vec<u8>, deadline: Instant) -> Tally {
    // A client of its own for each connection: none shares another's.
    let client = Client::builder().no_proxy().timeout(TIMEOUT).pool_max_idle_per_host(1).tcp_nodelay(true).build().expect("a client");
    let mut tally = Tally::default();
    while Instant::now() < deadline {
        let started = Instant::now();
        match post(&client, &url, body.clone()).await {
            Ok(()) => tally.latencies.push(started.elapsed().as_secs_f64()),
            Err(failure) => {
                *tally.failures.entry(failure).or_default() += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    tally
}

#[derive(serde::Deserialize)]
struct Answer {
    prediction: usize,
    probabilities: Vec<Class>,
}

#[derive(serde::Deserialize)]
struct Class {
    probability: f32,
}

/// Posts the picture and looks at the answer; what went wrong otherwise.
async fn post(client: &Client, url: &str, body: Vec<u8>) -> Result<(), String> {
    let kind_of_body = format!("multipart/form-data; boundary={BOUNDARY}");
    let sent = client.post(url).header("Content-Type", kind_of_body).body(body).send().await;
    let response = sent.map_err(|error| kind(&error))?;
    if response.status() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let body = response.bytes().await.map_err(|error| kind(&error))?;
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| "not the JSON expected".to_owned())?;
    let sum: f32 = answer.probabilities.iter().map(|class| class.probability).sum();
    let best = answer.probabilities.iter().map(|class| class.probability).fold(0.0, f32::max);
    let right = (sum - 1.0).abs() < 1e-3 && answer.probabilities.get(answer.prediction).is_some_and(|class| class.probability == best);
    if right { Ok(()) } else { Err("a wrong answer".into()) }
}
