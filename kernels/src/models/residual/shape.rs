//! What the network looks like, and which shapes there are kernels for.

use crate::models::convolution::lanes::LANES;

/// Channels of an image are filled up with zeros to a multiple of it, since sums run in steps of as many.
pub(super) const STEPS: usize = 4;

/// A residual network: convolution 3×3; three stacks of two blocks of two convolutions 3×3, the second and third stack on half the height and
/// width; the mean over all places; dense. A batch normalisation follows each convolution but the projections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Of an image.
    pub height: usize,
    /// Of an image.
    pub width: usize,
    /// Of an image.
    pub channels: usize,
    /// Of the first stack, a multiple of 8; the second has twice, the third four times as many.
    pub filters: usize,
    /// Of the dense layer.
    pub classes: usize,
}

/// A shape that the kernels are not made for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected images with height, width and channels, at least one class, and filters in multiples of 8; got {0:?}")]
pub struct ShapeError(pub Shape);

/// Convolutions that a normalisation follows, and blocks.
pub(super) const CONVOLUTIONS: usize = 13;
pub(super) const BLOCKS: usize = 6;
pub(super) const STACKS: usize = 3;

/// A convolution 3×3 with a border of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Of what comes in.
    pub height: usize,
    pub width: usize,
    /// Channels that come in and go out.
    pub inputs: usize,
    pub outputs: usize,
    pub stride: usize,
}

impl Geometry {
    pub(super) fn out_height(self) -> usize {
        self.height.div_ceil(self.stride)
    }

    pub(super) fn out_width(self) -> usize {
        self.width.div_ceil(self.stride)
    }

    pub(super) fn out_places(self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Numbers that come in and go out for one image.
    pub(super) fn input(self) -> usize {
        self.height * self.width * self.inputs
    }

    pub(super) fn output(self) -> usize {
        self.out_places() * self.outputs
    }

    /// A side with its border: one place before, and after it as many as fill tiles of four, and one.
    pub(super) fn border(side: usize) -> usize {
        side.next_multiple_of(4) + 2
    }

    /// The same with a border.
    pub(super) fn padded_input(self) -> usize {
        Self::border(self.height) * Self::border(self.width) * self.inputs
    }

    pub(super) fn padded_output(self) -> usize {
        Self::border(self.out_height()) * Self::border(self.out_width()) * self.outputs
    }
}

impl Shape {
    /// Whether there are kernels for it.
    pub(in crate::models) fn check(self) -> Result<(), ShapeError> {
        let sizes = self.height > 0 && self.width > 0 && self.channels > 0 && self.classes > 0;
        if sizes && self.filters > 0 && self.filters.is_multiple_of(LANES) { Ok(()) } else { Err(ShapeError(self)) }
    }

    pub(super) fn image(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Features that the dense layer takes.
    pub(super) fn features(self) -> usize {
        4 * self.filters
    }

    /// Of the convolution `number`: 0 is the stem, 1 + 2b and 2 + 2b are those of the block b.
    pub(super) fn geometry(self, number: usize) -> Geometry {
        let halved = |side: usize, times: usize| (0..times).fold(side, |side, _| side.div_ceil(2));
        let Some(place) = number.checked_sub(1) else {
            let inputs = self.channels.next_multiple_of(STEPS);
            return Geometry { height: self.height, width: self.width, inputs, outputs: self.filters, stride: 1 };
        };
        let (stack, outputs) = (place / 4, self.filters << (place / 4));
        let shrinks = stack > 0 && place % 4 == 0;
        let times = stack - usize::from(shrinks);
        let inputs = if shrinks { outputs / 2 } else { outputs };
        let (height, width) = (halved(self.height, times), halved(self.width, times));
        Geometry { height, width, inputs, outputs, stride: 1 + usize::from(shrinks) }
    }

    /// Whether the block's shortcut is a convolution 1×1.
    pub(super) fn is_projected(block: usize) -> bool {
        block == 2 || block == 4
    }

    /// Places of the parameters of each convolution (its weight; scale and offset follow), of each block's projection, and of the dense layer.
    pub(super) fn order() -> Order {
        let mut order = Order { convolutions: [0; CONVOLUTIONS], projections: [None; BLOCKS], dense: 0 };
        let mut next = 0;
        for number in 0..CONVOLUTIONS {
            order.convolutions[number] = next;
            next += 3;
            let block = number.wrapping_sub(2) / 2;
            if number > 0 && number % 2 == 0 && Self::is_projected(block) {
                order.projections[block] = Some(next);
                next += 1;
            }
        }
        order.dense = next;
        order
    }

    /// Numbers of each parameter that is learned.
    #[must_use]
    pub fn parameters(self) -> Vec<usize> {
        let mut sizes = Vec::new();
        for number in 0..CONVOLUTIONS {
            let Geometry { inputs, outputs, .. } = self.geometry(number);
            let inputs = if number == 0 { self.channels } else { inputs };
            sizes.extend([9 * inputs * outputs, outputs, outputs]);
            if number > 0 && number % 2 == 0 && Self::is_projected((number - 2) / 2) {
                sizes.push(self.geometry(number - 1).inputs * outputs);
            }
        }
        sizes.extend([self.classes * self.features(), self.classes]);
        sizes
    }
}

/// Where each parameter stands among those that are learned.
pub(super) struct Order {
    pub convolutions: [usize; CONVOLUTIONS],
    pub projections: [Option<usize>; BLOCKS],
    pub dense: usize,
}

impl Order {
    /// Of the projection beside the convolution `number`.
    pub(super) fn projection(&self, number: usize) -> Option<usize> {
        if number % 2 == 1 { self.projections[number / 2] } else { None }
    }
}
