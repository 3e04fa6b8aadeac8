//! The ways in which an image can be seen: moved, mirrored, turned by quarters.

/// How images change each time they are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Augmentation {
    /// Moved by at most so many pixels each way, each offset as likely.
    pub shift: usize,
    /// What comes in is the image mirrored at its border, the border itself once, instead of 0.
    pub reflected: bool,
    /// Mirrored left to right, every second time.
    pub flip: bool,
    /// Turned by none, one, two or three quarters, each as likely. Of square images only.
    pub turn: bool,
}

/// One way to see an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct View {
    right: isize,
    down: isize,
    reflected: bool,
    mirrored: bool,
    /// Quarters of a turn, clockwise.
    quarters: u8,
}

impl Augmentation {
    /// How many ways to see an image there are.
    #[must_use]
    pub fn views(self) -> usize {
        let offsets = 2 * self.shift + 1;
        offsets * offsets * self.sides() * if self.turn { 4 } else { 1 }
    }

    /// The way of this number, below [`Self::views`].
    #[must_use]
    pub fn view(self, number: usize) -> View {
        let (offsets, reach) = (2 * self.shift + 1, self.shift as isize);
        let offset = |number: usize| (number % offsets) as isize - reach;
        let rest = number / (offsets * offsets);
        let (mirrored, quarters) = (rest % self.sides() == 1, (rest / self.sides()) as u8);
        View { right: offset(number), down: offset(number / offsets), reflected: self.reflected, mirrored, quarters }
    }

    fn sides(self) -> usize {
        if self.flip { 2 } else { 1 }
    }
}

/// A square image turned clockwise by so many quarters.
fn turned(image: &[u8], side: usize, channels: usize, quarters: u8) -> Vec<u8> {
    let mut turned = Vec::with_capacity(image.len());
    for (row, column) in (0..side).flat_map(|row| (0..side).map(move |column| (row, column))) {
        let [row, column] = match quarters % 4 {
            0 => [row, column],
            1 => [side - 1 - column, row],
            2 => [side - 1 - row, side - 1 - column],
            _ => [column, side - 1 - row],
        };
        turned.extend_from_slice(&image[(row * side + column) * channels..][..channels]);
    }
    turned
}

impl View {
    /// Appends `image`, `[height, width, channels]`, seen so, to `pixels`: turned, then mirrored, then moved.
    pub fn append(self, image: &[u8], [height, width, channels]: [usize; 3], pixels: &mut Vec<u8>) {
        let turned = (self.quarters > 0).then(|| turned(image, height, channels, self.quarters));
        let image = turned.as_deref().unwrap_or(image);
        for row in 0..height {
            let line = self.source(row, self.down, height).map(|row| &image[row * width * channels..][..width * channels]);
            if line.is_some() && self.right == 0 && !self.mirrored {
                pixels.extend_from_slice(line.unwrap_or_default());
                continue;
            }
            for column in 0..width {
                let column = self.source(column, self.right, width).map(|column| if self.mirrored { width - 1 - column } else { column });
                match (line, column) {
                    (Some(line), Some(column)) => pixels.extend_from_slice(&line[column * channels..][..channels]),
                    _ => pixels.extend(std::iter::repeat_n(0, channels)),
                }
            }
        }
    }

