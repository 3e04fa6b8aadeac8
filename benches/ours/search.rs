//! The search suite: `search VECTORS.f32 DIMENSION`, then one task a line on standard input, one JSON line of answers and seconds each.
//!
//! A task is `k row row ...`: the k words nearest to each of these rows, as one batch. The caller interleaves them with its peers'.

use std::{io::BufRead as _, time::Instant};

use torchboard::words::{QuantisedRows, Query, SetInfo, VectorSet, search};

/// Answers tasks until standard input ends.
pub fn run(arguments: &[String]) {
    let [file, dimension] = arguments else {
        panic!("search takes a file of little-endian f32 and their number per row");
    };
    let dimension: usize = dimension.parse().expect("DIMENSION is a number");
    let set = read(file, dimension);
    let QuantisedRows { coarse_codes, coarse_bounds, fine_rows } = set.quantised();
    let quantised_bytes = size_of_val(coarse_codes) + size_of_val(coarse_bounds) + size_of_val(fine_rows);
    let search_bytes = size_of_val(set.matrix()) + size_of_val(set.norms()) + quantised_bytes;
    println!("{}", serde_json::json!({ "rows": set.len(), "search_bytes": search_bytes }));
    for line in std::io::stdin().lock().lines() {
        let numbers: Vec<usize> = line.expect("a line").split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let (k, rows) = numbers.split_first().expect("a task is `k row ...`");
        let queries: Vec<Query> = rows.iter().map(|&row| Query { vector: set.row(row).to_vec(), exclude: vec![row], k: *k }).collect();
        let started = Instant::now();
        let found = search::nearest(&set, &queries);
        let seconds = started.elapsed().as_secs_f64();
        let first: Vec<usize> = found[0].iter().map(|neighbor| neighbor.index).collect();
        println!("{}", serde_json::json!({ "seconds": seconds, "first": first }));
    }
}

fn read(file: &str, dimension: usize) -> VectorSet {
    let bytes = std::fs::read(file).expect("the file of vectors can be read");
    let values: Vec<f32> = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect();
    drop(bytes);
    let text = || "benchmark".to_owned();
    let info = SetInfo { id: text(), name: text(), dimension, vocabulary: 0, source: text(), licence: text() };
    VectorSet::from_rows(info, values.chunks_exact(dimension).enumerate().map(|(index, row)| (index.to_string(), row))).expect("a set")
}
