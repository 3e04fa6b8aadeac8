//! What flows where in a network, read off its layers and its parameters.

use super::{Layer, Network, Parameter};

/// A network as its modules and what flows between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// From the image to the output; what lies on a shortcut follows what it leads around.
    pub modules: Vec<Module>,
    /// From which module to which, by their places.
    pub flows: Vec<(usize, usize)>,
}

/// One thing that computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// As its parameters are called without their last part; without parameters, as its layer, or what it does.
    pub name: String,
    /// What it does.
    pub operation: Operation,
    /// Shape of what it gives for one image: channels, height and width, or values.
    pub output: Vec<i64>,
    /// Trainable values, those of its normalisation among them.
    pub parameters: i64,
}

/// What a module does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The image comes in.
    Image,
    /// A convolution with a kernel of this side.
    Convolution(i64),
    /// A convolution on a shortcut, with a kernel of this side, that makes its shape fit.
    Projection(i64),
    /// Every value with every other.
    Dense,
    /// What comes from both ways is added.
    Sum,
    /// As its layer says.
    Other(&'static str),
}

/// The graph of `network`. A layer with several kernels is a chain of convolutions; one that is called a residual block has a shortcut around
/// them, through a projection where there is one.
#[must_use]
pub fn graph(network: &dyn Network) -> Graph {
    let [height, width, channels] = network.input();
    let image = Module { name: "image".into(), operation: Operation::Image, output: vec![channels, height, width], parameters: 0 };
    let mut graph = Graph { modules: vec![image], flows: Vec::new() };
    let (layers, parameters) = (network.layers(), network.parameters());
    let learned: Vec<&Parameter> = parameters.iter().filter(|parameter| parameter.initial.is_learned()).collect();
    let mut last = 0;
    for layer in &layers {
        let own: Vec<&Parameter> = learned.iter().copied().filter(|parameter| owner(&layers, parameter.name) == Some(layer.name)).collect();
        last = graph.add(layer, &modules_of(layer, &own), last);
    }
    graph
}

impl Graph {
    /// Adds the modules of a layer behind `before`; the place of the one that gives what the layer gives.
    fn add(&mut self, layer: &Layer, modules: &[Module], before: usize) -> usize {
        let mut last = before;
        let (asides, chain): (Vec<&Module>, Vec<&Module>) =
            modules.iter().partition(|module| matches!(module.operation, Operation::Projection(_)));
        for module in chain {
            last = self.push(module.clone(), last);
        }
        if layer.kind.starts_with("residual block") {
            let mut shortcut = before;
            for aside in asides {
                shortcut = self.push(aside.clone(), shortcut);
            }
            let sum =
                Module { name: format!("{}.sum", layer.name), operation: Operation::Sum, output: layer.output.clone(), parameters: 0 };
            last = self.push(sum, last);
            self.flows.push((shortcut, last));
        }
        last
    }

    fn push(&mut self, module: Module, from: usize) -> usize {
        self.modules.push(module);
        let place = self.modules.len() - 1;
        self.flows.push((from, place));
        place
    }
}

/// The layer that a parameter is of: the one with the longest name that the parameter's begins with.
fn owner(layers: &[Layer], parameter: &str) -> Option<&'static str> {
    let begins = |layer: &&Layer| parameter.strip_prefix(layer.name).is_some_and(|rest| rest.starts_with(['.', '_']));
    layers.iter().filter(begins).map(|layer| layer.name).max_by_key(|name| name.len())
}

/// Each kernel begins a module; offsets and normalisations behind it belong to it.
fn modules_of(layer: &Layer, own: &[&Parameter]) -> Vec<Module> {
    let count = |parameter: &Parameter| parameter.shape.iter().product::<i64>();
    let mut modules: Vec<Module> = Vec::new();
    for parameter in own {
        let name = parameter.name.strip_suffix(".weight").unwrap_or(parameter.name);
        let operation = match parameter.shape[..] {
            [_, _, side, _] if name.ends_with(".projection") => Operation::Projection(side),
            [_, _, side, _] => Operation::Convolution(side),
            [_, _] => Operation::Dense,
            _ => {
                if let Some(module) = modules.last_mut() {
                    module.parameters += count(parameter);
                }
                continue;
            }
        };
        modules.push(Module { name: name.to_owned(), operation, output: layer.output.clone(), parameters: count(parameter) });
    }
    if modules.is_empty() {
        let operation = Operation::Other(layer.kind);
        modules.push(Module { name: layer.name.into(), operation, output: layer.output.clone(), parameters: layer.parameters });
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::super::{Mlp, ResNet14, parameter_count};
    use super::*;

    #[test]
    fn a_residual_network_has_a_shortcut_around_each_pair_of_convolutions() {
        let network = ResNet14 { input: [28, 28, 3], filters: 16, classes: 7 };
        let graph = graph(&network);
        let of = |wanted: fn(&Operation) -> bool| graph.modules.iter().filter(|module| wanted(&module.operation)).count();
        assert_eq!(of(|operation| matches!(operation, Operation::Convolution(3))), 13, "with the dense layer the 14 that give its name");
        assert_eq!((of(|operation| *operation == Operation::Sum), of(|operation| *operation == Operation::Projection(1))), (6, 2));
        assert_eq!(graph.modules.iter().map(|module| module.parameters).sum::<i64>(), parameter_count(&network));

        let place = |name: &str| graph.modules.iter().position(|module| module.name == name).unwrap();
        let into = |name: &str| {
            let to = place(name);
            graph.flows.iter().filter(|flow| flow.1 == to).map(|flow| graph.modules[flow.0].name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(into("block_1_1.sum"), ["block_1_1.convolution_2", "stem"]);
        assert_eq!(into("block_2_1.sum"), ["block_2_1.convolution_2", "block_2_1.projection"]);
        assert_eq!(into("block_2_1.projection"), ["block_1_2.sum"]);
        assert_eq!(into("output"), ["pooling"]);
        let last = graph.modules.len() - 1;
        assert!((1..=last).all(|place| graph.flows.iter().any(|flow| flow.1 == place)), "everything is fed");
        assert!((0..last).all(|place| graph.flows.iter().any(|flow| flow.0 == place)), "and feeds");
    }

    #[test]
    fn a_plain_network_is_a_chain() {
        let network = Mlp { input: [28, 28, 1], units: 32, classes: 10, dropout_input: 0.0, dropout: 0.0 };
        let graph = graph(&network);
        assert_eq!(graph.flows, (1..graph.modules.len()).map(|place| (place - 1, place)).collect::<Vec<_>>());
        assert_eq!(graph.modules.last().map(|module| (module.operation, module.parameters)), Some((Operation::Dense, 330)));
    }
}
