//! Coloured blobs on skin.

use std::f32::consts::PI;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{super::examples::Split, SIDE};

/// Red, green and blue, 0 to 1.
type Colour = [f32; 3];

/// What tells one kind from another.
struct Kind {
    /// Of the blob, as a share of the picture.
    radius: f32,
    /// How far the border strays from a circle.
    irregular: f32,
    /// How slowly it fades into the skin.
    softness: f32,
    colour: Colour,
    /// In patches within the blob.
    patches: Colour,
}

/// Which lesion each image of a split shows, `[n]`, by its label: as in HAM10000 some have several images, and some of those of validation and
/// test are of a lesion that training images show too.
pub fn shown(split: Split, labels: &[u8]) -> Vec<u32> {
    let mut seen = [0; 256];
    let lesion = |label: &u8| {
        let image = seen[usize::from(*label)];
        seen[usize::from(*label)] += 1;
        let learned_from = image * 3 / 4; // four images of three lesions
        let within = match split {
            Split::Train => learned_from,
            Split::Validation if image % 4 == 3 => learned_from,
            Split::Validation => 500 + image,
            Split::Test if image % 4 == 1 => learned_from,
            Split::Test => 700 + image * 2 / 3,
        };
        1000 * u32::from(*label) + within
    };
    labels.iter().map(lesion).collect()
}

/// Adds one picture of this lesion to `pixels`, `[28, 28, 3]`. `random` decides what differs between two pictures of it.
pub fn draw(label: u8, lesion: u32, random: &mut Xoshiro256PlusPlus, pixels: &mut Vec<u8>) {
    let kind = kind(label);
    let mut own = Xoshiro256PlusPlus::seed_from_u64(u64::from(lesion));
    let mut near = |value: f32, reach: f32| value + own.random_range(-reach..reach);
    let skin = [0.79, 0.6, 0.56].map(|value| near(value, 0.04));
    let tint = near(0.0, 0.05);
    let radius = kind.radius * near(1.0, 0.25);
    let waves = [2.0_f32, 3.0, 5.0].map(|count| (count, kind.irregular / count.sqrt() * near(0.0, 1.0), near(0.0, PI)));
    let patch = (near(0.0, PI), near(9.0, 3.0));

    let mut near = |value: f32, reach: f32| value + random.random_range(-reach..reach);
    let light = near(0.0, 0.07);
    let middle = (near(0.5, 0.09), near(0.5, 0.09));
    let skin = skin.map(|value| value + light);
    let [colour, patches] = [kind.colour, kind.patches].map(|colour| colour.map(|value| value + tint + light));
    for index in 0..SIDE * SIDE {
        let right = ((index % SIDE) as f32 + 0.5) / SIDE as f32 - middle.0;
        let down = ((index / SIDE) as f32 + 0.5) / SIDE as f32 - middle.1;
        let angle = down.atan2(right);
        let border = radius * (1.0 + waves.iter().map(|(count, height, phase)| height * (count * angle + phase).sin()).sum::<f32>());
        let inside = ((border - right.hypot(down)) / kind.softness + 0.5).clamp(0.0, 1.0);
        let mix = (0.5 + 0.8 * (patch.1 * right + patch.0).sin() * (patch.1 * down - patch.0).cos()).clamp(0.0, 1.0);
        for channel in 0..3 {
            let lesion = colour[channel] * (1.0 - mix) + patches[channel] * mix;
            let value = skin[channel] * (1.0 - inside) + lesion * inside + random.random_range(-0.025_f32..0.025);
            pixels.push((value.clamp(0.0, 1.0) * 255.0).round() as u8);
        }
    }
}

/// In the order of the classes: two reddish and diffuse, a sharp brown one, a small pale one, a dark uneven one, a round brown one, a red one.
fn kind(label: u8) -> Kind {
    let kind = |radius, irregular, softness, colour, patches| Kind { radius, irregular, softness, colour, patches };
    match label {
        0 => kind(0.3, 0.2, 0.2, [0.7, 0.43, 0.38], [0.78, 0.55, 0.46]),
        1 => kind(0.26, 0.12, 0.12, [0.72, 0.46, 0.47], [0.42, 0.36, 0.42]),
        2 => kind(0.31, 0.1, 0.05, [0.55, 0.4, 0.3], [0.64, 0.48, 0.34]),
        3 => kind(0.19, 0.05, 0.12, [0.66, 0.46, 0.4], [0.8, 0.66, 0.62]),
        4 => kind(0.34, 0.3, 0.07, [0.28, 0.18, 0.17], [0.4, 0.32, 0.4]),
        5 => kind(0.24, 0.05, 0.09, [0.47, 0.3, 0.24], [0.54, 0.36, 0.28]),
        _ => kind(0.22, 0.1, 0.05, [0.62, 0.14, 0.2], [0.45, 0.1, 0.24]),
    }
}
