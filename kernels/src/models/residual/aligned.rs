//! Numbers that begin where a cache line does. A vector that lies across two lines takes the time of two.

use std::ops::{Deref, DerefMut};

use crate::models::convolution::product::PANEL;

#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; PANEL]);

/// f32 values, the first of which stands at a multiple of 64 bytes.
#[derive(Debug, Default, Clone)]
pub(super) struct Aligned {
    lines: Vec<Line>,
    length: usize,
}

impl Aligned {
    /// All zero.
    pub(super) fn zeros(length: usize) -> Self {
        let mut aligned = Self::default();
        aligned.resize(length);
        aligned
    }

    /// As many values; new ones are zero, and old ones stay as they are.
    pub(super) fn resize(&mut self, length: usize) {
        self.lines.resize(length.div_ceil(PANEL), Line([0.0; PANEL]));
        self.length = length;
    }

    /// At least as many values.
    pub(super) fn grow(&mut self, length: usize) {
        self.resize(length.max(self.length));
    }

    /// Sixteen by sixteen.
    pub(super) fn units(&self) -> &[[f32; PANEL]] {
        self.as_chunks().0
    }

    pub(super) fn units_mut(&mut self) -> &mut [[f32; PANEL]] {
        self.as_chunks_mut().0
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.length]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.length]
    }
}
