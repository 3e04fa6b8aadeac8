//! A trained network in use.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor};

use super::{
    checkpoint::{Arrays, WEIGHTS},
    course::initial_weights,
    temperature,
};
use crate::{
    data::{self, Dataset},
    error::{AppError, AppResult},
    models::{self, Answer, ModelError, Network, Weights, infer},
};

/// A network with the weights of a finished run. It may be sent to the thread that owns it.
pub struct Predictor {
    network: Arc<dyn Network>,
    pub(super) weights: Weights,
    device: Device,
    pub(super) views: Views,
    /// What the logarithms of its probabilities are divided by.
    temperature: Option<f64>,
}

/// In how many ways a classifier looks at an image that it is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Views {
    /// As it is.
    #[default]
    One,
    /// In all eight that quarter turns and mirroring make; its answer is their mean.
    FlipsAndTurns,
}

/// The key of a temperature among what is told of final weights.
pub(super) const TEMPERATURE: &str = "temperature";

/// Images to a forward pass: a chunk's pixels stay within the processor's caches.
const CHUNK: usize = 1024;

impl Predictor {
    /// Opens the weights in a run's folder. `config` is the run's resolved configuration.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] when there are no weights, or damaged ones, or those of another configuration.
    pub fn open(folder: &Path, system: &str, config: &Map<String, Value>, device: Device) -> AppResult<Self> {
        Self::from_arrays(&read(folder)?, folder, system, config, device)
    }

    /// The network as it is before its training, of the seed `seed`.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when the configuration is no network's.
    pub fn untrained(system: &str, config: &Map<String, Value>, seed: u64, device: Device) -> AppResult<Self> {
        let network = network_of(system, config, dataset_of(config)?)?;
        let weights = initial_weights(&*network, seed, device);
        Ok(Self { network, weights, device, views: Views::of(config)?, temperature: None })
    }

    /// As [`Self::open`], of the system and configuration that the weights' file itself tells; gives the configuration too.
    pub(super) fn open_run(folder: &Path, device: Device) -> AppResult<(Self, Map<String, Value>)> {
        let arrays = read(folder)?;
        let told = |key: &str| arrays.metadata.get(key).with_context(|| format!("{} does not tell its {key}", folder.display()));
        let config: Map<String, Value> = serde_json::from_str(told("config")?).context("the weights' configuration is no JSON")?;
        Ok((Self::from_arrays(&arrays, folder, told("system")?, &config, device)?, config))
    }

    fn from_arrays(arrays: &Arrays, folder: &Path, system: &str, config: &Map<String, Value>, device: Device) -> AppResult<Self> {
        let network = network_of(system, config, dataset_of(config)?)?;
        let weights = Weights::zeros(&network.parameters(), device);
        arrays
            .set("", &weights)
            .map_err(|error| AppError::Unavailable(format!("{} can't be read: {error}.", folder.join(WEIGHTS).display())))?;
        let told = arrays.metadata.get(TEMPERATURE).map(|text| text.parse::<f64>());
        let temperature = told.transpose().map_err(|error| {
            AppError::Unavailable(format!("{}: its temperature is no number: {error}.", folder.join(WEIGHTS).display()))
        })?;
        Ok(Self { network, weights, device, views: Views::of(config)?, temperature })
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }

    /// Probabilities `[n, classes]`, or embeddings `[n, dimension]`, of images `[n, height, width, channels]`, 0 to 255.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for `images` when there is none, or their values are not those of whole images.
    pub fn answers(&self, images: &[u8]) -> AppResult<Vec<f32>> {
        let shape = self.network.input();
        let size = shape.iter().product::<i64>() as usize;
        if images.is_empty() || !images.len().is_multiple_of(size) {
            let reason = format!("expected images of {} x {} x {}, got {} values", shape[0], shape[1], shape[2], images.len());
            return Err(AppError::invalid("images", reason));
        }
        let mut answers = Vec::with_capacity(images.len() / size * self.network.outputs() as usize);
        for chunk in images.chunks(CHUNK * size) {
            let images = as_images(chunk, shape, self.device);
            let answer = match self.network.answer() {
                Answer::Classes => self.views.probabilities(&*self.network, &self.weights, &images),
                Answer::Embedding => infer(&*self.network, &self.weights, &images),
            };
            answers.extend(Weights::values(&answer.context("the network can't be used")?).context("the network can't be used")?);
        }
        if let Some(temperature) = self.temperature {
            temperature::apply(&mut answers, self.network.outputs() as usize, temperature);
        }
        Ok(answers)
    }
}

impl Views {
    /// Those that `config` asks for; one where it does not say.
    fn of(config: &Map<String, Value>) -> AppResult<Self> {
        let asked = config.get("views").cloned().map(serde_json::from_value);
        Ok(asked.transpose().context("the configuration's views are none")?.unwrap_or_default())
    }

    /// The mean of the probabilities `[n, classes]` over the views of images `[n, height, width, channels]`, square ones where there are several.
    pub(super) fn probabilities(self, network: &dyn Network, weights: &Weights, images: &Tensor) -> Result<Tensor, ModelError> {
        let look = |images: &Tensor| Ok::<_, ModelError>(infer(network, weights, images)?.exp());
        if self == Self::One {
            return look(images);
        }
        let mut sum = images.new_zeros([images.size()[0], network.outputs()], (Kind::Float, images.device()));
        for mirrored in [images.shallow_clone(), images.flip([2])] {
            for quarters in 0..4 {
                sum += look(&mirrored.rot90(quarters, [1, 2]).contiguous())?;
            }
        }
        Ok(sum / 8.0)
    }
}

/// The final weights in a run's folder.
fn read(folder: &Path) -> AppResult<Arrays> {
    let path = folder.join(WEIGHTS);
    let arrays = Arrays::read(&path).map_err(|reason| AppError::Unavailable(format!("{reason}.")))?;
    arrays.ok_or_else(|| AppError::Unavailable(format!("There are no weights yet: {} is missing.", path.display())))
}

/// Pixels `[n, height, width, channels]`, 0 to 255, as f32 from 0 to 1.
pub(super) fn as_images(pixels: &[u8], shape: [i64; 3], device: Device) -> Tensor {
    let rows = pixels.len() as i64 / shape.iter().product::<i64>();
    let size = [rows, shape[0], shape[1], shape[2]];
    Tensor::from_data_size(pixels, &size, Kind::Uint8).to_device(device).to_kind(Kind::Float).g_div_scalar_(255.0)
}

/// The data set that `config` names.
///
/// # Errors
/// [`AppError::Invalid`] when there is none of that name.
pub fn dataset_of(config: &Map<String, Value>) -> AppResult<&'static Dataset> {
    let id = config.get("dataset").and_then(Value::as_str).unwrap_or_default();
    let found = data::datasets().iter().find(|dataset| dataset.id() == id);
    found.ok_or_else(|| AppError::invalid("config.dataset", format!("there is no data set {id:?}")))
}

/// The network that `config` asks for, for images of `dataset`.
pub(super) fn network_of(system: &str, config: &Map<String, Value>, dataset: &Dataset) -> AppResult<Arc<dyn Network>> {
    let shape = dataset.shape.map(|side| side as i64);
    models::build(system, config, shape, dataset.classes.len() as i64).map_err(|error| AppError::invalid("config", error.to_string()))
}
