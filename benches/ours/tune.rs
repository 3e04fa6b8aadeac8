//! The tune suite: studies simulated on a table of every configuration's value.
//!
//! `tune TABLE SAMPLER SEEDS TRIALS`: one line for each seed, with the values in the order of the trials and the seconds that the
//! proposals took.

use std::{fs, time::Instant};

use rayon::prelude::*;
use serde_json::{Value, json};
use torchboard::tune::{Direction, Outcome, Parameters, Sampler, Space, Trial, ask};

pub fn run(arguments: &[String]) {
    let [table, sampler, seeds, trials] = arguments else { panic!("expected `tune TABLE SAMPLER SEEDS TRIALS`") };
    let text = fs::read_to_string(table).expect("TABLE can be read");
    let sampler: Sampler = serde_json::from_value(json!(sampler)).expect("SAMPLER is bayesian, random or grid");
    let (seeds, trials): (u64, usize) = (seeds.parse().expect("SEEDS is a number"), trials.parse().expect("TRIALS is a number"));
    let Table { space, trials: known } = serde_json::from_str(&text).expect("TABLE is one that `ours grid` writes");
    let mut values = vec![f64::NAN; space.size().expect("the space can be counted") as usize];
    for row in known {
        values[space.index(&row.parameters).expect("every row is of the space") as usize] =
            row.validation_accuracy.into_iter().fold(f64::NEG_INFINITY, f64::max);
    }
    let lines: Vec<Value> = (0..seeds).into_par_iter().map(|seed| study(&space, &values, sampler, seed, trials)).collect();
    lines.iter().for_each(|line| println!("{line}"));
}

#[derive(serde::Deserialize)]
struct Table {
    space: Space,
    trials: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Row {
    parameters: Parameters,
    validation_accuracy: Vec<f64>,
}

fn study(space: &Space, values: &[f64], sampler: Sampler, seed: u64, trials: usize) -> Value {
    let mut history: Vec<Trial> = Vec::new();
    let mut seconds = 0.0;
    while history.len() < trials {
        let start = Instant::now();
        let asked = ask(space, sampler, Direction::Maximise, seed, &history);
        seconds += start.elapsed().as_secs_f64();
        let Some(parameters) = asked else { break };
        let index = space.index(&parameters).expect("what is proposed is of the space");
        history.push(Trial { parameters, outcome: Outcome::Value(values[index as usize]) });
    }
    let found: Vec<Value> = history.iter().map(|trial| json!({"parameters": trial.parameters, "value": trial.value()})).collect();
    json!({"seed": seed, "trials": found, "seconds": seconds})
}
