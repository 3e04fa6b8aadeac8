//! A picture of anybody's as the data set's own images are: small, grey, light on dark.

use std::io::Cursor;

use image::{
    DynamicImage, GrayImage, ImageDecoder as _, ImageFormat, ImageReader, Limits,
    codecs::{png::PngDecoder, webp::WebPDecoder},
    imageops,
};

use crate::error::{AppError, AppResult};

/// Larger uploads are refused, in bytes.
pub const MOST_BYTES: usize = 10 << 20;
/// Larger pictures are refused before they are decoded.
pub const MOST_PIXELS: u64 = 40_000_000;

/// A picture as a network takes it, and how it became so.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// `[side, side]`, 0 to 255, light on dark.
    pub pixels: Vec<u8>,
    /// Height and width.
    pub side: usize,
    /// What was done, in that order; nothing for a picture that already was one of the data set's.
    pub steps: Vec<Step>,
}

/// One thing that was done to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Turned or mirrored as its EXIF data say.
    Turned,
    /// What one could see through it was filled with white.
    Filled,
    /// Colours became shades of grey (ITU-R BT.709).
    Greyed,
    /// Light and dark changed places, since its ground was light.
    Negated,
    /// Its ground, which was nearly black, became black, and everything else darker with it.
    Blackened,
    /// The ground around the object was cut off.
    Trimmed {
        /// Width and height before.
        from: (u32, u32),
        /// Width and height after.
        to: (u32, u32),
    },
    /// Made smaller or larger.
    Scaled {
        /// Width and height after.
        to: (u32, u32),
    },
    /// Put into the middle of a dark square.
    Centred,
}

/// How the pictures of a data set were put into their squares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The longer side fills the square, and the object's frame is in its middle, as in Fashion-MNIST.
    Whole,
    /// The longer side is 5/7 of the square (20 of 28 pixels), and the centre of mass is in its middle, as in MNIST.
    ///
    /// Source: `LeCun` et al. 1998, section III.A.
    Weighted,
}

/// How far a shade may be from that of the ground and still count as ground: 5 % of the range, as the data set's authors have it.
const GROUND: u8 = 13;

/// Reads PNG, JPEG or WebP and makes it as a data set's images were made: ground black and cut off, scaled and centred as `framing` says, light object
/// on dark ground. The sharpening of Fashion-MNIST's authors is left out: it made up for sampling without smoothing.
///
/// Source: Xiao, Rasul and Vollgraf 2017, section 2.
///
/// # Errors
/// [`AppError::Invalid`] for `image`: what is no such picture, moves, is damaged, or is too large.
pub fn read(bytes: &[u8], side: usize, framing: Framing) -> AppResult<Upload> {
    let invalid = |reason: String| AppError::invalid("image", reason);
    if bytes.is_empty() {
        return Err(invalid("is empty; expected a picture in PNG, JPEG or WebP.".into()));
    }
    if bytes.len() > MOST_BYTES {
        return Err(invalid(format!("has {:.1} MB; at most {} MB are taken.", bytes.len() as f64 / 1e6, MOST_BYTES >> 20)));
    }
    let (picture, mut steps) = decode(bytes)?;
    let grey = to_grey(&picture, &mut steps);
    let square = if grey.dimensions() == (side as u32, side as u32) {
        negate_if_light(grey, &mut steps)
    } else {
        fit(negate_if_light(grey, &mut steps), side as u32, framing, &mut steps)
    };
    Ok(Upload { pixels: square.into_raw(), side, steps })
}

fn decode(bytes: &[u8]) -> AppResult<(DynamicImage, Vec<Step>)> {
    let invalid = |reason: String| AppError::invalid("image", reason);
    let damaged = |error: image::ImageError| invalid(format!("can't be read: {error}."));
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| invalid(format!("can't be read: {error}.")))?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err(invalid("is no picture in PNG, JPEG or WebP.".into()));
    }
    if is_animated(reader.format(), bytes) {
        return Err(invalid("is an animation; expected a still picture.".into()));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_PIXELS * 8); // four channels of 16 bits
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(invalid(format!("has {width} × {height} pixels; at most {} million are taken.", MOST_PIXELS / 1_000_000)));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let mut steps = Vec::new();
    if orientation != image::metadata::Orientation::NoTransforms {
        picture.apply_orientation(orientation);
        steps.push(Step::Turned);
    }
    Ok((picture, steps))
}

