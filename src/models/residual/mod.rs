//! The residual network's own training step on a processor.

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
