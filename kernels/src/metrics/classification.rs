//! The classification report as text, as scikit-learn's users know it.

use std::fmt::Write;

use super::Evaluation;

/// `evaluation` in the layout of scikit-learn's `classification_report`, with so many decimals (theirs is 2).
///
/// # Panics
/// Never: memory takes every write.
#[must_use]
pub fn text_report(evaluation: &Evaluation, decimals: usize) -> String {
    const MEANS: [&str; 2] = ["macro avg", "weighted avg"];
    let names = evaluation.per_class.iter().map(|class| class.name.chars().count());
    let width = names.chain([MEANS[1].len(), decimals]).max().unwrap_or_default();
    let mut out = format!("{:>width$}  {:>9} {:>9} {:>9} {:>9}\n\n", "", "precision", "recall", "f1-score", "support");
    let mut row = |name: &str, scores: [f64; 3], support: u64| {
        let [precision, recall, f1] = scores;
        writeln!(out, "{name:>width$}  {precision:>9.decimals$} {recall:>9.decimals$} {f1:>9.decimals$} {support:>9}")
            .expect("memory takes every write");
    };
    for class in &evaluation.per_class {
        row(&class.name, [class.precision, class.recall, class.f1], class.support);
    }
    let n = evaluation.n as u64;
    let (means, accuracy) = ([evaluation.macro_scores, evaluation.weighted], evaluation.accuracy);
    write!(out, "\n{:>width$}  {:>9} {:>9} {accuracy:>9.decimals$} {n:>9}\n", "accuracy", "", "").expect("memory takes every write");
    for (name, scores) in MEANS.into_iter().zip(means) {
        let [precision, recall, f1] = [scores.precision, scores.recall, scores.f1];
        writeln!(out, "{name:>width$}  {precision:>9.decimals$} {recall:>9.decimals$} {f1:>9.decimals$} {n:>9}")
            .expect("memory takes every write");
    }
    out
}
