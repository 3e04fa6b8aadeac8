//! Curves of runs: every point, or as many as a drawing can show, with every extreme among them.

use rusqlite::{Connection, Row, Transaction, params};

use super::{Store, events::absent, run_rows};
use crate::{data::Split, error::AppResult};

/// One curve of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// `train_loss`, `validation_accuracy`: the split, then the name.
    pub name: String,
    /// In order of steps.
    pub points: Vec<SeriesPoint>,
    /// How many points there are in all; more than `points` has where fewer were asked for.
    pub count: usize,
}

impl Series {
    /// `train_loss` is the loss on the training examples.
    #[must_use]
    pub fn split_and_name(&self) -> (Split, &str) {
        let parted = self.name.split_once('_').and_then(|(split, name)| Some((Split::named(split)?, name)));
        parted.unwrap_or((Split::Train, &self.name))
    }
}

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesPoint {
    /// Whole epochs done.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// The value.
    pub value: f64,
}

/// Points of a stretch, of which the store keeps the lowest and the highest apart: a curve of a million is drawn from these.
const STRETCH: usize = 64;
/// So many events are stored before their points are looked at again, and so many points are left before they make stretches: ordinary
/// runs have none.
const WAITING: usize = 16 * STRETCH;
/// Fewer points than this can't show both ends and both extremes.
pub const FEWEST_POINTS: usize = 4;

impl Store {
    /// The run's curves with every point, in alphabetical order.
    ///
    /// # Errors
    /// [`AppError::NotFound`](crate::error::AppError::NotFound) when there is no such run.
    pub fn curves(&self, run: &str) -> AppResult<Vec<Series>> {
        self.curves_within(run, usize::MAX)
    }

    /// The run's curves with at most `most` points each ([`FEWEST_POINTS`] at least), in alphabetical order. Where there are more, the first
    /// and the last stay, and of each piece between them the lowest and the highest: no extreme is lost, however short it was.
    ///
    /// # Errors
    /// As [`Self::curves`].
    pub fn curves_within(&self, run: &str, most: usize) -> AppResult<Vec<Series>> {
        self.read(|connection| {
            let Some(number) = run_rows::find(connection, run)? else { return Ok(None) };
            let read = |(series, name): (i64, String)| -> rusqlite::Result<Series> {
                let (points, count) = points_within(connection, number, series, most)?;
                Ok(Series { name, points, count })
            };
            measured(connection, number)?.into_iter().map(read).collect::<rusqlite::Result<Vec<_>>>().map(Some)
        })?
        .ok_or_else(|| absent(run))
    }
}

/// After the run's event `last`, the last of `count` that were stored together: makes stretches once in a while.
pub(super) fn shorten_after(transaction: &Transaction<'_>, run: i64, last: u64, count: usize) -> rusqlite::Result<()> {
    let before = last.saturating_sub(count as u64);
    if last / WAITING as u64 == before / WAITING as u64 {
        return Ok(());
    }
    shorten(transaction, run)
}

/// Makes stretches of the points that are in none yet.
pub(super) fn shorten(transaction: &Transaction<'_>, run: i64) -> rusqlite::Result<()> {
    for (series, _) in measured(transaction, run)? {
        let (_, end) = stretches(transaction, run, series)?;
        let points = points_after(transaction, run, series, end)?;
        if points.len() < WAITING {
            continue;
        }
        let mut insert = transaction.prepare_cached(
            "INSERT INTO stretches (run, series, last_step, low_step, low_epoch, low, high_step, high_epoch, high) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        for stretch in points.chunks_exact(STRETCH) {
            let (low, high) = low_and_high(stretch);
            let (low, high) = (stretch[low], stretch[high]);
            insert.execute(params![
                run,
                series,
                stretch[STRETCH - 1].step as i64,
                low.step as i64,
                low.epoch as i64,
                low.value,
                high.step as i64,
                high.epoch as i64,
                high.value,
            ])?;
        }
    }
    Ok(())
}

/// Undoes the stretches that a point at `step` belongs to or comes before: a run that was resumed says again what came after its checkpoint.
pub(super) fn reopen(transaction: &Transaction<'_>, run: i64, series: i64, step: u64) -> rusqlite::Result<()> {
    let text = "DELETE FROM stretches WHERE run = ? AND series = ? AND last_step >= ?";
    transaction.prepare_cached(text)?.execute(params![run, series, step as i64]).map(drop)
}

/// What was measured in a run: numbers and names of its series, by name. Every point has a summary, and these are few.
fn measured(connection: &Connection, run: i64) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare_cached(
        "SELECT series.number, series.name FROM summaries JOIN series ON series.number = summaries.series WHERE run = ? ORDER BY series.name",
    )?;
    statement.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// How many stretches a series has, and the step that they end with.
fn stretches(connection: &Connection, run: i64, series: i64) -> rusqlite::Result<(usize, i64)> {
    let text = "SELECT count(*), max(last_step) FROM stretches WHERE run = ? AND series = ?";
    connection.prepare_cached(text)?.query_row([run, series], |row| {
        let end: Option<i64> = row.get(1)?;
        Ok((row.get::<_, i64>(0)? as usize, end.unwrap_or(i64::MIN)))
    })
}

