//! Networks, and the device they run on.
//!
//! A network is one file and one line of [`REGISTRY`]; `tests/integration/networks.rs` holds each to the same promises.

mod backpropagation;
mod cnn;
pub mod convolution;
mod device;
mod features;
mod gradients;
mod graph;
mod mlp;
mod network;
mod noise;
pub mod residual;
mod resnet14;
mod triplet;
mod weights;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use backpropagation::{Backpropagation, Recorded};
pub use cnn::Cnn;
pub use device::{DeviceChoice, libtorch_version};
pub use features::Features;
pub use gradients::{Autograd, Batch, Gradients, gradients};
pub use graph::{Graph, Module, Operation, graph};
pub use mlp::Mlp;
pub use network::{Answer, Initial, Layer, ModelError, Network, Parameter, infer, parameter_count};
pub use noise::Noise;
pub use resnet14::ResNet14;
pub use triplet::Triplet;
pub use weights::Weights;

/// A system whose network can be built from its configuration.
pub struct Entry {
    /// The system: `mlp` and so on.
    pub system: &'static str,
    /// Makes it.
    pub build: Build,
}

/// Builds a network from its resolved configuration, `[height, width, channels]` and the number of classes.
pub type Build = fn(&Map<String, Value>, [i64; 3], i64) -> Result<Arc<dyn Network>, ModelError>;

/// Every network.
pub const REGISTRY: &[Entry] = &[
    Entry { system: "mlp", build: mlp::build },
    Entry { system: "cnn", build: cnn::build },
    Entry { system: "triplet", build: triplet::build },
    Entry { system: "resnet14", build: resnet14::build },
];

/// Builds the network of `system`; `config` is its resolved configuration, `input` is `[height, width, channels]`.
///
/// # Errors
/// [`ModelError::Configuration`] when there is no such network, or a key that it needs is missing.
pub fn build(system: &str, config: &Map<String, Value>, input: [i64; 3], classes: i64) -> Result<Arc<dyn Network>, ModelError> {
    let entry = REGISTRY.iter().find(|entry| entry.system == system);
    let entry = entry.ok_or_else(|| {
        let known: Vec<&str> = REGISTRY.iter().map(|entry| entry.system).collect();
        ModelError::Configuration(format!("there is no network {system:?}; there are {}", known.join(", ")))
    })?;
    (entry.build)(config, input, classes)
}
