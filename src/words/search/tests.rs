use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{kernel::Portable, *};
use crate::words::SetInfo;

/// Kinds of data that try the bound in different ways.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Isotropic,
    Clustered,
    /// Every row five times over, so that ties must fall to the lower index.
    Duplicated,
    /// One coordinate is so large that four bits say nothing of the others.
    OneHuge,
    /// Rows near both ends of f32, and zero rows.
    Extreme,
}

const KINDS: [Kind; 5] = [Kind::Isotropic, Kind::Clustered, Kind::Duplicated, Kind::OneHuge, Kind::Extreme];

fn random_row(random: &mut Xoshiro256PlusPlus, dimension: usize) -> Vec<f32> {
    (0..dimension).map(|_| (0..4).map(|_| random.random::<f32>() - 0.5).sum()).collect()
}

fn rows_of(kind: Kind, count: usize, dimension: usize, seed: u64) -> Vec<Vec<f32>> {
    let random = &mut Xoshiro256PlusPlus::seed_from_u64(seed);
    let centres: Vec<Vec<f32>> = (0..7).map(|_| random_row(random, dimension)).collect();
    let mut rows: Vec<Vec<f32>> = (0..count).map(|_| random_row(random, dimension)).collect();
    for (index, row) in rows.iter_mut().enumerate() {
        let pick = random.random::<u32>() as usize;
        match kind {
            Kind::Isotropic | Kind::Duplicated => {}
            Kind::Clustered => row.iter_mut().zip(&centres[pick % 7]).for_each(|(value, centre)| *value = *value * 0.1 + centre),
            Kind::OneHuge => row[pick % dimension] *= 1e6,
            Kind::Extreme => {
                let factor = [0.0, 1e-44, 1e-38, 1e-31, 1.0, 1e30, 1e36][index % 7];
                row.iter_mut().for_each(|value| *value *= factor);
            }
        }
    }
    if matches!(kind, Kind::Duplicated) {
        for index in 0..count {
            rows[index] = rows[index / 5].clone();
        }
    }
    rows
}

fn set_of(rows: &[Vec<f32>]) -> VectorSet {
    let text = || "test".to_owned();
    let info = SetInfo { id: text(), name: text(), dimension: 0, vocabulary: 0, source: text(), licence: text() };
    VectorSet::from_rows(info, rows.iter().enumerate().map(|(index, row)| (index.to_string(), row))).unwrap()
}

fn assert_same_as_brute_force(set: &VectorSet, queries: &[Query]) {
    for (query, found) in queries.iter().zip(nearest(set, queries)) {
        assert_eq!(found, brute_force(set, query), "k = {}", query.k);
    }
}

#[test]
fn finds_what_brute_force_finds_for_every_kind_and_dimension() {
    for dimension in [1, 7, 32, 50, 100, 200, 300] {
        for kind in KINDS {
            let count = 5_003;
            let set = set_of(&rows_of(kind, count, dimension, dimension as u64));
            let random = &mut Xoshiro256PlusPlus::seed_from_u64(1);
            let queries: Vec<Query> = [1, 2, 10, 1000, count, count + 10]
                .into_iter()
                .flat_map(|k| [(set.row(17).to_vec(), k), (random_row(random, dimension), k)])
                .map(|(vector, k)| Query { vector, exclude: vec![17, 4000, 3], k })
                .collect();
            assert_same_as_brute_force(&set, &queries);
            assert_same_as_brute_force(&set, &queries[..1]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn finds_what_brute_force_finds(seed: u64, kind in 0..5_usize, count in 1..3000_usize, dimension in 1..70_usize, k in 0..200_usize, asked in 1..9_usize) {
        let rows = rows_of(KINDS[kind], count, dimension, seed);
        let set = set_of(&rows);
        let queries: Vec<Query> = (0..asked).map(|i| Query { vector: rows[i * 31 % count].clone(), exclude: vec![i % count], k }).collect();
        assert_same_as_brute_force(&set, &queries);
    }

    #[test]
    fn cosine_of_a_row_with_itself_is_one(seed: u64, dimension in 1..300_usize) {
        let rows = rows_of(Kind::Isotropic, 20, dimension, seed);
        let found = nearest(&set_of(&rows), &[Query { vector: rows[3].clone(), exclude: Vec::new(), k: 20 }]).remove(0);
        prop_assert!(found.iter().all(|neighbor| (-1.0..=1.0).contains(&neighbor.similarity)));
        prop_assert!((found[0].similarity - 1.0).abs() < 1e-6);
    }
}

#[test]
fn a_query_without_direction_ties_every_word() {
    let set = set_of(&rows_of(Kind::Isotropic, 100, 8, 5));
    let found = nearest(&set, &[Query { vector: vec![0.0; 8], exclude: vec![1], k: 3 }]).remove(0);
    assert_eq!(found, [0, 2, 3].map(|index| Neighbor { index, similarity: 0.0 }));
}

#[test]
fn a_limit_searches_the_first_words_only() {
    let set = set_of(&rows_of(Kind::Isotropic, 2000, 24, 6));
    let query = Query { vector: set.row(1500).to_vec(), exclude: Vec::new(), k: 1500 };
    let all = brute_force(&set, &Query { k: 2000, ..query.clone() });
    let mut expected: Vec<Neighbor> = all.into_iter().filter(|neighbor| neighbor.index < 1003).collect();
    expected.truncate(1500);
    assert_eq!(nearest_among(&set, &[query], 1003).remove(0), expected);
}

#[test]
fn the_portable_kernel_and_the_vector_kernel_agree() {
    let set = set_of(&rows_of(Kind::Isotropic, 64, 300, 7));
    let query = Prepared::new(&Query { vector: set.row(9).to_vec(), exclude: Vec::new(), k: 1 });
    let extreme = Prepared::new(&Query { vector: vec![1.0; 300], exclude: Vec::new(), k: 1 });
    let block_bytes = BLOCK_ROWS * row_bytes(300);
    for block in set.quantised().coarse_codes.chunks_exact(block_bytes).map(<[u8]>::to_vec).chain([vec![0xff; block_bytes]]) {
        let portable = Portable.coarse_dots(&block, [&query.coarse, &extreme.coarse]);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            assert_eq!(kernel::Avx2(simd).coarse_dots(&block, [&query.coarse, &extreme.coarse]), portable);
        }
        assert!(portable[0].iter().any(|&dot| dot != 0));
    }
    let codes = &query.fine.codes;
    for row in set.quantised().fine_rows.chunks_exact(codes.len()).map(<[i8]>::to_vec).chain([vec![-127; codes.len()]]) {
        let portable = Portable.fine_dot(&row, codes);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            assert_eq!(kernel::Avx2(simd).fine_dot(&row, codes), portable);
        }
        assert_ne!(portable, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batcher_gives_each_asker_its_own_answer() {
    let batcher = Batcher::start(1024).unwrap();
    let sets: Vec<_> = (0..2).map(|seed| std::sync::Arc::new(set_of(&rows_of(Kind::Isotropic, 500, 16, seed)))).collect();
    let mut asked = Vec::new();
    for index in 0..300 {
        let (batcher, set) = (batcher.clone(), sets[index % 2].clone());
        asked.push(tokio::spawn(async move {
            let query = Query { vector: set.row(index).to_vec(), exclude: vec![index], k: 5 };
            assert_eq!(batcher.nearest(set.clone(), query.clone()).await.unwrap(), brute_force(&set, &query));
        }));
    }
    for task in asked {
        task.await.unwrap();
    }
}
