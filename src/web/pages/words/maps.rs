//! Section 5: word groups in two dimensions, with arrows for relations.

use std::ops::ControlFlow;

use super::{
    groups::{self, OWN},
    input::{self, Fault, FaultKind},
    query::State,
    sentence::Sentence,
};
use crate::{
    project::{self, Points, TsneOptions},
    words::{
        VectorSet,
        analogy::{self, Method},
        report::{WordMap, report},
    },
};

/// How many dimensions become two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Projection {
    /// The first two principal components.
    Pca,
    /// t-SNE with these options.
    Tsne(TsneOptions),
}

/// The section's results.
#[derive(Debug)]
pub struct Maps {
    /// The report's five, and the pasted one first where there is one.
    pub maps: Vec<Drawn>,
    /// What was typed and can't be used.
    pub faults: Vec<Fault>,
}

/// One map, computed.
#[derive(Debug)]
pub struct Drawn {
    /// Its groups and arrows.
    pub map: WordMap,
    /// The words that the set has, in the order of the groups.
    pub points: Vec<Point>,
    /// Pairs of indices of [`Self::points`], each with the index of its relation.
    pub arrows: Vec<Arrow>,
    /// The words that the set lacks.
    pub missing: Vec<String>,
    /// How it was drawn.
    pub projection: Projection,
    /// What it shows.
    pub reading: Vec<Sentence>,
}

/// A word's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// As the set writes it.
    pub word: String,
    /// Its place in the set.
    pub index: usize,
    /// Index of its group.
    pub group: usize,
    /// On the map.
    pub x: f32,
    /// On the map.
    pub y: f32,
}

/// A relation between two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrow {
    /// Index of the point it starts from.
    pub from: usize,
    /// Index of the point it ends at.
    pub to: usize,
    /// Index of its relation.
    pub relation: usize,
}

/// Draws the report's maps and the pasted groups.
pub fn compute(set: &VectorSet, state: &State) -> Maps {
    let (projection, mut faults) = projection(state);
    let own = state.given("groups").map(groups::parse).transpose().unwrap_or_else(|kind| {
        faults.push(Fault { field: "groups", kind });
        None
    });
    let maps = own.iter().chain(&report().maps).map(|map| draw(set, map, projection)).collect();
    Maps { maps, faults }
}

/// One map by its id: a figure has an address of its own.
pub fn compute_one(set: &VectorSet, state: &State, id: &str) -> (Option<Drawn>, Vec<Fault>) {
    let (projection, mut faults) = projection(state);
    let map = if id == OWN {
        groups::parse(&state.text("groups")).map_or_else(
            |kind| {
                faults.push(Fault { field: "groups", kind });
                None
            },
            Some,
        )
    } else {
        report().maps.iter().find(|map| map.id == id).cloned()
    };
    (map.map(|map| draw(set, &map, projection)), faults)
}

fn projection(state: &State) -> (Projection, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut keep = |field, kind| faults.push(Fault { field, kind });
    let seed = input::number(&state.text("seed"), 0..=u64::from(u32::MAX), "words-error-seed").unwrap_or_else(|kind| {
        keep("seed", kind);
        0
    });
    let perplexity = input::latin_digits(state.text("perplexity").trim()).parse::<f64>().ok().filter(|value| (1.0..=100.0).contains(value));
    if perplexity.is_none() {
        keep("perplexity", FaultKind::Number { key: "words-error-perplexity", limit: 100 });
    }
    let projection = match state.text("method").trim() {
        "tsne" => Projection::Tsne(TsneOptions { perplexity: perplexity.unwrap_or(5.0), seed, ..TsneOptions::default() }),
        "pca" => Projection::Pca,
        _ => {
            keep("method", FaultKind::Choice { choices: "pca, tsne" });
            Projection::Pca
        }
    };
    (projection, faults)
}

