//! Pictures in colour: the square in their middle, made small.

use fast_image_resize::FilterType;
use image::{DynamicImage, RgbImage, imageops};

use super::{Step, scaled};

/// The square in the middle, scaled by a cubic filter that takes whole areas into account (Catmull and Rom), as the data set's own images were.
/// What one can see through is filled with white; shades of grey are colours too.
pub(super) fn framed(picture: DynamicImage, side: u32, steps: &mut Vec<Step>) -> RgbImage {
    let picture = opaque(picture, steps);
    let (width, height) = picture.dimensions();
    let square = width.min(height);
    if width != height {
        steps.push(Step::Cropped { from: (width, height), to: (square, square) });
    }
    let middle = imageops::crop_imm(&picture, (width - square) / 2, (height - square) / 2, square, square).to_image();
    if square == side {
        return middle;
    }
    steps.push(Step::Scaled { to: (side, side) });
    scaled(&middle, (side, side), FilterType::CatmullRom)
}

fn opaque(picture: DynamicImage, steps: &mut Vec<Step>) -> RgbImage {
    let is_grey = !picture.color().has_color();
    let picture = if picture.color().has_alpha() {
        let see_through = picture.to_rgba8();
        if see_through.pixels().any(|pixel| pixel[3] < 255) {
            steps.push(Step::Filled);
        }
        RgbImage::from_fn(see_through.width(), see_through.height(), |x, y| {
            let pixel = see_through.get_pixel(x, y);
            let alpha = u32::from(pixel[3]);
            image::Rgb([0, 1, 2].map(|channel: usize| ((u32::from(pixel[channel]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
        })
    } else {
        picture.into_rgb8()
    };
    if is_grey {
        steps.push(Step::Coloured);
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    fn taken(picture: &DynamicImage, format: ImageFormat) -> Upload {
        read(&encoded(picture, format), 28, Framing::Middle).unwrap()
    }

    #[test]
    fn an_image_of_the_data_set_stays_as_it_is() {
        let own = RgbImage::from_fn(28, 28, |x, y| image::Rgb([8 * x as u8, 9 * y as u8, (x * y % 251) as u8]));
        let upload = taken(&own.clone().into(), ImageFormat::Png);
        assert_eq!((upload.pixels, upload.channels, upload.steps), (own.into_raw(), 3, vec![]));
    }

    #[test]
    fn the_square_in_the_middle_is_cut_out_and_made_small() {
        // A blue disc in the middle of a wide picture whose ends are red.
        let photograph = RgbImage::from_fn(400, 300, |x, y| {
            let (across, down) = (x.abs_diff(200), y.abs_diff(150));
            image::Rgb(if !(50..350).contains(&x) {
                [255, 0, 0]
            } else if across * across + down * down < 80 * 80 {
                [20, 40, 230]
            } else {
                [220, 200, 180]
            })
        });
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
            let upload = taken(&photograph.clone().into(), format);
            assert_eq!(upload.steps, [Step::Cropped { from: (400, 300), to: (300, 300) }, Step::Scaled { to: (28, 28) }]);
            let pixel = |x: usize, y: usize| &upload.pixels[(y * 28 + x) * 3..][..3];
            assert!(pixel(14, 14)[2] > 200 && pixel(14, 14)[0] < 50, "{:?}", pixel(14, 14));
            assert!(pixel(2, 2)[0] > 200 && pixel(2, 2)[2] > 150 && pixel(27, 14)[1] > 170, "no red end is left: {:?}", pixel(2, 2));
        }
    }

    /// What Pillow 13 makes of the same picture: `Image.fromarray(...).resize((4, 4), Image.Resampling.BICUBIC)`.
    #[test]
    fn it_is_scaled_as_the_data_set_s_own_images_were() {
        let picture = RgbImage::from_fn(18, 18, |x, y| image::Rgb([(x * 13 + y * 3) as u8, (x * x % 200) as u8, (y * 29 % 256) as u8]));
        let expected: [[u8; 3]; 16] = [
            [30, 4, 57],
            [86, 39, 57],
            [147, 122, 57],
            [203, 103, 57],
            [42, 4, 159],
            [98, 39, 159],
            [159, 122, 159],
            [217, 103, 159],
            [57, 4, 78],
            [113, 39, 78],
            [175, 122, 78],
            [216, 103, 78],
            [69, 4, 180],
            [125, 39, 180],
            [192, 122, 180],
            [174, 103, 180],
        ];
        let scaled = framed(picture.into(), 4, &mut Vec::new());
        for (pixel, expected) in scaled.pixels().zip(expected) {
            assert!(pixel.0.iter().zip(expected).all(|(one, other)| one.abs_diff(other) <= 1), "{pixel:?} {expected:?}");
        }
    }

    #[test]
    fn grey_and_see_through_pictures_become_colours() {
        let grey = taken(&DynamicImage::ImageLuma8(image::GrayImage::from_pixel(28, 28, image::Luma([77]))), ImageFormat::Png);
        assert_eq!((&grey.pixels[..3], grey.steps), (&[77, 77, 77][..], vec![Step::Coloured]));
        let clear = taken(&DynamicImage::ImageRgba8(image::RgbaImage::from_pixel(28, 28, image::Rgba([255, 0, 0, 0]))), ImageFormat::Png);
        assert_eq!((&clear.pixels[..3], clear.steps), (&[255, 255, 255][..], vec![Step::Filled]));
        let opaque = taken(&DynamicImage::ImageRgba8(image::RgbaImage::from_pixel(28, 28, image::Rgba([9, 8, 7, 255]))), ImageFormat::Png);
        assert_eq!((&opaque.pixels[..3], opaque.steps), (&[9, 8, 7][..], vec![]));
        let deep = taken(&DynamicImage::ImageRgb16(image::ImageBuffer::from_pixel(28, 28, image::Rgb([65_535, 0, 257]))), ImageFormat::Png);
        assert_eq!(deep.pixels[..3], [255, 0, 1]);
    }

    #[test]
    fn a_picture_of_one_row_or_one_pixel_is_a_picture() {
        let one = taken(&RgbImage::from_pixel(1, 1, image::Rgb([1, 2, 3])).into(), ImageFormat::Png);
        assert_eq!((one.pixels.len(), &one.pixels[28 * 28 * 3 - 3..]), (28 * 28 * 3, &[1, 2, 3][..]));
        let row = taken(&RgbImage::from_fn(1000, 1, |x, _| image::Rgb([if x == 499 { 200 } else { 0 }, 0, 0])).into(), ImageFormat::Png);
        assert_eq!(row.pixels[0], 200);
    }
}
