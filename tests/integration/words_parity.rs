//! The same answers as gensim on real vectors: what it gave stands in `fixtures/words/gensim.json`, beside the script that asked it.

use std::{path::PathBuf, sync::LazyLock};

use serde::Deserialize;
use torchboard::words::{
    Neighbor, VectorSet,
    analogy::{self, Method},
    evaluate::{Questions, evaluate},
    import::Import,
    search,
};

/// Cosines of gensim and ours differ in the last bits of f32, its fixture in the sixth decimal.
const TOLERANCE: f32 = 1e-5;

type Listed = Vec<(String, f32)>;

#[derive(Deserialize)]
struct Fixture {
    vectors: String,
    neighbors: Vec<Nearest>,
    order: Vec<Order>,
    add: Vec<Combined>,
    mul: Vec<Combined>,
    centroid: Vec<Combined>,
    similarity: Vec<(String, String, f32)>,
    odd: Vec<Odd>,
    evaluations: Vec<Evaluated>,
}

#[derive(Deserialize)]
struct Nearest {
    word: String,
    k: usize,
    found: Listed,
}

#[derive(Deserialize)]
struct Order {
    word: String,
    found: Vec<String>,
}

#[derive(Deserialize)]
struct Combined {
    positive: Vec<String>,
    negative: Vec<String>,
    k: usize,
    found: Listed,
}

#[derive(Deserialize)]
struct Odd {
    words: Vec<String>,
    odd: String,
    found: Listed,
}

#[derive(Deserialize)]
struct Evaluated {
    limit: usize,
    /// Name, covered, correct.
    sections: Vec<(String, usize, usize)>,
    total: (usize, usize),
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/words/gensim.json")).unwrap());

/// The folder of `GloVe`'s files and the vectors that gensim was asked about; none where there is no real data.
fn real() -> Option<(PathBuf, &'static VectorSet)> {
    static SET: LazyLock<Option<(PathBuf, VectorSet)>> = LazyLock::new(|| {
        let folder = PathBuf::from(std::env::var_os("TORCHBOARD_DATA")?).join("glove");
        let set = Import::named_after(&folder.join(&FIXTURE.vectors), None).unwrap().run_nameless().unwrap().set;
        Some((folder, set))
    });
    let Some((folder, set)) = &*SET else {
        eprintln!("skipped: TORCHBOARD_DATA is not set");
        return None;
    };
    Some((folder.clone(), set))
}

fn indices(set: &VectorSet, words: &[String]) -> Vec<usize> {
    words.iter().map(|word| set.index_of(word).unwrap_or_else(|| panic!("no {word}"))).collect()
}

/// The same words in the same order, with the same values.
fn assert_same(set: &VectorSet, found: &[Neighbor], expected: &Listed, about: &str) {
    let words: Vec<&str> = found.iter().map(|neighbor| set.word(neighbor.index)).collect();
    let expected_words: Vec<&str> = expected.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, expected_words, "{about}");
    for (neighbor, (word, value)) in found.iter().zip(expected) {
        assert!((neighbor.similarity - value).abs() < TOLERANCE, "{about}: {word} {} is not {value}", neighbor.similarity);
    }
}

fn assert_combined(set: &VectorSet, questions: &[Combined], method: Method) {
    assert!(!questions.is_empty());
    for Combined { positive, negative, k, found } in questions {
        let answers = analogy::solve(set, &indices(set, positive), &indices(set, negative), *k, method);
        assert_same(set, &answers, found, &format!("{positive:?} - {negative:?} by {method:?}"));
    }
}

#[test]
fn neighbors_are_those_of_gensim_from_ten_to_a_thousand() {
    let Some((_, set)) = real() else { return };
    assert!(FIXTURE.neighbors.len() > 30 && FIXTURE.neighbors.iter().any(|nearest| nearest.k == 1000));
    // One by one, and all as one batch.
    let query = |nearest: &Nearest| analogy::combine(set, &indices(set, std::slice::from_ref(&nearest.word)), &[], nearest.k);
    let batch = search::nearest(set, &FIXTURE.neighbors.iter().map(query).collect::<Vec<_>>());
    for (nearest, of_batch) in FIXTURE.neighbors.iter().zip(batch) {
        let alone = &search::nearest(set, &[query(nearest)])[0];
        assert_same(set, alone, &nearest.found, &nearest.word);
        assert_eq!(*alone, of_batch, "{}", nearest.word);
    }
}

#[test]
fn all_words_are_ranked_as_gensim_ranks_them() {
    let Some((_, set)) = real() else { return };
    for Order { word, found } in &FIXTURE.order {
        let index = set.index_of(word).unwrap();
        let ours = analogy::solve(set, &[index], &[], 100_000, Method::Add);
        assert_eq!((ours.len(), found.len()), (set.len() - 1, set.len() - 1));
        for (place, (ours_here, word_there)) in ours.iter().zip(found).enumerate() {
            let value_there = analogy::similarity(set, index, set.index_of(word_there).unwrap());
            // Over ten thousand cosines, some lie within the rounding of f32 of each other and may change places.
            let gap = (ours_here.similarity - value_there).abs();
            assert!(set.word(ours_here.index) == word_there || gap < 3e-7, "{word}, rank {place}: {word_there} is off by {gap}");
        }
    }
}

#[test]
fn analogies_by_addition_and_multiplication_are_those_of_gensim() {
    let Some((_, set)) = real() else { return };
    assert_combined(set, &FIXTURE.add, Method::Add);
    assert_combined(set, &FIXTURE.mul, Method::Mul);
}

#[test]
fn the_words_nearest_to_a_centroid_are_those_of_gensim() {
    let Some((_, set)) = real() else { return };
    assert_combined(set, &FIXTURE.centroid, Method::Add);
}

#[test]
fn similarities_are_those_of_gensim() {
    let Some((_, set)) = real() else { return };
    for (a, b, expected) in &FIXTURE.similarity {
        let similarity = analogy::similarity(set, set.index_of(a).unwrap(), set.index_of(b).unwrap());
        assert!((similarity - expected).abs() < TOLERANCE, "{a} {b}: {similarity} is not {expected}");
    }
}

#[test]
fn the_odd_one_out_is_the_one_that_gensim_finds() {
    let Some((_, set)) = real() else { return };
    for Odd { words, odd, found } in &FIXTURE.odd {
        let mut placed = analogy::odd_one_out(set, &indices(set, words));
        placed.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        assert_same(set, &placed, found, &format!("{words:?}"));
        assert_eq!(set.word(placed.last().unwrap().index), odd);
    }
}

#[test]
fn analogy_accuracy_is_that_of_gensim_section_by_section() {
    let Some((folder, set)) = real() else { return };
    let questions = Questions::read(&[folder.join("questions")]).unwrap();
    for Evaluated { limit, sections, total } in &FIXTURE.evaluations {
        let ours = evaluate(set, &questions, *limit);
        let counts: Vec<(String, usize, usize)> =
            ours.sections.iter().map(|section| (section.name.clone(), section.covered, section.correct)).collect();
        assert_eq!(counts, *sections, "among {limit}");
        assert_eq!((ours.total.covered, ours.total.correct), *total, "among {limit}");
    }
    let whole = evaluate(set, &questions, usize::MAX).total;
    assert_eq!((whole.questions, whole.covered, whole.correct), (19_544, 3_709, 2_119));
}
