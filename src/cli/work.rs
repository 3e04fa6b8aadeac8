//! `torchboard work`: the worker's side of a run; people have no use for it.

use std::process::ExitCode;

use crate::{jobs, train::State};

pub fn run() -> anyhow::Result<ExitCode> {
    Ok(if jobs::work()? == State::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
