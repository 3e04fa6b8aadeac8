//! A picture with heat over it: what a network looked at.

/// Where the heat is: `[height, width]`, at least 0.
#[derive(Debug, Clone, Copy)]
pub struct Heat<'a> {
    /// Row after row.
    pub values: &'a [f32],
    /// Height and width.
    pub side: [usize; 2],
}

/// How the picture's own pixels are made larger. The heat is always smoothed: its few values are those of whole areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Enlarged {
    /// Each pixel becomes a square: what the network saw.
    #[default]
    Nearest,
    /// Blended from one pixel to the next: easier on the eye.
    Smooth,
}

/// The opacity of the greatest heat; where there is none the picture is as it was.
const OPACITY: f32 = 0.75;

/// From no heat to the greatest, sRGB: five steps along matplotlib's colour map `magma`, whose lightness rises evenly, so that it reads in grey
/// and without red or green too.
///
/// Source: Smith and van der Walt 2015 (CC0).
const COLOURS: [[f32; 3]; 5] = [[0.0, 0.0, 4.0], [81.0, 18.0, 124.0], [183.0, 55.0, 121.0], [252.0, 137.0, 97.0], [252.0, 253.0, 191.0]];

/// PNG of `image`, `[height, width, channels]` with one channel or three, made `scale` times as large, with `heat` over it. The greatest value of
/// the heat has the last colour, whatever it is; heat that is 0 throughout leaves the picture as it is.
///
/// # Panics
/// When an array has not the shape that is said.
#[must_use]
pub fn overlay(image: &[u8], [height, width, channels]: [usize; 3], heat: Heat, scale: usize, enlarged: Enlarged) -> Vec<u8> {
    assert_eq!((image.len(), heat.values.len()), (height * width * channels, heat.side[0] * heat.side[1]), "arrays have their shapes");
    let most = heat.values.iter().copied().fold(0.0, f32::max);
    let channel =
        |row: usize, column: usize, channel: usize| f32::from(image[(row * width + column) * channels + channel.min(channels - 1)]);
    let mut pixels = Vec::with_capacity(height * width * scale * scale * 3);
    for (y, x) in (0..height * scale).flat_map(|y| (0..width * scale).map(move |x| (y, x))) {
        let share = if most > 0.0 {
            let at = |row: usize, column: usize| heat.values[row * heat.side[1] + column];
            blended(at, heat.side, [place(y, height * scale, heat.side[0]), place(x, width * scale, heat.side[1])]) / most
        } else {
            0.0
        };
        for (which, colour) in colour(share).into_iter().enumerate() {
            let own = match enlarged {
                Enlarged::Nearest => channel(y / scale, x / scale, which),
                Enlarged::Smooth => {
                    let at = |row: usize, column: usize| channel(row, column, which);
                    blended(at, [height, width], [place(y, height * scale, height), place(x, width * scale, width)])
                }
            };
            let opacity = OPACITY * share;
            pixels.push((own + opacity * (colour - own)).round() as u8);
        }
    }
    encoded(&pixels, height * scale, width * scale)
}

/// The centre of pixel `at` of `of`, in pixels of a picture of `side`.
fn place(at: usize, of: usize, side: usize) -> f32 {
    ((at as f32 + 0.5) * side as f32 / of as f32 - 0.5).clamp(0.0, side as f32 - 1.0)
}

/// Between the four values around a place.
fn blended(value: impl Fn(usize, usize) -> f32, [height, width]: [usize; 2], [y, x]: [f32; 2]) -> f32 {
    let (top, left) = (y as usize, x as usize);
    let (bottom, right) = ((top + 1).min(height - 1), (left + 1).min(width - 1));
    let (down, across) = (y - top as f32, x - left as f32);
    let mix = |from: f32, to: f32, share: f32| from + (to - from) * share;
    mix(mix(value(top, left), value(top, right), across), mix(value(bottom, left), value(bottom, right), across), down)
}

fn colour(share: f32) -> [f32; 3] {
    let place = share.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let below = (place as usize).min(COLOURS.len() - 2);
    std::array::from_fn(|channel| {
        COLOURS[below][channel] + (COLOURS[below + 1][channel] - COLOURS[below][channel]) * (place - below as f32)
    })
}

fn encoded(pixels: &[u8], height: usize, width: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("memory takes every write");
    writer.write_image_data(pixels).expect("the pixels have the picture's shape");
    writer.finish().expect("memory takes every write");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(png: &[u8]) -> (usize, Vec<[u8; 3]>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width as usize, pixels.as_chunks().0.to_vec())
    }

    #[test]
    fn without_heat_the_picture_is_as_it_was_and_larger() {
        let cold = Heat { values: &[0.0; 4], side: [2, 2] };
        let (width, pixels) = decoded(&overlay(&[10, 20, 30, 200, 100, 0], [1, 2, 3], cold, 3, Enlarged::Nearest));
        assert_eq!((width, pixels.len()), (6, 18));
        assert_eq!((pixels[0], pixels[2], pixels[3], pixels[17]), ([10, 20, 30], [10, 20, 30], [200, 100, 0], [200, 100, 0]));
        let (_, smooth) = decoded(&overlay(&[0, 255], [1, 2, 1], cold, 4, Enlarged::Smooth));
        assert!(smooth[..8].windows(2).all(|pair| pair[0][0] <= pair[1][0]) && smooth[3] != smooth[4], "{smooth:?}");
    }

    #[test]
    fn the_hottest_place_is_the_brightest_whatever_its_value() {
        for most in [1e-6, 40.0] {
            let heat = Heat { values: &[0.0, 0.0, 0.0, most], side: [2, 2] };
            let (width, pixels) = decoded(&overlay(&[60; 16], [4, 4, 1], heat, 2, Enlarged::Nearest));
            let light = |x: usize, y: usize| pixels[y * width + x].iter().map(|value| u32::from(*value)).sum::<u32>();
            assert_eq!(pixels[0], [60, 60, 60], "{most}");
            assert!(light(7, 7) > light(0, 0) && pixels[63] == [204, 205, 158], "{:?}", pixels[63]);
        }
    }

    #[test]
    fn colours_grow_lighter_from_step_to_step() {
        let light = |step: u8| {
            colour(f32::from(step) / 20.0).iter().zip([0.2126, 0.7152, 0.0722]).map(|(value, weight)| value * weight).sum::<f32>()
        };
        assert!((1..=20).all(|step| light(step) > light(step - 1)));
    }
}
