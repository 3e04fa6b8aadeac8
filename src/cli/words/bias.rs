//! `torchboard words bias`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{Asked, width, with_suggestions};
use crate::{
    config::Settings,
    words::{
        VectorSet,
        answers::Axis,
        bias::{self, Association, Lists, Test},
    },
};

/// `torchboard words bias`
#[derive(Debug, clap::Args)]
pub struct BiasArguments {
    /// Your own word lists, in the form that --print-lists shows
    #[arg(long, value_name = "FILE")]
    lists: Option<PathBuf>,
    /// Print the lists that are used, to be edited, and ask nothing
    #[arg(long)]
    print_lists: bool,
    #[command(flatten)]
    asked: Asked,
}

/// What is printed of a set.
#[derive(Serialize)]
struct Bias {
    set: String,
    /// Where the lists come from.
    source: String,
    tests: Vec<Tested>,
    axis: Axis,
}

/// A test and its result.
#[derive(Serialize)]
struct Tested {
    id: String,
    /// What each list is called.
    targets: [String; 2],
    attributes: [String; 2],
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// Why this set can't be asked.
    Unanswered(String),
    #[serde(untagged)]
    Measured(Association),
}

impl BiasArguments {
    pub fn run(self, settings: &Settings) -> Result<()> {
        let lists = self.lists()?;
        if self.print_lists {
            println!("{}", serde_json::to_string_pretty(&lists)?);
            return Ok(());
        }
        let set = self.asked.open(settings)?;
        let axis = Axis::of(&set, "she", "he", &lists.occupations.words).map_err(with_suggestions)?;
        let tests = lists.tests.iter().map(|test| tested(&set, test)).collect();
        self.asked.print(&Bias { set: set.info().id.clone(), source: lists.source, tests, axis }, table)
    }

    fn lists(&self) -> Result<Lists> {
        let Some(file) = &self.lists else { return Ok(bias::default_lists()) };
        let text = fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a file of word lists, as --print-lists shows one", file.display()))
    }
}

fn tested(set: &VectorSet, test: &Test) -> Tested {
    let names = |lists: &[bias::WordList; 2]| lists.each_ref().map(|list| list.name.clone());
    let outcome = match bias::associate(set, test) {
        Ok(association) => Outcome::Measured(association),
        Err(error) => Outcome::Unanswered(error.to_string()),
    };
    Tested { id: test.id.clone(), targets: names(&test.targets), attributes: names(&test.attributes), outcome }
}

fn table(bias: &Bias) -> String {
    let mut lines = vec![format!("word embedding association tests ({})", bias.set)];
    for test in &bias.tests {
        let ([x, y], [a, b]) = (&test.targets, &test.attributes);
        lines.push(format!("{}: {x} with {a}, {y} with {b}", test.id));
        match &test.outcome {
            Outcome::Measured(found) => {
                let about = if found.exact { "" } else { "about " };
                lines.push(format!("  effect size {:.2}, p-value {about}{}", found.effect_size, p_value(found)));
                if !found.missing.is_empty() {
                    lines.push(format!("  not in this set: {}", found.missing.join(", ")));
                }
            }
            Outcome::Unanswered(why) => lines.push(format!("  {why}")),
        }
    }
    let axis = &bias.axis;
    lines.push(format!("\ntowards {} (+) and {} (-)", axis.from, axis.to));
    let width = width(axis.words.iter().map(|placed| placed.word.as_str()));
    lines.extend(axis.words.iter().map(|placed| format!("{:<width$}  {:>+7.3}", placed.word, placed.position)));
    if !axis.missing.is_empty() {
        lines.push(format!("not in this set: {}", axis.missing.join(", ")));
    }
    lines.join("\n") + "\n"
}

/// With two significant digits: small ones differ by orders of magnitude.
fn p_value(found: &Association) -> String {
    if found.p_value < 0.001 { format!("{:.1e}", found.p_value) } else { format!("{:.3}", found.p_value) }
}
