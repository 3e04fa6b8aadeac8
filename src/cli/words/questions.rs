//! Asking a set: neighbours, similarity, analogies, the odd one out.

use anyhow::Result;

use super::{Asked, find, width};
use crate::{
    config::Settings,
    words::{
        VectorSet,
        analogy::{self, Method},
        answers::{Analogy, Answer, DEFAULT_NEIGHBORS, MOST_NEIGHBORS, Neighbors, OddOneOut, Similarity},
    },
};

/// How many words are answered.
#[derive(Debug, clap::Args)]
struct Count {
    /// How many words to answer, 1 to 1000
    #[arg(short, value_name = "N", default_value_t = DEFAULT_NEIGHBORS as u16, value_parser = clap::value_parser!(u16).range(1..=MOST_NEIGHBORS as i64))]
    k: u16,
}

/// `torchboard words neighbors WORD`
#[derive(Debug, clap::Args)]
pub struct NeighborsArguments {
    /// The word
    word: String,
    #[command(flatten)]
    count: Count,
    #[command(flatten)]
    asked: Asked,
}

/// `torchboard words similarity A B`
#[derive(Debug, clap::Args)]
pub struct SimilarityArguments {
    /// A word
    a: String,
    /// Another word
    b: String,
    #[command(flatten)]
    asked: Asked,
}

/// `torchboard words analogy --positive W... --negative W...`
#[derive(Debug, clap::Args)]
pub struct AnalogyArguments {
    /// Words that are added
    #[arg(long, value_name = "WORD", num_args = 1.., required = true)]
    positive: Vec<String>,
    /// Words that are taken away
    #[arg(long, value_name = "WORD", num_args = 1..)]
    negative: Vec<String>,
    /// How the words are combined: by addition (3CosAdd) or multiplication (3CosMul)
    #[arg(long, value_enum, default_value_t)]
    method: Method,
    #[command(flatten)]
    count: Count,
    #[command(flatten)]
    asked: Asked,
}

/// `torchboard words odd-one-out W...`
#[derive(Debug, clap::Args)]
pub struct OddOneOutArguments {
    /// Three words or more
    #[arg(value_name = "WORD", num_args = 3.., required = true)]
    words: Vec<String>,
    #[command(flatten)]
    asked: Asked,
}

impl NeighborsArguments {
    pub fn run(self, settings: &Settings) -> Result<()> {
        let set = self.asked.open(settings)?;
        let word = find(&set, &self.word)?;
        let k = usize::from(self.count.k);
        let found = analogy::solve(&set, &[word], &[], k, Method::Add);
        self.asked.print(&Neighbors::new(&set, word, k, &found), |answer| table(&answer.neighbors))
    }
}

impl SimilarityArguments {
    pub fn run(self, settings: &Settings) -> Result<()> {
        let set = self.asked.open(settings)?;
        let answer = Similarity::of(&set, find(&set, &self.a)?, find(&set, &self.b)?);
        self.asked.print(&answer, |answer| format!("similarity {:.4}  distance {:.4}\n", answer.similarity, answer.distance))
    }
}

impl AnalogyArguments {
    pub fn run(self, settings: &Settings) -> Result<()> {
        let set = self.asked.open(settings)?;
        let (positive, negative) = (find_all(&set, &self.positive)?, find_all(&set, &self.negative)?);
        let k = usize::from(self.count.k);
        let found = analogy::solve(&set, &positive, &negative, k, self.method);
        self.asked.print(&Analogy::new(&set, &positive, &negative, self.method, k, &found), |answer| table(&answer.neighbors))
    }
}

impl OddOneOutArguments {
    pub fn run(self, settings: &Settings) -> Result<()> {
        let set = self.asked.open(settings)?;
        let answer = OddOneOut::of(&set, &find_all(&set, &self.words)?)?;
        self.asked.print(&answer, |answer| {
            let rows = table(&answer.words);
            let marked = answer.words.iter().zip(rows.lines());
            marked
                .map(|(row, line)| if row.word == answer.odd_one_out { format!("{line}  odd one out\n") } else { format!("{line}\n") })
                .collect()
        })
    }
}

fn find_all(set: &VectorSet, words: &[String]) -> Result<Vec<usize>> {
    words.iter().map(|word| find(set, word)).collect()
}

fn table(answers: &[Answer]) -> String {
    let width = width(answers.iter().map(|answer| answer.word.as_str()));
    answers.iter().map(|answer| format!("{:<width$}  {:>7.4}\n", answer.word, answer.similarity)).collect()
}