    /// Which of `side` places comes to `place` when all move by `offset`; `None` where nothing does.
    fn source(self, place: usize, offset: isize, side: usize) -> Option<usize> {
        let (source, last) = (place as isize - offset, side as isize - 1);
        let inside = if self.reflected && last > 0 {
            // Back and forth between both borders.
            let within = source.rem_euclid(2 * last);
            within.min(2 * last - within)
        } else {
            source
        };
        (0..=last).contains(&inside).then_some(inside as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_move_and_mirror() {
        let image = [1, 2, 3, 4, 5, 6];
        let view = |right, down, mirrored| {
            let mut pixels = Vec::new();
            View { right, down, mirrored, ..View::default() }.append(&image, [2, 3, 1], &mut pixels);
            pixels
        };
        assert_eq!(view(0, 0, false), image);
        assert_eq!(view(1, 0, false), [0, 1, 2, 0, 4, 5]);
        assert_eq!(view(-1, 0, false), [2, 3, 0, 5, 6, 0]);
        assert_eq!(view(0, 1, false), [0, 0, 0, 1, 2, 3]);
        assert_eq!(view(0, -1, false), [4, 5, 6, 0, 0, 0]);
        assert_eq!(view(0, 0, true), [3, 2, 1, 6, 5, 4]);
        assert_eq!(view(1, 0, true), [0, 3, 2, 0, 6, 5]);
        assert_eq!(view(-1, 0, true), [2, 1, 0, 5, 4, 0]);
        assert_eq!(view(3, 0, false), [0; 6]);
        assert_eq!((view(7, 0, false), view(-7, 5, true)), (vec![0; 6], vec![0; 6]));
        let mut colours = Vec::new();
        View { mirrored: true, ..View::default() }.append(&image, [1, 2, 3], &mut colours);
        assert_eq!(colours, [4, 5, 6, 1, 2, 3]);
    }

    #[test]
    fn what_comes_in_may_be_the_image_mirrored_at_its_border() {
        let view = |right, down| {
            let mut pixels = Vec::new();
            View { right, down, reflected: true, ..View::default() }.append(&[1, 2, 3, 4, 5, 6], [2, 3, 1], &mut pixels);
            pixels
        };
        assert_eq!(view(1, 0), [2, 1, 2, 5, 4, 5]);
        assert_eq!(view(-2, 0), [3, 2, 1, 6, 5, 4]);
        assert_eq!(view(0, 1), [4, 5, 6, 1, 2, 3]);
        assert_eq!((view(4, 0), view(0, -2)), (view(0, 0), view(0, 0)));
        let mut pixels = Vec::new();
        View { right: 1, reflected: true, ..View::default() }.append(&[7, 8], [2, 1, 1], &mut pixels);
        assert_eq!(pixels, [0, 0], "a single column has nothing to mirror");
    }

    #[test]
    fn squares_turn_by_quarters_before_they_are_mirrored_and_moved() {
        let image = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let view = |view: View| {
            let mut pixels = Vec::new();
            view.append(&image, [3, 3, 1], &mut pixels);
            pixels
        };
        let quarters = |quarters| View { quarters, ..View::default() };
        assert_eq!(view(quarters(1)), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        assert_eq!(view(quarters(2)), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(view(quarters(3)), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(view(View { mirrored: true, ..quarters(1) }), [1, 4, 7, 2, 5, 8, 3, 6, 9]);
        assert_eq!(view(View { right: 1, ..quarters(2) }), [0, 9, 8, 0, 6, 5, 0, 3, 2]);
        let mut colours = Vec::new();
        quarters(1).append(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, 2, 3], &mut colours);
        assert_eq!(colours, [7, 8, 9, 1, 2, 3, 10, 11, 12, 4, 5, 6]);
    }

    #[test]
    fn views_are_all_offsets_on_both_sides() {
        let augmentation = Augmentation { shift: 1, flip: true, ..Augmentation::default() };
        let views: std::collections::BTreeSet<View> = (0..augmentation.views()).map(|number| augmentation.view(number)).collect();
        assert_eq!(views.len(), 18);
        assert!(views.iter().all(|view| view.right.abs() <= 1 && view.down.abs() <= 1));
        assert_eq!((Augmentation::default().views(), Augmentation::default().view(0)), (1, View::default()));
        for (flip, count) in [(false, 4), (true, 8)] {
            let turning = Augmentation { flip, turn: true, ..Augmentation::default() };
            let views: std::collections::BTreeSet<View> = (0..turning.views()).map(|number| turning.view(number)).collect();
            assert_eq!((views.len(), turning.views()), (count, count));
            assert!(views.iter().all(|view| view.quarters < 4));
        }
    }
}
