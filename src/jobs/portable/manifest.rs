//! What a file of runs says of itself: which runs and studies, and which files with which checksums.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    jobs::plan,
    store::{AdoptedRun, AdoptedStudy, DatasetUse, NewRun, NewStudy, Numbered, Origin, Run, Study, Trial, TrialState},
    train::{State, configuration, dataset_of},
    tune,
};

/// No run has a longer name, in characters: what people may type is 200 of them, and a trial is named after its settings.
const LONGEST_NAME: usize = 2000;
/// Nor longer notes: as many as people may type.
const LONGEST_NOTES: usize = 20_000;

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    pub format: String,
    pub version: u32,
    pub torchboard: String,
    pub study: Option<StudyRecord>,
    pub runs: Vec<RunRecord>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RunRecord {
    pub id: String,
    pub system: String,
    pub name: String,
    pub state: State,
    pub config: Map<String, Value>,
    pub seed: u64,
    pub threads: usize,
    pub device: String,
    pub dataset: Option<DatasetUse>,
    pub versions: Map<String, Value>,
    pub hardware: Map<String, Value>,
    pub parameters: Option<u64>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub notes: String,
    pub tags: Vec<String>,
    pub trial: Option<u64>,
    pub repeats: Option<String>,
    /// Length and SHA-256 of each of its files, by name.
    pub files: BTreeMap<String, FileRecord>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct FileRecord {
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StudyRecord {
    pub id: String,
    pub name: String,
    pub system: String,
    pub state: State,
    pub reason: Option<String>,
    pub spec: Map<String, Value>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub trials: Vec<TrialRecord>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TrialRecord {
    pub number: u64,
    pub parameters: Map<String, Value>,
    pub run: Option<String>,
    pub state: TrialState,
    pub value: Option<f64>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

impl RunRecord {
    /// Whether pages can show it, and its network can be made again: whoever wrote the file may have written anything.
    ///
    /// # Errors
    /// What is wrong, to be said of the file.
    pub fn check(&self) -> Result<(), String> {
        let id = &self.id;
        if self.name.chars().count() > LONGEST_NAME || self.notes.chars().count() > LONGEST_NOTES {
            return Err(format!("holds the run {id}, whose name or notes are longer than a run's can be"));
        }
        if self.name.chars().any(char::is_control) {
            return Err(format!("holds the run {id}, whose name is more than a line of text"));
        }
        if !configuration::systems().contains(&&*self.system) {
            return Ok(()); // of a system that was trained in a terminal, and whose settings nothing is made of
        }
        let other = |reason: &str| format!("holds the run {id}, which no {} of this program can be: {reason}", self.system);
        configuration::resolve(&self.system, &self.config).map_err(|error| other(&error.to_string()))?;
        let dataset = dataset_of(&self.config).map_err(|error| other(&error.to_string()))?;
        match plan::parameters(&self.system, &self.config, dataset) {
            Some(_) => Ok(()),
            None => Err(other("its settings make no network")),
        }
    }

    pub fn new(run: &Run, files: BTreeMap<String, FileRecord>) -> Self {
        let run = run.clone();
        Self {
            id: run.id,
            system: run.system,
            name: run.name,
            state: run.state,
            config: run.config,
            seed: run.seed,
            threads: run.threads,
            device: run.device,
            dataset: run.dataset,
            versions: run.versions,
            hardware: run.hardware,
            parameters: run.parameters,
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            notes: run.notes,
            tags: run.tags,
            trial: run.trial.map(|(_, number)| number),
            repeats: run.repeats,
            files,
        }
    }

    pub fn adopted(&self, study: Option<&str>, origin: Origin, events: Vec<Numbered>) -> AdoptedRun {
        let new = NewRun {
            id: Some(self.id.clone()),
            system: self.system.clone(),
            name: self.name.clone(),
            config: self.config.clone(),
            seed: self.seed,
            threads: self.threads,
            device: self.device.clone(),
            dataset: self.dataset.clone(),
            versions: self.versions.clone(),
            hardware: self.hardware.clone(),
            parameters: self.parameters,
            tags: self.tags.clone(),
            trial: study.map(str::to_owned).zip(self.trial),
            repeats: self.repeats.clone(),
            state: self.state,
            origin,
            notes: self.notes.clone(),
        };
        AdoptedRun { new, created_at: self.created_at, started_at: self.started_at, ended_at: self.ended_at, events }
    }
}

impl StudyRecord {
    /// Whether pages can show it.
    ///
    /// # Errors
    /// What is wrong, to be said of the file.
    pub fn check(&self) -> Result<(), String> {
        let plan = tune::Plan::from_map(&self.spec).and_then(|plan| plan.check());
        plan.map_err(|error| format!("holds the study {}, which this program can't have made: {error}", self.id))
    }

    pub fn new(study: &Study) -> Self {
        let study = study.clone();
        let trial = |trial: Trial| TrialRecord {
            number: trial.number,
            parameters: trial.parameters,
            run: trial.run,
            state: trial.state,
            value: trial.value,
            started_at: trial.started_at,
            ended_at: trial.ended_at,
        };
        Self {
            id: study.id,
            name: study.name,
            system: study.system,
            state: study.state,
            reason: study.reason,
            spec: study.spec,
            created_at: study.created_at,
            started_at: study.started_at,
            ended_at: study.ended_at,
            trials: study.trials.into_iter().map(trial).collect(),
        }
    }

    pub fn adopted(&self, origin: Origin) -> AdoptedStudy {
        let trial = |trial: &TrialRecord| Trial {
            number: trial.number,
            parameters: trial.parameters.clone(),
            run: trial.run.clone(),
            state: trial.state,
            value: trial.value,
            started_at: trial.started_at,
            ended_at: trial.ended_at,
        };
        AdoptedStudy {
            new: NewStudy {
                id: Some(self.id.clone()),
                name: self.name.clone(),
                system: self.system.clone(),
                spec: self.spec.clone(),
                origin,
                state: self.state,
            },
            reason: self.reason.clone(),
            created_at: self.created_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            trials: self.trials.iter().map(trial).collect(),
        }
    }
}
