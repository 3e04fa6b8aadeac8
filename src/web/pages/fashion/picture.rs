//! What a network says of somebody's picture, and what was done to the picture first.

use std::fmt::Write as _;

use super::super::words::{Sentence, Voice};
use crate::{
    data::upload::{Step, Upload},
    error::{AppError, AppResult},
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
        if self.steps.is_empty() {
            return vec![voice.say("fashion-step-none")];
        }
        let size = |(width, height): (u32, u32)| format!("{width} × {height}");
        let sentence = |step: &Step| match step {
            Step::Turned => Sentence::new("fashion-step-turned"),
            Step::Filled => Sentence::new("fashion-step-filled"),
            Step::Greyed => Sentence::new("fashion-step-greyed"),
            Step::Negated => Sentence::new("fashion-step-negated"),
            Step::Blackened => Sentence::new("fashion-step-blackened"),
            Step::Trimmed { from, to } => Sentence::new("fashion-step-trimmed").text("from", size(*from)).text("to", size(*to)),
            Step::Scaled { to } => Sentence::new("fashion-step-scaled").text("to", size(*to)),
            Step::Centred => Sentence::new("fashion-step-centred"),
        };
        self.steps.iter().map(|step| voice.sentence(&sentence(step))).collect()
    }
}

/// The picture within an address: it is stored nowhere.
fn address(upload: &Upload) -> AppResult<String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, upload.side as u32, upload.side as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let internal = |error: png::EncodingError| AppError::Internal(error.into());
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&upload.pixels)).map_err(internal)?;
    let mut address = String::from("data:image/png,");
    for byte in bytes {
        let _ = write!(address, "%{byte:02x}");
    }
    Ok(address)
}
