//! A grey picture of 28 by 28 that lines and areas are drawn on, in coordinates from 0 to 1, right and down.

use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Height and width in pixels.
pub const SIDE: usize = 28;

/// A place, right and down.
pub type Place = (f32, f32);

/// Ink on black.
pub struct Canvas {
    /// `[28, 28]`, from 0 for none to 1.
    ink: Vec<f32>,
    warp: Warp,
}

/// How a drawing is turned, sheared, stretched, bent and moved, so that no two are alike.
struct Warp {
    /// Rows of a matrix around the middle.
    matrix: [[f32; 2]; 2],
    shift: Place,
    bend: f32,
    phase: f32,
}

impl Canvas {
    /// Empty; what is drawn will be warped by `strength`: 1 for handwriting, less for things.
    pub fn new(random: &mut Xoshiro256PlusPlus, strength: f32) -> Self {
        let mut any = |reach: f32| random.random_range(-reach..reach) * strength;
        let (turn, shear) = (any(0.22), any(0.22));
        let (wide, high) = (1.0 + any(0.16), 1.0 + any(0.12));
        let (sine, cosine) = turn.sin_cos();
        let warp = Warp {
            matrix: [[wide * cosine, high * (shear * cosine - sine)], [wide * sine, high * (shear * sine + cosine)]],
            shift: (any(0.06), any(0.06)),
            bend: any(0.045),
            phase: any(3.0),
        };
        Self { ink: vec![0.0; SIDE * SIDE], warp }
    }

    /// Draws along `line`; `width` in pixels.
    pub fn stroke(&mut self, line: &[Place], width: f32, shade: f32) {
        let line: Vec<Place> = line.iter().map(|place| self.warp.pixels(*place)).collect();
        for (index, ink) in self.ink.iter_mut().enumerate() {
            let middle = ((index % SIDE) as f32 + 0.5, (index / SIDE) as f32 + 0.5);
            let nearest = line.windows(2).map(|ends| distance(middle, ends[0], ends[1])).fold(f32::MAX, f32::min);
            *ink = ink.max(shade * (width / 2.0 + 0.5 - nearest).clamp(0.0, 1.0));
        }
    }

    /// Fills `area`, whose last corner joins its first. `shade` is asked for the grey of each pixel, by its column and row; it replaces what
    /// is there.
    pub fn fill(&mut self, area: &[Place], shade: impl Fn(usize, usize) -> f32) {
        const PARTS: [f32; 3] = [1.0 / 6.0, 0.5, 5.0 / 6.0];
        let area: Vec<Place> = area.iter().map(|place| self.warp.pixels(*place)).collect();
        for (index, ink) in self.ink.iter_mut().enumerate() {
            let (column, row) = (index % SIDE, index / SIDE);
            let parts = PARTS.iter().flat_map(|right| PARTS.map(|down| (column as f32 + right, row as f32 + down)));
            let covered = parts.filter(|place| is_inside(*place, &area)).count() as f32 / 9.0;
            *ink = *ink * (1.0 - covered) + shade(column, row) * covered;
        }
    }

    /// Adds the picture to `pixels`, `[28, 28]`, 0 to 255, with a little noise where there is ink.
    pub fn finish(&self, random: &mut Xoshiro256PlusPlus, pixels: &mut Vec<u8>) {
        let noisy = |ink: &f32| if *ink > 0.02 { (*ink + random.random_range(-0.04_f32..0.04)).clamp(0.0, 1.0) } else { 0.0 };
        pixels.extend(self.ink.iter().map(noisy).map(|ink| (ink * 255.0).round() as u8));
    }
}

impl Warp {
    /// From coordinates to pixels.
    fn pixels(&self, (right, down): Place) -> Place {
        let (x, y) = (right - 0.5, down - 0.5);
        let x = x + self.bend * (7.0 * y + self.phase).sin();
        let [first, second] = self.matrix;
        let side = SIDE as f32;
        ((0.5 + first[0] * x + first[1] * y + self.shift.0) * side, (0.5 + second[0] * x + second[1] * y + self.shift.1) * side)
    }
}

/// A line along an ellipse, from one angle to another, in degrees from the right, clockwise.
pub fn arc(middle: Place, radii: Place, from: f32, to: f32) -> Vec<Place> {
    const PARTS: usize = 14;
    let place = |part: usize| {
        let angle = (from + (to - from) * part as f32 / PARTS as f32).to_radians();
        (middle.0 + radii.0 * angle.cos(), middle.1 + radii.1 * angle.sin())
    };
    (0..=PARTS).map(place).collect()
}

/// From a place to a line between two others.
fn distance(place: Place, from: Place, to: Place) -> f32 {
    let (along, across) = ((to.0 - from.0, to.1 - from.1), (place.0 - from.0, place.1 - from.1));
    let length = along.0 * along.0 + along.1 * along.1;
    let part = if length > 0.0 { ((across.0 * along.0 + across.1 * along.1) / length).clamp(0.0, 1.0) } else { 0.0 };
    (across.0 - part * along.0).hypot(across.1 - part * along.1)
}

/// By the number of sides that a ray to the right crosses.
fn is_inside((x, y): Place, corners: &[Place]) -> bool {
    let crossed = |(ax, ay): Place, (bx, by): Place| (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax;
    let sides = corners.iter().zip(corners.iter().cycle().skip(1));
    sides.filter(|(a, b)| crossed(**a, **b)).count() % 2 == 1
}
