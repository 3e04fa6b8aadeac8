//! The thread that owns trained networks. Handlers hold handles, never tensors.

use std::{collections::VecDeque, ops::Range, path::PathBuf, sync::Arc, time::Instant};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::{
    data::Examples,
    error::{AppError, AppResult},
    models::DeviceChoice,
    store::{Run, Store},
    train::Predictor,
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

/// Takes answers to who asked.
type Reply = oneshot::Sender<AppResult<Vec<f32>>>;

/// Gives probabilities `[n, classes]`, or embeddings `[n, dimension]`, for images `[n, height, width, channels]`.
type Answering = Box<dyn Fn(&[u8]) -> AppResult<Vec<f32>>>;

struct Job {
    network: Arc<Trained>,
    images: Images,
    reply: Reply,
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
            let predictor = match trained.stage {
                Stage::Before => Predictor::untrained(system, config, *seed, device)?,
                Stage::After => Predictor::open(folder, system, config, device)?,
            };
            Ok(Box::new(move |images: &[u8]| predictor.answers(images)) as Answering)
        })
    }

    fn start_with(capacity: usize, open: impl Fn(&Trained) -> AppResult<Answering> + Send + 'static) -> std::io::Result<Self> {
        let (waiting, queue) = mpsc::channel(capacity);
        std::thread::Builder::new().name("inference".into()).spawn(move || Thread { open, opened: VecDeque::new() }.serve(queue))?;
        Ok(Self { waiting })
    }

    /// The probability of each class, or the embedding, for one image `[height, width, channels]`.
    ///
    /// # Errors
    /// [`AppError::Busy`] when too many questions wait already; what the network says of the image.
    pub async fn one(&self, network: Arc<Trained>, image: Vec<u8>) -> AppResult<Vec<f32>> {
        self.ask(network, Images::One(image))?.await.map_err(gone)?
    }

    /// The probabilities `[n, classes]`, or embeddings `[n, dimension]`, of a part of a split. Waits for them: not for the threads that answer requests.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub fn part(&self, network: Arc<Trained>, examples: Arc<Examples>, range: Range<usize>) -> AppResult<Vec<f32>> {
        self.ask(network, Images::Part(examples, range))?.blocking_recv().map_err(gone)?
    }

    fn ask(&self, network: Arc<Trained>, images: Images) -> AppResult<oneshot::Receiver<AppResult<Vec<f32>>>> {
        let (reply, answer) = oneshot::channel();
        self.waiting.try_send(Job { network, images, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppError::Busy { retry_after_seconds: 1 },
            mpsc::error::TrySendError::Closed(_) => AppError::Internal(anyhow::anyhow!("the inference thread has ended")),
        })?;
        Ok(answer)
    }
}

fn gone(_: oneshot::error::RecvError) -> AppError {
    AppError::Internal(anyhow::anyhow!("the inference thread gave no answer"))
}

struct Thread<Open> {
    open: Open,
    /// The last used first.
    opened: VecDeque<(Arc<Trained>, Answering)>,
}

/// A split that is half done.
struct Part {
    network: Arc<Trained>,
    examples: Arc<Examples>,
    left: Range<usize>,
    answers: Vec<f32>,
    reply: Reply,
}

