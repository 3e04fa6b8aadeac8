//! A small convolutional network: the teacher that an MLP learns from.

use std::sync::Arc;

use serde_json::{Map, Value};
use tch::Tensor;

use super::{Initial, Layer, ModelError, Network, Noise, Parameter, Weights, network::number};

/// Three times convolution 3×3, relu and max-pooling 2×2 with `channels`, twice and four times as many channels; dense with relu; dense.
#[derive(Debug, Clone, PartialEq)]
pub struct Cnn {
    /// Height, width and channels of an image.
    pub input: [i64; 3],
    /// Channels of the first convolution.
    pub channels: i64,
    /// Units of the dense layer.
    pub units: i64,
    /// Classes.
    pub classes: i64,
    /// Which share of the values before each dense layer a step leaves out.
    pub dropout: f64,
}

pub(super) fn build(config: &Map<String, Value>, input: [i64; 3], classes: i64) -> Result<Arc<dyn Network>, ModelError> {
    let channels = number(config, "channels")? as i64;
    Ok(Arc::new(Cnn { input, channels, units: number(config, "units")? as i64, classes, dropout: number(config, "dropout")? }))
}

impl Cnn {
    /// Channels of the three convolutions.
    fn depths(&self) -> [i64; 3] {
        [self.channels, 2 * self.channels, 4 * self.channels]
    }

    /// Height and width after each pooling; an odd line at the end falls away.
    fn sides(&self) -> [[i64; 2]; 3] {
        [2, 4, 8].map(|scale| [self.input[0] / scale, self.input[1] / scale])
    }

    /// Values that come into the dense layer.
    fn features(&self) -> i64 {
        self.depths()[2] * self.sides()[2].iter().product::<i64>()
    }
}

const NAMES: [[&str; 2]; 5] = [
    ["convolution_1.weight", "convolution_1.bias"],
    ["convolution_2.weight", "convolution_2.bias"],
    ["convolution_3.weight", "convolution_3.bias"],
    ["hidden.weight", "hidden.bias"],
    ["output.weight", "output.bias"],
];
/// Height and width of a kernel.
const KERNEL: i64 = 3;

impl Network for Cnn {
    fn input(&self) -> [i64; 3] {
        self.input
    }

    fn outputs(&self) -> i64 {
        self.classes
    }

    fn parameters(&self) -> Vec<Parameter> {
        let [first, second, third] = self.depths();
        let convolution = |inputs, outputs| (vec![outputs, inputs, KERNEL, KERNEL], KERNEL * KERNEL * inputs, KERNEL * KERNEL * outputs);
        let dense = |inputs, outputs| (vec![outputs, inputs], inputs, outputs);
        let weights = [
            convolution(self.input[2], first),
            convolution(first, second),
            convolution(second, third),
            dense(self.features(), self.units),
            dense(self.units, self.classes),
        ];
        let pair = |([weight, bias], (shape, fan_in, fan_out)): ([&'static str; 2], (Vec<i64>, i64, i64))| {
            let outputs = shape[0];
            let weight = Parameter { name: weight, shape, initial: Initial::GlorotUniform { fan_in, fan_out } };
            [weight, Parameter { name: bias, shape: vec![outputs], initial: Initial::Zeros }]
        };
        NAMES.into_iter().zip(weights).flat_map(pair).collect()
    }

    fn layers(&self) -> Vec<Layer> {
        let (depths, sides) = (self.depths(), self.sides());
        let counts: Vec<i64> =
            self.parameters().chunks(2).map(|pair| pair.iter().map(|part| part.shape.iter().product::<i64>()).sum()).collect();
        let products: Vec<i64> = self.parameters().iter().step_by(2).map(|weight| weight.shape.iter().product()).collect();
        let kind = "convolution 3x3, relu, max-pooling 2x2";
        let convolution = |place: usize, name| Layer {
            name,
            kind,
            output: vec![depths[place], sides[place][0], sides[place][1]],
            parameters: counts[place],
            multiply_adds: products[place] * (self.input[0] >> place) * (self.input[1] >> place), // before pooling
        };
        let flat = |name, kind, values, parameters, multiply_adds| Layer { name, kind, output: vec![values], parameters, multiply_adds };
        vec![
            convolution(0, "convolution_1"),
            convolution(1, "convolution_2"),
            convolution(2, "convolution_3"),
            flat("flatten", "flatten", self.features(), 0, 0),
            flat("hidden", "dense, relu", self.units, counts[3], products[3]),
            flat("output", "dense", self.classes, counts[4], products[4]),
        ]
    }

    fn forward(&self, weights: &Weights, images: &Tensor, mut noise: Option<&mut Noise>) -> Tensor {
        let rows = images.size()[0];
        let mut features = images.permute([0, 3, 1, 2]); // [rows, channels, height, width]
        for pair in weights.views()[..6].chunks(2) {
            let convolved = features.conv2d(&pair[0], Some(&pair[1]), [1, 1], [1, 1], [1, 1], 1);
            // Pooling first gives the same as relu first, on a quarter of the values.
            features = convolved.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false).relu();
        }
        let mut features = features.reshape([rows, self.features()]);
        for (place, pair) in weights.views()[6..].chunks(2).enumerate() {
            if let Some(noise) = noise.as_deref_mut().filter(|_| self.dropout > 0.0) {
                features = &features * noise.mask(rows, features.size()[1], self.dropout);
            }
            features = features.linear(&pair[0], Some(&pair[1]));
            if place == 0 {
                features = features.relu();
            }
        }
        features // [rows, classes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::parameter_count;

    #[test]
    fn parameters_are_as_counted_by_hand() {
        let network = Cnn { input: [28, 28, 1], channels: 2, units: 3, classes: 10, dropout: 0.0 };
        // 9·1·2 + 2, 9·2·4 + 4, 9·4·8 + 8, 8·3·3·3 + 3, 3·10 + 10
        assert_eq!(parameter_count(&network), 20 + 76 + 296 + 219 + 40);
        assert_eq!(network.layers()[2].output, [8, 3, 3]);
        let products: Vec<i64> = network.layers().iter().map(|layer| layer.multiply_adds).collect();
        assert_eq!(products, [28 * 28 * 9 * 2, 14 * 14 * 9 * 2 * 4, 7 * 7 * 9 * 4 * 8, 0, 72 * 3, 3 * 10]);
    }
}
