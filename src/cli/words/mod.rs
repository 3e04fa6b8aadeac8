//! `torchboard words`: one file per group of subcommands.

use std::process::ExitCode;

use crate::config::Settings;

mod sets;

#[derive(Debug, clap::Args)]
pub struct WordsArguments {
    #[command(subcommand)]
    command: WordsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum WordsCommand {
    /// Add a set of vectors: `GloVe` text, word2vec text or binary, fastText .vec; plain, .gz or .zip
    Import(sets::ImportArguments),
    /// List the sets there are
    List(sets::ListArguments),
    /// Say what is known of one set
    Inspect(sets::InspectArguments),
    /// Write the most frequent words of a set in the small form that is shipped
    #[command(hide = true)]
    ExportCompact(sets::ExportCompactArguments),
}

impl WordsArguments {
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        match self.command {
            WordsCommand::Import(command) => command.run(settings),
            WordsCommand::List(command) => command.run(settings),
            WordsCommand::Inspect(command) => command.run(settings),
            WordsCommand::ExportCompact(command) => command.run(settings),
        }
    }
}
