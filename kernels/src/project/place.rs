//! The place of a new point on a finished map.

use super::affinities::conditional_probabilities;
use super::{Neighbours, ProjectError};

/// Effective number of neighbours that draw a new point: few, so that it lands within one cluster.
const PERPLEXITY: f64 = 5.0;
/// Steps at most, and the length below which they have come to rest.
const STEPS: usize = 100;
const REST: f32 = 1e-3;

/// The places on `map` of new points, from their nearest points in the original space: `[queries]` of (x, y).
///
/// `map`: the places of the points among which `neighbours` were found, with [`super::neighbours()`]; 15 or more for each query serve
/// best. Each query's affinities to its neighbours have perplexity 5. It starts at their weighted median, axis by axis, and goes to
/// where their pulls p q (own - other), q = 1 / (1 + d²), cancel out: neighbours on the far side of the map count for nothing, so
/// that it lands among the nearest and never between two clusters. The map stays as it is, and no point pushes: at rest among its
/// neighbours, pushes would only move it to the edge of their cluster.
///
/// # Errors
/// [`ProjectError::Option`] when there is no neighbour or one is not on the map.
///
/// Source: Poličar, Stražar and Zupan 2023, Embedding to reference t-SNE space (start, perplexity); the pulls are those of van der
/// Maaten and Hinton 2008, eq. 5, solved for the place by its fixed point.
pub fn place(map: &[[f32; 2]], neighbours: &Neighbours) -> Result<Vec<[f32; 2]>, ProjectError> {
    if neighbours.per_query == 0 {
        return Err(ProjectError::Option("a point without neighbours has no place on a map".into()));
    }
    if let Some(lost) = neighbours.indices.iter().find(|&&index| index as usize >= map.len()) {
        return Err(ProjectError::Option(format!("neighbour {lost} is not among the {} points of the map", map.len())));
    }
    Ok((0..neighbours.queries()).map(|query| place_one(map, neighbours.of(query))).collect())
}

fn place_one(map: &[[f32; 2]], neighbours: impl ExactSizeIterator<Item = (usize, f32)>) -> [f32; 2] {
    let (others, mut shares): (Vec<[f32; 2]>, Vec<f32>) = neighbours.map(|(index, distance)| (map[index], distance)).unzip();
    let farthest = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    shares.iter_mut().for_each(|distance| *distance = (*distance / farthest).powi(2));
    let perplexity = PERPLEXITY.min((others.len() as f64 / 3.0).max(1.0));
    conditional_probabilities(&mut shares, None, perplexity.ln());

    let mut place = [0, 1].map(|axis| median(others.iter().map(|other| other[axis]).zip(shares.iter().copied()).collect()));
    for _ in 0..STEPS {
        let (mut sum, mut total) = ([0.0_f32; 2], 0.0_f32);
        for (other, share) in others.iter().zip(&shares) {
            let step = [other[0] - place[0], other[1] - place[1]];
            let weight = share / step[0].mul_add(step[0], step[1].mul_add(step[1], 1.0));
            total += weight;
            (0..2).for_each(|axis| sum[axis] = weight.mul_add(step[axis], sum[axis]));
        }
        let step = sum.map(|sum| if total > 0.0 { sum / total } else { 0.0 });
        (0..2).for_each(|axis| place[axis] += step[axis]);
        if step[0].hypot(step[1]) < REST {
            break;
        }
    }
    place
}

/// The value on either side of which lies at most half of the weight.
fn median(mut weighted: Vec<(f32, f32)>) -> f32 {
    weighted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let half = weighted.iter().map(|&(_, weight)| weight).sum::<f32>() / 2.0;
    let mut below = 0.0;
    let reached = weighted.iter().find(|&&(_, weight)| {
        below += weight;
        below >= half
    });
    reached.or(weighted.last()).map_or(0.0, |&(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(map: &[[f32; 2]], distances: &[f32]) -> Result<[f32; 2], ProjectError> {
        let indices = (0..distances.len() as u32).collect();
        place(map, &Neighbours { per_query: distances.len(), indices, distances: distances.to_vec() }).map(|places| places[0])
    }

    #[test]
    fn equally_near_neighbours_hold_a_point_in_their_middle() {
        let [x, y] = near(&[[1.0, 1.0], [3.0, 1.0], [1.0, 2.0], [3.0, 2.0]], &[2.0; 4]).unwrap();
        assert!((x - 2.0).abs() < 0.02 && (y - 1.5).abs() < 0.02, "{x} {y}");
    }

    #[test]
    fn a_point_lands_in_the_cluster_of_most_of_its_neighbours_not_between_two() {
        let mut map: Vec<[f32; 2]> = (0..10).map(|index| [index as f32 * 0.1, 0.0]).collect();
        map.extend((0..5).map(|index| [50.0, index as f32 * 0.1]));
        let [x, y] = near(&map, &[1.0; 15]).unwrap();
        assert!((0.0..1.0).contains(&x) && y.abs() < 0.1, "{x} {y}");
    }

    #[test]
    fn nearer_neighbours_pull_more() {
        let map = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.9, 0.0], [1.1, 0.0]];
        let towards = near(&map, &[0.1, 3.0, 3.0, 3.0, 3.0, 3.0]).unwrap()[0];
        let away = near(&map, &[3.0; 6]).unwrap()[0];
        assert!(towards < 0.3 && away > 0.7, "{towards} {away}");
    }

    #[test]
    fn a_single_neighbour_and_twins_are_where_they_are() {
        assert_eq!(near(&[[4.0, -2.0]], &[0.0]).unwrap(), [4.0, -2.0]);
        assert_eq!(near(&[[4.0, -2.0]; 3], &[0.0; 3]).unwrap(), [4.0, -2.0]);
        assert!(matches!(near(&[[0.0; 2]], &[]), Err(ProjectError::Option(_))));
        assert!(matches!(near(&[[0.0; 2]], &[1.0, 2.0]), Err(ProjectError::Option(_))));
    }
}
