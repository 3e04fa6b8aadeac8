//! The triplet network's own training step on a processor: two convolutions, a pooling and two dense layers, with gradients written by
//! hand. Several times faster than libtorch's, for three reasons: the second convolution is computed by a minimal algorithm together
//! with its pooling ([`winograd`]); its gradients, and those of the dense layer, run over what is not zero ([`sparse`], [`dense`]); and
//! what belongs to one image stays in a core's cache from the first layer to the last.
//!
//! Images are worked on by the threads of the current `rayon` pool. Sums over images are made in fixed groups and in their order, so
//! that the gradients are the same to the last bit whatever the number of threads; and a row of a batch is the same in any batch.

mod dense;
mod dropout;
mod first;
pub(super) mod lanes;
mod network;
mod passes;
pub(super) mod product;
mod shape;
mod sparse;
#[cfg(test)]
mod tests;
mod winograd;

pub use dropout::Dropout;
pub use network::DirectNetwork;
pub use shape::{Shape, ShapeError};
