//! Grey pictures of one object: light on dark, cut off and centred, as MNIST and Fashion-MNIST have theirs.

use fast_image_resize::FilterType;
use image::{DynamicImage, GrayImage, imageops};

use super::{Framing, Step, scaled};

/// How far a shade may be from that of the ground and still count as ground: 5 % of the range, as the data set's authors have it.
const GROUND: u8 = 13;

/// Ground black and cut off, scaled and centred as `framing` says, light object on dark ground. One that has the data set's size already stays as
/// it is. The sharpening of Fashion-MNIST's authors is left out: it made up for sampling without smoothing.
///
/// Source: Xiao, Rasul and Vollgraf 2017, section 2.
pub(super) fn framed(picture: &DynamicImage, side: u32, framing: Framing, steps: &mut Vec<Step>) -> GrayImage {
    let grey = to_grey(picture, steps);
    if grey.dimensions() == (side, side) {
        return negate_if_light(grey, steps);
    }
    fit(negate_if_light(grey, steps), side, framing, steps)
}

fn to_grey(picture: &DynamicImage, steps: &mut Vec<Step>) -> GrayImage {
    let mut picture = picture.to_rgba8();
    if picture.pixels().any(|pixel| pixel[3] < 255) {
        for pixel in picture.pixels_mut() {
            let alpha = u32::from(pixel[3]);
            let over_white = |value: u8| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
            pixel.0 = [over_white(pixel[0]), over_white(pixel[1]), over_white(pixel[2]), 255];
        }
        steps.push(Step::Filled);
    }
    if picture.pixels().any(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2]) {
        steps.push(Step::Greyed);
    }
    DynamicImage::ImageRgba8(picture).to_luma8()
}

fn negate_if_light(mut picture: GrayImage, steps: &mut Vec<Step>) -> GrayImage {
    if ground(&picture) > 127 {
        imageops::invert(&mut picture);
        steps.push(Step::Negated);
    }
    picture
}

/// The shade of the ground: the median of the four corners, between the middle two.
fn ground(picture: &GrayImage) -> u8 {
    let (right, bottom) = (picture.width() - 1, picture.height() - 1);
    let mut corners = [(0, 0), (right, 0), (0, bottom), (right, bottom)].map(|(x, y)| picture.get_pixel(x, y)[0]);
    corners.sort_unstable();
    u8::midpoint(corners[1], corners[2])
}

/// Makes the ground black and cuts it off, scales the longer side and puts the rest in the middle.
fn fit(mut picture: GrayImage, side: u32, framing: Framing, steps: &mut Vec<Step>) -> GrayImage {
    let ground = ground(&picture);
    let from = picture.dimensions();
    if ground > 0 {
        let rest = 255 - u32::from(ground); // at least half the range: a lighter ground was negated
        for pixel in picture.pixels_mut() {
            pixel[0] = (u32::from(pixel[0].saturating_sub(ground)) * 255 / rest) as u8;
        }
        steps.push(Step::Blackened);
    }
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for (x, y, _) in picture.enumerate_pixels().filter(|(_, _, pixel)| pixel[0] > GROUND) {
        (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x), bottom.max(y));
    }
    let object =
        if left > right { picture } else { imageops::crop_imm(&picture, left, top, right - left + 1, bottom - top + 1).to_image() };
    if object.dimensions() != from {
        steps.push(Step::Trimmed { from, to: object.dimensions() });
    }
    let longer = object.width().max(object.height());
    let room = if framing == Framing::Weighted { side * 5 / 7 } else { side };
    let shrunk = |length: u32| ((f64::from(length) * f64::from(room) / f64::from(longer)).round() as u32).clamp(1, room);
    let to = (shrunk(object.width()), shrunk(object.height()));
    let object = if object.dimensions() == to {
        object
    } else {
        steps.push(Step::Scaled { to });
        scaled(&object, to, FilterType::Bilinear)
    };
    if to == (side, side) {
        return object;
    }
    steps.push(Step::Centred);
    let mut square = GrayImage::new(side, side);
    let (left, top) = if framing == Framing::Weighted { beside_centre(&object, side) } else { ((side - to.0) / 2, (side - to.1) / 2) };
    imageops::replace(&mut square, &object, i64::from(left), i64::from(top));
    square
}

/// Where an object begins whose centre of mass is to be in the middle of a square, as far as it has room there.
fn beside_centre(object: &GrayImage, side: u32) -> (u32, u32) {
    let (mut mass, mut across, mut down) = (0.0, 0.0, 0.0);
    for (x, y, pixel) in object.enumerate_pixels() {
        let weight = f64::from(pixel[0]);
        (mass, across, down) = (mass + weight, across + weight * (f64::from(x) + 0.5), down + weight * (f64::from(y) + 0.5));
    }
    let start = |sum: f64, length: u32| {
        let centre = if mass > 0.0 { sum / mass } else { f64::from(length) / 2.0 };
        (f64::from(side) / 2.0 - centre).round().clamp(0.0, f64::from(side - length)) as u32
    };
    (start(across, object.width()), start(down, object.height()))
}
