//! What a network says of somebody's picture, where it looked, and what it finds alike.

use crate::{data::upload::Step, store::Run};

/// A picture and what a network said of it.
pub struct Picture {
    /// Whose network it is.
    pub run: Run,
    /// The picture as the network saw it, as the address of an image.
    pub address: String,
    /// The same with what the network looked at, where it tells.
    pub attention: Option<String>,
    /// What was done to it.
    pub steps: Vec<Step>,
    /// Classes with their probabilities, the most probable first.
    pub classes: Vec<(usize, f32)>,
    /// What logits are divided by, where the validation images chose that.
    pub temperature: Option<f64>,
    /// Training images that the network finds alike, the most alike first.
    pub nearest: Vec<Near>,
}

/// A training image like a picture.
pub struct Near {
    /// Its number in the training split.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The name of that.
    pub name: String,
    /// Cosine.
    pub similarity: f32,
    /// The address of the image, where it is here.
    pub address: Option<String>,
}
