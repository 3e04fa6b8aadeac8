//! The thread that owns trained networks. Handlers hold handles, never tensors.

use std::{collections::VecDeque, ops::Range, path::PathBuf, sync::Arc, time::Instant};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::{
    data::Examples,
    error::{AppError, AppResult},
    models::DeviceChoice,
    store::{Run, Store},
    train::{Attention, Predictor},
};

/// Asks trained networks for probabilities or embeddings; cheap to clone.
///
/// One thread, called `inference`, opens networks and keeps those last used. What waits for it is answered together, network by network;
/// whole splits are taken piece by piece, so that single images never wait for long.
#[derive(Debug, Clone)]
pub struct Inference {
    waiting: mpsc::Sender<Job>,
}

/// When a network is used: as its training found it, or as it left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// With the weights before the first step, which the seed decides.
    Before,
    /// With the final weights.
    #[default]
    After,
}

impl Stage {
    /// `before` or `after`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// The stage of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Before, Self::After].into_iter().find(|stage| stage.name() == name)
    }
}

/// A network: that of a run which is done, or that with which a run began.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The run's id.
    pub run: String,
    /// Hash of its final weights; of those before the training, the seed that decides them.
    pub weights: String,
    /// Which of them.
    pub stage: Stage,
    /// The run's seed.
    pub seed: u64,
    /// Where the weights are.
    pub folder: PathBuf,
    /// The run's system.
    pub system: String,
    /// The run's resolved configuration.
    pub config: Map<String, Value>,
}

/// What a network says of images.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// Probabilities `[n, classes]`, or embeddings `[n, dimension]`.
    pub answers: Vec<f32>,
    /// Where it looked, if that was asked and its last layers tell.
    pub attention: Option<Attention>,
}

/// Takes answers to who asked.
type Reply = oneshot::Sender<AppResult<Said>>;

/// A network that is open. Images are `[n, height, width, channels]`, 0 to 255.
trait Answering {
    /// Probabilities `[n, classes]`, or embeddings `[n, dimension]`.
    fn answers(&self, images: &[u8]) -> AppResult<Vec<f32>>;

    fn attention(&self, images: &[u8]) -> AppResult<Option<Attention>>;
}

impl Answering for Predictor {
    fn answers(&self, images: &[u8]) -> AppResult<Vec<f32>> {
        Self::answers(self, images)
    }

    fn attention(&self, images: &[u8]) -> AppResult<Option<Attention>> {
        Self::attention(self, images)
    }
}

struct Job {
    question: Question,
    images: Images,
    reply: Reply,
}

/// What is asked of which network: questions that are alike are answered in one pass.
#[derive(Clone, PartialEq)]
struct Question {
    network: Arc<Trained>,
    /// Whether to tell too where it looks, which takes a second pass.
    closely: bool,
}

/// Pixels, 0 to 255.
enum Images {
    One(Vec<u8>),
    /// A part of a split, `[count, height, width, channels]`.
    Part(Arc<Examples>, Range<usize>),
}

/// Most single images in one forward pass: some milliseconds' work.
const BATCH: usize = 256;
/// A whole split is taken in pieces of so many images.
const PIECE: usize = 1024;
/// Networks that are kept open: a few megabytes each.
const MOST_OPEN: usize = 8;

impl Trained {
    /// The network of `run`.
    ///
    /// # Errors
    /// [`AppError::Conflict`] when the run is not done.
    pub fn of(store: &Store, run: &Run) -> AppResult<Self> {
        let Some(weights) = run.weights.clone() else {
            let state = run.state.name();
            return Err(AppError::Conflict(format!("The run {} is {state}; its network can be used when it is done.", run.id)));
        };
        Ok(Self::at(store, run, Stage::After, weights))
    }

    /// The network with which `run` began.
    #[must_use]
    pub fn before(store: &Store, run: &Run) -> Self {
        Self::at(store, run, Stage::Before, format!("seed {}", run.seed))
    }

    fn at(store: &Store, run: &Run, stage: Stage, weights: String) -> Self {
        let (folder, system, config) = (store.run_folder(&run.id), run.system.clone(), run.config.clone());
        Self { run: run.id.clone(), weights, stage, seed: run.seed, folder, system, config }
    }
}

