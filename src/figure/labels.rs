//! Places for the labels of points, so that they can be read: off each other, off the points, off the arrows.

use super::scene::Place;
use super::text;

/// Room kept free before and behind a label.
const SIDE: f64 = 1.5;

/// A point and what is to stand beside it; an empty label takes no room.
pub(super) struct Site<'a> {
    pub at: Place,
    pub label: &'a str,
}

/// Where a label went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    /// Start of the text, on its baseline.
    pub baseline: Place,
    /// From the point to the label, where it stands too far off to be told by nearness.
    pub leader: Option<(Place, Place)>,
}

/// A rectangle: least and greatest x, least and greatest y.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    area: Area,
    leader: Option<(Place, Place)>,
    /// What it costs by itself, in square pixels.
    cost: f64,
}

/// Places every label at one of some fifty places about its point, none where it would stay on top of another.
///
/// A greedy choice, the most crowded first, then rounds in which each label moves to what is now its cheapest place. Christensen,
/// Marks and Shieber 1995 compare such ways; on maps of under a hundred words this one leaves next to nothing to the slower ones.
pub(super) fn place(sites: &[Site], radius: f64, size: f64, segments: &[(Place, Place)], bounds: (Place, Place)) -> Vec<Option<Label>> {
    let candidates: Vec<Vec<Candidate>> = (0..sites.len()).map(|index| candidates(index, sites, radius, size, segments, bounds)).collect();
    let crowd = |at: Place| sites.iter().filter(|site| (site.at.0 - at.0).hypot(site.at.1 - at.1) < 6.0 * size).count();
    let mut order: Vec<(usize, usize)> =
        (0..sites.len()).filter(|&index| !candidates[index].is_empty()).map(|index| (crowd(sites[index].at), index)).collect();
    order.sort_by_key(|&(crowd, index)| (std::cmp::Reverse(crowd), index));

    let mut chosen: Vec<Option<Candidate>> = vec![None; sites.len()];
    for _ in 0..12 {
        let mut moved = false;
        for &(_, index) in &order {
            let price = |candidate: &Candidate| candidate.cost + conflicts(candidate, index, &chosen);
            let best =
                candidates[index].iter().map(|candidate| (price(candidate), candidate)).min_by(|one, other| one.0.total_cmp(&other.0));
            let Some((price_of_best, &best)) = best else { continue };
            if chosen[index].is_none_or(|current| price(&current) > price_of_best + 1e-9) {
                chosen[index] = Some(best);
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    hide_covered(&mut chosen);
    let finish = |candidate: Candidate| Label {
        baseline: (candidate.area.left + SIDE, candidate.area.bottom - 0.28 * size),
        leader: candidate.leader,
    };
    chosen.into_iter().map(|candidate| candidate.map(finish)).collect()
}

/// Eight places right at the point and rings of more with leaders, each with its own cost.
fn candidates(index: usize, sites: &[Site], radius: f64, size: f64, segments: &[(Place, Place)], bounds: (Place, Place)) -> Vec<Candidate> {
    let site = &sites[index];
    if site.label.is_empty() {
        return Vec::new();
    }
    let (width, height) = (text::width(site.label, size) + 2.0 * SIDE, size * 1.15);
    let mut found = Vec::new();
    // Right, left, above, below, then the diagonals: the order in which people find labels easiest to attribute.
    for (preference, (x, y)) in [(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)]
        .into_iter()
        .map(|(x, y)| (f64::from(x), f64::from(y)))
        .enumerate()
    {
        let reach = if x != 0.0 && y != 0.0 { radius * 0.4 } else { radius + 1.0 };
        let centre = (site.at.0 + x * (reach + width / 2.0), site.at.1 + y * (reach + height / 2.0));
        found.push((Area::about(centre, width, height), None, preference as f64 * 4.0));
    }
    for (ring, reach) in [14.0, 24.0, 36.0, 52.0].into_iter().enumerate() {
        for step in 0..16 {
            let (sine, cosine) = (f64::from(step) * std::f64::consts::TAU / 16.0).sin_cos();
            let centre = (site.at.0 + cosine * (reach + width / 2.0), site.at.1 + sine * (reach + height / 2.0));
            let area = Area::about(centre, width, height);
            let end = area.nearest(site.at);
            let length = (end.0 - site.at.0).hypot(end.1 - site.at.1).max(1e-9);
            let start = (site.at.0 + (end.0 - site.at.0) * radius / length, site.at.1 + (end.1 - site.at.1) * radius / length);
            found.push((area, Some((start, end)), 60.0 + 35.0 * ring as f64));
        }
    }
    let inside = |area: &Area| area.left >= bounds.0.0 && area.right <= bounds.1.0 && area.top >= bounds.0.1 && area.bottom <= bounds.1.1;
    let own_cost = |(area, leader, preference): (Area, Option<(Place, Place)>, f64)| {
        let outside = if inside(&area) { 0.0 } else { 1e6 };
        let on_points: f64 = sites.iter().map(|other| area.overlap(&Area::about(other.at, 2.0 * radius, 2.0 * radius))).sum();
        let on_arrows: f64 = segments.iter().map(|&segment| area.length_within(segment)).sum();
        let through = leader.map_or(0.0, |leader| {
            let others = sites.iter().enumerate().filter(|&(other, _)| other != index);
            others.map(|(_, other)| Area::about(other.at, 2.0 * radius, 2.0 * radius).length_within(leader)).sum()
        });
        Candidate { area, leader, cost: preference + outside + 6.0 * on_points + 5.0 * on_arrows + 10.0 * through }
    };
    found.into_iter().map(own_cost).collect()
}

/// What a label at `candidate` costs with the others where they are now.
fn conflicts(candidate: &Candidate, index: usize, chosen: &[Option<Candidate>]) -> f64 {
    let others = chosen.iter().enumerate().filter(|&(other, _)| other != index).filter_map(|(_, other)| other.as_ref());
    others
        .map(|other| {
            let crossed = other.leader.map_or(0.0, |leader| candidate.area.length_within(leader))
                + candidate.leader.map_or(0.0, |leader| other.area.length_within(leader));
            let knotted = matches!((candidate.leader, other.leader), (Some(one), Some(two)) if cross(one, two));
            20.0 * candidate.area.overlap(&other.area) + 12.0 * crossed + if knotted { 60.0 } else { 0.0 }
        })
        .sum()
}

/// Takes away, the most covered first, labels that still lie on another.
fn hide_covered(chosen: &mut [Option<Candidate>]) {
    loop {
        let covered = |index: usize| {
            let own = chosen[index]?;
            let others = chosen.iter().enumerate().filter(|&(other, _)| other != index).filter_map(|(_, other)| *other);
            Some(others.map(|other| own.area.overlap(&other.area)).sum::<f64>() / (own.area.right - own.area.left))
        };
        let worst = (0..chosen.len()).filter_map(|index| Some((covered(index)?, index))).max_by(|one, other| one.0.total_cmp(&other.0));
        match worst {
            // Two pixels of a line's height touch only ascenders and descenders.
            Some((height, index)) if height > 2.0 => chosen[index] = None,
            _ => return,
        }
    }
}

impl Area {
    fn about(centre: Place, width: f64, height: f64) -> Self {
        Self { left: centre.0 - width / 2.0, right: centre.0 + width / 2.0, top: centre.1 - height / 2.0, bottom: centre.1 + height / 2.0 }
    }

    fn overlap(&self, other: &Self) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    fn nearest(&self, place: Place) -> Place {
        (place.0.clamp(self.left, self.right), place.1.clamp(self.top, self.bottom))
    }

    /// How much of a segment lies inside, in pixels (Liang and Barsky's clipping).
    fn length_within(&self, (from, to): (Place, Place)) -> f64 {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for (step, low, high) in [(dx, self.left - from.0, self.right - from.0), (dy, self.top - from.1, self.bottom - from.1)] {
            if step.abs() < 1e-12 {
                if low > 0.0 || high < 0.0 {
                    return 0.0;
                }
                continue;
            }
            let (one, other) = (low / step, high / step);
            enter = enter.max(one.min(other));
            leave = leave.min(one.max(other));
        }
        (leave - enter).max(0.0) * dx.hypot(dy)
    }
}

/// Whether two segments cross.
fn cross(one: (Place, Place), other: (Place, Place)) -> bool {
    let side = |a: Place, b: Place, c: Place| (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0);
    side(one.0, one.1, other.0) * side(one.0, one.1, other.1) < 0.0 && side(other.0, other.1, one.0) * side(other.0, other.1, one.1) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: f64 = 11.5;

    fn areas(sites: &[Site], labels: &[Option<Label>]) -> Vec<Area> {
        let pairs = sites.iter().zip(labels).filter_map(|(site, label)| Some((site, (*label)?)));
        pairs
            .map(|(site, label)| {
                let bottom = label.baseline.1 + 0.28 * SIZE;
                let right = label.baseline.0 + text::width(site.label, SIZE);
                Area { left: label.baseline.0, right, top: bottom - 1.15 * SIZE, bottom }
            })
            .collect()
    }

    /// Sixty words on a telephone, spread as unevenly as a quadratic residue spreads them.
    #[test]
    fn sixty_words_on_a_narrow_map_keep_off_each_other() {
        let names: Vec<String> = (0..60).map(|index| "neighbours"[..3 + index % 8].to_owned()).collect();
        let sites: Vec<Site> = names
            .iter()
            .enumerate()
            .map(|(index, label)| Site { at: (40.0 + (index * index * 37 % 281) as f64, 20.0 + (index * index * 53 % 331) as f64), label })
            .collect();
        let labels = place(&sites, 4.0, SIZE, &[], ((0.0, 0.0), (360.0, 370.0)));
        assert!(labels.iter().flatten().count() >= 58, "{} are shown", labels.iter().flatten().count());
        let areas = areas(&sites, &labels);
        for (index, one) in areas.iter().enumerate() {
            assert!(one.left >= 0.0 && one.right <= 360.0 && one.top >= 0.0 && one.bottom <= 370.0, "{one:?}");
            for other in &areas[index + 1..] {
                assert!(one.overlap(other) <= 2.0 * (one.right - one.left).max(other.right - other.left), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_label_alone_stands_right_of_its_point_without_a_leader() {
        let label = place(&[Site { at: (50.0, 50.0), label: "king" }], 4.0, SIZE, &[], ((0.0, 0.0), (200.0, 100.0)))[0].unwrap();
        assert!(label.leader.is_none() && label.baseline.0 > 54.0 && (label.baseline.1 - 50.0).abs() < 5.0, "{label:?}");
    }

    #[test]
    fn of_many_labels_on_one_spot_some_are_left_out_rather_than_overprinted() {
        let sites: Vec<Site> = (0..200).map(|_| Site { at: (100.0, 100.0), label: "somewhere" }).collect();
        let labels = place(&sites, 4.0, SIZE, &[], ((0.0, 0.0), (200.0, 200.0)));
        let shown = labels.iter().flatten().count();
        assert!((5..200).contains(&shown), "{shown}");
    }

    #[test]
    fn a_segment_is_clipped_to_its_part_inside() {
        let area = Area { left: 0.0, right: 10.0, top: 0.0, bottom: 10.0 };
        assert!((area.length_within(((-5.0, 5.0), (5.0, 5.0))) - 5.0).abs() < 1e-12);
        assert_eq!(area.length_within(((-5.0, 11.0), (5.0, 11.0))), 0.0);
        assert!(cross(((0.0, 0.0), (2.0, 2.0)), ((0.0, 2.0), (2.0, 0.0))) && !cross(((0.0, 0.0), (1.0, 0.0)), ((0.0, 1.0), (1.0, 1.0))));
    }
}
