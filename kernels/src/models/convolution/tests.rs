//! The network against a plain one in f64, which is checked against finite differences.

use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use safetensors::SafeTensors;

use super::{DirectNetwork, Dropout, Shape, ShapeError};

const REPORT: Shape = Shape { height: 28, width: 28, channels: 1, filters: [32, 32], units: 128, outputs: 10 };

/// Small ones: odd sides, several channels, sizes that fill no panel or block, and one that fills them.
const SHAPES: [Shape; 4] = [
    Shape { height: 9, width: 12, channels: 1, filters: [8, 8], units: 5, outputs: 3 },
    Shape { height: 12, width: 9, channels: 3, filters: [16, 40], units: 18, outputs: 17 },
    Shape { height: 14, width: 15, channels: 1, filters: [40, 24], units: 20, outputs: 2 },
    Shape { height: 16, width: 16, channels: 2, filters: [32, 32], units: 16, outputs: 10 },
];

struct Case {
    shape: Shape,
    weights: Vec<Vec<f32>>,
    images: Vec<f32>,
    gradient: Vec<f32>,
}

impl Case {
    fn new(shape: Shape, batch: usize) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut numbers =
            |count: usize, low: f32, high: f32| -> Vec<f32> { (0..count).map(|_| low + (high - low) * random.random::<f32>()).collect() };
        let sizes = shape.parameters();
        let weights = (0..8).map(|place| {
            let reach = (2.0 * sizes[place | 1] as f32 / sizes[place & !1] as f32).sqrt();
            numbers(sizes[place], -reach, reach)
        });
        let weights = weights.collect();
        let images = numbers(batch * shape.height * shape.width * shape.channels, 0.0, 1.0);
        Self { shape, weights, images, gradient: numbers(batch * shape.outputs, -1.0, 1.0) }
    }

    fn weights(&self) -> Vec<&[f32]> {
        self.weights.iter().map(Vec::as_slice).collect()
    }

    fn run(&self, dropout: Option<Dropout>) -> (Vec<f32>, Vec<Vec<f32>>) {
        let mut network = DirectNetwork::new(self.shape).unwrap();
        let embeddings = network.forward(&self.weights(), &self.images, dropout);
        let mut gradients: Vec<Vec<f32>> = self.shape.parameters().iter().map(|&size| vec![f32::NAN; size]).collect();
        let mut into: Vec<&mut [f32]> = gradients.iter_mut().map(Vec::as_mut_slice).collect();
        network.backward(&self.weights(), &self.gradient, &mut into);
        (embeddings, gradients)
    }
}

/// Embeddings of all images and the sum of gradient · embedding, in the plainest way there is.
fn plain(case: &Case, weights: &[Vec<f64>], dropout: Option<Dropout>) -> (Vec<f64>, f64) {
    let Shape { height, width, channels, filters: [first, second], units, outputs } = case.shape;
    let [down, across] = case.shape.pooled();
    let convolve = |input: &[f64], [height, width, channels]: [usize; 3], weight: &[f64], bias: &[f64]| {
        let mut output = Vec::new();
        for y in 0..height - 2 {
            for x in 0..width - 2 {
                for filter in 0..bias.len() {
                    let mut sum = bias[filter];
                    for channel in 0..channels {
                        for tap in 0..9 {
                            let pixel = input[((y + tap / 3) * width + x + tap % 3) * channels + channel];
                            sum += weight[(filter * channels + channel) * 9 + tap] * pixel;
                        }
                    }
                    output.push(sum.max(0.0));
                }
            }
        }
        output
    };
    let mut embeddings = Vec::new();
    for (place, image) in case.images.chunks_exact(height * width * channels).enumerate() {
        let (mut pooled_mask, mut hidden_mask) = (vec![1.0; down * across * second], vec![1.0; units]);
        if let Some(dropout) = dropout {
            dropout.draw(place, &mut pooled_mask, &mut hidden_mask);
        }
        let image: Vec<f64> = image.iter().map(|&pixel| f64::from(pixel)).collect();
        let features = convolve(&image, [height, width, channels], &weights[0], &weights[1]);
        let features = convolve(&features, [height - 2, width - 2, first], &weights[2], &weights[3]);
        let mut pooled = vec![0.0; second * down * across]; // as PyTorch flattens: [filters, down, across]
        for filter in 0..second {
            for y in 0..down {
                for x in 0..across {
                    let at = |dy, dx| features[((2 * y + dy) * (width - 4) + 2 * x + dx) * second + filter];
                    let mask = f64::from(pooled_mask[(y * across + x) * second + filter]);
                    pooled[(filter * down + y) * across + x] = at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1)) * mask;
                }
            }
        }
        let dense = |input: &[f64], weight: &[f64], bias: &[f64]| -> Vec<f64> {
            let rows = weight.chunks_exact(input.len()).zip(bias);
            rows.map(|(row, bias)| bias + row.iter().zip(input).map(|(a, b)| a * b).sum::<f64>()).collect()
        };
        let hidden = dense(&pooled, &weights[4], &weights[5]);
        let hidden: Vec<f64> = hidden.iter().zip(&hidden_mask).map(|(value, &mask)| value.max(0.0) * f64::from(mask)).collect();
        embeddings.extend(dense(&hidden, &weights[6], &weights[7]));
    }
    let loss = embeddings.iter().zip(&case.gradient).map(|(value, &factor)| value * f64::from(factor)).sum();
    assert_eq!(embeddings.len() % outputs, 0);
    (embeddings, loss)
}

