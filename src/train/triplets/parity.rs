//! What pytorch-metric-learning makes of the same batches (`tests/fixtures/embeddings`).

use std::collections::HashSet;

use serde::Deserialize;

use super::{
    Batch, Distance, Embeddings, Geometry, Mean, Step, Triplet,
    contrast::{MultiSimilarity, multi_similarity, supervised_contrastive},
    losses::{batch_all, triplet_margin},
    mining::{active, hard, negative_probabilities, semi_hard},
    testing::{assert_near, every_triplet},
};

#[derive(Deserialize)]
struct Fixture {
    dimension: usize,
    labels: Vec<u8>,
    values: Vec<f32>,
    margin: f64,
    geometries: Vec<InGeometry>,
    negative_probabilities: Vec<Option<Vec<f64>>>,
    multi_similarity_all: Answer,
    multi_similarity_mined: Answer,
    multi_similarity_pairs: u64,
    supervised_contrastive: Answer,
}

#[derive(Deserialize)]
struct InGeometry {
    squared: bool,
    normalise: bool,
    /// Every third.
    active: Vec<Triplet>,
    active_count: usize,
    hard: Vec<Triplet>,
    semi_hard: Vec<Triplet>,
    all_mean_active: Answer,
    all_mean_all: Answer,
    hard_mean_active: Answer,
    hard_mean_all: Answer,
}

#[derive(Deserialize)]
struct Answer {
    loss: f64,
    gradient: Vec<f32>,
}

fn fixtures() -> [Fixture; 2] {
    [
        include_str!("../../../tests/fixtures/embeddings/batch-plane.json"),
        include_str!("../../../tests/fixtures/embeddings/batch-alone.json"),
    ]
    .map(|text| serde_json::from_str(text).unwrap())
}

fn in_each_geometry(check: impl Fn(&Batch, &Fixture, &InGeometry)) {
    for fixture in fixtures() {
        assert_eq!(fixture.geometries.len(), 4);
        for answers in &fixture.geometries {
            let distance = if answers.squared { Distance::Squared } else { Distance::Euclidean };
            let geometry = Geometry { distance, normalise: answers.normalise };
            let embeddings = Embeddings::new(&fixture.values, fixture.dimension, geometry).unwrap();
            check(&Batch::new(embeddings, &fixture.labels).unwrap(), &fixture, answers);
        }
    }
}

fn assert_step(step: &Step, answer: &Answer) {
    assert!((step.loss / answer.loss - 1.0).abs() < 1e-5, "{} for {}", step.loss, answer.loss);
    assert_near(&step.gradient, &answer.gradient, 1e-5);
}

#[test]
fn miners_choose_the_triplets_that_the_library_chooses() {
    in_each_geometry(|batch, fixture, answers| {
        let chosen = active(batch, fixture.margin);
        assert_eq!(chosen.len(), answers.active_count);
        assert!(answers.active_count < every_triplet(&fixture.labels).len(), "some are learnt");
        let chosen: HashSet<Triplet> = chosen.into_iter().collect();
        assert!(answers.active.iter().all(|triplet| chosen.contains(triplet)));
        assert_eq!(hard(batch), answers.hard);
        assert!(answers.semi_hard.len() > 3);
        let mut nearest = semi_hard(batch, fixture.margin);
        nearest.sort_unstable();
        assert_eq!(nearest, answers.semi_hard);
    });
}

#[test]
fn triplet_losses_and_gradients_are_the_librarys() {
    in_each_geometry(|batch, fixture, answers| {
        let (all, hardest) = (every_triplet(&fixture.labels), hard(batch));
        for (mean, of_all, of_hard) in [
            (Mean::Active, &answers.all_mean_active, &answers.hard_mean_active),
            (Mean::All, &answers.all_mean_all, &answers.hard_mean_all),
        ] {
            assert_step(&batch_all(batch, fixture.margin, mean).unwrap(), of_all);
            assert_step(&triplet_margin(batch.embeddings(), &all, fixture.margin, mean).unwrap(), of_all);
            assert_step(&triplet_margin(batch.embeddings(), &hardest, fixture.margin, mean).unwrap(), of_hard);
        }
    });
}

#[test]
fn negatives_are_as_probable_as_the_library_weighs_them() {
    let mut compared = 0;
    for fixture in fixtures() {
        let geometry = Geometry { distance: Distance::Squared, normalise: false };
        let embeddings = Embeddings::new(&fixture.values, fixture.dimension, geometry).unwrap();
        let batch = Batch::new(embeddings, &fixture.labels).unwrap();
        for (anchor, weights) in fixture.negative_probabilities.iter().enumerate() {
            let probabilities = negative_probabilities(&batch, anchor);
            let Some(weights) = weights else {
                assert!(probabilities.iter().all(|&probability| probability == 0.0));
                continue;
            };
            compared += 1;
            for (probability, weight) in probabilities.iter().zip(weights) {
                assert!((probability - weight).abs() < 1e-5, "{probability} for {weight}");
            }
        }
    }
    assert!(compared > 15, "{compared} anchors");
}

#[test]
fn losses_over_pairs_and_their_gradients_are_the_librarys() {
    for fixture in fixtures() {
        let multi = |epsilon| {
            let settings = MultiSimilarity { epsilon, ..MultiSimilarity::default() };
            multi_similarity(&fixture.values, fixture.dimension, &fixture.labels, settings).unwrap()
        };
        assert_step(&multi(f64::INFINITY), &fixture.multi_similarity_all);
        let mined = multi(0.1);
        assert_step(&mined, &fixture.multi_similarity_mined);
        assert_eq!(mined.active, fixture.multi_similarity_pairs);
        assert!(mined.active < mined.terms, "some pairs are set aside");
        let contrast = supervised_contrastive(&fixture.values, fixture.dimension, &fixture.labels, 0.1).unwrap();
        assert_step(&contrast, &fixture.supervised_contrastive);
    }
}
