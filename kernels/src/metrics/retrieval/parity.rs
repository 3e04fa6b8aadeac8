//! What pytorch-metric-learning and scikit-learn say of the same embeddings (`tests/fixtures/embeddings`).

use std::collections::HashMap;

use serde::Deserialize;

use super::{Labelled, knn_labels, mean_triplet_loss};

#[derive(Deserialize)]
struct Fixture {
    dimension: usize,
    values: Vec<f32>,
    labels: Vec<u8>,
    map_at_r: f64,
    recall: HashMap<usize, f64>,
    silhouette: f64,
    gallery_labels: Vec<u8>,
    neighbours: Vec<u32>,
    each: usize,
    votes: Vec<Votes>,
    triplets: Vec<[u32; 3]>,
    margin: f64,
    triplet_loss: f64,
}

#[derive(Deserialize)]
struct Votes {
    k: usize,
    /// None where labels have as many votes.
    labels: Vec<Option<u8>>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../../tests/fixtures/embeddings/retrieval.json")).unwrap()
}

#[test]
fn recall_and_precision_are_the_librarys() {
    let fixture = fixture();
    let split = Labelled::new(&fixture.values, fixture.dimension, &fixture.labels).unwrap();
    let retrieval = split.retrieval(&[1, 5, 10]).unwrap();
    assert!((retrieval.map_at_r - fixture.map_at_r).abs() < 1e-9, "{} for {}", retrieval.map_at_r, fixture.map_at_r);
    assert!(fixture.map_at_r > 0.1 && fixture.map_at_r < 0.9 && fixture.recall.len() == 3);
    for recall in retrieval.recall {
        assert!((recall.recall - fixture.recall[&recall.k]).abs() < 1e-12, "{recall:?}");
    }
    assert_eq!(retrieval.queries, fixture.labels.len() - 1, "one image is alone with its label");
}

#[test]
fn the_silhouette_is_scikit_learns() {
    let fixture = fixture();
    let split = Labelled::new(&fixture.values, fixture.dimension, &fixture.labels).unwrap();
    let silhouette = split.silhouette().unwrap();
    assert!((silhouette - fixture.silhouette).abs() < 1e-6, "{silhouette} for {}", fixture.silhouette);
}

#[test]
fn neighbours_vote_as_in_scikit_learn_where_there_is_no_tie() {
    let fixture = fixture();
    for votes in &fixture.votes {
        let said = knn_labels(&fixture.neighbours, fixture.each, votes.k, &fixture.gallery_labels).unwrap();
        let clear = said.iter().zip(&votes.labels).filter_map(|(said, label)| Some((said, label.as_ref()?)));
        assert!(clear.clone().all(|(said, label)| said == label), "k = {}", votes.k);
        assert!(clear.count() > said.len() * 3 / 4);
    }
}

#[test]
fn the_mean_triplet_loss_is_the_librarys() {
    let fixture = fixture();
    let loss = mean_triplet_loss(&fixture.values, fixture.dimension, &fixture.triplets, fixture.margin).unwrap();
    assert!((loss / fixture.triplet_loss - 1.0).abs() < 1e-6, "{loss} for {}", fixture.triplet_loss);
}
