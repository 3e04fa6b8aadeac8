//! `torchboard serve`.

use std::process::ExitCode;

use crate::config::Settings;

#[derive(Debug, clap::Args)]
pub struct ServeArguments {}

impl ServeArguments {
    pub fn run(self, _settings: &Settings) -> anyhow::Result<ExitCode> {
        todo!()
    }
}
