//! The residual network on our own kernels, between libtorch's buffers.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::ResNet14;
use crate::models::{
    Batch, Gradients, Noise, Weights,
    residual::{Prepared, ResidualNetwork, Shape},
    weights::{read, slices, values, values_of},
};

impl ResNet14 {
    /// As our own kernels take it; `None` where they are not made for it (filters that are no multiple of 8), which then goes libtorch's way.
    fn shape(&self) -> Option<Shape> {
        let [height, width, channels] = self.input.map(|side| side as usize);
        let shape = Shape { height, width, channels, filters: self.filters as usize, classes: self.classes as usize };
        shape.check().is_ok().then_some(shape)
    }

    /// What is in use with these weights, where there are kernels for it and they are not on a GPU.
    pub(super) fn prepared(&self, weights: &Weights) -> Option<Arc<Prepared>> {
        let shape = self.shape().filter(|_| weights.flat().device() == Device::Cpu && weights.flat().kind() == Kind::Float)?;
        let flat = weights.flat();
        Prepared::of(shape, &weights.parts(), |into| flat.copy_data(into, into.len())).ok()
    }
}

/// A training step. What is copied to and from libtorch is a thousandth of what a step reads and writes.
pub(super) struct HandWritten {
    network: ResidualNetwork,
    learned: Vec<Tensor>,
    /// Running means and variances.
    statistics: Vec<Tensor>,
    gradient: Vec<Tensor>,
    /// What is copied: the weights, the images, the gradient.
    weights: Vec<Vec<f32>>,
    images: Vec<f32>,
    sums: Vec<Vec<f32>>,
}

impl HandWritten {
    /// For these weights, into this gradient; `None` where there are no kernels for the network or its weights are on a GPU.
    pub(super) fn new(network: &ResNet14, weights: &Weights, gradient: &Weights) -> Option<Self> {
        let shape = network.shape().filter(|_| weights.flat().device() == Device::Cpu)?;
        let shared = |views: &[Tensor]| views.iter().map(Tensor::shallow_clone).collect::<Vec<_>>();
        let mut learned = shared(weights.views());
        let statistics = learned.split_off(weights.learned());
        Some(Self {
            network: ResidualNetwork::new(shape).ok()?,
            weights: vec![Vec::new(); learned.len()],
            images: Vec::new(),
            learned,
            statistics,
            gradient: shared(&gradient.views()[..gradient.learned()]),
            sums: shape.parameters().into_iter().map(|size| vec![0.0; size]).collect(),
        })
    }
}

impl Gradients for HandWritten {
    fn compute(&mut self, batch: &Batch, _noise: &mut Noise) {
        let _guard = tch::no_grad_guard();
        self.learned.iter().zip(&mut self.weights).for_each(|(tensor, into)| read(tensor, into));
        read(&batch.images, &mut self.images);
        let weights = slices(&self.weights);
        let mut running = values(&self.statistics);
        let logits = self.network.forward(&weights, &mut running, &self.images);
        let log_probabilities = Tensor::from_slice(&logits).view_as(&batch.targets).log_softmax(-1, Kind::Float);
        batch.log_probabilities.shallow_clone().copy_(&log_probabilities);
        let targets = batch.pull();
        // By the logits; a row's targets need not sum to one.
        let sum = targets.sum_dim_intlist(-1_i64, true, Kind::Float);
        let slope = (log_probabilities.exp() * sum - &targets) / targets.size()[0] as f64;
        self.network.backward(&weights, &values_of(&slope), &mut self.sums);
        for (tensor, values) in self.statistics.iter_mut().zip(&running).chain(self.gradient.iter_mut().zip(&self.sums)) {
            tensor.copy_(&Tensor::from_slice(values).view_as(tensor));
        }
    }

    fn is_without_libtorch(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Autograd, Network};

