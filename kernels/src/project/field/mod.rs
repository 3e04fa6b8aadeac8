//! How all points of a map push each other apart: near pairs one by one, all others by interpolation on a grid and fast Fourier
//! transforms.

mod grid;
mod kernel;
mod near;
mod spline;
#[cfg(test)]
mod testing;

use pulp::Arch;
use rayon::prelude::*;

use grid::{Grid, Transforms};
use kernel::Kernel;
use near::Near;
use spline::{Origin, Read, STENCIL, Spread};

/// Distances of the grid's nodes to choose from. The finest holds the kernel as it is; the others hold it smoothed within
/// [`REACH`] times their spacing.
const SPACINGS: [f32; 7] = [0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5];
/// Spacings that pairs are near within: pushes are then off by a thousandth on wide maps.
const REACH: f32 = 4.0;
/// Nodes left free at the border: the spline's, and some for what the correction of the kernel spreads.
const MARGIN: usize = 4;
/// Points spread on one grid, before the grids are added: fixed, so that the number of threads shows in no bit.
const SPREAD: usize = 8_192;
/// Rows of nodes that a thread takes at a time where the grids are added.
const ROWS: usize = 8;
/// Points a thread takes at a time.
const POINTS: usize = 1_024;
/// The most nodes along an axis: a map wider than 1,800 is seen less sharply, and memory is bounded.
const MAXIMUM_NODES: usize = 1_200;
/// What a near pair costs, and what a point does beside its pairs, in units of a node's share of the transforms. Measured.
const COST_OF_PAIR: f32 = 0.015;
const PAIRS_AT_LEAST: f32 = 30.0;
/// By how much another spacing must be cheaper than the one in use: a new grid has its own price.
const WORTH_A_CHANGE: f32 = 0.8;

/// The potential of all points, sum of 1 / (1 + d²) over their distances d, whose gradient pushes them apart.
///
/// Interpolation as in Linderman et al. 2019 (the points' charges go to a grid, are convolved there with the kernel by Fourier
/// transforms, and the result is read at the points), with three changes. The splines are those of the smooth particle-mesh Ewald
/// method (Essmann et al. 1995), whose gradient is continuous, so that one potential serves for the normaliser and both components
/// of the force. The kernel is corrected for the splines, so that at the nodes it is exact; one transform forward and one back. And the
/// grid has the kernel's smooth part alone, which a few nodes hold, while the rest is summed over near pairs ([`Kernel`]): on a wide map
/// points have few near ones, and nodes a unit apart do what would need them at a third of one.
pub(super) struct Field {
    grid: Option<Grid>,
    kernel: Kernel,
    transforms: Transforms,
    near: Near,
    charges: Vec<f32>,
    potential: Vec<f32>,
}

impl Field {
    pub fn new() -> Self {
        Self {
            grid: None,
            kernel: Kernel::new(0.0),
            transforms: Transforms::new(),
            near: Near::default(),
            charges: Vec::new(),
            potential: Vec::new(),
        }
    }

    /// The push on every point, sum of q² (own - other) with q = 1 / (1 + d²), into `pushes`; gives the sum of q over all pairs.
    pub fn pushes(&mut self, places: &[[f32; 2]], pushes: &mut [[f32; 2]]) -> f64 {
        let corners = corners(places);
        self.fit(corners, places.len());
        let Some(grid) = &self.grid else { return 0.0 };
        let [width, height] = grid.nodes;
        // Nodes stay where they are while points move, and with them what is left of the error.
        let corner = corners[0].map(|low| ((low / grid.spacing).floor() - (MARGIN as f32 + 1.0)) * grid.spacing);
        let origin = Origin { corner, scale: 1.0 / grid.spacing, nodes: grid.nodes };

        // One grid for each so many points, then their sum.
        let size = width * height;
        self.charges.clear();
        self.charges.resize(size * places.len().div_ceil(SPREAD), 0.0);
        self.charges.par_chunks_mut(size).zip(places.par_chunks(SPREAD)).for_each(|(charges, places)| {
            Arch::new().dispatch(Spread { origin, places, charges });
        });
        let (charges, more) = self.charges.split_at_mut(size);
        if !more.is_empty() {
            charges.par_chunks_mut(width * ROWS).enumerate().for_each(|(band, charges)| {
                for grid in more.chunks_exact(size) {
                    charges.iter_mut().zip(&grid[band * width * ROWS..]).for_each(|(sum, charge)| *sum += charge);
                }
            });
        }
        self.potential.resize(size, 0.0);
        grid.convolve(charges, &mut self.transforms, &mut self.potential);

        let potential = &self.potential;
        let chunks = places.par_chunks(POINTS).zip(pushes.par_chunks_mut(POINTS));
        let sums: Vec<f64> = chunks.map(|(places, pushes)| Arch::new().dispatch(Read { origin, places, pushes, potential })).collect();
        let mut total = sums.iter().sum::<f64>();
        if self.kernel.reach > 0.0 {
            total += self.near.add(&self.kernel, places, corners, pushes);
        }
        // Each point is in its own potential with similarity 1.
        (total - places.len() as f64).max(0.0)
    }

