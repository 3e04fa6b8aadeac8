//! What a worker is told.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::{config::Settings, models::DeviceChoice};

/// One training, told to a worker as one line of JSON on its standard input.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spec {
    /// The run's id, for messages.
    pub run: String,
    /// `mlp`, `triplet`, `resnet14`.
    pub system: String,
    /// Every key of the system's configuration, resolved (see [`super::configuration`]).
    pub config: Map<String, Value>,
    /// Decides every random choice.
    pub seed: u64,
    /// The run's folder, which exists: checkpoints, weights and predictions go there, and nothing else is written.
    pub folder: PathBuf,
    /// Whether to go on from the folder's last checkpoint, where there is one.
    pub resume: bool,
    /// As in [`Settings`].
    pub data_dir: PathBuf,
    /// As in [`Settings`].
    pub datasets: Option<PathBuf>,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// Threads for computation.
    pub threads: usize,
}

impl Spec {
    /// The settings that the worker computes under.
    ///
    /// # Errors
    /// When the device has no such name.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let device: DeviceChoice = self.device.parse().map_err(anyhow::Error::msg)?;
        let (data_dir, datasets) = (self.data_dir.clone(), self.datasets.clone());
        Ok(Settings { data_dir, datasets, mirror: None, device, threads: self.threads })
    }
}
