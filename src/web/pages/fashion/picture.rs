//! What a network says of somebody's picture, and what was done to the picture first.

use super::super::{
    networks::{address, story},
    words::Voice,
};
use crate::{
    data::upload::{Step, Upload},
    error::AppResult,
    store::Run,
};

/// A picture and what a network said of it.
pub struct Picture {
    /// Whose network it is.
    pub run: Run,
    /// The picture as the network saw it, as the address of an image.
    pub address: String,
    /// What was done to it.
    pub steps: Vec<Step>,
    /// Classes with their probabilities, the most probable first.
    pub classes: Vec<(String, f32)>,
}

impl Picture {
    /// `names` and `probabilities` are those of the classes, in the order of the labels.
    ///
    /// # Errors
    /// Never for a picture that was read.
    pub fn new(run: Run, upload: &Upload, names: &[String], probabilities: &[f32]) -> AppResult<Self> {
        let mut classes: Vec<(String, f32)> = names.iter().cloned().zip(probabilities.iter().copied()).collect();
        classes.sort_by(|one, other| other.1.total_cmp(&one.1));
        Ok(Self { run, address: address(upload)?, steps: upload.steps.clone(), classes })
    }

    /// What was done, sentence by sentence.
    pub fn story(&self, voice: Voice) -> Vec<String> {
        story(voice, "fashion", &self.steps)
    }
}