/// Which of its pictures would be meant, nobody could say. What can't be read counts as still: reading it tells what is wrong.
fn is_animated(format: Option<ImageFormat>, bytes: &[u8]) -> bool {
    match format {
        Some(ImageFormat::Png) => PngDecoder::new(Cursor::new(bytes)).and_then(|decoder| decoder.is_apng()).unwrap_or_default(),
        Some(ImageFormat::WebP) => WebPDecoder::new(Cursor::new(bytes)).is_ok_and(|decoder| decoder.has_animation()),
        _ => false,
    }
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
    let scaled = |length: u32| ((f64::from(length) * f64::from(room) / f64::from(longer)).round() as u32).clamp(1, room);
    let to = (scaled(object.width()), scaled(object.height()));
    let object = if object.dimensions() == to {
        object
    } else {
        steps.push(Step::Scaled { to });
        // Averages whole areas when it shrinks, so that nothing is skipped over.
        imageops::resize(&object, to.0, to.1, imageops::FilterType::Triangle)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn png(picture: &DynamicImage) -> Vec<u8> {
        encoded(picture, ImageFormat::Png)
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    fn refused(bytes: &[u8]) -> String {
        match read(bytes, 28, Framing::Whole) {
            Err(AppError::Invalid { field, reason }) if field == "image" => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_image_of_the_data_set_stays_as_it_is() {
        let own = GrayImage::from_fn(28, 28, |x, y| image::Luma([if (8..20).contains(&x) { (5 * y) as u8 + 60 } else { 0 }]));
        let upload = read(&png(&DynamicImage::ImageLuma8(own.clone())), 28, Framing::Whole).unwrap();
        assert_eq!((upload.pixels, upload.steps), (own.into_raw(), vec![]));
    }

    #[test]
    fn a_dark_object_on_white_paper_becomes_light_on_dark_trimmed_and_centred() {
        let mut photograph = image::RgbImage::from_pixel(400, 300, image::Rgb([250, 250, 250]));
        for (x, y) in (150..250).flat_map(|x| (50..250).map(move |y| (x, y))) {
            photograph.put_pixel(x, y, image::Rgb([20, 60, 30]));
        }
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let upload = read(&encoded(&DynamicImage::ImageRgb8(photograph.clone()), format), 28, Framing::Whole).unwrap();
            let expected = [
                Step::Greyed,
                Step::Negated,
                Step::Blackened,
                Step::Trimmed { from: (400, 300), to: (100, 200) },
                Step::Scaled { to: (14, 28) },
                Step::Centred,
            ];
            assert_eq!(upload.steps, expected);
            let row: Vec<u8> = upload.pixels[14 * 28..15 * 28].to_vec();
            assert!(row[..7].iter().chain(&row[21..]).all(|&shade| shade == 0), "{row:?}");
            assert!(row[7..21].iter().all(|&shade| shade > 180), "{row:?}");
        }
        let jpeg = read(&encoded(&DynamicImage::ImageRgb8(photograph), ImageFormat::Jpeg), 28, Framing::Whole).unwrap();
        assert!(jpeg.pixels[14 * 28 + 14] > 180 && jpeg.pixels[14 * 28] < 10);
    }

    #[test]
    fn a_digit_is_put_with_its_centre_of_mass_in_the_middle_of_a_frame() {
        // A bar with a foot to its right: 40 x 80 pixels, most of whose mass is at the left and at the bottom.
        let digit = GrayImage::from_fn(200, 200, |x, y| {
            let (bar, foot) = ((60..70).contains(&x), (60..100).contains(&x) && (120..140).contains(&y));
            image::Luma([if (60..140).contains(&y) && (bar || foot) { 255 } else { 0 }])
        });
        let upload = read(&png(&DynamicImage::ImageLuma8(digit)), 28, Framing::Weighted).unwrap();
        assert!(upload.steps.contains(&Step::Scaled { to: (10, 20) }), "{:?}", upload.steps);
        let rows =
            || upload.pixels.chunks(28).enumerate().flat_map(|(y, row)| row.iter().enumerate().map(move |(x, &shade)| (x, y, shade)));
        let mass: f64 = rows().map(|(_, _, shade)| f64::from(shade)).sum();
        let centre =
            |of: fn((usize, usize)) -> usize| rows().map(|(x, y, shade)| (of((x, y)) as f64 + 0.5) * f64::from(shade)).sum::<f64>() / mass;
        let (across, down) = (centre(|(x, _)| x), centre(|(_, y)| y));
        assert!((across - 14.0).abs() <= 0.51 && (down - 14.0).abs() <= 0.51, "{across} {down}");
    }

    #[test]
    fn an_animation_is_refused() {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 4, 4);
        encoder.set_animated(2, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        (0..2).for_each(|_| writer.write_image_data(&[0; 16]).unwrap());
        drop(writer);
        assert!(refused(&bytes).contains("animation"));
    }

    #[test]
    fn what_is_seen_through_counts_as_white_paper() {
        let cut_out =
            image::RgbaImage::from_fn(56, 56, |x, _| if x < 28 { image::Rgba([0, 0, 0, 255]) } else { image::Rgba([9, 9, 9, 0]) });
        let upload = read(&png(&DynamicImage::ImageRgba8(cut_out)), 28, Framing::Whole).unwrap();
        assert_eq!(upload.steps[0], Step::Filled);
    }

    #[test]
    fn a_picture_of_one_shade_has_nothing_to_cut_and_is_no_error() {
        let upload = read(&png(&DynamicImage::ImageLuma8(GrayImage::from_pixel(5, 3, image::Luma([255])))), 28, Framing::Whole).unwrap();
        assert_eq!(upload.pixels, vec![0; 28 * 28]);
    }

    #[test]
    fn what_is_no_picture_is_refused_with_what_was_expected() {
        assert!(refused(b"").contains("PNG, JPEG or WebP"));
        assert!(refused(b"GIF89a rubbish").contains("PNG, JPEG or WebP"));
        assert!(refused(b"hello").contains("PNG, JPEG or WebP"));
        let whole = png(&DynamicImage::ImageLuma8(GrayImage::new(40, 40)));
        assert!(refused(&whole[..whole.len() / 2]).contains("can't be read"));
        assert!(refused(&vec![0; MOST_BYTES + 1]).contains("at most 10 MB"));
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_decoded() {
        // A whole PNG head that claims 60,000 x 60,000 pixels.
        let mut bomb = png(&DynamicImage::ImageLuma8(GrayImage::new(1, 1)));
        bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let check = crc(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&check.to_be_bytes());
        let reason = refused(&bomb);
        assert!(reason.contains("60000 × 60000") && reason.contains("40 million"), "{reason}");
    }

    /// ISO 3309, as PNG has it.
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }
}