/// At most `most` points of a series, and how many there are.
fn points_within(connection: &Connection, run: i64, series: i64, most: usize) -> rusqlite::Result<(Vec<SeriesPoint>, usize)> {
    let (whole, end) = stretches(connection, run, series)?;
    // Half as fine as was asked for at least, or every point is read: sixteen times as many as are asked for, at most.
    if whole == 0 || whole < most / 4 {
        let points = points_after(connection, run, series, i64::MIN)?;
        let count = points.len();
        return Ok((extremes(points, most), count));
    }
    let tail = points_after(connection, run, series, end)?;
    let count = whole * STRETCH + tail.len();
    let mut points = Vec::with_capacity(2 * whole + tail.len() + 2);
    points.push(edge(connection, run, series, "ASC")?);
    let mut statement = connection.prepare_cached(
        "SELECT low_epoch, low_step, low, high_epoch, high_step, high FROM stretches WHERE run = ? AND series = ? ORDER BY last_step",
    )?;
    let mut rows = statement.query([run, series])?;
    while let Some(row) = rows.next()? {
        let (low, high) = (point(row, 0)?, point(row, 3)?);
        points.extend(if low.step <= high.step { [low, high] } else { [high, low] });
    }
    points.extend(tail);
    points.push(edge(connection, run, series, "DESC")?);
    points.dedup_by_key(|point| point.step);
    Ok((extremes(points, most), count))
}

/// The first point of a series, or the last.
fn edge(connection: &Connection, run: i64, series: i64, direction: &str) -> rusqlite::Result<SeriesPoint> {
    let text = format!("SELECT epoch, step, value FROM points WHERE run = ? AND series = ? ORDER BY step {direction} LIMIT 1");
    connection.prepare_cached(&text)?.query_row([run, series], |row| point(row, 0))
}

fn points_after(connection: &Connection, run: i64, series: i64, step: i64) -> rusqlite::Result<Vec<SeriesPoint>> {
    let text = "SELECT epoch, step, value FROM points WHERE run = ? AND series = ? AND step > ? ORDER BY step";
    connection.prepare_cached(text)?.query_map([run, series, step], |row| point(row, 0))?.collect()
}

/// Epoch, step and value from `column` on.
fn point(row: &Row<'_>, column: usize) -> rusqlite::Result<SeriesPoint> {
    let number = |column: usize| -> rusqlite::Result<u64> { Ok(row.get::<_, i64>(column)? as u64) };
    Ok(SeriesPoint { epoch: number(column)?, step: number(column + 1)?, value: row.get(column + 2)? })
}

/// At most `most` of the points ([`FEWEST_POINTS`] at least), in their order: all where these are enough; else the first, the last, and the
/// lowest and the highest of each of equally many between them.
fn extremes(points: Vec<SeriesPoint>, most: usize) -> Vec<SeriesPoint> {
    let most = most.max(FEWEST_POINTS);
    if points.len() <= most {
        return points;
    }
    let last = points.len() - 1;
    let (inner, pieces) = (&points[1..last], (most - 2) / 2);
    let mut kept = vec![points[0]];
    for piece in 0..pieces {
        let piece = &inner[inner.len() * piece / pieces..inner.len() * (piece + 1) / pieces];
        let (low, high) = low_and_high(piece);
        kept.push(piece[low.min(high)]);
        if low != high {
            kept.push(piece[low.max(high)]);
        }
    }
    kept.push(points[last]);
    kept
}

/// The places of the lowest and of the highest point; of several the first.
fn low_and_high(points: &[SeriesPoint]) -> (usize, usize) {
    let (mut low, mut high) = (0, 0);
    for (place, point) in points.iter().enumerate() {
        if point.value < points[low].value {
            low = place;
        }
        if point.value > points[high].value {
            high = place;
        }
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve(values: &[f64]) -> Vec<SeriesPoint> {
        values.iter().zip(1..).map(|(value, step)| SeriesPoint { epoch: step / 10, step, value: *value }).collect()
    }

    fn range(points: &[SeriesPoint]) -> (f64, f64) {
        points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| (low.min(point.value), high.max(point.value)))
    }

    #[test]
    fn of_each_piece_the_lowest_and_the_highest_stay_and_both_ends() {
        let points = curve(&[5.0, 1.0, 2.0, 9.0, 3.0, 3.0, 3.0, 0.0, 4.0]);
        // By hand: between the ends 1 2 9 | 3 3 3 0, of which 1 9 and 3 0 stay.
        let kept: Vec<u64> = extremes(points.clone(), 6).iter().map(|point| point.step).collect();
        assert_eq!(kept, [1, 2, 4, 5, 8, 9]);
        assert_eq!(extremes(points.clone(), 7).len(), 6, "an odd number is never more");
        assert_eq!(extremes(points.clone(), 9), points, "few stay as they are");
        let steps = |most| extremes(points.clone(), most).iter().map(|point| point.step).collect::<Vec<_>>();
        assert_eq!((steps(0), steps(4)), (vec![1, 4, 8, 9], vec![1, 4, 8, 9]), "less than both ends and both extremes is not given");
        assert_eq!(extremes(curve(&[2.0; 50]), 10).len(), 6, "a flat piece is one point");
        assert!(extremes(Vec::new(), 10).is_empty());
    }

    proptest! {
        #[test]
        fn no_extreme_is_lost(values in prop::collection::vec(-1e9_f64..1e9, 0..400), most in 0_usize..60) {
            let points = curve(&values);
            let kept = extremes(points.clone(), most);
            prop_assert!(kept.len() <= most.max(FEWEST_POINTS));
            prop_assert!(kept.windows(2).all(|pair| pair[0].step < pair[1].step), "in order, each once");
            prop_assert!(kept.iter().all(|point| points[point.step as usize - 1] == *point), "nothing is made up");
            prop_assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
            prop_assert_eq!(range(&kept), range(&points));
            if points.len() <= most {
                prop_assert_eq!(kept, points);
            }
        }
    }
}