impl Inference {
    /// Starts the thread, which computes on `device`; at most `capacity` questions wait for it. It ends when all clones of this are dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(device: DeviceChoice, capacity: usize) -> std::io::Result<Self> {
        Self::start_with(capacity, move |trained| {
            let device = device.resolve()?;
            let Trained { folder, system, config, seed, .. } = trained;
            Ok(match trained.stage {
                Stage::Before => Predictor::untrained(system, config, *seed, device)?,
                Stage::After => Predictor::open(folder, system, config, device)?,
            })
        })
    }

    fn start_with<Network: Answering + 'static>(
        capacity: usize,
        open: impl Fn(&Trained) -> AppResult<Network> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (waiting, queue) = mpsc::channel(capacity);
        std::thread::Builder::new().name("inference".into()).spawn(move || Thread { open, opened: VecDeque::new() }.serve(queue))?;
        Ok(Self { waiting })
    }

    /// The probability of each class, or the embedding, for one image `[height, width, channels]`.
    ///
    /// # Errors
    /// [`AppError::Busy`] when too many questions wait already; what the network says of the image.
    pub async fn one(&self, network: Arc<Trained>, image: Vec<u8>) -> AppResult<Vec<f32>> {
        Ok(self.ask(network, false, Images::One(image))?.await.map_err(gone)??.answers)
    }

    /// As [`Self::one`], and where the network looked.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub async fn closely(&self, network: Arc<Trained>, image: Vec<u8>) -> AppResult<Said> {
        self.ask(network, true, Images::One(image))?.await.map_err(gone)?
    }

    /// As [`Self::closely`]. Waits for it: not for the threads that answer requests.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub fn closely_now(&self, network: Arc<Trained>, image: Vec<u8>) -> AppResult<Said> {
        self.ask(network, true, Images::One(image))?.blocking_recv().map_err(gone)?
    }

    /// The probabilities `[n, classes]`, or embeddings `[n, dimension]`, of a part of a split. Waits for them: not for the threads that answer requests.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub fn part(&self, network: Arc<Trained>, examples: Arc<Examples>, range: Range<usize>) -> AppResult<Vec<f32>> {
        Ok(self.ask(network, false, Images::Part(examples, range))?.blocking_recv().map_err(gone)??.answers)
    }

    /// As [`Self::part`], and where the network looked.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub fn part_closely(&self, network: Arc<Trained>, examples: Arc<Examples>, range: Range<usize>) -> AppResult<Said> {
        self.ask(network, true, Images::Part(examples, range))?.blocking_recv().map_err(gone)?
    }

    fn ask(&self, network: Arc<Trained>, closely: bool, images: Images) -> AppResult<oneshot::Receiver<AppResult<Said>>> {
        let (reply, answer) = oneshot::channel();
        let question = Question { network, closely };
        self.waiting.try_send(Job { question, images, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppError::Busy { retry_after_seconds: 1 },
            mpsc::error::TrySendError::Closed(_) => AppError::Internal(anyhow::anyhow!("the inference thread has ended")),
        })?;
        Ok(answer)
    }
}

impl Said {
    /// What was said of each of `count` images.
    fn rows(&self, count: usize) -> impl Iterator<Item = Self> {
        let columns = (self.answers.len() / count.max(1)).max(1);
        self.answers.chunks_exact(columns).enumerate().map(|(index, answers)| Self {
            answers: answers.to_vec(),
            attention: self.attention.as_ref().and_then(|attention| attention.single(index)),
        })
    }

    /// Adds what was said of more images.
    fn append(&mut self, more: Self) {
        self.answers.extend(more.answers);
        match (&mut self.attention, more.attention) {
            (Some(attention), Some(more)) => attention.append(more),
            (attention, more) => *attention = more,
        }
    }
}

fn gone(_: oneshot::error::RecvError) -> AppError {
    AppError::Internal(anyhow::anyhow!("the inference thread gave no answer"))
}

struct Thread<Open, Network> {
    open: Open,
    /// The last used first.
    opened: VecDeque<(Arc<Trained>, Network)>,
}

/// A split that is half done.
struct Part {
    question: Question,
    examples: Arc<Examples>,
    left: Range<usize>,
    said: Said,
    reply: Reply,
}