fn draw(set: &VectorSet, map: &WordMap, projection: Projection) -> Drawn {
    let mut points: Vec<Point> = Vec::new();
    let mut missing = Vec::new();
    for (group, words) in map.groups.iter().enumerate() {
        for word in &words.words {
            match input::find(set, word) {
                Some(index) if points.iter().any(|point| point.index == index) => {}
                Some(index) => points.push(Point { word: set.word(index).to_owned(), index, group, x: 0.0, y: 0.0 }),
                None => missing.push(word.clone()),
            }
        }
    }
    let mut drawn = Drawn { arrows: arrows(set, map, &points), map: map.clone(), points, missing, projection, reading: Vec::new() };
    if drawn.points.len() < 3 {
        drawn.points.clear();
        drawn.arrows.clear();
        drawn.reading.push(Sentence::new("words-maps-few"));
        return drawn;
    }
    place(set, &mut drawn);
    read(set, &mut drawn);
    drawn
}

fn arrows(set: &VectorSet, map: &WordMap, points: &[Point]) -> Vec<Arrow> {
    let place = |word: &String| input::find(set, word).and_then(|index| points.iter().position(|point| point.index == index));
    let of_relation = |(relation, arrows): (usize, &crate::words::report::Relation)| {
        arrows.arrows.iter().filter_map(move |[from, to]| Some(Arrow { from: place(from)?, to: place(to)?, relation })).collect::<Vec<_>>()
    };
    map.relations.iter().enumerate().flat_map(of_relation).collect()
}

/// Unit vectors go in, so that what counts is the angle, as everywhere on this page.
fn place(set: &VectorSet, drawn: &mut Drawn) {
    let values: Vec<f32> = drawn.points.iter().flat_map(|point| set.unit(point.index)).collect(); // [points, dimension]
    let Ok(points) = Points::new(&values, set.dimension()) else { return };
    let plane = match drawn.projection {
        Projection::Pca => project::pca(points, 2).map(|pca| {
            let share: f64 = pca.explained_variance_ratio.iter().take(2).sum();
            drawn.reading.push(Sentence::new("words-maps-explained").share("percent", share).count("words", points.count()));
            pca.plane()
        }),
        Projection::Tsne(options) => project::tsne(points, &options, &mut |_| ControlFlow::Continue(())).map(|tsne| {
            drawn.reading.push(
                Sentence::new("words-maps-kl").measure("perplexity", tsne.perplexity, 1).measure("seed", options.seed as f64, 0).measure(
                    "kl",
                    tsne.kl_divergence,
                    3,
                ),
            );
            tsne.coordinates
        }),
    };
    for (point, [x, y]) in drawn.points.iter_mut().zip(plane.unwrap_or_default()) {
        (point.x, point.y) = (x, y);
    }
}

fn read(set: &VectorSet, drawn: &mut Drawn) {
    for (relation, name) in drawn.map.relations.iter().enumerate() {
        let mut in_space = Vec::new();
        let mut on_map = Vec::new();
        for arrow in drawn.arrows.iter().filter(|arrow| arrow.relation == relation) {
            let (from, to) = (&drawn.points[arrow.from], &drawn.points[arrow.to]);
            let difference = set.unit(to.index).into_iter().zip(set.unit(from.index)).map(|(to, from)| to - from);
            in_space.push(difference.collect::<Vec<f32>>());
            on_map.push(vec![to.x - from.x, to.y - from.y]);
        }
        if let (Some(space), Some(map)) = (mean_cosine(&in_space), mean_cosine(&on_map)) {
            drawn.reading.push(
                Sentence::new("words-maps-parallel")
                    .key("relation", format!("words-relation-{}", name.id))
                    .count("count", in_space.len())
                    .measure("space", space, 2)
                    .measure("map", map, 2)
                    .count("dimension", set.dimension())
                    .text(
                        "verdict",
                        if map > 0.8 {
                            "parallel"
                        } else if map > 0.4 {
                            "leaning"
                        } else {
                            "scattered"
                        },
                    ),
            );
        }
    }
    if drawn.map.id == "calf" {
        drawn.reading.extend(read_calf(set));
    } else if drawn.map.relations.is_empty() {
        drawn.reading.extend(read_clusters(set, &drawn.points));
    }
}

