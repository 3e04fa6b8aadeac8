//! The gradient of t-SNE and its divergence, exactly: by the sum over all pairs.

use pulp::{Arch, Simd, WithSimd};

use super::affinities::Affinities;
use super::descent::Objective;
use super::lanes::{LANES, ln, total};

/// As good as infinity: beyond it the square of the distance overflows. A point out here neither pulls nor pushes.
const FAR: f32 = 1e18;

/// All pairs of points: for maps of up to a few thousand.
#[derive(Clone, Copy)]
pub(super) struct Exact<'a>(pub &'a Affinities);

impl Objective for Exact<'_> {
    fn gradient(&mut self, places: &[[f32; 2]], exaggeration: f32, gradient: &mut [[f32; 2]]) {
        Plane::new(places, self.0.stride).gradient(self.0, exaggeration, gradient);
    }

    fn divergence(&mut self, places: &[[f32; 2]]) -> f64 {
        Plane::new(places, self.0.stride).divergence(self.0)
    }
}

/// A map of points on the plane, coordinate by coordinate, padded with points that lie as good as infinitely far.
struct Plane {
    x: Vec<f32>,
    y: Vec<f32>,
}

/// The pull and push on one point, and the sum of its similarities to the others.
#[derive(Clone, Copy, Default)]
struct Force {
    pull: [f32; 2],
    push: [f32; 2],
    similarity: f64,
}

impl Plane {
    /// Lays `places` on a plane padded to `stride`.
    fn new(places: &[[f32; 2]], stride: usize) -> Self {
        let (mut x, mut y): (Vec<f32>, Vec<f32>) = places.iter().map(|&[x, y]| (x, y)).unzip();
        x.resize(stride, FAR);
        y.resize(stride, 0.0);
        Self { x, y }
    }

    /// Gradient of the KL divergence with the affinities multiplied by `exaggeration`, `[count]` of (x, y), into `gradient`.
    ///
    /// Source: van der Maaten 2014, eq. 8: 4 (attraction - repulsion / Z).
    fn gradient(&self, affinities: &Affinities, exaggeration: f32, gradient: &mut [[f32; 2]]) {
        let forces = self.per_row(affinities, Plane::force_on);
        let normaliser: f64 = forces.iter().map(|force| force.similarity).sum();
        let scale = if normaliser > 0.0 { (1.0 / normaliser) as f32 } else { 0.0 };
        for (slope, force) in gradient.iter_mut().zip(&forces) {
            for axis in 0..2 {
                slope[axis] = 4.0 * (exaggeration * force.pull[axis] - scale * force.push[axis]);
            }
        }
    }

    /// KL divergence of the map's similarities from the affinities, in nats.
    fn divergence(&self, affinities: &Affinities) -> f64 {
        if affinities.count < 2 {
            return 0.0;
        }
        let sums = self.per_row(affinities, Plane::log_similarity_to);
        let (logs, normaliser) = sums.iter().fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
        (affinities.negative_entropy + logs + normaliser.ln()).max(0.0)
    }

    /// Calls `work` on every point: the plane with that point itself taken far away, its place, its row of affinities.
    fn per_row<T>(&self, affinities: &Affinities, work: impl Fn(&Self, [f32; 2], &[f32]) -> T) -> Vec<T> {
        let mut others = Self { x: self.x.clone(), y: self.y.clone() };
        let each = affinities.joint.chunks_exact(affinities.stride).enumerate().map(|(row, probabilities)| {
            others.x[row] = FAR;
            let result = work(&others, [self.x[row], self.y[row]], probabilities);
            others.x[row] = self.x[row];
            result
        });
        each.collect()
    }

    /// How the points pull and push one at `own`, with similarity q = 1 / (1 + d²).
    fn force_on(&self, own: [f32; 2], probabilities: &[f32]) -> Force {
        let (x, y) = (self.x.as_chunks().0, self.y.as_chunks().0);
        Arch::new().dispatch(ForceOn(Surroundings { own, x, y, probabilities: probabilities.as_chunks().0 }))
    }

    /// Sums of p ln(1 + d²) and of 1 / (1 + d²) over the distances d from `own`.
    fn log_similarity_to(&self, own: [f32; 2], probabilities: &[f32]) -> (f64, f64) {
        let (x, y) = (self.x.as_chunks().0, self.y.as_chunks().0);
        Arch::new().dispatch(LogSimilarity(Surroundings { own, x, y, probabilities: probabilities.as_chunks().0 }))
    }
}

/// One point and all the others.
struct Surroundings<'a> {
    own: [f32; 2],
    x: &'a [[f32; LANES]],
    y: &'a [[f32; LANES]],
    probabilities: &'a [[f32; LANES]],
}

struct ForceOn<'a>(Surroundings<'a>);

// Types instead of closures: only what is inlined into the dispatching function is compiled for its instruction set, and a closure
// need not be. Elsewhere every fused multiply-add is a call, and a hundred times slower.
impl WithSimd for ForceOn<'_> {
    type Output = Force;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Force {
        let Surroundings { own, x, y, probabilities } = self.0;
        let (mut pull_x, mut pull_y, mut push_x, mut push_y) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
        let mut similarity = [0.0_f32; LANES];
        for ((x, y), probabilities) in x.iter().zip(y).zip(probabilities) {
            for lane in 0..LANES {
                let (dx, dy) = (own[0] - x[lane], own[1] - y[lane]);
                let q = 1.0 / dx.mul_add(dx, dy.mul_add(dy, 1.0));
                let pq = probabilities[lane] * q;
                let qq = q * q;
                similarity[lane] += q;
                pull_x[lane] = pq.mul_add(dx, pull_x[lane]);
                pull_y[lane] = pq.mul_add(dy, pull_y[lane]);
                push_x[lane] = qq.mul_add(dx, push_x[lane]);
                push_y[lane] = qq.mul_add(dy, push_y[lane]);
            }
        }
        let pair = |x, y| [total(x) as f32, total(y) as f32];
        Force { pull: pair(pull_x, pull_y), push: pair(push_x, push_y), similarity: total(similarity) }
    }
}

struct LogSimilarity<'a>(Surroundings<'a>);

impl WithSimd for LogSimilarity<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f64, f64) {
        let Surroundings { own, x, y, probabilities } = self.0;
        let (mut logs, mut similarity) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for ((x, y), probabilities) in x.iter().zip(y).zip(probabilities) {
            for lane in 0..LANES {
                let (dx, dy) = (own[0] - x[lane], own[1] - y[lane]);
                let one_plus_square = dx.mul_add(dx, dy.mul_add(dy, 1.0));
                logs[lane] = probabilities[lane].mul_add(ln(one_plus_square), logs[lane]);
                similarity[lane] += 1.0 / one_plus_square;
            }
        }
        (total(logs), total(similarity))
    }
}
