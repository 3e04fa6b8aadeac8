//! `torchboard train glove`.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::{CANCELLED, on_interrupt};
use crate::{
    config::Settings,
    data::{Split, write_whole},
    error::{AppError, AppResult},
    jobs::{self, Witness},
    store::{NewRun, Origin, Store},
    train::{self, State},
    words::{
        SetInfo, VectorSet, compact,
        glove::{self, Event, GloveSettings, Phase, Record, Trained, Training},
        import::{self, Import},
    },
};

#[derive(Debug, clap::Args)]
pub struct GloveArguments {
    /// Text, plain or gzipped
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    corpus: Vec<PathBuf>,
    /// Settings, as in dimension=100; an unknown one is answered with all there are
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Decides every random choice; one seed gives the same vectors to the last bit, whatever the number of threads
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the vectors go, in `GloVe`'s text format; a name that ends in .tbc gives the compact form, 8 bits to a value
    #[arg(long, value_name = "FILE", required_unless_present = "id")]
    output: Option<PathBuf>,
    /// Add the vectors to the sets that the dashboard shows, under this id
    #[arg(long)]
    id: Option<String>,
    /// What pages call the vectors [default: the id, or the name of the first corpus]
    #[arg(long)]
    name: Option<String>,
    /// Where the text comes from, in a sentence [default: the names of the corpora]
    #[arg(long)]
    source: Option<String>,
    /// Under which terms the vectors may be used
    #[arg(long, default_value = "not stated")]
    licence: String,
    /// Write how the training went as JSON
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print events as JSON lines
    #[arg(long)]
    json: bool,
}

