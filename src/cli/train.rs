//! `torchboard train`.

use std::process::ExitCode;

use crate::config::Settings;

#[derive(Debug, clap::Args)]
pub struct TrainArguments {}

impl TrainArguments {
    pub fn run(self, _settings: &Settings) -> anyhow::Result<ExitCode> {
        todo!()
    }
}
