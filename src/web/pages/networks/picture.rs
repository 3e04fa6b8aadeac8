//! Pictures that people send, as a network sees them.

use std::fmt::Write as _;

use super::super::words::{Sentence, Voice};
use crate::{
    data::upload::{Step, Upload},
    error::{AppError, AppResult},
};

/// What was done to a picture, sentence by sentence; the texts are those of `page`.
pub fn story(voice: Voice, page: &str, steps: &[Step]) -> Vec<String> {
    if steps.is_empty() {
        return vec![voice.say(&format!("{page}-step-none"))];
    }
    let size = |(width, height): (u32, u32)| format!("{width} × {height}");
    let sentence_of = |name: &str| Sentence::new(format!("{page}-step-{name}"));
    let sentence = |step: &Step| match step {
        Step::Turned => sentence_of("turned"),
        Step::Filled => sentence_of("filled"),
        Step::Greyed => sentence_of("greyed"),
        Step::Coloured => sentence_of("coloured"),
        Step::Negated => sentence_of("negated"),
        Step::Blackened => sentence_of("blackened"),
        Step::Trimmed { from, to } => sentence_of("trimmed").text("from", size(*from)).text("to", size(*to)),
        Step::Cropped { from, to } => sentence_of("cropped").text("from", size(*from)).text("to", size(*to)),
        Step::Scaled { to } => sentence_of("scaled").text("to", size(*to)),
        Step::Centred => sentence_of("centred"),
    };
    steps.iter().map(|step| voice.sentence(&sentence(step))).collect()
}

/// The picture within an address: it is stored nowhere.
///
/// # Errors
/// Never for a picture that was read.
pub fn address(upload: &Upload) -> AppResult<String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, upload.side as u32, upload.side as u32);
    encoder.set_color(if upload.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    let internal = |error: png::EncodingError| AppError::Internal(error.into());
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&upload.pixels)).map_err(internal)?;
    let mut address = String::from("data:image/png,");
    for byte in bytes {
        let _ = write!(address, "%{byte:02x}");
    }
    Ok(address)
}
