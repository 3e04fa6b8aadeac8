//! Learning from finished networks: what they answer to every view of every image.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;
use tch::{Device, Kind, Tensor};

use super::{Predictor, Spec, examples::Part, predictor::as_images, views::Augmentation};
use crate::error::{AppError, AppResult};

/// The teachers of a training.
pub(super) struct Teachers {
    predictors: Vec<Predictor>,
}

/// Images to a forward pass.
const CHUNK: usize = 500;

impl Teachers {
    /// Opens the runs `ids`, whose folders lie beside that of `spec`.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for `config.teacher` when one is no finished run, learned other classes, or learned from images that validate here.
    pub(super) fn open(ids: &str, spec: &Spec, device: Device) -> AppResult<Self> {
        let refuse = |id: &str, reason: &str| AppError::invalid("config.teacher", format!("run {id} can't teach this one: {reason}"));
        let runs = spec.folder.parent().unwrap_or(Path::new("."));
        let open = |id: &str| {
            if id.is_empty() || id.contains(['/', '\\']) || id.starts_with('.') {
                return Err(refuse(id, "that is no run's id"));
            }
            let (predictor, config) = Predictor::open_run(&runs.join(id), device).map_err(|error| refuse(id, &error.to_string()))?;
            if config.get("dataset") != spec.config.get("dataset") {
                return Err(refuse(id, "it learned from another data set"));
            }
            let share =
                |config: &serde_json::Map<String, serde_json::Value>| config.get("validation_share").and_then(serde_json::Value::as_f64);
            if share(&config) < share(&spec.config) {
                return Err(refuse(id, "it learned from images that validate here; its validation_share must not be smaller"));
            }
            Ok(predictor)
        };
        Ok(Self { predictors: ids.split(',').map(|id| open(id.trim())).collect::<AppResult<_>>()? })
    }

    /// Hashes of their weights: other weights teach something else.
    pub(super) fn hashes(&self) -> AppResult<Vec<String>> {
        Ok(self.predictors.iter().map(|predictor| predictor.weights.hash()).collect::<Result<_, _>>().context("can't read the teacher")?)
    }

    /// The mean of their probabilities, `[views · examples, classes]`, views in the order of [`Augmentation`]; `None` when it was cancelled.
    ///
    /// Views are few and every one is seen many times, so that it is cheaper to ask once about all of them than anew in each epoch.
    pub(super) fn answers(
        &self,
        part: &Part,
        augmentation: Augmentation,
        temperature: f64,
        device: Device,
        cancelled: &AtomicBool,
    ) -> Option<Tensor> {
        let mut answers = Vec::new();
        let mut pixels = Vec::new();
        for view in 0..augmentation.views() {
            for start in (0..part.len()).step_by(CHUNK) {
                if cancelled.load(Ordering::Relaxed) {
                    return None;
                }
                pixels.clear();
                (start..part.len().min(start + CHUNK)).for_each(|place| part.append(place, augmentation.view(view), &mut pixels));
                let shape = self.predictors[0].network().input();
                answers.push(self.look(&as_images(&pixels, shape, device), temperature));
            }
        }
        Some(Tensor::cat(&answers, 0))
    }
    /// The mean of their probabilities for images `[rows, height, width, channels]` from 0 to 1, `[rows, classes]`.
    pub(super) fn look(&self, images: &Tensor, temperature: f64) -> Tensor {
        let answer = |predictor: &Predictor| {
            let logits = tch::no_grad(|| predictor.network().in_use(&predictor.weights, images));
            (logits / temperature).softmax(-1, Kind::Float)
        };
        let sum = self.predictors.iter().map(answer).reduce(|sum, answer| sum + answer);
        sum.expect("there is a teacher in every list of ids") / self.predictors.len() as f64
    }
}
