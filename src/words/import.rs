//! From a vector file to its image.

use std::path::Path;

use anyhow::Context as _;

use super::{
    VectorSet,
    format::{self, Selection},
    image::{Description, ImageWriter, Origin, norm},
};

/// Reads the vector file at `source` and writes its image at `target`; `description.origin` is filled in here.
///
/// # Errors
/// What [`format::read`] says of the file, or that nothing can be written; then there is no image and none is harmed.
pub fn import(source: &Path, selection: &Selection, mut description: Description, target: &Path) -> anyhow::Result<VectorSet> {
    description.origin = Origin::of(source).with_context(|| format!("can't read {}", source.display()))?;
    let mut writer: Option<ImageWriter> = None;
    format::read(source, selection, &mut |word, values| {
        anyhow::ensure!(norm(values).is_finite(), "{word:?}: the values are too large to have a length");
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(ImageWriter::create(target, values.len())?),
        };
        writer.push(word, values)
    })?;
    let writer = writer.with_context(|| format!("{}: holds no vectors", source.display()))?;
    writer.finish(description).map(VectorSet::from)
}
