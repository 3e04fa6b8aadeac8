//! The layers of a network as Keras sums them up.

use serde_json::{Map, Value};

use crate::{
    data::datasets,
    error::{AppError, AppResult},
    models,
};

/// The summary of one network.
pub struct Summary {
    /// From input to output.
    pub layers: Vec<Layer>,
    /// All trainable values, grouped by thousands.
    pub total: String,
    /// What they take as f32, such as `99.41 KB`.
    pub size: String,
    /// Multiplications by a weight, each with an addition, that one image takes forward, grouped by thousands.
    pub multiply_adds: String,
}

/// One line of a summary.
pub struct Layer {
    /// Name and kind, such as `hidden (dense, relu)`.
    pub name: String,
    /// Such as `(None, 32)`: the first dimension is that of the batch.
    pub shape: String,
    /// Trainable values, grouped by thousands.
    pub parameters: String,
    /// As of the whole network.
    pub multiply_adds: String,
    /// The shape without the batch: channels, height and width, or values.
    pub output: Vec<i64>,
    /// The bare name and kind.
    pub kind: (&'static str, &'static str),
}

impl Summary {
    /// Of the network of `system` that `config` describes, for images of `dataset`.
    ///
    /// # Errors
    /// Never for a configuration that is resolved.
    pub fn of(system: &str, config: &Map<String, Value>, dataset: &str) -> AppResult<Self> {
        let found = datasets().iter().find(|known| known.id() == dataset);
        let dataset = found.ok_or_else(|| AppError::Internal(anyhow::anyhow!("{dataset} is not in the manifest")))?;
        let network = models::build(system, config, dataset.shape.map(|side| side as i64), dataset.classes.len() as i64)
            .map_err(|error| AppError::Internal(error.into()))?;
        let layers = network.layers();
        let total: i64 = layers.iter().map(|layer| layer.parameters).sum();
        let line = |layer: &models::Layer| Layer {
            name: format!("{} ({})", layer.name, layer.kind),
            shape: format!("(None, {})", layer.output.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")),
            parameters: grouped(layer.parameters),
            multiply_adds: grouped(layer.multiply_adds),
            output: layer.output.clone(),
            kind: (layer.name, layer.kind),
        };
        let multiply_adds = grouped(layers.iter().map(|layer| layer.multiply_adds).sum());
        Ok(Self { layers: layers.iter().map(line).collect(), total: grouped(total), size: size(total * 4), multiply_adds })
    }
}

/// Grouped by thousands.
pub fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// As Keras writes it: powers of 1,024 under the names of powers of 1,000.
fn size(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::configuration;

    #[test]
    fn the_reports_network_is_summed_up_as_keras_does() {
        let config = configuration::resolve("mlp", &Map::from_iter([("units".into(), 32.into())])).unwrap();
        let summary = Summary::of("mlp", &config, "fashion-mnist").unwrap();
        assert_eq!((summary.total.as_str(), summary.size.as_str()), ("25,450", "99.41 KB"));
        let lines: Vec<_> = summary.layers.iter().map(|layer| (layer.shape.as_str(), layer.parameters.as_str())).collect();
        assert_eq!(lines, [("(None, 784)", "0"), ("(None, 32)", "25,120"), ("(None, 10)", "330")]);
        assert_eq!((grouped(0), grouped(1_234_567)), ("0".into(), "1,234,567".into()));
    }
}
