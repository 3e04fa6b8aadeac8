//! What is stored is followed: server-sent events of anything that speaks in numbered events.

use std::{convert::Infallible, time::Duration};

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
use tokio::{sync::watch, time::Instant};

use super::{AppState, parameters::Parameters};
use crate::{
    error::{AppError, AppResult},
    store::{Numbered, StudyEvent},
};

/// An event as the store numbers it; as JSON it tells its kind in `event`.
pub trait Stored: Serialize + Send + 'static {
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
pub struct Said<E> {
    /// In order; perhaps not all of it, perhaps none.
    pub events: Vec<E>,
    /// Whether whoever speaks had ended before the events were read, so that nothing comes after them.
    pub ended: bool,
}

/// A follower reads no more often than this: what is stored meanwhile comes at once, and hundreds of followers leave the pages their turn.
const REST: Duration = Duration::from_millis(150);

/// Answers with the events after the one that `Last-Event-ID` or `after` names, as they come; 204 when there will be none, so that a
/// browser stops asking. `read` reads what is stored after an event; it must look at the state before it looks at the events.
///
/// # Errors
/// [`AppError::Invalid`] when the number is none; those of `read`.
pub async fn follow<E: Stored>(
    state: AppState,
    headers: &HeaderMap,
    parameters: &Parameters,
    read: impl Fn(&AppState, u64) -> AppResult<Said<E>> + Clone + Send + Sync + 'static,
) -> AppResult<Response> {
    let after = after(headers, parameters)?;
    let changes = state.store.changes()?;
    let mut follower = Follower { state, read, after, waiting: Vec::new(), changes, read_at: Instant::now() };
    if !follower.read().await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
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

struct Follower<E, R> {
    state: AppState,
    read: R,
    /// The last event that was read.
    after: u64,
    /// Read and not yet sent, the next one last.
    waiting: Vec<E>,
    changes: watch::Receiver<u64>,
    read_at: Instant,
}

impl<E: Stored, R: Fn(&AppState, u64) -> AppResult<Said<E>> + Clone + Send + 'static> Follower<E, R> {
    /// Reads what was said since. `false` when nothing more will be.
    async fn read(&mut self) -> AppResult<bool> {
        // Marked before reading: what is stored from here on wakes whoever waits.
        self.changes.mark_unchanged();
        self.read_at = Instant::now();
        let (read, after) = (self.read.clone(), self.after);
        let Said { mut events, ended } = self.state.compute(move |app| read(app, after)).await?;
        self.after = events.last().map_or(after, Stored::number);
        events.reverse();
        self.waiting = events;
        Ok(!ended || !self.waiting.is_empty())
    }

    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            loop {
                if let Some(event) = follower.waiting.pop() {
                    return Some((Ok(as_sent(&event)), follower));
                }
                match follower.read().await {
                    Ok(true) if follower.waiting.is_empty() => {
                        follower.changes.changed().await.ok()?;
                        tokio::time::sleep_until(follower.read_at + REST).await;
                    }
                    Ok(true) => {}
                    // It has ended, or was deleted, or the store can't be read: the browser asks again and learns it.
                    Ok(false) | Err(_) => return None,
                }
            }
        })
    }
}

fn as_sent(event: &impl Stored) -> Event {
    let data = serde_json::to_value(event).unwrap_or_default();
    let name = data.get("event").and_then(Value::as_str).unwrap_or("log").to_owned();
    Event::default().id(event.number().to_string()).event(name).json_data(data).unwrap_or_default()
}
