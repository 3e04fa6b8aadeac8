//! The values of all parameters of a network.

use std::ops::Range;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::{Device, Kind, Tensor};
use xxhash_rust::xxh3::Xxh3Default;

use super::{Initial, ModelError, Parameter};

/// All parameters in one flat buffer with a named view of each, so that an optimiser's step is a handful of operators however many
/// layers there are. Views begin at multiples of 64 bytes, as libtorch's own tensors do; what lies between them stays zero.
pub struct Weights {
    flat: Tensor,
    names: Vec<&'static str>,
    views: Vec<Tensor>,
    /// How many of them follow a gradient, which are the first.
    learned: usize,
}

impl Weights {
    /// All zero.
    ///
    /// # Panics
    /// When a parameter that is learned comes after one that is not.
    #[must_use]
    pub fn zeros(parameters: &[Parameter], device: Device) -> Self {
        assert!(parameters.is_sorted_by_key(|parameter| !parameter.initial.is_learned()), "what is learned comes first");
        let length = parameters.iter().map(|parameter| padded(parameter.shape.iter().product())).sum::<i64>();
        let flat = Tensor::zeros([length], (Kind::Float, device));
        let views = cut(&flat, parameters.iter().map(|parameter| parameter.shape.clone()));
        let learned = parameters.iter().filter(|parameter| parameter.initial.is_learned()).count();
        Self { flat, names: parameters.iter().map(|parameter| parameter.name).collect(), views, learned }
    }

    /// As `parameters` say they begin; one seed gives the same values on every machine and device.
    #[must_use]
    pub fn initial(parameters: &[Parameter], seed: u64, device: Device) -> Self {
        let weights = Self::zeros(parameters, device);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        for (parameter, view) in parameters.iter().zip(&weights.views) {
            let limit = match parameter.initial {
                Initial::GlorotUniform { fan_in, fan_out } => (6.0 / (fan_in + fan_out) as f32).sqrt(),
                Initial::HeUniform { fan_in } => (6.0 / fan_in as f32).sqrt(),
                Initial::Ones | Initial::RunningVariance => {
                    let _ = tch::no_grad(|| view.shallow_clone().fill_(1.0));
                    continue;
                }
                Initial::Zeros | Initial::RunningMean => continue,
            };
            let values: Vec<f32> = (0..view.numel()).map(|_| random.random_range(-limit..limit)).collect();
            tch::no_grad(|| view.shallow_clone().copy_(&Tensor::from_slice(&values).view_as(view)));
        }
        weights
    }

    /// The same layout, all zero.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        self.over(self.flat.zeros_like())
    }

    /// A copy of its own.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.over(self.flat.copy())
    }

    /// A copy in another kind of numbers, such as double precision for a comparison.
    #[must_use]
    pub fn to_kind(&self, kind: Kind) -> Self {
        self.over(self.flat.to_kind(kind))
    }

    /// The same layout over another buffer.
    fn over(&self, flat: Tensor) -> Self {
        let views = cut(&flat, self.views.iter().map(Tensor::size));
        Self { flat, names: self.names.clone(), views, learned: self.learned }
    }

    /// The same buffer, with views that collect gradients where they are learned.
    pub(super) fn leaves(&self) -> Self {
        let views = self.views.iter().enumerate().map(|(place, view)| view.detach().set_requires_grad(place < self.learned)).collect();
        Self { flat: self.flat.shallow_clone(), names: self.names.clone(), views, learned: self.learned }
    }

    /// All values, `[n]`, with zeros between the parameters.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Where each parameter's values lie in [`Self::flat`].
    #[must_use]
    pub fn parts(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        let part = |view: &Tensor| {
            let part = start..start + view.numel();
            start += padded(view.numel() as i64) as usize;
            part
        };
        self.views.iter().map(part).collect()
    }

    /// As [`Self::flat`], of those parameters alone that follow a gradient.
    pub fn flat_learned(&self) -> Tensor {
        let length = self.views[..self.learned].iter().map(|view| padded(view.numel() as i64)).sum();
        self.flat.narrow(0, 0, length)
    }

    /// How many parameters follow a gradient; they are the first.
    #[must_use]
    pub fn learned(&self) -> usize {
        self.learned
    }

    /// One view for each parameter, in the network's order.
    pub fn views(&self) -> &[Tensor] {
        &self.views
    }

    /// Names and views.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        self.names.iter().copied().zip(&self.views)
    }

    /// The values of the parameter `name`, in memory's order.
    ///
    /// # Errors
    /// When there is none, or libtorch can't copy it.
    pub fn values(view: &Tensor) -> Result<Vec<f32>, ModelError> {
        let mut values = vec![0.0_f32; view.numel()];
        view.contiguous().to_device(Device::Cpu).f_copy_data(&mut values, view.numel())?;
        Ok(values)
    }

    /// Sets all values from arrays of the same names and shapes.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub fn set<'a>(&self, array: impl Fn(&str) -> Option<(Vec<i64>, &'a [u8])>) -> Result<(), ModelError> {
        for (name, view) in self.named() {
            let (shape, bytes) = array(name).ok_or_else(|| ModelError::Weights(format!("there is no array {name:?}")))?;
            if shape != view.size() || bytes.len() != 4 * view.numel() {
                return Err(ModelError::Weights(format!("{name:?} has the shape {shape:?}; expected {:?} of f32", view.size())));
            }
            let given = Tensor::f_from_data_size(bytes, &shape, Kind::Float)?;
            tch::no_grad(|| view.shallow_clone().f_copy_(&given))?;
        }
        Ok(())
    }

    /// XXH3 (128 bits, hexadecimal) of all parameters' values in order: equal exactly when the values are, to the last bit.
    ///
    /// # Errors
    /// When libtorch can't copy them.
    pub fn hash(&self) -> Result<String, ModelError> {
        let mut hash = Xxh3Default::new();
        for view in &self.views {
            hash.update(bytemuck::cast_slice(&Self::values(view)?));
        }
        Ok(format!("{:032x}", hash.digest128()))
    }
}

