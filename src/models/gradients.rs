//! Gradients of the mean cross-entropy.

use std::sync::Arc;

use tch::{Kind, Tensor};

use super::{Network, Noise, Weights};

/// What one step learns from.
pub struct Batch {
    /// `[batch, height, width, channels]`, f32 from 0 to 1.
    pub images: Tensor,
    /// `[batch, outputs]`, f32; each row sums to one, or where classes are weighted to what its example counts, which the MLP's
    /// gradients that are written by hand do not know of.
    pub targets: Tensor,
    /// `[batch, outputs]`, f32: the network's answer is written here, so that loss and accuracy can be computed later, for many steps at once.
    pub log_probabilities: Tensor,
}

/// Computes gradients of one network's weights into a buffer of the same layout; both are given when it is made.
pub trait Gradients: Send {
    /// The gradient of the mean over the batch of −Σ target · log-probability, and the log-probabilities. `noise` draws the dropout.
    fn compute(&mut self, batch: &Batch, noise: &mut Noise);
}

/// The gradients of `network`: those written by hand where there are some, else libtorch's.
#[must_use]
pub fn gradients(network: &Arc<dyn Network>, weights: &Weights, gradient: &Weights) -> Box<dyn Gradients> {
    network.hand_written(weights, gradient).unwrap_or_else(|| Box::new(Autograd::new(network, weights, gradient)))
}

/// Gradients as libtorch derives them.
pub struct Autograd {
    network: Arc<dyn Network>,
    leaves: Weights,
    gradient: Vec<Tensor>,
}

impl Autograd {
    /// For these weights, into this gradient.
    #[must_use]
    pub fn new(network: &Arc<dyn Network>, weights: &Weights, gradient: &Weights) -> Self {
        let gradient = gradient.views().iter().map(Tensor::shallow_clone).collect();
        Self { network: Arc::clone(network), leaves: weights.leaves(), gradient }
    }
}

impl Gradients for Autograd {
    fn compute(&mut self, batch: &Batch, noise: &mut Noise) {
        let kind = self.leaves.flat().kind();
        let log_probabilities = tch::with_grad(|| self.network.forward(&self.leaves, &batch.images, Some(noise)).log_softmax(-1, kind));
        tch::with_grad(|| {
            let loss = -(&log_probabilities * &batch.targets).sum(Kind::Float) / batch.targets.size()[0] as f64;
            loss.backward();
        });
        tch::no_grad(|| {
            batch.log_probabilities.shallow_clone().copy_(&log_probabilities);
            for (gradient, leaf) in self.gradient.iter_mut().zip(self.leaves.views()).take(self.leaves.learned()) {
                gradient.copy_(&leaf.grad());
                leaf.shallow_clone().zero_grad();
            }
        });
    }
}
