//! Starts a worker, stores what it says, and sees to its end, whatever that is.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU8, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use super::recovery::lock_path;
use crate::{
    config::Settings,
    error::{AppError, AppResult},
    store::{Run, Store},
    train::{Event, Spec, State},
};

/// How the supervisor of a run is asked to end it.
#[derive(Debug, Default)]
pub struct Halt(AtomicU8);

impl Halt {
    /// The run is not wanted any more.
    pub fn cancel(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// This process ends; the run can go on later.
    pub fn interrupt(&self) {
        self.0.store(2, Ordering::Relaxed);
    }

    pub(super) fn wish(&self) -> Option<Wish> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Wish::Cancel),
            2 => Some(Wish::Interrupt),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Cancel,
    Interrupt,
}

/// Between two looks at what is wished.
const PAUSE: Duration = Duration::from_millis(100);
/// A worker that was asked to stop and has not is killed after this long: a step takes a second at most, writing a checkpoint another.
const GRACE: Duration = Duration::from_secs(20);
/// So long events are held back while the store can't be written; then the worker is stopped, and its checkpoint keeps what it did.
const STORE_PATIENCE: Duration = Duration::from_mins(1);

/// Trains `run`, which the caller has made `running`, in a worker, to its end; `heard` gets each event once it is stored, with its number.
///
/// # Errors
/// [`AppError::Conflict`] when another process has the run; the store's own, when it could not be written for a minute. Whatever happens to
/// the worker is no error: it is how the run ends.
pub fn supervise(store: &Store, settings: &Settings, run: &Run, halt: &Halt, heard: &mut dyn FnMut(u64, &Event)) -> AppResult<Run> {
    let folder = store.run_folder(&run.id);
    let prepared = fs::create_dir_all(&folder).and_then(|()| File::options().create(true).append(true).read(true).open(lock_path(&folder)));
    let mut teller = Teller { store, run: &run.id, heard };
    let log = match prepared {
        Ok(log) => log,
        Err(error) => {
            let reason = format!("the run's folder {} can't be written: {error}", folder.display());
            teller.tell(&[Event::End { state: State::Failed, reason: Some(reason), outcome: None }])?;
            return store.run(&run.id);
        }
    };
    if !lock_within(&log, Duration::from_secs(1)) {
        return Err(AppError::Conflict(format!("The run {} is being trained by another process.", run.id)));
    }
    let end = match Worker::start(settings, run, &folder, &log) {
        Ok(worker) => worker.attend(&mut teller, halt)?,
        Err(error) => Event::End { state: State::Failed, reason: Some(format!("its worker can't be started: {error:#}")), outcome: None },
    };
    let mut last = Vec::new();
    if let (Some(original), Event::End { state: State::Done, outcome: Some(outcome), .. }) = (&run.repeats, &end) {
        last.push(Event::Log { message: verdict(store, original, &outcome.weights) });
    }
    last.push(end);
    teller.tell(&last)?;
    store.run(&run.id)
}

/// Who looks for runs without workers holds the lock for a moment.
fn lock_within(file: &File, patience: Duration) -> bool {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return true,
            Err(_) if start.elapsed() > patience => return false,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Whether a repeated run came out as the one it repeats.
fn verdict(store: &Store, original: &str, weights: &str) -> String {
    match store.run(original).ok().and_then(|run| run.weights) {
        Some(expected) if expected == weights => format!("the weights equal those of {original} to the last bit"),
        Some(_) => format!("the weights differ from those of {original}"),
        None => format!("{original} is gone, so that its weights can't be compared"),
    }
}

/// Stores events, then passes them on.
struct Teller<'a> {
    store: &'a Store,
    run: &'a str,
    heard: &'a mut dyn FnMut(u64, &Event),
}

impl Teller<'_> {
    fn tell(&mut self, events: &[Event]) -> AppResult<()> {
        let start = Instant::now();
        let last = loop {
            match self.store.append(self.run, events) {
                Err(AppError::Unavailable(why)) if start.elapsed() < STORE_PATIENCE => {
                    tracing::warn!(run = self.run, "{why}");
                    std::thread::sleep(Duration::from_secs(1));
                }
                outcome => break outcome?,
            }
        };
        for (event, number) in events.iter().zip(last + 1 - events.len() as u64..) {
            (self.heard)(number, event);
        }
        Ok(())
    }
}

struct Worker {
    child: Child,
    /// The worker ends when this closes.
    lifeline: Option<std::process::ChildStdin>,
    lines: mpsc::Receiver<String>,
    /// What it writes on standard error: a panic, libtorch's warnings.
    log: File,
    /// Where this worker's part of the log begins.
    log_start: u64,
}