/// Up to the next multiple of 64 bytes, in f32 values.
fn padded(size: i64) -> i64 {
    (size + 15) / 16 * 16
}

/// A view into `flat` for each shape, one after another.
fn cut(flat: &Tensor, shapes: impl Iterator<Item = Vec<i64>>) -> Vec<Tensor> {
    let mut start = 0;
    let view = |shape: Vec<i64>| {
        let size = shape.iter().product();
        let view = flat.narrow(0, start, size).view(shape.as_slice());
        start += padded(size);
        view
    };
    shapes.map(view).collect()
}

/// Each tensor's values.
pub(super) fn values(tensors: &[Tensor]) -> Vec<Vec<f32>> {
    tensors.iter().map(values_of).collect()
}

/// A tensor's values in memory's order.
pub(super) fn values_of(tensor: &Tensor) -> Vec<f32> {
    let mut values = Vec::new();
    read(tensor, &mut values);
    values
}

/// The same into memory that is kept: fresh memory takes longer than the copy.
pub(super) fn read(tensor: &Tensor, into: &mut Vec<f32>) {
    into.resize(tensor.numel(), 0.0);
    tensor.contiguous().copy_data(into, tensor.numel());
}

/// As kernels of our own take them.
pub(super) fn slices(values: &[Vec<f32>]) -> Vec<&[f32]> {
    values.iter().map(Vec::as_slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<Parameter> {
        vec![
            Parameter { name: "a", shape: vec![3, 7], initial: Initial::GlorotUniform { fan_in: 7, fan_out: 3 } },
            Parameter { name: "b", shape: vec![3], initial: Initial::Zeros },
        ]
    }

    #[test]
    fn views_share_the_buffer_and_begin_at_64_bytes() {
        let weights = Weights::zeros(&parameters(), Device::Cpu);
        assert_eq!(weights.flat().size(), [32 + 16]);
        for view in weights.views() {
            assert_eq!(view.data_ptr() as usize % 64, 0);
        }
        assert_eq!(weights.parts(), [0..21, 32..35]);
        let _ = weights.views()[1].shallow_clone().fill_(2.0);
        assert_eq!(weights.flat().sum(Kind::Float).double_value(&[]), 6.0);
    }

    #[test]
    fn glorot_stays_within_its_limit_and_zeros_are_zero() {
        let weights = Weights::initial(&parameters(), 1, Device::Cpu);
        let limit = (6.0_f64 / 10.0).sqrt();
        let most = weights.views()[0].abs().max().double_value(&[]);
        assert!(most <= limit && most > 0.7 * limit, "{most}");
        assert_eq!(weights.views()[1].abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn what_is_not_learned_lies_behind_what_is() {
        let parameter = |name, initial| Parameter { name, shape: vec![3], initial };
        let parameters =
            [parameter("a", Initial::HeUniform { fan_in: 6 }), parameter("b", Initial::Ones), parameter("c", Initial::RunningVariance)];
        let weights = Weights::initial(&parameters, 1, Device::Cpu);
        let most = weights.views()[0].abs().max().double_value(&[]);
        assert!(most <= 1.0 && most > 0.3, "{most}");
        assert_eq!((weights.learned(), weights.flat_learned().size()), (2, vec![32]));
        assert_eq!(weights.flat().sum(Kind::Float).double_value(&[]) - weights.views()[0].sum(Kind::Float).double_value(&[]), 6.0);
        let leaves = weights.leaves();
        assert_eq!(leaves.views().iter().map(Tensor::requires_grad).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn a_copy_is_equal_and_its_own() {
        let weights = Weights::initial(&parameters(), 1, Device::Cpu);
        let copy = weights.copy();
        assert_eq!(weights.hash().unwrap(), copy.hash().unwrap());
        let _ = weights.views()[0].shallow_clone().fill_(2.0);
        assert_ne!(weights.hash().unwrap(), copy.hash().unwrap());
        assert_eq!(copy.zeros_like().flat().abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn another_shape_or_a_missing_array_is_refused() {
        let weights = Weights::zeros(&parameters(), Device::Cpu);
        let bytes = [0; 84];
        let refused = |shape: Vec<i64>| weights.set(|_| Some((shape.clone(), &bytes[..]))).unwrap_err().to_string();
        assert_eq!(refused(vec![7, 3]), "\"a\" has the shape [7, 3]; expected [3, 7] of f32");
        assert_eq!(weights.set(|_| None).unwrap_err().to_string(), "there is no array \"a\"");
    }
}
