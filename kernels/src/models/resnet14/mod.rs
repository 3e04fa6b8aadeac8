//! The course report's residual network for skin lesions.

mod kernels;

use std::sync::Arc;

use serde_json::{Map, Value};
use tch::{Kind, Tensor};

use kernels::HandWritten;

use super::{Features, Gradients, Initial, Layer, ModelError, Network, Noise, Parameter, Weights, network::number, weights::values_of};

/// Convolution 3×3; three stacks of two residual blocks, each two convolutions 3×3; the mean over all places; dense. Every convolution but
/// the projections is followed by a batch normalisation, and 14 layers have weights on the longest way.
///
/// Source: He, Zhang, Ren and Sun 2016, section 4.2, with n = 2 and projections where the size changes (option B).
#[derive(Debug, Clone, PartialEq)]
pub struct ResNet14 {
    /// Height, width and channels of an image.
    pub input: [i64; 3],
    /// Filters of the first stack; each further stack has twice as many on half the height and width.
    pub filters: i64,
    /// Classes.
    pub classes: i64,
}

pub(super) fn build(config: &Map<String, Value>, input: [i64; 3], classes: i64) -> Result<Arc<dyn Network>, ModelError> {
    Ok(Arc::new(ResNet14 { input, filters: number(config, "filters")? as i64, classes }))
}

/// What keeps a variance from 0, and how much of a batch's mean and variance goes to the running ones: `PyTorch`'s defaults.
const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// Names of a normalisation's four parameters.
macro_rules! normalisation {
    ($layer:expr) => {
        [concat!($layer, ".weight"), concat!($layer, ".bias"), concat!($layer, ".running_mean"), concat!($layer, ".running_var")]
    };
}

/// Names of a block and its parameters.
macro_rules! block {
    ($block:expr) => {
        Names {
            block: $block,
            convolutions: [concat!($block, ".convolution_1.weight"), concat!($block, ".convolution_2.weight")],
            normalisations: [normalisation!(concat!($block, ".normalisation_1")), normalisation!(concat!($block, ".normalisation_2"))],
            projection: concat!($block, ".projection.weight"),
        }
    };
}