impl<Network: Answering, Open: Fn(&Trained) -> AppResult<Network>> Thread<Open, Network> {
    fn serve(mut self, mut queue: mpsc::Receiver<Job>) {
        // Threads that compute together wait for each other by spinning: where trainings use every core, one alone answers sooner and takes
        // less than half of the processor's time (12,000 images: 0.4 s of it instead of 1.1 s, start-up included).
        tch::set_num_threads(1);
        let mut parts: VecDeque<Part> = VecDeque::new();
        loop {
            let mut jobs = Vec::new();
            if parts.is_empty() {
                if queue.blocking_recv_many(&mut jobs, BATCH) == 0 {
                    return;
                }
            } else {
                jobs.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(BATCH));
            }
            // Whoever no longer waits needs no answer.
            jobs.retain(|job| !job.reply.is_closed());
            let mut single = VecDeque::new();
            for Job { question, images, reply } in jobs {
                match images {
                    Images::One(image) => single.push_back((question, image, reply)),
                    Images::Part(examples, left) => parts.push_back(Part { question, examples, left, said: Said::default(), reply }),
                }
            }
            while let Some((question, ..)) = single.front() {
                let question = question.clone();
                let (same, others): (Vec<_>, Vec<_>) = single.into_iter().partition(|(other, ..)| *other == question);
                single = others.into();
                self.answer(&question, same.into_iter().map(|(_, image, reply)| (image, reply)).unzip());
            }
            if let Some(part) = parts.pop_front() {
                parts.extend(self.advance(part));
            }
        }
    }

    /// Answers questions on single images in one pass.
    fn answer(&mut self, question: &Question, (images, replies): (Vec<Vec<u8>>, Vec<Reply>)) {
        let started = Instant::now();
        let sizes_agree = images.iter().all(|image| image.len() == images[0].len());
        if !sizes_agree {
            // One of another size would make a mess of the batch: each by itself, and its asker alone hears of it.
            for (image, reply) in images.into_iter().zip(replies) {
                let _ = reply.send(self.look(question, &image));
            }
            return;
        }
        let answer = self.look(question, &images.concat());
        metrics::histogram!("torchboard_inference_batch_size").record(images.len() as f64);
        metrics::histogram!("torchboard_inference_batch_seconds").record(started.elapsed().as_secs_f64());
        match answer {
            Ok(said) => replies.into_iter().zip(said.rows(images.len())).for_each(|(reply, row)| drop(reply.send(Ok(row)))),
            Err(error) => replies.into_iter().for_each(|reply| drop(reply.send(Err(again(&error))))),
        }
    }

    /// Takes the next piece of a split; gives the rest back.
    fn advance(&mut self, mut part: Part) -> Option<Part> {
        if part.reply.is_closed() {
            return None;
        }
        let size: usize = part.examples.shape().iter().product();
        let end = part.left.end.min(part.left.start + PIECE);
        let pixels = part.examples.pixels().get(part.left.start * size..end * size).unwrap_or_default();
        match self.look(&part.question, pixels) {
            Ok(said) => part.said.append(said),
            Err(error) => {
                let _ = part.reply.send(Err(error));
                return None;
            }
        }
        part.left.start = end;
        if part.left.is_empty() {
            let _ = part.reply.send(Ok(part.said));
            return None;
        }
        Some(part)
    }

    fn look(&mut self, Question { network, closely }: &Question, images: &[u8]) -> AppResult<Said> {
        let answering = self.open(network)?;
        let look = || {
            let answers = answering.answers(images)?;
            Ok(Said { answers, attention: if *closely { answering.attention(images)? } else { None } })
        };
        let computed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(look));
        computed.unwrap_or_else(|_| Err(AppError::Internal(anyhow::anyhow!("the network of {} panicked", network.run))))
    }

    fn open(&mut self, network: &Arc<Trained>) -> AppResult<&Network> {
        let place = self.opened.iter().position(|(open, _)| open == network);
        let opened = match place.and_then(|place| self.opened.remove(place)) {
            Some(opened) => opened,
            None => (Arc::clone(network), (self.open)(network)?),
        };
        self.opened.truncate(MOST_OPEN - 1);
        self.opened.push_front(opened);
        Ok(&self.opened[0].1)
    }
}

/// The same for the next one who waits. A fault of ours is logged with its causes once, by the first.
fn again(error: &AppError) -> AppError {
    match error {
        AppError::Invalid { field, reason } => AppError::invalid(field.clone(), reason.clone()),
        AppError::Unavailable(why) => AppError::Unavailable(why.clone()),
        AppError::Conflict(why) => AppError::Conflict(why.clone()),
        other => AppError::Internal(anyhow::anyhow!("{other}: {:?}", std::error::Error::source(other))),
    }
}

#[cfg(test)]
mod tests;
