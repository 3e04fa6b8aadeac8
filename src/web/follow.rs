//! What is stored is followed: server-sent events of anything that speaks in numbered events. It is read once, however many follow it.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use serde_json::Value;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Duration, Instant},
};

use super::{AppState, parameters::Parameters};
use crate::{
    error::{AppError, AppResult},
    store::{Numbered, StudyEvent},
};

/// An event as the store numbers it; as JSON it tells its kind in `event`.
pub trait Stored: Serialize {
    /// From 1, without gaps.
    fn number(&self) -> u64;
}

impl Stored for Numbered {
    fn number(&self) -> u64 {
        self.number
    }
}

impl Stored for StudyEvent {
    fn number(&self) -> u64 {
        self.number
    }
}

/// What was said after an event.
pub struct Said {
    /// In order; perhaps not all of it, perhaps none.
    events: Vec<Told>,
    /// Whether whoever speaks had ended before the events were read, so that nothing comes after them.
    ended: bool,
}

/// An event as it is sent.
#[derive(Clone)]
struct Told {
    number: u64,
    event: Event,
}

impl Said {
    /// Of these events, in their order. `ended`: whether whoever speaks had ended before they were read.
    pub fn new<E: Stored>(events: &[E], ended: bool) -> Self {
        Self { events: events.iter().map(Told::new).collect(), ended }
    }
}

impl Told {
    fn new(event: &impl Stored) -> Self {
        let data = serde_json::to_value(event).unwrap_or_default();
        let name = data.get("event").and_then(Value::as_str).unwrap_or("log").to_owned();
        let sent = Event::default().id(event.number().to_string()).event(name).json_data(data).unwrap_or_default();
        Self { number: event.number(), event: sent }
    }
}

/// Reads what was said after an event; it must look at the state before it looks at the events.
type Read = Arc<dyn Fn(&AppState, u64) -> AppResult<Said> + Send + Sync>;
/// What was said since the last time, in order, and never nothing.
type News = Arc<[Told]>;

/// What is followed now: whoever speaks, and those who tell their followers.
#[derive(Default)]
pub struct Feeds(Mutex<HashMap<String, broadcast::Sender<News>>>);

/// Who is further behind than so many pieces of news reads for itself what it missed.
const KEPT_NEWS: usize = 32;
/// What is said is read no more often than this: what is stored meanwhile comes at once, and pages have their turn.
const REST: Duration = Duration::from_millis(150);

/// Answers with the events after the one that `Last-Event-ID` or `after` names, as they come; 204 when there will be none, so that a
/// browser stops asking. `of`: whose they are, by a name that nothing else has.
///
/// # Errors
/// [`AppError::Invalid`] when the number is none; those of `read`.
pub async fn follow(
    state: AppState,
    headers: &HeaderMap,
    parameters: &Parameters,
    of: String,
    read: impl Fn(&AppState, u64) -> AppResult<Said> + Send + Sync + 'static,
) -> AppResult<Response> {
    let (after, read) = (after(headers, parameters)?, Arc::new(read) as Read);
    let said = said_after(&state, &read, after).await?;
    if said.ended && said.events.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let known = said.events.last().map_or(after, |told| told.number);
    let news = Feeds::join(&state, of, &read, known)?;
    // What was said before it joined is not told again: it looks once more.
    let follower = Follower { state, read, after, waiting: said.events.into(), news, lacks: true };
    Ok(Sse::new(follower.into_stream()).keep_alive(KeepAlive::default()).into_response())
}

/// The number of the last event that the reader knows.
fn after(headers: &HeaderMap, parameters: &Parameters) -> AppResult<u64> {
    match headers.get("last-event-id") {
        Some(number) => {
            let number = number.to_str().ok().and_then(|text| text.trim().parse().ok());
            number.ok_or_else(|| AppError::invalid("Last-Event-ID", "expected the number of an event."))
        }
        None => Ok(parameters.number("after", 0, 0..=usize::MAX)? as u64),
    }
}

async fn said_after(state: &AppState, read: &Read, after: u64) -> AppResult<Said> {
    let read = Arc::clone(read);
    state.compute(move |app| read(app, after)).await
}

impl Feeds {
    /// What is told from now on of whoever `of` names. The first who asks has it read, from the event after `known` on.
    fn join(state: &AppState, of: String, read: &Read, known: u64) -> AppResult<broadcast::Receiver<News>> {
        let mut feeds = state.feeds.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(&of) {
            return Ok(feed.subscribe());
        }
        let (sender, receiver) = broadcast::channel(KEPT_NEWS);
        let changes = state.store.changes()?;
        feeds.insert(of.clone(), sender.clone());
        tokio::spawn(tell(state.clone(), of, Arc::clone(read), known, sender, changes));
        Ok(receiver)
    }

    /// Ends a feed that nobody follows, or `always`. Whether it did: whoever joined meanwhile is told on.
    fn leave(&self, of: &str, sender: &broadcast::Sender<News>, always: bool) -> bool {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = always || sender.receiver_count() == 0;
        if ends {
            feeds.remove(of);
        }
        ends
    }
}

/// Reads what is said and tells it to all who follow, until nothing more will be or nobody does.
async fn tell(
    state: AppState,
    of: String,
    read: Read,
    mut known: u64,
    sender: broadcast::Sender<News>,
    mut changes: tokio::sync::watch::Receiver<u64>,
) {
    loop {
        // Marked before reading: what is stored from here on wakes.
        changes.mark_unchanged();
        let read_at = Instant::now();
        let said = said_after(&state, &read, known).await;
        let ends = match said {
            Ok(said) if said.events.is_empty() => said.ended,
            Ok(said) => {
                known = said.events.last().map_or(known, |told| told.number);
                // Who does not listen any more is no fault.
                drop(sender.send(said.events.into()));
                continue;
            }
            // It was deleted, or can't be read now: who follows asks again and learns it.
            Err(_) => true,
        };
        if ends {
            state.feeds.leave(&of, &sender, true);
            return;
        }
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    state.feeds.leave(&of, &sender, true);
                    return;
                }
                tokio::time::sleep_until(read_at + REST).await;
            }
            () = sender.closed() => {
                if state.feeds.leave(&of, &sender, false) {
                    return;
                }
            }
        }
    }
}

/// Somebody who follows.
struct Follower {
    state: AppState,
    read: Read,
    /// The last event that was sent.
    after: u64,
    /// To be sent.
    waiting: VecDeque<Told>,
    news: broadcast::Receiver<News>,
    /// Whether something was said that news will not tell.
    lacks: bool,
}

impl Follower {
    /// The next event; none when there will be none, or the browser is to ask again.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                self.after = told.number;
                return Some(told.event);
            }
            if self.lacks {
                let said = said_after(&self.state, &self.read, self.after).await.ok()?;
                self.lacks = !said.events.is_empty();
                if said.ended && !self.lacks {
                    return None;
                }
                self.waiting = said.events.into();
                continue;
            }
            match self.news.recv().await {
                Ok(news) if news.first().is_some_and(|first| first.number > self.after + 1) => self.lacks = true,
                Ok(news) => self.waiting.extend(news.iter().filter(|told| told.number > self.after).cloned()),
                Err(RecvError::Lagged(_)) => self.lacks = true,
                // Whoever speaks has ended, with what was told last; or it can't be read, and the browser learns why when it asks again.
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut follower| follower.next().await.map(|event| (Ok(event), follower)))
    }
}
