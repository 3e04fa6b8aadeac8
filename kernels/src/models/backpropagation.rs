//! A network's outputs, and the gradient of whatever is computed from them.

use std::sync::Arc;

use tch::Tensor;

use super::{Network, Noise, Weights};

/// Takes one network's outputs to whoever knows a loss of them, and that loss's gradient back to the weights. Weights and the buffer for their
/// gradient, of the same layout, are given when it is made.
pub trait Backpropagation: Send {
    /// Outputs `[batch, outputs]` of images `[batch, height, width, channels]` with values from 0 to 1, computed as in training: `noise` draws
    /// the dropout. What the gradient needs is kept.
    fn forward(&mut self, images: &Tensor, noise: &mut Noise) -> Tensor;

    /// Computes the weights' gradient from the gradient with respect to the outputs of the last `forward`, `[batch, outputs]`.
    fn backward(&mut self, of_outputs: &Tensor);
}

/// Backpropagation along the graph that libtorch records.
pub struct Recorded {
    network: Arc<dyn Network>,
    leaves: Weights,
    gradient: Vec<Tensor>,
    outputs: Option<Tensor>,
}

impl Recorded {
    /// For these weights, into this gradient.
    #[must_use]
    pub fn new(network: &Arc<dyn Network>, weights: &Weights, gradient: &Weights) -> Self {
        let gradient = gradient.views().iter().map(Tensor::shallow_clone).collect();
        Self { network: Arc::clone(network), leaves: weights.leaves(), gradient, outputs: None }
    }
}

impl Backpropagation for Recorded {
    fn forward(&mut self, images: &Tensor, noise: &mut Noise) -> Tensor {
        let outputs = tch::with_grad(|| self.network.forward(&self.leaves, images, Some(noise)));
        let answer = outputs.detach();
        self.outputs = Some(outputs);
        answer
    }

    fn backward(&mut self, of_outputs: &Tensor) {
        let Some(outputs) = self.outputs.take() else { return };
        // The derivative of Σ outputs · constant is that constant.
        tch::with_grad(|| (outputs * of_outputs).sum(tch::Kind::Float).backward());
        tch::no_grad(|| {
            for (gradient, leaf) in self.gradient.iter_mut().zip(self.leaves.views()).take(self.leaves.learned()) {
                gradient.copy_(&leaf.grad());
                leaf.shallow_clone().zero_grad();
            }
        });
    }
}