impl<Open: Fn(&Trained) -> AppResult<Answering>> Thread<Open> {
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
            for Job { network, images, reply } in jobs {
                match images {
                    Images::One(image) => single.push_back((network, image, reply)),
                    Images::Part(examples, left) => parts.push_back(Part { network, examples, left, answers: Vec::new(), reply }),
                }
            }
            while let Some((network, ..)) = single.front() {
                let network = Arc::clone(network);
                let (same, others): (Vec<_>, Vec<_>) = single.into_iter().partition(|(other, ..)| *other == network);
                single = others.into();
                self.answer(&network, same.into_iter().map(|(_, image, reply)| (image, reply)).unzip());
            }
            if let Some(part) = parts.pop_front() {
                parts.extend(self.advance(part));
            }
        }
    }

    /// Answers questions on single images in one pass.
    fn answer(&mut self, network: &Arc<Trained>, (images, replies): (Vec<Vec<u8>>, Vec<Reply>)) {
        let started = Instant::now();
        let sizes_agree = images.iter().all(|image| image.len() == images[0].len());
        if !sizes_agree {
            // One of another size would make a mess of the batch: each by itself, and its asker alone hears of it.
            for (image, reply) in images.into_iter().zip(replies) {
                let _ = reply.send(self.look(network, &image));
            }
            return;
        }
        let answer = self.look(network, &images.concat());
        metrics::histogram!("torchboard_inference_batch_size").record(images.len() as f64);
        metrics::histogram!("torchboard_inference_batch_seconds").record(started.elapsed().as_secs_f64());
        match answer {
            Ok(answers) => {
                let columns = answers.len() / images.len();
                let rows = answers.chunks_exact(columns.max(1)).map(<[f32]>::to_vec);
                replies.into_iter().zip(rows).for_each(|(reply, row)| drop(reply.send(Ok(row))));
            }
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
        match self.look(&part.network, pixels) {
            Ok(answers) => part.answers.extend(answers),
            Err(error) => {
                let _ = part.reply.send(Err(error));
                return None;
            }
        }
        part.left.start = end;
        if part.left.is_empty() {
            let _ = part.reply.send(Ok(part.answers));
            return None;
        }
        Some(part)
    }

    fn look(&mut self, network: &Arc<Trained>, images: &[u8]) -> AppResult<Vec<f32>> {
        let answering = self.open(network)?;
        let computed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| answering(images)));
        computed.unwrap_or_else(|_| Err(AppError::Internal(anyhow::anyhow!("the network of {} panicked", network.run))))
    }

    fn open(&mut self, network: &Arc<Trained>) -> AppResult<&Answering> {
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
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn trained(run: &str) -> Arc<Trained> {
        Arc::new(Trained {
            run: run.into(),
            weights: run.into(),
            stage: Stage::After,
            seed: 0,
            folder: PathBuf::new(),
            system: "mlp".into(),
            config: Map::new(),
        })
    }

    /// An [`Inference`] whose images are one pixel, its own only probability. Pixel 200 makes it panic; the network `slow` says that it has been
    /// asked, and waits to be let go on.
    struct Bench {
        inference: Inference,
        /// Whose network computed how many images in one pass.
        passes: Arc<Mutex<Vec<(String, usize)>>>,
        asked: std::sync::mpsc::Receiver<()>,
        go_on: std::sync::mpsc::Sender<()>,
    }

    fn start(capacity: usize) -> Bench {
        let passes = Arc::new(Mutex::new(Vec::new()));
        let (ask, asked) = std::sync::mpsc::channel();
        let (go_on, wait) = std::sync::mpsc::channel();
        let (seen, wait) = (Arc::clone(&passes), Arc::new(Mutex::new(wait)));
        let inference = Inference::start_with(capacity, move |trained| {
            if trained.run == "broken" {
                return Err(AppError::Unavailable("There are no weights.".into()));
            }
            let (seen, ask, wait, run) = (Arc::clone(&seen), ask.clone(), Arc::clone(&wait), trained.run.clone());
            Ok(Box::new(move |images: &[u8]| {
                if run == "slow" {
                    ask.send(()).unwrap();
                    wait.lock().unwrap().recv().unwrap();
                }
                assert!(!images.contains(&200));
                seen.lock().unwrap().push((run.clone(), images.len()));
                Ok(images.iter().map(|&pixel| f32::from(pixel)).collect())
            }))
        });
        Bench { inference: inference.unwrap(), passes, asked, go_on }
    }

    #[tokio::test]
    async fn those_who_wait_are_answered_in_one_pass_for_each_network() {
        let Bench { inference, passes, asked, go_on } = start(64);
        let ask = |run: &str, pixel| inference.ask(trained(run), Images::One(vec![pixel])).unwrap();
        let first = ask("slow", 1);
        asked.recv().unwrap(); // the thread is busy: all that follow wait together
        let answers: Vec<_> = (0..10).map(|pixel| (pixel, ask(if pixel % 2 == 0 { "even" } else { "odd" }, pixel))).collect();
        go_on.send(()).unwrap();
        for (pixel, answer) in answers {
            assert_eq!(answer.await.unwrap().unwrap(), [f32::from(pixel)], "each has its own answer");
        }
        first.await.unwrap().unwrap();
        let mut passes = passes.lock().unwrap().clone();
        passes.sort();
        assert_eq!(passes, [("even".into(), 5), ("odd".into(), 5), ("slow".into(), 1)]);
    }

    #[tokio::test]
    async fn when_too_many_wait_the_next_is_told_to_come_back() {
        let Bench { inference, asked, go_on, .. } = start(1);
        let ask = || inference.ask(trained("slow"), Images::One(vec![1]));
        let first = ask().unwrap();
        asked.recv().unwrap();
        let second = ask().unwrap();
        assert!(matches!(ask(), Err(AppError::Busy { .. })));
        (0..2).for_each(|_| go_on.send(()).unwrap());
        assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_panic_or_a_missing_network_fails_its_askers_alone() {
        let Bench { inference, .. } = start(8);
        assert!(matches!(inference.one(trained("a"), vec![200]).await, Err(AppError::Internal(_))));
        assert!(matches!(inference.one(trained("broken"), vec![1]).await, Err(AppError::Unavailable(_))));
        assert_eq!(inference.one(trained("a"), vec![7]).await.unwrap(), [7.0]);
    }

    #[test]
    fn a_split_is_taken_in_pieces_and_comes_back_whole() {
        let Bench { inference, passes, .. } = start(8);
        let pixels: Vec<u8> = (0..2_500_u32).map(|index| (index % 199) as u8).collect();
        let examples = Examples::new(std::path::Path::new("test"), pixels.clone(), vec![0; 2_500], [1, 1, 1], 1).unwrap();
        let found = inference.part(trained("a"), Arc::new(examples), 100..2_500).unwrap();
        assert_eq!(found, pixels[100..].iter().map(|&pixel| f32::from(pixel)).collect::<Vec<_>>());
        let sizes: Vec<usize> = passes.lock().unwrap().iter().map(|pass| pass.1).collect();
        assert_eq!(sizes, [1_024, 1_024, 352]);
    }
}
