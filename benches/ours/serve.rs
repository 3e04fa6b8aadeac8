//! The serve suite's load generator, the same for both servers: `serve URL WORDS CONNECTIONS SECONDS SEED`.
//!
//! Each connection is kept alive and asks for the nearest words of one random word of WORDS (one a line) after another, the
//! next as soon as the last is answered, until SECONDS are over; what is under way then is waited for.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use reqwest::Client;

/// A request that takes longer has failed.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// A connection waits this long after a failure, so that a server that refuses is not flooded.
pub const PAUSE: Duration = Duration::from_millis(50);
const K: usize = 10;

pub fn run(arguments: &[String]) {
    let [url, words, connections, seconds, seed] = arguments else { panic!("expected URL WORDS CONNECTIONS SECONDS SEED") };
    let words: Arc<[String]> = std::fs::read_to_string(words).expect("WORDS can be read").lines().map(str::to_owned).collect();
    let connections: u64 = connections.parse().expect("CONNECTIONS is a number");
    let length = Duration::from_secs_f64(seconds.parse().expect("SECONDS is a number"));
    let seed: u64 = seed.parse().expect("SEED is a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (seconds, tallies) = runtime.block_on(async {
        let started = Instant::now();
        let tasks: Vec<_> = (0..connections)
            .map(|number| tokio::spawn(ask_on_and_on(url.clone(), Arc::clone(&words), started + length, seed ^ number << 32)))
            .collect();
        let mut tallies = Vec::new();
        for task in tasks {
            tallies.push(task.await.expect("a connection that ends"));
        }
        (started.elapsed().as_secs_f64(), tallies)
    });
    println!("{}", summary(seconds, tallies));
}

/// What one connection saw.
#[derive(Default)]
pub struct Tally {
    /// Of requests that were answered rightly, in seconds.
    pub latencies: Vec<f64>,
    /// How often each thing went wrong.
    pub failures: BTreeMap<String, u64>,
}

async fn ask_on_and_on(url: String, words: Arc<[String]>, deadline: Instant, seed: u64) -> Tally {
    // A client of its own for each connection: none shares another's.
    let client = Client::builder().no_proxy().timeout(TIMEOUT).pool_max_idle_per_host(1).tcp_nodelay(true).build().expect("a client");
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut tally = Tally::default();
    while Instant::now() < deadline {
        let word = &words[random.random_range(0..words.len())];
        let started = Instant::now();
        match ask(&client, &url, word).await {
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
    word: String,
    neighbors: Vec<Neighbor>,
}

#[derive(serde::Deserialize)]
struct Neighbor {
    word: String,
    similarity: f32,
}

/// Asks one question and looks at the answer; what went wrong otherwise.
async fn ask(client: &Client, url: &str, word: &str) -> Result<(), String> {
    let response = client.get(format!("{url}?word={word}&k={K}")).send().await.map_err(|error| kind(&error))?;
    if response.status() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let body = response.bytes().await.map_err(|error| kind(&error))?;
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| "not the JSON expected".to_owned())?;
    let sorted = answer.neighbors.is_sorted_by(|a, b| a.similarity >= b.similarity);
    let right = answer.word == word && answer.neighbors.len() == K && sorted && answer.neighbors.iter().all(|found| found.word != word);
    if right { Ok(()) } else { Err("a wrong answer".into()) }
}

pub fn kind(error: &reqwest::Error) -> String {
    if error.is_timeout() { format!("no answer within {} s", TIMEOUT.as_secs()) } else { "a broken connection".into() }
}

pub fn summary(seconds: f64, tallies: Vec<Tally>) -> serde_json::Value {
    let (mut latencies, mut failures) = (Vec::new(), BTreeMap::<String, u64>::new());
    for tally in tallies {
        latencies.extend(tally.latencies);
        for (failure, count) in tally.failures {
            *failures.entry(failure).or_default() += count;
        }
    }
    latencies.sort_by(f64::total_cmp);
    // The smallest latency that this share of requests does not exceed.
    let at = |share: f64| latencies.get(((latencies.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
    serde_json::json!({
        "seconds": seconds,
        "answered": latencies.len(),
        "failed": failures.values().sum::<u64>(),
        "failures": failures,
        "per_second": latencies.len() as f64 / seconds,
        "median_ms": at(0.5).map(|seconds| seconds * 1e3),
        "p99_ms": at(0.99).map(|seconds| seconds * 1e3),
    })
}
