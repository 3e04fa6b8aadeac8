//! The network drawn from its layers: a box for each, as large as what it gives.

use super::super::networks::{Layer, Summary};

/// One layer of the drawing.
pub struct Block {
    /// Name and kind.
    pub kind: (&'static str, &'static str),
    /// As in the summary.
    pub shape: String,
    /// As in the summary.
    pub parameters: String,
    /// Sheets behind each other, `(x, y, width, height)`, the farthest first.
    pub sheets: Vec<[f64; 4]>,
}

/// Height and width of the drawing of one layer.
pub const SIDE: f64 = 96.0;
/// Sheets at most: more channels can't be told apart.
const MOST_SHEETS: usize = 6;
/// Between two sheets.
const STEP: f64 = 4.0;
/// Room that the largest image takes.
const LARGEST: f64 = SIDE - MOST_SHEETS as f64 * STEP - 4.0;
/// Width of a layer without height and width.
const THIN: f64 = 10.0;

/// The image, then every layer that changes it: dropout is named with what it follows, and flattening with what it makes.
pub fn blocks(summary: &Summary, input: [usize; 3]) -> Vec<Block> {
    let [height, width, channels] = input.map(|side| side as i64);
    let longest =
        summary.layers.iter().filter(|layer| layer.output.len() == 1 && layer.kind.1 != "flatten").map(|layer| layer.output[0]).max();
    let block = |kind, shape: String, parameters: String, output: &[i64]| Block {
        kind,
        shape,
        parameters,
        sheets: sheets(output, height.max(width), longest.unwrap_or(1)),
    };
    let image = block(("image", ""), format!("{height} × {width} × {channels}"), "0".into(), &[channels, height, width]);
    let drawn = summary.layers.iter().filter(|layer| !matches!(layer.kind.1, "dropout" | "flatten"));
    let of_layer = |layer: &Layer| block(layer.kind, written(&layer.output), layer.parameters.clone(), &layer.output);
    std::iter::once(image).chain(drawn.map(of_layer)).collect()
}

/// Height × width × channels, as the report writes them.
fn written(output: &[i64]) -> String {
    match output {
        [channels, height, width] => format!("{height} × {width} × {channels}"),
        _ => output.iter().map(i64::to_string).collect::<Vec<_>>().join(" × "),
    }
}

fn sheets(output: &[i64], side: i64, longest: i64) -> Vec<[f64; 4]> {
    let [channels, height, width] = *output else {
        let values = output.first().copied().unwrap_or(1) as f64;
        let height = (values / longest as f64).sqrt() * (SIDE - 4.0);
        return vec![[(SIDE - THIN) / 2.0, (SIDE - height) / 2.0, THIN, height]];
    };
    let count = (channels as usize).clamp(1, MOST_SHEETS);
    let [width, height] = [width, height].map(|length| length as f64 / side as f64 * LARGEST);
    let reach = (count - 1) as f64 * STEP;
    let (left, top) = ((SIDE - width - reach) / 2.0, (SIDE - height - reach) / 2.0);
    (0..count).rev().map(|number| [left + number as f64 * STEP, top + (count - 1 - number) as f64 * STEP, width, height]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::configuration;

    #[test]
    fn the_reports_network_is_drawn_within_its_boxes_and_shrinks() {
        let config = configuration::resolve("triplet", &serde_json::Map::new()).unwrap();
        let blocks = blocks(&Summary::of("triplet", &config, "mnist").unwrap(), [28, 28, 1]);
        let shapes: Vec<&str> = blocks.iter().map(|block| block.shape.as_str()).collect();
        assert_eq!(shapes, ["28 × 28 × 1", "26 × 26 × 32", "24 × 24 × 32", "12 × 12 × 32", "128", "10"]);
        for [x, y, width, height] in blocks.iter().flat_map(|block| &block.sheets) {
            assert!(*x >= 0.0 && *y >= 0.0 && x + width <= SIDE && y + height <= SIDE, "{x} {y} {width} {height}");
        }
        assert!(blocks[3].sheets[0][2] < blocks[2].sheets[0][2] && blocks[5].sheets[0][3] < blocks[4].sheets[0][3]);
    }
}