struct Names {
    block: &'static str,
    convolutions: [&'static str; 2],
    normalisations: [[&'static str; 4]; 2],
    projection: &'static str,
}

const BLOCKS: [Names; 6] =
    [block!("block_1_1"), block!("block_1_2"), block!("block_2_1"), block!("block_2_2"), block!("block_3_1"), block!("block_3_2")];
const STEM: &str = "stem.weight";
const STEM_NORMALISATION: [&str; 4] = normalisation!("stem_normalisation");

/// What a block takes and gives.
#[derive(Clone, Copy)]
struct Block {
    inputs: i64,
    filters: i64,
    stride: i64,
}

impl Block {
    fn is_projected(self) -> bool {
        self.stride > 1
    }
}

impl ResNet14 {
    fn blocks(&self) -> [Block; 6] {
        let width = |stack: usize| self.filters << stack;
        std::array::from_fn(|number| match (number / 2, number % 2) {
            (0, _) => Block { inputs: width(0), filters: width(0), stride: 1 },
            (stack, 0) => Block { inputs: width(stack - 1), filters: width(stack), stride: 2 },
            (stack, _) => Block { inputs: width(stack), filters: width(stack), stride: 1 },
        })
    }

    /// All layers but the last two: maps `[rows, 4 filters, height, width]`.
    fn maps(&self, layers: &mut Layers, images: &Tensor) -> Tensor {
        // Laid out anew: on channels that lie together, libtorch 2.11's batch normalisation writes beyond its memory below 8 channels.
        let images = images.permute([0, 3, 1, 2]).contiguous(); // [rows, channels, height, width]
        let features = layers.convolution(&images, 1);
        let mut features = layers.normalisation(&features).relu(); // [rows, filters, height, width]
        for block in self.blocks() {
            let first = layers.convolution(&features, block.stride);
            let first = layers.normalisation(&first).relu();
            let second = layers.convolution(&first, 1);
            let second = layers.normalisation(&second);
            let shortcut = if block.is_projected() { layers.convolution(&features, block.stride) } else { features };
            features = (second + shortcut).relu();
        }
        features
    }

    /// Height and width in each block.
    fn sides(&self) -> [[i64; 2]; 6] {
        std::array::from_fn(|number| [0, 1].map(|axis| (0..number / 2).fold(self.input[axis], |side, _| (side + 1) / 2)))
    }
}

fn convolution(name: &'static str, inputs: i64, outputs: i64, side: i64) -> Parameter {
    Parameter { name, shape: vec![outputs, inputs, side, side], initial: Initial::HeUniform { fan_in: inputs * side * side } }
}

/// The learned scale and offset of a normalisation.
fn scale_and_offset(names: &[&'static str; 4], channels: i64) -> [Parameter; 2] {
    let parameter = |place: usize, initial| Parameter { name: names[place], shape: vec![channels], initial };
    [parameter(0, Initial::Ones), parameter(1, Initial::Zeros)]
}

/// Its running mean and variance.
fn statistics(names: &[&'static str; 4], channels: i64) -> [Parameter; 2] {
    let parameter = |place: usize, initial| Parameter { name: names[place], shape: vec![channels], initial };
    [parameter(2, Initial::RunningMean), parameter(3, Initial::RunningVariance)]
}

impl Network for ResNet14 {
    fn input(&self) -> [i64; 3] {
        self.input
    }

    fn outputs(&self) -> i64 {
        self.classes
    }

    /// All that is learned, then the running means and variances, in the same order.
    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = vec![convolution(STEM, self.input[2], self.filters, 3)];
        parameters.extend(scale_and_offset(&STEM_NORMALISATION, self.filters));
        for (names, block) in BLOCKS.iter().zip(self.blocks()) {
            for (place, inputs) in [block.inputs, block.filters].into_iter().enumerate() {
                parameters.push(convolution(names.convolutions[place], inputs, block.filters, 3));
                parameters.extend(scale_and_offset(&names.normalisations[place], block.filters));
            }
            if block.is_projected() {
                parameters.push(convolution(names.projection, block.inputs, block.filters, 1));
            }
        }
        let features = 4 * self.filters;
        let shape = vec![self.classes, features];
        parameters.push(Parameter { name: "output.weight", shape, initial: Initial::HeUniform { fan_in: features } });
        parameters.push(Parameter { name: "output.bias", shape: vec![self.classes], initial: Initial::Zeros });
        parameters.extend(statistics(&STEM_NORMALISATION, self.filters));
        for (names, block) in BLOCKS.iter().zip(self.blocks()) {
            parameters.extend(names.normalisations.iter().flat_map(|names| statistics(names, block.filters)));
        }
        parameters
    }

    fn layers(&self) -> Vec<Layer> {
        let count = |prefix: &str| {
            let own = self.parameters().into_iter().filter(|part| part.initial.is_learned() && part.name.starts_with(prefix));
            own.map(|part| part.shape.iter().product::<i64>()).sum()
        };
        // Each weight of more than one axis meets every place that its layer gives.
        let products = |prefix: &str, places: i64| {
            let weights = self.parameters().into_iter().filter(|part| part.name.starts_with(prefix) && part.shape.len() > 1);
            weights.map(|part| part.shape.iter().product::<i64>() * places).sum()
        };
        let [height, width, _] = self.input;
        let stem = Layer {
            name: "stem",
            kind: "convolution 3x3, batch normalisation, relu",
            output: vec![self.filters, height, width],
            parameters: count("stem"),
            multiply_adds: products("stem", height * width),
        };
        let blocks = BLOCKS.iter().zip(self.blocks()).zip(self.sides()).map(|((names, block), [height, width])| Layer {
            name: names.block,
            kind: if block.is_projected() {
                "residual block of two convolutions 3x3, stride 2, projection 1x1"
            } else {
                "residual block of two convolutions 3x3"
            },
            output: vec![block.filters, height, width],
            parameters: count(names.block),
            multiply_adds: products(names.block, height * width),
        });
        let features = 4 * self.filters;
        let flat = |name, kind, values, parameters, multiply_adds| Layer { name, kind, output: vec![values], parameters, multiply_adds };
        let pooling = flat("pooling", "mean over all places", features, 0, 0);
        let output = flat("output", "dense", self.classes, count("output"), products("output", 1));
        std::iter::once(stem).chain(blocks).chain([pooling, output]).collect()
    }

    fn forward(&self, weights: &Weights, images: &Tensor, noise: Option<&mut Noise>) -> Tensor {
        let mut layers = Layers::new(weights, noise.is_some());
        let pooled = self.maps(&mut layers, images).mean_dim([2_i64, 3].as_slice(), false, None); // [rows, 4 filters]
        let [weight, bias] = [layers.next(), layers.next()];
        pooled.linear(weight, Some(bias)) // [rows, classes]
    }

    fn features(&self, weights: &Weights, images: &Tensor) -> Option<Features> {
        let maps = match self.prepared(weights) {
            Some(prepared) => {
                let [height, width] = self.sides()[5];
                Tensor::from_slice(&prepared.maps(&values_of(images))).view([images.size()[0], height, width, 4 * self.filters])
            }
            None => self.maps(&mut Layers::new(weights, false), images).permute([0, 2, 3, 1]),
        };
        let pooled = maps.mean_dim([1_i64, 2].as_slice(), false, Kind::Float);
        let [head, bias] = [2, 1].map(|from_end| weights.views()[weights.learned() - from_end].shallow_clone());
        Some(Features { maps, pooled, head, bias })
    }

    fn in_use(&self, weights: &Weights, images: &Tensor) -> Tensor {
        match self.prepared(weights) {
            Some(prepared) => Tensor::from_slice(&prepared.infer(&values_of(images))).view([images.size()[0], self.classes]),
            None => self.forward(weights, images, None),
        }
    }

    fn hand_written(&self, weights: &Weights, gradient: &Weights) -> Option<Box<dyn Gradients>> {
        Some(Box::new(HandWritten::new(self, weights, gradient)?))
    }
}

/// The parameters, taken in their order.
struct Layers<'a> {
    learned: std::slice::Iter<'a, Tensor>,
    /// Running means and variances, which autograd does not see.
    statistics: std::vec::IntoIter<Tensor>,
    is_training: bool,
}

impl<'a> Layers<'a> {
    fn new(weights: &'a Weights, is_training: bool) -> Self {
        let (learned, statistics) = weights.views().split_at(weights.learned());
        let statistics: Vec<Tensor> = statistics.iter().map(Tensor::detach).collect();
        Self { learned: learned.iter(), statistics: statistics.into_iter(), is_training }
    }

    fn next(&mut self) -> &'a Tensor {
        self.learned.next().expect("the network reads the parameters that it names")
    }

    /// By the next kernel, whose size says how much is padded.
    fn convolution(&mut self, features: &Tensor, stride: i64) -> Tensor {
        let kernel = self.next();
        features.conv2d(kernel, None::<&Tensor>, [stride; 2], [kernel.size()[2] / 2; 2], [1, 1], 1)
    }

    /// In training by the batch's own mean and variance, which also move the running ones; in use by those.
    fn normalisation(&mut self, features: &Tensor) -> Tensor {
        let [scale, offset] = [self.next(), self.next()];
        let [mean, variance] = [self.statistics.next(), self.statistics.next()];
        features.batch_norm(Some(scale), Some(offset), mean.as_ref(), variance.as_ref(), self.is_training, MOMENTUM, EPSILON, false)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::models::parameter_count;

    #[test]
    fn it_is_the_reports_network() {
        let network = ResNet14 { input: [28, 28, 3], filters: 16, classes: 7 };
        // Kernels of 3·16, 4 of 16·16, 16·32, 3 of 32·32, 32·64, 3 of 64·64, each times 9; projections; scales and offsets; dense.
        let kernels = 9 * (3 * 16 + 4 * 16 * 16 + 16 * 32 + 3 * 32 * 32 + 32 * 64 + 3 * 64 * 64);
        assert_eq!(parameter_count(&network), kernels + 16 * 32 + 32 * 64 + 2 * (5 * 16 + 4 * 32 + 4 * 64) + 65 * 7);
        assert_eq!(parameter_count(&network), 174_871);
        let outputs: Vec<Vec<i64>> = network.layers().into_iter().map(|layer| layer.output).collect();
        let products: Vec<i64> = network.layers().iter().map(|layer| layer.multiply_adds).collect();
        let [first, second] = [28 * 28 * 9 * 16 * 16, 14 * 14 * 9 * 32 * 16 + 14 * 14 * 9 * 32 * 32 + 14 * 14 * 16 * 32];
        assert_eq!(products, [28 * 28 * 27 * 16, 2 * first, 2 * first, second, 2 * first, second, 2 * first, 0, 448]);
        assert_eq!(outputs[1..7], [[16, 28, 28], [16, 28, 28], [32, 14, 14], [32, 14, 14], [64, 7, 7], [64, 7, 7]].map(Vec::from));
    }

    /// As the paper has it: gradients of each logit with respect to the last maps, by autograd, and their means over places.
    #[test]
    fn where_it_looks_is_what_autograd_says_of_every_class() {
        let network = ResNet14 { input: [12, 20, 3], filters: 4, classes: 5 };
        let weights = Weights::initial(&network.parameters(), 3, Device::Cpu);
        let values: Vec<f32> = (0..3 * 12 * 20 * 3).map(|value| (value * 53 % 97) as f32 / 97.0).collect();
        let images = Tensor::from_slice(&values).view([3, 12, 20, 3]);
        let features = network.features(&weights, &images).unwrap();
        assert_eq!(features.maps.size(), [3, 3, 5, 16]);
        let apart = |one: &Tensor, other: &Tensor| (one - other).abs().max().double_value(&[]);
        assert!(apart(&features.logits(), &network.forward(&weights, &images, None)) < 1e-6, "they are this network's own maps");
        let heat = features.grad_cam(); // [3, 5, 3, 5]
        assert!(heat.max().double_value(&[]) > 1e-3);
        for class in 0..5 {
            let maps = features.maps.detach().copy().set_requires_grad(true);
            let logits = maps.mean_dim([1_i64, 2].as_slice(), false, Kind::Float).linear(&features.head, Some(&features.bias));
            logits.select(1, class).sum(Kind::Float).backward();
            let importance = maps.grad().mean_dim([1_i64, 2].as_slice(), true, Kind::Float); // [3, 1, 1, 16]
            let expected = (importance * maps.detach()).sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float).relu();
            assert!(apart(&heat.select(1, class), &expected) < 1e-5, "class {class}");
        }
    }

    #[test]
    fn training_moves_the_running_statistics_and_use_does_not() {
        let network = ResNet14 { input: [8, 8, 1], filters: 2, classes: 3 };
        let weights = Weights::initial(&network.parameters(), 1, Device::Cpu);
        let images = Tensor::from_slice(&(0..512).map(|value| (value * 37 % 101) as f32 / 101.0).collect::<Vec<_>>()).view([8, 8, 8, 1]);
        let statistics = || weights.views()[weights.learned()..].iter().map(|view| Weights::values(view).unwrap()).collect::<Vec<_>>();
        let before = statistics();
        assert_eq!((&before[0][..], &before[1][..]), (&[0.0, 0.0][..], &[1.0, 1.0][..]));
        let answer = network.forward(&weights, &images, None);
        assert_eq!(statistics(), before);
        let _ = network.forward(&weights, &images, Some(&mut Noise::new(1, Device::Cpu)));
        assert!(statistics().iter().zip(&before).all(|(after, before)| after != before));
        assert_ne!(network.forward(&weights, &images, None), answer);
    }
}
