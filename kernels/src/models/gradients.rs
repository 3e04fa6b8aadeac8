//! Gradients of the mean cross-entropy.

use std::sync::Arc;

use tch::{Kind, Tensor};

use super::{Network, Noise, Weights};

/// What one step learns from.
pub struct Batch {
    /// `[batch, height, width, channels]`, f32 from 0 to 1.
    pub images: Tensor,
    /// `[batch, outputs]`, f32; each row sums to one, or where classes are weighted to what its example counts.
    pub targets: Tensor,
    /// `[batch, outputs]`, f32: the network's answer is written here, so that loss and accuracy can be computed later, for many steps at once.
    pub log_probabilities: Tensor,
    /// How much less what is already told well counts: the exponent γ of the focal loss −Σ target · (1 − p)^γ · ln p; 0: cross-entropy.
    ///
    /// Source: Lin, Goyal, Girshick, He and Dollár 2017, eq. 4.
    pub focusing: f64,
}

impl Batch {
    /// The targets t with which the gradient of the loss with respect to the logits is (p · Σ t − t) / rows. To be read when the
    /// log-probabilities are written: with [`Self::focusing`] they depend on them.
    ///
    /// With g = (1 − p)^γ − γ · p · (1 − p)^(γ − 1) · ln p, the derivative of (1 − p)^γ · ln p with respect to ln p, they are target · g.
    pub fn pull(&self) -> Tensor {
        if self.focusing == 0.0 {
            return self.targets.shallow_clone();
        }
        tch::no_grad(|| {
            let probabilities = self.log_probabilities.exp();
            // Above 0, since p rounded to 1 would ask for 0 to the power of γ − 1.
            let rest = (-&probabilities + 1.0).clamp(1e-7, 1.0);
            let slope = probabilities * rest.pow_tensor_scalar(self.focusing - 1.0) * &self.log_probabilities * self.focusing;
            (rest.pow_tensor_scalar(self.focusing) - slope) * &self.targets
        })
    }
}

/// Computes gradients of one network's weights into a buffer of the same layout; both are given when it is made.
pub trait Gradients: Send {
    /// The gradient of the mean over the batch of −Σ target · log-probability, of [`Batch::focusing`] more where there is some, and the
    /// log-probabilities. `noise` draws the dropout.
    fn compute(&mut self, batch: &Batch, noise: &mut Noise);

    /// Whether it needs libtorch for next to nothing: whose threads would then wait for work on the cores that ours need.
    fn is_without_libtorch(&self) -> bool {
        false
    }
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
        tch::no_grad(|| batch.log_probabilities.shallow_clone().copy_(&log_probabilities));
        let pull = batch.pull();
        tch::with_grad(|| {
            let loss = -(&log_probabilities * pull).sum(Kind::Float) / batch.targets.size()[0] as f64;
            loss.backward();
        });
        tch::no_grad(|| {
            for (gradient, leaf) in self.gradient.iter_mut().zip(self.leaves.views()).take(self.leaves.learned()) {
                gradient.copy_(&leaf.grad());
                leaf.shallow_clone().zero_grad();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn the_pull_of_focal_loss_is_its_derivative() {
        let logits = Tensor::from_slice(&[0.3_f32, -1.2, 2.0, 0.1, 0.4, -0.5]).view([2, 3]).to_kind(Kind::Double);
        let targets = Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 0.2, 0.7, 0.6]).view([2, 3]).to_kind(Kind::Double);
        for focusing in [0.0, 0.5, 1.0, 2.0, 5.0] {
            let leaf = logits.copy().set_requires_grad(true);
            let log_probabilities = leaf.log_softmax(-1, Kind::Double);
            let weight = (-log_probabilities.exp() + 1.0).pow_tensor_scalar(focusing);
            (-(&targets * weight * &log_probabilities).sum(Kind::Double)).backward();
            let images = Tensor::zeros([2, 1, 1, 1], (Kind::Float, Device::Cpu));
            let batch = Batch { images, targets: targets.copy(), log_probabilities: log_probabilities.detach(), focusing };
            let pull = batch.pull();
            let expected = batch.log_probabilities.exp() * pull.sum_dim_intlist(1_i64, true, Kind::Double) - pull;
            let difference = (leaf.grad() - expected).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "{focusing}: {difference}");
        }
    }
}