impl GloveArguments {
    /// Trains; ends with 0 for done, 1 for failed, 130 for cancelled.
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let mut listener = Listener::new(self.json);
        match self.train(settings, &mut listener) {
            Ok(Some(trained)) => {
                let (state, reason, code) = if trained.record.cancelled {
                    ("cancelled", Some("interrupted; the vectors are those of an unfinished training".into()), CANCELLED)
                } else {
                    ("done", None, 0)
                };
                listener.hear(Event::End { state, reason, record: Some(Box::new(trained.record)) });
                Ok(ExitCode::from(code))
            }
            Ok(None) => {
                listener.hear(Event::End {
                    state: "cancelled",
                    reason: Some("interrupted before there were vectors".into()),
                    record: None,
                });
                Ok(ExitCode::from(CANCELLED))
            }
            Err(error) => {
                let error = match error {
                    AppError::Internal(cause) => cause,
                    other => other.into(),
                };
                listener.hear(Event::End { state: "failed", reason: Some(format!("{error:#}")), record: None });
                Err(error)
            }
        }
    }

    /// The run of this training, which the dashboard shows like any other.
    fn witness(&self, settings: &Settings, glove_settings: &GloveSettings) -> AppResult<Witness> {
        let mut config = serde_json::to_value(glove_settings).context("can't write the settings")?;
        config["corpora"] = self.corpora().into();
        let new = NewRun {
            id: None,
            system: "glove".into(),
            name: self.name.clone().or_else(|| self.id.clone()).unwrap_or_default(),
            state: State::Running,
            config: config.as_object().cloned().unwrap_or_default(),
            seed: self.seed,
            threads: settings.threads,
            device: "cpu".into(),
            dataset: None,
            versions: jobs::versions(),
            hardware: jobs::hardware(settings),
            parameters: None,
            tags: Vec::new(),
            trial: None,
            repeats: None,
            origin: Origin::Trained,
            notes: String::new(),
        };
        Witness::begin(Store::open(&settings.data_dir)?, &new)
    }

    /// The names of the corpora, without their folders.
    fn corpora(&self) -> Vec<&str> {
        self.corpus.iter().filter_map(|file| file.file_name()?.to_str()).collect()
    }

    fn train(&self, settings: &Settings, listener: &mut Listener) -> AppResult<Option<Trained>> {
        let glove_settings = GloveSettings::from_assignments(&self.set)?;
        self.check_outputs()?;
        listener.attend(self.witness(settings, &glove_settings)?);
        let cancelled = cancel_on_interrupt()?;
        let training =
            Training { corpora: &self.corpus, settings: glove_settings, seed: self.seed, threads: settings.threads, cancelled: &cancelled };
        let Some(trained) = training.run(&mut |event| {
            if matches!(event, Event::Progress { .. }) && listener.is_stop_requested() {
                cancelled.store(true, Ordering::Relaxed);
            }
            listener.hear(event);
        })?
        else {
            return Ok(None);
        };
        self.save(&trained, settings)?;
        Ok(Some(trained))
    }

    /// What would only be found out after minutes of training.
    fn check_outputs(&self) -> AppResult<()> {
        if self.id.as_deref().is_some_and(|id| !import::is_id(id)) {
            return Err(AppError::invalid("id", "expected 1 to 64 lower-case letters, digits or hyphens"));
        }
        for (field, path) in [("output", &self.output), ("record", &self.record)] {
            let folder = path.as_deref().and_then(|path| path.parent()).filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                return Err(AppError::invalid(field, format!("there is no folder {}", folder.display())));
            }
        }
        Ok(())
    }

    fn save(&self, trained: &Trained, settings: &Settings) -> AppResult<()> {
        if let Some(output) = &self.output {
            if output.extension().is_some_and(|extension| extension == "tbc") {
                let rows = trained.words.iter().zip(&trained.vectors);
                let set = VectorSet::from_rows(self.info(), rows)?;
                write_whole(output, |file| std::io::Write::write_all(file, &compact::write(&set, set.info(), set.len())))?;
            } else {
                glove::write_text(trained, output)?;
            }
        }
        if let Some(id) = &self.id {
            let folder = settings.data_dir.join("words");
            std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
            let text = tempfile::Builder::new().suffix(".txt").tempfile().context("can't make a temporary file")?.into_temp_path();
            glove::write_text(trained, &text)?;
            let SetInfo { name, source, licence, .. } = self.info();
            Import { file: text.to_path_buf(), member_dimension: None, id: id.clone(), name, source, licence }.run(&folder)?;
        }
        if let Some(record) = &self.record {
            let json = serde_json::to_vec_pretty(&trained.record).context("can't write the record")?;
            write_whole(record, |file| std::io::Write::write_all(file, &[&json[..], b"\n"].concat()))?;
        }
        Ok(())
    }

    fn info(&self) -> SetInfo {
        let names = self.corpora();
        SetInfo {
            id: self.id.clone().unwrap_or_else(|| "default".into()),
            name: self.name.clone().or_else(|| self.id.clone()).unwrap_or_else(|| names.first().copied().unwrap_or("trained").into()),
            dimension: 0,
            vocabulary: 0,
            source: self.source.clone().unwrap_or_else(|| format!("trained on {}", names.join(", "))),
            licence: self.licence.clone(),
        }
    }
}

/// The first interrupt asks to stop and save.
fn cancel_on_interrupt() -> AppResult<Arc<AtomicBool>> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&cancelled);
    on_interrupt(move || asked.store(true, Ordering::Relaxed))?;
    Ok(cancelled)
}

/// Tells a person with a progress bar, or a machine with JSON lines; and the run's store.
struct Listener {
    /// The run, once it is known that there can be one.
    witness: Option<Witness>,
    json: bool,
    number: u64,
    bar: Option<(Phase, ProgressBar)>,
}

