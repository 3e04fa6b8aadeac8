//! `torchboard evaluate`: how good a run's network is on a split.

use std::{io::Write as _, process::ExitCode};

use crate::{
    config::Settings,
    data::{Datasets, Split},
    jobs::{Inference, Judge},
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
        let judge = Judge::new(Store::open(&settings.data_dir)?, Datasets::open(settings), Inference::start(settings.device, 1)?);
        let judgement = judge.judge(&self.run, self.split)?;
        let mut out = std::io::stdout().lock();
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
