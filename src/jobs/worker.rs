//! The worker's side: one training, told on standard input, told of on standard output as JSON lines.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use anyhow::Context as _;

use crate::{
    data::Datasets,
    error::AppError,
    train::{self, Ended, Event, Spec, State},
};

/// Trains what the first line of standard input tells; `true` when it came to its end. Ends early, with its last checkpoint in place, on
/// SIGTERM (the run is cancelled) and when standard input closes (its supervisor is gone: the run is interrupted).
///
/// # Errors
/// When there is no spec to read.
pub fn work() -> anyhow::Result<State> {
    let mut input = BufReader::new(std::io::stdin());
    let mut line = String::new();
    input.read_line(&mut line).context("can't read the spec from standard input")?;
    let spec: Spec = serde_json::from_str(&line).context("the first line of standard input is no spec")?;
    // A training yields to whoever serves pages; alone on the machine it loses nothing by it.
    let _ = rustix::process::nice(10);

    rayon::ThreadPoolBuilder::new().num_threads(spec.threads).build_global().context("can't start threads")?;

    let stop = Arc::new(AtomicBool::new(false));
    let why = Arc::new(AtomicU8::new(NOT_STOPPED));
    let ask = {
        let (stop, why) = (Arc::clone(&stop), Arc::clone(&why));
        move |reason: u8| {
            let _ = why.compare_exchange(NOT_STOPPED, reason, Ordering::Relaxed, Ordering::Relaxed);
            stop.store(true, Ordering::Relaxed);
        }
    };
    let cancel = ask.clone();
    ctrlc::set_handler(move || cancel(CANCELLED)).context("can't listen for signals")?;
    let orphaned = ask.clone();
    std::thread::Builder::new().name("lifeline".into()).spawn(move || {
        let _ = input.read_to_end(&mut Vec::new());
        orphaned(INTERRUPTED);
    })?;

    let mut say = |event: Event| {
        let line = serde_json::to_string(&event).unwrap_or_default() + "\n";
        let mut output = std::io::stdout().lock();
        if output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_err() {
            ask(INTERRUPTED); // nobody listens
        }
    };
    let ended = match train(&spec, &mut say, &stop) {
        // The training knows that it was stopped, not by whom.
        Ok(ended) if ended.state == State::Cancelled && why.load(Ordering::Relaxed) == INTERRUPTED => {
            Ended { state: State::Interrupted, reason: Some("its supervisor stopped".to_owned()), outcome: None }
        }
        Ok(ended) => ended,
        Err(reason) => Ended { state: State::Failed, reason: Some(reason), outcome: None },
    };
    let Ended { state, reason, outcome } = ended;
    say(Event::End { state, reason, outcome });
    Ok(state)
}

const NOT_STOPPED: u8 = 0;
const CANCELLED: u8 = 1;
const INTERRUPTED: u8 = 2;

fn train(spec: &Spec, say: &mut dyn FnMut(Event), stop: &AtomicBool) -> Result<Ended, String> {
    let settings = spec.settings().map_err(|error| format!("{error:#}"))?;
    let datasets = Datasets::open(&settings);
    train::run(spec, &datasets, say, stop).map_err(|error| match error {
        AppError::Internal(cause) => format!("{cause:#}"),
        other => other.to_string(),
    })
}
