//! How pages put things about runs: times, lengths, settings.

use jiff::Timestamp;
use serde_json::Value;

use super::super::words::{Sentence, Voice};
use crate::{store::Run, web::AppState};

/// `2026-11-24 18:13`, in UTC.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// `1 h 02 min`, `2 min 05 s`, `7.3 s`.
pub fn length(voice: Voice, seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as usize;
    if seconds < 60.0 {
        return voice.sentence(&Sentence::new("runs-seconds").measure("seconds", seconds.max(0.0), 1));
    }
    let padded = |number: usize| format!("{number:02}");
    if whole < 3600 {
        return voice
            .sentence(&Sentence::new("runs-minutes").text("minutes", (whole / 60).to_string()).text("seconds", padded(whole % 60)));
    }
    voice.sentence(&Sentence::new("runs-hours").text("hours", (whole / 3600).to_string()).text("minutes", padded(whole % 3600 / 60)))
}

/// How long the run has trained or did; `None` before it began.
pub fn duration_s(run: &Run) -> Option<f64> {
    let end = run.ended_at.unwrap_or_else(Timestamp::now);
    let whole = (end.as_millisecond() - run.started_at?.as_millisecond()) as f64 / 1000.0;
    // What a run that was resumed has trained is less than the time since its first beginning.
    Some(run.progress.map(|progress| progress.elapsed_s).filter(|elapsed| *elapsed > 0.0).unwrap_or(whole))
}

/// A setting as it is typed.
pub fn setting(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether the run's numbers say nothing of the world.
pub fn is_synthetic(app: &AppState, run: &Run) -> bool {
    let dataset = run.dataset.as_ref().and_then(|dataset| app.datasets.get(&dataset.id).ok());
    dataset.is_some_and(crate::data::Dataset::is_synthetic)
}

/// A value of a series: four decimals, or as many as a small one needs.
pub fn value(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:.2e}") } else { super::super::words::fixed(value, 4) }
}
