//! A picture of anybody's as a data set's own images are.

mod colour;
mod grey;
#[cfg(test)]
mod hostile;

use std::io::Cursor;

use fast_image_resize::{
    FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::{U8, U8x3},
};
use image::{
    DynamicImage, ImageBuffer, ImageDecoder as _, ImageFormat, ImageReader, Limits, Luma, Rgb,
    codecs::{png::PngDecoder, webp::WebPDecoder},
};

use crate::error::{AppError, AppResult};

/// Larger uploads are refused, in bytes.
pub const MOST_BYTES: usize = 10 << 20;
/// Larger pictures are refused before they are decoded.
pub const MOST_PIXELS: u64 = 40_000_000;

/// A picture as a network takes it, and how it became so.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// `[side, side, channels]`, 0 to 255; grey ones are light on dark.
    pub pixels: Vec<u8>,
    /// Height and width.
    pub side: usize,
    /// 1 of grey ones, 3 of coloured ones: red, green, blue.
    pub channels: usize,
    /// What was done, in that order; nothing for a picture that already was one of the data set's.
    pub steps: Vec<Step>,
}

/// One thing that was done to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(tag = "did", rename_all = "snake_case")]
pub enum Step {
    /// Turned or mirrored as its EXIF data say.
    Turned,
    /// What one could see through it was filled with white.
    Filled,
    /// Colours became shades of grey (ITU-R BT.709).
    Greyed,
    /// Shades of grey became colours of which red, green and blue are the same.
    Coloured,
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
    /// The square in its middle was cut out.
    Cropped {
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
    /// The square in the picture's middle, in colour, as in HAM10000 at 28 x 28.
    Middle,
}

/// Reads PNG, JPEG or WebP and makes it as a data set's images were made, as `framing` says.
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
    let (pixels, channels) = match framing {
        Framing::Middle => (colour::framed(picture, side as u32, &mut steps).into_raw(), 3),
        Framing::Whole | Framing::Weighted => (grey::framed(&picture, side as u32, framing, &mut steps).into_raw(), 1),
    };
    Ok(Upload { pixels, side, channels, steps })
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

/// Pixels of uploads, which are grey, or red, green and blue.
///
/// The kind is known to the compiler, which would build kernels for all of the library's kinds otherwise: a sixth of this crate.
trait Scalable: image::Pixel<Subpixel = u8> {
    /// What the library that scales calls them.
    type Kind: PixelTrait;
}

impl Scalable for Luma<u8> {
    type Kind = U8;
}

impl Scalable for Rgb<u8> {
    type Kind = U8x3;
}

/// Where it shrinks, `filter` averages whole areas, so that nothing is skipped over.
fn scaled<P: Scalable>(picture: &ImageBuffer<P, Vec<u8>>, (width, height): (u32, u32), filter: FilterType) -> ImageBuffer<P, Vec<u8>> {
    let mut scaled = ImageBuffer::new(width, height);
    let from = TypedImageRef::<P::Kind>::from_buffer(picture.width(), picture.height(), picture).expect("as many bytes as pixels");
    let mut to = TypedImage::<P::Kind>::from_buffer(width, height, &mut scaled).expect("as many bytes as pixels");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize_typed(&from, &mut to, &options).expect("two pictures of one kind");
    scaled
}

/// Which of its pictures would be meant, nobody could say. What can't be read counts as still: reading it tells what is wrong.
fn is_animated(format: Option<ImageFormat>, bytes: &[u8]) -> bool {
    match format {
        Some(ImageFormat::Png) => PngDecoder::new(Cursor::new(bytes)).and_then(|decoder| decoder.is_apng()).unwrap_or_default(),
        Some(ImageFormat::WebP) => WebPDecoder::new(Cursor::new(bytes)).is_ok_and(|decoder| decoder.has_animation()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use image::GrayImage;

    use super::*;

    fn png(picture: &DynamicImage) -> Vec<u8> {
        encoded(picture, ImageFormat::Png)
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
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
}