    /// Weights as after some training.
    fn trained(network: &ResNet14) -> Weights {
        let weights = Weights::initial(&network.parameters(), 1, Device::Cpu);
        tch::no_grad(|| {
            for (place, (name, view)) in weights.named().enumerate() {
                let wave = (Tensor::arange(view.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7 + place as f64).sin().view_as(view);
                let values = match name.rsplit('.').next() {
                    Some("bias" | "running_mean") => wave * 0.3,
                    Some("running_var") => wave * 0.3 + 1.0,
                    _ if view.dim() == 1 => wave * 0.4 + 1.0,
                    _ => continue,
                };
                view.shallow_clone().copy_(&values);
            }
        });
        weights
    }

    fn images(rows: i64, [height, width, channels]: [i64; 3]) -> Tensor {
        let values: Vec<f32> = (0..rows * height * width * channels).map(|place| (place * 7919 % 1009) as f32 / 1009.0).collect();
        Tensor::from_slice(&values).view([rows, height, width, channels])
    }

    fn assert_near(ours: &Tensor, theirs: &Tensor, allowed: f64, what: &str) {
        let (difference, size) = ((ours - theirs).abs().max().double_value(&[]), theirs.abs().max().double_value(&[]));
        assert!(size > 0.0 && difference < allowed * size, "{what}: {difference} of {size}");
    }

    #[test]
    fn a_step_and_use_are_libtorchs_for_every_shape_that_has_kernels() {
        for (input, filters, rows) in
            [([28, 28, 3], 16, 20), ([13, 10, 1], 8, 17), ([9, 12, 5], 24, 19), ([32, 20, 3], 16, 5), ([1, 6, 2], 8, 33)]
        {
            let network: Arc<dyn Network> = Arc::new(ResNet14 { input, filters, classes: 7 });
            let weights = trained(&ResNet14 { input, filters, classes: 7 });
            let exact = weights.to_kind(Kind::Double);
            let what = |part: &str| format!("{part} of {input:?}, {filters} filters, {rows} rows");
            let images = images(rows, input);
            // A label counts as much as its class.
            let labels = Tensor::arange(rows, (Kind::Int64, Device::Cpu)).remainder(7);
            let targets = (labels.one_hot(7) * (labels.unsqueeze(1) + 1)).to_kind(Kind::Float) * 0.4 + 0.01;
            let focusing = if filters == 24 { 2.0 } else { 0.0 };
            let batch = |images: Tensor| Batch { images, log_probabilities: targets.zeros_like(), targets: targets.copy(), focusing };
            let (ours, theirs) = (batch(images.copy()), batch(images.to_kind(Kind::Double)));
            let in_use = network.in_use(&weights, &images);
            assert_near(&in_use, &network.forward(&exact, &theirs.images, None), 3e-6, &what("logits in use"));
            let [maps, plain] =
                [network.features(&weights, &images), network.features(&exact, &theirs.images)].map(|features| features.unwrap().maps);
            assert_near(&maps, &plain, 3e-6, &what("maps"));
            let (gradient, expected) = (weights.zeros_like(), exact.zeros_like());
            network.hand_written(&weights, &gradient).unwrap().compute(&ours, &mut Noise::new(1, Device::Cpu));
            Autograd::new(&network, &exact, &expected).compute(&theirs, &mut Noise::new(1, Device::Cpu));
            assert_near(&ours.log_probabilities, &theirs.log_probabilities, 1e-5, &what("log-probabilities"));
            for (place, ((name, after), (_, exact))) in weights.named().zip(exact.named()).enumerate() {
                if place < weights.learned() {
                    assert_near(&gradient.views()[place], &expected.views()[place], 1e-4, &what(name));
                } else {
                    assert_near(after, exact, 1e-6, &what(name));
                }
            }
        }
    }

    #[test]
    fn filters_that_have_no_kernels_go_libtorchs_way() {
        let network = ResNet14 { input: [8, 8, 1], filters: 12, classes: 3 };
        let weights = trained(&network);
        assert!(network.hand_written(&weights, &weights.zeros_like()).is_none());
        let images = images(4, network.input);
        assert_eq!(network.in_use(&weights, &images), network.forward(&weights, &images, None));
    }
}
