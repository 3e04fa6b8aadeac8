//! `torchboard words`.

use std::process::ExitCode;

use crate::config::Settings;

#[derive(Debug, clap::Args)]
pub struct WordsArguments {}

impl WordsArguments {
    pub fn run(self, _settings: &Settings) -> anyhow::Result<ExitCode> {
        todo!()
    }
}
