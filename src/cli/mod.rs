//! The command line: one file per command, each thin.

use clap::{Parser, Subcommand};

use crate::{config::CommonArguments, models::DeviceChoice};

mod backup;
mod certificate;
mod evaluate;
mod fetch;
mod map;
mod network;
mod portable;
mod serve;
mod train;
mod tune;
mod words;
mod work;

/// One binary that serves, trains, tunes, evaluates, explains and shares four small deep-learning systems.
#[derive(Debug, Parser)]
#[command(name = "torchboard", version, propagate_version = true)]
pub struct Arguments {
    #[command(flatten)]
    common: CommonArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the dashboard and the JSON API
    Serve(serve::ServeArguments),
    /// Train a system in the terminal
    Train(train::TrainArguments),
    /// Search for good settings: a study, each trial of which is a run
    Tune(tune::TuneArguments),
    /// Say how good a run's network is: in scikit-learn's layout, or how well it brings labels together
    Evaluate(evaluate::EvaluateArguments),
    /// Draw where a run's network puts images, on a plane
    Map(map::MapArguments),
    /// Ask word vectors, import them, evaluate them
    Words(words::WordsArguments),
    /// Bring a data set from its publisher
    Fetch(fetch::FetchArguments),
    /// Write a run or a study, with all it said and its weights, as one file
    Export(portable::ExportArguments),
    /// Take in a file that `torchboard export` wrote, or that another Torchboard gives by a link
    Import(portable::ImportArguments),
    /// Copy the data folder into one file, while servers and trainings run
    Backup(backup::BackupArguments),
    /// Make a new data folder from a file that `torchboard backup` wrote
    Restore(backup::RestoreArguments),
    /// One training, as a supervisor asks for it
    #[command(hide = true)]
    Work,
}

/// Runs the command that the process was started with.
///
/// # Errors
/// Whatever the command says went wrong; `main` prints it with its causes.
pub fn run() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::parse();
    if let Command::Work = arguments.command {
        return work::run(); // all that it goes by comes with its spec
    }
    let settings = arguments.common.resolve()?;
    if matches!(settings.device, DeviceChoice::Cuda(_)) {
        settings.device.resolve()?; // a GPU asked for by name and not there ends every command alike, before any work
    }
    // What is computed in parallel uses these threads, whichever command asks for it; nothing has started the pool before.
    rayon::ThreadPoolBuilder::new().num_threads(settings.threads).build_global()?;
    match arguments.command {
        Command::Serve(command) => command.run(&settings),
        Command::Train(command) => command.run(&settings),
        Command::Tune(command) => command.run(&settings),
        Command::Evaluate(command) => command.run(&settings),
        Command::Map(command) => command.run(&settings),
        Command::Words(command) => command.run(&settings),
        Command::Fetch(command) => command.run(&settings),
        Command::Export(command) => command.run(&settings),
        Command::Import(command) => command.run(&settings),
        Command::Backup(command) => command.run(&settings),
        Command::Restore(command) => command.run(&settings),
        Command::Work => unreachable!("answered above"),
    }
}
