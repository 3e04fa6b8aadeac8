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

/// What it does: see [`Bench`].
struct Pretended {
    run: String,
    seen: Arc<Mutex<Vec<(String, usize)>>>,
    ask: std::sync::mpsc::Sender<()>,
    wait: Arc<Mutex<std::sync::mpsc::Receiver<()>>>,
}

impl Answering for Pretended {
    fn answers(&self, images: &[u8]) -> AppResult<Vec<f32>> {
        if self.run == "slow" {
            self.ask.send(()).unwrap();
            self.wait.lock().unwrap().recv().unwrap();
        }
        assert!(!images.contains(&200));
        self.seen.lock().unwrap().push((self.run.clone(), images.len()));
        Ok(images.iter().map(|&pixel| f32::from(pixel)).collect())
    }

    /// One class, one place and one feature, each twice the pixel.
    fn attention(&self, images: &[u8]) -> AppResult<Option<Attention>> {
        let doubled: Vec<f32> = images.iter().map(|&pixel| 2.0 * f32::from(pixel)).collect();
        Ok(Some(Attention { heat: doubled.clone(), classes: 1, side: [1, 1], features: doubled, channels: 1 }))
    }
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
        Ok(Pretended { run: trained.run.clone(), seen: Arc::clone(&seen), ask: ask.clone(), wait: Arc::clone(&wait) })
    });
    Bench { inference: inference.unwrap(), passes, asked, go_on }
}

#[tokio::test]
async fn those_who_wait_are_answered_in_one_pass_for_each_network() {
    let Bench { inference, passes, asked, go_on } = start(64);
    let ask = |run: &str, pixel| inference.ask(trained(run), false, Images::One(vec![pixel])).unwrap();
    let first = ask("slow", 1);
    asked.recv().unwrap(); // the thread is busy: all that follow wait together
    let answers: Vec<_> = (0..10).map(|pixel| (pixel, ask(if pixel % 2 == 0 { "even" } else { "odd" }, pixel))).collect();
    go_on.send(()).unwrap();
    for (pixel, answer) in answers {
        assert_eq!(answer.await.unwrap().unwrap().answers, [f32::from(pixel)], "each has its own answer");
    }
    first.await.unwrap().unwrap();
    let mut passes = passes.lock().unwrap().clone();
    passes.sort();
    assert_eq!(passes, [("even".into(), 5), ("odd".into(), 5), ("slow".into(), 1)]);
}

#[tokio::test]
async fn when_too_many_wait_the_next_is_told_to_come_back() {
    let Bench { inference, asked, go_on, .. } = start(1);
    let ask = || inference.ask(trained("slow"), false, Images::One(vec![1]));
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

#[tokio::test]
async fn who_asks_where_it_looks_is_told_so_and_nobody_else_waits_for_it() {
    let Bench { inference, passes, asked, go_on } = start(64);
    let ask = |run: &str, closely, pixel| inference.ask(trained(run), closely, Images::One(vec![pixel])).unwrap();
    let first = ask("slow", false, 1);
    asked.recv().unwrap();
    let answers: Vec<_> = (0..6).map(|pixel| (pixel, ask("a", pixel < 2, pixel))).collect();
    go_on.send(()).unwrap();
    for (pixel, answer) in answers {
        let said = answer.await.unwrap().unwrap();
        assert_eq!(said.answers, [f32::from(pixel)]);
        let attention = said.attention.map(|attention| (attention.map(0, 0).unwrap().to_vec(), attention.features));
        assert_eq!(attention, (pixel < 2).then(|| (vec![2.0 * f32::from(pixel)], vec![2.0 * f32::from(pixel)])));
    }
    first.await.unwrap().unwrap();
    assert_eq!(passes.lock().unwrap()[1..], [("a".into(), 2), ("a".into(), 4)]);
    let examples = Examples::new(std::path::Path::new("test"), vec![3; 1_500], vec![0; 1_500], [1, 1, 1], 1).unwrap();
    let said =
        tokio::task::spawn_blocking(move || inference.part_closely(trained("a"), Arc::new(examples), 0..1_500)).await.unwrap().unwrap();
    assert_eq!((said.answers.len(), said.attention.unwrap().features), (1_500, vec![6.0; 1_500]));
}
