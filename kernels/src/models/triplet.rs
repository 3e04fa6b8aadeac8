//! The course report's base network: digits in, points of a few dimensions out.

use std::sync::Arc;

use serde_json::{Map, Value};
use tch::{Device, Tensor};

use super::{
    Answer, Backpropagation, Initial, Layer, ModelError, Network, Noise, Parameter, Weights,
    convolution::{DirectNetwork, Dropout, Shape},
    network::number,
    weights::{slices, values, values_of},
};

/// Twice convolution 3×3 with relu, max-pooling 2×2, dropout, dense with relu, dropout, dense.
#[derive(Debug, Clone, PartialEq)]
pub struct Triplet {
    /// Height, width and channels of an image.
    pub input: [i64; 3],
    /// Channels of both convolutions.
    pub filters: i64,
    /// Units of the dense layer.
    pub units: i64,
    /// Numbers in an embedding.
    pub dimension: i64,
    /// Which share of the pooled values a step leaves out.
    pub dropout_pooled: f64,
    /// Which share of the dense layer's units a step leaves out.
    pub dropout: f64,
}

pub(super) fn build(config: &Map<String, Value>, input: [i64; 3], _classes: i64) -> Result<Arc<dyn Network>, ModelError> {
    let whole = |key: &str| number(config, key).map(|value| value as i64);
    Ok(Arc::new(Triplet {
        input,
        filters: whole("filters")?,
        units: whole("units")?,
        dimension: whole("dimension")?,
        dropout_pooled: number(config, "dropout_pooled")?,
        dropout: number(config, "dropout")?,
    }))
}

impl Triplet {
    /// Height and width after each convolution (which pads nothing) and after pooling.
    fn sides(&self) -> [[i64; 2]; 3] {
        let [height, width, _] = self.input;
        [[height - 2, width - 2], [height - 4, width - 4], [(height - 4) / 2, (width - 4) / 2]]
    }

    /// Values that come into the dense layer.
    fn features(&self) -> i64 {
        self.filters * self.sides()[2].iter().product::<i64>()
    }
}

impl Triplet {
    /// As our own kernels take it; `None` where they are not made for it.
    fn shape(&self) -> Option<Shape> {
        let [height, width, channels] = self.input.map(|side| side as usize);
        let filters = [self.filters as usize; 2];
        let shape = Shape { height, width, channels, filters, units: self.units as usize, outputs: self.dimension as usize };
        DirectNetwork::new(shape).is_ok().then_some(shape)
    }
}

/// Height and width of a kernel.
const KERNEL: i64 = 3;

impl Network for Triplet {
    fn input(&self) -> [i64; 3] {
        self.input
    }

    fn outputs(&self) -> i64 {
        self.dimension
    }

    fn answer(&self) -> Answer {
        Answer::Embedding
    }

    fn parameters(&self) -> Vec<Parameter> {
        let glorot = |name, shape, fan_in, fan_out| Parameter { name, shape, initial: Initial::GlorotUniform { fan_in, fan_out } };
        let convolution = |name, inputs| {
            let shape = vec![self.filters, inputs, KERNEL, KERNEL];
            glorot(name, shape, KERNEL * KERNEL * inputs, KERNEL * KERNEL * self.filters)
        };
        let dense = |name, inputs, outputs| glorot(name, vec![outputs, inputs], inputs, outputs);
        let bias = |name, outputs| Parameter { name, shape: vec![outputs], initial: Initial::Zeros };
        vec![
            convolution("convolution_1.weight", self.input[2]),
            bias("convolution_1.bias", self.filters),
            convolution("convolution_2.weight", self.filters),
            bias("convolution_2.bias", self.filters),
            dense("hidden.weight", self.features(), self.units),
            bias("hidden.bias", self.units),
            dense("output.weight", self.units, self.dimension),
            bias("output.bias", self.dimension),
        ]
    }

    fn layers(&self) -> Vec<Layer> {
        let [first, second, pooled] = self.sides();
        let counts: Vec<i64> =
            self.parameters().chunks(2).map(|pair| pair.iter().map(|part| part.shape.iter().product::<i64>()).sum()).collect();
        let products: Vec<i64> = self.parameters().iter().step_by(2).map(|weight| weight.shape.iter().product()).collect();
        let image = |name, kind, [height, width]: [i64; 2], parameters, products: i64| Layer {
            name,
            kind,
            output: vec![self.filters, height, width],
            parameters,
            multiply_adds: products * height * width,
        };
        let flat = |name, kind, values, parameters, multiply_adds| Layer { name, kind, output: vec![values], parameters, multiply_adds };
        vec![
            image("convolution_1", "convolution 3x3, relu", first, counts[0], products[0]),
            image("convolution_2", "convolution 3x3, relu", second, counts[1], products[1]),
            image("pooling", "max-pooling 2x2", pooled, 0, 0),
            image("dropout_pooled", "dropout", pooled, 0, 0),
            flat("flatten", "flatten", self.features(), 0, 0),
            flat("hidden", "dense, relu", self.units, counts[2], products[2]),
            flat("dropout", "dropout", self.units, 0, 0),
            flat("output", "dense", self.dimension, counts[3], products[3]),
        ]
    }

