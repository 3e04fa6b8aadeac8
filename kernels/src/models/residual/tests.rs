//! The kernels against plain sums in f64.

use std::{ops::Range, sync::Arc};

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Prepared, ResidualNetwork, Shape, ShapeError,
    aligned::Aligned,
    direct::{Gather, Products, pack, pack_gradient},
    shape::Geometry,
    winograd::{self, Pack, Tiles, Unpack},
};
use crate::models::convolution::lanes::{Eight, Pass, dispatch};

fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..count).map(|_| random.random::<f32>() - 0.5).collect()
}

/// Images with a border.
fn padded(values: &[f32], [height, width, channels]: [usize; 3]) -> Aligned {
    let [line, lines] = [Geometry::border(width) * channels, Geometry::border(height)];
    let images = values.len() / (height * width * channels);
    let mut padded = Aligned::zeros(images * lines * line);
    for (number, row) in values.chunks_exact(width * channels).enumerate() {
        let start = (number / height * lines + number % height + 1) * line + channels;
        padded[start..start + row.len()].copy_from_slice(row);
    }
    padded
}

/// Calls `each` with the places, in inputs, weight and outputs, of all that meet in a convolution with `side` × `side` taps.
fn meet(geometry: Geometry, images: usize, side: usize, mut each: impl FnMut(usize, usize, usize)) {
    let Geometry { height, width, inputs, outputs, stride } = geometry;
    for image in 0..images {
        for place in 0..geometry.out_places() {
            let (y, x) = (place / geometry.out_width() * stride, place % geometry.out_width() * stride);
            for tap in 0..side * side {
                let (down, across) = (y + tap / side, x + tap % side);
                let border = side / 2;
                if (border..height + border).contains(&down) && (border..width + border).contains(&across) {
                    let from = ((image * height + down - border) * width + across - border) * inputs;
                    for channel in 0..inputs {
                        for filter in 0..outputs {
                            let weight = (filter * inputs + channel) * side * side + tap;
                            each(from + channel, weight, (image * geometry.out_places() + place) * outputs + filter);
                        }
                    }
                }
            }
        }
    }
}

fn assert_near(ours: &[f32], expected: &[f64], what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let size = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let off = ours.iter().zip(expected).fold(0.0_f64, |most, (ours, expected)| most.max((f64::from(*ours) - expected).abs()));
    assert!(size > 0.0 && off < 3e-6 * size, "{what}: {off} of {size}");
}

struct Plain<'a> {
    gathers: Vec<(&'a Gather, &'a Aligned)>,
    images: usize,
    from: &'a [f32],
    into: &'a mut [f32],
}

impl Pass for Plain<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        for (gather, weight) in self.gathers {
            gather.run(lanes, [self.images; 2], self.from, weight.units(), None, self.into);
        }
    }
}

struct Added<'a>(&'a Products, usize, [&'a [f32]; 2], &'a mut [f32]);

impl Pass for Added<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        self.0.add(lanes, self.1, self.2[0], self.2[1], self.3);
    }
}

