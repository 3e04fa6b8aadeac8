//! How many neighbours a map keeps.

use super::{Neighbours, Points, ProjectError, neighbours_within};

/// Share, in \[0, 1\], of the `k` nearest others of each point that are among its `k` nearest on a map too; 1 for a single point.
///
/// `low`: the points' places, in the order of `high`.
///
/// # Errors
/// As [`neighbours`](super::neighbours()), and [`ProjectError::Option`] when `low` has not one place for each point, [`ProjectError::NotFinite`] when a
/// place is none.
///
/// Source: Lee and Verleysen 2009, Quality assessment of dimensionality reduction, `Q_NX`; k = 10 as in Kobak and Berens 2019 (KNN).
pub fn preservation(high: Points, low: &[[f32; 2]], k: usize) -> Result<f64, ProjectError> {
    shared(&neighbours_within(high, k)?, low)
}

/// As [`preservation`], for neighbours that are known already.
///
/// # Errors
/// As [`preservation`].
pub fn shared(high: &Neighbours, low: &[[f32; 2]]) -> Result<f64, ProjectError> {
    if high.per_query == 0 {
        return Ok(1.0);
    }
    if low.len() != high.queries() {
        return Err(ProjectError::Option(format!("{} places are not one for each of {} points", low.len(), high.queries())));
    }
    let low = neighbours_within(Points::new(low.as_flattened(), 2)?, high.per_query)?;
    let rows = high.indices.chunks_exact(high.per_query).zip(low.indices.chunks_exact(high.per_query));
    let common: usize = rows.map(|(high, low)| high.iter().filter(|index| low.contains(index)).count()).sum();
    Ok(common as f64 / high.indices.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preservation_counts_the_neighbours_that_stay() {
        let line: Vec<f32> = (0..6).map(|number| number as f32 * number as f32).collect(); // 0 1 4 9 16 25
        let points = Points::new(&line, 1).unwrap();
        let kept: Vec<[f32; 2]> = line.iter().map(|&place| [0.0, place * 3.0]).collect();
        assert_eq!(preservation(points, &kept, 2).unwrap(), 1.0);
        // The nearest of 0, 1, 4, 9, 16, 25 are 1, 0, 1, 4, 9, 16. With 0 and 25 exchanged on the map, only 4, 9 and 16 keep theirs.
        let exchanged: Vec<[f32; 2]> = [25.0, 1.0, 4.0, 9.0, 16.0, 0.0].map(|place| [place, 0.0]).to_vec();
        assert_eq!(preservation(points, &exchanged, 1).unwrap(), 3.0 / 6.0);
        assert_eq!(preservation(Points::new(&[1.0], 1).unwrap(), &[[0.0; 2]], 3).unwrap(), 1.0);
    }

    #[test]
    fn each_point_needs_a_place() {
        let plane = Points::new(&[0.0; 4], 2).unwrap();
        assert!(matches!(preservation(plane, &[[0.0; 2]], 1), Err(ProjectError::Option(_))));
        assert!(matches!(preservation(plane, &[[0.0, f32::NAN], [0.0; 2]], 1), Err(ProjectError::NotFinite { row: 0, column: 1 })));
    }
}
