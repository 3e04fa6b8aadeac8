//! `torchboard words evaluate`.

use std::{path::PathBuf, sync::Arc};

use anyhow::Result;

use super::{Asked, width};
use crate::{
    config::Settings,
    words::{
        Evaluations, VectorSet,
        evaluate::{DEFAULT_LIMIT, Evaluation, MOST_LIMIT, Questions, SectionScore, evaluate},
    },
};

/// `torchboard words evaluate`
#[derive(Debug, clap::Args)]
pub struct EvaluateArguments {
    /// Files of questions, four words to a line, or folders of them [default: glove/questions in the folder of data sets]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    questions: Vec<PathBuf>,
    /// Ask among so many of the most frequent words only; several give an evaluation each
    #[arg(long, value_name = "N", num_args = 1.., default_values_t = [DEFAULT_LIMIT as u64], value_parser = clap::value_parser!(u64).range(1..=MOST_LIMIT as u64))]
    limit: Vec<u64>,
    #[command(flatten)]
    asked: Asked,
}

impl EvaluateArguments {
    pub fn run(self, settings: &Settings) -> Result<()> {
        let set = self.asked.open(settings)?;
        let evaluations = self.limit.iter().map(|&limit| self.evaluate(settings, &set, limit as usize)).collect::<Result<Vec<_>>>()?;
        match &evaluations[..] {
            [evaluation] => self.asked.print(evaluation, table),
            several => self.asked.print(&several, |several| several.iter().map(table).collect::<Vec<_>>().join("\n")),
        }
    }

    fn evaluate(&self, settings: &Settings, set: &Arc<VectorSet>, limit: usize) -> Result<Evaluation> {
        if !self.questions.is_empty() {
            return Ok(evaluate(set, &Questions::read(&self.questions)?, limit));
        }
        match Evaluations::new(settings).questions() {
            Ok(questions) => Ok(evaluate(set, questions, limit)),
            Err(absent) => Ok(Evaluations::stored(set, limit).ok_or(absent)?),
        }
    }
}

fn table(evaluation: &Evaluation) -> String {
    let rows = || evaluation.sections.iter().chain([&evaluation.total]);
    let width = width(rows().map(|section| section.name.as_str())).max("section".len());
    let row = |section: &SectionScore| {
        let accuracy = section.accuracy.map_or("-".into(), |accuracy| format!("{:.1}%", 100.0 * accuracy));
        let SectionScore { name, questions, covered, correct, .. } = section;
        format!("{name:<width$}  {questions:>9}  {covered:>7}  {correct:>7}  {accuracy:>8}\n")
    };
    let stored = if evaluation.stored { ", as stored with the program: the questions are not here" } else { "" };
    format!(
        "{}, first {} words{stored}\n{:<width$}  {:>9}  {:>7}  {:>7}  {:>8}\n{}",
        evaluation.set,
        evaluation.limit,
        "section",
        "questions",
        "covered",
        "correct",
        "accuracy",
        rows().map(row).collect::<String>()
    )
}