#[test]
fn a_convolution_and_its_gradients_are_the_sums_that_they_should_be() {
    let sizes = [[28, 28, 16, 16, 1], [14, 14, 32, 32, 1], [7, 7, 16, 48, 1], [9, 13, 8, 24, 1], [14, 14, 16, 32, 2], [13, 8, 24, 8, 2]];
    for [height, width, inputs, outputs, stride] in sizes {
        let (geometry, images) = (Geometry { height, width, inputs, outputs, stride }, 3);
        let features = numbers(1, images * geometry.input());
        let slopes = numbers(2, images * geometry.output());
        let weight = numbers(3, 9 * inputs * outputs);
        let projection = numbers(4, inputs * outputs);
        let [mut sums, mut of_features, mut of_weight] =
            [images * geometry.output(), images * geometry.input(), 9 * inputs * outputs].map(|size| vec![0.0; size]);
        meet(geometry, images, 3, |from, tap, into| {
            sums[into] += f64::from(features[from]) * f64::from(weight[tap]);
            of_features[from] += f64::from(slopes[into]) * f64::from(weight[tap]);
            of_weight[tap] += f64::from(slopes[into]) * f64::from(features[from]);
        });
        let [mut projected, mut of_projection] = [images * geometry.output(), inputs * outputs].map(|size| vec![0.0; size]);
        meet(geometry, images, 1, |from, tap, into| {
            projected[into] += f64::from(features[from]) * f64::from(projection[tap]);
            of_projection[tap] += f64::from(slopes[into]) * f64::from(features[from]);
            if stride > 1 {
                of_features[from] += f64::from(slopes[into]) * f64::from(projection[tap]);
            }
        });
        let from = padded(&features, [height, width, inputs]);
        let gradient = padded(&slopes, [geometry.out_height(), geometry.out_width(), outputs]);
        let both = [&gradient[..], &gradient[..]].concat();

        let what = format!("plain, {geometry:?}");
        let mut into = vec![0.0; images * geometry.output()];
        let gather = Gather::forward(geometry, images);
        let packed = pack(&weight, inputs, inputs, 9);
        dispatch(Plain { gathers: vec![(&gather, &packed)], images, from: &from, into: &mut into });
        assert_near(&into, &sums, &what);
        let gather = Gather::projection(geometry, images);
        let packed = pack(&projection, inputs, inputs, 1);
        dispatch(Plain { gathers: vec![(&gather, &packed)], images, from: &from, into: &mut into });
        assert_near(&into, &projected, &what);
        let gathers = Gather::input_gradient(geometry, images, stride > 1);
        let packed = pack_gradient(geometry, &weight, (stride > 1).then_some(&projection));
        let mut into = vec![0.0; images * geometry.input()];
        dispatch(Plain { gathers: gathers.iter().zip(&packed).collect(), images, from: &both, into: &mut into });
        assert_near(&into, &of_features, &what);
        for (products, expected) in [(Products::convolution(geometry), &of_weight), (Products::projection(geometry), &of_projection)] {
            let mut into = vec![0.0; products.size()];
            dispatch(Added(&products, images, [&from, &gradient], &mut into));
            let mut unpacked = vec![0.0; expected.len()];
            products.unpack(&into, inputs, &mut unpacked);
            assert_near(&unpacked, expected, &what);
        }

        assert_eq!(Tiles::of(geometry).is_some(), stride == 1 && inputs % 16 == 0);
        let Some(tiles) = Tiles::of(geometry) else { continue };
        let what = format!("by tiles, {geometry:?}");
        let mut scratch = winograd::Scratch::default();
        scratch.grow(tiles, images);
        let mut packed = Aligned::default();
        dispatch(Pack { tiles, is_reversed: false, weight: &weight, into: &mut packed });
        let mut into = vec![0.0; images * geometry.output()];
        tiles.convolve(images, &from, packed.units(), &mut scratch, None, &mut into);
        assert_near(&into, &sums, &what);
        let reversed = tiles.reversed();
        dispatch(Pack { tiles: reversed, is_reversed: true, weight: &weight, into: &mut packed });
        let mut into = vec![0.0; images * geometry.input()];
        reversed.convolve(images, &gradient, packed.units(), &mut scratch, None, &mut into);
        assert_near(&into, &of_features, &what);
        let mut into = vec![1.0; tiles.size()];
        tiles.products(images, &from, &gradient, &mut scratch, true, &mut into);
        tiles.products(images, &from, &gradient, &mut scratch, false, &mut into);
        let mut unpacked = vec![0.0; of_weight.len()];
        dispatch(Unpack { tiles, sums: &into, into: &mut unpacked });
        assert_near(&unpacked, &of_weight.iter().map(|value| 2.0 * value).collect::<Vec<_>>(), &what);
    }
}

const SMALL: Shape = Shape { height: 11, width: 14, channels: 2, filters: 16, classes: 3 };

