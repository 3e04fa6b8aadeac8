//! The residual network's own training step and its answers on a processor, both faster than libtorch's (`make bench SUITE=resnet`). What makes them
//! fast, with what the first two gained (one core with AVX2, batches of 128):
//!
//! - Convolutions of stride 1, and both of their gradients, are computed by a minimal algorithm in tiles of 4×4 ([`winograd`]): 2.0 times as fast
//!   as plain sums with 16 channels, 2.2 times with 64, and the whole step 1.55 times. The plain sums ([`direct`]) reach 95% of what the core can
//!   multiply; they are left for the stem, for stride 2, and for channels that fill no two vectors.
//! - A row of tiles is transformed first down, then across, so that neighbours share their columns; and what is read together lies together
//!   ([`transform`], [`collect`]): 1.35 times a convolution with 16 channels.
//! - Each kernel is compiled by itself ([`products`]).
//! - What a thread works in is kept from pass to pass, and begins where cache lines do ([`aligned`]).
//! - A pass over the batch does all that it can with an image while that is in the cache ([`passes`]): normalisation, relu and shortcut before the
//!   convolution, the sums of the next normalisation behind it; relu's and normalisation's gradients likewise. They are computed again where
//!   they would have to be kept. Gradients are written over what is no more needed, since new memory has to be read before it is written.
//!   Every other pass goes through the batch backwards, and finds in the cache what the last one left there.
//! - In use ([`inference`]), normalisations are folded into the convolutions, some images go together through all layers, and weights stay as the
//!   kernels read them from one call to the next.
//!
//! Images are worked on by the threads of the current `rayon` pool. Sums over images are made in fixed groups and in their order, so that
//! gradients are the same to the last bit whatever the number of threads; in use, a row of a batch is the same in any batch.

mod aligned;
mod collect;
mod direct;
mod inference;
mod network;
mod normalisation;
mod passes;
mod points;
mod pool;
mod products;
mod shape;
#[cfg(test)]
mod tests;
mod transform;
mod winograd;

pub use inference::Prepared;
pub use network::ResidualNetwork;
pub use shape::{Shape, ShapeError};
