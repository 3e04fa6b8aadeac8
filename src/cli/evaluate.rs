//! `torchboard evaluate`: how good a run's network is on a split.

use std::{io::Write as _, process::ExitCode};

use crate::{
    config::Settings,
    data::{Datasets, Split},
    jobs::{Asked, Decision, Embedder, Explainer, Inference, Judge, Judged, Lesions, Majority, Retrieved, Setting, Settled, embeds},
    metrics::{Interval, text_report},
    store::Store,
};

#[derive(Debug, clap::Args)]
pub struct EvaluateArguments {
    /// The run's id
    run: String,
    /// `train`, `validation` or `test`
    #[arg(long, default_value = "test", value_parser = split)]
    split: Split,
    /// `all` images, or those alone whose lesion is `unseen`: on none that the network learned from or was chosen by
    #[arg(long, default_value = "all", value_parser = lesions)]
    lesions: Lesions,
    /// Decide for the greatest ln p - A ln prior: a number from 0 to 1.5, or `chosen` on the validation split
    #[arg(long, value_name = "A", value_parser = prior)]
    prior: Option<Setting>,
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
        let explainer = Explainer::new(store.clone(), datasets.clone(), inference.clone());
        let judge = Judge::new(store, datasets, inference);
        let decision = self.prior.map_or(Decision::MostProbable, Decision::Prior);
        let judged = judge.answer(&self.run, &Asked { split: self.split, lesions: self.lesions, decision })?;
        // What is exported later can then show where the network looked when it was wrong; without images or weights it can't, and need not.
        if let Err(error) = explainer.keep_mistakes(&judge, &self.run, self.split) {
            tracing::info!(run = self.run, "where its network looks is not kept: {error}");
        }
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&judged)?)?;
        } else {
            write!(out, "{}\n{}", text_report(&judged.evaluation, 4), beneath(&judged))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What scikit-learn's layout has no room for: how sure the figures are, and what they are to be held against.
fn beneath(judged: &Judged) -> String {
    let figures = [
        ("accuracy", judged.evaluation.accuracy, judged.intervals.accuracy),
        ("balanced accuracy", judged.evaluation.balanced_accuracy, judged.intervals.balanced_accuracy),
        ("macro F1", judged.evaluation.macro_scores.f1, judged.intervals.macro_f1),
    ];
    let area = judged.evaluation.auc.macro_mean.map(|area| ("macro AUC", area, judged.intervals.macro_auc));
    let line = |(name, value, interval): (&str, f64, Option<Interval>)| {
        let interval = interval.map(|Interval { low, high }| format!("   95% {low:.4} to {high:.4}")).unwrap_or_default();
        format!("{name:<18} {value:.4}{interval}\n")
    };
    let mut text: String = figures.into_iter().chain(area).map(line).collect();
    let mut add = |line: String| text.push_str(&line);
    add(format!("intervals: bootstrap, resampled by {}\n", judged.resampled_by));
    if let Settled::Prior { exponent, chosen } = judged.decision {
        let how = if chosen { "chosen on the validation split" } else { "as asked" };
        add(format!("decisions: ln p - {exponent} ln prior, {how}\n"));
    }
    if judged.lesions == Lesions::Unseen {
        add(format!("on the {} of {} images whose lesion was never seen\n", judged.evaluation.n, judged.images));
    }
    if let Some(majority) = &judged.majority {
        let Majority { name, accuracy, balanced_accuracy, .. } = majority;
        add(format!("always answering {name:?}: accuracy {accuracy:.4}, balanced accuracy {balanced_accuracy:.4}\n"));
    }
    text
}

fn lesions(name: &str) -> Result<Lesions, String> {
    Lesions::named(name).ok_or_else(|| "expected all or unseen".to_owned())
}

fn prior(text: &str) -> Result<Setting, String> {
    let given = || text.parse().ok().filter(|exponent| (0.0..=1.5).contains(exponent)).map(Setting::Given);
    if text == "chosen" { Ok(Setting::Chosen) } else { given().ok_or_else(|| "expected a number from 0 to 1.5, or chosen".to_owned()) }
}

fn split(name: &str) -> Result<Split, String> {
    Split::named(name).ok_or_else(|| "expected train, validation or test".to_owned())
}
