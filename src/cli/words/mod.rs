//! `torchboard words`: one file per group of subcommands.

use std::{process::ExitCode, sync::Arc};

use anyhow::Result;

use crate::{
    config::Settings,
    error::AppError,
    words::{Library, VectorSet},
};

mod bias;
mod evaluate;
mod questions;
mod sets;

#[derive(Debug, clap::Args)]
pub struct WordsArguments {
    #[command(subcommand)]
    command: WordsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum WordsCommand {
    /// The words nearest to a word
    Neighbors(questions::NeighborsArguments),
    /// Cosine similarity and distance of two words
    Similarity(questions::SimilarityArguments),
    /// The words nearest to a sum of words: --positive king woman --negative man
    Analogy(questions::AnalogyArguments),
    /// The word that fits least among others
    OddOneOut(questions::OddOneOutArguments),
    /// How many analogy questions a set gets right, by section
    Evaluate(evaluate::EvaluateArguments),
    /// What a set associates: word lists with word lists (WEAT), occupations with she and he
    Bias(bias::BiasArguments),
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
    pub fn run(self, settings: &Settings) -> Result<ExitCode> {
        match self.command {
            WordsCommand::Neighbors(command) => command.run(settings)?,
            WordsCommand::Similarity(command) => command.run(settings)?,
            WordsCommand::Analogy(command) => command.run(settings)?,
            WordsCommand::OddOneOut(command) => command.run(settings)?,
            WordsCommand::Evaluate(command) => command.run(settings)?,
            WordsCommand::Bias(command) => command.run(settings)?,
            WordsCommand::Import(command) => return command.run(settings),
            WordsCommand::List(command) => return command.run(settings),
            WordsCommand::Inspect(command) => return command.run(settings),
            WordsCommand::ExportCompact(command) => return command.run(settings),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Which set is asked, and how it answers.
#[derive(Debug, clap::Args)]
struct Asked {
    /// The set of vectors; `torchboard words list` names them
    #[arg(long = "set", value_name = "ID", default_value = crate::words::DEFAULT)]
    id: String,
    /// Print JSON, as the API answers
    #[arg(long)]
    json: bool,
}

impl Asked {
    fn open(&self, settings: &Settings) -> Result<Arc<VectorSet>> {
        Ok(Library::open_one(settings, &self.id)?)
    }

    /// Prints `answer` as JSON, or what `table` makes of it for people.
    fn print<A: serde::Serialize>(&self, answer: &A, table: impl FnOnce(&A) -> String) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(answer)?);
        } else {
            print!("{}", table(answer));
        }
        Ok(())
    }
}

/// Where `word` stands, or an error that names near spellings.
fn find(set: &VectorSet, word: &str) -> Result<usize> {
    set.find(word.trim()).map_err(with_suggestions)
}

/// The error with its near spellings in the sentence: there is no other place for them in a terminal.
fn with_suggestions(error: AppError) -> anyhow::Error {
    match error {
        AppError::NotFound { what, suggestions } if !suggestions.is_empty() => {
            anyhow::anyhow!("{what}; did you mean {}?", suggestions.join(", "))
        }
        other => other.into(),
    }
}

/// The width of the longest of `texts` in characters, for a column of them.
fn width<'text>(texts: impl IntoIterator<Item = &'text str>) -> usize {
    texts.into_iter().map(|text| text.chars().count()).max().unwrap_or_default()
}
