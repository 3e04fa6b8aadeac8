//! A front for many askers: what waits is answered in one batch.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use tokio::sync::{mpsc, oneshot};

use super::{Neighbor, Query, nearest};
use crate::{
    error::{AppError, AppResult},
    words::VectorSet,
};

/// Gathers the searches of many tasks: one thread takes all that waits and searches it as one batch for each set.
///
/// A lone question is searched at once; while a batch is being searched, the next gathers.
#[derive(Debug, Clone)]
pub struct Batcher {
    waiting: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    set: Arc<VectorSet>,
    query: Query,
    reply: oneshot::Sender<Vec<Neighbor>>,
}

/// Most questions in one batch: keeps the wait of those behind it short.
const BATCH: usize = 256;

impl Batcher {
    /// Starts the thread that searches; at most `capacity` questions wait for it. It ends when all clones of this are dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(capacity: usize) -> std::io::Result<Self> {
        let (waiting, queue) = mpsc::channel(capacity);
        std::thread::Builder::new().name("search".into()).spawn(move || answer(queue))?;
        Ok(Self { waiting })
    }

    /// The words nearest to `query`, as [`nearest`] finds them.
    ///
    /// # Errors
    /// [`AppError::Busy`] when too many questions wait already.
    pub async fn nearest(&self, set: Arc<VectorSet>, query: Query) -> AppResult<Vec<Neighbor>> {
        let (reply, answer) = oneshot::channel();
        self.waiting.try_send(Job { set, query, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppError::Busy { retry_after_seconds: 1 },
            mpsc::error::TrySendError::Closed(_) => AppError::Internal(anyhow::anyhow!("the search thread has ended")),
        })?;
        answer.await.map_err(|_| AppError::Internal(anyhow::anyhow!("the search of this question failed")))
    }
}

fn answer(mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut jobs, BATCH) > 0 {
        // Whoever no longer waits needs no answer.
        jobs.retain(|job| !job.reply.is_closed());
        let mut waiting = VecDeque::from(std::mem::take(&mut jobs));
        while let Some(first) = waiting.pop_front() {
            let (same, others): (Vec<Job>, Vec<Job>) = waiting.into_iter().partition(|job| Arc::ptr_eq(&job.set, &first.set));
            waiting = others.into();
            answer_batch(std::iter::once(first).chain(same).collect());
        }
    }
}

/// Searches one set. A question that can't be searched fails its own batch alone: its askers see an internal error.
fn answer_batch(jobs: Vec<Job>) {
    let started = Instant::now();
    let set = Arc::clone(&jobs[0].set);
    let (queries, replies): (Vec<Query>, Vec<oneshot::Sender<_>>) = jobs.into_iter().map(|job| (job.query, job.reply)).unzip();
    let searched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| nearest(&set, &queries)));
    metrics::histogram!("torchboard_search_batch_size").record(queries.len() as f64);
    metrics::histogram!("torchboard_search_batch_seconds").record(started.elapsed().as_secs_f64());
    if let Ok(answers) = searched {
        replies.into_iter().zip(answers).for_each(|(reply, answer)| drop(reply.send(answer)));
    } else {
        tracing::error!(queries = queries.len(), "a batch of searches panicked");
    }
}