/// Mean cosine over all pairs of vectors; nothing for fewer than two.
fn mean_cosine(vectors: &[Vec<f32>]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let pairs: Vec<f64> = (0..vectors.len())
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .map(|(i, j)| {
            let lengths = (dot(&vectors[i], &vectors[i]) * dot(&vectors[j], &vectors[j])).sqrt();
            if lengths > 0.0 { dot(&vectors[i], &vectors[j]) / lengths } else { 0.0 }
        })
        .collect();
    (!pairs.is_empty()).then(|| pairs.iter().sum::<f64>() / pairs.len() as f64)
}

fn read_clusters(set: &VectorSet, points: &[Point]) -> Vec<Sentence> {
    let squared = |a: &Point, b: &Point| (a.x - b.x).powi(2) + (a.y - b.y).powi(2);
    let others = |point: &Point| points.iter().filter(move |other| other.index != point.index).collect::<Vec<_>>();
    let own = points
        .iter()
        .filter(|point| {
            others(point)
                .into_iter()
                .min_by(|a, b| squared(point, a).total_cmp(&squared(point, b)))
                .is_some_and(|near| near.group == point.group)
        })
        .count();
    let share = own as f64 / points.len() as f64;
    let mut reading = vec![Sentence::new("words-maps-clusters").count("own", own).count("words", points.len()).text(
        "verdict",
        if share > 0.9 {
            "apart"
        } else if share > 0.6 {
            "mostly"
        } else {
            "mixed"
        },
    )];
    let closest = points
        .iter()
        .enumerate()
        .flat_map(|(i, a)| points[..i].iter().map(move |b| (b, a)))
        .map(|(a, b)| (a, b, analogy::similarity(set, a.index, b.index)))
        .max_by(|a, b| a.2.total_cmp(&b.2));
    if let Some((a, b, similarity)) = closest {
        reading.push(Sentence::new("words-maps-close").text("a", &a.word).text("b", &b.word).measure("similarity", similarity, 2));
    }
    reading
}

/// young : old = calf : cow, as the report asks it.
fn read_calf(set: &VectorSet) -> Vec<Sentence> {
    let calf = &report().calf;
    let mut reading = Vec::new();
    let find = |word: &str| input::find(set, word);
    let (Some(wanted), Some(cow), Some(young), Some(old)) = (find(&calf.wanted), find(&calf.cow), find(&calf.young), find(&calf.old))
    else {
        return reading;
    };
    // Far enough down the list that the wanted word's rank is known in any set that has it among its first thousand answers.
    let answers = analogy::solve(set, &[cow, young], &[old], 1000, Method::Add);
    if let (Some(first), Some(rank)) = (answers.first(), answers.iter().position(|answer| answer.index == wanted)) {
        reading.push(
            Sentence::new("words-calf-first")
                .text("found", if rank == 0 { "wanted" } else { "other" })
                .text("wanted", &calf.wanted)
                .text("answer", set.word(first.index))
                .count("rank", rank + 1)
                .text("cow", &calf.cow)
                .text("young", &calf.young)
                .text("old", &calf.old),
        );
    }
    if let (Some(near), Some(far)) = (find(&calf.nearer), find(&calf.farther)) {
        let (near, far) = (analogy::similarity(set, wanted, near), analogy::similarity(set, wanted, far));
        reading.push(
            Sentence::new("words-calf-side")
                .text("nearer", if near > far { "yes" } else { "no" })
                .text("wanted", &calf.wanted)
                .text("near", &calf.nearer)
                .text("far", &calf.farther)
                .measure("near-similarity", near, 2)
                .measure("far-similarity", far, 2),
        );
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_arrows_have_mean_cosine_one_and_opposite_ones_minus_one() {
        let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-9, "{a:?} is not {b}");
        close(mean_cosine(&[vec![1.0, 0.0], vec![3.0, 0.0]]), 1.0);
        close(mean_cosine(&[vec![1.0, 0.0], vec![-2.0, 0.0]]), -1.0);
        close(mean_cosine(&[vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 0.0]]), 1.0 / 3.0);
        assert_eq!(mean_cosine(&[vec![1.0, 0.0]]), None);
    }
}
