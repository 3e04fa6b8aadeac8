//! What the network looks like, and which shapes there are kernels for.

use super::{dense::Order, lanes::LANES, product::PANEL};

/// Convolution 3×3, relu; convolution 3×3, relu; max-pooling 2×2; dropout; dense, relu; dropout; dense. Without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Of an image; at least 6.
    pub height: usize,
    /// Of an image; at least 6.
    pub width: usize,
    /// Of an image.
    pub channels: usize,
    /// Of both convolutions: multiples of 8, the second at most 64.
    pub filters: [usize; 2],
    /// Of the hidden dense layer.
    pub units: usize,
    /// Numbers of an embedding.
    pub outputs: usize,
}

/// A shape that the kernels are not made for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected images of at least 6x6, and filters in multiples of 8 with at most 64 in the second convolution; got {0:?}")]
pub struct ShapeError(pub Shape);

impl Shape {
    /// Height and width after the pooling; an odd line at the end falls away.
    #[must_use]
    pub fn pooled(&self) -> [usize; 2] {
        [(self.height - 4) / 2, (self.width - 4) / 2]
    }

    /// Numbers of each parameter, in the order of [`super::DirectNetwork::forward`].
    #[must_use]
    pub fn parameters(&self) -> [usize; 8] {
        let [first, second] = self.filters;
        let features = self.order().inputs();
        [
            first * 9 * self.channels,
            first,
            second * 9 * first,
            second,
            self.units * features,
            self.units,
            self.outputs * self.units,
            self.outputs,
        ]
    }

    /// Whether there are kernels for it.
    pub(super) fn check(self) -> Result<(), ShapeError> {
        let [first, second] = self.filters;
        let filters = [first, second].iter().all(|&filters| filters > 0 && filters % LANES == 0) && second <= u64::BITS as usize;
        let sizes = self.height >= 6 && self.width >= 6 && self.channels > 0 && self.units > 0 && self.outputs > 0;
        if filters && sizes { Ok(()) } else { Err(ShapeError(self)) }
    }

    pub(super) fn order(&self) -> Order {
        Order { places: self.pooled().iter().product(), channels: self.filters[1] }
    }

    pub(super) fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Width of the features between the convolutions, and how many numbers they are.
    pub(super) fn features(&self) -> [usize; 2] {
        [self.width - 2, (self.height - 2) * (self.width - 2) * self.filters[0]]
    }

    /// Hidden units with those added that are always zero.
    pub(super) fn units_padded(&self) -> usize {
        self.units.next_multiple_of(PANEL)
    }
}
