//! What a network is to the rest of the program.

use serde_json::{Map, Value};
use tch::{Kind, Tensor};

use super::{Backpropagation, Batch, Features, Gradients, Noise, Weights};

/// A network that looks at images: its parameters, its layers, and what it computes from them. It holds no tensors.
pub trait Network: Send + Sync {
    /// Height, width and channels of an image.
    fn input(&self) -> [i64; 3];

    /// How many numbers it gives for an image: one for each class, or those of an embedding.
    fn outputs(&self) -> i64;

    /// What its outputs are.
    fn answer(&self) -> Answer {
        Answer::Classes
    }

    /// Its parameters in the order of [`Weights`], under the names and in the layouts that `PyTorch`'s modules have; those that are not learned
    /// come last.
    fn parameters(&self) -> Vec<Parameter>;

    /// Its layers, for a summary.
    fn layers(&self) -> Vec<Layer>;

    /// Outputs `[batch, outputs]`, of classifiers logits, of images `[batch, height, width, channels]` with values from 0 to 1.
    ///
    /// With `noise` it computes as in training, with dropout; without, as in use.
    fn forward(&self, weights: &Weights, images: &Tensor, noise: Option<&mut Noise>) -> Tensor;

    /// As [`Self::forward`] without `noise`, the fastest way there is.
    fn in_use(&self, weights: &Weights, images: &Tensor) -> Tensor {
        self.forward(weights, images, None)
    }

    /// What the last layers before the answer see in images, as in use; `None` where they are not maps, their means over places, and one dense
    /// layer.
    fn features(&self, _weights: &Weights, _images: &Tensor) -> Option<Features> {
        None
    }

    /// Outputs and gradients without libtorch's graph, where they are faster so; equal to those of [`super::Recorded`].
    fn direct(&self, _weights: &Weights, _gradient: &Weights) -> Option<Box<dyn Backpropagation>> {
        None
    }

    /// Gradients written by hand, where they are faster than libtorch's; equal to those of [`super::Autograd`].
    fn hand_written(&self, _weights: &Weights, _gradient: &Weights) -> Option<Box<dyn Gradients>> {
        None
    }
}

/// What a network's outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A logit for each class.
    Classes,
    /// A point; near ones are alike.
    Embedding,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// As in `PyTorch`'s state dictionaries, such as `hidden.weight`.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<i64>,
    /// What it is before the first step.
    pub initial: Initial,
}

/// How a parameter begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// Uniform within ±√(6 / (`fan_in` + `fan_out`)), which is Keras's default. Source: Glorot and Bengio 2010, eq. 16.
    GlorotUniform {
        /// Values that come into one output.
        fan_in: i64,
        /// Values that one input goes to.
        fan_out: i64,
    },
    /// Uniform within ±√(6 / `fan_in`). Source: He et al. 2015, eq. 10.
    HeUniform {
        /// Values that come into one output.
        fan_in: i64,
    },
    /// Not learned, but kept while training: a mean over batches, at first 0.
    RunningMean,
    /// Not learned, but kept while training: a variance over batches, at first 1.
    RunningVariance,
}

impl Initial {
    /// Whether the parameter follows a gradient.
    #[must_use]
    pub fn is_learned(self) -> bool {
        !matches!(self, Self::RunningMean | Self::RunningVariance)
    }
}

/// One line of a summary.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Layer {
    /// As in the names of its parameters.
    pub name: &'static str,
    /// What it does, such as `dense, relu`.
    pub kind: &'static str,
    /// Shape of what it gives for one image.
    pub output: Vec<i64>,
    /// How many trainable values it has.
    pub parameters: i64,
    /// How many multiplications by a weight, each with an addition, one image takes forward; a convolution's border of zeros is counted.
    pub multiply_adds: i64,
}

/// How many trainable values `network` has.
#[must_use]
pub fn parameter_count(network: &dyn Network) -> i64 {
    network.layers().iter().map(|layer| layer.parameters).sum()
}

/// What can't be computed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Images of another shape.
    #[error("expected images of shape [n, {}, {}, {}], got {given:?}", .expected[0], .expected[1], .expected[2])]
    Shape {
        /// `[height, width, channels]`.
        expected: [i64; 3],
        /// The shape of what was given.
        given: Vec<i64>,
    },
    /// Nothing to compute on.
    #[error("expected at least one image, got none")]
    Empty,
    /// Values that are no numbers.
    #[error("expected finite values, got one that is infinite or not a number")]
    NotFinite,
    /// A configuration that no network has.
    #[error("{0}")]
    Configuration(String),
    /// Weights that are not this network's.
    #[error("{0}")]
    Weights(String),
    /// What libtorch says.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// Log-probabilities, or embeddings, `[batch, outputs]` of images `[batch, height, width, channels]` with values from 0 to 1.
///
/// # Errors
/// When the images have another shape, are none, or hold a value that is not finite.
pub fn infer(network: &dyn Network, weights: &Weights, images: &Tensor) -> Result<Tensor, ModelError> {
    let (size, expected) = (images.size(), network.input());
    if size.len() != 4 || size[1..] != expected {
        return Err(ModelError::Shape { expected, given: size });
    }
    if size[0] == 0 {
        return Err(ModelError::Empty);
    }
    if images.isfinite().all().int64_value(&[]) == 0 {
        return Err(ModelError::NotFinite);
    }
    Ok(tch::no_grad(|| {
        let outputs = network.in_use(weights, images);
        match network.answer() {
            Answer::Classes => outputs.log_softmax(-1, Kind::Float),
            Answer::Embedding => outputs,
        }
    }))
}

/// The number that a resolved configuration has for `key`.
pub(super) fn number(config: &Map<String, Value>, key: &str) -> Result<f64, ModelError> {
    let found = config.get(key).and_then(Value::as_f64);
    found.ok_or_else(|| ModelError::Configuration(format!("the configuration lacks the number {key:?}")))
}

impl Batch {
    /// Mean over the batch of −Σ target · log-probability, in nats.
    #[must_use]
    pub fn loss(&self) -> f64 {
        -(&self.log_probabilities * &self.targets).sum(Kind::Double).double_value(&[]) / self.targets.size()[0] as f64
    }
}
