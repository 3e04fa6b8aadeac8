//! The tsne suite: reads points, maps them, prints the time and the divergence.
//!
//! `tsne POINTS COLUMNS pca|tsne MAP`: POINTS holds little-endian f32, row-major; the map is written to MAP the same way.

use std::ops::ControlFlow;
use std::time::Instant;

use torchboard::project::{Points, TsneOptions, pca, tsne};

pub fn run(arguments: &[String]) {
    let [file, columns, method, map] = arguments else {
        eprintln!("expected: tsne POINTS COLUMNS pca|tsne MAP");
        std::process::exit(2);
    };
    let numbers = |bytes: Vec<u8>| bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect::<Vec<f32>>();
    let values = numbers(std::fs::read(file).unwrap());
    let columns = columns.parse().unwrap();
    // As the peer is timed: the first call also starts the threads.
    let points = Points::new(&values[..columns * 8], columns).unwrap();
    let _ = tsne(points, &TsneOptions { iterations: 1, ..TsneOptions::default() }, &mut |_| ControlFlow::Continue(()));
    let start = Instant::now();
    let points = Points::new(&values, columns).unwrap();
    let (plane, divergence, iterations, neighbours) = if method == "pca" {
        (pca(points, 2).unwrap().plane(), 0.0, 0, 0.0)
    } else {
        let mut neighbours = 0.0;
        let found = tsne(points, &TsneOptions::default(), &mut |progress| {
            if progress.iteration == 0 {
                neighbours = start.elapsed().as_secs_f64();
            }
            ControlFlow::Continue(())
        });
        let found = found.unwrap();
        (found.coordinates, found.kl_divergence, found.iterations, neighbours)
    };
    let seconds = start.elapsed().as_secs_f64();
    std::fs::write(map, plane.iter().flatten().flat_map(|place| place.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let line = serde_json::json!({
        "seconds": seconds, "neighbours_seconds": neighbours, "kl_divergence": divergence, "iterations": iterations,
    });
    println!("{line}");
}
