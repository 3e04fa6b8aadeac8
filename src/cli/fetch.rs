//! `torchboard fetch`.

use std::process::ExitCode;

use crate::config::Settings;

#[derive(Debug, clap::Args)]
pub struct FetchArguments {}

impl FetchArguments {
    pub fn run(self, _settings: &Settings) -> anyhow::Result<ExitCode> {
        todo!()
    }
}
