//! Digits from strokes.

use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::canvas::{Canvas, Place, arc};

/// Adds one digit to `pixels`, `[28, 28]`.
pub fn draw(label: u8, random: &mut Xoshiro256PlusPlus, pixels: &mut Vec<u8>) {
    let mut canvas = Canvas::new(random, 1.0);
    let width = random.random_range(1.6..3.4);
    for stroke in strokes(label) {
        canvas.stroke(&stroke, width, 1.0);
    }
    canvas.finish(random, pixels);
}

/// As most people write them, within the middle 60%, as MNIST has them.
fn strokes(label: u8) -> Vec<Vec<Place>> {
    let joined = |parts: &[&[Place]]| vec![parts.concat()];
    match label {
        0 => vec![arc((0.5, 0.5), (0.2, 0.3), 0.0, 360.0)],
        1 => vec![vec![(0.42, 0.3), (0.52, 0.2), (0.52, 0.8)]],
        2 => joined(&[&arc((0.5, 0.37), (0.18, 0.17), -170.0, 25.0), &[(0.33, 0.79), (0.7, 0.79)]]),
        3 => joined(&[&arc((0.47, 0.35), (0.17, 0.15), -150.0, 80.0), &arc((0.47, 0.65), (0.2, 0.16), -80.0, 150.0)]),
        4 => vec![vec![(0.6, 0.8), (0.6, 0.2), (0.3, 0.6), (0.74, 0.6)]],
        5 => joined(&[&[(0.66, 0.21), (0.38, 0.21), (0.37, 0.47)], &arc((0.48, 0.62), (0.19, 0.18), -110.0, 150.0)]),
        6 => joined(&[&arc((0.62, 0.6), (0.29, 0.4), -95.0, -175.0), &arc((0.5, 0.64), (0.17, 0.16), -180.0, 180.0)]),
        7 => vec![vec![(0.3, 0.22), (0.7, 0.22), (0.45, 0.8)]],
        8 => vec![arc((0.5, 0.35), (0.15, 0.15), 90.0, 450.0), arc((0.5, 0.65), (0.19, 0.16), -90.0, 270.0)],
        _ => joined(&[&arc((0.48, 0.38), (0.16, 0.17), 0.0, 360.0), &[(0.64, 0.38), (0.61, 0.8)]]),
    }
}
