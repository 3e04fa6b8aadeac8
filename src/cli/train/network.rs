//! Training of a network: a run like those of the dashboard, in the same store, with a bar that shows how far it is.

use std::{process::ExitCode, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use super::{CANCELLED, on_interrupt};
use crate::{
    config::Settings,
    data::Datasets,
    jobs::{self, Halt, Plan},
    store::{Run, Store},
    train::{Event, Metric, Progress, State, configuration},
};

#[derive(Debug, clap::Args)]
pub struct NetworkArguments {
    /// Settings, as in units=32; an unknown one is answered with all there are
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Decides every random choice; one seed on one machine with as many threads gives the same weights to the last bit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Names the run in addresses and commands [default: one is made]
    #[arg(long)]
    id: Option<String>,
    /// What to call the run [default: its id]
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// A word to find the run by; may repeat
    #[arg(long)]
    tag: Vec<String>,
    /// A remark on the run
    #[arg(long, default_value = "", hide_default_value = true)]
    notes: String,
    #[command(flatten)]
    earlier: EarlierRun,
    /// Print events as JSON lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct EarlierRun {
    /// Go on with a run that ended before its time, from its last checkpoint
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,
    /// Train a run that is done once more, and say whether its weights come out equal to the last bit
    #[arg(long, value_name = "RUN")]
    like: Option<String>,
}

impl NetworkArguments {
    pub fn run(self, system: &str, settings: &Settings) -> anyhow::Result<ExitCode> {
        if self.earlier.resume.is_some() || self.earlier.like.is_some() {
            anyhow::ensure!(self.set.is_empty(), "--set: the settings of an earlier run stay as they are; leave it out");
            return self.earlier.run(settings, self.json);
        }
        let plan = Plan {
            id: self.id,
            system: system.to_owned(),
            name: self.name,
            config: configuration::from_assignments(system, &self.set)?,
            seed: self.seed,
            tags: self.tag,
            notes: self.notes,
            trial: None,
        };
        let store = Store::open(&settings.data_dir)?;
        let run = store.create_run(&plan.resolve(settings, &Datasets::open(settings), State::Running)?)?;
        train(&store, settings, &run, self.json)
    }
}

impl EarlierRun {
    pub fn run(self, settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
        let store = Store::open(&settings.data_dir)?;
        jobs::recover(&store)?; // its worker may have been gone for a while, with no server to notice
        let run = match (self.resume, self.like) {
            (Some(resume), _) => jobs::resume(&store, &resume, State::Running)?,
            (None, Some(like)) => {
                let new = jobs::repeat(&store.run(&like)?, settings, &Datasets::open(settings), State::Running)?;
                store.create_run(&new)?
            }
            (None, None) => anyhow::bail!("say what to train: a system, --resume RUN or --like RUN"),
        };
        train(&store, settings, &run, json)
    }
}

fn train(store: &Store, settings: &Settings, run: &Run, json: bool) -> anyhow::Result<ExitCode> {
    let halt = Arc::new(Halt::default());
    let asked = Arc::clone(&halt);
    on_interrupt(move || asked.cancel())?;
    let mut listener = Listener::new(run, json);
    let run = jobs::supervise(store, settings, run, &halt, &mut |number, event| listener.hear(number, event))?;
    Ok(match run.state {
        State::Done => ExitCode::SUCCESS,
        State::Cancelled => ExitCode::from(CANCELLED),
        _ => ExitCode::FAILURE,
    })
}

/// Tells a person with a progress bar, or a machine with JSON lines.
struct Listener {
    run: String,
    json: bool,
    bar: Option<ProgressBar>,
    /// What was measured in the epoch that is being told.
    metrics: Vec<Metric>,
}

#[derive(serde::Serialize)]
struct Line<'event> {
    run: &'event str,
    number: u64,
    #[serde(flatten)]
    event: &'event Event,
}

impl Listener {
    fn new(run: &Run, json: bool) -> Self {
        if !json {
            println!("run {}", run.id);
        }
        Self { run: run.id.clone(), json, bar: None, metrics: Vec::new() }
    }

    fn hear(&mut self, number: u64, event: &Event) {
        if self.json {
            // A reader that went away must not cost the run.
            let line = serde_json::to_string(&Line { run: &self.run, number, event }).unwrap_or_default();
            let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
            return;
        }
        match event {
            Event::Progress(progress) => self.progress(progress),
            Event::Metric(metric) => {
                if self.metrics.first().is_some_and(|first| first.epoch != metric.epoch) {
                    self.metrics.clear();
                }
                self.metrics.push(metric.clone());
            }
            Event::Checkpoint { epoch } => {
                let metrics: Vec<String> = self.metrics.drain(..).map(|metric| describe(&metric)).collect();
                self.say(&format!("epoch {epoch:>3}  {}", metrics.join("  ")));
            }
            Event::Log { message } => self.say(message),
            Event::State { .. } => {}
            Event::End { state, reason, .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let sentence = format!("{}{reason}", state.name());
                if *state == State::Done {
                    println!("{sentence}");
                } else {
                    eprintln!("{sentence}");
                }
                if matches!(state, State::Cancelled | State::Interrupted) {
                    eprintln!("`torchboard train --resume {}` goes on with it", self.run);
                }
            }
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:32} {msg}, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(progress.steps).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        bar.set_position(progress.step);
        bar.set_message(format!("epoch {} of {}, {:.0} examples/s", progress.epoch, progress.epochs, progress.examples_per_s));
    }

    fn say(&self, message: &str) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(message),
            _ => println!("{message}"),
        }
    }
}

/// `loss 0.3412`; of other splits than the training one, with the split's name.
fn describe(metric: &Metric) -> String {
    let split = if metric.split == crate::data::Split::Train { String::new() } else { format!("{} ", metric.split.name()) };
    let digits = if metric.name == "learning_rate" { format!("{:.2e}", metric.value) } else { format!("{:.4}", metric.value) };
    format!("{split}{} {digits}", metric.name.replace('_', " "))
}