    fn forward(&self, weights: &Weights, images: &Tensor, mut noise: Option<&mut Noise>) -> Tensor {
        let views = weights.views();
        let rows = images.size()[0];
        let mut features = images.permute([0, 3, 1, 2]); // [rows, channels, height, width]
        for pair in views[..4].chunks(2) {
            features = features.conv2d(&pair[0], Some(&pair[1]), [1, 1], [0, 0], [1, 1], 1).relu();
        }
        let features = features.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false).reshape([rows, self.features()]);
        let mut dropped = |values: Tensor, rate: f64| match noise.as_deref_mut().filter(|_| rate > 0.0) {
            Some(noise) => &values * noise.mask(rows, values.size()[1], rate),
            None => values,
        };
        let features = dropped(features, self.dropout_pooled); // [rows, features]
        let hidden = dropped(features.linear(&views[4], Some(&views[5])).relu(), self.dropout); // [rows, units]
        hidden.linear(&views[6], Some(&views[7])) // [rows, dimension]
    }

    fn in_use(&self, weights: &Weights, images: &Tensor) -> Tensor {
        match self.shape().filter(|_| images.device() == Device::Cpu) {
            Some(shape) => {
                let values = values(weights.views());
                let outputs = DirectNetwork::infer(shape, &slices(&values), &values_of(images));
                Tensor::from_slice(&outputs).view([images.size()[0], self.dimension])
            }
            None => self.forward(weights, images, None),
        }
    }

    fn direct(&self, weights: &Weights, gradient: &Weights) -> Option<Box<dyn Backpropagation>> {
        let shape = self.shape().filter(|_| weights.flat().device() == Device::Cpu)?;
        let shared = |views: &[Tensor]| views.iter().map(Tensor::shallow_clone).collect();
        Some(Box::new(Direct {
            network: DirectNetwork::new(shape).ok()?,
            rates: [self.dropout_pooled, self.dropout],
            dimension: self.dimension,
            weights: shared(weights.views()),
            gradient: shared(gradient.views()),
            values: Vec::new(),
            sums: shape.parameters().map(|size| vec![0.0; size]).to_vec(),
        }))
    }
}

/// Our own kernels, between libtorch's buffers. What is copied there and back is some megabytes, beside gigabytes that a step computes.
struct Direct {
    network: DirectNetwork,
    /// Of dropout: of the pooled values, of the dense layer's units.
    rates: [f64; 2],
    dimension: i64,
    weights: Vec<Tensor>,
    gradient: Vec<Tensor>,
    /// The weights that the last forward pass had.
    values: Vec<Vec<f32>>,
    /// Their gradient.
    sums: Vec<Vec<f32>>,
}

impl Backpropagation for Direct {
    fn forward(&mut self, images: &Tensor, noise: &mut Noise) -> Tensor {
        let [pooled, hidden] = self.rates;
        let dropout = (pooled > 0.0 || hidden > 0.0).then(|| Dropout { seed: noise.draw(), pooled, hidden });
        self.values = values(&self.weights);
        let outputs = self.network.forward(&slices(&self.values), &values_of(images), dropout);
        Tensor::from_slice(&outputs).view([images.size()[0], self.dimension])
    }

    fn backward(&mut self, of_outputs: &Tensor) {
        let mut sums: Vec<&mut [f32]> = self.sums.iter_mut().map(Vec::as_mut_slice).collect();
        self.network.backward(&slices(&self.values), &values_of(of_outputs), &mut sums);
        tch::no_grad(|| {
            for (gradient, sum) in self.gradient.iter_mut().zip(&self.sums) {
                gradient.copy_(&Tensor::from_slice(sum).view_as(gradient));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::parameter_count;

    #[test]
    fn the_reports_network_is_as_counted_by_hand() {
        let network = Triplet { input: [28, 28, 1], filters: 32, units: 128, dimension: 10, dropout_pooled: 0.25, dropout: 0.5 };
        // 9·32 + 32, 9·32·32 + 32, 12·12·32·128 + 128, 128·10 + 10
        assert_eq!(parameter_count(&network), 320 + 9_248 + 589_952 + 1_290);
        assert_eq!(network.layers()[2].output, [32, 12, 12]);
        let products: Vec<i64> = network.layers().iter().map(|layer| layer.multiply_adds).collect();
        assert_eq!(products, [26 * 26 * 9 * 32, 24 * 24 * 9 * 32 * 32, 0, 0, 0, 4_608 * 128, 0, 1_280]);
        let shapes: i64 = network.parameters().iter().map(|parameter| parameter.shape.iter().product::<i64>()).sum();
        assert_eq!(shapes, 600_810);
    }
}