/// Weights as a network begins with, and the running means and variances behind them.
fn weights(shape: Shape) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let sizes = shape.parameters();
    let scales = sizes.iter().map(|&size| (size, if size > 100 { (4 * 100) as f32 / size as f32 } else { 1.0 }));
    let learned = scales.enumerate().map(|(place, (size, scale))| {
        let offset = if place % 3 == 1 && size <= 64 { 1.0 } else { 0.0 };
        numbers(place as u64, size).into_iter().map(|value| value * scale.max(0.2) + offset).collect()
    });
    let channels = (0..13).map(|number| shape.geometry(number).outputs);
    let running = channels.flat_map(|size| [vec![0.1; size], vec![0.9; size]]);
    (learned.collect(), running.collect())
}

#[test]
fn gradients_are_the_same_to_the_last_bit_on_any_number_of_threads() {
    let step = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut network = ResidualNetwork::new(SMALL).unwrap();
            let (learned, mut running) = weights(SMALL);
            let learned: Vec<&[f32]> = learned.iter().map(Vec::as_slice).collect();
            let mut gradient: Vec<Vec<f32>> = learned.iter().map(|weight| vec![0.0; weight.len()]).collect();
            let mut logits = Vec::new();
            // A larger batch before and after: nothing is left of another step.
            for rows in [50, 37, 50, 37] {
                logits = network.forward(&learned, &mut running, &numbers(7, rows * SMALL.image()));
                network.backward(&learned, &numbers(8, rows * SMALL.classes), &mut gradient);
            }
            (logits, gradient, running)
        })
    };
    let one = step(1);
    assert!(one.1.iter().flatten().all(|value| value.is_finite()) && one.1.iter().all(|part| part.iter().any(|value| *value != 0.0)));
    assert_eq!(step(2), one);
    assert_eq!(step(5), one);
}

#[test]
fn in_use_a_row_is_the_same_in_any_batch_and_other_weights_give_other_rows() {
    let (mut all, running) = weights(SMALL);
    all.extend(running);
    let images = numbers(9, 21 * SMALL.image());
    let prepared = prepare(&all);
    let whole = prepared.infer(&images);
    assert_eq!(whole.len(), 21 * SMALL.classes);
    for rows in [1, 2, 3, 8, 20] {
        assert_eq!(prepared.infer(&images[..rows * SMALL.image()]), whole[..rows * SMALL.classes]);
    }
    assert_eq!(prepared.infer(&images[20 * SMALL.image()..]), whole[20 * SMALL.classes..]);
    assert!(Arc::ptr_eq(&prepared, &prepare(&all)));
    all[0][5] += 0.01;
    assert_ne!(prepare(&all).infer(&images), whole);
    all[0][5] -= 0.01;
    assert_eq!(prepare(&all).infer(&images), whole);
}

/// With gaps between the parameters.
fn prepare(all: &[Vec<f32>]) -> Arc<Prepared> {
    let mut end = 0;
    let parts: Vec<Range<usize>> = all
        .iter()
        .map(|part| {
            let start = end + 3;
            end = start + part.len();
            start..end
        })
        .collect();
    let read = |into: &mut [f32]| parts.iter().zip(all).for_each(|(part, values)| into[part.clone()].copy_from_slice(values));
    Prepared::of(SMALL, &parts, read).unwrap()
}

#[test]
fn a_value_that_is_no_number_is_not_hidden() {
    let (mut learned, mut running) = weights(SMALL);
    learned[3][17] = f32::NAN;
    let learned: Vec<&[f32]> = learned.iter().map(Vec::as_slice).collect();
    let logits = ResidualNetwork::new(SMALL).unwrap().forward(&learned, &mut running, &numbers(7, 3 * SMALL.image()));
    assert!(logits.iter().all(|logit| logit.is_nan()));
}

#[test]
fn other_shapes_are_refused() {
    for shape in [Shape { filters: 12, ..SMALL }, Shape { filters: 0, ..SMALL }, Shape { channels: 0, ..SMALL }] {
        assert_eq!(ResidualNetwork::new(shape).err(), Some(ShapeError(shape)));
        assert!(Prepared::of(shape, &[], |_| ()).is_err());
    }
}
