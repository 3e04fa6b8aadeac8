//! The network drawn from its modules.

use super::{
    super::words::{Sentence, Voice},
    beside::SYSTEM,
};
use crate::{
    data::Dataset,
    error::{AppError, AppResult},
    figure::{Axis, Content, Figure, Form, Headings, Node},
    models::{self, Operation},
};

/// The network of `config` for images of `dataset`: what flows where.
///
/// # Errors
/// Never for a configuration that is resolved.
pub fn drawing(voice: Voice, config: &serde_json::Map<String, serde_json::Value>, dataset: &Dataset) -> AppResult<Figure> {
    let network = models::build(SYSTEM, config, dataset.shape.map(|side| side as i64), dataset.classes.len() as i64)
        .map_err(|error| AppError::Internal(error.into()))?;
    let graph = models::graph(&*network);
    let mut row = 0;
    let mut before: Option<&[i64]> = None;
    let mut nodes = Vec::new();
    for module in &graph.modules {
        // A new row where the image shrinks; what has no height any more stays in the last.
        let size = module.output.get(1..).filter(|size| !size.is_empty());
        row += usize::from(size.is_some() && before.is_some_and(|before| Some(before) != size));
        before = size.or(before);
        nodes.push(Node {
            name: module.name.clone(),
            kind: kind(module.operation),
            output: written(&module.output),
            parameters: module.parameters as u64,
            form: match module.operation {
                Operation::Sum => Form::Sum,
                Operation::Projection(_) => Form::Aside,
                _ => Form::Box,
            },
            row,
        });
    }
    let count = |wanted: fn(Operation) -> bool| graph.modules.iter().filter(|module| wanted(module.operation)).count();
    let reading = Sentence::new("skin-network-reading")
        .number("layers", count(|operation| matches!(operation, Operation::Convolution(_) | Operation::Dense)))
        .number("shortcuts", count(|operation| operation == Operation::Sum))
        .number("parameters", graph.modules.iter().map(|module| module.parameters).sum::<i64>() as usize);
    let axis = |name: &str| Axis { label: voice.say(name), ..Axis::default() };
    Ok(Figure {
        id: "skin-network".into(),
        title: voice.say("skin-network"),
        reading: voice.sentence(&reading),
        horizontal: axis("skin-output"),
        vertical: axis("fashion-parameters"),
        content: Content::Graph { nodes, flows: graph.flows },
        headings: Headings {
            item: voice.say("skin-module"),
            group: voice.say("skin-operation"),
            note: voice.say("skin-from-module"),
            ..Headings::default()
        },
    })
}

/// As the field writes it, in every language.
fn kind(operation: Operation) -> String {
    match operation {
        Operation::Image => "image".into(),
        Operation::Convolution(side) => format!("conv {side} × {side}"),
        Operation::Projection(side) => format!("{side} × {side}"),
        Operation::Dense => "dense".into(),
        Operation::Sum => "+".into(),
        // Of what a layer does, as much as a box holds.
        Operation::Other(kind) => kind.split([',', ' ']).next().unwrap_or(kind).into(),
    }
}

/// Height × width × channels, as the report writes them.
fn written(output: &[i64]) -> String {
    match output {
        [channels, height, width] => format!("{height} × {width} × {channels}"),
        _ => output.iter().map(i64::to_string).collect::<Vec<_>>().join(" × "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data::datasets, train::configuration, web::language::Language};

    #[test]
    fn the_reports_network_stands_in_a_row_for_each_size_of_image() {
        let config = configuration::resolve(SYSTEM, &serde_json::Map::new()).unwrap();
        let dataset = datasets().iter().find(|dataset| dataset.id() == "ham10000-28").unwrap();
        let figure = drawing(Voice(Language::English), &config, dataset).unwrap();
        figure.check().unwrap();
        let Content::Graph { nodes, .. } = &figure.content else { unreachable!() };
        let row_of = |name: &str| nodes.iter().find(|node| node.name == name).unwrap().row;
        assert_eq!(["image", "stem", "block_1_2.sum", "block_2_1.convolution_1", "block_2_1.projection"].map(row_of), [0, 0, 0, 1, 1]);
        assert_eq!(["block_3_2.sum", "pooling", "output"].map(row_of), [2, 2, 2]);
        assert!(figure.reading.contains("14") && figure.reading.contains("174,871"), "{}", figure.reading);
        assert_eq!(nodes.last().unwrap().output, "7");
    }
}