fn wide(weights: &[Vec<f32>]) -> Vec<Vec<f64>> {
    weights.iter().map(|part| part.iter().map(|&value| f64::from(value)).collect()).collect()
}

const DROPOUT: Dropout = Dropout { seed: 11, pooled: 0.25, hidden: 0.5 };

#[test]
fn embeddings_are_those_of_a_plain_network() {
    for shape in SHAPES {
        for dropout in [None, Some(DROPOUT)] {
            let case = Case::new(shape, 3);
            let (expected, _) = plain(&case, &wide(&case.weights), dropout);
            for (found, expected) in case.run(dropout).0.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{shape:?} {dropout:?}: {found} and not {expected}");
            }
        }
    }
}

#[test]
fn gradients_are_finite_differences_of_a_plain_network() {
    // So small that no winner of a window changes and no unit wakes between the two sides.
    const STEP: f64 = 1e-7;
    for shape in SHAPES {
        for dropout in [None, Some(DROPOUT)] {
            let case = Case::new(shape, 2);
            let mut weights = wide(&case.weights);
            for (part, gradients) in case.run(dropout).1.iter().enumerate() {
                let greatest = gradients.iter().fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
                assert!(greatest > 0.0, "{shape:?}: parameter {part} has a gradient");
                let stride = (gradients.len() / 25).max(1) | 1; // odd, so that every channel comes up
                for place in (0..gradients.len()).step_by(stride) {
                    let before = weights[part][place];
                    let [above, below] = [before + STEP, before - STEP].map(|value| {
                        weights[part][place] = value;
                        plain(&case, &weights, dropout).1
                    });
                    weights[part][place] = before;
                    let (expected, found) = ((above - below) / (2.0 * STEP), f64::from(gradients[place]));
                    let near = (found - expected).abs() < 2e-5 * f64::from(greatest) + 1e-6;
                    assert!(near, "{shape:?} {dropout:?}: {found} and not {expected} at {place} of parameter {part}");
                }
            }
        }
    }
}

#[test]
fn embeddings_and_gradients_are_those_of_pytorch() {
    const NAMES: [&str; 4] = ["convolution_1", "convolution_2", "hidden", "output"];
    let bytes =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/networks/triplet-gradients.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let read = |name: &str| -> Vec<f32> {
        let (values, rest) = tensors.tensor(name).unwrap().data().as_chunks::<4>();
        assert!(rest.is_empty());
        values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let all = |prefix: &str| NAMES.iter().flat_map(|name| ["weight", "bias"].map(|part| read(&format!("{prefix}{name}.{part}")))).collect();
    let shape = Shape { height: 13, width: 13, channels: 1, filters: [8, 8], units: 6, outputs: 4 };
    let case = Case { shape, weights: all(""), images: read("images"), gradient: read("gradient") };
    let near = |one: &[f32], other: &[f32]| {
        assert_eq!(one.len(), other.len());
        one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-6)
    };
    let (embeddings, gradients) = case.run(None);
    assert!(near(&embeddings, &read("embeddings")));
    let expected: Vec<Vec<f32>> = all("gradient.");
    for (part, (found, expected)) in gradients.iter().zip(&expected).enumerate() {
        assert!(near(found, expected), "{} of {part}: {found:?} and not {expected:?}", NAMES[part / 2]);
    }
}

