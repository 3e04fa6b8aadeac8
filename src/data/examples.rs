//! Labelled images in memory.

use std::path::Path;

/// Which part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What a network learns from.
    Train,
    /// What its settings are chosen by.
    Validation,
    /// What it is judged by, once.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// `train`, `validation` or `test`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The split of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|split| split.name() == name)
    }
}

/// A file of a data set that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct DataError {
    /// The file.
    pub file: String,
    /// What is wrong with it, and what was expected.
    pub reason: String,
}

impl DataError {
    /// `reason` is a sentence on the file at `path`.
    pub(super) fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self { file: path.display().to_string(), reason: reason.into() }
    }
}

/// No array of a data set is larger, in bytes: what claims to be is a mistake or an attack.
pub(super) const MOST_BYTES: u64 = 1 << 30;

/// Images and their labels, one split of a data set.
#[derive(Clone, PartialEq, Eq)]
pub struct Examples {
    /// `[count, height, width, channels]`, 0 to 255; channels are one of grey or red, green, blue.
    pixels: Vec<u8>,
    /// `[count]`, each below the number of classes.
    labels: Vec<u8>,
    /// Height, width and channels.
    shape: [usize; 3],
}

impl Examples {
    /// `pixels`: `[count, height, width, channels]`; `labels`: `[count]`; `shape`: height, width, channels. `path` is named in errors.
    ///
    /// # Errors
    /// When there are not as many images as labels, or a label names no class.
    pub fn new(path: &Path, pixels: Vec<u8>, labels: Vec<u8>, shape: [usize; 3], classes: usize) -> Result<Self, DataError> {
        let size: usize = shape.iter().product();
        if size == 0 || pixels.len() != labels.len() * size {
            let images = pixels.len().checked_div(size).unwrap_or_default();
            return Err(DataError::new(
                path,
                format!("has {images} images and {} labels; expected one label for each image", labels.len()),
            ));
        }
        if let Some((place, label)) = labels.iter().enumerate().find(|(_, label)| usize::from(**label) >= classes) {
            let reason =
                format!("label {place} is {label}; expected 0 to {}, one for each of the {classes} classes", classes.saturating_sub(1));
            return Err(DataError::new(path, reason));
        }
        Ok(Self { pixels, labels, shape })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Height, width and channels of an image.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// All pixels, `[count, height, width, channels]`.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All labels, `[count]`.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// One image, `[height, width, channels]`; `None` beyond the last.
    #[must_use]
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        let size: usize = self.shape.iter().product();
        let start = index.checked_mul(size)?;
        self.pixels.get(start..start.checked_add(size)?)
    }

    /// One image as PNG; `None` beyond the last.
    ///
    /// # Panics
    /// Never: memory takes every write, and the shape is that of the pixels.
    #[must_use]
    pub fn png(&self, index: usize) -> Option<Vec<u8>> {
        let image = self.image(index)?;
        let [height, width, channels] = self.shape;
        let mut bytes = Vec::with_capacity(image.len() + 100);
        let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
        encoder.set_color(if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().expect("memory takes every write");
        writer.write_image_data(image).expect("the pixels have the picture's shape");
        writer.finish().expect("memory takes every write");
        Some(bytes)
    }

    /// How many images each of `classes` has.
    #[must_use]
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for label in &self.labels {
            counts[usize::from(*label)] += 1;
        }
        counts
    }
}

impl std::fmt::Debug for Examples {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Examples").field("count", &self.len()).field("shape", &self.shape).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(pixels: Vec<u8>, labels: Vec<u8>, shape: [usize; 3]) -> Result<Examples, DataError> {
        Examples::new(Path::new("folder/file"), pixels, labels, shape, 3)
    }

    #[test]
    fn images_are_cut_out_by_shape() {
        let examples = examples((0..12).collect(), vec![2, 0], [1, 2, 3]).unwrap();
        assert_eq!(examples.image(1), Some(&[6, 7, 8, 9, 10, 11][..]));
        assert_eq!((examples.image(2), examples.image(usize::MAX)), (None, None));
        assert_eq!(examples.class_counts(3), [1, 0, 1]);
    }

    #[test]
    fn a_label_of_no_class_and_a_missing_label_are_refused() {
        let error = examples(vec![0; 4], vec![0, 3], [1, 2, 1]).unwrap_err().to_string();
        assert_eq!(error, "folder/file: label 1 is 3; expected 0 to 2, one for each of the 3 classes");
        let error = examples(vec![0; 6], vec![0, 1], [1, 2, 1]).unwrap_err().to_string();
        assert_eq!(error, "folder/file: has 3 images and 2 labels; expected one label for each image");
        assert!(examples(Vec::new(), vec![0], [0, 2, 1]).is_err());
    }

    #[test]
    fn a_png_holds_the_pixels() {
        for (channels, kind) in [(1, png::ColorType::Grayscale), (3, png::ColorType::Rgb)] {
            let pixels: Vec<u8> = (0..2 * 4 * 5 * channels as u8).collect();
            let examples = examples(pixels, vec![0, 1], [4, 5, channels]).unwrap();
            let png = examples.png(1).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut decoded = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut decoded).unwrap();
            assert_eq!((info.width, info.height, info.color_type), (5, 4, kind));
            assert_eq!(&decoded[..info.buffer_size()], examples.image(1).unwrap());
        }
    }
}
