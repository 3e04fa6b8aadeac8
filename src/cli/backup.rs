//! `torchboard backup` and `torchboard restore`.

use std::{
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::train::{CANCELLED, on_interrupt};
use crate::{
    config::Settings,
    error::AppResult,
    jobs::{Watch, back_up, restore},
};

/// Copy the data folder into one file, while servers and trainings run
#[derive(Debug, clap::Args)]
#[command(after_help = "The file holds runs, studies and accounts, checkpoints, weights and predictions, and imported vector sets. What \
    the program brings or fetches again stays out, and so do logs of workers and keys of certificates. It holds what passwords and tokens \
    are checked by: only you may read it, and whoever you give it to can try to guess them.")]
pub struct BackupArguments {
    /// The file; one of that name is replaced once the new one is whole [default: torchboard-backup-DATE-TIME.zip]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Data sets that were fetched too
    #[arg(long)]
    with_data_sets: bool,
}

/// Make a new data folder from a file that `torchboard backup` wrote
#[derive(Debug, clap::Args)]
#[command(after_help = "The folder that --data-dir names must be absent or empty: nothing is overwritten. It appears when everything was \
    unpacked and checked. Trainings that were under way can then be resumed.")]
pub struct RestoreArguments {
    /// The file
    file: PathBuf,
}

impl BackupArguments {
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
        let output = self.output.unwrap_or_else(|| PathBuf::from(format!("torchboard-backup-{now}.zip")));
        let Some(done) = watched(|watch| back_up(&settings.data_dir, &output, self.with_data_sets, watch))? else {
            return Ok(ExitCode::from(CANCELLED));
        };
        println!("{}", output.display());
        tell(&format!(
            "{} runs, {} files, {}; it holds what passwords and tokens are checked by: only you may read it",
            done.runs,
            done.files,
            HumanBytes(done.bytes)
        ));
        Ok(ExitCode::SUCCESS)
    }
}

impl RestoreArguments {
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let Some(done) = watched(|watch| restore(&self.file, &settings.data_dir, watch))? else {
            return Ok(ExitCode::from(CANCELLED));
        };
        println!("{}", settings.data_dir.display());
        tell(&format!(
            "{} runs, {} files, {}, backed up at {} by torchboard {}",
            done.runs,
            done.files,
            HumanBytes(done.bytes),
            done.created_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            done.torchboard
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Shows a bar where somebody watches. `None`: an interrupt ended it, and nothing of it is left.
fn watched<T>(work: impl FnOnce(Watch<'_>) -> AppResult<T>) -> anyhow::Result<Option<T>> {
    let stopped = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stopped);
    on_interrupt(move || asked.store(true, Ordering::Relaxed))?;
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?);
    let outcome = work(&mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        !stopped.load(Ordering::Relaxed)
    });
    bar.finish_and_clear();
    match outcome {
        Err(error) if stopped.load(Ordering::Relaxed) => {
            tell(&error.to_string());
            Ok(None)
        }
        outcome => Ok(Some(outcome?)),
    }
}

/// For people: scripts read the one line on standard output. Nobody may be reading, which is no reason to fail.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
