//! `torchboard map`: where a run's network puts images, on a plane.

use std::{io::Write as _, process::ExitCode, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    config::Settings,
    data::{Datasets, Split},
    jobs::{Embedder, Inference, Map, Maps, Method, Stage, Unfolding, Wanted},
    store::Store,
};

#[derive(Debug, clap::Args)]
pub struct MapArguments {
    /// The run's id
    run: String,
    /// `train`, `validation`, `test`, or `all`: training images, then test images
    #[arg(long, default_value = "test", value_parser = split)]
    split: Which,
    /// By the network `before` or `after` its training
    #[arg(long, default_value = "after", value_parser = stage)]
    stage: Stage,
    /// `tsne` or `pca`
    #[arg(long, default_value = "tsne", value_parser = method)]
    method: Method,
    /// The first so many images
    #[arg(long, default_value_t = 512)]
    n: usize,
    /// The same seed gives the same map
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Of t-SNE: about how many neighbours count
    #[arg(long, default_value_t = 30)]
    perplexity: u32,
    /// Print a line of CSV for each image: index,label,x,y
    #[arg(long)]
    csv: bool,
}

/// A split, or all images.
#[derive(Debug, Clone, Copy)]
struct Which(Option<Split>);

impl MapArguments {
    /// Draws the map and keeps it in the run's folder.
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let store = Store::open(&settings.data_dir)?;
        let inference = Inference::start(settings.device, 1)?;
        let embedder = Arc::new(Embedder::new(store.clone(), Datasets::open(settings), inference));
        let maps = Maps::new(embedder, store);
        let Self { run, split: Which(split), stage, method, n, seed, perplexity, csv } = self;
        let unfolding = maps.open(Wanted { run, split, stage, method, n, seed, perplexity })?;
        let map = tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(watch(&unfolding))?;
        let mut out = std::io::stdout().lock();
        if csv {
            out.write_all(table(&map).as_bytes())?;
        } else {
            let divergence = map.kl_divergence.map(|divergence| format!(", KL divergence {divergence:.4} nats")).unwrap_or_default();
            writeln!(out, "{} images{divergence}; --csv prints their places", map.labels.len())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Shows a bar until the map is done.
async fn watch(unfolding: &Unfolding) -> anyhow::Result<Arc<Map>> {
    let style =
        ProgressStyle::with_template("{msg:10} {bar:32} {percent:>3}%, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(1000).with_style(style);
    let mut standing = unfolding.standing();
    while unfolding.outcome().is_none() {
        let now = standing.borrow_and_update().clone();
        bar.set_message(now.phase);
        bar.set_position((1000.0 * now.share) as u64);
        if standing.changed().await.is_err() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(unfolding.wait(Duration::ZERO).await?)
}

fn table(map: &Map) -> String {
    let rows = map.places.iter().zip(&map.labels).enumerate();
    let rows: String = rows.map(|(index, ([x, y], label))| format!("{index},{label},{x},{y}\n")).collect();
    format!("index,label,x,y\n{rows}")
}

fn split(name: &str) -> Result<Which, String> {
    match name {
        "all" => Ok(Which(None)),
        _ => Split::named(name).map(|split| Which(Some(split))).ok_or_else(|| "expected train, validation, test or all".to_owned()),
    }
}

fn stage(name: &str) -> Result<Stage, String> {
    Stage::named(name).ok_or_else(|| "expected before or after".to_owned())
}

fn method(name: &str) -> Result<Method, String> {
    match name {
        "tsne" => Ok(Method::Tsne),
        "pca" => Ok(Method::Pca),
        _ => Err("expected tsne or pca".to_owned()),
    }
}
