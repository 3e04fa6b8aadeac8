//! `torchboard evaluate`: how good a run's network is on a split.

use std::{io::Write as _, process::ExitCode};

use crate::{
    config::Settings,
    data::{Datasets, Split},
    jobs::{Embedder, Inference, Judge, Retrieved, embeds},
    metrics::text_report,
    store::Store,
};

#[derive(Debug, clap::Args)]
pub struct EvaluateArguments {
    /// The run's id
    run: String,
    /// `train`, `validation` or `test`
    #[arg(long, default_value = "test", value_parser = split)]
    split: Split,
    /// Print the evaluation as JSON, in the shape of the API
    #[arg(long)]
    json: bool,
}

impl EvaluateArguments {
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let (store, datasets) = (Store::open(&settings.data_dir)?, Datasets::open(settings));
        let inference = Inference::start(settings.device, 1)?;
        let mut out = std::io::stdout().lock();
        if embeds(&store.run(&self.run)?) {
            let found = Embedder::new(store, datasets, inference).retrieval(&self.run, self.split)?;
            let found = Retrieved::from(&*found);
            if self.json {
                writeln!(out, "{}", serde_json::to_string(&found)?)?;
            } else {
                for (name, value) in [("k-NN accuracy", found.knn_accuracy), ("MAP@R", found.map_at_r), ("silhouette", found.silhouette)] {
                    writeln!(out, "{name:<14} {value:.4}")?;
                }
                for (k, recall) in &found.recall_at {
                    writeln!(out, "{:<14} {:.4}", format!("recall@{k}"), recall.as_f64().unwrap_or_default())?;
                }
                writeln!(out, "{:<14} {:.6}", "triplet loss", found.triplet_loss)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let judge = Judge::new(store, datasets, inference);
        let judgement = judge.judge(&self.run, self.split)?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&judgement.evaluation)?)?;
        } else {
            write!(out, "{}", text_report(&judgement.evaluation, 4))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn split(name: &str) -> Result<Split, String> {
    Split::named(name).ok_or_else(|| "expected train, validation or test".to_owned())
}
