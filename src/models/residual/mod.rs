//! The residual network's own training step on a processor.

mod direct;
mod network;
mod normalisation;
mod passes;
mod points;
mod products;
mod shape;
mod winograd;

pub use network::ResidualNetwork;
pub use shape::{Shape, ShapeError};