    /// Makes sure that the grid holds all points, at the spacing that is soonest done.
    fn fit(&mut self, [low, high]: [[f32; 2]; 2], points: usize) {
        let extent = [high[0] - low[0], high[1] - low[1]];
        let cost = |spacing| cost(extent, points, spacing);
        let mut spacing = SPACINGS.into_iter().min_by(|&one, &other| cost(one).total_cmp(&cost(other))).unwrap_or(SPACINGS[0]);
        let current = self.grid.as_ref().map(|grid| grid.spacing).filter(|current| SPACINGS.contains(current));
        if let Some(current) = current.filter(|&current| cost(spacing) > WORTH_A_CHANGE * cost(current)) {
            spacing = current;
        }
        self.kernel = Kernel::new(reach(spacing));
        let widest = extent[0].max(extent[1]);
        while widest / spacing > (MAXIMUM_NODES - 2 * MARGIN - STENCIL - 1) as f32 && spacing.is_finite() {
            spacing *= 2.0;
        }
        let needed = extent.map(|extent| (extent / spacing) as usize + 1 + STENCIL + 2 * MARGIN);
        let fits = self.grid.as_ref().is_some_and(|grid| {
            // A grid much too large costs more than a new one.
            grid.spacing == spacing && (0..2).all(|axis| grid.nodes[axis] >= needed[axis] && grid.nodes[axis] <= 2 * needed[axis].max(32))
        });
        if !fits {
            // Some room to grow.
            let nodes = needed.map(|needed| needed + needed / 12);
            self.grid = Some(Grid::new(nodes, spacing, &self.kernel, &mut self.transforms));
        }
    }
}

/// The least and the greatest coordinates.
fn corners(places: &[[f32; 2]]) -> [[f32; 2]; 2] {
    let mut corners = [[f32::INFINITY; 2], [f32::NEG_INFINITY; 2]];
    for place in places {
        for axis in 0..2 {
            corners[0][axis] = corners[0][axis].min(place[axis]);
            corners[1][axis] = corners[1][axis].max(place[axis]);
        }
    }
    corners
}

/// Within which distance pairs are summed one by one at a spacing.
fn reach(spacing: f32) -> f32 {
    if spacing == SPACINGS[0] { 0.0 } else { REACH * spacing }
}

/// About what a spacing costs for so many points on a map of this extent.
fn cost(extent: [f32; 2], points: usize, spacing: f32) -> f32 {
    let [width, height] = extent.map(|extent| extent / spacing + (STENCIL + 2 * MARGIN) as f32);
    // Points looked at are those of nine cells as wide as the reach, and twice as many where points lie as they do, in clusters.
    let cells = extent.map(|extent| extent.max(3.0 * reach(spacing)) / (3.0 * reach(spacing)));
    let pairs = if reach(spacing) > 0.0 { 2.0 * points as f32 / (cells[0] * cells[1]) + PAIRS_AT_LEAST } else { 0.0 };
    width * height + COST_OF_PAIR * points as f32 * pairs
}

#[cfg(test)]
mod tests {
    use super::testing::scattered;
    use super::*;

    /// By the sum over all pairs.
    fn plainly(places: &[[f32; 2]]) -> (f64, Vec<[f64; 2]>) {
        let mut total = 0.0;
        let mut push = |own: &[f32; 2]| {
            places.iter().fold([0.0; 2], |sum, other| {
                let step = [0, 1].map(|axis| f64::from(own[axis]) - f64::from(other[axis]));
                let q = 1.0 / (1.0 + step[0] * step[0] + step[1] * step[1]);
                total += q;
                [sum[0] + q * q * step[0], sum[1] + q * q * step[1]]
            })
        };
        let pushes = places.iter().map(&mut push).collect();
        (total - places.len() as f64, pushes)
    }

    #[test]
    fn pushes_are_the_sum_over_all_pairs() {
        let mut field = Field::new();
        for (count, width, height) in [
            (2, 3.0, 3.0),
            (50, 1.0, 1.0),
            (400, 12.0, 12.0),
            (1_500, 40.0, 35.0),
            (1_500, 60.0, 80.0),
            (2_500, 7.0, 130.0),
            (800, 0.01, 0.02),
        ] {
            let places = scattered(count, width, height);
            let mut pushes = vec![[0.0; 2]; count];
            let total = field.pushes(&places, &mut pushes);
            let (exact_total, exact) = plainly(&places);
            let square = |push: &[f64; 2]| push[0] * push[0] + push[1] * push[1];
            let size = (exact.iter().map(square).sum::<f64>()).sqrt();
            let error =
                pushes.iter().zip(&exact).map(|(ours, exact)| square(&[f64::from(ours[0]) - exact[0], f64::from(ours[1]) - exact[1]]));
            let error = error.sum::<f64>().sqrt() / size;
            let total_error = (total / exact_total - 1.0).abs();
            println!("{count} on {width} x {height}: pushes {error:.2e}, sum {total_error:.2e}");
            // On next to one spot pushes are next to nothing.
            assert!(error < if width < 0.1 { 5e-3 } else { 1e-3 }, "{count} points on {width} x {height}: {error}");
            assert!(total_error < 3e-4, "{count} points on {width} x {height}: {total} {exact_total}");
        }
    }

    #[test]
    fn a_map_far_too_wide_is_still_finite() {
        let places = [[-1e12, 0.0], [1e12, 3.0], [0.0, 1e11]];
        let mut pushes = [[f32::NAN; 2]; 3];
        assert!(Field::new().pushes(&places, &mut pushes).is_finite());
        assert!(pushes.iter().flatten().all(|push| push.is_finite()));
    }
}
