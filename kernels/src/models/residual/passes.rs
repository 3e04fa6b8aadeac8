//! What is compiled for the machine's vector instructions: one convolution and what goes before and after it, some images at a time.

use super::{
    aligned::Aligned,
    direct::{Gather, Products},
    normalisation::{Grid, Normalisation, Slope, Sums},
    shape::Geometry,
    winograd::{self, Tiles},
};
use crate::models::convolution::lanes::{Eight, Pass};

/// A convolution with its weights, and the projection beside it.
pub(super) struct Layer {
    pub geometry: Geometry,
    /// Images at a time.
    pub images: usize,
    pub tiles: Option<Tiles>,
    pub forward: Gather,
    pub weight: Aligned,
    pub projection: Option<(Gather, Aligned)>,
    pub backward: Vec<(Gather, Aligned)>,
    pub products: Products,
    pub projection_products: Option<Products>,
}

/// What a convolution reads.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// Images, `[height, width, channels]`, with perhaps fewer channels than the convolution.
    Images(&'a [f32], usize),
    /// relu of another's normalised outputs.
    Activated(&'a [f32], &'a Normalisation),
    /// relu of the sum of another's normalised outputs and a shortcut.
    Joined(&'a [f32], &'a Normalisation, Option<&'a [f32]>),
    /// Features as they are.
    Features(&'a [f32]),
}

impl<'a> Source<'a> {
    /// Of the images `of` alone, each with `size` numbers.
    pub(super) fn part(self, of: &std::ops::Range<usize>, size: usize) -> Self {
        let cut = |values: &'a [f32], size: usize| &values[of.start * size..of.end * size];
        match self {
            Self::Images(images, channels) => Self::Images(cut(images, size), channels),
            Self::Activated(values, by) => Self::Activated(cut(values, size), by),
            Self::Joined(values, by, shortcut) => Self::Joined(cut(values, size), by, shortcut.map(|shortcut| cut(shortcut, size))),
            Self::Features(values) => Self::Features(cut(values, size)),
        }
    }

    /// Into the border; joined features into `features` too.
    #[inline(always)]
    fn fill<L: Eight>(self, lanes: L, geometry: Geometry, features: Option<&mut [f32]>, padded: &mut [f32]) {
        let grid = Grid::inputs(geometry);
        match (self, features) {
            (Self::Images(images, channels), _) => grid.pad_images(images, channels, padded),
            (Self::Activated(values, by), _) => grid.activate(lanes, values, by, padded),
            (Self::Joined(values, by, shortcut), Some(features)) => {
                grid.join(lanes, values, by, shortcut, features);
                grid.pad(features, padded);
            }
            (Self::Features(values) | Self::Joined(values, ..), _) => grid.pad(values, padded),
        }
    }
}

/// What a thread works in.
#[derive(Default)]
pub(super) struct Scratch {
    tiles: winograd::Scratch,
    /// Some images' features within their borders.
    inputs: Aligned,
    /// The gradient of the outputs, and behind it that of the projection's.
    gradient: Aligned,
    /// Sums of products of tiles.
    pub sums: Aligned,
    /// The convolution whose borders are clear.
    clear: Option<usize>,
}

impl Scratch {
    /// Makes room for the convolution `number`.
    pub(super) fn prepare(&mut self, number: usize, layer: &Layer) {
        if self.clear == Some(number) {
            return;
        }
        let clear = |values: &mut Aligned, size: usize| {
            values.resize(size);
            values.fill(0.0);
        };
        let (geometry, images) = (layer.geometry, layer.images);
        clear(&mut self.inputs, images * geometry.padded_input());
        clear(&mut self.gradient, images * geometry.padded_output() * if layer.projection.is_some() { 2 } else { 1 });
        if let Some(tiles) = layer.tiles {
            self.tiles.grow(tiles, images);
            self.sums.grow(tiles.size());
        }
        self.clear = Some(number);
    }
}

/// A convolution of some images, with the sums of what comes out.
pub(super) struct Forward<'a> {
    pub layer: &'a Layer,
    pub source: Source<'a>,
    pub scratch: &'a mut Scratch,
    pub features: Option<&'a mut [f32]>,
    pub outputs: &'a mut [f32],
    pub shortcut: Option<&'a mut [f32]>,
    pub sums: &'a mut Sums,
}

impl Pass for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let Self { layer, source, scratch, features, outputs, shortcut, sums } = self;
        let geometry = layer.geometry;
        let images = [outputs.len() / geometry.output(), layer.images];
        source.fill(lanes, geometry, features, &mut scratch.inputs);
        match layer.tiles {
            Some(tiles) => tiles.convolve(images[0], &scratch.inputs, layer.weight.units(), &mut scratch.tiles, None, outputs),
            None => layer.forward.run(lanes, images, &scratch.inputs, layer.weight.units(), None, outputs),
        }
        if let (Some(shortcut), Some((gather, weight))) = (shortcut, &layer.projection) {
            gather.run(lanes, images, &scratch.inputs, weight.units(), None, shortcut);
        }
        Grid::outputs(geometry).sum(lanes, outputs, sums);
    }
}