/// The same as runs say it. The run is `running` from the moment that it is made.
fn as_run_event(event: &Event) -> Option<train::Event> {
    Some(match event {
        Event::State { .. } => return None,
        Event::Progress { phase, step, steps, epoch, epochs, elapsed_s, eta_s } => {
            let pace = if *elapsed_s > 0.0 { *step as f64 / elapsed_s } else { 0.0 };
            train::Event::Progress(train::Progress {
                epoch: *epoch as u64,
                epochs: *epochs as u64,
                step: *step,
                steps: *steps,
                elapsed_s: *elapsed_s,
                // Of a phase before the last it says nothing about the whole.
                eta_s: (*phase == Phase::Training).then_some(*eta_s),
                examples_per_s: pace,
            })
        }
        Event::Metric { name, epoch, value, .. } => train::Event::Metric(train::Metric {
            name: (*name).to_owned(),
            split: Split::Train,
            epoch: *epoch as u64,
            step: *epoch as u64,
            value: *value,
        }),
        Event::Log { message } => train::Event::Log { message: message.clone() },
        Event::End { state, reason, .. } => {
            train::Event::End { state: State::named(state).unwrap_or(State::Failed), reason: reason.clone(), outcome: None }
        }
    })
}

#[derive(serde::Serialize)]
struct Numbered<'event> {
    number: u64,
    #[serde(flatten)]
    event: &'event Event,
}

impl Listener {
    fn new(json: bool) -> Self {
        Self { witness: None, json, number: 0, bar: None }
    }

    fn attend(&mut self, witness: Witness) {
        if !self.json {
            println!("run {}", witness.run());
        }
        self.witness = Some(witness);
    }

    fn is_stop_requested(&self) -> bool {
        self.witness.as_ref().is_some_and(Witness::is_stop_requested)
    }

    fn hear(&mut self, event: Event) {
        self.number += 1;
        if let (Some(witness), Some(event)) = (&self.witness, as_run_event(&event)) {
            witness.tell(event);
        }
        if self.json {
            // A reader that went away must not cost the vectors.
            let line = serde_json::to_string(&Numbered { number: self.number, event: &event }).unwrap_or_default();
            let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
            return;
        }
        match event {
            Event::Progress { phase, step, steps, .. } => self.bar(phase, steps).set_position(step),
            Event::Metric { epoch, value, .. } => self.say(&format!("pass {epoch}: loss {value:.6}")),
            Event::Log { message } => self.say(&message),
            Event::State { .. } => {}
            Event::End { state, reason, record } => {
                if let Some((_, bar)) = self.bar.take() {
                    bar.finish_and_clear();
                }
                if let Some(record) = record {
                    let pace = record.cooccurrences as f64 * record.losses.len() as f64 / record.training_s / 1e6;
                    let Record { vocabulary, vocabulary_s, cooccurrence_s, shuffle_s, training_s, .. } = *record;
                    println!(
                        "{state}: {vocabulary} vectors; reading {vocabulary_s:.1} s, counting {cooccurrence_s:.1} s, \
                         shuffling {shuffle_s:.1} s, training {training_s:.1} s ({pace:.2} million co-occurrences a second)"
                    );
                }
                // A failure is printed by `main`.
                if let Some(reason) = reason.filter(|_| state == "cancelled") {
                    println!("cancelled: {reason}");
                }
            }
        }
    }

    fn say(&self, message: &str) {
        match &self.bar {
            Some((_, bar)) if !bar.is_hidden() => bar.println(message),
            _ => println!("{message}"),
        }
    }

    fn bar(&mut self, phase: Phase, steps: u64) -> &ProgressBar {
        if self.bar.as_ref().is_none_or(|(shown, _)| *shown != phase) {
            if let Some((_, bar)) = self.bar.take() {
                bar.finish();
            }
            let (title, counter) = match phase {
                Phase::Vocabulary => ("reading", "{binary_bytes} of {binary_total_bytes}"),
                Phase::Cooccurrence => ("counting", "{human_pos} of {human_len} tokens"),
                Phase::Shuffle => ("shuffling", "{human_pos} of {human_len} cells"),
                Phase::Training => ("training", "{human_pos} of {human_len} co-occurrences"),
            };
            let template = format!("{{msg:10}} {{bar:32}} {counter}, {{per_sec}}, {{eta}} left");
            let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(steps).with_style(style).with_message(title);
            bar.enable_steady_tick(Duration::from_millis(500));
            self.bar = Some((phase, bar));
        }
        let (_, bar) = self.bar.get_or_insert_with(|| (phase, ProgressBar::new(steps)));
        bar
    }
}
