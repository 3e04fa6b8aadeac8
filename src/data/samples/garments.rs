//! Silhouettes of clothing.

use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::canvas::{Canvas, Place, arc};

/// Adds one piece of clothing to `pixels`, `[28, 28]`.
pub fn draw(label: u8, random: &mut Xoshiro256PlusPlus, pixels: &mut Vec<u8>) {
    let mut canvas = Canvas::new(random, 0.4);
    let base: f32 = random.random_range(0.4..0.9);
    let period = random.random_range(2..6);
    let depth: f32 = if random.random_bool(0.3) { 0.22 } else { 0.0 };
    let across = random.random_bool(0.5);
    let cloth = move |column: usize, row: usize| {
        let stripe = if across { row } else { column };
        if stripe % (2 * period) < period { base } else { base - depth }
    };
    canvas.fill(&outline(label), cloth);
    for (line, width, shade) in details(label, base) {
        canvas.stroke(&line, width, shade);
    }
    for cut in cuts(label) {
        canvas.fill(&cut, |_, _| 0.12 * base);
    }
    canvas.finish(random, pixels);
}

/// The outer shape.
fn outline(label: u8) -> Vec<Place> {
    let right: &[Place] = match label {
        0 => &[(0.08, 0.14), (0.2, 0.15), (0.4, 0.32), (0.32, 0.43), (0.22, 0.36), (0.22, 0.86)],
        1 => &[(0.17, 0.08), (0.22, 0.93), (0.07, 0.93), (0.0, 0.36)],
        2 => &[(0.08, 0.14), (0.2, 0.15), (0.43, 0.76), (0.33, 0.82), (0.22, 0.45), (0.22, 0.86)],
        3 => &[(0.07, 0.06), (0.13, 0.06), (0.15, 0.24), (0.1, 0.42), (0.25, 0.93)],
        4 => &[(0.07, 0.07), (0.21, 0.1), (0.42, 0.74), (0.33, 0.8), (0.24, 0.42), (0.25, 0.94)],
        6 => &[(0.09, 0.12), (0.2, 0.13), (0.38, 0.58), (0.3, 0.64), (0.21, 0.42), (0.23, 0.9)],
        5 => return vec![(0.08, 0.72), (0.92, 0.62), (0.93, 0.7), (0.08, 0.8)],
        7 => return vec![(0.06, 0.72), (0.08, 0.6), (0.4, 0.54), (0.6, 0.4), (0.88, 0.42), (0.94, 0.72)],
        8 => return vec![(0.16, 0.42), (0.84, 0.42), (0.9, 0.86), (0.1, 0.86)],
        _ => return vec![(0.1, 0.88), (0.1, 0.7), (0.46, 0.58), (0.5, 0.14), (0.86, 0.14), (0.9, 0.88)],
    };
    // Worn in the middle: the other half is its mirror image.
    right.iter().map(|(away, down)| (0.5 + away, *down)).chain(right.iter().rev().map(|(away, down)| (0.5 - away, *down))).collect()
}

/// Lines on or beside the shape, with their width in pixels and their grey.
fn details(label: u8, base: f32) -> Vec<(Vec<Place>, f32, f32)> {
    match label {
        5 => vec![(vec![(0.16, 0.72), (0.36, 0.5), (0.5, 0.68)], 2.0, base), (vec![(0.62, 0.66), (0.8, 0.38), (0.9, 0.62)], 2.0, base)],
        7 => vec![(vec![(0.06, 0.74), (0.94, 0.74)], 2.0, 1.0)],
        8 => vec![(arc((0.5, 0.42), (0.2, 0.26), -180.0, 0.0), 2.0, base)],
        _ => Vec::new(),
    }
}

/// What is darker than the cloth: a coat's opening, a shirt's row of buttons.
fn cuts(label: u8) -> Vec<Vec<Place>> {
    match label {
        4 => vec![vec![(0.48, 0.07), (0.52, 0.07), (0.52, 0.94), (0.48, 0.94)]],
        6 => (0..5)
            .map(|button| 0.24 + 0.13 * button as f32)
            .map(|down| vec![(0.47, down), (0.53, down), (0.53, down + 0.05), (0.47, down + 0.05)])
            .collect(),
        _ => Vec::new(),
    }
}