/// What the gradient of a convolution's inputs meets there.
#[derive(Clone, Copy)]
pub(super) enum Before<'a> {
    /// Nothing: they are images.
    Images,
    /// relu of a normalisation.
    Activated(&'a [f32], &'a Normalisation),
    /// relu of the sum of a normalisation and a shortcut: its outputs, what was normalised, and the gradient that comes by this block's shortcut.
    Joined([&'a [f32]; 2], &'a Normalisation, Option<&'a [f32]>),
}

impl<'a> Before<'a> {
    /// Of the images `of` alone, each with `size` numbers.
    pub(super) fn part(self, of: &std::ops::Range<usize>, size: usize) -> Self {
        let cut = |values: &'a [f32]| &values[of.start * size..of.end * size];
        match self {
            Self::Images => Self::Images,
            Self::Activated(values, by) => Self::Activated(cut(values), by),
            Self::Joined([outputs, values], by, shortcut) => Self::Joined([cut(outputs), cut(values)], by, shortcut.map(cut)),
        }
    }
}

/// The gradients of a convolution of some images.
pub(super) struct Backward<'a> {
    pub layer: &'a Layer,
    pub source: Source<'a>,
    pub before: Before<'a>,
    pub slope: &'a Slope,
    /// Of the normalised outputs, and what was normalised. Where one is not given, `into` holds it.
    pub gradient: Option<&'a [f32]>,
    pub outputs: Option<&'a [f32]>,
    /// Of the projection's outputs.
    pub projected: Option<&'a [f32]>,
    pub scratch: &'a mut Scratch,
    /// Of the inputs, or of what was normalised before them.
    pub into: &'a mut [f32],
    pub sums: &'a mut Sums,
    /// Of the weights, to be added to; the products of tiles are elsewhere.
    pub weight: &'a mut [f32],
    pub is_first: bool,
    pub projection: Option<&'a mut [f32]>,
}

impl Pass for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let (layer, geometry, scratch) = (self.layer, self.layer.geometry, self.scratch);
        let outputs = self.outputs.unwrap_or(self.into);
        let images = outputs.len() / geometry.output();
        let grid = Grid::outputs(geometry);
        let (gradient, of_projection) = scratch.gradient.split_at_mut(layer.images * geometry.padded_output());
        grid.slope(lanes, self.gradient.unwrap_or(self.into), outputs, self.slope, gradient);
        if let Some(projected) = self.projected {
            grid.pad(projected, of_projection);
        }
        self.source.fill(lanes, geometry, None, &mut scratch.inputs);
        match layer.tiles {
            Some(tiles) => {
                let sums = &mut scratch.sums[..tiles.size()];
                tiles.products(images, &scratch.inputs, gradient, &mut scratch.tiles, self.is_first, sums);
            }
            None => layer.products.add(lanes, images, &scratch.inputs, gradient, self.weight),
        }
        if let (Some(products), Some(sums)) = (&layer.projection_products, self.projection) {
            products.add(lanes, images, &scratch.inputs, of_projection, sums);
        }
        if matches!(self.before, Before::Images) {
            return;
        }
        for (gather, weight) in &layer.backward {
            match layer.tiles.map(Tiles::reversed) {
                Some(tiles) => tiles.convolve(images, &scratch.gradient, weight.units(), &mut scratch.tiles, None, self.into),
                None => gather.run(lanes, [images, layer.images], &scratch.gradient, weight.units(), None, self.into),
            }
        }
        let grid = Grid::inputs(geometry);
        match self.before {
            Before::Images => {}
            Before::Activated(values, by) => grid.mask(lanes, values, by, self.into, self.sums),
            Before::Joined(values, by, shortcut) => grid.mask_joined(lanes, values, by, shortcut, self.into, self.sums),
        }
    }
}

/// The outputs of the last block, and their mean over all places.
pub(super) struct Pool<'a> {
    pub geometry: Geometry,
    pub source: Source<'a>,
    pub features: &'a mut [f32],
    pub pooled: &'a mut [f32],
}

impl Pass for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        if let Source::Joined(values, by, shortcut) = self.source {
            Grid::outputs(self.geometry).join(lanes, values, by, shortcut, self.features);
        }
        self.pooled.fill(0.0);
        for place in self.features.chunks_exact(self.geometry.outputs) {
            self.pooled.iter_mut().zip(place).for_each(|(sum, value)| *sum += value);
        }
        let share = 1.0 / self.geometry.out_places() as f32;
        self.pooled.iter_mut().for_each(|value| *value *= share);
    }
}

/// The gradient of one image's mean over all places, back to what the last block normalised.
pub(super) struct Unpool<'a> {
    pub geometry: Geometry,
    pub before: Before<'a>,
    pub pooled: &'a [f32],
    pub into: &'a mut [f32],
    pub sums: &'a mut Sums,
}

impl Pass for Unpool<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let share = 1.0 / self.geometry.out_places() as f32;
        for place in self.into.chunks_exact_mut(self.geometry.outputs) {
            place.iter_mut().zip(self.pooled).for_each(|(into, value)| *into = value * share);
        }
        if let Before::Joined(values, by, shortcut) = self.before {
            Grid::outputs(self.geometry).mask_joined(lanes, values, by, shortcut, self.into, self.sums);
        }
    }
}
