//! `torchboard train`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;

use crate::config::Settings;

mod glove;
mod network;

/// Train a system in the terminal
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct TrainArguments {
    #[command(subcommand)]
    system: Option<System>,
    #[command(flatten)]
    earlier: network::EarlierRun,
    /// Print events as JSON lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum System {
    /// Word vectors, from text (Pennington et al. 2014)
    Glove(glove::GloveArguments),
    /// A perceptron with one hidden layer, on Fashion-MNIST unless told otherwise
    Mlp(network::NetworkArguments),
    /// A small convolutional network: too large for its place on the pages, but a good teacher
    Cnn(network::NetworkArguments),
    /// A network that lays images of one label near each other, on MNIST unless told otherwise
    Triplet(network::NetworkArguments),
    /// A residual network, on skin lesions unless told otherwise (He et al. 2016)
    Resnet14(network::NetworkArguments),
}

impl TrainArguments {
    /// Trains; ends with 0 for done, 1 for failed, 130 for cancelled.
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        match self.system {
            Some(System::Glove(arguments)) => arguments.run(settings),
            Some(System::Mlp(arguments)) => arguments.run("mlp", settings),
            Some(System::Cnn(arguments)) => arguments.run("cnn", settings),
            Some(System::Triplet(arguments)) => arguments.run("triplet", settings),
            Some(System::Resnet14(arguments)) => arguments.run("resnet14", settings),
            None => self.earlier.run(settings, self.json),
        }
    }
}

/// What shells give for a command ended by an interrupt: 128 + SIGINT.
pub(super) const CANCELLED: u8 = 130;

/// Calls `stop` at the first interrupt; a second one ends the process at once.
pub(super) fn on_interrupt(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let asked = AtomicBool::new(false);
    let handler = move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(CANCELLED));
        }
        stop();
    };
    ctrlc::set_handler(handler).context("can't listen for interrupts")
}
