//! A confusion matrix as a table whose cells lead to their images.

use super::{super::words::fixed, view::Counting};
use crate::figure::{FIRST_HIGH_LEVEL, LEVELS};

/// The table.
pub struct Matrix {
    /// Short names of the classes.
    pub codes: Vec<String>,
    /// One for each true class.
    pub rows: Vec<MatrixRow>,
}

/// The images of one class.
pub struct MatrixRow {
    /// Its short name.
    pub code: String,
    /// What they were taken for.
    pub cells: Vec<Cell>,
}

/// Images of one class that were taken for one.
pub struct Cell {
    /// What stands in it.
    pub text: String,
    /// The step of the sequential scale that colours it.
    pub level: usize,
    /// Whether they were got right.
    pub is_right: bool,
}

impl Matrix {
    /// `counts`: rows are true classes, columns what was said; `codes`: short names of the classes.
    ///
    /// Colours tell shares even where counts are written, or one frequent class would leave all others pale: of the row, or of the column where
    /// columns are asked for.
    pub fn new(counts: &[Vec<u64>], codes: &[String], counting: Counting) -> Self {
        let columns: Vec<u64> = (0..codes.len()).map(|said| counts.iter().map(|row| row[said]).sum()).collect();
        let cell = |label: usize, said: usize, count: u64| {
            let whole = if counting == Counting::Columns { columns[said] } else { counts[label].iter().sum() };
            let share = count as f64 / whole.max(1) as f64;
            let text = if counting == Counting::Images { count.to_string() } else { fixed(share, 2) };
            Cell { text, level: (share * (LEVELS - 1) as f64).round() as usize, is_right: label == said }
        };
        let row = |(label, counts): (usize, &Vec<u64>)| MatrixRow {
            code: codes[label].clone(),
            cells: counts.iter().enumerate().map(|(said, &count)| cell(label, said, count)).collect(),
        };
        Self { codes: codes.to_vec(), rows: counts.iter().enumerate().map(row).collect() }
    }
}

impl Cell {
    /// What is written on its colour.
    pub fn ink(&self) -> &'static str {
        if self.level < FIRST_HIGH_LEVEL { "low" } else { "high" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_tell_counts_or_shares_of_rows_or_columns() {
        let (counts, codes) = (vec![vec![3, 1], vec![0, 0]], ["a", "b"].map(String::from));
        let texts = |counting| {
            let matrix = Matrix::new(&counts, &codes, counting);
            matrix.rows.iter().flat_map(|row| row.cells.iter().map(|cell| cell.text.clone())).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts(Counting::Images), "3 1 0 0");
        assert_eq!(texts(Counting::Rows), "0.75 0.25 0.00 0.00");
        assert_eq!(texts(Counting::Columns), "1.00 1.00 0.00 0.00");
        let matrix = Matrix::new(&counts, &codes, Counting::Images);
        let first = &matrix.rows[0].cells[0];
        assert_eq!((first.level, first.ink(), first.is_right, matrix.rows[0].cells[1].is_right), (18, "high", true, false));
        assert_eq!(matrix.rows[1].cells[0].level, 0, "a class without images");
    }
}
