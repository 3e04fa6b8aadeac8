//! What Torchboard computes with: networks and their kernels, projections, and how good an answer is.
//!
//! Slices and tensors in, numbers out: nothing here reads a file of the data folder, a setting or a request. It is a crate of
//! its own so that pages and store can change without building it again.

pub mod metrics;
pub mod models;
pub mod project;