impl Worker {
    fn start(settings: &Settings, run: &Run, folder: &std::path::Path, log: &File) -> anyhow::Result<Self> {
        let spec = Spec {
            run: run.id.clone(),
            system: run.system.clone(),
            config: run.config.clone(),
            seed: run.seed,
            folder: std::path::absolute(folder)?,
            resume: true,
            data_dir: std::path::absolute(&settings.data_dir)?,
            datasets: settings.datasets.as_ref().map(std::path::absolute).transpose()?,
            device: run.device.clone(),
            threads: run.threads,
        };
        let log_start = log.metadata()?.len();
        let mut child = Command::new(std::env::current_exe().context("this program's own file is not found")?)
            .arg("work")
            .process_group(0) // Ctrl-C in a terminal is for the supervisor, which passes on what it means
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?) // the worker thereby shares the lock
            .spawn()?;
        let mut lifeline = child.stdin.take().context("the worker has no standard input")?;
        let output = child.stdout.take().context("the worker has no standard output")?;
        // A worker that is gone already says so by its exit status.
        let _ = lifeline.write_all((serde_json::to_string(&spec)? + "\n").as_bytes());
        let (sender, lines) = mpsc::sync_channel(1024);
        std::thread::Builder::new()
            .name("worker-output".into())
            .spawn(move || BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)))?;
        Ok(Self { child, lifeline: Some(lifeline), lines, log: log.try_clone()?, log_start })
    }

    /// Stores what the worker says until it has ended; how it did is the answer.
    fn attend(mut self, teller: &mut Teller<'_>, halt: &Halt) -> AppResult<Event> {
        let mut end = None;
        let mut asked: Option<(Wish, Instant)> = None;
        loop {
            let (events, closed) = self.listen(&mut end);
            if !events.is_empty()
                && let Err(error) = teller.tell(&events)
            {
                self.kill();
                return Err(error);
            }
            if closed {
                break;
            }
            if asked.is_none() {
                let stored = || teller.store.is_stop_requested(teller.run).unwrap_or(false).then_some(Wish::Cancel);
                if let Some(wish) = halt.wish().or_else(stored) {
                    self.ask(wish);
                    asked = Some((wish, Instant::now()));
                }
            }
            if asked.is_some_and(|(_, since)| since.elapsed() > GRACE) {
                self.kill();
            }
        }
        let status = self.child.wait().context("the worker's end can't be learned")?;
        Ok(end.unwrap_or_else(|| self.unsaid_end(status, asked.map(|(wish, _)| wish))))
    }

    /// What came within a short while, and whether that was all.
    fn listen(&mut self, end: &mut Option<Event>) -> (Vec<Event>, bool) {
        let mut events = Vec::new();
        let mut line = self.lines.recv_timeout(PAUSE);
        loop {
            match line {
                Ok(text) => match serde_json::from_str(&text) {
                    Ok(event @ Event::End { .. }) => *end = Some(event),
                    Ok(event) => events.push(event),
                    Err(_) => events.push(Event::Log { message: text }), // a library's own word on standard output
                },
                Err(RecvTimeoutError::Timeout) => return (events, false),
                Err(RecvTimeoutError::Disconnected) => return (events, true),
            }
            if events.len() >= 256 {
                return (events, false);
            }
            line = self.lines.try_recv().map_err(|error| match error {
                mpsc::TryRecvError::Empty => RecvTimeoutError::Timeout,
                mpsc::TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            });
        }
    }

    fn ask(&mut self, wish: Wish) {
        match wish {
            Wish::Cancel => {
                if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
                    let _ = kill_process(pid, Signal::TERM); // it is not reaped before `wait`, so the number is its own
                }
            }
            Wish::Interrupt => drop(self.lifeline.take()),
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// How a run ends whose worker did not say.
    fn unsaid_end(&mut self, status: ExitStatus, asked: Option<Wish>) -> Event {
        let (state, reason) = match (asked, status.signal()) {
            (Some(Wish::Cancel), _) => (State::Cancelled, None),
            (Some(Wish::Interrupt), _) => (State::Interrupted, Some("its supervisor stopped".to_owned())),
            (None, Some(signal))
                if [Signal::KILL, Signal::TERM, Signal::HUP].iter().any(|from_outside| from_outside.as_raw() == signal) =>
            {
                let reason =
                    format!("its worker was killed from outside (signal {signal}): by somebody, or by the system for want of memory");
                (State::Interrupted, Some(reason))
            }
            (None, Some(signal)) => (State::Failed, Some(self.with_last_words(format!("its worker crashed (signal {signal})")))),
            (None, None) => (State::Failed, Some(self.with_last_words(format!("its worker broke off ({status})")))),
        };
        Event::End { state, reason, outcome: None }
    }

    /// With the end of what the worker wrote on standard error.
    fn with_last_words(&mut self, reason: String) -> String {
        const LENGTH: u64 = 2000;
        let mut bytes = Vec::new();
        let read = self.log.metadata().and_then(|metadata| {
            self.log.seek(SeekFrom::Start(self.log_start.max(metadata.len().saturating_sub(LENGTH))))?;
            (&mut self.log).take(LENGTH).read_to_end(&mut bytes)
        });
        let words = String::from_utf8_lossy(&bytes);
        if read.is_err() || words.trim().is_empty() { reason } else { format!("{reason}: {}", words.trim()) }
    }
}
