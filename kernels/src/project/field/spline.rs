//! How points share out their charges to nodes, and read a potential from them.

use pulp::{Simd, WithSimd};

/// Nodes along each axis that a point is spread on: those of a spline of degree 5.
pub(super) const STENCIL: usize = 6;
/// They are taken as a register of AVX2, whose last two lanes are nothing.
const LANES: usize = 8;

/// Where places lie on the grid.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub corner: [f32; 2],
    pub scale: f32,
    pub nodes: [usize; 2],
}

impl Origin {
    /// The first node of a place's stencil, and how far the place is past the third, in units of the spacing.
    #[inline(always)]
    fn locate(self, place: [f32; 2]) -> ([usize; 2], [f32; 2]) {
        let (mut first, mut past) = ([0; 2], [0.0; 2]);
        for axis in 0..2 {
            let position = (place[axis] - self.corner[axis]) * self.scale;
            let node = (position as usize).clamp(STENCIL / 2 - 1, self.nodes[axis] + STENCIL / 2 - 1 - LANES);
            (first[axis], past[axis]) = (node + 1 - STENCIL / 2, position - node as f32);
        }
        (first, past)
    }
}

/// The polynomials of which the spline's values at the nodes around a place consist: `[power][node]`.
///
/// Source: Schoenberg 1946, by truncated powers: 120 M(x) = sum of (-1)^k C(6, k) (x - k)^5 over all whole k below x; at `t` past the
/// third node, node j is at x = t + 5 - j.
const POLYNOMIALS: [[f32; LANES]; STENCIL] = {
    const CHOOSE_6: [i64; 6] = [1, -6, 15, -20, 15, -6];
    const CHOOSE_5: [i64; 6] = [1, 5, 10, 10, 5, 1];
    let mut polynomials = [[0.0; LANES]; STENCIL];
    let mut power = 0;
    while power < STENCIL {
        let mut node = 0;
        while node < STENCIL {
            let (mut sum, mut below) = (0, 0);
            while below < STENCIL - node {
                let shift = (STENCIL - 1 - node - below) as i64;
                sum += CHOOSE_6[below] * CHOOSE_5[power] * shift.pow((STENCIL - 1 - power) as u32);
                below += 1;
            }
            polynomials[power][node] = sum as f32 / 120.0;
            node += 1;
        }
        power += 1;
    }
    polynomials
};

/// The spline's values at the six nodes around a place `t` past the third of them, and its derivatives there; 0 in the lanes beyond.
#[inline(always)]
fn spline(t: f32) -> ([f32; LANES], [f32; LANES]) {
    let (mut values, mut slopes) = (POLYNOMIALS[STENCIL - 1], [0.0_f32; LANES]);
    for coefficients in POLYNOMIALS[..STENCIL - 1].iter().rev() {
        for lane in 0..LANES {
            slopes[lane] = slopes[lane].mul_add(t, values[lane]);
            values[lane] = values[lane].mul_add(t, coefficients[lane]);
        }
    }
    (values, slopes)
}

pub(super) struct Spread<'a> {
    pub origin: Origin,
    pub places: &'a [[f32; 2]],
    pub charges: &'a mut [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.origin.nodes[0];
        for &place in self.places {
            let ([column, row], [x, y]) = self.origin.locate(place);
            let ((across, _), (down, _)) = (spline(x), spline(y));
            for node in 0..STENCIL {
                let charges = &mut self.charges[(row + node) * width + column..][..LANES];
                for lane in 0..LANES {
                    charges[lane] = down[node].mul_add(across[lane], charges[lane]);
                }
            }
        }
    }
}

/// Sum of the products, lane by lane; by halves, which is as exact and sooner done than one after the other.
#[inline(always)]
fn product(one: [f32; LANES], other: [f32; LANES]) -> f32 {
    let products: [f32; LANES] = std::array::from_fn(|lane| one[lane] * other[lane]);
    let fours: [f32; 4] = std::array::from_fn(|lane| products[lane] + products[lane + 4]);
    (fours[0] + fours[2]) + (fours[1] + fours[3])
}

pub(super) struct Read<'a> {
    pub origin: Origin,
    pub places: &'a [[f32; 2]],
    pub pushes: &'a mut [[f32; 2]],
    pub potential: &'a [f32],
}

impl WithSimd for Read<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let width = self.origin.nodes[0];
        // The push is half the fall of the potential: the derivative of 1 / (1 + d²) is -2 d q².
        let half = -0.5 * self.origin.scale;
        let mut total = 0.0;
        for (&place, push) in self.places.iter().zip(self.pushes) {
            let ([column, row], [x, y]) = self.origin.locate(place);
            let ((across, across_slope), (down, down_slope)) = (spline(x), spline(y));
            // Rows first, so that columns are weighted once.
            let (mut rows, mut row_slopes) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for node in 0..STENCIL {
                let potential = &self.potential[(row + node) * width + column..][..LANES];
                for lane in 0..LANES {
                    rows[lane] = down[node].mul_add(potential[lane], rows[lane]);
                    row_slopes[lane] = down_slope[node].mul_add(potential[lane], row_slopes[lane]);
                }
            }
            *push = [half * product(rows, across_slope), half * product(row_slopes, across)];
            total += f64::from(product(rows, across));
        }
        total
    }
}

/// What undoes spreading by splines and reading by them, along one axis: the inverse square of the transform of their values at the
/// nodes, 1, 26, 66, 26 and 1 of 120.
///
/// Source: Essmann et al. 1995, eq. 4.8, for order 6.
pub(super) fn correction(wave: usize, length: usize) -> f32 {
    let turn = std::f64::consts::TAU * wave as f64 / length as f64;
    (120.0 / (66.0 + 52.0 * turn.cos() + 2.0 * (2.0 * turn).cos())).powi(2) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splines_sum_to_one_and_slopes_to_nothing() {
        for step in 0..=10 {
            let t = step as f32 / 10.0;
            let (values, slopes) = spline(t);
            assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert!(slopes.iter().sum::<f32>().abs() < 1e-6);
            let numeric: [f32; LANES] = std::array::from_fn(|node| (spline(t + 0.01).0[node] - spline(t - 0.01).0[node]) / 0.02);
            numeric.iter().zip(slopes).for_each(|(numeric, slope)| assert!((numeric - slope).abs() < 1e-3, "{t}"));
        }
        let (at_a_node, _) = spline(0.0);
        [1.0, 26.0, 66.0, 26.0, 1.0, 0.0, 0.0, 0.0]
            .iter()
            .zip(at_a_node)
            .for_each(|(value, ours)| assert!((value / 120.0 - ours).abs() < 1e-6));
    }
}