#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let case = Case::new(SHAPES[3], 100);
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| case.run(Some(DROPOUT)));
    let one = on(1);
    for threads in [2, 3, 7] {
        assert!(on(threads) == one, "{threads} threads");
    }
}

#[test]
fn an_image_has_one_embedding_alone_in_a_batch_and_without_keeping_anything() {
    for shape in SHAPES {
        let case = Case::new(shape, 61);
        let together = case.run(None).0;
        let image = shape.height * shape.width * shape.channels;
        for place in [0, 5, 48, 60] {
            let alone = DirectNetwork::infer(shape, &case.weights(), &case.images[place * image..][..image]);
            assert_eq!(alone, together[place * shape.outputs..][..shape.outputs]);
        }
        assert_eq!(DirectNetwork::infer(shape, &case.weights(), &case.images), together);
    }
}

#[test]
fn images_without_a_gradient_add_nothing() {
    let mut case = Case::new(SHAPES[2], 40);
    let alone = Case::new(SHAPES[2], 40);
    let (outputs, image) = (case.shape.outputs, case.shape.height * case.shape.width);
    case.gradient[outputs..].fill(0.0);
    let mut first = Case { images: alone.images[..image].to_vec(), gradient: alone.gradient[..outputs].to_vec(), ..alone };
    assert!(case.run(None).1 == first.run(None).1);
    first.gradient.fill(0.0);
    assert!(first.run(None).1.iter().flatten().all(|&value| value == 0.0));
}

#[test]
fn a_network_serves_batches_of_any_size_one_after_another() {
    let (large, small) = (Case::new(SHAPES[0], 50), Case::new(SHAPES[0], 3));
    let mut network = DirectNetwork::new(SHAPES[0]).unwrap();
    network.forward(&large.weights(), &large.images, Some(DROPOUT));
    let mut gradients: Vec<Vec<f32>> = SHAPES[0].parameters().iter().map(|&size| vec![0.0; size]).collect();
    for case in [&large, &small, &large] {
        let embeddings = network.forward(&case.weights(), &case.images, None);
        let mut into: Vec<&mut [f32]> = gradients.iter_mut().map(Vec::as_mut_slice).collect();
        network.backward(&case.weights(), &case.gradient, &mut into);
        assert!((embeddings, gradients.clone()) == case.run(None));
    }
}

#[test]
fn of_equal_values_in_a_window_the_first_counts() {
    // A black image: every value of a channel is the same in all four places, and must not count four times.
    let mut case = Case::new(SHAPES[0], 1);
    case.images.fill(0.0);
    case.weights[1].fill(0.5);
    let (_, gradients) = case.run(None);
    let mut weights = wide(&case.weights);
    weights[3][0] += 1e-7;
    let above = plain(&case, &weights, None).1;
    weights[3][0] -= 2e-7;
    let expected = (above - plain(&case, &weights, None).1) / 2e-7;
    assert!((f64::from(gradients[3][0]) - expected).abs() < 1e-5, "{} and not {expected}", gradients[3][0]);
}

#[test]
fn shapes_that_the_kernels_are_not_made_for_are_refused() {
    assert!(DirectNetwork::new(REPORT).is_ok());
    for shape in [
        Shape { filters: [12, 32], ..REPORT },
        Shape { filters: [32, 72], ..REPORT },
        Shape { width: 5, ..REPORT },
        Shape { units: 0, ..REPORT },
    ] {
        assert_eq!(DirectNetwork::new(shape).err(), Some(ShapeError(shape)));
    }
}
