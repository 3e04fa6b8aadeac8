//! Fewer points for the same shape.

/// The places of the points of a curve that a drawing needs: every point that is left out lies within `tolerance` of the line between
/// those kept on either side of it. The first and the last are kept.
///
/// `x` and `y` have one length and are finite; on a drawing of 700 pixels a tolerance of a thousandth of both ranges is below one pixel.
///
/// Source: Douglas and Peucker 1973, after points have gone that lie within half the tolerance of the last one kept.
///
/// # Panics
/// When `x` and `y` differ in length.
#[must_use]
pub fn thin(x: &[f64], y: &[f64], tolerance: f64) -> Vec<usize> {
    assert_eq!(x.len(), y.len(), "a point has two coordinates");
    if x.len() < 3 {
        return (0..x.len()).collect();
    }
    let at = |index: usize| (x[index], y[index]);
    let half = (tolerance / 2.0).powi(2); // distances are compared by their squares: roots took a third of the time
    let mut apart = vec![0];
    for index in 1..x.len() - 1 {
        let last = at(apart[apart.len() - 1]);
        if (at(index).0 - last.0).powi(2) + (at(index).1 - last.1).powi(2) > half {
            apart.push(index);
        }
    }
    apart.push(x.len() - 1);

    let mut kept = vec![false; apart.len()];
    kept[0] = true;
    *kept.last_mut().expect("there are two at least") = true;
    let mut spans = vec![(0, apart.len() - 1)];
    while let Some((first, last)) = spans.pop() {
        let (from, to) = (at(apart[first]), at(apart[last]));
        let farthest = (first + 1..last)
            .map(|index| (squared_distance(at(apart[index]), from, to), index))
            .max_by(|one, other| one.0.total_cmp(&other.0));
        if let Some((_, index)) = farthest.filter(|&(far, _)| far > half) {
            kept[index] = true;
            spans.extend([(first, index), (index, last)]);
        }
    }
    apart.into_iter().zip(kept).filter_map(|(index, kept)| kept.then_some(index)).collect()
}

/// From a point to the nearest of a segment, squared.
fn squared_distance(point: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { (((point.0 - from.0) * dx + (point.1 - from.1) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (point.0 - from.0 - along * dx).powi(2) + (point.1 - from.1 - along * dy).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_go_and_corners_stay() {
        let x = [0.0, 0.1, 0.2, 0.3, 0.3, 0.3, 1.0];
        let y = [0.0, 0.1, 0.2, 0.3, 0.6, 0.9, 0.9];
        assert_eq!(thin(&x, &y, 1e-6), [0, 3, 5, 6]);
        assert_eq!(thin(&x[..2], &y[..2], 1.0), [0, 1]);
        assert!(thin(&[], &[], 1.0).is_empty());
    }

    #[test]
    fn no_point_lies_farther_from_the_thinned_curve_than_the_tolerance() {
        // A saw whose teeth shrink, as the left end of a precision-recall curve has it.
        let count = 20_000_u32;
        let x: Vec<f64> = (0..count).map(|index| f64::from(index) / f64::from(count)).collect();
        let y: Vec<f64> = (0..count).map(|index| 1.0 - f64::from(index % 7) / f64::from(index + 10) * 2.0).collect();
        let tolerance = 2e-3;
        let kept = thin(&x, &y, tolerance);
        assert!(kept.len() < x.len() / 5, "{}", kept.len());
        for pair in kept.windows(2) {
            for index in pair[0]..pair[1] {
                let far = squared_distance((x[index], y[index]), (x[pair[0]], y[pair[0]]), (x[pair[1]], y[pair[1]])).sqrt();
                assert!(far <= tolerance, "{index}: {far}");
            }
        }
    }
}
